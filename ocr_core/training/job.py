"""A training job: labels in, a model bundle out, and a folder beside it with what a run leaves.

OUT          the bundle, written whole at the end
OUT.run      last.pt to resume from, best.pt, metrics.jsonl, run.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from ocr_core.bundle import Bundle
from ocr_core.errors import BundleExists
from ocr_core.networks import Network
from ocr_core.runtime.export import TrainedFacts, publish
from ocr_core.training import checkpoint
from ocr_core.training.devices import Device
from ocr_core.training.errors import RunExists
from ocr_core.training.hooks import Checkpoints
from ocr_core.training.interruption import Interruption
from ocr_core.training.journal import Journal, TensorBoard
from ocr_core.training.loop import Outcome, train
from ocr_core.training.preparation import KINDS, Models, Prepared, Recipe, Subject, prepare
from ocr_core.training.run import Hook
from ocr_core.training.sources import Sources

CHECKPOINT_SECONDS = 60.0
"""Work that a kill may cost, but for the time of one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Everything a person says when they start a run."""

    subject: Subject
    recipe: Recipe
    models: Models
    sources: Sources
    out: Path
    """Folder of the bundle to be."""
    name: str
    """Of the bundle."""
    command: str
    """As it was typed."""
    license: str | None = None
    """Of the new weights; None: the parent's, or not stated."""
    where: Device
    resume: bool = False

    @property
    def folder(self) -> Path:
        """Where the run keeps what it needs to go on."""
        return self.out.with_name(f"{self.out.name}.run")


class Trained(NamedTuple):
    """What a job ended with."""

    bundle: Bundle
    outcome: Outcome
    prepared: Prepared
    late: int
    """Labels that turned out to be of no use only while the run was under way."""


def run_job(
    job: TrainingJob,
    hooks: Sequence[Hook] = (),
    announce: Callable[[Prepared], None] = lambda prepared: None,
) -> Trained:
    """Train and publish; `announce` hears what was read before the first step.

    Interrupted or killed, the same job with `resume` goes on to the same weights. Raises
    BundleExists and RunExists before anything is read, then the errors of `prepare`, `train` and
    `publish`.
    """
    _refuse_to_overwrite(job)
    prepared = prepare(job.recipe, job.models, job.sources)
    announce(prepared)
    known = prepared.skips.total
    _write_facts(job, prepared)
    begun = job.resume and (job.folder / checkpoint.LAST).exists()
    outcome = train(
        prepared.task,
        job.recipe.loop,
        job.where,
        [*hooks, *_hooks(job, prepared)],
        resume=job.folder if begun else None,
    )
    network = cast(Network, prepared.task.deployable(outcome.module))
    bundle = publish(network, job.out, _facts(job, prepared, outcome), prepared.samples)
    return Trained(bundle, outcome, prepared, prepared.skips.total - known)


def _refuse_to_overwrite(job: TrainingJob) -> None:
    if job.out.exists():
        raise BundleExists(str(job.out))
    if (job.folder / checkpoint.LAST).exists() and not job.resume:
        raise RunExists(str(job.folder))


def _hooks(job: TrainingJob, prepared: Prepared) -> list[Hook]:
    checkpoints = Checkpoints(job.folder, prepared.identity, CHECKPOINT_SECONDS)
    board: list[Hook] = [TensorBoard(job.folder)] if TensorBoard.installed() else []
    return [Journal(job.folder), *board, checkpoints, Interruption(checkpoints)]


def _facts(job: TrainingJob, prepared: Prepared, outcome: Outcome) -> TrainedFacts:
    parent, unit = prepared.parent, "pages" if job.subject == "det" else "lines"
    origin = f"trained by pagemill on {prepared.learned} {unit}"
    inherited = parent.license if parent else "not stated"
    return TrainedFacts(
        name=job.name,
        kind=KINDS[job.subject],
        charset=prepared.charset,
        profile=prepared.profile,
        origin=f"{origin}, from {parent.name}: {parent.origin}" if parent else origin,
        license=job.license or inherited,
        parent=f"{parent.name} {parent.sha256}" if parent else None,
        command=job.command,
        metrics={
            **outcome.best_metrics,
            "step": outcome.best_step,
            f"held_out_{unit}": prepared.measured,
        },
    )


def _write_facts(job: TrainingJob, prepared: Prepared) -> None:
    skips = prepared.skips
    facts: dict[str, Any] = {
        "command": job.command,
        "recipe": asdict(job.recipe),
        "identity": prepared.identity,
        "learned": prepared.learned,
        "measured": prepared.measured,
        "skipped": skips.counts,
        "examples": skips.examples,
    }
    job.folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, ensure_ascii=False, indent=1, default=str)
    (job.folder / "run.json").write_text(text + "\n", encoding="utf-8", errors="replace")
