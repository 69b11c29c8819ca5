"""The inputs of a folder command: pictures, and the strips that an earlier command wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irisstn.batch.job import output_file
from irisstn.batch.remote import RemoteSample, find_remote, is_url, without_file_scheme
from irisstn.datasets import Sample, find_images
from irisstn.errors import DatasetError
from irisstn.outputs import MANIFEST, read_manifest, safe_name

Samples = Sequence[Sample] | Sequence[RemoteSample]


def find_inputs(sources: Sequence[str | Path], *, strips: bool, exclude: Path | str | None = None) -> Samples:
    """The pictures in `sources`, as `irisstn.datasets.find_images` finds them, or those at a URL, given alone.

    Where `strips` are welcome, a source may also be the output folder of a folder command, on its own: then its strips
    with their masks are the inputs, under the names of the pictures that they come from. Raises DatasetError.
    """
    urls = [str(source) for source in sources if is_url(source)]
    if urls:
        if len(sources) > 1:
            raise DatasetError(f"{urls[0]} is a URL: give it alone; it may be a glob")
        return find_remote(urls[0], strips=strips)
    wanted = [without_file_scheme(str(source)) for source in sources]
    outputs = [Path(source) for source in wanted if (Path(source) / MANIFEST).is_file()]
    if not outputs:
        return find_images(wanted, exclude=exclude if isinstance(exclude, Path) else None)
    if not strips:
        raise DatasetError(f"{outputs[0]} is an output of irisstn: give the photographs that it was made from")
    if len(wanted) > 1:
        raise DatasetError(f"{outputs[0]} is an output of irisstn: give it alone")
    return _strips(outputs[0])


def out_folder(out: str) -> Path | str:
    """The output folder `out` as a path, or as text where it is a URL."""
    return out if is_url(out) else Path(without_file_scheme(out))


def _strips(out: Path) -> list[Sample]:
    """The strips in `out`; and the pictures that gave none, which stay failed."""
    samples = []
    for record in read_manifest(out):
        name = safe_name(record["path"])
        if record.get("status") == "ok" and "strip" in record and "variant_of" not in record:
            mask = out / safe_name(record["strip_mask"]) if "strip_mask" in record else None
            samples.append(Sample(name, out / safe_name(record["strip"]), mask))
        elif record.get("status") == "failed":
            reason = f"{out} has no strip of it ({record.get('stage')}: {record.get('reason')})"
            samples.append(Sample(name, out / output_file("strip", name), failed=reason))
    if all(sample.failed for sample in samples):
        raise DatasetError(f"{out} holds no strips")
    return samples
