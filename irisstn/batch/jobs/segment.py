"""`irisstn segment`: from a photograph to its masks and its strip."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

from pydantic import Field

from irisstn.batch.jobs.input_kind import segment_by_evidence
from irisstn.batch.jobs.iso import IsoConfig, with_iso_images
from irisstn.batch.jobs.job import JobInput, JobResult, Process
from irisstn.capture_warnings import capture_warnings, clipped_fraction
from irisstn.config import Size, Strict
from irisstn.geometry import Gray
from irisstn.images import MAX_PIXELS, decode_gray, encode_jpeg, encode_png
from irisstn.normalization import DEFAULT_SIZE, normalize
from irisstn.outputs.records import Json, RecordFields, output_file
from irisstn.outputs.segmentation_fields import segmentation_fields
from irisstn.quality import measure_quality
from irisstn.quality_score import figures_with_score
from irisstn.results import Segmentation, Strip
from irisstn.segmentation import SegmentationConfig, weights_hash
from irisstn.visualization.overlay import draw_overlay


class SegmentConfig(Strict):
    """Settings of `irisstn segment`."""

    size: Size = Field(default=DEFAULT_SIZE, description="rows x columns of the strips, like 64x512")
    overlays: bool = Field(default=False, description="also draw the boundaries on the pictures")
    iso: IsoConfig = IsoConfig()
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    segmentation: SegmentationConfig = SegmentationConfig()


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """`irisstn segment`, for `run_batch`.

    Attributes
    ----------
    config : SegmentConfig
        Its settings.
    command : str
        The name of the command.
    """

    config: SegmentConfig
    command: str = "segment"

    def settings(self) -> dict[str, Json]:
        """Everything that the bytes of the outputs depend on, besides the inputs and the version."""
        return {"config": self.config.model_dump(mode="json"), "segmenter_sha256": weights_hash()}

    def start(self) -> AbstractContextManager[Process]:
        """The context gives the function that processes one photograph; there is nothing to load."""
        return nullcontext(self._process)

    def _process(self, source: JobInput) -> JobResult:
        """Segment and normalize one photograph."""
        config = self.config
        image = decode_gray(source.data, max_pixels=config.max_pixels)
        segmentation, kind = segment_by_evidence(
            image, config.segmentation, if_strip="give it to `irisstn rectify --input strip`"
        )
        strip = normalize(image, segmentation, config.size)
        result = segmentation_result(source.name, image, segmentation, overlay=config.overlays)
        result.fields["input"] = kind
        result = with_strip(result, source.name, strip)
        return with_iso_images(result, source.name, image, segmentation, config.iso)


def segmentation_result(name: str, image: Gray, segmentation: Segmentation, *, overlay: bool) -> JobResult:
    """What is written of a segmented picture, apart from its strip.

    Parameters
    ----------
    name : str
        The input's path below its source.
    image : ndarray of uint8, shape (H, W)
        The picture.
    segmentation : Segmentation
        Its segmentation.
    overlay : bool
        Also draw the boundaries on the picture.

    Returns
    -------
    JobResult
        Size, boundaries, eyelids, quality and warnings as fields; the two masks and the overlay as files.
    """
    fields = measured_fields(image, segmentation)
    fields.update({"mask": output_file("mask", name), "iris_mask": output_file("iris_mask", name)})
    files = {
        fields["mask"]: encode_png(segmentation.usable),
        fields["iris_mask"]: encode_png(segmentation.iris_mask),
    }
    if overlay:
        fields["overlay"] = output_file("overlay", name)
        files[fields["overlay"]] = encode_jpeg(draw_overlay(image, segmentation))
    return JobResult(fields, files)


def measured_fields(image: Gray, segmentation: Segmentation) -> RecordFields:
    """Size, boundaries, eyelids, quality and warnings of a segmented picture (H, W) as fields of its record."""
    height, width = image.shape
    quality, clipped = measure_quality(image, segmentation), clipped_fraction(image, segmentation)
    fields: RecordFields = {
        "width": width,
        "height": height,
        "quality": figures_with_score(quality, segmentation.confidence),
        "outside_recommended": list(quality.outside_recommended()),
        "clipped_fraction": round(clipped, 4),
        "warnings": capture_warnings(segmentation, clipped),
    }
    fields.update(cast("RecordFields", segmentation_fields(segmentation)))
    return fields


def with_strip(result: JobResult, name: str, strip: Strip) -> JobResult:
    """`result` and, as files and fields, the image and the mask of `strip` for the input `name`."""
    image, mask = output_file("strip", name), output_file("strip_mask", name)
    fields: RecordFields = {**result.fields, "strip": image, "strip_mask": mask}
    files = {**result.files, image: encode_png(strip.image), mask: encode_png(strip.usable)}
    return JobResult(fields, files, result.variants)
