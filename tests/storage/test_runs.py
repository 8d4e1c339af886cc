from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from storage import ledger
from storage.results import SavedPage
from storage.runs import ModelRef, Provenance, run_id
from storage.schema import Model, Run

PROVENANCE = Provenance(
    code_version="1.0",
    engine="openvino",
    precision="bf16",
    parameters={"threshold": 0.3, "side": 960},
    detector=ModelRef("small-det", "d" * 64),
    recognizer=ModelRef("small-rec", "e" * 64),
)


def test_the_same_way_of_reading_is_one_run(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        first = run_id(session, PROVENANCE)
    turned = replace(PROVENANCE, parameters={"side": 960, "threshold": 0.3})
    with sessions.begin() as session:
        assert run_id(session, turned) == first
        assert len(session.scalars(select(Model)).all()) == 2


def test_any_difference_is_another_run(sessions: sessionmaker[Session]) -> None:
    others = [
        replace(PROVENANCE, code_version="1.1"),
        replace(PROVENANCE, engine="torch"),
        replace(PROVENANCE, precision="fp32"),
        replace(PROVENANCE, parameters={"threshold": 0.4, "side": 960}),
        replace(PROVENANCE, parameter_hash="f" * 64),
        replace(PROVENANCE, recognizer=ModelRef("small-rec", "0" * 64)),
        replace(PROVENANCE, line_orientation=ModelRef("line", "1" * 64)),
        Provenance(code_version="1.0"),
    ]
    with sessions.begin() as session:
        runs = {run_id(session, one) for one in [PROVENANCE, *others]}
        assert len(runs) == len(session.scalars(select(Run)).all()) == 9


def test_a_page_tells_what_read_it(
    sessions: sessionmaker[Session], add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    add("a.pdf", 2)
    with sessions.begin() as session:
        read, layer = run_id(session, PROVENANCE), run_id(session, Provenance(code_version="1.0"))
        one, two = ledger.claim(session, worker="w", limit=2)
        ledger.finish(session, one, make_page("words", run_id=read))
        ledger.finish(session, two, make_page("words", run_id=layer, source="text_layer"))
    with sessions() as session:
        pages = session.execute(text("SELECT * FROM v_pages ORDER BY page_no")).mappings().all()
        models = session.scalars(text("SELECT model FROM v_lines ORDER BY page_no")).all()
    assert pages[0]["model"] == "small-rec"
    assert pages[0]["model_sha256"] == "e" * 64
    assert (pages[0]["detector"], pages[0]["detector_sha256"]) == ("small-det", "d" * 64)
    assert (pages[0]["engine"], pages[0]["precision"]) == ("openvino", "bf16")
    assert pages[0]["image_sha256"] == "c" * 64
    assert len(pages[0]["parameter_hash"]) == 64
    assert (pages[1]["model"], pages[1]["code_version"]) == (None, "1.0")
    assert models == ["small-rec", None]
