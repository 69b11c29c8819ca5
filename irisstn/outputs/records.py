"""The record of one input: a line of the manifest, as a type. `segmentation_fields` writes and reads its boundaries.

A record is a plain dictionary, so that `json` writes it as it is. `Record` names its fields; which of them are there
depends on the command and on the status:

    always          path, status, seconds, settings
    ok              file_sizes
    from a file     sha256, mask_sha256 (of the mask beside a strip)
    failed          stage, reason
    segmented       width, height, pupil, iris, eyelids, quality, outside_recommended, clipped_fraction, warnings, mask,
                    iris_mask, overlay; trust, texture, eyes_seen, camera_turned_deg and opening_axis_rad of an eye
    with --iso      iso, and of its kinds iso_uncropped, iso_vga, iso_cropped, iso_masked
    normalized      strip, strip_mask
    rectify, embed  input, the kind of picture
    rectify         rectification, roll_known, outside, side_by_side, variants; variant_of in the record of a variant;
                    strip_as_given, strip_mask_as_given
    embed           embedding
"""

from __future__ import annotations

import json
import math
from typing import Literal, NotRequired, TypedDict, TypeGuard, cast

from irisstn.storage.file_names import png_name, safe_name

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

FileField = Literal[
    "strip",
    "strip_mask",
    "strip_as_given",
    "strip_mask_as_given",
    "mask",
    "iris_mask",
    "overlay",
    "side_by_side",
    "iso_uncropped",
    "iso_vga",
    "iso_cropped",
    "iso_masked",
    "embedding",
]
# The fields of a record that hold one number each, which pages and tables show beside those of `quality`.
FIGURE_FIELDS: tuple[Literal["trust", "texture", "clipped_fraction"], ...] = ("trust", "texture", "clipped_fraction")
# The fields of a record that name files, and the folders below OUT that hold these files.
FILES: dict[FileField, str] = {
    "strip": "strips",
    "strip_mask": "strip_masks",
    "strip_as_given": "strips_as_given",
    "strip_mask_as_given": "strip_masks_as_given",
    "mask": "masks",
    "iris_mask": "iris_masks",
    "overlay": "overlays",
    "side_by_side": "side_by_side",
    "iso_uncropped": "iso_uncropped",
    "iso_vga": "iso_vga",
    "iso_cropped": "iso_cropped",
    "iso_masked": "iso_masked",
    "embedding": "embeddings",
}
_SUFFIXES: dict[FileField, str] = {"overlay": ".jpg", "side_by_side": ".jpg", "embedding": ".npy"}
_JPEG2000 = ".jp2"  # the other suffix that an ISO image may have


class CurveFields(TypedDict):
    """A `Boundary`: its centre in pixels and the Fourier series of its radius."""

    x: float
    y: float
    cosines: list[float]
    sines: list[float]


class BoundaryFields(TypedDict):
    """The ellipse fitted to a boundary (centre and half axes in pixels, angle in radians), and the boundary itself.

    `sd_px` is the standard deviation of its centre and radius in pixels, where it was estimated.
    """

    sd_px: NotRequired[float]
    x: float
    y: float
    a: float
    b: float
    angle_rad: float
    curve: CurveFields


class EyelidFields(TypedDict):
    """An `Eyelid`: the origin in pixels and the angle of its frame, and the three coefficients of the parabola."""

    x: float
    y: float
    angle_rad: float
    coefficients: list[float]


class EyelidsFields(TypedDict):
    """Both eyelids; None where one was not found."""

    upper: EyelidFields | None
    lower: EyelidFields | None


class SegmentationFields(TypedDict):
    """What a record holds of a `Segmentation`; its masks are files."""

    pupil: BoundaryFields
    iris: BoundaryFields
    eyelids: EyelidsFields
    trust: NotRequired[float]
    texture: NotRequired[float]
    eyes_seen: NotRequired[int]
    camera_turned_deg: NotRequired[int]
    opening_axis_rad: NotRequired[float]


class RecordFields(TypedDict, total=False):
    """The fields of a record that may be absent."""

    variant_of: str
    settings: str
    file_sizes: list[int]
    status: Literal["ok", "failed"]
    sha256: str
    mask_sha256: str
    stage: str
    reason: str
    width: int
    height: int
    pupil: BoundaryFields
    iris: BoundaryFields
    eyelids: EyelidsFields
    trust: float
    texture: float
    eyes_seen: int
    camera_turned_deg: int
    opening_axis_rad: float
    quality: dict[str, float]
    outside_recommended: list[str]
    clipped_fraction: float
    warnings: list[str]
    mask: str
    iris_mask: str
    overlay: str
    strip: str
    strip_mask: str
    strip_as_given: str
    strip_mask_as_given: str
    rectification: dict[str, float]
    roll_known: bool
    outside: float
    input: Literal["eye", "ring", "strip"]
    side_by_side: str
    iso: dict[str, dict[str, float]]
    iso_uncropped: str
    iso_vga: str
    iso_cropped: str
    iso_masked: str
    embedding: str
    variants: list[str]
    seconds: float


class Record(RecordFields):
    """A record; `path` is the input's name, its path below its source.

    Only `path` of a record that was read from a manifest has been checked: the file may have been changed. The
    functions of this module and of `irisstn.outputs.reader` check what they read.
    """

    path: str


def parse_record(line: bytes) -> Record | None:
    """Read one line of a manifest.

    Returns
    -------
    Record or None
        None where the line is no JSON object with a `path`, as after a run that was killed while it wrote.

    Examples
    --------
    >>> parse_record(b'{"path": "a.png", "status": "ok"}')
    {'path': 'a.png', 'status': 'ok'}
    >>> parse_record(b'{"path": "a.p') is None
    True
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("path"), str):
        return None
    return cast("Record", record)


def format_record(record: Record) -> bytes:
    """The line of a manifest that holds `record`, in ASCII, with its end.

    ASCII, because a name may hold Unicode line separators, or bytes that are no text.
    """
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value`, from a record that others may have changed, is a finite number that a float can hold."""
    if type(value) is float:  # nearly always
        return math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def texts_of(record: RecordFields, field: Literal["warnings", "outside_recommended"]) -> list[str]:
    """The list of texts in `field` of a record that others may have changed; what is no text is left out."""
    held = record.get(field)
    return [text for text in held if isinstance(text, str)] if isinstance(held, list) else []


def pupil_ratio(record: RecordFields) -> float | None:
    """The pupil's radius divided by the iris', from the fitted ellipses of `record`; None where it has none.

    The radius of an ellipse is that of the circle of the same area.

    Examples
    --------
    >>> pupil_ratio({"pupil": {"a": 4.0, "b": 1.0}, "iris": {"a": 8.0, "b": 8.0}})
    0.25
    """
    radii = []
    for ellipse in (record.get("pupil"), record.get("iris")):
        axes = [ellipse.get("a"), ellipse.get("b")] if isinstance(ellipse, dict) else []
        lengths = [float(axis) for axis in axes if is_number(axis) and axis > 0]
        if len(lengths) != 2:
            return None
        radii.append(math.sqrt(lengths[0] * lengths[1]))
    return radii[0] / radii[1]


def output_file(field: FileField, name: str, *, jpeg2000: bool = False) -> str:
    """The path below OUT of the file that `field` of a record names, for the input `name`; of an ISO image its format.

    Examples
    --------
    >>> output_file("strip", "a/b.jpg"), output_file("strip", "a/b.png"), output_file("overlay", "a/b.png")
    ('strips/a/b.jpg.png', 'strips/a/b.png', 'overlays/a/b.png.jpg')
    """
    suffix = _JPEG2000 if jpeg2000 else _SUFFIXES.get(field)
    return f"{FILES[field]}/{png_name(name) if suffix is None else name + suffix}"


def file_names(name: str) -> tuple[str, ...]:
    """All names that files of the input `name` may have below the folder of their kind."""
    return png_name(name), *(name + suffix for suffix in sorted({*_SUFFIXES.values(), _JPEG2000}))


def possible_files(field: FileField, name: str) -> tuple[str, ...]:
    """All paths that `output_file` may give for a field and the input `name`."""
    formats = (False, True) if field.startswith("iso_") else (False,)
    return tuple(output_file(field, name, jpeg2000=jpeg2000) for jpeg2000 in formats)


def output_files(record: Record) -> list[str]:
    """The files below OUT that a record names, with those of variants. Raises DatasetError if one leads out of it."""
    names: list[object] = [record[field] for field in FILES if field in record]
    variants = record.get("variants")
    if isinstance(variants, list):
        for variant in variants:
            names += [output_file("strip", safe_name(variant)), output_file("strip_mask", safe_name(variant))]
    return [safe_name(name) for name in names]
