import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from ocr_core import wheel
from ocr_core.bundle import (
    GRAPH,
    MANIFEST,
    WEIGHTS,
    Bundle,
    describe,
    file_hash,
    import_bundle,
    list_bundles,
    load_bundle,
    save_bundle,
    search_path,
    settled_name,
)
from ocr_core.errors import BundleExists, ModelDamaged, ModelMissing, OcrError

BUILTIN = [model.name for model in wheel.MODELS]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A small bundle with files of its own; its graph is never run here."""
    graph, weights = tmp_path / "a.onnx", tmp_path / "a.safetensors"
    graph.write_bytes(b"graph")
    weights.write_bytes(b"weights")
    return Bundle(
        name="tiny",
        kind="recognizer",
        architecture="lcnetv4-light-svtr",
        config={"classes": 4},
        charset=("　", "é", " "),
        profile={"height": 48},
        graph=graph,
        weights=weights,
        files={GRAPH: file_hash(graph), WEIGHTS: file_hash(weights)},
        origin="drawn by a test",
        license="AGPL-3.0-or-later",
        parent="ppocrv6-small-rec 0123",
        metrics={"cer": 0.5},
    )


@pytest.mark.parametrize("name", BUILTIN)
def test_the_built_in_models_are_used_where_they_lie_in_the_wheel(name: str) -> None:
    bundle = load_bundle(name)
    assert bundle.builtin
    assert bundle.weights is None
    assert bundle.graph.parent.parts[-2:] == ("rapidocr", "models")


def test_only_the_recognizer_has_a_charset() -> None:
    sizes = {name: len(load_bundle(name).charset or ()) for name in BUILTIN}
    assert sizes == dict(zip(BUILTIN, (0, 18_709, 0), strict=True))


def test_finding_the_models_imports_neither_rapidocr_nor_torch() -> None:
    code = (
        "import sys; from ocr_core.bundle import list_bundles; names = [b.name for b in"
        " list_bundles([])]; assert len(names) == 3, names;"
        " assert not {'rapidocr', 'torch', 'onnxruntime', 'openvino'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", nothing)
    with pytest.raises(ModelMissing, match=r"ppocrv6-small-det comes with rapidocr 3\.10\.0"):
        load_bundle("ppocrv6-small-det")


def test_a_published_file_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "graph.onnx"
    changed.write_bytes(load_bundle(BUILTIN[2]).graph.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(wheel, "find", lambda model: changed)
    with pytest.raises(ModelDamaged, match=r"graph\.onnx has SHA-256"):
        load_bundle(BUILTIN[2])


def test_a_bundle_comes_back_from_its_folder_as_it_was(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    saved = save_bundle(bundle, folder)
    assert saved == replace(bundle, graph=folder / GRAPH, weights=folder / WEIGHTS)
    assert saved.sha256 == bundle.sha256
    assert load_bundle(folder) == load_bundle(str(folder)) == saved
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, GRAPH, WEIGHTS]


def test_saving_leaves_nothing_else_behind_and_overwrites_nothing(
    bundle: Bundle, tmp_path: Path
) -> None:
    place = tmp_path / "models"
    save_bundle(bundle, place / "tiny")
    with pytest.raises(BundleExists):
        save_bundle(bundle, place / "tiny")
    bundle.graph.write_bytes(b"another graph")
    with pytest.raises(ModelDamaged):
        save_bundle(bundle, place / "second")
    assert [path.name for path in place.iterdir()] == ["tiny"]


def test_the_hash_follows_what_a_model_answers_and_not_its_name(bundle: Bundle) -> None:
    assert replace(bundle, name="other", metrics=None, command="x").sha256 == bundle.sha256
    changes: list[dict[str, object]] = [
        {"profile": {"height": 32}},
        {"config": {"classes": 5}},
        {"charset": (" ", "é", "　")},
        {"files": {**bundle.files, GRAPH: "0" * 64}},
    ]
    hashes = {replace(bundle, **change).sha256 for change in changes}  # type: ignore[arg-type]
    assert len(hashes | {bundle.sha256}) == 5


@pytest.mark.parametrize("file", [GRAPH, WEIGHTS])
def test_a_damaged_file_is_refused(bundle: Bundle, tmp_path: Path, file: str) -> None:
    save_bundle(bundle, tmp_path / "saved")
    (tmp_path / "saved" / file).write_bytes(b"grapH")
    with pytest.raises(ModelDamaged, match=file):
        load_bundle(tmp_path / "saved")


def test_a_lost_file_is_named(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "saved")
    (tmp_path / "saved" / WEIGHTS).unlink()
    with pytest.raises(ModelMissing, match=WEIGHTS):
        load_bundle(tmp_path / "saved")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"kind": "oracle"},
        {"name": "../tiny"},
        {"files": {}},
        {"files": {GRAPH: "0" * 64, "../../etc/passwd": "0" * 64}},
        {"config": None, "profile": None, "files": None},
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(
    bundle: Bundle, tmp_path: Path, change: dict[str, object]
) -> None:
    save_bundle(bundle, tmp_path / "saved")
    manifest = tmp_path / "saved" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(ModelDamaged, match=MANIFEST):
        load_bundle(tmp_path / "saved")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}'])
def test_a_manifest_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ModelDamaged, match=MANIFEST):
        load_bundle(tmp_path)


def test_an_imported_bundle_is_found_by_its_name(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("PAGEMILL_MODELS", f"{first}{os.pathsep}{second}")
    assert search_path()[:2] == [first, second]
    save_bundle(bundle, tmp_path / "given")
    imported = import_bundle(tmp_path / "given")
    assert imported.graph.parent == first / "tiny"
    assert load_bundle("tiny") == imported
    assert [b.name for b in list_bundles()][:4] == [*BUILTIN, "tiny"]
    assert import_bundle(tmp_path / "given") == imported  # twice is once


def test_an_import_takes_no_name_that_is_taken(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "given")
    save_bundle(replace(bundle, config={"classes": 9}), tmp_path / "models" / "tiny")
    with pytest.raises(BundleExists):
        import_bundle(tmp_path / "given", tmp_path / "models")
    with pytest.raises(BundleExists, match="built-in"):
        import_bundle(tmp_path / "given", tmp_path / "models", name=BUILTIN[0])
    renamed = import_bundle(tmp_path / "given", tmp_path / "models", name="tiny-2")
    assert (renamed.name, renamed.sha256) == ("tiny-2", bundle.sha256)


def test_a_damaged_bundle_does_not_hide_the_others(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "tiny")
    (tmp_path / "tiny" / GRAPH).write_bytes(b"")
    met: list[tuple[str, OcrError]] = []
    found = list_bundles([tmp_path], lambda name, error: met.append((name, error)))
    assert [b.name for b in found] == BUILTIN
    assert [(name, error.code) for name, error in met] == [("tiny", "model_damaged")]
    with pytest.raises(ModelDamaged):
        list_bundles([tmp_path])


def test_an_unknown_name_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no model is called 'nothing'"):
        load_bundle("nothing", [tmp_path])
    with pytest.raises(ModelMissing, match=MANIFEST):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_description_is_json_and_tells_the_licence(name: str) -> None:
    shown = json.loads(json.dumps(describe(load_bundle(name))))
    assert shown["license"] == "Apache-2.0"
    assert shown["builtin"] is True
    assert len(shown["sha256"]) == 64
    assert shown["charset"] in (None, 18_709)


def test_a_folder_is_called_the_same_from_every_directory(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(bundle, tmp_path / "mine")
    save_bundle(bundle, tmp_path / "ppocrv6-small-rec")
    monkeypatch.chdir(tmp_path)
    assert settled_name("mine") == settled_name("./mine") == str(tmp_path / "mine")
    # a model's name stays one, even where a folder is called so; so does what is nothing at all
    assert settled_name("ppocrv6-small-rec") == "ppocrv6-small-rec"
    assert settled_name("nothing") == "nothing"
    assert settled_name("./nothing") == str(tmp_path / "nothing")
