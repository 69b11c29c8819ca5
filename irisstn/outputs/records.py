"""The lines of a manifest: what one input came to, as JSON, and the way back to a Segmentation."""

from __future__ import annotations

import json

from irisstn.geometry import Boundary, Eyelid
from irisstn.results import Segmentation
from irisstn.storage.file_names import safe_name

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Record = dict[str, Json]

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
RING_FIELDS = ("pupil", "iris", "eyelids")  # of a record: along which its strip was cut
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


def segmentation_fields(segmentation: Segmentation) -> Record:
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


_SUFFIXES = {"overlay": ".jpg", "side_by_side": ".jpg", "embedding": ".npy"}


def parse_record(line: bytes) -> Record | None:
    """The record in a `line` of a manifest; None where it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("path"), str) else None


def output_file(kind: str, name: str) -> str:
    """The path below OUT of the file that the field `kind` of a record names, for the input `name`."""
    return f"{FILES[kind]}/{name}{_SUFFIXES.get(kind, '.png')}"


def output_files(record: Record) -> list[str]:
    """The files below OUT that `record` names, its variants' included. Raises DatasetError on a path that leads out."""
    names: list[Json] = [record[kind] for kind in FILES if kind in record]
    variants = record.get("variants")
    if isinstance(variants, list):
        names += [output_file(kind, safe_name(variant)) for variant in variants for kind in ("strip", "strip_mask")]
    return [safe_name(name) for name in names]
