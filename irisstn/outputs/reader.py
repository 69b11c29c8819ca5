"""Read what folder commands wrote: the records of an output folder, and the files they name.

The manifest is one JSON object a line, of which the last one of an input holds. A run that was killed may have torn its
last line; lines that are no record are passed over. Nothing in a manifest is trusted to name a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError
from irisstn.geometry import Bool, Boundary, Eyelid
from irisstn.results import Segmentation, Strip
from irisstn.storage.file_names import safe_name

MANIFEST = "manifest.jsonl"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Record = dict[str, Json]
Place = tuple[int, int]  # where a line begins, and its length, in bytes


def read_strip(out: Path, record: Record) -> Strip:
    """The strip of a `record` whose status is ok, with its mask. Raises DatasetError."""
    image, mask = read_picture(out, record.get("strip")), read_mask(out, record.get("strip_mask"))
    if mask.shape != image.shape:
        raise DatasetError(f"the strip of {record['path']} is {image.shape}, its mask {mask.shape}")
    return Strip(image, mask)


def read_mask(out: Path, name: Json) -> Bool:
    """The mask (H, W) in the file `name` of the output folder `out`; True = 255. Raises DatasetError."""
    return np.asarray(read_picture(out, name) > 127)


def read_picture(out: Path, name: Json) -> NDArray[np.uint8]:
    """The gray picture (H, W) in the file `name` of the output folder `out`. Raises DatasetError."""
    path = out / safe_name(name)
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None:
        raise DatasetError(f"{path} is missing or damaged")
    return picture.astype(np.uint8, copy=False)


def read_embedding(out: Path, record: Record) -> NDArray[np.float32]:
    """The embedding (D,) of a `record` that `irisstn embed` wrote. Raises DatasetError."""
    path = out / safe_name(record.get("embedding"))
    try:
        embedding = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} is missing or damaged: {error}") from None
    if not isinstance(embedding, np.ndarray) or embedding.ndim != 1 or not np.isfinite(embedding).all():
        raise DatasetError(f"{path} holds no embedding")
    return embedding.astype(np.float32)


def read_segmentation(out: Path, record: Mapping[str, Json]) -> Segmentation:
    """The Segmentation that `record` of the output folder `out` stands for, its masks read from their files.

    Raises DatasetError where the record has no ring, is damaged, or names a file that is missing or outside `out`.
    """
    ring = read_ring(record)
    try:
        return replace(ring, iris_mask=read_mask(out, record["iris_mask"]), usable=read_mask(out, record["mask"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"the record of {record.get('path')} holds no iris ring: {error}") from None


def read_ring(record: Mapping[str, Json]) -> Segmentation:
    """Boundaries and eyelids of `record`, without its masks: those are (1, 1), and usable nowhere.

    Raises DatasetError where the record has no ring.
    """
    nowhere = np.zeros((1, 1), np.bool_)
    try:
        lids = _mapping(record["eyelids"])
        pupil, limbus = _boundary(_mapping(record["pupil"])), _boundary(_mapping(record["iris"]))
        return Segmentation(pupil, limbus, _eyelid(lids["upper"]), _eyelid(lids["lower"]), nowhere, nowhere)
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
