import pickle
from collections.abc import Iterator

import pytest

from ocr_core.errors import ModelDamaged, ModelMissing, OcrError


def tree(root: type[OcrError]) -> Iterator[type[OcrError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_each_error_has_its_own_code_and_advice_in_a_sentence() -> None:
    errors = list(tree(OcrError))
    assert len({error.code for error in errors}) == len(errors)
    for error in errors:
        assert error.__doc__ is not None
        assert error.__doc__.endswith(".")
        assert error.advice.endswith(".")


def test_the_message_is_the_sentence_and_the_detail() -> None:
    assert str(ModelMissing()) == "The model is not installed."
    assert ModelMissing("no 'x'").message == "The model is not installed: no 'x'"


@pytest.mark.parametrize("error", [ModelMissing("no 'x'"), ModelDamaged()])
def test_an_error_crosses_a_process_border(error: OcrError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.detail) == (type(error), str(error), error.detail)
