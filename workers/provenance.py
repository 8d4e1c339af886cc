"""What is written down about how a page was read."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from storage.runs import ModelRef, Provenance, run_id
from workers.services import Services

if TYPE_CHECKING:
    from ocr_core.reader import ReaderProvenance


def run_of(services: Services, *, reader_used: bool) -> int:
    """The id of the row in `runs` for pages read now by this process; written the first time."""
    known = services.run_ids
    if reader_used not in known:
        models = services.reader.provenance if reader_used else None
        with services.session.begin() as session:
            known[reader_used] = run_id(session, _provenance(services, models))
    return known[reader_used]


def _provenance(services: Services, models: ReaderProvenance | None) -> Provenance:
    settings = services.settings
    page = {"mode": settings.mode, "dpi": settings.dpi, "max_pixels": settings.max_pixels}
    if models is None:
        return Provenance(code_version=version("pagemill"), parameters={"page": page})
    return Provenance(
        code_version=version("pagemill"),
        engine=models.engine,
        precision=models.precision,
        parameters={**models.parameters, "page": page},
        detector=ModelRef(models.detector, models.detector_sha256),
        recognizer=ModelRef(models.recognizer, models.recognizer_sha256),
        line_orientation=ModelRef(models.line_orientation, models.line_orientation_sha256),
    )
