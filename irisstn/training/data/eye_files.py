"""Files of eye crops: one .npz holds the crops of some identities, without pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError
from irisstn.files import write_bytes_atomic
from irisstn.geometry import Boundary, Eyelid
from irisstn.training.data.eye_crops import EyeCrop

_TERMS = 12  # Fourier terms of a boundary in a file; boundaries with fewer are padded with zeros


def write_eye_crops(file: Path, eyes: Sequence[EyeCrop], labels: NDArray[np.integer]) -> None:
    """Write eye crops to a file, atomically.

    Parameters
    ----------
    file : Path
        The .npz file.
    eyes : sequence of EyeCrop, length N
        The crops, of any sizes.
    labels : NDArray[numpy.integer], shape (N,)
        Number of each crop's identity.
    """
    content = BytesIO()
    np.savez(
        content,
        numbers=labels,
        sizes=np.array([eye.image.shape for eye in eyes]),
        images=np.concatenate([eye.image.ravel() for eye in eyes]),
        masks=np.concatenate([eye.packed for eye in eyes]),
        rolls=np.array([eye.roll_rad for eye in eyes]),
        edges=np.stack([[boundary_row(edge) for edge in (*eye.truth, *eye.used)] for eye in eyes]),
        lids=np.stack([[eyelid_row(eyelid) for eyelid in eye.eyelids] for eye in eyes]),
    )
    write_bytes_atomic(file, content.getvalue(), durable=True)


def read_eye_crops(file: Path) -> tuple[list[EyeCrop], list[int]]:
    """Read a file of `write_eye_crops`.

    Parameters
    ----------
    file : Path
        The .npz file.

    Returns
    -------
    eyes : list of EyeCrop
        The crops.
    labels : list of int
        Number of each crop's identity.

    Raises
    ------
    DatasetError
        Where the file is damaged.
    """
    try:
        with np.load(BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _crops(arrays)
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{file} is damaged: {error}") from None


def _crops(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[EyeCrop], list[int]]:
    """The crops and their labels in the `arrays` of a file."""
    eyes: list[EyeCrop] = []
    pixel = byte = 0
    for i, (height, width) in enumerate(arrays["sizes"].tolist()):
        size, packed = height * width, -(-height * width // 8)
        pupil, limbus, used_pupil, used_limbus = (boundary_of_row(row) for row in arrays["edges"][i])
        upper, lower = (eyelid_of_row(row) for row in arrays["lids"][i][:2])
        eyes.append(
            EyeCrop(
                image=arrays["images"][pixel : pixel + size].reshape(height, width),
                packed=arrays["masks"][byte : byte + packed],
                truth=(pupil, limbus),
                used=(used_pupil, used_limbus),
                eyelids=(upper, lower),
                roll_rad=float(arrays["rolls"][i]),
            )
        )
        pixel, byte = pixel + size, byte + packed
    return eyes, arrays["numbers"].tolist()


def boundary_row(edge: Boundary) -> NDArray[np.float64]:
    """The numbers (26,) that describe a boundary of at most 12 Fourier terms: centre, cosines, sines."""
    row = np.zeros(2 + 2 * _TERMS)
    row[:2] = edge.x, edge.y
    row[2 : 2 + len(edge.cosines)] = edge.cosines
    row[2 + _TERMS : 2 + _TERMS + len(edge.sines)] = edge.sines
    return row


def boundary_of_row(row: NDArray[np.float64]) -> Boundary:
    """The boundary that `boundary_row` describes."""
    terms = row[2:].reshape(2, _TERMS)
    used = int(np.flatnonzero(terms.any(axis=0)).max(initial=0)) + 1  # without the padding
    cosines, sines = terms[:, :used].tolist()
    return Boundary(float(row[0]), float(row[1]), tuple(cosines), tuple(sines))


def eyelid_row(eyelid: Eyelid | None) -> NDArray[np.float64]:
    """The numbers (6,) that describe an eyelid: origin, angle, coefficients; NaN for None."""
    if eyelid is None:
        return np.full(6, np.nan)
    return np.array([eyelid.x, eyelid.y, eyelid.angle_rad, *eyelid.coefficients])


def eyelid_of_row(row: NDArray[np.float64]) -> Eyelid | None:
    """The eyelid that `eyelid_row` describes."""
    if not np.isfinite(row).all():
        return None
    x, y, angle, c0, c1, c2 = row.tolist()
    return Eyelid(x, y, angle, (c0, c1, c2))
