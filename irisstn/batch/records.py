"""The lines of a manifest: what one input came to, as JSON, and the way back to a Segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from irisstn.errors import DatasetError
from irisstn.geometry import Boundary, Eyelid
from irisstn.outputs import Json, Record, read_mask
from irisstn.segmentation.result import Segmentation

STRIPS, STRIP_MASKS, MASKS, IRIS_MASKS, OVERLAYS, SIDE_BY_SIDE, EMBEDDINGS = (
    "strips",
    "strip_masks",
    "masks",
    "iris_masks",
    "overlays",
    "side_by_side",
    "embeddings",
)
# The fields of a record that name files, and the folders these lie in.
FILES = {
    "strip": STRIPS,
    "strip_mask": STRIP_MASKS,
    "mask": MASKS,
    "iris_mask": IRIS_MASKS,
    "overlay": OVERLAYS,
    "side_by_side": SIDE_BY_SIDE,
    "embedding": EMBEDDINGS,
}
_DECIMALS = 4


def ring_fields(segmentation: Segmentation) -> Record:
    """The fields `pupil`, `iris` (fitted ellipses and boundary curves, pixels and radians) and `eyelids`."""
    return {
        "pupil": _boundary_fields(segmentation.pupil),
        "iris": _boundary_fields(segmentation.limbus),
        "eyelids": {
            "upper": _eyelid_fields(segmentation.upper_lid),
            "lower": _eyelid_fields(segmentation.lower_lid),
        },
    }


def _boundary_fields(boundary: Boundary) -> Record:
    ellipse = boundary.ellipse()
    return {
        "x": _rounded(ellipse.x),
        "y": _rounded(ellipse.y),
        "a": _rounded(ellipse.a),
        "b": _rounded(ellipse.b),
        "angle_rad": _rounded(ellipse.angle_rad),
        "curve": {
            "x": _rounded(boundary.x),
            "y": _rounded(boundary.y),
            "cosines": [_rounded(value) for value in boundary.cosines],
            "sines": [_rounded(value) for value in boundary.sines],
        },
    }


def _eyelid_fields(lid: Eyelid | None) -> Record | None:
    if lid is None:
        return None
    return {
        "x": _rounded(lid.x),
        "y": _rounded(lid.y),
        "angle_rad": _rounded(lid.angle_rad),
        # The last one is in 1/pixels: at four decimals it would be off by a pixel 150 pixels away.
        "coefficients": [round(float(value), 8) for value in lid.coefficients],
    }


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0  # no -0.0


def read_segmentation(out: Path, record: Mapping[str, Json]) -> Segmentation:
    """The Segmentation that `record` of the output folder `out` stands for, its masks read from their files.

    Raises DatasetError where the record has no ring, is damaged, or names a file that is missing or outside `out`.
    """
    try:
        lids = _mapping(record["eyelids"])
        return Segmentation(
            pupil=_boundary(_mapping(record["pupil"])),
            limbus=_boundary(_mapping(record["iris"])),
            upper_lid=_eyelid(lids["upper"]),
            lower_lid=_eyelid(lids["lower"]),
            iris_mask=read_mask(out, record["iris_mask"]),
            usable=read_mask(out, record["mask"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"the record of {record.get('path')} holds no iris ring: {error}") from None


def _boundary(fields: Mapping[str, Json]) -> Boundary:
    curve = _mapping(fields["curve"])
    cosines, sines = (tuple(_numbers(curve[name])) for name in ("cosines", "sines"))
    x, y = _numbers([curve["x"], curve["y"]])
    return Boundary(x, y, cosines, sines)


def _eyelid(fields: Json) -> Eyelid | None:
    if fields is None:
        return None
    lid = _mapping(fields)
    x, y, angle, c0, c1, c2 = _numbers([lid["x"], lid["y"], lid["angle_rad"], *_list(lid["coefficients"])])
    return Eyelid(x, y, angle, (c0, c1, c2))


def _mapping(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is needed, got {value!r}")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed, got {value!r}")
    return value


def _numbers(value: Json) -> list[float]:
    numbers = [float(number) for number in _list(value) if isinstance(number, int | float)]
    if len(numbers) != len(_list(value)):
        raise TypeError(f"numbers are needed, got {value!r}")
    return numbers
