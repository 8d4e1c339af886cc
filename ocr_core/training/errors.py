"""What can go wrong in training; a class is one sentence for whoever meets it.

TrainingError
├── EmptyTrainingSet · LabelsUnreadable · LabelFormUnknown
├── DeviceUnsupported
├── CheckpointMissing · CheckpointDamaged · CheckpointOfAnotherRun
├── NotLearning
├── RecipeUnknown · RecipeIncomplete · SettingRefused · RunExists · CentersOfAnotherCharset
└── FontsMissing · CharactersNotDrawn · FolderOfAnotherDrawing
"""

from __future__ import annotations

from ocr_core.errors import OcrError


class TrainingError(OcrError):
    """Training cannot go on."""

    code = "training_failed"
    advice = "Read the message; the run can be continued with --resume once the cause is gone."


class EmptyTrainingSet(TrainingError):
    """There is nothing left to train or measure on."""

    code = "training_set_empty"
    advice = "Every label was skipped or none was found; the skipped ones are listed with reasons."


class LabelsUnreadable(TrainingError):
    """A label file cannot be read."""

    code = "labels_unreadable"
    advice = "Correct the line that is named; docs/training.md shows each form of labels."


class LabelFormUnknown(TrainingError):
    """It is not clear in which form these labels are written."""

    code = "labels_form_unknown"
    advice = "Name the form: jsonl, icdar, paddle or page-xml; docs/training.md shows each."


class DeviceUnsupported(TrainingError):
    """The device cannot do what was asked for."""

    code = "device_unsupported"
    advice = "Leave --device and --precision at their defaults, or choose others."


class CheckpointMissing(TrainingError):
    """There is no checkpoint to continue from."""

    code = "checkpoint_missing"
    advice = "Start without --resume, or name the folder of the run."


class CheckpointDamaged(TrainingError):
    """A checkpoint cannot be read."""

    code = "checkpoint_damaged"
    advice = "Start again without --resume; a checkpoint is written whole, so the disk may be ill."


class CheckpointOfAnotherRun(TrainingError):
    """The checkpoint belongs to a run with other settings."""

    code = "checkpoint_of_another_run"
    advice = "Continue with the recipe, the data and the settings the run was started with."


class NotLearning(TrainingError):
    """The loss is not a finite number, many steps in a row."""

    code = "loss_not_finite"
    advice = "Use a smaller learning rate, --precision fp32 or bf16, or check the labels."


class FontsMissing(TrainingError):
    """No font was found to draw text with."""

    code = "fonts_missing"
    advice = "Name a folder with .ttf, .otf or .ttc files with --fonts."


class CharactersNotDrawn(TrainingError):
    """No font has these characters, or this machine cannot set their script."""

    code = "characters_not_drawn"
    advice = "Name fonts that have them with --fonts, or take the characters out of the text."


class FolderOfAnotherDrawing(TrainingError):
    """The folder holds images that were drawn with other options."""

    code = "folder_of_another_drawing"
    advice = "Choose another folder, or the options and fonts that this one was drawn with."


class RecipeIncomplete(TrainingError):
    """The recipe needs something that was not given."""

    code = "recipe_incomplete"
    advice = "Name the missing part on the command line, or choose another recipe."


class CentersOfAnotherCharset(TrainingError):
    """The class centres were computed for another charset."""

    code = "centers_of_another_charset"
    advice = "Compute them anew from the model that is to be trained: `pagemill train centers`."


class RecipeUnknown(TrainingError):
    """There is no recipe of this name."""

    code = "recipe_unknown"
    advice = "`pagemill train recipes` lists them."


class SettingRefused(TrainingError):
    """A setting of the recipe cannot be changed so."""

    code = "setting_refused"
    advice = "`pagemill train recipes NAME` shows what can be set."


class RunExists(TrainingError):
    """A run was begun here before."""

    code = "run_exists"
    advice = "Continue it with --resume, choose another --out, or remove the folder of the run."
