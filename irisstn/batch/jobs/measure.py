"""`irisstn measure` and `irisstn quality`: the figures of each picture, without its masks and strips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from irisstn.batch.jobs.job import Job, JobInput, JobResult, Process
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.errors import MissingExtraError
from irisstn.outputs.records import FILES, Json, RecordFields
from irisstn.segmentation import InputKind, SegmentationConfig


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """Another job whose files are not kept, for `run_batch`; `MeasureJob.of` makes one.

    Attributes
    ----------
    job : RectifyJob or SegmentJob
        What measures.
    command : str
        The name of the command.
    """

    job: Job
    command: str = "measure"

    @classmethod
    def of(cls, segmentation: SegmentationConfig, kind: InputKind = "auto") -> MeasureJob:
        """The job: with the roll where PyTorch or ONNX Runtime is installed, which read it off the eyelids.

        Parameters
        ----------
        segmentation : SegmentationConfig
            Settings of the segmentation.
        kind : {"auto", "eye", "ring", "strip"}
            What the pictures show; without PyTorch or ONNX Runtime, whole eyes or rings only.
        """
        for runtime in ("torch", "onnx"):
            try:
                config = RectifyConfig.model_validate({"input": kind, "segmentation": segmentation, "runtime": runtime})
                return cls(RectifyJob.of(config))
            except MissingExtraError:
                continue
        return cls(SegmentJob(SegmentConfig(segmentation=segmentation)))

    @property
    def knows_roll(self) -> bool:
        """Whether it reads the roll."""
        return isinstance(self.job, RectifyJob)

    def settings(self) -> dict[str, Json]:
        """As of the job that measures."""
        return self.job.settings()

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; the context gives the function that measures one picture. Raises WeightsError."""
        with self.job.start() as process:

            def measured(source: JobInput) -> JobResult:
                fields = {name: value for name, value in process(source).fields.items() if name not in FILES}
                return JobResult(cast("RecordFields", fields), {})

            yield measured
