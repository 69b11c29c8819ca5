"""`irisstn measure` and `irisstn quality`: the figures of each picture, without masks and strips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from irisstn.batch.jobs.input_kind import read_picture_as
from irisstn.batch.jobs.job import JobInput, JobResult, Process, one_torch_thread, weights_digest
from irisstn.batch.jobs.segment import measured_fields
from irisstn.config import Strict
from irisstn.errors import MissingExtraError
from irisstn.images import MAX_PIXELS, decode_gray
from irisstn.networks import Runtime, load_rectifier, rectifier_file, require_runtime
from irisstn.outputs.records import Json, RecordFields
from irisstn.results import Strip
from irisstn.segmentation import InputKind, SegmentationConfig, weights_hash

if TYPE_CHECKING:
    from irisstn.rectification.rectifier_methods import RectifierMethods

_SMALL_STRIP = (8, 64)  # the strip is not kept; the roll does not depend on its size
_ROLL = ("roll_read_rad", "roll_sd_rad")


class MeasureConfig(Strict):
    """Settings of `irisstn measure`."""

    input: InputKind = Field(default="auto", description="what the pictures are, as for `rectify`")
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    runtime: Runtime | None = Field(
        default=None, description="what reads the roll, onnx or torch; null: it is not read"
    )
    segmentation: SegmentationConfig = SegmentationConfig()


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """`irisstn measure`, for `run_batch`; `MeasureJob.of` makes one.

    Attributes
    ----------
    config : MeasureConfig
        Its settings.
    weights_sha256 : str or None
        The SHA-256 of the rectifier, which reads the roll off the eyelids; None where the roll is not read.
    command : str
        The name of the command.
    """

    config: MeasureConfig
    weights_sha256: str | None
    command: str = "measure"

    @classmethod
    def of(cls, segmentation: SegmentationConfig, kind: InputKind = "auto") -> MeasureJob:
        """The job: with the roll where ONNX Runtime or PyTorch is installed.

        Parameters
        ----------
        segmentation : SegmentationConfig
            Settings of the segmentation.
        kind : {"auto", "eye", "ring", "strip"}
            What the pictures show.
        """
        runtimes: tuple[Runtime, ...] = ("onnx", "torch")  # ONNX Runtime starts sooner
        for runtime in runtimes:
            try:
                require_runtime(runtime, "irisstn measure")
            except MissingExtraError:
                continue
            config = MeasureConfig(input=kind, runtime=runtime, segmentation=segmentation)
            return cls(config, weights_digest(rectifier_file(None, runtime)))
        return cls(MeasureConfig(input=kind, segmentation=segmentation), None)

    @property
    def knows_roll(self) -> bool:
        """Whether it reads the roll."""
        return self.config.runtime is not None

    def settings(self) -> dict[str, Json]:
        """Everything that the records depend on, besides the inputs and the version."""
        return {
            "config": self.config.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "segmenter_sha256": weights_hash(),
        }

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; the context gives the function that measures one picture. Raises WeightsError."""
        runtime, rectifier = self.config.runtime, None
        if runtime is not None:
            path = rectifier_file(None, runtime)
            weights_digest(path, self.weights_sha256)
            rectifier = load_rectifier(path, runtime, threads=1)
        with one_torch_thread() if runtime == "torch" else nullcontext():
            yield lambda source: _measure(source, rectifier, self.config)


def _measure(source: JobInput, rectifier: RectifierMethods[Any] | None, config: MeasureConfig) -> JobResult:
    """Measure one picture of any kind."""
    image = decode_gray(source.data, max_pixels=config.max_pixels)
    read, kind = read_picture_as(source, image, config.input, config.segmentation, max_pixels=config.max_pixels)
    if isinstance(read, Strip):
        return JobResult({"width": image.shape[1], "height": image.shape[0], "input": kind}, {})
    fields: RecordFields = {**measured_fields(image, read), "input": kind}
    if rectifier is not None:
        parameters = rectifier.rectify_eye(image, read, _SMALL_STRIP).parameters
        fields["rectification"] = {name: parameters[name] for name in _ROLL if name in parameters}
    return JobResult(fields, {})
