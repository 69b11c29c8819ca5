"""The files that a record proves: which a run has written, how large they are, whether they are still there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from irisstn.errors import DatasetError
from irisstn.outputs.records import FILES, FileField, Record, output_file, output_files, possible_files
from irisstn.storage.file_names import safe_name


def written_files(record: Record) -> list[str]:
    """Those of the `output_files` of a record that a run has written: their names follow from the input's.

    A manifest that others have changed may name any other file, which must not be removed.
    """
    name = record["path"]
    names = [str(record[field]) for field in FILES if record.get(field) in _names_of(field, name)]
    variants = record.get("variants")
    for variant in variants if isinstance(variants, list) else []:
        if isinstance(variant, str) and variant.startswith(f"{name}.v"):
            names += [output_file("strip", variant), output_file("strip_mask", variant)]
    return [safe_name(one) for one in names]


def _names_of(field: FileField, name: str) -> tuple[str, ...]:
    """The files that `field` of a record of the input `name` may hold, with what it was before `png_name` was used."""
    return *possible_files(field, name), f"{FILES[field]}/{name}.png"


def sizes_of(record: Record, files: Mapping[str, bytes]) -> list[int]:
    """The field `file_sizes` of `record`: the size in bytes of each of its `output_files`, in their order."""
    return [len(files[name]) for name in output_files(record)]


def has_its_files(record: Record, size_of: Callable[[str], int | None]) -> bool:
    """Whether the files that a record names are there, with the sizes that it tells.

    Parameters
    ----------
    record : Record
        A record whose status is ok.
    size_of : callable
        The size in bytes of a file below OUT; None where there is none.
    """
    sizes = record.get("file_sizes")
    try:
        names = output_files(record)
    except DatasetError:
        return False
    return isinstance(sizes, list) and len(sizes) == len(names) and sizes == [size_of(name) for name in names]
