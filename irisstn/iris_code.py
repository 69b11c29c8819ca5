"""The classical iris code: log-Gabor phase bits of a strip, compared by the masked Hamming distance.

References
----------
.. [1] Daugman 2004, "How iris recognition works" (phase bits, masked distance, search over shifts).
.. [2] Masek 2003, "Recognition of human iris patterns" (1-D log-Gabor filters along the rows).
.. [3] Daugman 2007, "New methods in iris recognition", eq. 4 (normalisation by the number of compared bits).
.. [4] Field 1987, "Relations between the statistics of natural images and the response properties of cortical cells",
   eq. 3 (the log-Gabor filter).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Bool
from irisstn.results import Strip

ROWS = 8  # bands of the ring
COLUMNS = 256  # positions around it: one shift is 1.4 degrees
WAVELENGTHS = (6.0, 12.0)  # of the two filters, in columns: 8.4 and 17 degrees
BANDWIDTH = 0.5  # sigma on the frequency axis over the centre frequency: about two octaves
_BAND_ROWS = 7  # rows of the resized strip that one band averages
_EDGE_ROWS = 4  # rows next to pupil and limbus that are left out, where small boundary errors have most effect
_MIN_USABLE = 0.6  # usable fraction of a cell of a band
_WEAK_FRACTION = 0.05  # of the responses, which are so weak that their sign is random
_TYPICAL_FRACTION = 0.6  # of the bits that two codes usually have in common, for the normalisation
INCOMPARABLE = np.float32(2.0)  # the distance of two codes without a common usable bit


@dataclass(frozen=True, slots=True, eq=False)
class IrisCode:
    """An iris code: the signs of the responses to W filters.

    Attributes
    ----------
    bits : ndarray of bool, shape (2, W, ROWS, COLUMNS)
        Whether the real and the imaginary response is positive. A read-only copy.
    mask : ndarray of bool, shape (W, ROWS, COLUMNS)
        True where the bits are usable. A read-only copy.

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """

    bits: Bool
    mask: Bool

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or self.bits.shape != (2, *self.mask.shape):
            raise ValueError(
                f"bits (2, W, R, T) and a mask (W, R, T) are needed, got {self.bits.shape}, {self.mask.shape}"
            )
        for name in ("bits", "mask"):
            copy = np.array(getattr(self, name), dtype=np.bool_)
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)


def encode(strip: Strip) -> IrisCode:
    """Compute the iris code of a strip.

    Parameters
    ----------
    strip : Strip
        A strip of any size.

    Returns
    -------
    IrisCode
        With one filter for each of `WAVELENGTHS`.
    """
    size = (2 * COLUMNS, ROWS * _BAND_ROWS + 2 * _EDGE_ROWS)
    image = cv2.resize(strip.image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    usable = cv2.resize(strip.usable.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    # Unusable pixels get the mean of their row, so that the filters respond to them as little as possible.
    mean = np.sum(image * usable, axis=1, keepdims=True) / np.maximum(usable.sum(1, keepdims=True), 1)
    bands = _bands(np.where(usable, image, mean).astype(np.float32))
    visible = _bands(usable.astype(np.float32)) > _MIN_USABLE

    frequency = np.fft.fftfreq(size[0])
    spectrum = np.fft.fft(bands - bands.mean(1, keepdims=True), axis=1)
    positive = frequency > 0
    bits, masks = [], []
    for wavelength in WAVELENGTHS:
        gain = np.zeros(size[0])
        octaves = np.log(
            frequency[positive] * 2 * wavelength
        )  # the resized strip has two pixels for each column of the code
        gain[positive] = np.exp(-(octaves**2) / (2 * np.log(BANDWIDTH) ** 2))  # Field 1987 [4]
        response = np.fft.ifft(spectrum * gain, axis=1)
        strength = np.abs(response)
        masks.append(visible & (strength > np.quantile(strength, _WEAK_FRACTION)))
        bits.append(np.stack([response.real > 0, response.imag > 0]))
    return IrisCode(np.stack(bits, axis=1)[..., ::2], np.stack(masks)[..., ::2])


def _bands(image: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = image[_EDGE_ROWS : image.shape[0] - _EDGE_ROWS]
    bands: NDArray[np.float32] = inner.reshape(ROWS, _BAND_ROWS, -1).mean(1)
    return bands


def distance(a: IrisCode, b: IrisCode, max_shift: int = 0) -> float:
    """Normalised Hamming distance of two codes.

    Parameters
    ----------
    a, b : IrisCode
        The codes.
    max_shift : int
        The smallest distance over rotations of ±`max_shift` columns counts.

    Returns
    -------
    float
        0 for equal codes, about 0.5 for different eyes, 2 where no bit is usable in both.
    """
    return float(distances([a], [b], max_shift=max_shift)[0, 0])


def distances(
    codes: Sequence[IrisCode], others: Sequence[IrisCode] | None = None, *, max_shift: int = 0
) -> NDArray[np.float32]:
    """Normalised Hamming distances between two sets of codes, see `distance`.

    Two matrix products for each shift: 1000 codes with 33 shifts take about twenty seconds on one core.

    Parameters
    ----------
    codes : sequence of IrisCode
        N codes.
    others : sequence of IrisCode, optional
        M codes; None compares `codes` among themselves.
    max_shift : int
        The smallest distance over rotations of ±`max_shift` columns counts.

    Returns
    -------
    ndarray of float32, shape (N, M)
        The distances.

    Raises
    ------
    ValueError
        For a negative `max_shift`.
    """
    if max_shift < 0:
        raise ValueError(f"max_shift must not be negative, got {max_shift}")
    if not codes or (others is not None and not others):
        return np.zeros((len(codes), len(codes if others is None else others)), np.float32)
    bits, mask = _stack(codes)
    if others is None:  # shifting a by s is shifting b by -s: the negative shifts give the transposed distances
        best = _one_shift(bits, mask, bits, mask, 0)
        for shift in range(1, max_shift + 1):
            turned = _one_shift(bits, mask, bits, mask, shift)
            best = np.minimum(best, np.minimum(turned, turned.T))
        return best
    other_bits, other_mask = _stack(others)
    best = np.full((len(codes), len(others)), INCOMPARABLE)
    for shift in range(-max_shift, max_shift + 1):
        np.minimum(best, _one_shift(bits, mask, other_bits, other_mask, shift), out=best)
    return best


def roll_between(code: IrisCode, other: IrisCode, *, max_roll_deg: float = 30.0) -> float:
    """Estimate the rotation between two codes.

    All shifts are scored by one circular correlation of the bits (the convolution theorem). The parabola through the
    best shift and its neighbours gives a fraction of a column.

    Parameters
    ----------
    code, other : IrisCode
        The codes.
    max_roll_deg : float
        Limit of the rotation in degrees, above 0 and at most 180.

    Returns
    -------
    float
        The roll in radians: the texture of `code` at the angle t + roll is that of `other` at t. 0 where no bit is
        usable in both.

    Raises
    ------
    ValueError
        For an impossible `max_roll_deg`.
    """
    if not 0 < max_roll_deg <= 180:
        raise ValueError(f"max_roll_deg must be above 0 and at most 180, got {max_roll_deg}")
    bits, mask = _stack([code, other])
    agreement, count = _correlate(bits[1], bits[0]), 2 * _correlate(mask[1], mask[0])
    # Divided by the square root of the count, as in `distance`: few bits agree by chance more easily than many.
    score = np.where(count > 0.5, agreement / np.sqrt(np.maximum(count, 1)), -np.inf)
    columns = score.size
    reach = min(int(max_roll_deg / 360 * columns), columns // 2)
    near = np.arange(-reach, reach + 1)
    best = int(near[np.argmax(score[near])])
    low, top, high = (float(score[(best + step) % columns]) for step in (-1, 0, 1))
    curvature = low - 2 * top + high
    has_peak = np.isfinite(curvature) and curvature < 0
    fraction = float(np.clip(0.5 * (low - high) / curvature, -0.5, 0.5)) if has_peak else 0.0
    limit = np.deg2rad(max_roll_deg)
    return float(np.clip((best + fraction) * TAU / columns, -limit, limit)) if np.isfinite(top) else 0.0


def _correlate(still: NDArray[np.float32], turned: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sum (T,) over all but the last axis of still[t] turned[t + s], for each shift s."""
    spectrum = np.fft.rfft(still, axis=-1).conj() * np.fft.rfft(turned, axis=-1)
    return np.asarray(np.fft.irfft(spectrum.reshape(-1, spectrum.shape[-1]).sum(0), still.shape[-1]))


def _stack(codes: Sequence[IrisCode]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Signed bits (N, 2, W, R, T) in {-1, 0, 1}, 0 = unusable, and masks (N, W, R, T) in {0, 1}."""
    mask = np.stack([code.mask for code in codes]).astype(np.float32)
    bits = np.stack([code.bits for code in codes]).astype(np.float32)
    return (2 * bits - 1) * mask[:, None], mask


def _one_shift(
    bits: NDArray[np.float32],
    mask: NDArray[np.float32],
    other_bits: NDArray[np.float32],
    other_mask: NDArray[np.float32],
    shift: int,
) -> NDArray[np.float32]:
    turned_bits = np.roll(other_bits, shift, -1).reshape(len(other_bits), -1)
    turned_mask = np.roll(other_mask, shift, -1).reshape(len(other_mask), -1)
    total = turned_bits.shape[1]
    count = 2 * (mask.reshape(len(mask), -1) @ turned_mask.T)
    agreement = bits.reshape(len(bits), -1) @ turned_bits.T
    raw = 0.5 * (1 - agreement / np.maximum(count, 1))
    normalised = 0.5 - (0.5 - raw) * np.sqrt(count / (_TYPICAL_FRACTION * total))
    return np.where(count > 0, normalised, INCOMPARABLE).astype(np.float32)
