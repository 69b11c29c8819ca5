"""Read what folder commands wrote: the records of an output folder, and the files they name.

The manifest is one JSON object a line, of which the last one of an input holds. A run that was killed may have torn its
last line; lines that are no record are passed over. Nothing in a manifest is trusted to name a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError
from irisstn.geometry import Bool
from irisstn.normalization import Strip

MANIFEST = "manifest.jsonl"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Record = dict[str, Json]
Place = tuple[int, int]  # where a line begins, and its length, in bytes


def read_manifest(out: Path) -> Iterator[Record]:
    """The records of the output folder `out`, sorted by path, each input once; none where there is no manifest."""
    path = out / MANIFEST
    if not path.is_file():
        return
    with path.open("rb") as file:
        places = index_records(path)
        for name in sorted(places):
            record = parse_record(read_line(file.fileno(), places[name]))
            if record is not None:
                yield record


def index_records(path: Path) -> dict[str, Place]:
    """Where in the manifest file `path` the record that holds for each input lies."""
    places: dict[str, Place] = {}
    at = 0
    with path.open("rb") as lines:
        for line in lines:
            record = parse_record(line) if line.endswith(b"\n") else None
            if record is not None:
                places[str(record["path"])] = (at, len(line))
            at += len(line)
    return places


def parse_record(line: bytes) -> Record | None:
    """The record in a `line` of a manifest; None where it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("path"), str) else None


def read_line(file: int, place: Place) -> bytes:
    """The line at `place` of the open manifest `file`."""
    os.lseek(file, place[0], os.SEEK_SET)
    return os.read(file, place[1])


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


def safe_name(name: Json) -> str:
    """`name` where it is a relative path that stays below its folder; else DatasetError: a manifest is not trusted."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(f"{name!r} is no file name")
    for path in (PurePosixPath(name), Path(name)):  # the second knows the drives and backslashes of Windows
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise DatasetError(f"{name!r} leads out of its folder")
    return name
