"""The inputs of a folder command: pictures, and the strips that an earlier command wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from irisstn.datasets import Sample, find_images
from irisstn.errors import DatasetError
from irisstn.outputs import MANIFEST, read_manifest, safe_name


def find_inputs(sources: Iterable[str | Path], *, strips: bool, exclude: Path | None = None) -> list[Sample]:
    """The pictures in `sources`, as `irisstn.datasets.find_images` finds them.

    Where `strips` are welcome, a source may also be the output folder of a folder command, on its own: then its strips
    with their masks are the inputs, under the names of the pictures that they come from. Raises DatasetError.
    """
    wanted = [Path(source) for source in sources]
    outputs = [source for source in wanted if (source / MANIFEST).is_file()]
    if not outputs:
        return find_images(wanted if not wanted else [str(source) for source in wanted], exclude=exclude)
    if not strips:
        raise DatasetError(f"{outputs[0]} is an output of irisstn: give the photographs that it was made from")
    if len(wanted) > 1:
        raise DatasetError(f"{outputs[0]} is an output of irisstn: give it alone")
    return _strips(outputs[0])


def _strips(out: Path) -> list[Sample]:
    samples = []
    for record in read_manifest(out):
        if record.get("status") == "ok" and "strip" in record and "variant_of" not in record:
            mask = out / safe_name(record["strip_mask"]) if "strip_mask" in record else None
            samples.append(Sample(safe_name(record["path"]), out / safe_name(record["strip"]), mask))
    if not samples:
        raise DatasetError(f"{out} holds no strips")
    return samples
