"""The images of ISO/IEC 19794-6 that `segment` and `rectify` write beside strips: their settings, files and fields."""

from __future__ import annotations

import math
from typing import Literal, Self

import cv2
from pydantic import Field, model_validator

from irisstn.batch.jobs.job import JobResult
from irisstn.config import Strict
from irisstn.geometry import Gray
from irisstn.images import encode_jpeg2000, encode_png
from irisstn.iso_images import VGA_SIZE, IsoKind, fits_vga, iso_image
from irisstn.outputs.records import FileField, RecordFields, output_file
from irisstn.results import Segmentation

_FIELDS: dict[IsoKind, FileField] = {
    "uncropped": "iso_uncropped",
    "vga": "iso_vga",
    "cropped": "iso_cropped",
    "masked": "iso_masked",
}
_TOO_LARGE = f"the iris is larger than the ISO kind vga, {VGA_SIZE[1]} x {VGA_SIZE[0]}: not written"


class IsoConfig(Strict):
    """Which image kinds of ISO/IEC 19794-6 are written."""

    kinds: tuple[IsoKind, ...] = Field(default=(), description="image kinds of ISO/IEC 19794-6 to write beside strips")
    format: Literal["png", "jp2"] = Field(default="png", description="their format: PNG, or JPEG 2000 without loss")

    @model_validator(mode="after")
    def _check_codec(self) -> Self:
        if self.kinds and self.format == "jp2" and not cv2.haveImageWriter(".jp2"):
            raise ValueError("this OpenCV was built without JPEG 2000: choose png")
        return self


def with_iso_images(
    result: JobResult, name: str, image: Gray, segmentation: Segmentation, config: IsoConfig
) -> JobResult:
    """Add the images of the kinds that are asked for.

    Parameters
    ----------
    result : JobResult
        What is written of the picture so far. Where it holds a roll that was read off the eyelids, its angle is added.
    name : str
        The input's path below its source.
    image : ndarray of uint8, shape (H, W)
        The picture.
    segmentation : Segmentation
        Its segmentation.
    config : IsoConfig
        What is asked for.

    Returns
    -------
    JobResult
        With the images as files, and fields about them. A kind that the iris does not fit is left out, with a warning.
    """
    if not config.kinds:
        return result
    fields: RecordFields = {**result.fields, "iso": {}}
    files = dict(result.files)
    encode = encode_png if config.format == "png" else encode_jpeg2000
    for kind in dict.fromkeys(config.kinds):
        if kind == "vga" and not fits_vga(segmentation):
            fields["warnings"] = [*fields.get("warnings", []), _TOO_LARGE]
            continue
        made = iso_image(image, segmentation, kind)
        file = output_file(_FIELDS[kind], name, jpeg2000=config.format == "jp2")
        fields[_FIELDS[kind]] = file  # each is a field of text
        files[file] = encode(made.image)
        fields["iso"][kind] = {"left": made.left, "top": made.top, "padded": round(made.padded, 4)}
    found = fields.get("rectification", {})
    if "roll_read_rad" in found:
        turned = fields.get("camera_turned_deg", 0)
        fields["iso"]["roll"] = {
            "angle_deg": round(math.remainder(math.degrees(found["roll_read_rad"]) + turned, 360), 4),
            "sd_deg": round(math.degrees(found["roll_sd_rad"]), 4),
        }
    return JobResult(fields, files, result.variants)
