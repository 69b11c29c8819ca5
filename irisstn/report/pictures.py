"""Pictures that a page carries in itself: a close-up of the eye, and the strip before rectification."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import IrisError
from irisstn.geometry import Gray
from irisstn.images import encode_jpeg, read_gray
from irisstn.normalization import normalize
from irisstn.outputs.reader import read_picture, read_segmentation
from irisstn.outputs.records import Record
from irisstn.results import Segmentation

_IRIS_RADIUS = 100.0  # pixels in the close-up
_EMBEDDED_WIDTH = 512


@dataclass(frozen=True, slots=True)
class CloseUp:
    """A part of a photograph: its data URL `source`, and where it lies in the photograph, in pixels."""

    source: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class EmbeddedPictures:
    """What a page carries of one input.

    Attributes
    ----------
    eye : CloseUp or None
        The eye, without anything drawn on it; None for a strip.
    given : str or None
        The data URL of the strip before rectification; None where the output was not rectified.
    """

    eye: CloseUp | None = None
    given: str | None = None


def embedded_pictures(out: Path, record: Record, path: Path) -> EmbeddedPictures:
    """The pictures of an input that was processed; none where its file has been moved or changed since.

    Parameters
    ----------
    out : Path
        The output folder.
    record : Record
        The record of the input.
    path : Path
        Where its picture is.
    """
    try:
        image = read_gray(path)
        if record.get("input") == "strip":
            return EmbeddedPictures(given=embedded(image) if "strip" in record else None)
        segmentation = read_segmentation(out, record)
        eye = _close_up(image, segmentation)
        if "rectification" not in record:
            return EmbeddedPictures(eye)
        height, width = read_picture(out, record.get("strip")).shape
        return EmbeddedPictures(eye, embedded(normalize(image, segmentation, (height, width)).image))
    except (IrisError, ValueError):
        return EmbeddedPictures()


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
    return data_url(encode_jpeg(picture, quality=85), "jpeg")


def data_url(file: bytes, kind: str) -> str:
    """The content of a file as a data URL of the media type image/`kind`."""
    return f"data:image/{kind};base64," + base64.b64encode(file).decode("ascii")


def _close_up(image: Gray, segmentation: Segmentation) -> CloseUp | None:
    """The part of `image` around the iris, reduced so that every iris has the same size; None where it is empty."""
    limbus, (rows, columns) = segmentation.limbus, image.shape
    radius = limbus.mean_radius
    left, right = (min(max(round(limbus.x + side * 1.7 * radius), 0), columns) for side in (-1, 1))
    top, bottom = (min(max(round(limbus.y + side * 1.3 * radius), 0), rows) for side in (-1, 1))
    if left >= right or top >= bottom:
        return None
    part, scale = image[top:bottom, left:right], min(1.0, _IRIS_RADIUS / radius)
    size = max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1)
    reduced = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return CloseUp(embedded(reduced), left, top, right - left, bottom - top)
