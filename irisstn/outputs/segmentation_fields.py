"""The boundaries and eyelids of a segmentation as fields of a record, written and read back."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from pydantic import TypeAdapter, ValidationError

from irisstn.errors import DatasetError
from irisstn.geometry import Bool, Boundary, Eyelid
from irisstn.outputs.records import (
    BoundaryFields,
    EyelidFields,
    RecordFields,
    SegmentationFields,
    is_number,
    parse_record,
)
from irisstn.results import Segmentation

DECIMALS = 4  # of pixels and radians in a record
# The last coefficient is in 1/pixels: with four decimals it would be off by a pixel at a distance of 150 pixels.
_COEFFICIENT_DECIMALS = 8


def segmentation_fields(segmentation: Segmentation, *, decimals: int | None = DECIMALS) -> SegmentationFields:
    """The fields of a record that describe a segmentation; `read_segmentation_fields` is the way back.

    Parameters
    ----------
    segmentation : Segmentation
        Pupil, limbus and eyelids, in pixels and radians.
    decimals : int or None
        Decimals to round to (8 for the coefficients of an eyelid); None writes the exact numbers.

    Returns
    -------
    SegmentationFields
        `pupil` and `iris`, each as fitted ellipse and as curve, and `eyelids`; where `segmentation.confidence` is known
        also `trust`, `texture`, `eyes_seen`, `camera_turned_deg` and `sd_px` of both boundaries; where it is known
        `opening_axis_rad`.
    """
    fields: SegmentationFields = {
        "pupil": _boundary_fields(segmentation.pupil, decimals),
        "iris": _boundary_fields(segmentation.limbus, decimals),
        "eyelids": {
            "upper": _eyelid_fields(segmentation.upper_lid, decimals),
            "lower": _eyelid_fields(segmentation.lower_lid, decimals),
        },
    }
    if (confidence := segmentation.confidence) is not None:
        fields["pupil"]["sd_px"] = _rounded(confidence.pupil_sd_px, decimals)
        fields["iris"]["sd_px"] = _rounded(confidence.limbus_sd_px, decimals)
        fields["trust"] = _rounded(confidence.trust, decimals)
        if confidence.texture is not None:
            fields["texture"] = _rounded(confidence.texture, decimals)
        fields["eyes_seen"] = confidence.eyes_seen
        fields["camera_turned_deg"] = round(math.degrees(segmentation.turned_rad))
    if segmentation.opening_axis_rad is not None:
        fields["opening_axis_rad"] = _rounded(segmentation.opening_axis_rad, decimals)
    return fields


def read_segmentation_fields(record: RecordFields, *, iris_mask: Bool, usable: Bool) -> Segmentation:
    """The segmentation that a record describes.

    Parameters
    ----------
    record : RecordFields
        A record of a segmented picture.
    iris_mask, usable : ndarray of bool, shape (H, W)
        The masks from its files.

    Raises
    ------
    DatasetError
        The record holds no iris ring, or a damaged one.
    """
    try:
        eyelids = record["eyelids"]
        return Segmentation(
            pupil=_boundary().validate_python(record["pupil"]["curve"]),
            limbus=_boundary().validate_python(record["iris"]["curve"]),
            upper_lid=_eyelid().validate_python(eyelids["upper"]),
            lower_lid=_eyelid().validate_python(eyelids["lower"]),
            iris_mask=iris_mask,
            usable=usable,
            opening_axis_rad=_axis(record.get("opening_axis_rad")),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or first["type"]
        reason = f"{where}: {first['msg']}"
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise DatasetError(f"the record of {record.get('path')} holds no iris ring ({reason})")


@cache  # made when a record is first read: a run that only writes starts sooner
def _boundary() -> TypeAdapter[Boundary]:
    return TypeAdapter(Boundary)


@cache
def _eyelid() -> TypeAdapter[Eyelid | None]:
    return TypeAdapter(Eyelid | None)


def _axis(value: object) -> float | None:
    """The angle in a record. Raises TypeError where it is none."""
    if value is None or (is_number(value) and math.isfinite(value)):
        return value
    raise TypeError(f"opening_axis_rad: an angle is needed, got {value!r}")


def read_ring(line: str) -> Segmentation:
    """The boundaries and eyelids of the record in `line`, JSON, without its masks: those are (1, 1), usable nowhere.

    Raises
    ------
    DatasetError
        The record holds no iris ring, or a damaged one.
    """
    record = parse_record(line.encode())
    if record is None:
        raise DatasetError("no record of an iris ring")
    nowhere = np.zeros((1, 1), np.bool_)
    return read_segmentation_fields(record, iris_mask=nowhere, usable=nowhere)


def _boundary_fields(boundary: Boundary, decimals: int | None) -> BoundaryFields:
    ellipse = boundary.ellipse()
    return {
        "x": _rounded(ellipse.x, decimals),
        "y": _rounded(ellipse.y, decimals),
        "a": _rounded(ellipse.a, decimals),
        "b": _rounded(ellipse.b, decimals),
        "angle_rad": _rounded(ellipse.angle_rad, decimals),
        "curve": {
            "x": _rounded(boundary.x, decimals),
            "y": _rounded(boundary.y, decimals),
            "cosines": [_rounded(value, decimals) for value in boundary.cosines],
            "sines": [_rounded(value, decimals) for value in boundary.sines],
        },
    }


def _eyelid_fields(eyelid: Eyelid | None, decimals: int | None) -> EyelidFields | None:
    if eyelid is None:
        return None
    exact = [float(value) for value in eyelid.coefficients]
    return {
        "x": _rounded(eyelid.x, decimals),
        "y": _rounded(eyelid.y, decimals),
        "angle_rad": _rounded(eyelid.angle_rad, decimals),
        "coefficients": exact if decimals is None else [round(value, _COEFFICIENT_DECIMALS) for value in exact],
    }


def _rounded(value: float, decimals: int | None) -> float:
    """`value` rounded, without a negative zero; the exact number where `decimals` is None."""
    return float(value) if decimals is None else round(float(value), decimals) + 0.0
