"""The exceptions that irisstn raises on bad data.

    IrisError                 has a `stage` and a `reason`; its text is one line, "stage: reason"
    ├── ImageError            a file is not a readable picture, or exceeds a limit
    ├── SegmentationError     no pupil or limbus, a closed eye, too blurred: no iris ring that could be trusted
    ├── DatasetError          a folder or list holds no samples, or its identities cannot be derived
    ├── ConfigError           a configuration file or override is unknown, mistyped or out of range
    ├── WeightsError          a weights file or run is missing, damaged or does not fit the model
    ├── OutputError           the output folder cannot be used: locked, read-only, or made with other settings
    └── MissingExtraError     a package of an extra is not installed; also a ModuleNotFoundError

Misuse of a function (a wrong shape, an impossible size) raises ValueError instead. The stages raise these exceptions;
only the batch runner catches them, and writes stage and reason to the record.
"""

import re

_OBJECT = re.compile(r"<[\w.]+ object at 0x[0-9a-fA-F]+>")


class IrisError(Exception):
    """Bad data.

    Parameters
    ----------
    reason : str
        What is wrong, in words that a user can act on.
    stage : str, optional
        The stage that failed; the default belongs to the class.

    Attributes
    ----------
    stage, reason : str
        As given.

    Examples
    --------
    >>> str(IrisError("the file is empty", stage="read"))
    'read: the file is empty'
    """

    default_stage = "irisstn"

    def __init__(self, reason: str, *, stage: str | None = None) -> None:
        self.stage = stage or self.default_stage
        self.reason = reason
        super().__init__(f"{self.stage}: {reason}")

    def __str__(self) -> str:
        # Not from `args`: unpickling, as after a worker process sent the error, would add the stage once more.
        return f"{self.stage}: {self.reason}"


class ImageError(IrisError):
    """A file is not a readable picture, or exceeds a limit."""

    default_stage = "read"


class SegmentationError(IrisError):
    """No iris ring that could be trusted was found in a picture."""

    default_stage = "segment"


class DatasetError(IrisError):
    """A folder or list holds no samples, or its identities cannot be derived."""

    default_stage = "dataset"


class ConfigError(IrisError):
    """A configuration file or override is unknown, mistyped or out of range."""

    default_stage = "config"


class WeightsError(IrisError):
    """A weights file or run is missing, damaged or does not fit the model."""

    default_stage = "weights"


class OutputError(IrisError):
    """The output folder cannot be used: locked, read-only, or made with other settings."""

    default_stage = "output"


class MissingExtraError(IrisError, ModuleNotFoundError):
    """A package that belongs to an extra of irisstn is not installed; the reason has the command that installs it."""

    default_stage = "install"


def one_line(error: object, most: int | None = None) -> str:
    """The text of another library's error for a message of this one: on one line, at most `most` characters.

    Addresses of objects in memory are left out: they differ from run to run, and records may not.
    """
    return " ".join(_OBJECT.sub("", str(error)).split())[:most]
