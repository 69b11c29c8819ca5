"""Several captures of one eye as one embedding, or as one strip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from irisstn.geometry import TAU
from irisstn.iris_code import distances, encode, roll_between
from irisstn.results import Strip

_LEAST_ALIKE = 0.3  # cosine of a capture with the mean of the others; 1 of 1,000 captures of different eyes reach it
_MOST_DISTANT = 0.44  # mean distance of a strip's code from the others'; for different eyes with shifts it is 0.46
_SHIFTS = 16  # columns to either side
_FEWEST = 3  # captures from which on it can be decided which one is of another eye


def fuse(embeddings: ArrayLike, *, least_alike: float = _LEAST_ALIKE) -> NDArray[np.float32]:
    """Fuse the embeddings of several captures of one eye to one: their mean direction.

    Random differences of single captures average out, so a gallery of two or three captures gives fewer errors. Of
    three or more captures, those that differ most from the others are left out, because their segmentation is wrong or
    they show another eye.

    Parameters
    ----------
    embeddings : array_like, shape (K, D)
        Embeddings of the captures, of any length above 0; at least one.
    least_alike : float
        Least cosine of a capture with the mean of the others, -1..1. While there are three captures or more, the one
        with the smallest cosine is left out if it is below this.

    Returns
    -------
    ndarray of float32, shape (D,)
        An embedding of length 1; that of the first capture where opposite ones cancel.

    Raises
    ------
    ValueError
        Where there is no capture, or one is not finite or has length 0.
    """
    captures = np.asarray(embeddings, np.float64)
    if captures.ndim != 2 or not len(captures) or not np.isfinite(captures).all():
        raise ValueError(f"one or more finite embeddings (K, D) are needed, got {captures.shape}")
    lengths = np.linalg.norm(captures, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("an embedding has no length")
    captures = captures / lengths
    while len(captures) >= _FEWEST:
        others = captures.sum(0) - captures
        alike = (captures * others).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        worst = int(np.argmin(alike))
        if alike[worst] >= least_alike:
            break
        captures = np.delete(captures, worst, axis=0)
    mean = captures.sum(0)
    length = float(np.linalg.norm(mean))
    # Opposite captures cancel to a vector without a direction.
    fused: NDArray[np.float32] = (mean / length if length > 1e-6 else captures[0]).astype(np.float32)
    return fused


def fuse_strips(strips: Sequence[Strip], *, most_distant: float = _MOST_DISTANT) -> Strip:
    """Fuse the strips of several captures of one eye to one: their mean over the captures that show a pixel.

    The strips are rotated to the first one by their iris codes and brought to its mean and standard deviation. What an
    eyelid covers in one capture is taken from the others. Of three or more, strips far from the others are left out.

    Parameters
    ----------
    strips : sequence of Strip
        The strips, all of one size; at least one.
    most_distant : float
        Largest mean distance of a strip's iris code from those of the others. While there are three strips or more,
        the one with the largest mean distance is left out if it is above this.

    Returns
    -------
    Strip
        The fused strip; a pixel is usable where it is usable in at least one strip.

    Raises
    ------
    ValueError
        Where there is no strip, or their sizes differ.
    """
    kept = list(strips)
    if len({strip.image.shape for strip in kept}) != 1:
        raise ValueError(f"one or more strips of one size are needed, got {[strip.image.shape for strip in kept]}")
    codes = [encode(strip) for strip in kept]
    while len(kept) >= _FEWEST:
        apart = distances(codes, max_shift=_SHIFTS)
        np.fill_diagonal(apart, 0.0)
        mean = apart.sum(1) / (len(kept) - 1)
        worst = int(np.argmax(mean))
        if mean[worst] <= most_distant:
            break
        del kept[worst], codes[worst]
    columns = kept[0].image.shape[1]
    total = np.zeros(kept[0].image.shape)
    count = np.zeros(kept[0].image.shape)
    centre, spread = _levels(kept[0])
    for strip, code in zip(kept, codes, strict=True):
        turn = -round(roll_between(code, codes[0]) * columns / TAU)
        image, usable = (np.roll(plane, turn, axis=1) for plane in (strip.image, strip.usable))
        own_centre, own_spread = _levels(strip)
        total += usable * ((image - own_centre) * (spread / own_spread) + centre)
        count += usable
    mean_image = np.where(count > 0, total / np.maximum(count, 1), centre)
    return Strip(np.clip(np.rint(mean_image), 0, 255).astype(np.uint8), count > 0)


def _levels(strip: Strip) -> tuple[float, float]:
    """Mean and standard deviation of the usable gray levels of a strip, or of all where none is usable."""
    levels = strip.image[strip.usable] if strip.usable.any() else strip.image
    return float(levels.mean()), max(float(levels.std()), 1.0)
