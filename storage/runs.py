"""Provenance: which models, engine and parameters read a page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.locks import alone
from storage.schema import Model, Run
from storage.times import present


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model bundle: its name and the hash of its files."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Everything that decides what text comes out of a page image.

    For pages taken from a text layer the models are None.
    """

    code_version: str
    engine: str | None = None
    precision: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Thresholds, sizes, options: JSON values."""
    parameter_hash: str | None = None
    """By default the SHA-256 of `parameters` as JSON with sorted keys."""
    detector: ModelRef | None = None
    recognizer: ModelRef | None = None
    line_orientation: ModelRef | None = None


def run_id(session: Session, provenance: Provenance, *, now: datetime | None = None) -> int:
    """Return the id of the run with this provenance, writing its rows the first time."""
    digest = _run_hash(provenance)
    known = _known(session, digest)
    if known is None:
        alone(session, "runs")
        known = _known(session, digest)
    if known is not None:
        return known
    run = Run(
        run_hash=digest,
        code_version=provenance.code_version,
        engine=provenance.engine,
        precision=provenance.precision,
        parameters=dict(provenance.parameters),
        parameter_hash=_parameter_hash(provenance),
        detector_id=_model_id(session, "detector", provenance.detector),
        recognizer_id=_model_id(session, "recognizer", provenance.recognizer),
        line_orientation_id=_model_id(session, "line_orientation", provenance.line_orientation),
        created_at=now or present(session),
    )
    session.add(run)
    session.flush()
    return run.id


def _known(session: Session, digest: str) -> int | None:
    return session.scalar(select(Run.id).where(Run.run_hash == digest))


def _model_id(session: Session, kind: str, model: ModelRef | None) -> int | None:
    if model is None:
        return None
    row = session.scalar(
        select(Model).where(
            Model.kind == kind, Model.name == model.name, Model.sha256 == model.sha256
        )
    )
    if row is None:
        row = Model(kind=kind, name=model.name, sha256=model.sha256)
        session.add(row)
        session.flush()
    return row.id


def _parameter_hash(provenance: Provenance) -> str:
    return provenance.parameter_hash or _sha256(dict(provenance.parameters))


def _run_hash(provenance: Provenance) -> str:
    models = (provenance.detector, provenance.recognizer, provenance.line_orientation)
    return _sha256(
        [
            provenance.code_version,
            provenance.engine,
            provenance.precision,
            dict(provenance.parameters),
            _parameter_hash(provenance),
            [model and [model.name, model.sha256] for model in models],
        ]
    )


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
