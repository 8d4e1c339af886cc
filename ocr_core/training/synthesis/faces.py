"""Typefaces to draw with: from folders, from this system, or brought along by our dependencies."""

from __future__ import annotations

import functools
import io
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageFont, features

from ocr_core.training.errors import FontsMissing
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis import bundled
from ocr_core.training.synthesis.coverage import Characters, characters_of, face_offsets

SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_JOINERS = "\u200c\u200d"
PROBE = 24
"""Pixels an em at which a glyph is tried."""
NO_CHARACTER = "\uffff"
"""Never a character (Unicode 16.0, 23.7), so it is drawn as the box for what is missing."""


@dataclass(frozen=True, slots=True)
class Face:
    """One typeface: of a file, or of a package."""

    name: str
    """What a person knows it by: the file's path in its folder, or the package."""
    path: Path | None = None
    """None: it comes from a package."""
    index: int = 0
    """Which face of a collection."""

    @property
    def characters(self) -> Characters:
        """Code points that its file says it has."""
        return _characters(self)

    def draws(self, character: str) -> bool:
        """Whether the character comes out as itself: not as a box and, unless a space, not empty.

        Joiners are never seen and drawn by every font.
        """
        if character in _JOINERS:
            return True
        return ord(character) in self.characters and _has_ink(self, character)

    def covers(self, text: str) -> bool:
        """Whether every character of the text comes out as itself, and anything can be seen."""
        visible = any(not c.isspace() and c not in _JOINERS for c in text)
        return visible and all(map(self.draws, text))


@functools.lru_cache(maxsize=128)
def sized(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """The face at `size` pixels an em; kept open, since opening costs more than a line."""
    source = io.BytesIO(bundled.font_file(face.name)) if face.path is None else str(face.path)
    return ImageFont.truetype(source, size, index=face.index)


def shaping() -> bool:
    """Whether PIL can join, reorder and stack letters, as Arabic, Hebrew and Hindi need (raqm)."""
    return bool(features.check("raqm"))


def needs_shaping(text: str) -> bool:
    """Whether letters of the text join, run from the right, or stand on each other."""
    return not text.isascii() and any(map(_is_complex, set(text)))


def _is_complex(character: str) -> bool:
    return unicodedata.bidirectional(character) in ("R", "AL", "AN") or unicodedata.category(
        character
    ) in ("Mn", "Mc")


class FaceSet:
    """Faces to choose from."""

    def __init__(self, faces: Sequence[Face]) -> None:
        if not faces:
            raise FontsMissing()
        self.faces = tuple(faces)
        files: dict[Path | str, list[Face]] = {}
        for face in self.faces:
            files.setdefault(face.path or face.name, []).append(face)
        self._files = tuple(map(tuple, files.values()))

    def choose(self, rng: np.random.Generator, text: str) -> Face | None:
        """Any face that has every character of the text; None if there is none, or no shaping.

        Files are equally likely: the ten faces of a collection are no ten fonts.
        """
        if not shaping() and needs_shaping(text):
            return None
        letters = "".join(dict.fromkeys(text))
        order = rng.permutation(len(self._files))
        turn = int(rng.integers(1 << 16))
        for faces in (self._files[i] for i in order):
            fitting = [face for face in faces if face.covers(letters)]
            if fitting:
                chosen: Face = fitting[turn % len(fitting)]
                return chosen
        return None

    def lacking(self, characters: Iterable[str]) -> str:
        """Those of the characters that no face draws, each once, in the order given."""
        wanted = dict.fromkeys(characters)
        return "".join(c for c in wanted if not any(face.draws(c) for face in self.faces))


def find_faces(folders: Sequence[Path], skips: Skips) -> FaceSet:
    """Every face under the folders, by path; files that cannot be opened are counted.

    Without folders: the faces of this system and, if it has none, those of PIL and PyMuPDF.
    Raises FontsMissing if there is none.
    """
    if folders:
        faces = [face for folder in folders for face in _faces_under(folder, skips)]
        if not faces:
            raise FontsMissing(", ".join(map(str, folders)))
        return FaceSet(faces)
    faces = [face for folder in system_folders() for face in _faces_under(folder, skips)]
    return FaceSet(faces or list(map(Face, bundled.names())))


def system_folders() -> list[Path]:
    """The folders in which this kind of system keeps fonts, those that are there."""
    home = Path.home()
    if sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    elif sys.platform == "win32":
        folders = [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    else:
        folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts"]
        folders.append(home / ".local/share/fonts")
    return [folder for folder in folders if folder.is_dir()]


def _faces_under(folder: Path, skips: Skips) -> Iterator[Face]:
    """Faces of a font file, or of every font file under a folder, that can be opened."""
    files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    for path in files:
        if path.suffix.lower() in SUFFIXES and path.is_file():
            name = path.relative_to(folder).as_posix() if path != folder else path.name
            yield from _faces_of(path, name, skips)


def _faces_of(path: Path, name: str, skips: Skips) -> list[Face]:
    try:
        with path.open("rb") as file:
            count = len(face_offsets(file))
        faces = [
            Face(f"{name}#{index}" if count > 1 else name, path, index) for index in range(count)
        ]
        for face in faces:  # fonts of pictures cannot be drawn at any size
            sized(face, PROBE)
    except (OSError, ValueError) as error:
        skips.add("unusable_font", f"{path}: {error}")
        return []
    return faces


@functools.lru_cache(maxsize=1024)
def _characters(face: Face) -> Characters:
    if face.path is None:
        return bundled.characters(face.name)
    try:
        with face.path.open("rb") as file:
            return characters_of(file, face_offsets(file)[face.index])
    except ValueError:  # a damaged table: nothing is drawn with it
        return frozenset()


@functools.lru_cache(maxsize=1 << 18)
def _has_ink(face: Face, character: str) -> bool:
    if character.isspace():
        return True
    glyph = _glyph(face, character)
    return any(glyph) and glyph != _box(face)


@functools.lru_cache(maxsize=1024)
def _box(face: Face) -> bytes:
    """What the face draws for a character it does not have."""
    return _glyph(face, NO_CHARACTER)


def _glyph(face: Face, character: str) -> bytes:
    mask, _ = sized(face, PROBE).getmask2(character, "L")
    return bytes(mask)
