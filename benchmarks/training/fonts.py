"""The fonts that drawn benchmark data is made with: named files of Debian packages.

Other fonts of a system are not used, so that the same data is drawn wherever these are installed.
"""

from __future__ import annotations

from pathlib import Path

from ocr_core.training.synthesis.faces import Face, FaceSet, system_folders

PACKAGES = (
    "fonts-dejavu",
    "fonts-liberation",
    "fonts-freefont-ttf",
    "fonts-noto-cjk",
    "fonts-wqy-microhei",
    "fonts-wqy-zenhei",
    "fonts-arphic-ukai",
    "fonts-arphic-uming",
)
"""What to install: `apt-get install` and these names."""

LATIN = (
    *(f"DejaVu{name}.ttf" for name in ("Sans", "Sans-Bold", "SansMono", "Serif", "Serif-Italic")),
    *(f"LiberationSans-{name}.ttf" for name in ("Regular", "Bold", "Italic")),
    *(f"LiberationSerif-{name}.ttf" for name in ("Regular", "Bold", "Italic")),
    *("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
    *("FreeSans.ttf", "FreeSerif.ttf", "FreeMono.ttf"),
)
CHINESE = (
    *("NotoSansCJK-Regular.ttc#2", "NotoSansCJK-Bold.ttc#2"),
    *("NotoSerifCJK-Regular.ttc#2", "NotoSerifCJK-Bold.ttc#2"),
    *("wqy-microhei.ttc#0", "wqy-zenhei.ttc#0", "ukai.ttc#0", "uming.ttc#0"),
)
"""Eight: two weights each of a sans and a serif, two more sans, a brush script, a light serif."""
TYPEWRITER = ("LiberationMono-Regular.ttf", "DejaVuSansMono.ttf", "FreeMono.ttf")


def faces(*names: str) -> FaceSet:
    """Faces by file name, `#` and the number in a collection; exits if one is not installed."""
    found = {
        path.name: path
        for folder in system_folders()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".ttf", ".ttc")
    }
    missing = [name for name in names if name.partition("#")[0] not in found]
    if missing:
        advice = f"install {' '.join(PACKAGES)}"
        raise SystemExit(f"fonts are missing: {', '.join(missing)}; {advice}")
    return FaceSet([_face(name, found) for name in names])


def _face(name: str, found: dict[str, Path]) -> Face:
    file, _, index = name.partition("#")
    return Face(name, found[file], int(index or 0))
