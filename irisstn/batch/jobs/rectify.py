"""`irisstn rectify`: a photograph, a painted ring or a strip to its rectified strip."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from irisstn.batch.jobs.job import JobInput, JobResult, Process, one_thread, weights_digest
from irisstn.batch.jobs.segment import eye_product, with_strip
from irisstn.config import Size, Strict
from irisstn.errors import ImageError
from irisstn.geometry import Bool, Gray
from irisstn.images import MAX_PIXELS, decode_gray, encode_jpeg
from irisstn.normalization import DEFAULT_SIZE
from irisstn.outputs.reader import read_ring
from irisstn.outputs.records import Json, Record, output_file
from irisstn.rectification.roll_setting import ROLL_PRIOR_DEG, RollMode
from irisstn.results import Strip
from irisstn.segmentation import SegmentationConfig, segment, weights_hash
from irisstn.segmentation.masked_image import is_masked_image, segment_masked_image
from irisstn.visualization.side_by_side import draw_eye_side_by_side, draw_side_by_side
from irisstn.weights import RECTIFIER, SHIPPED

if TYPE_CHECKING:
    from irisstn.rectification.rectified import Rectified
    from irisstn.rectification.rectifier import Rectifier

STRIP_ASPECT = 4.0  # a picture so much wider than high is a strip: no photograph of an eye is


class RectifyConfig(Strict):
    """Settings of `irisstn rectify`."""

    input: Literal["auto", "eye", "ring", "strip"] = Field(
        default="auto",
        description="what the pictures are: whole eyes (always segmented first), rings with all else painted flat, or "
        "strips; auto tells by shape and by a flat frame, picture by picture",
    )
    size: Size | None = Field(
        default=None, description=f"rows x columns; None: a strip keeps its own, others {DEFAULT_SIZE}"
    )
    augment: int = Field(default=0, ge=0, le=100, description="further plausible variants to write for each picture")
    seed: int = Field(default=0, ge=0, description="of the variants")
    overlays: bool = Field(default=False, description="also draw the boundaries on the pictures")
    side_by_side: bool = Field(
        default=False, description="also show each input, with the outline of what was sampled, beside its output"
    )
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    roll: RollMode = Field(
        default="auto",
        description="how much of the head's roll, as read off the eyelids, is taken back: auto shrinks it by how sure "
        "it is and how far heads are tilted (roll_prior_deg); full takes back all of it, none nothing",
    )
    roll_prior_deg: float = Field(
        default=ROLL_PRIOR_DEG,
        ge=0,
        le=45,
        description="how far heads are tilted between pictures of one eye (standard deviation in degrees): 0.7 where a "
        "rest holds them, 1.5 to 2 where nothing does",
    )
    segmentation: SegmentationConfig = SegmentationConfig()


@dataclass(frozen=True, slots=True)
class RectifyJob:
    """`irisstn rectify` with its `config` and the weights file `model` whose SHA-256 is `weights_sha256`."""

    config: RectifyConfig
    model: Path
    weights_sha256: str
    command: str = "rectify"

    @classmethod
    def of(cls, config: RectifyConfig, model: Path | None = None) -> RectifyJob:
        """The job with the weights of `model`, a file or a run's folder; None: those that irisstn ships.

        Raises WeightsError where there are none.
        """
        path = SHIPPED / RECTIFIER if model is None else model
        path = path / RECTIFIER if path.is_dir() else path
        return cls(config, path.absolute(), weights_digest(path))

    def settings(self) -> dict[str, Json]:
        """Everything that the output's bytes depend on."""
        return {
            "config": self.config.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "segmenter_sha256": weights_hash(),
        }

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; gives the function that handles one picture."""
        from irisstn.rectification.rectifier import Rectifier  # noqa: PLC0415  (with torch, slow: only where it is used)

        weights_digest(self.model, self.weights_sha256)
        rectifier = Rectifier.load(self.model).with_roll(self.config.roll, self.config.roll_prior_deg)
        with one_thread():
            yield lambda source: _rectify(source, rectifier, self.config)


def kind_of(image: Gray) -> Literal["eye", "ring", "strip"]:
    """What the picture `image` (H, W) is: wide ones are strips, those in a flat frame rings, all others eyes."""
    height, width = image.shape
    if width >= STRIP_ASPECT * height:
        return "strip"
    return "ring" if is_masked_image(image) else "eye"


def _rectify(source: JobInput, rectifier: Rectifier, config: RectifyConfig) -> JobResult:
    image = decode_gray(source.data, max_pixels=config.max_pixels)
    kind = kind_of(image) if config.input == "auto" else config.input
    seed = int.from_bytes(hashlib.sha256(f"{config.seed}:{source.name}".encode("utf-8", "replace")).digest()[:8])
    if kind == "strip":
        strip = Strip(image, strip_mask(source, image, config.max_pixels))
        ring = read_ring(json.loads(source.ring)) if source.ring is not None else None
        rectified = rectifier.rectify_strip(strip, ring, config.size)
        variants = rectifier.variants(strip, config.augment, seed, segmentation=ring, size=config.size)
        result = JobResult({"width": image.shape[1], "height": image.shape[0]}, {})
        shown = draw_side_by_side(strip, rectified) if config.side_by_side else None
    else:
        size = config.size or DEFAULT_SIZE
        segmentation = segment(image, config.segmentation) if kind == "eye" else segment_masked_image(image)
        rectified = rectifier.rectify_eye(image, segmentation, size)
        variants = rectifier.variants_of_eye(image, segmentation, config.augment, seed, size)
        result = eye_product(source.name, image, segmentation, overlay=config.overlays)
        shown = draw_eye_side_by_side(image, segmentation, rectified) if config.side_by_side else None
    result = _with_rectified(result, source.name, rectified)
    result.fields["input"] = kind
    if shown is not None:
        result.fields["side_by_side"] = output_file("side_by_side", source.name)
        result.files[output_file("side_by_side", source.name)] = encode_jpeg(shown)
    return _with_variants(result, source, variants)


def strip_mask(source: JobInput, image: Gray, max_pixels: int) -> Bool:
    """The mask (R, T) beside the strip `image`; True everywhere where there is none."""
    if source.mask is None:
        return np.ones(image.shape, bool)
    mask = decode_gray(source.mask, max_pixels=max_pixels)
    if mask.shape != image.shape:
        raise ImageError(f"the strip is {image.shape}, its mask {mask.shape}")
    return np.asarray(mask > 127)


def _with_rectified(result: JobResult, name: str, rectified: Rectified) -> JobResult:
    whole = with_strip(result, name, rectified.strip)
    found: Record = {parameter: round(value, 6) for parameter, value in rectified.parameters.items()}
    fields: Record = {"rectification": found, "roll_known": "roll_read_rad" in rectified.parameters}
    return replace(whole, fields={**whole.fields, **fields, "outside": round(rectified.outside, 6)})


def _with_variants(result: JobResult, source: JobInput, variants: list[Rectified]) -> JobResult:
    """`result` with each variant as a strip and a record of its own, under the input's name and .v1, .v2, ..."""
    names: list[Json] = []
    files, records = dict(result.files), []
    for number, variant in enumerate(variants, start=1):
        name = f"{source.name}.v{number}"
        made = _with_rectified(JobResult({}, {}), name, variant)
        about: Record = {"path": name, "variant_of": source.name, "status": "ok"}
        about["sha256"] = hashlib.sha256(source.data).hexdigest()
        records.append({**about, **made.fields})
        files |= made.files
        names.append(name)
    fields = {**result.fields, "variants": names} if names else result.fields
    return JobResult(fields, files, records)
