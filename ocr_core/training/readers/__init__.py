"""Label files of several forms, brought into one; each module says what its form looks like."""

from ocr_core.training.readers.forms import FORMS, Form, guess_form, line_reader, page_reader

__all__ = ["FORMS", "Form", "guess_form", "line_reader", "page_reader"]
