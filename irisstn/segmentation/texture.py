"""Whether an iris shows the texture of one: not painted flat, no rings or spokes, not flat between sharp edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Float32, Gray, median, quantiles, ring_places
from irisstn.results import Strip
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.crop import Crop

_LEAST_ALONG_ROWS = 1.0  # gray levels; the least of 1,300 real strips, of good and poor cameras, is 5
_COLUMNS, _FEWEST_ROWS, _MOST_ROWS = 256, 3, 64
_ANGLES = TAU * np.arange(_COLUMNS) / _COLUMNS
_FIRST, _LAST = 0.15, 0.8  # of the ring: the edges of pupil and limbus are no texture
# Of the variance of noise that differs from pixel to pixel, the part that bilinear samples one pixel apart share: 1/4
# along a row or column of the picture, 0.265 along its diagonal.
_SHARED_NOISE = 0.27
_NARROW = 14  # rows, of a ring whose texture varies from pixel to pixel as noise does
_SAMPLED_NOISE = 0.45  # of the variance of noise, the part that bilinear samples at any place between pixels keep: 4/9
_NOISE_FILTER = np.outer((1, -2, 1), (1, -2, 1)).astype(np.float32)
_NOISE_WINDOW = 7  # pixels
_NOISE_REACH = 4.0  # iris radii around a small iris, within which noise is measured
_SD_OF_SMOOTHEST = 0.26  # standard deviation of normal noise over the tenth percentile of the filter's mean response
_SHADE_COLUMNS = 6.0  # standard deviation of the average along a row that is subtracted: shade and reflections
_FEWEST_CELLS = 200
_WHITE, _MOST_WHITE = 250, 0.7  # gray level from which on a pixel is burnt out, and the part of an iris that may be
_NOISE_CELLS = 0.8  # standard deviation of the filter that takes away noise before patterns are measured
_TREND_ORDER = 2  # of the polynomial of radius that is no ring: an iris may be darker towards the pupil or the limbus
_UNLIKE = 0.2  # correlation with the turned texture, below which a turn is beyond the size of a spot
_LEAST_OVERLAP = 0.25  # of the usable cells that a turn must bring onto others
_NEIGHBOURHOOD = 5  # cells, the side of the square in which local contrast is measured


@dataclass(frozen=True, slots=True)
class Texture:
    """The texture of an iris.

    Attributes
    ----------
    contrast : float
        Standard deviation of the gray levels without noise and shade.
    regularity : float
        How far the texture repeats around the circle, 0..1: the greater of the part of its variance that circles
        around the pupil explain, and of its correlation with itself turned. 1 for rings and for spokes; of 1074 real
        and rendered irises the greatest is 0.50.
    evenness : float
        Median of the local contrast over its ninth decile, 0..1: near 0 where all is flat but for a few edges, as on
        coins, dials and letters; of 1074 real and rendered irises the least is 0.29.
    """

    contrast: float
    regularity: float
    evenness: float


def measure_texture(image: Gray, pupil: Boundary, limbus: Boundary, usable: Bool) -> Texture | None:
    """Measure the texture of an iris.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    pupil, limbus : Boundary
        Its ring.
    usable : ndarray of bool, shape (H, W)
        Where the iris is not occluded.

    Returns
    -------
    Texture or None
        None where fewer than 200 pairs of cells of the unrolled ring are usable.
    """
    levels, clear = _unrolled(image, pupil, limbus, usable)
    if np.count_nonzero(clear[1:] & clear[:-1]) < _FEWEST_CELLS:
        return None
    smooth = np.asarray(cv2.GaussianBlur(levels, (3, 3), _NOISE_CELLS), np.float32)
    seen = clear.astype(np.float32)
    around = np.maximum(_along_rows(seen), 1e-3)  # shared by both maps of gray levels
    texture, smooth_texture = (
        np.asarray((part - _along_rows(part * seen) / around) * seen, np.float32) for part in (levels, smooth)
    )
    noise = 0.0
    if len(levels) < _NARROW:
        noise = _noise(Crop.around(image, limbus, _NOISE_REACH, math.inf).image)
    return Texture(
        _contrast(texture, clear, noise), _regularity(smooth, smooth_texture, seen), _evenness(smooth, clear)
    )


def require_texture(
    image: Gray, pupil: Boundary, limbus: Boundary, usable: Bool, config: SegmentationConfig
) -> Texture | None:
    """Measure the texture of an iris, and refuse what shows that of none.

    Parameters
    ----------
    image, pupil, limbus, usable
        As in `measure_texture`.
    config : SegmentationConfig
        Its limits `min_texture`, `max_regularity` and `min_evenness`.

    Returns
    -------
    Texture or None
        As from `measure_texture`.

    Raises
    ------
    SegmentationError
        Where a limit is passed, or nearly all of the iris is burnt out.
    """
    if np.count_nonzero(usable & (image >= _WHITE)) > _MOST_WHITE * np.count_nonzero(usable):
        raise SegmentationError("the iris is overexposed: nearly all of it is white")
    texture = measure_texture(image, pupil, limbus, usable)
    if texture is None:
        return None
    if texture.contrast < config.min_texture:
        raise SegmentationError(
            f"the iris shows no texture (contrast {texture.contrast:.1f} gray levels): a drawing, or much too dark or "
            "blurred"
        )
    if texture.regularity > config.max_regularity:
        raise SegmentationError(
            f"what would be the iris repeats around the circle (regularity {texture.regularity:.2f}): rings or spokes"
        )
    if texture.evenness < config.min_evenness:
        raise SegmentationError(
            f"what would be the iris is flat between sharp edges (evenness {texture.evenness:.2f}): drawn or printed, "
            "or compressed until its texture is gone"
        )
    return texture


def require_strip_texture(strip: Strip) -> None:
    """Raise SegmentationError where a strip is blank: where its gray levels hardly change along its rows."""
    rows = strip.usable.any(axis=1)
    deviation = np.std(strip.image[rows], axis=1, where=strip.usable[rows])
    if not rows.any() or median(deviation) < _LEAST_ALONG_ROWS:
        raise SegmentationError("the strip shows no texture: its gray levels do not change along the rows")


def _noise(image: Gray) -> float:
    """The standard deviation of the noise in the smoothest tenth of a picture.

    By a filter that takes away what is linear in x or in y (Immerkaer 1996, "Fast noise variance estimation").
    """
    beyond = np.abs(cv2.filter2D(image.astype(np.float32), -1, _NOISE_FILTER))
    around = cv2.blur(beyond, (_NOISE_WINDOW, _NOISE_WINDOW))
    return _SD_OF_SMOOTHEST * float(quantiles(around.ravel(), (0.1,))[0])


def _contrast(texture: Float32, clear: Bool, noise: float) -> float:
    """The standard deviation of the gray levels without noise and shade.

    Noise differs from pixel to pixel, texture does not: of the unrolled ring, less the average along each row, it is
    the root of the covariance of cells one or two pixels apart along the radius, whichever is greater, less what noise
    would give. In an interlaced picture of an eye that moved, cells one pixel apart are unlike each other. In a narrow
    ring texture differs from pixel to pixel, too: there it is what `noise`, a standard deviation in the picture, leaves
    of the variance. `texture` is 0 where it is not `clear`.
    """
    variance = float(np.square(texture).sum()) / np.count_nonzero(clear)
    if len(texture) < _NARROW:
        return math.sqrt(max(0.0, variance - _SAMPLED_NOISE * noise**2))
    near = float((texture[1:] * texture[:-1]).sum()) / np.count_nonzero(clear[1:] & clear[:-1])
    further = 0.0
    if len(texture) > 4 and (pairs := np.count_nonzero(clear[2:] & clear[:-2])):
        further = float((texture[2:] * texture[:-2]).sum()) / pairs
    return math.sqrt(max(0.0, near - _SHARED_NOISE * variance, further))


def _regularity(levels: Float32, texture: Float32, seen: Float32) -> float:
    """See `Texture`; 0 where nothing varies. `texture` is 0 where it is not `seen`."""
    count = seen.sum(axis=1)
    rows, weight = np.flatnonzero(count), count[count > 0]
    profile = (levels * seen).sum(axis=1)[rows] / weight
    rings = 0.0
    if len(rows) > _TREND_ORDER + 1:
        place = rows / max(len(levels) - 1, 1)
        powers = np.vander(place, _TREND_ORDER + 1)
        weighted = powers.T * weight
        trend = powers @ np.linalg.solve(weighted @ powers, weighted @ profile)
        rings = float((np.square(profile - trend) * weight).sum() / weight.sum())
    around = float(np.square(texture).sum()) / float(count.sum())
    if rings + around <= 0:
        return 0.0
    means = texture.sum(axis=1, keepdims=True) / np.maximum(count, 1)[:, None]
    return max(rings / (rings + around), _likeness_when_turned((texture - means) * seen, seen))


def _likeness_when_turned(texture: Float32, seen: Float32) -> float:
    """The greatest correlation of `texture` (R, T), 0 where it is not `seen`, with itself turned beyond its spots."""
    of_texture, of_seen, of_squares = (
        np.asarray(cv2.dft(cells, flags=cv2.DFT_ROWS), np.float32) for cells in (texture, seen, np.square(texture))
    )
    together, overlap, first = (
        _correlation(*pair) for pair in ((of_texture, of_texture), (of_seen, of_seen), (of_squares, of_seen))
    )
    half = np.arange(_COLUMNS // 2 + 1)
    # Of a turn by k columns the other one's squares are, as of a turn by -k, its own.
    likeness = together[half] / np.sqrt(np.maximum(first[half] * first[-half], 1e-9))
    likeness[overlap[half] < _LEAST_OVERLAP * overlap[0]] = 0
    unlike = np.flatnonzero(likeness < _UNLIKE)
    return float(likeness[unlike[0] :].max()) if len(unlike) else 0.0


def _correlation(spectra: Float32, others: Float32) -> Float32:
    """The circular correlation (T,) of rows, summed over them, from the spectra (R, T) that `cv2.dft` packs."""
    products = np.asarray(cv2.mulSpectrums(spectra, others, cv2.DFT_ROWS, conjB=True), np.float32)
    summed = products.sum(axis=0, keepdims=True)
    return np.asarray(cv2.idft(summed, flags=cv2.DFT_ROWS | cv2.DFT_SCALE)[0], np.float32)


def _evenness(levels: Float32, clear: Bool) -> float:
    """See `Texture`; 1 where too few neighbourhoods are usable."""
    size = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    mean = cv2.blur(levels, size)
    deviation = np.sqrt(np.maximum(cv2.blur(levels * levels, size) - mean * mean, 0))
    whole = cv2.erode(clear.view(np.uint8), np.ones(size, np.uint8)).view(np.bool_)
    if np.count_nonzero(whole) < _FEWEST_CELLS:
        return 1.0
    middle, high = quantiles(deviation[whole], (0.5, 0.9))
    return float(middle / high) if high > 0 else 1.0


def _unrolled(image: Gray, pupil: Boundary, limbus: Boundary, usable: Bool) -> tuple[Float32, Bool]:
    """Gray levels and usable cells of the ring without its edges, both (R, T), rows a pixel apart or more."""
    width = (_LAST - _FIRST) * (limbus.mean_radius - pupil.mean_radius)
    radius = np.linspace(_FIRST, _LAST, min(max(round(width), _FEWEST_ROWS), _MOST_ROWS))[:, None]
    x, y = (place.astype(np.float32) for place in ring_places(pupil, limbus, radius, _ANGLES[None]))
    levels = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    clear = cv2.remap(usable.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return levels.astype(np.float32), clear.astype(np.bool_)


def _along_rows(cells: Float32) -> Float32:
    """The weighted average along each row, around the circle."""
    reach = math.ceil(3 * _SHADE_COLUMNS)
    around = np.concatenate([cells[:, -reach:], cells, cells[:, :reach]], axis=1)
    smooth = cv2.GaussianBlur(around, (2 * reach + 1, 1), _SHADE_COLUMNS, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[:, reach:-reach], np.float32)
