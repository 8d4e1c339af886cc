"""A virtual environment for each rival, made once under the work folder with pinned packages."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def work_folder(chosen: Path | None) -> Path:
    """Where environments and predictions are kept: outside the repository, made if missing."""
    folder = (chosen or Path(tempfile.gettempdir()) / "pagemill-benchmarks").resolve()
    if folder.is_relative_to(REPOSITORY):
        raise SystemExit(f"the work folder must lie outside the repository: {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment(work: Path, name: str, packages: tuple[str, ...]) -> Path:
    """The Python of the environment `name`, made anew when its list of packages has changed.

    Without packages it is the Python that runs this. Raises CalledProcessError when pip fails.
    """
    if not packages:
        return Path(sys.executable)
    folder = work / "environments" / name
    python, stamp = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(packages)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment {name}: {', '.join(packages)}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    stamp.write_text(wanted)
    return python


def pagemill() -> str:
    """The `pagemill` command of the environment that runs this."""
    return str(Path(sys.executable).with_name("pagemill"))
