"""What can go wrong between pixels and text; a class is one sentence for whoever meets it.

OcrError
├── InstallationError: something of this machine is missing or wrong, no page is to blame
│   ├── ModelMissing · ModelDamaged · ModelUnsuited
│   └── EngineMissing · EngineUnsupported
├── EngineFailed
├── BundleExists
└── ExportMismatch
"""

from __future__ import annotations

from typing import ClassVar


class OcrError(Exception):
    """Text could not be read from an image."""

    code: ClassVar[str] = "ocr_failed"
    """Stable name for programs and tables."""
    advice: ClassVar[str] = "Run `pagemill doctor` to find the cause."
    """What the person can do about it."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later, with nothing changed in the input."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence of the class, and the detail of this case."""
        sentence = (type(self).__doc__ or "").strip().splitlines()[0]
        return f"{sentence.rstrip('.')}: {self.detail}" if self.detail else sentence

    def __str__(self) -> str:
        return self.message


class InstallationError(OcrError):
    """Pagemill is not set up to read pages on this machine."""

    code = "installation_wrong"
    retryable = True


class ModelMissing(InstallationError):
    """The model is not installed."""

    code = "model_missing"
    advice = "See `pagemill models list`; built-in models come with `pip install rapidocr==3.10.0`."


class ModelDamaged(InstallationError):
    """A file of the model is not the one that was published."""

    code = "model_damaged"
    advice = "Install the package again, or import the model folder again."


class ModelUnsuited(InstallationError):
    """The model cannot be used for this."""

    code = "model_unsuited"
    advice = "`pagemill models show` says what a model is; choose another one with --model."


class EngineMissing(InstallationError):
    """The inference engine is not installed."""

    code = "engine_missing"
    advice = "Install it with pip, or choose another one with --engine."


class EngineUnsupported(InstallationError):
    """The inference engine cannot do what was asked for."""

    code = "engine_unsupported"
    advice = "Leave --engine, --device and --precision at their defaults, or choose others."


class EngineFailed(OcrError):
    """The inference engine could not run the network on this image."""

    code = "engine_failed"
    retryable = True  # in a new process: an engine without memory may be left unusable
    advice = "Try another engine with --engine; if it stays, report the image and the message."


class BundleExists(OcrError):
    """A model of this name is already there."""

    code = "model_exists"
    advice = "Choose another name or folder, or remove the old one."


class ExportMismatch(OcrError):
    """The static graph does not compute what the network computes."""

    code = "export_mismatch"
    advice = "Do not use this graph; export in fp32 and report the difference if it stays."
