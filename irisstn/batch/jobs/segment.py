"""`irisstn segment`: a photograph to its masks and its strip."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pydantic import Field

from irisstn.batch.jobs.job import JobInput, JobResult, Process
from irisstn.config import Size, Strict
from irisstn.geometry import Gray
from irisstn.images import MAX_PIXELS, decode_gray, encode_jpeg, encode_png
from irisstn.normalization import DEFAULT_SIZE, normalize
from irisstn.outputs.records import Json, Record, output_file, segmentation_fields
from irisstn.quality import measure_quality
from irisstn.results import Segmentation, Strip
from irisstn.segmentation import SegmentationConfig, segment, weights_hash
from irisstn.visualization.overlay import draw_overlay


class SegmentConfig(Strict):
    """Settings of `irisstn segment`."""

    size: Size = Field(default=DEFAULT_SIZE, description="rows x columns of the strips, like 64x512")
    overlays: bool = Field(default=False, description="also draw the boundaries on the pictures")
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    segmentation: SegmentationConfig = SegmentationConfig()


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """`irisstn segment` with its `config`, for `run_batch`."""

    config: SegmentConfig
    command: str = "segment"

    def settings(self) -> dict[str, Json]:
        """Everything that the output's bytes depend on."""
        return {"config": self.config.model_dump(mode="json"), "segmenter_sha256": weights_hash()}

    def start(self) -> AbstractContextManager[Process]:
        """Gives the function that handles one photograph; there is nothing to load."""
        return nullcontext(self._process)

    def _process(self, source: JobInput) -> JobResult:
        config = self.config
        image = decode_gray(source.data, max_pixels=config.max_pixels)
        segmentation = segment(image, config.segmentation)
        strip = normalize(image, segmentation, config.size)
        eye = eye_product(source.name, image, segmentation, overlay=config.overlays)
        return with_strip(eye, source.name, strip)


def eye_product(name: str, image: Gray, segmentation: Segmentation, *, overlay: bool) -> JobResult:
    """The record's fields and the image-sized files of a segmented photograph; its strip comes on top."""
    height, width = image.shape
    fields: Record = {"width": width, "height": height, **segmentation_fields(segmentation)}
    fields["quality"] = {
        figure: round(float(value), 4) for figure, value in measure_quality(image, segmentation).as_dict().items()
    }
    files = {
        output_file("mask", name): encode_png(segmentation.usable),
        output_file("iris_mask", name): encode_png(segmentation.iris_mask),
    }
    fields |= {kind: output_file(kind, name) for kind in ("mask", "iris_mask")}
    if overlay:
        fields["overlay"] = output_file("overlay", name)
        files[output_file("overlay", name)] = encode_jpeg(draw_overlay(image, segmentation))
    return JobResult(fields, files)


def with_strip(result: JobResult, name: str, strip: Strip) -> JobResult:
    """`result` with the files of `strip`, and their fields."""
    kinds = {"strip": strip.image, "strip_mask": strip.usable}
    files = {output_file(kind, name): encode_png(picture) for kind, picture in kinds.items()}
    fields: Record = {kind: output_file(kind, name) for kind in kinds}
    return JobResult(result.fields | fields, result.files | files, result.variants)
