"""What the drawn lines and pages of the benchmark look like; train and test differ by seed alone.

    drawn_lines(folder, drawings.few_characters, 250, seed)

Each function gives a recipe. Words are those of the Debian package wamerican.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.training import fonts
from ocr_core.training.synthesis import wear
from ocr_core.training.synthesis.lines import LineRecipe
from ocr_core.training.synthesis.looks import LOOKS, Look
from ocr_core.training.synthesis.pages import PageRecipe
from ocr_core.training.synthesis.paper import Tones
from ocr_core.training.synthesis.texts import (
    Fields,
    Groups,
    TextSource,
    Words,
    mixed,
    read_text_lines,
)
from ocr_core.training.synthesis.wear import Wear

DICTIONARY = Path("/usr/share/dict/american-english")
ALIKE = "己已未末土士日曰人入"
"""Five pairs of Chinese characters that differ by the length of a stroke."""


def noisy(level: float = 0.35) -> Look:
    """Black on white under much grain: the level is its deviation over the range of grey."""
    grain = Wear(1.0, partial(wear.noise, sigma=(0.5 * 255 * level, 255 * level)))
    blur = Wear(0.5, partial(wear.blur, sigma=(0.4, 1.2)))
    return Look(
        name="noisy",
        sizes=(24, 32),
        warp=0.08,
        tones=Tones(paper=(190, 255), ink=(0, 80), texture=6),
        wear=(blur, grain),
    )


def few_characters(noise: float = 0.35) -> LineRecipe:
    """Two of ten characters that look alike, in eight fonts, under much noise, 32 pixels high."""
    return LineRecipe(
        texts=Groups((ALIKE,)),
        faces=fonts.faces(*fonts.CHINESE),
        looks=(noisy(noise),),
        shortest=2,
        longest=2,
        height=32,
    )


def new_look(name: str) -> LineRecipe:
    """Lines of a look that general models read badly: `fax`, `dot-matrix`, `seven-segment`."""
    typewriter = name == "dot-matrix"
    faces = fonts.faces(*(fonts.TYPEWRITER if typewriter else fonts.LATIN))
    texts = None if name == "seven-segment" else english()
    return LineRecipe(texts=texts, faces=faces, looks=(LOOKS[name],), shortest=3, longest=28)


def general() -> LineRecipe:
    """What a reader meets every day: English, values, Chinese; clean, scanned, photographed."""
    texts = mixed([(english(), 0.5), (Groups((common_chinese(),)), 0.5)])
    return LineRecipe(
        texts=texts,
        faces=fonts.faces(*fonts.LATIN, *fonts.CHINESE),
        looks=(LOOKS["clean"], LOOKS["scan"], LOOKS["photo"]),
        shortest=2,
        longest=20,
    )


def small_pages() -> PageRecipe:
    """Pages of 224 to 256 pixels with some lines of English and values, at any angle or in rows."""
    looks = tuple(replace(LOOKS[name], sizes=(11, 22)) for name in ("clean", "scan", "photo"))
    return PageRecipe(
        texts=english(),
        faces=fonts.faces(*fonts.LATIN),
        looks=looks,
        layouts=("paragraphs", "form", "receipt", "scattered"),
        smallest=(224, 224),
        largest=(256, 256),
    )


def english() -> TextSource:
    """Random words of a dictionary, and every fifth time a value."""
    if not DICTIONARY.exists():
        raise SystemExit(f"{DICTIONARY} is missing; install wamerican")
    words = [word for word in read_text_lines(DICTIONARY) if word.isascii() and word.isalpha()]
    return mixed([(Words(tuple(words), marks=".,;:!?"), 0.8), (Fields(), 0.2)])


def common_chinese() -> str:
    """The 3755 characters of the first level of GB 2312."""
    places = itertools.product(range(0xB0, 0xD8), range(0xA1, 0xFF))
    return b"".join(map(bytes, places)).decode("gb2312", errors="ignore")
