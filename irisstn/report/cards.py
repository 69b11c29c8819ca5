"""One input on the page: its picture with the boundaries, its plain strip and, from `rectify`, the rectified one."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import IrisError
from irisstn.geometry import Gray
from irisstn.images import encode_jpeg, read_gray
from irisstn.normalization import normalize
from irisstn.outputs.reader import read_picture, read_segmentation
from irisstn.outputs.records import Json, Record
from irisstn.results import Segmentation
from irisstn.visualization.overlay import draw_overlay

_IRIS_RADIUS = 100.0  # pixels in the close-up
_FIGURES = ("usable_iris_area", "sharpness", "iris_radius")  # of the quality, on a card; the table has all
_LABELS = {"roll_rad": ("roll", "°", 180 / np.pi), "dilation": ("dilation", "", 1.0)}


def card(out: Path, record: Record, path: Path | None) -> str:
    """The card of `record`; `path` is where its picture lies, None where nobody knows."""
    name = _shown(record["path"])
    picture = plain = ""
    if path is not None:
        try:
            picture, plain = _pictures(out, record, path)
        except (IrisError, ValueError):
            picture = ""  # moved or changed since: the strips are still worth a look
    rectified = "rectification" in record
    strip = _figure(quote(str(record["strip"]), errors="surrogateescape"), "rectified" if rectified else "strip")
    strips = (plain if rectified else "") + strip
    words = f"<small>{_parameters(record)}{_quality(record)}</small>"
    return f'<article class="card"><h3>{name}</h3><div>{picture}</div><div>{strips}{words}</div></article>'


def _pictures(out: Path, record: Record, path: Path) -> tuple[str, str]:
    """The picture with its boundaries and the strip before rectification, as figures."""
    image = read_gray(path)
    if record.get("input") == "strip":
        return "", _figure(embedded(image), "given")
    segmentation = read_segmentation(out, record)
    height, width = read_picture(out, record["strip"]).shape
    strip = normalize(image, segmentation, (height, width)).image
    return _figure(embedded(_close_up(image, segmentation)), ""), _figure(embedded(strip), "rubber sheet")


def _close_up(image: Gray, segmentation: Segmentation) -> NDArray[np.uint8]:
    """The eye with its boundaries, the iris at one size whatever the camera; (h, w, 3) BGR."""
    limbus = segmentation.limbus
    side = round(max(image.shape) * min(1.0, _IRIS_RADIUS / limbus.mean_radius))
    drawn = draw_overlay(image, segmentation, max_side=max(side, 1))
    scale = drawn.shape[1] / image.shape[1]
    x, y, reach = limbus.x * scale, limbus.y * scale, limbus.mean_radius * scale
    top, bottom = max(round(y - 1.3 * reach), 0), round(y + 1.3 * reach)
    left, right = max(round(x - 1.7 * reach), 0), round(x + 1.7 * reach)
    return np.ascontiguousarray(drawn[top:bottom, left:right])


def _figure(source: str, caption: str) -> str:
    label = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure><img loading="lazy" src="{source}" alt="{caption or "eye"}">{label}</figure>'


def embedded(picture: NDArray[np.uint8]) -> str:
    """`picture` (h, w) or (h, w, 3) as the source of an image in the page, at most 512 wide."""
    height, width = picture.shape[:2]
    scale = min(1.0, 512 / width)
    if scale < 1:
        size = (512, max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture, quality=85)).decode("ascii")


def _parameters(record: Record) -> str:
    found = record.get("rectification")
    if not isinstance(found, dict):
        return ""
    parts = []
    for name, (label, unit, factor) in _LABELS.items():
        value = found.get(name)
        if isinstance(value, int | float):
            parts.append(f"{label} {value * factor:+.2f}{unit}")
    return " · ".join(parts) + "<br>" if parts else ""


def _quality(record: Record) -> str:
    quality = record.get("quality")
    if not isinstance(quality, dict):
        return ""
    values = {name: quality.get(name) for name in _FIGURES}
    return " · ".join(f"{name.replace('_', ' ')} {v:.3g}" for name, v in values.items() if isinstance(v, int | float))


def failure_row(record: Record) -> str:
    """The table row of an input that failed."""
    cells = "".join(f'<td class="words">{_shown(record.get(name))}</td>' for name in ("stage", "reason"))
    return f"<tr><th>{_shown(record['path'])}</th>{cells}</tr>"


def _shown(value: Json) -> str:
    return html.escape(str(value))
