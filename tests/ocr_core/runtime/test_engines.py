import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ocr_core import runtime, wheel
from ocr_core.bundle import load_bundle
from ocr_core.errors import EngineFailed, EngineMissing, EngineUnsupported, ModelDamaged
from ocr_core.runtime import ENGINES, RuntimeOptions, Session, choose_engine, open_session
from ocr_core.runtime.openvino_engine import LARGE
from ocr_core.runtime.precision import choose_precision, cpu_has_bf16

Picture = NDArray[np.uint8]
Batch = Callable[[list[Picture], int, int], NDArray[np.float32]]

DETECTOR, RECOGNIZER, TURN = (model.name for model in wheel.MODELS)
STATIC = ("openvino", "onnxruntime")


@pytest.fixture(scope="module")
def sessions() -> dict[tuple[str, str], Session]:
    """Every built-in model on every engine, in fp32."""
    return {
        (name, engine): open_session(
            load_bundle(name), RuntimeOptions(engine=engine, precision="fp32")
        )
        for name in (DETECTOR, RECOGNIZER, TURN)
        for engine in ENGINES
    }


def run(code: str) -> None:
    """Run statements in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_runtime_imports_no_engine() -> None:
    run(
        "import sys, ocr_core.runtime; found = {'torch', 'openvino', 'onnxruntime', 'onnx'}"
        " & set(sys.modules); assert not found, found"
    )


@pytest.mark.parametrize("engine", STATIC)
def test_a_static_graph_runs_without_torch_and_without_the_network(engine: str) -> None:
    run(
        f"""
import sys
events = []
sys.addaudithook(lambda name, args: events.append(name) if name.startswith("socket.") else None)
import numpy as np
from ocr_core.bundle import load_bundle
from ocr_core.runtime import RuntimeOptions, open_session
for name in {(DETECTOR, RECOGNIZER, TURN)!r}:
    session = open_session(load_bundle(name), RuntimeOptions(engine={engine!r}))
    session.run(np.zeros((1, 3, 48 if "det" not in name else 64, 192), np.float32))
assert "torch" not in sys.modules
assert not set(events) & {{"socket.connect", "socket.getaddrinfo", "socket.sendto"}}, events
"""
    )


def test_the_engines_agree_on_lines(
    sessions: dict[tuple[str, str], Session], drawn_lines: list[Picture], as_batch: Batch
) -> None:
    for width in (37, 321, 640):
        batch = as_batch(drawn_lines, 48, width)
        first, *others = (sessions[RECOGNIZER, engine].run(batch) for engine in ENGINES)
        for other in others:
            np.testing.assert_allclose(other, first, atol=1e-3)
            np.testing.assert_array_equal(other.argmax(axis=-1), first.argmax(axis=-1))


def test_the_engines_agree_on_pages_and_on_turned_lines(
    sessions: dict[tuple[str, str], Session],
    drawn_page: Picture,
    drawn_lines: list[Picture],
    as_batch: Batch,
) -> None:
    page, lines = as_batch([drawn_page], 352, 480), as_batch(drawn_lines, 48, 192)
    for name, batch in ((DETECTOR, page), (TURN, lines)):
        first, *others = (sessions[name, engine].run(batch) for engine in ENGINES)
        for other in others:
            np.testing.assert_allclose(other, first, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_best_path_is_the_arg_max_of_the_probabilities(
    sessions: dict[tuple[str, str], Session],
    drawn_lines: list[Picture],
    as_batch: Batch,
    engine: str,
) -> None:
    session = sessions[RECOGNIZER, engine]
    batch = as_batch(drawn_lines, 48, 400)
    full = session.run(batch)
    best = session.best(batch)
    assert (best.ids.dtype, best.probabilities.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(best.ids, full.argmax(axis=-1))
    np.testing.assert_array_equal(best.probabilities, full.max(axis=-1))
    np.testing.assert_array_equal(best.spaces, full[..., -1])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_result_stays_as_it_is_when_the_session_runs_again(
    sessions: dict[tuple[str, str], Session],
    drawn_lines: list[Picture],
    as_batch: Batch,
    engine: str,
) -> None:
    session = sessions[RECOGNIZER, engine]
    result = session.run(as_batch(drawn_lines[:1], 48, 320))
    before = result.copy()
    session.run(as_batch(drawn_lines[1:2], 48, 320))
    np.testing.assert_array_equal(result, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_image_may_lie_in_memory_as_it_likes(
    sessions: dict[tuple[str, str], Session],
    drawn_lines: list[Picture],
    as_batch: Batch,
    engine: str,
) -> None:
    batch = as_batch(drawn_lines, 48, 192)
    turned = batch[..., ::-1]  # a view with a negative stride
    session = sessions[TURN, engine]
    np.testing.assert_array_equal(session.run(turned), session.run(turned.copy()))


def test_a_large_page_is_read_like_a_small_one(
    sessions: dict[tuple[str, str], Session], drawn_page: Picture, as_batch: Batch
) -> None:
    sides = ((1184, 1120), (1120, 1184), (1184, 1120), (320, 320))
    assert sides[0][0] * sides[0][1] >= LARGE > sides[3][0] * sides[3][1]
    for height, width in sides:
        batch = as_batch([drawn_page], height, width)
        ours, reference = (sessions[DETECTOR, engine].run(batch) for engine in STATIC)
        np.testing.assert_allclose(ours, reference, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (DETECTOR, (1, 3, 50, 64)),
        (DETECTOR, (1, 3, 0, 64)),
        (DETECTOR, (1, 4, 64, 64)),
        (DETECTOR, (3, 64, 64)),
        (RECOGNIZER, (1, 3, 32, 320)),
        (RECOGNIZER, (1, 3, 48, 5)),
        (RECOGNIZER, (0, 3, 48, 320)),
        (TURN, (1, 3, 48, 320)),
    ],
)
def test_an_image_the_network_cannot_take_is_refused(
    sessions: dict[tuple[str, str], Session], name: str, shape: tuple[int, ...], engine: str
) -> None:
    with pytest.raises(EngineFailed, match="takes no images of shape"):
        sessions[name, engine].run(np.zeros(shape, np.float32))


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_an_engine_that_fails_says_so_and_works_again(
    drawn_page: Picture, as_batch: Batch, engine: str
) -> None:
    bundle = load_bundle(DETECTOR)
    careless = replace(bundle, profile={**bundle.profile, "multiple": 1})
    session = open_session(careless, RuntimeOptions(engine=engine, precision="fp32"))
    good = as_batch([drawn_page], 64, 64)
    before = session.run(good)
    with pytest.raises(EngineFailed, match=rf"{engine}, \(1, 3, 50, 50\)"):
        session.run(as_batch([drawn_page], 50, 50))
    np.testing.assert_array_equal(session.run(good), before)


def test_openvino_out_of_memory_says_so_and_is_left_alone() -> None:
    run(
        f"""
import os, resource
import numpy as np
from pathlib import Path
from ocr_core.bundle import load_bundle
from ocr_core.errors import EngineFailed
from ocr_core.runtime import RuntimeOptions, open_session
session = open_session(load_bundle({DETECTOR!r}), RuntimeOptions(engine="openvino"))
session.run(np.zeros((1, 3, 320, 320), np.float32))
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (60 << 20),) * 2)
failures = 0
for side in (1088, 320):
    try:
        session.run(np.zeros((1, 3, side, side), np.float32))
    except EngineFailed:
        failures += 1
os._exit(0 if failures == 2 else 1)  # the engine may crash when it is taken down
"""
    )


@pytest.mark.parametrize("engine", STATIC)
def test_a_graph_the_engine_cannot_read_is_damaged(engine: str, tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"no graph")
    with pytest.raises(ModelDamaged, match=r"graph\.onnx"):
        open_session(replace(load_bundle(TURN), graph=graph), RuntimeOptions(engine=engine))


def test_auto_takes_the_first_engine_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = set(ENGINES)
    monkeypatch.setattr(runtime, "find_spec", lambda name: name if name in installed else None)
    chosen = []
    for lost in ENGINES:
        chosen.append(choose_engine(RuntimeOptions()))
        installed.discard(lost)
    assert chosen == ["openvino", "onnxruntime", "torch"]
    with pytest.raises(EngineMissing):
        choose_engine(RuntimeOptions())
    with pytest.raises(EngineMissing, match="openvino"):
        choose_engine(RuntimeOptions(engine="openvino"))


def test_a_gpu_is_served_by_torch_and_an_unknown_engine_by_nobody() -> None:
    assert choose_engine(RuntimeOptions(device="cuda")) == "torch"
    with pytest.raises(EngineUnsupported, match="'tensorflow'"):
        choose_engine(RuntimeOptions(engine="tensorflow"))


@pytest.mark.parametrize("engine", STATIC)
def test_an_engine_refuses_a_device_it_cannot_use(engine: str) -> None:
    with pytest.raises(EngineUnsupported):
        open_session(load_bundle(TURN), RuntimeOptions(engine=engine, device="tpu"))


@pytest.mark.parametrize("device", ["tpu", "mps", "cuda:99"])
def test_torch_refuses_a_device_it_cannot_use(device: str) -> None:
    with pytest.raises(EngineUnsupported):
        open_session(load_bundle(TURN), RuntimeOptions(engine="torch", device=device))


@pytest.mark.parametrize("engine", ENGINES)
def test_bf16_is_honoured_or_refused(
    engine: str, drawn_lines: list[Picture], as_batch: Batch
) -> None:
    options = RuntimeOptions(engine=engine, precision="bf16")
    if engine == "onnxruntime" or not cpu_has_bf16():
        with pytest.raises(EngineUnsupported, match="bf16"):
            open_session(load_bundle(RECOGNIZER), options)
        return
    lower = open_session(load_bundle(RECOGNIZER), options)
    assert lower.precision == "bf16"
    batch = as_batch(drawn_lines, 48, 640)
    full = open_session(load_bundle(RECOGNIZER), RuntimeOptions(engine=engine, precision="fp32"))
    same = lower.best(batch).ids == full.best(batch).ids
    assert same.mean() > 0.95


@pytest.mark.parametrize(
    ("asked", "bf16", "chosen"),
    [
        ("auto", True, "bf16"),
        ("auto", False, "fp32"),
        ("fp32", True, "fp32"),
        ("bf16", True, "bf16"),
    ],
)
def test_precision_is_the_best_the_machine_has_unless_asked(
    asked: str, bf16: bool, chosen: str
) -> None:
    assert choose_precision(asked, bf16=bf16, engine="x") == chosen


@pytest.mark.parametrize("asked", ["bf16", "int8"])
def test_a_precision_that_is_not_there_is_refused(asked: str) -> None:
    with pytest.raises(EngineUnsupported, match=f"x has no {asked}"):
        choose_precision(asked, bf16=False, engine="x")


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ("fpu avx2 avx512f avx512_bf16 avx512_vnni", True),
        ("fpu avx512f amx_bf16 amx_tile", True),
        ("fpu avx512f avx512_vnni", False),
    ],
)
def test_the_processor_says_whether_it_has_bf16(tmp_path: Path, flags: str, native: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: x avx512_bf16\nflags\t\t: {flags}\nbugs\t\t: none\n")
    assert cpu_has_bf16(cpuinfo) is native


def test_a_machine_without_cpuinfo_has_no_bf16(tmp_path: Path) -> None:
    assert cpu_has_bf16(tmp_path / "nothing") is False


def test_a_session_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RuntimeOptions(threads=0)


@pytest.mark.gpu
def test_a_gpu_reads_what_the_cpu_reads(
    sessions: dict[tuple[str, str], Session], drawn_lines: list[Picture], as_batch: Batch
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    options = RuntimeOptions(engine="torch", device="cuda", precision="fp32")
    batch = as_batch(drawn_lines, 48, 640)
    ids = open_session(load_bundle(RECOGNIZER), options).best(batch).ids
    np.testing.assert_array_equal(ids, sessions[RECOGNIZER, "torch"].best(batch).ids)
