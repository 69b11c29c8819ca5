"""Read what `irisstn segment` and `irisstn rectify` wrote: the records of an output folder, and their strips."""

from __future__ import annotations

import json
from pathlib import Path

from irisstn.errors import DatasetError
from irisstn.images import read_gray
from irisstn.normalization import Strip

MANIFEST = "manifest.jsonl"
Record = dict[str, object]


def read_records(out: Path) -> list[Record]:
    """The records in `out`'s manifest, sorted by path; the last line of an input holds.

    Raises DatasetError where there is no manifest, or a line of it is no record.
    """
    records: dict[str, Record] = {}
    try:
        for line in (out / MANIFEST).read_text(encoding="utf-8").splitlines():
            record = json.loads(line) if line.strip() else {}
            if isinstance(record.get("path"), str):
                records[record["path"]] = record
    except (OSError, ValueError, AttributeError) as error:
        raise DatasetError(f"{out / MANIFEST} cannot be read: {error}") from None
    return [records[path] for path in sorted(records)]


def read_strip(out: Path, record: Record) -> Strip:
    """The strip of a `record` whose status is ok, with its mask.

    Raises ImageError where a file is missing or broken, DatasetError where the record names a file outside `out` or
    the two sizes differ.
    """
    image, mask = (read_gray(_inside(out, record.get(name))) for name in ("strip", "strip_mask"))
    if mask.shape != image.shape:
        raise DatasetError(f"the strip of {record['path']} is {image.shape}, its mask {mask.shape}")
    return Strip(image, mask > 127)


def _inside(out: Path, name: object) -> Path:
    path = out / str(name)
    if not isinstance(name, str) or not path.resolve().is_relative_to(out.resolve()):
        raise DatasetError(f"{out / MANIFEST} names a file outside its folder: {name}")
    return path
