"""The masks of strips that other programs wrote, found by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from irisstn.batch.inputs import Samples
from irisstn.datasets import Sample, find_images
from irisstn.errors import DatasetError
from irisstn.strip_conventions import StripConvention


def with_masks(samples: Samples, masks: str, convention: StripConvention) -> list[Sample]:
    """Give each strip its mask.

    Parameters
    ----------
    samples : sequence of Sample
        The strips. Those that are masks of others are left out.
    masks : str
        A folder, in which the mask of a strip a/b.png is a/b with any suffix, or, by the convention's endings,
        a/NAME_mano.bmp of a/NAME_imno.bmp. Or a pattern of paths in which {} is the strip's name without its suffix and
        ending, such as "masks/{}_mask.png".
    convention : StripConvention
        Of the strips.

    Returns
    -------
    list of Sample
        The strips with their masks. One without a mask, or with several, is a failed input.

    Raises
    ------
    DatasetError
        Where the folder cannot be read, no strip has a mask, or the strips are an output of this program or at a URL.
    """
    local = [sample for sample in samples if isinstance(sample, Sample)]
    if len(local) < len(samples):
        raise DatasetError("masks are read from this machine's disks, together with strips on them, not at a URL")
    if any(sample.mask is not None for sample in local):
        raise DatasetError("the strips of an output of irisstn have their masks already: leave --masks out")
    found = _by_pattern(local, masks, convention) if "{}" in masks else _in_folder(local, masks, convention)
    if not any(found):
        raise DatasetError(
            f"no strip has a mask in {masks}: it is looked for by the strip's name; a pattern such as "
            "'masks/{}_mask.png' says where it is otherwise"
        )
    taken = {mask for candidates in found for mask in candidates}
    return [
        _with_mask(sample, candidates, masks)
        for sample, candidates in zip(local, found, strict=True)
        if sample.path not in taken
    ]


def _with_mask(sample: Sample, candidates: Sequence[Path], masks: str) -> Sample:
    if len(candidates) == 1:
        return replace(sample, mask=candidates[0])
    if not candidates:
        return replace(sample, failed=f"it has no mask in {masks}")
    return replace(sample, failed=f"it has several masks: {', '.join(path.name for path in candidates)}")


def _by_pattern(samples: Sequence[Sample], pattern: str, convention: StripConvention) -> list[list[Path]]:
    """The mask of each sample, or none."""
    paths = [Path(pattern.replace("{}", _base(sample.name, convention))).absolute() for sample in samples]
    return [[path] if path.is_file() else [] for path in paths]


def _in_folder(samples: Sequence[Sample], folder: str, convention: StripConvention) -> list[list[Path]]:
    """The masks in `folder` that are named like each sample."""
    if not Path(folder).is_dir():
        raise DatasetError(f"{folder} is no folder of masks, and no pattern with {{}}")
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for mask in find_images([folder]):
        by_stem[_stem(mask.name)].append(mask.path)
    found = []
    for sample in samples:
        ended = by_stem.get(_base(sample.name, convention) + convention.endings[1], [])
        alike = by_stem.get(_stem(sample.name), [])
        found.append([path for path in ended or alike if path != sample.path])
    return found


def _stem(name: str) -> str:
    """A name without its suffix."""
    return str(PurePosixPath(name).with_suffix(""))


def _base(name: str, convention: StripConvention) -> str:
    """A strip's name without its suffix and the convention's ending."""
    return _stem(name).removesuffix(convention.endings[0])
