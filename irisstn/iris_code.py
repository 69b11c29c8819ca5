"""The plain iris code: log-Gabor phase bits of a strip, compared by the masked Hamming distance.

Sources: Daugman 2004, "How iris recognition works" (phase bits, masked distance, search over shifts); Masek 2003,
"Recognition of human iris patterns" (1-D log-Gabor filters along the rows); Daugman 2007, "New methods in iris
recognition", eq. 4 (normalisation by the number of bits that were compared).
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
_BAND_ROWS = 7  # rows of the working strip that one band averages
_EDGE_ROWS = 4  # rows next to pupil and limbus that are left out, where small boundary errors show most
_MIN_USABLE = 0.6  # share of a band's cell that must be usable
_WEAK = 0.05  # share of the bits with the weakest response, whose sign is chance
_TYPICAL = 0.6  # share of the bits that two eyes usually have in common, for the normalisation
NEVER = np.float32(2.0)  # the distance of two codes with nothing in common to compare


@dataclass(frozen=True, slots=True, eq=False)
class IrisCode:
    """Signs of the real and imaginary responses, `bits` (2, W, ROWS, COLUMNS); `mask` (W, ROWS, COLUMNS) of usable."""

    bits: Bool
    mask: Bool

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or self.bits.shape != (2, *self.mask.shape):
            raise ValueError(
                f"bits (2, W, R, T) and a mask (W, R, T) are wanted, got {self.bits.shape}, {self.mask.shape}"
            )
        for name in ("bits", "mask"):
            copy = np.array(getattr(self, name), dtype=np.bool_)
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)


def encode(strip: Strip) -> IrisCode:
    """The code of a strip of any size (R, T)."""
    size = (2 * COLUMNS, ROWS * _BAND_ROWS + 2 * _EDGE_ROWS)
    image = cv2.resize(strip.image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    usable = cv2.resize(strip.usable.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    # Unusable pixels take their row's mean, so that they ring as little as can be into their neighbours.
    mean = np.sum(image * usable, axis=1, keepdims=True) / np.maximum(usable.sum(1, keepdims=True), 1)
    bands = _bands(np.where(usable, image, mean).astype(np.float32))
    seen = _bands(usable.astype(np.float32)) > _MIN_USABLE

    frequency = np.fft.fftfreq(size[0])
    spectrum = np.fft.fft(bands - bands.mean(1, keepdims=True), axis=1)
    positive = frequency > 0
    bits, masks = [], []
    for wavelength in WAVELENGTHS:
        gain = np.zeros(size[0])
        octaves = np.log(frequency[positive] * 2 * wavelength)  # the working strip has two pixels to a column
        gain[positive] = np.exp(-(octaves**2) / (2 * np.log(BANDWIDTH) ** 2))  # Field 1987, eq. 3
        response = np.fft.ifft(spectrum * gain, axis=1)
        strength = np.abs(response)
        masks.append(seen & (strength > np.quantile(strength, _WEAK)))
        bits.append(np.stack([response.real > 0, response.imag > 0]))
    return IrisCode(np.stack(bits, axis=1)[..., ::2], np.stack(masks)[..., ::2])


def _bands(image: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = image[_EDGE_ROWS : image.shape[0] - _EDGE_ROWS]
    bands: NDArray[np.float32] = inner.reshape(ROWS, _BAND_ROWS, -1).mean(1)
    return bands


def distance(a: IrisCode, b: IrisCode, max_shift: int = 0) -> float:
    """Normalised Hamming distance of two codes, the smallest over rotations of ±`max_shift` columns.

    0 = the same, about 0.5 = two eyes; 2 where the masks leave nothing to compare.
    """
    return float(distances([a], [b], max_shift=max_shift)[0, 0])


def distances(
    codes: Sequence[IrisCode], others: Sequence[IrisCode] | None = None, *, max_shift: int = 0
) -> NDArray[np.float32]:
    """Distances (N, M) of every code to every other one; `others` None compares the `codes` among themselves.

    As `distance`. Two matrix products a shift: 1000 codes with 33 shifts take some twenty seconds on one core.
    """
    if max_shift < 0:
        raise ValueError(f"max_shift must not be negative, got {max_shift}")
    if not codes or (others is not None and not others):
        return np.zeros((len(codes), len(codes if others is None else others)), np.float32)
    bits, mask = _stack(codes)
    if others is None:  # turning a by s is turning b by -s, so half of the shifts give the other half transposed
        best = _one_shift(bits, mask, bits, mask, 0)
        for shift in range(1, max_shift + 1):
            turned = _one_shift(bits, mask, bits, mask, shift)
            best = np.minimum(best, np.minimum(turned, turned.T))
        return best
    other_bits, other_mask = _stack(others)
    best = np.full((len(codes), len(others)), NEVER)
    for shift in range(-max_shift, max_shift + 1):
        np.minimum(best, _one_shift(bits, mask, other_bits, other_mask, shift), out=best)
    return best


def roll_between(code: IrisCode, other: IrisCode, *, max_roll_deg: float = 30.0) -> float:
    """How far, in radians, `code` has to be turned to lie on `other`.

    What `code` shows at the angle t + roll, `other` shows at t.

    All shifts at once, by one circular correlation of the bits (the convolution theorem) in place of a search; finer
    than a column by the parabola through the best shift and its neighbours. Never more than `max_roll_deg`; 0 where the
    masks leave nothing to compare.
    """
    if not 0 < max_roll_deg <= 180:
        raise ValueError(f"max_roll_deg must be above 0 and at most 180, got {max_roll_deg}")
    bits, mask = _stack([code, other])
    agreement, count = _correlate(bits[1], bits[0]), 2 * _correlate(mask[1], mask[0])
    # As a distance: few bits that agree by chance do not outweigh many.
    score = np.where(count > 0.5, agreement / np.sqrt(np.maximum(count, 1)), -np.inf)
    columns = score.size
    reach = min(int(max_roll_deg / 360 * columns), columns // 2)
    near = np.arange(-reach, reach + 1)
    best = int(near[np.argmax(score[near])])
    low, top, high = (float(score[(best + step) % columns]) for step in (-1, 0, 1))
    bend = low - 2 * top + high
    part = float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5)) if np.isfinite(bend) and bend < 0 else 0.0
    limit = np.deg2rad(max_roll_deg)
    return float(np.clip((best + part) * TAU / columns, -limit, limit)) if np.isfinite(top) else 0.0


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
    normalised = 0.5 - (0.5 - raw) * np.sqrt(count / (_TYPICAL * total))
    return np.where(count > 0, normalised, NEVER).astype(np.float32)
