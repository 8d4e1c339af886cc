"""Where labels come from, and what of them is learned and what is kept to measure on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ocr_core.training.errors import EmptyTrainingSet, LabelFormUnknown
from ocr_core.training.labelled import LineLabel, PageLabel
from ocr_core.training.labels import read_lines, read_pages, unlabelled_lines, whole_images
from ocr_core.training.readers import Form, guess_form
from ocr_core.training.readers.text_lines import is_image
from ocr_core.training.skips import Skips

Label = TypeVar("Label", PageLabel, LineLabel)
Reader = Callable[..., tuple[list[Label], Skips]]
"""`read_pages` or one of its like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Folders or files of labels and images."""

    data: tuple[Path, ...]
    held_out: tuple[Path, ...] = ()
    """Labels to measure on; none: a share of `data`."""
    share: float = 0.1
    """How much of `data` is kept to measure on if nothing else is."""
    unlabelled: tuple[Path, ...] = ()
    """Images that a teacher, or another student, says something about."""
    replay: tuple[Path, ...] = ()
    """General labels that a fine-tuned model is not to forget."""
    form: Form = "auto"

    def pages(self, skips: Skips) -> tuple[list[PageLabel], list[PageLabel]]:
        """Labelled pages to learn from and to measure on."""
        given = _pages(self.data, self.form, skips)
        if not self.held_out:
            return divided(given, self.share)
        return given, _pages(self.held_out, self.form, skips)

    def lines(self, skips: Skips) -> tuple[list[LineLabel], list[LineLabel]]:
        """Labelled lines to learn from and to measure on."""
        given = self.all_lines(skips)
        if not self.held_out:
            return divided(given, self.share)
        return given, _lines(self.held_out, self.form, skips)

    def all_lines(self, skips: Skips) -> list[LineLabel]:
        """Every labelled line of `data`."""
        return _lines(self.data, self.form, skips)

    def replayed_lines(self, skips: Skips) -> list[LineLabel]:
        """General lines with labels."""
        return _lines(self.replay, self.form, skips)

    def unlabelled_images(self, skips: Skips) -> list[Path]:
        """Pages without labels: images of folders, or those that labels name."""
        return [image for path in self.unlabelled for image in _images(path, self.form, skips)]

    def unlabelled_lines(self, skips: Skips) -> list[LineLabel]:
        """Lines whose texts are not looked at: regions of labelled pages, or images of lines."""
        return [line for path in self.unlabelled for line in _bare_lines(path, self.form, skips)]


def divided(labels: Sequence[Label], share: float) -> tuple[list[Label], list[Label]]:
    """Labels to learn from and to measure on; those of one image stay together.

    The choice depends on the names of the images alone, so that it is the same for every seed and
    in every folder. Raises EmptyTrainingSet if there are not two images.
    """
    names = sorted({label.image.name for label in labels}, key=_mixed)
    if len(names) < 2:
        raise EmptyTrainingSet(
            f"{len(names)} image is too few to learn from and to measure on; name others with"
            " --held-out"
        )
    count = min(max(1, math.ceil(share * len(names))), len(names) - 1)
    kept = set(names[:count])
    learned = [label for label in labels if label.image.name not in kept]
    return learned, [label for label in labels if label.image.name in kept]


def digest(labels: Iterable[PageLabel | LineLabel]) -> str:
    """A hash of what labels say, wherever their images lie."""
    total = hashlib.sha256()
    for label in labels:
        for part in _facts(label):
            total.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return total.hexdigest()[:16]


def _facts(label: PageLabel | LineLabel) -> Iterator[str]:
    yield label.image.name
    if isinstance(label, LineLabel):
        yield from (label.text, str(label.quad))
        return
    for region in label.regions:
        yield from (region.text, str(region.polygon.tolist()), str(region.ignore))


def _mixed(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _pages(paths: Sequence[Path], form: Form, skips: Skips) -> list[PageLabel]:
    return [page for path in paths for page in _noted(read_pages, path, form, skips)]


def _lines(paths: Sequence[Path], form: Form, skips: Skips) -> list[LineLabel]:
    return [line for path in paths for line in _noted(read_lines, path, form, skips)]


def _noted(reader: Reader[Label], path: Path, form: Form, skips: Skips) -> list[Label]:
    labels, left_out = reader(path, form=form)
    skips.merge(left_out)
    return labels


def _images(path: Path, form: Form, skips: Skips) -> list[Path]:
    if _labelled(path, form):
        return [page.image for page in _noted(read_pages, path, form, skips)]
    return pictures(path)


def _bare_lines(path: Path, form: Form, skips: Skips) -> list[LineLabel]:
    if _labelled(path, form):
        return _noted(unlabelled_lines, path, form, skips)
    return whole_images(pictures(path), skips)


def pictures(path: Path) -> list[Path]:
    """The images of a folder and those below it, in order; raises EmptyTrainingSet."""
    found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if is_image(file))
    if not found:
        raise EmptyTrainingSet(f"there are no images in {path}")
    return found


def _labelled(path: Path, form: Form) -> bool:
    if form != "auto":
        return True
    try:
        guess_form(path)
    except LabelFormUnknown:
        return False
    return True
