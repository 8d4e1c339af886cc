"""Tesseract as a reader process: one run of the system's program a page, one thread.

Lines and words come from its TSV output: level 4 rows are lines, level 5 rows their words.
"""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import Iterable
from typing import Any

from benchmarks.rivals.conversation import Answer, region, serve

LANGUAGES = {
    "cs": "ces",
    "da": "dan",
    "de": "deu",
    "en": "eng",
    "es": "spa",
    "fr": "fra",
    "it": "ita",
    "sk": "slk",
    "zh": "chi_sim+eng",
    "zh-Hant": "chi_tra+eng",
    "nan": "chi_tra+eng",
    "nan-Latn": "eng",
}
"""Traineddata for each language of the labels. Taiwanese has none: the nearest are taken."""
LINE, WORD = 4, 5


def read(request: dict[str, Any]) -> Answer:
    """Read one image with the traineddata of its language; page segmentation as by default."""
    command = ["tesseract", request["path"], "stdout", "-l", LANGUAGES[request["language"]], "tsv"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:])
    return parse_tsv(done.stdout)


def parse_tsv(text: str) -> Answer:
    """Lines and words of a TSV output, in the order given."""
    lines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for row in _rows(text):
        if row["level"] == LINE:
            lines.append({"box": row["box"], "words": []})
        if row["level"] == WORD and row["text"].strip():
            lines[-1]["words"].append(row)
            words.append(region(_corners(row["box"]), row["text"], row["score"]))
    return {"regions": [_line(line) for line in lines if line["words"]], "words": words}


def _rows(text: str) -> Iterable[dict[str, Any]]:
    for line in text.rstrip("\n").split("\n")[1:]:
        cells = line.split("\t")
        box = [int(cell) for cell in cells[6:10]]
        score = max(float(cells[10]), 0.0) / 100
        yield {"level": int(cells[0]), "box": box, "score": score, "text": cells[11]}


def _line(line: dict[str, Any]) -> dict[str, Any]:
    words = line["words"]
    score = sum(word["score"] for word in words) / len(words)
    return region(_corners(line["box"]), join_words([word["text"] for word in words]), score)


def join_words(words: list[str]) -> str:
    """Join with spaces, but for two neighbours written without them (it cuts Chinese at random)."""
    text = words[0]
    for word in words[1:]:
        tight = _unspaced(text[-1]) and _unspaced(word[0])
        text += word if tight else " " + word
    return text


def _unspaced(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _corners(box: list[int]) -> list[list[int]]:
    left, top, width, height = box
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


if __name__ == "__main__":
    serve({"precision": "int"}, read)
