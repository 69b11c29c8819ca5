"""The inputs of a folder command: pictures, and the strips that an earlier command wrote."""

from __future__ import annotations

import glob
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irisstn.datasets import Sample, find_images
from irisstn.datasets.folders import expand_glob
from irisstn.datasets.videos import is_video, video_frames
from irisstn.errors import DatasetError
from irisstn.images import MAX_PIXELS, SUFFIXES
from irisstn.outputs.manifest import MANIFEST
from irisstn.outputs.records import Record, output_file
from irisstn.outputs.whole_manifest import read_whole_manifest
from irisstn.storage.file_names import safe_name
from irisstn.storage.remote import RemoteSample, RemoteStorage, find_remote, is_url, without_file_scheme

Samples = Sequence[Sample] | Sequence[RemoteSample]


def find_inputs(
    sources: Sequence[str | Path],
    *,
    strips: bool,
    exclude: Path | str | None = None,
    passed_over: Counter[str] | None = None,
    every: int = 1,
    scratch: Path | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Samples:
    """The inputs of a folder command.

    Parameters
    ----------
    sources : sequence of str or Path
        Folders, pictures, globs and lists of pictures, as `irisstn.datasets.find_images` takes them; or one URL; or,
        with `strips`, one output folder of a folder command.
    strips : bool
        Whether the command takes strips. Then the strips of an output folder are the inputs, with their masks, under
        the names of the pictures that they were made from; a picture without a strip stays a failed input.
    exclude : Path or str, optional
        The output folder of this run, which is not searched.
    passed_over : Counter of str, optional
        To it is added what `irisstn.datasets.find_images` passes over.
    every : int
        Of a source that is a video, every how many frames one is taken, see `irisstn.datasets.videos`. Videos in a
        folder are passed over; a glob may name them.
    scratch : Path, optional
        A folder for the frames of videos, which has to stay until the inputs are processed. Without it videos are
        refused.
    max_pixels : int
        Limit of the pixels of a video's frame.

    Returns
    -------
    sequence of Sample or of RemoteSample
        Sorted by name.

    Raises
    ------
    DatasetError
        A source cannot be read, holds no pictures, or cannot be combined with the others.
    """
    urls = [str(source) for source in sources if is_url(source)]
    if urls:
        if len(sources) > 1:
            raise DatasetError(f"{urls[0]} is a URL: give it alone; it may be a glob")
        folder = exclude if isinstance(exclude, str) else None
        return _remote(urls[0].rstrip("/"), strips=strips, exclude=folder, passed_over=passed_over)
    wanted = [name for source in sources for name in _with_videos(without_file_scheme(str(source)))]
    outputs = [Path(source) for source in wanted if (Path(source) / MANIFEST).is_file()]
    videos = [Path(source) for source in wanted if is_video(source)]
    if videos:
        if scratch is None:
            raise DatasetError(f"{videos[0]} is a video: this command takes pictures only")
        frames = video_frames(videos, scratch, every=every, max_pixels=max_pixels)
        others = [source for source in wanted if not is_video(source)]
        pictures = find_inputs(others, strips=strips, exclude=exclude, passed_over=passed_over) if others else []
        return _joined(frames, [sample for sample in pictures if isinstance(sample, Sample)])
    if not outputs:
        return find_images(wanted, exclude=exclude if isinstance(exclude, Path) else None, passed_over=passed_over)
    out = outputs[0]
    if not strips:
        raise DatasetError(f"{out} is an output of irisstn: give the photographs that it was made from")
    if len(wanted) > 1:
        raise DatasetError(f"{out} is an output of irisstn: give it alone")
    found = _strips(out, str(out))
    return [
        Sample(one.name, out / one.strip, out / one.mask if one.mask else None, one.failed, one.ring) for one in found
    ]


def _with_videos(source: str) -> list[str]:
    """The videos that a glob matches, where all that it matches are videos; else the source as it is."""
    matches = [str(path) for path in expand_glob(source)] if glob.has_magic(source) else []
    return matches if matches and all(map(is_video, matches)) else [source]


def _joined(frames: Sequence[Sample], pictures: Sequence[Sample]) -> list[Sample]:
    """The frames of videos and other inputs, sorted by name. Raises DatasetError where two have one name."""
    samples = {sample.name: sample for sample in (*frames, *pictures)}
    if len(samples) < len(frames) + len(pictures):
        raise DatasetError("a folder of pictures has the name of a video: process them into two output folders")
    return [samples[name] for name in sorted(samples)]


def out_folder(out: str) -> Path | str:
    """The output folder `out` as the runner takes it: a path, or text where it is a URL.

    Examples
    --------
    >>> out_folder("s3://bucket/strips")
    's3://bucket/strips'
    """
    return out if is_url(out) else Path(without_file_scheme(out))


def _remote(url: str, *, strips: bool, exclude: str | None, passed_over: Counter[str] | None) -> list[RemoteSample]:
    """The inputs at a URL."""
    if PurePosixPath(url).suffix.lower() in SUFFIXES or any(letter in url for letter in "*?["):  # no folder
        return find_remote(url, exclude=exclude, passed_over=passed_over)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            RemoteStorage(url).fetch(MANIFEST, folder / MANIFEST)
        except OSError as error:
            raise DatasetError(f"{url} cannot be read: {error}") from None
        if not (folder / MANIFEST).exists():
            return find_remote(url, exclude=exclude, passed_over=passed_over)
        if not strips:
            raise DatasetError(f"{url} is an output of irisstn: give the photographs that it was made from")
        found = _strips(folder, url)
    return [
        RemoteSample(one.name, f"{url}/{one.strip}", f"{url}/{one.mask}" if one.mask else None, one.failed, one.ring)
        for one in found
    ]


@dataclass(frozen=True, slots=True)
class _Strip:
    """A strip of an earlier output folder, its paths below that folder; see `irisstn.datasets.Sample`."""

    name: str
    strip: str
    mask: str | None = None
    failed: str | None = None
    ring: str | None = None


def _strips(folder: Path, out: str) -> list[_Strip]:
    """The strip of each input in the manifest in `folder`, which is that of the output `out`.

    The strip of an input that failed is the one that it would have.
    """
    found: list[_Strip] = []
    for record in read_whole_manifest(folder):
        name = safe_name(record["path"])
        if record.get("status") == "ok" and "strip" in record and "variant_of" not in record:
            mask = safe_name(record["strip_mask"]) if "strip_mask" in record else None
            found.append(_Strip(name, safe_name(record["strip"]), mask, ring=_ring(record)))
        elif record.get("status") == "failed":
            reason = f"{out} has no strip of it ({record.get('stage')}: {record.get('reason')})"
            found.append(_Strip(name, output_file("strip", name), failed=reason))
    if all(one.failed for one in found):
        raise DatasetError(f"{out} holds no strips")
    return found


def _ring(record: Record) -> str | None:
    """The ring along which the strip of `record` was cut; None where it is not known, or was put right since."""
    if "rectification" in record or not {"pupil", "iris", "eyelids"} <= record.keys():
        return None
    fields = ("path", "pupil", "iris", "eyelids", "opening_axis_rad")
    return json.dumps({name: value for name, value in record.items() if name in fields})
