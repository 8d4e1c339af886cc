"""Fonts that packages bring along: the same on every machine."""

import pytest

from ocr_core.training.synthesis import bundled
from ocr_core.training.synthesis.faces import Face, FaceSet


@pytest.fixture(scope="session")
def helvetica() -> Face:
    """Latin, Greek and Cyrillic."""
    return Face("PyMuPDF helv")


@pytest.fixture(scope="session")
def chinese() -> Face:
    """Chinese and Japanese as well."""
    return Face("PyMuPDF cjk")


@pytest.fixture(scope="session")
def latin_faces() -> FaceSet:
    """Three families of Latin."""
    return FaceSet([Face("PyMuPDF helv"), Face("PyMuPDF tiro"), Face("PyMuPDF cour")])


@pytest.fixture(scope="session")
def all_faces() -> FaceSet:
    """Everything that packages bring along."""
    return FaceSet([Face(name) for name in bundled.names()])
