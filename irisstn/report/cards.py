"""One input on the page of an output folder: its picture with boundaries, its strips, and a few numbers."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError, IrisError
from irisstn.geometry import Gray
from irisstn.images import encode_jpeg, read_gray
from irisstn.normalization import normalize
from irisstn.outputs.reader import read_picture, read_segmentation
from irisstn.outputs.records import Record, is_number, texts_of
from irisstn.results import Segmentation
from irisstn.storage.file_names import safe_name
from irisstn.visualization.overlay import draw_overlay

_IRIS_RADIUS = 100.0  # pixels in the close-up
_EMBEDDED_WIDTH = 512
_QUALITY = ("usable_iris_area", "sharpness", "iris_radius")  # shown on a card; the table of figures has all


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on the page: its `source`, a path or embedded data, and its `caption`."""

    source: str
    caption: str


@dataclass(frozen=True, slots=True)
class Card:
    """What the page shows of one input.

    Attributes
    ----------
    name : str
        The name of the input.
    eye : Picture or None
        The photograph with its boundaries, if it is still where it was.
    strips : list of Picture
        The strip before rectification, if there is one, and the output.
    parameters, quality : list of str
        Numbers with their labels: the roll, and some quality figures.
    warnings : list of str
        What may make the strip poor, and the quality figures outside the range that ISO/IEC 29794-6 recommends.
    """

    name: str
    eye: Picture | None
    strips: list[Picture]
    parameters: list[str]
    quality: list[str]
    warnings: list[str]


def card(out: Path, record: Record, path: Path | None) -> Card:
    """The card of an input that was processed.

    Parameters
    ----------
    out : Path
        The output folder.
    record : Record
        The record of the input.
    path : Path or None
        Where its picture is; None where that is not known.
    """
    eye = before = None
    if path is not None:
        try:
            eye, before = _pictures(out, record, path)
        except (IrisError, ValueError):
            eye = before = None  # the picture has been moved or changed since: show the output alone
    rectified = "rectification" in record
    strips = [before] if rectified and before is not None else []
    try:
        source = quote(safe_name(record.get("strip")), errors="surrogateescape")
    except (DatasetError, ValueError):
        source = ""  # the record names none, or one outside the output folder: a page loads nothing from elsewhere
    strips.append(Picture(source, "rectified" if rectified else "strip"))
    return Card(record["path"], eye, strips, _parameters(record), _quality(record), _warnings(record))


def embedded(picture: NDArray[np.uint8]) -> str:
    """A picture as a data URL.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W) or (H, W, 3)
        Gray or BGR; it is reduced to a width of at most 512 pixels.
    """
    height, width = picture.shape[:2]
    if width > _EMBEDDED_WIDTH:
        size = (_EMBEDDED_WIDTH, max(1, round(height * _EMBEDDED_WIDTH / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture, quality=85)).decode("ascii")


def _pictures(out: Path, record: Record, path: Path) -> tuple[Picture | None, Picture]:
    """The photograph with its boundaries, None for a strip, and the strip before rectification."""
    image = read_gray(path)
    if record.get("input") == "strip":
        return None, Picture(embedded(image), "input")
    segmentation = read_segmentation(out, record)
    height, width = read_picture(out, record.get("strip")).shape
    strip = normalize(image, segmentation, (height, width)).image
    return Picture(embedded(_close_up(image, segmentation)), ""), Picture(embedded(strip), "rubber sheet")


def _close_up(image: Gray, segmentation: Segmentation) -> NDArray[np.uint8]:
    """The eye with its boundaries, scaled so that every iris has the same size; (h, w, 3) BGR."""
    limbus = segmentation.limbus
    side = round(max(image.shape) * min(1.0, _IRIS_RADIUS / limbus.mean_radius))
    drawn = draw_overlay(image, segmentation, max_side=max(side, 1))
    scale = drawn.shape[1] / image.shape[1]
    x, y, radius = limbus.x * scale, limbus.y * scale, limbus.mean_radius * scale
    top, bottom = max(round(y - 1.3 * radius), 0), round(y + 1.3 * radius)
    left, right = max(round(x - 1.7 * radius), 0), round(x + 1.7 * radius)
    return np.ascontiguousarray(drawn[top:bottom, left:right])


def _parameters(record: Record) -> list[str]:
    """The roll that was corrected and, where it was read off the eyelids, the reading with its standard deviation."""
    values = record.get("rectification")
    if not isinstance(values, dict):
        return []
    corrected, read, sd = (values.get(name) for name in ("roll_rad", "roll_read_rad", "roll_sd_rad"))
    shown = []
    if is_number(corrected):
        shown.append(f"roll corrected {math.degrees(corrected):+.1f}°")
    if is_number(read) and is_number(sd):
        shown.append(f"read {math.degrees(read):+.1f}° ± {math.degrees(sd):.1f}°")
    return shown


def _warnings(record: Record) -> list[str]:
    """The warnings of a record and, in one more sentence, its quality figures outside the recommended range."""
    outside = [name.replace("_", " ") for name in texts_of(record, "outside_recommended")]
    return texts_of(record, "warnings") + ([f"outside the recommended range: {', '.join(outside)}"] if outside else [])


def _quality(record: Record) -> list[str]:
    """Some quality figures, with labels."""
    values = record.get("quality")
    if not isinstance(values, dict):
        return []
    known = {name: values.get(name) for name in _QUALITY}
    return [f"{name.replace('_', ' ')} {v:.3g}" for name, v in known.items() if is_number(v)]
