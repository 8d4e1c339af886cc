"""Networks opened anew after one failed: run apart, for where this fails the process is gone."""

import subprocess
import sys

PROGRAM = """
from dataclasses import replace
from pathlib import Path
import numpy as np
import onnx
from onnx import TensorProto, helper
from ocr_core.bundle import load_bundle
from ocr_core.errors import EngineFailed
from ocr_core.runtime import RuntimeOptions, open_session

# adds 320 numbers to the columns of a line: no other width can be run
many = helper.make_tensor("many", TensorProto.FLOAT, [320], [1.0] * 320)
graph = helper.make_graph(
    [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["mean", "many"], ["y"]),
    ],
    "frozen",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 48, "w"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "w"])],
    [many],
)
opset = helper.make_opsetid("", 13)
onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), "frozen.onnx")

options = RuntimeOptions(engine="openvino", precision="fp32")
whole = load_bundle("ppocrv6-small-rec")
frozen = open_session(replace(whole, graph=Path("frozen.onnx")), options)
try:
    frozen.run(np.zeros((1, 3, 48, 100), np.float32))
except EngineFailed:
    print("failed")
del frozen
for width in (320, 100):
    for session in [open_session(whole, options), open_session(whole, options)]:
        session.run(np.zeros((1, 3, 48, width), np.float32))
        noise = [bytearray(200) for _ in range(5000)]  # fills memory that was given back
print("read")
"""


def test_networks_opened_after_a_failure_read(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=str(tmp_path), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "failed\nread\n"), done.stderr
