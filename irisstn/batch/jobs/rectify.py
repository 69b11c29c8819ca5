"""`irisstn rectify`: from a photograph, an iris ring or a strip to its rectified strip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from irisstn.batch.jobs.input_kind import StripsConfig, read_picture_as
from irisstn.batch.jobs.iso import IsoConfig, with_iso_images
from irisstn.batch.jobs.job import JobInput, JobResult, Process, one_torch_thread, weights_digest
from irisstn.batch.jobs.segment import segmentation_result, with_strip
from irisstn.config import Size, Strict
from irisstn.images import MAX_PIXELS, decode_gray, encode_jpeg, encode_png
from irisstn.networks import RuntimeChoice, chosen_runtime, load_rectifier, rectifier_file, require_runtime
from irisstn.normalization import DEFAULT_SIZE
from irisstn.outputs.records import Json, Record, RecordFields, output_file
from irisstn.outputs.segmentation_fields import read_ring
from irisstn.rectification.roll_setting import ROLL_PRIOR_DEG, RollMode
from irisstn.results import Strip
from irisstn.segmentation import InputKind, SegmentationConfig, weights_hash
from irisstn.strip_conventions import StripConvention
from irisstn.visualization.side_by_side import draw_eye_side_by_side, draw_side_by_side

if TYPE_CHECKING:
    from irisstn.rectification.rectified import Rectified
    from irisstn.rectification.rectifier_methods import RectifierMethods

_DECIMALS = 6  # of the transform's parameters in a record


class RectifyConfig(Strict):
    """Settings of `irisstn rectify`."""

    input: InputKind = Field(
        default="auto",
        description="what the pictures are: whole eyes (always segmented first), rings with all else masked, or "
        "strips; auto decides for each picture",
    )
    strips: StripsConfig = Field(
        default=StripsConfig(), description="layout of strips that another program made; only with input: strip"
    )
    size: Size | None = Field(
        default=None, description=f"rows x columns; None: a strip keeps its own, others {DEFAULT_SIZE}"
    )
    augment: int = Field(
        default=0, ge=0, le=100, description="number of plausible variants to write besides each strip"
    )
    seed: int = Field(default=0, ge=0, description="seed of the variants")
    overlays: bool = Field(default=False, description="also draw the boundaries on the pictures")
    side_by_side: bool = Field(
        default=False, description="also draw each input, with the outline of the sampled area, beside its output"
    )
    iso: IsoConfig = IsoConfig()
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    roll: RollMode = Field(
        default="auto",
        description="how much of the head's roll, as read off the eyelids, is corrected: auto the posterior mean, "
        "given the reading's standard deviation and roll_prior_deg; full all of it; none nothing",
    )
    roll_prior_deg: float = Field(
        default=ROLL_PRIOR_DEG,
        ge=0,
        le=45,
        description="standard deviation of the head's roll among pictures of one eye in degrees: 0.7 with a head "
        "rest, 1.5 to 2 without",
    )
    runtime: RuntimeChoice = Field(
        default="auto",
        description="what runs the rectifier: torch; onnx, which needs the file that `irisstn export` writes or the "
        "shipped one; auto takes onnx for the shipped one where it is installed. Strips differ by a gray level at most "
        "on 99.9 % of the pixels",
    )
    segmentation: SegmentationConfig = SegmentationConfig()

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        if self.strips != StripsConfig() and self.input != "strip":
            raise ValueError("a layout of strips is for pictures that are strips: set input to strip")
        return self


@dataclass(frozen=True, slots=True)
class RectifyJob:
    """`irisstn rectify`, for `run_batch`; `RectifyJob.of` makes one.

    Attributes
    ----------
    config : RectifyConfig
        Its settings.
    model : Path
        The rectifier's weights file.
    weights_sha256 : str
        The SHA-256 of that file.
    command : str
        The name of the command.
    """

    config: RectifyConfig
    model: Path
    weights_sha256: str
    command: str = "rectify"

    @classmethod
    def of(cls, config: RectifyConfig, model: Path | None = None) -> RectifyJob:
        """The job with its weights.

        Parameters
        ----------
        config : RectifyConfig
            Its settings.
        model : Path, optional
            A weights file or the folder of a training run; by default the weights that irisstn ships.

        Raises
        ------
        MissingExtraError
            The runtime is not installed.
        WeightsError
            The file cannot be read.
        """
        runtime = chosen_runtime(config.runtime, model)
        require_runtime(runtime, "irisstn rectify")
        config = config.model_copy(update={"runtime": runtime})
        path = rectifier_file(model, runtime)
        return cls(config, path.absolute(), weights_digest(path))

    def settings(self) -> dict[str, Json]:
        """Everything that the bytes of the outputs depend on, besides the inputs and the version."""
        return {
            "config": self.config.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "segmenter_sha256": weights_hash(),
        }

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; the context gives the function that processes one picture. Raises WeightsError."""
        weights_digest(self.model, self.weights_sha256)
        runtime = chosen_runtime(self.config.runtime, self.model)
        rectifier = load_rectifier(self.model, runtime, threads=1)
        rectifier = rectifier.with_roll(self.config.roll, self.config.roll_prior_deg)
        with one_torch_thread() if runtime == "torch" else nullcontext():
            yield lambda source: _rectify(source, rectifier, self.config)


def _rectify(source: JobInput, rectifier: RectifierMethods[Any], config: RectifyConfig) -> JobResult:
    """Rectify one picture of any kind."""
    image = decode_gray(source.data, max_pixels=config.max_pixels)
    layout = config.strips.layout()
    read, kind = read_picture_as(
        source, image, config.input, config.segmentation, max_pixels=config.max_pixels, layout=layout
    )
    seed = int.from_bytes(hashlib.sha256(f"{config.seed}:{source.name}".encode("utf-8", "replace")).digest()[:8])
    if isinstance(read, Strip):
        ring = read_ring(source.ring) if source.ring is not None else None
        rectified, variants = rectifier.rectify_with_variants(
            read, config.augment, seed, segmentation=ring, size=config.size
        )
        result = JobResult({"width": image.shape[1], "height": image.shape[0]}, {})
        drawn = draw_side_by_side(read, rectified) if config.side_by_side else None
    else:
        size = config.size or DEFAULT_SIZE
        rectified, variants = rectifier.rectify_eye_with_variants(image, read, config.augment, seed, size)
        result = segmentation_result(source.name, image, read, overlay=config.overlays)
        drawn = draw_eye_side_by_side(image, read, rectified) if config.side_by_side else None
    result = _with_rectified(result, source.name, rectified)
    result.fields["input"] = kind
    if not isinstance(read, Strip):
        result = with_iso_images(result, source.name, image, read, config.iso)
    if not layout.is_own:
        result = _with_strip_as_given(result, source.name, rectified.strip, layout)
    if drawn is not None:
        result.fields["side_by_side"] = output_file("side_by_side", source.name)
        result.files[result.fields["side_by_side"]] = encode_jpeg(drawn)
    return _with_variants(result, source, variants)


def _with_rectified(result: JobResult, name: str, rectified: Rectified) -> JobResult:
    """`result` with the rectified strip and the parameters of the transform."""
    whole = with_strip(result, name, rectified.strip)
    fields: RecordFields = {
        **whole.fields,
        "rectification": {parameter: round(value, _DECIMALS) for parameter, value in rectified.parameters.items()},
        "roll_known": "roll_read_rad" in rectified.parameters,
        "outside": round(rectified.outside, _DECIMALS),
    }
    return JobResult(fields, whole.files, whole.variants)


def _with_strip_as_given(result: JobResult, name: str, strip: Strip, layout: StripConvention) -> JobResult:
    """`result` with the rectified strip and its mask in the layout of the input, too."""
    files = {
        output_file("strip_as_given", name): encode_png(layout.from_own(strip.image)),
        output_file("strip_mask_as_given", name): encode_png(layout.write_mask(strip.usable)),
    }
    image, mask = files
    fields: RecordFields = {**result.fields, "strip_as_given": image, "strip_mask_as_given": mask}
    return JobResult(fields, {**result.files, **files}, result.variants)


def _with_variants(result: JobResult, source: JobInput, variants: list[Rectified]) -> JobResult:
    """`result` and, for each variant, a strip and a record with the input's name and .v1, .v2, ..."""
    files: dict[str, bytes] = dict(result.files)
    records: list[Record] = []
    digest = hashlib.sha256(source.data).hexdigest()
    for number, variant in enumerate(variants, start=1):
        name = f"{source.name}.v{number}"
        made = _with_rectified(JobResult({}, {}), name, variant)
        records.append({"path": name, "variant_of": source.name, "status": "ok", "sha256": digest, **made.fields})
        files |= made.files
    fields = result.fields
    if records:
        fields = {**fields, "variants": [record["path"] for record in records]}
    return JobResult(fields, files, records)
