"""Everything that irisstn raises on bad data.

    IrisError                 has a `stage` and a `reason`; its text is one line, "stage: reason"
    ├── ImageError            a file is no picture that can be read, or breaks a limit
    ├── SegmentationError     no pupil, no limbus, a closed eye, too blurred: no ring could be trusted
    ├── DatasetError          a folder or list holds no samples, or its identities cannot be told
    ├── ConfigError           a configuration file or override is unknown, mistyped or out of range
    ├── WeightsError          a weights file or run is missing, damaged or does not fit the model
    └── OutputError           the output folder cannot be used: locked, read-only, or made by other settings

Misuse of a function (a wrong shape, an impossible size) raises ValueError instead. StageProgress raise; only the batch
runner catches, and writes the record.
"""


class IrisError(Exception):
    """Bad data, with the `stage` that met it and the `reason` in words a user can act on."""

    default_stage = "irisstn"

    def __init__(self, reason: str, *, stage: str | None = None) -> None:
        self.stage = stage or self.default_stage
        self.reason = reason
        super().__init__(f"{self.stage}: {reason}")


class ImageError(IrisError):
    """A file is no picture that can be read, or breaks a limit."""

    default_stage = "read"


class SegmentationError(IrisError):
    """No ring that could be trusted was found in a picture."""

    default_stage = "segment"


class DatasetError(IrisError):
    """A folder or list holds no samples, or its identities cannot be told."""

    default_stage = "dataset"


class ConfigError(IrisError):
    """A configuration file or override is unknown, mistyped or out of range."""

    default_stage = "config"


class WeightsError(IrisError):
    """A weights file or run is missing, damaged or does not fit the model."""

    default_stage = "weights"


class OutputError(IrisError):
    """The output folder cannot be used: locked, read-only, or made by other settings."""

    default_stage = "output"
