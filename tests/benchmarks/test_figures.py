from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.accuracy import tables
from benchmarks.datasets import load_set, spread
from benchmarks.engines import Engine, ReaderProcess, version
from benchmarks.environments import REPOSITORY, environment, work_folder
from benchmarks.process_tree import run_watched
from benchmarks.speed import ratio_of_totals
from benchmarks.whole_job import split


def labelled(folder: Path) -> Path:
    """A data folder with a set of three labelled images."""
    rows = [
        {"image": f"images/{name}.png", "language": "en", "words_or_lines": "line", "regions": []}
        for name in ("c", "a", "b")
    ]
    (folder / "small").mkdir()
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / "small" / "labels.jsonl").write_text(text)
    return folder


def test_a_set_is_its_labels_sorted_by_file(tmp_path: Path) -> None:
    chosen = load_set(labelled(tmp_path), "small", tmp_path, limit=2)
    assert [page.key for page in chosen.pages] == ["images/a.png#1", "images/b.png#1"]
    assert (chosen.unit, chosen.texts) == ("line", None)


def test_pages_are_spread_over_a_set_with_both_ends(tmp_path: Path) -> None:
    pages = load_set(labelled(tmp_path), "small", tmp_path).pages
    assert [page.file for page in spread(pages, 2)] == ["images/a.png", "images/c.png"]
    assert len(spread(pages, 9)) == 3


def test_the_ratio_is_that_of_the_totals_and_lies_in_its_interval() -> None:
    # 2 + 6 seconds against 1 + 2
    ratio, low, high = ratio_of_totals([2.0, 6.0], [1.0, 2.0])
    assert ratio == pytest.approx(8 / 3)
    assert low == pytest.approx(2.0)
    assert high == pytest.approx(3.0)


def test_only_figures_that_are_asked_for_come_into_a_table() -> None:
    def figures(value: float) -> list[dict[str, object]]:
        return [
            {"name": "e2e relaxed", "value": value, "headline": True},
            {"name": "text_bow", "value": 0.5, "headline": False},
        ]

    result = {
        "engines": {"pagemill": "1", "tuned": "2"},
        "sets": {
            "taigi": {"pages": 15, "figures": {"pagemill": figures(0.7), "tuned": figures(0.6)}}
        },
    }
    assert tables(result)["accuracy-headline"].splitlines() == [
        "| set (pages) | figure | Pagemill | RapidOCR tuned | gain |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| taigi (15) | e2e relaxed | **0.700** | 0.600 | +0.100 |",
    ]


def test_a_work_folder_in_the_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="outside the repository"):
        work_folder(REPOSITORY / "work")
    assert work_folder(tmp_path / "new").is_dir()


def test_an_engine_without_packages_runs_where_the_benchmark_runs(tmp_path: Path) -> None:
    assert environment(tmp_path, "own", ()) == Path(sys.executable)


def test_predictions_of_a_rival_are_kept_under_its_pinned_packages() -> None:
    engine = Engine("rival", "Rival", "rival_reader", packages=("rival==1.2", "other==3"))
    assert version(engine) == "rival-rival-1.2-other-3"


def test_a_watched_command_tells_its_status_memory_and_time(tmp_path: Path) -> None:
    work = "import time; block = b'x' * 80_000_000; time.sleep(0.6); raise SystemExit(2)"
    used = run_watched([sys.executable, "-c", work], tmp_path)
    assert used.status == 2
    assert used.peak("supervisor") > 80_000_000
    assert used.cpu > 0


def test_the_parts_of_a_job_add_up_to_its_cpu_time(tmp_path: Path) -> None:
    used = run_watched([sys.executable, "-c", "sum(range(10**6))"], tmp_path)
    assert sum(split(used, 0.01, 0.002).values()) == pytest.approx(used.cpu)


def test_a_reader_that_dies_is_an_error_and_not_a_wait() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process,
        pytest.raises(RuntimeError, match="status 3"),
    ):
        ReaderProcess(process)
