"""`pagemill evaluate`: how good a model is on labelled pages or lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workers.commands.counted import counted
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.label_options import label_options, say_skips, verdict
from workers.commands.tables import print_facts, print_json

if TYPE_CHECKING:
    from ocr_core.bundle import Bundle
    from ocr_core.metrics import RegionCounts
    from ocr_core.runtime import Session
    from ocr_core.training.labels import Form, LineLabel, PageLabel
    from ocr_core.training.skips import Skips
    from workers.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_SHARED = (
    label_options,
    click.option("--json", "as_json", is_flag=True, help="For programs."),
    options("model", "engine", "device", "precision"),
    pass_invocation,
    click.pass_context,
)
_LANGUAGE = click.option("--language", metavar="CODE", help="Only pages of this language [all].")


def _shared(command: Command) -> Command:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.group()
def evaluate() -> None:
    """Measure a model on labels, as it reads pages: its static graph, on the CPU by default.

    Regions are matched as in ICDAR 2015, at an overlap of one half. Labels that cannot be used are
    counted and listed; then the exit code is 2.
    """


@evaluate.command()
@_LANGUAGE
@_shared
def det(
    context: click.Context,
    invocation: Invocation,
    /,
    data: Sequence[Path],
    form: Form,
    language: str | None,
    as_json: bool,
) -> None:
    """Measure a detector: precision, recall and their harmonic mean."""
    from ocr_core.detection.detector import Detector, DetectorProfile
    from ocr_core.evaluation import measure_detector
    from ocr_core.metrics import RegionCounts, detection_figures

    settings = invocation.settings()
    pages, skips = _pages(data, form, language)
    bundle, session = _opened(settings, settings.detector)
    detector = Detector(session, DetectorProfile.of_bundle(bundle.profile))
    start = time.process_time()
    measured = measure_detector(detector, pages)
    total = RegionCounts.sum(counted(measured, len(pages), "pages", quiet=invocation.quiet))
    facts = _model(bundle, session) | _counts(total) | detection_figures(total)
    _show(facts, start, skips, as_json=as_json)
    context.exit(verdict(skips))


@evaluate.command()
@_shared
def rec(
    context: click.Context,
    invocation: Invocation,
    /,
    data: Sequence[Path],
    form: Form,
    as_json: bool,
) -> None:
    """Measure a recogniser: lines without an error, and errors by character and by word."""
    from ocr_core.evaluation import measure_recognizer
    from ocr_core.metrics import TextCounts, line_figures
    from ocr_core.recognition.recognizer import Recognizer

    settings = invocation.settings()
    lines, skips = _lines(data, form)
    bundle, session = _opened(settings, settings.recognizer)
    recognizer = Recognizer.of_bundle(session, bundle)
    start = time.process_time()
    measured = measure_recognizer(recognizer, lines, skips)
    total = TextCounts.sum(counted(measured, len(lines), "lines", quiet=invocation.quiet))
    counts = {"lines": total.texts, "characters": total.characters}
    _show(_model(bundle, session) | counts | line_figures(total), start, skips, as_json=as_json)
    context.exit(verdict(skips))


@evaluate.command()
@_LANGUAGE
@_shared
def e2e(
    context: click.Context,
    invocation: Invocation,
    /,
    data: Sequence[Path],
    form: Form,
    language: str | None,
    as_json: bool,
) -> None:
    """Measure finding and reading together, on whole pages."""
    from ocr_core.evaluation import measure_reader
    from ocr_core.metrics import RegionCounts, region_figures
    from workers.services import Services

    pages, skips = _pages(data, form, language)
    with Services(invocation.settings()) as services:
        reader = services.reader
        start = time.process_time()
        measured = measure_reader(reader, pages)
        total = RegionCounts.sum(counted(measured, len(pages), "pages", quiet=invocation.quiet))
    by = reader.provenance
    models = {
        "detector": f"{by.detector} {by.detector_sha256[:12]}",
        "recognizer": f"{by.recognizer} {by.recognizer_sha256[:12]}",
        "engine": f"{by.engine} {by.precision}",
    }
    _show(models | _counts(total) | region_figures(total), start, skips, as_json=as_json)
    context.exit(verdict(skips))


def _pages(data: Sequence[Path], form: Form, language: str | None) -> tuple[list[PageLabel], Skips]:
    from ocr_core.training.errors import EmptyTrainingSet
    from ocr_core.training.labels import read_pages

    pages, skips = _gathered(read_pages(path, form=form) for path in data)
    if language is not None:
        pages = [page for page in pages if (page.language or "").startswith(language)]
    if not pages:
        raise EmptyTrainingSet(f"no page is in the language {language}")
    return pages, skips


def _lines(data: Sequence[Path], form: Form) -> tuple[list[LineLabel], Skips]:
    from ocr_core.training.labels import read_lines

    return _gathered(read_lines(path, form=form) for path in data)


Label = TypeVar("Label")


def _gathered(read: Iterable[tuple[list[Label], Skips]]) -> tuple[list[Label], Skips]:
    from ocr_core.training.skips import Skips

    labels: list[Label] = []
    skips = Skips()
    for some, left_out in read:
        labels += some
        skips.merge(left_out)
    return labels, skips


def _opened(settings: Settings, name: str) -> tuple[Bundle, Session]:
    from ocr_core.bundle import load_bundle
    from ocr_core.runtime import RuntimeOptions, open_session

    bundle = load_bundle(name)
    runtime = RuntimeOptions(
        engine=settings.engine,
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
    )
    return bundle, open_session(bundle, runtime)


def _model(bundle: Bundle, session: Session) -> dict[str, Any]:
    return {
        "model": bundle.name,
        "sha256": bundle.sha256[:12],
        "engine": f"{session.engine} {session.precision}",
    }


def _counts(total: RegionCounts) -> dict[str, Any]:
    return {"images": total.images, "labels": total.labels, "predictions": total.predictions}


def _show(facts: Mapping[str, Any], start: float, skips: Skips, *, as_json: bool) -> None:
    """Print figures to four places, and what was left out."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in facts.items()}
    rounded["cpu_seconds"] = round(time.process_time() - start, 2)
    if as_json:
        print_json({**rounded, "skipped": skips.counts})
    else:
        print_facts(rounded)
    say_skips(skips)
