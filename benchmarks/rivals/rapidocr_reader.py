"""RapidOCR as a reader process: `rapidocr_reader.py default|tuned`, one thread.

`default` is what `RapidOCR()` gives: ONNX Runtime, the 0/180 classifier on every line.
`tuned` is what a user who knows it would run: the OpenVINO engine, the line classifier off.
"""

from __future__ import annotations

import sys
from typing import Any

import cv2
from rapidocr import EngineType, RapidOCR

from benchmarks.rivals.conversation import Answer, region, serve
from benchmarks.rivals.first_page import first_page

ONE_THREAD = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "EngineConfig.openvino.inference_num_threads": 1,
    "Global.log_level": "warning",
}
TUNED = {
    "Det.engine_type": EngineType.OPENVINO,
    "Rec.engine_type": EngineType.OPENVINO,
    "Global.use_cls": False,
}


def open_engine(variant: str) -> Any:
    """The engine with its models loaded: they load at the first page."""
    engine = RapidOCR(params={**ONE_THREAD, **(TUNED if variant == "tuned" else {})})
    engine(first_page())
    return engine


def precision(engine: Any, variant: str) -> str:
    """The arithmetic in force: OpenVINO takes bf16 where the processor has it."""
    if variant != "tuned":
        return "fp32"
    compiled = engine.text_rec.session.session.get_compiled_model()
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return {"bf16": "bf16", "f32": "fp32"}.get(hint, str(hint))


def read(engine: Any, request: dict[str, Any]) -> Answer:
    """Lines in the engine's own order; words where wanted, unless its word boxes fail."""
    wanted = bool(request["words"])
    try:
        result = engine(request["path"], return_word_box=wanted)
    except (IndexError, ValueError):  # its word boxes lose count when a line has none
        if not wanted:
            raise
        wanted = False
        result = engine(request["path"], return_word_box=False)
    return {"regions": lines_of(result), "words": words_of(result) if wanted else None}


def lines_of(result: Any) -> list[dict[str, Any]]:
    if result.boxes is None or result.txts is None:
        return []
    triples = zip(result.boxes, result.txts, result.scores, strict=True)
    return [region(box, text, score) for box, text, score in triples]


def words_of(result: Any) -> list[dict[str, Any]]:
    if result.boxes is None:
        return []
    found = [word for line in result.word_results for word in line]
    return [region(box, text, score) for text, score, box in found]


def main() -> None:
    variant = sys.argv[1]
    cv2.setNumThreads(1)
    engine = open_engine(variant)
    serve({"precision": precision(engine, variant)}, lambda request: read(engine, request))


if __name__ == "__main__":
    main()
