"""Texts that were read against what they should be."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from ocr_core.rates import Counts, Rates
from ocr_core.text_forms import bag_of_words, loose, normalised, words


@dataclass(frozen=True, slots=True)
class TextCounts(Counts):
    """How a text was read, or many texts."""

    texts: int = 0
    right: int = 0
    """Texts that are equal in their normalised form."""
    characters: int = 0
    """Of the references."""
    character_errors: int = 0
    """Insertions, deletions and replacements."""
    words: int = 0
    word_errors: int = 0
    loose_characters: int = 0
    loose_errors: int = 0
    similarity: float = 0.0
    """Sum of 1 - edit distance / length of the longer text."""
    words_right: int = 0
    """As a bag of words, as are the next two."""
    words_wanted: int = 0
    words_found: int = 0
    characters_read: int = 0

    @property
    def cer(self) -> float:
        """Character error rate: edit distance over the length of the references."""
        return self._rate(self.character_errors, self.characters)

    @property
    def cer_loose(self) -> float:
        """The same without case, kinds of quotes and dashes, and division at line ends."""
        return self._rate(self.loose_errors, self.loose_characters)

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self._rate(self.word_errors, self.words)

    @property
    def accuracy(self) -> float:
        """Share of texts without an error; 1 for no texts."""
        return self.right / self.texts if self.texts else 1.0

    @property
    def one_minus_ned(self) -> float:
        """Mean similarity of the texts (normalised edit distance, PP-OCR §8.2); 1 for no texts."""
        return self.similarity / self.texts if self.texts else 1.0

    @property
    def bag_of_words(self) -> Rates:
        """Words, whatever their order."""
        return Rates.of(self.words_right, self.words_found, self.words_wanted)

    def _rate(self, errors: int, length: int) -> float:
        if length:
            return errors / length
        return 1.0 if self.characters_read else 0.0


def count_text(reference: str, read: str) -> TextCounts:
    """Compare one text with what it should be, both in their normalised form."""
    wanted, got = normalised(reference), normalised(read)
    loosely = loose(reference), loose(read)
    wanted_words, got_words = words(reference), words(read)
    wanted_bag, got_bag = bag_of_words(reference), bag_of_words(read)
    return TextCounts(
        texts=1,
        right=int(wanted == got),
        characters=len(wanted),
        character_errors=Levenshtein.distance(wanted, got),
        words=len(wanted_words),
        word_errors=Levenshtein.distance(wanted_words, got_words),
        loose_characters=len(loosely[0]),
        loose_errors=Levenshtein.distance(*loosely),
        similarity=Levenshtein.normalized_similarity(wanted, got),
        words_right=(wanted_bag & got_bag).total(),
        words_wanted=wanted_bag.total(),
        words_found=got_bag.total(),
        characters_read=len(got),
    )
