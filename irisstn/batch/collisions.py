"""Inputs whose output files would overwrite those of others, or have the name of a folder."""

from __future__ import annotations

import unicodedata

from irisstn.batch.inputs import Samples
from irisstn.outputs.folder import OutputFolder
from irisstn.outputs.records import file_names
from irisstn.storage.local import LocalStorage


def name_collisions(samples: Samples, output: OutputFolder) -> dict[str, str]:
    """The inputs that are refused because one of their files would have the name of something else.

    That is a folder of other inputs, such as a.jpg.png/ beside a.jpg; or, on a file system that does not distinguish
    a.png from A.png, a file of another input.

    Parameters
    ----------
    samples : sequence of Sample or of RemoteSample
        The inputs.
    output : OutputFolder
        The output folder.

    Returns
    -------
    dict of str to str
        The reason for each refused input, by its name.
    """
    (output.scratch / "case").touch()
    folds = isinstance(output.storage, LocalStorage) and (output.scratch / "CASE").exists()
    folders: set[str] = set()
    for sample in samples:
        folder = _folded(sample.name.rpartition("/")[0], folds)
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    reasons: dict[str, str] = {}
    first: dict[str, str] = {}
    for sample in samples:
        for file in file_names(sample.name):
            folded = _folded(file, folds)
            if folded in folders:
                reasons[sample.name] = f"its files would have the name of the folder {file} of other inputs"
            elif folds and first.setdefault(folded, sample.name) != sample.name:
                reasons[sample.name] = f"on this file system its files would overwrite those of {first[folded]}"
    return reasons


def _folded(name: str, folds: bool) -> str:
    """`name` as a file system compares it; `folds` says whether that is without regard to case."""
    return unicodedata.normalize("NFC", name).casefold() if folds else name
