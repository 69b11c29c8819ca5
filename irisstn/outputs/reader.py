"""Read what the folder commands wrote: strips, masks, segmentations and embeddings, from their records and files.

A manifest may have been changed by others. So a file that a record names is read only where its path stays below the
output folder, and within the limits of `irisstn.images` on size.
"""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError, ImageError
from irisstn.geometry import Bool, Gray
from irisstn.images import read_file, read_gray
from irisstn.outputs.folder import EMBEDDINGS
from irisstn.outputs.manifest import MANIFEST, manifest_digest
from irisstn.outputs.records import FileField, RecordFields
from irisstn.outputs.segmentation_fields import read_segmentation_fields
from irisstn.results import Segmentation, Strip
from irisstn.storage.file_names import safe_name

_MASKS: tuple[FileField, FileField] = ("iris_mask", "mask")
_LARGEST = 1e15  # of the numbers of an embedding: the square of a larger one may leave the range of float32


def read_strip(out: Path, record: RecordFields) -> Strip:
    """The strip of a record, with its mask.

    Parameters
    ----------
    out : Path
        The output folder.
    record : RecordFields
        A record of it whose status is ok.

    Returns
    -------
    Strip
        Image and mask, both (R, T).

    Raises
    ------
    DatasetError
        A file is missing or damaged, lies outside `out`, or strip and mask differ in size.
    """
    image = read_picture(out, _named(out, record, "strip"))
    mask = read_mask(out, _named(out, record, "strip_mask"))
    if mask.shape != image.shape:
        raise DatasetError(f"the strip of {record.get('path')} is {image.shape}, its mask {mask.shape}")
    return Strip(image, mask)


def read_mask(out: Path, name: object) -> Bool:
    """The mask in the file `name` of the output folder `out`: bool, shape (H, W), True where the file has 255.

    Raises
    ------
    DatasetError
        The file is missing or damaged, or lies outside `out`.
    """
    return np.asarray(read_picture(out, name) > 127)


def read_picture(out: Path, name: object) -> Gray:
    """The gray picture in the file `name` of the output folder `out`: uint8, shape (H, W).

    Raises
    ------
    DatasetError
        The file is missing or damaged, or lies outside `out`.
    """
    path = out / safe_name(name)
    try:
        return read_gray(path)
    except ImageError as error:
        raise DatasetError(f"{path} is missing or damaged: {error.reason}") from None


def read_embedding(out: Path, record: RecordFields) -> NDArray[np.float32]:
    """The embedding of a record that `irisstn embed` wrote: float32, shape (D,).

    Raises
    ------
    DatasetError
        The file is missing or damaged, or lies outside `out`.
    """
    path = out / _named(out, record, "embedding")
    try:
        embedding = np.load(io.BytesIO(read_file(path)), allow_pickle=False)
    except ImageError as error:
        raise DatasetError(f"{path} is missing or damaged: {error.reason}") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:  # a false shape in the header asks for terabytes
        reason = "it holds objects of Python" if "ickle" in str(error) else str(error)  # numpy says how to run them
        raise DatasetError(f"{path} is missing or damaged: {reason}") from None
    if not isinstance(embedding, np.ndarray) or embedding.ndim != 1 or embedding.dtype.kind != "f":
        raise DatasetError(f"{path} holds no embedding")
    if not (np.abs(embedding) < _LARGEST).all():  # nor is NaN below it
        raise DatasetError(f"{path} holds no embedding: a number is not finite or too large")
    if not embedding.any():  # it would be as far from every other one
        raise DatasetError(f"{path} holds no embedding: all its numbers are 0")
    return embedding.astype(np.float32)


def read_segmentation(out: Path, record: RecordFields) -> Segmentation:
    """The segmentation that a record describes, its masks read from their files.

    Parameters
    ----------
    out : Path
        The output folder.
    record : RecordFields
        A record of it whose status is ok, of a whole eye or a ring.

    Raises
    ------
    DatasetError
        The record holds no iris ring or a damaged one, or a mask is missing, damaged or outside `out`.
    """
    if "iris_mask" not in record or "mask" not in record:
        raise DatasetError(f"the record of {record.get('path')} holds no iris ring (it names no masks)")
    iris_mask, usable = (read_mask(out, _named(out, record, field)) for field in _MASKS)
    return read_segmentation_fields(record, iris_mask=iris_mask, usable=usable)


def read_embeddings(out: Path) -> tuple[list[str], NDArray[np.float32]]:
    """All embeddings of a folder that `irisstn embed` wrote, from its file embeddings.npz.

    Parameters
    ----------
    out : Path
        The output folder.

    Returns
    -------
    names : list of str, length N
        Paths of the inputs.
    embeddings : ndarray of float32, shape (N, D)
        Their embeddings.

    Raises
    ------
    DatasetError
        The file is missing or damaged, or was made from an earlier content of the folder.
    """
    path = out / EMBEDDINGS
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            names, embeddings, digest = (held[name] for name in ("names", "embeddings", "manifest_sha256"))
    except (OSError, ValueError, KeyError, EOFError, MemoryError, BadZipFile) as error:
        raise DatasetError(f"{path} is missing or damaged: run `irisstn embed` again ({error})") from None
    if str(digest) != manifest_digest(out):
        raise DatasetError(f"{path} was made from an earlier content of its folder: run `irisstn embed` again")
    if len(embeddings) and (embeddings.ndim != 2 or embeddings.dtype != np.float32 or len(embeddings) != len(names)):
        raise DatasetError(f"{path} is damaged: {len(names)} names, embeddings {embeddings.shape}")
    return [str(name) for name in names], embeddings


def _named(out: Path, record: RecordFields, field: FileField) -> str:
    """The file that `field` of a record of `out` names. Raises DatasetError, with the record, where it names none."""
    try:
        return safe_name(record.get(field))
    except DatasetError as error:
        raise DatasetError(f"{out / MANIFEST}: {field} of the record of {record.get('path')}: {error.reason}") from None
