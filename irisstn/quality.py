"""The image-quality measures of ISO/IEC 29794-6:2015 (Biometric sample quality, part 6: iris image data).

Each measure follows the formula of the standard (clause 6.2); `RECOMMENDED` holds the ranges that the standard
recommends. Radii and centres are those of the fitted boundaries, gray levels are medians over usable pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Float, Gray, even_directions, median, radii_around, ring_places
from irisstn.gray_levels import require_gray
from irisstn.results import Segmentation

RECOMMENDED: dict[str, tuple[float, float]] = {
    "usable_iris_area": (70.0, 100.0),
    "iris_sclera_contrast": (5.0, 100.0),
    "iris_pupil_contrast": (30.0, 100.0),
    "pupil_boundary_circularity": (70.0, 100.0),
    "gray_scale_utilisation": (6.0, 8.0),
    "iris_radius": (80.0, float("inf")),
    "pupil_iris_ratio": (20.0, 70.0),
    "iris_pupil_concentricity": (90.0, 100.0),
    "margin_adequacy": (80.0, 100.0),
    "sharpness": (80.0, 100.0),
}

# Clause 6.2.10: the upper left 5 x 5 of the symmetric 9 x 9 Laplacian of Gaussian, and the power whose score is 50.
_SHARPNESS_ROWS = ("011222110", "124555421", "145303541", "253CXC352", "250XYX052")
_SHARPNESS_VALUE = {"C": -12, "X": -24, "Y": -40}
# As numbers; with a picture's gray levels all sums are whole numbers below 2^24, which float32 holds exactly.
_SHARPNESS_KERNEL = np.array(
    [[_SHARPNESS_VALUE.get(letter) or int(letter) for letter in row] for row in _SHARPNESS_ROWS], np.float32
)
_SHARPNESS_POWER = 1_800_000.0
_ONE = np.ones(1, np.float32)  # a filter that changes nothing
_WINDOWS_AT_ONCE = 100_000  # limits the memory for a large picture: a window takes about 100 bytes
_DIRECTIONS = 128
_ANGLES = TAU * np.arange(_DIRECTIONS) / _DIRECTIONS
_FRACTIONS, _BEYOND_LIMBUS = np.linspace(0.5, 1, 9)[:, None], np.linspace(1.1, 1.2, 4)[:, None]


@dataclass(frozen=True, slots=True)
class Quality:
    """The measures of one eye picture; higher is better except for `pupil_iris_ratio`.

    Attributes
    ----------
    usable_iris_area : float
        100 x usable / all iris pixels between pupil and limbus (6.2.1), 0..100.
    iris_sclera_contrast : float
        100 x |sclera - iris| / (sclera + iris - 2 pupil), 0 where the pupil is not the darkest (6.2.2), 0..100.
    iris_pupil_contrast : float
        With w = |iris - pupil| / (20 + pupil), 100 w / (0.75 + w) (6.2.3), 0..100.
    pupil_boundary_circularity : float
        100 - the sum of |c_k|^2 for the Fourier coefficients k = 1..17 of the pupil's radius in pixels around its own
        centre, at least 0 (6.2.4), 0..100.
    gray_scale_utilisation : float
        Entropy of the picture's gray levels in bits (6.2.5), 0..8.
    iris_radius : float
        Mean radius of the limbus in pixels (6.2.6).
    pupil_iris_ratio : float
        100 x pupil radius / iris radius (6.2.7), 0..100; a middle value is best.
    iris_pupil_concentricity : float
        100 x (1 - distance of the centres / iris radius), at least 0 (6.2.8), 0..100.
    margin_adequacy : float
        100 x the smallest ratio of a margin between iris and picture side to the margin that is recommended: 0.6 iris
        radii on the left and right, 0.2 above and below (6.2.9), 0..100.
    sharpness : float
        With p = the mean square of the picture filtered by a Laplacian of Gaussian, at each 4th row and column,
        100 p^2 / (p^2 + 1800000^2) (6.2.10), 0..100.
    """

    usable_iris_area: float
    iris_sclera_contrast: float
    iris_pupil_contrast: float
    pupil_boundary_circularity: float
    gray_scale_utilisation: float
    iris_radius: float
    pupil_iris_ratio: float
    iris_pupil_concentricity: float
    margin_adequacy: float
    sharpness: float

    def as_dict(self) -> dict[str, float]:
        """The measures by name.

        Returns
        -------
        dict of str to float
            All attributes.
        """
        return {name: getattr(self, name) for name in RECOMMENDED}

    def outside_recommended(self) -> tuple[str, ...]:
        """The measures outside the range that the standard recommends.

        Returns
        -------
        tuple of str
            Their names.
        """
        return tuple(
            name for name, value in self.as_dict().items() if not RECOMMENDED[name][0] <= value <= RECOMMENDED[name][1]
        )


def measure_quality(image: Gray, segmentation: Segmentation) -> Quality:
    """Measure the quality of an eye picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    segmentation : Segmentation
        Its segmentation.

    Returns
    -------
    Quality
        The measures of ISO/IEC 29794-6.

    Raises
    ------
    ValueError
        Where picture and segmentation differ in size, or the picture is not 8-bit gray.
    """
    require_gray(image)
    if image.shape != segmentation.image_size:
        raise ValueError(f"an 8-bit picture of {segmentation.image_size} is needed, got {image.shape}")
    pupil, limbus = segmentation.pupil, segmentation.limbus
    inner, outer = pupil.mean_radius, limbus.mean_radius
    iris_gray, pupil_gray, sclera_gray = _grays(image, segmentation)
    distance = float(np.hypot(pupil.x - limbus.x, pupil.y - limbus.y))
    return Quality(
        usable_iris_area=_usable_area(segmentation),
        iris_sclera_contrast=_sclera_contrast(iris_gray, sclera_gray, pupil_gray),
        iris_pupil_contrast=_pupil_contrast(iris_gray, pupil_gray),
        pupil_boundary_circularity=_circularity(pupil),
        gray_scale_utilisation=_entropy(image),
        iris_radius=outer,
        pupil_iris_ratio=100 * inner / outer,
        iris_pupil_concentricity=100 * max(0.0, 1 - distance / outer),
        margin_adequacy=_margin(limbus, image.shape),
        sharpness=_sharpness(image),
    )


def _usable_area(segmentation: Segmentation) -> float:
    """Measure 6.2.1. Its denominator is the whole ring, also under the eyelids and outside the picture."""
    pupil, limbus = segmentation.pupil, segmentation.limbus
    ring = _area(limbus) - _area(pupil)
    usable = float(np.count_nonzero(segmentation.usable))
    return float(np.clip(100 * usable / max(ring, 1.0), 0, 100))


def _area(curve: Boundary) -> float:
    return float(np.pi * (curve.even_radii(_DIRECTIONS) ** 2).mean())


def _grays(image: Gray, segmentation: Segmentation) -> tuple[float, float, float]:
    """Median gray level of the iris (ring radius 0.45 to 0.9), the pupil (within 0.8 radii) and the sclera.

    The sclera is sampled from 1.1 to 1.2 iris radii between the eyelids. All three are sampled on rays.
    """
    pupil, limbus = segmentation.pupil, segmentation.limbus
    outward = even_directions(_DIRECTIONS)
    x, y = ring_places(pupil, limbus, 0.9 * _FRACTIONS, _ANGLES)
    usable = _nearest(segmentation.usable.view(np.uint8), x, y).view(np.bool_) & _inside_picture(x, y, image.shape)
    iris = _nearest(image, x, y)
    iris = iris[usable] if usable.any() else iris
    # Specular reflections brighten part of the pupil, which hardly changes the median.
    radius = 0.8 * _FRACTIONS * pupil.even_radii(_DIRECTIONS)
    inside = _nearest(image, pupil.x + radius * outward.real, pupil.y + radius * outward.imag)
    radius = _BEYOND_LIMBUS * limbus.even_radii(_DIRECTIONS)
    x, y = limbus.x + radius * outward.real, limbus.y + radius * outward.imag
    open_eye = _inside_picture(x, y, image.shape)
    if segmentation.upper_lid is not None:
        open_eye &= ~segmentation.upper_lid.is_above(x, y)
    if segmentation.lower_lid is not None:
        open_eye &= segmentation.lower_lid.is_above(x, y)
    sclera = _nearest(image, x, y)[open_eye] if open_eye.any() else iris
    return median(iris), median(inside), median(sclera)


def _nearest(image: Gray, x: Float, y: Float) -> Gray:
    """The pixels nearest to points, all (R, T); outside the picture its border is repeated."""
    places = x.astype(np.float32), y.astype(np.float32)
    return np.asarray(cv2.remap(image, *places, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _inside_picture(x: Float, y: Float, shape: tuple[int, ...]) -> Bool:
    height, width = shape
    return np.asarray((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5))


def _sclera_contrast(iris: float, sclera: float, pupil: float) -> float:
    if pupil >= iris or pupil >= sclera:
        return 0.0
    return 100 * abs(sclera - iris) / (sclera + iris - 2 * pupil)


def _pupil_contrast(iris: float, pupil: float) -> float:
    weber = abs(iris - pupil) / (20 + pupil)
    return 100 * weber / (0.75 + weber)


def _circularity(pupil: Boundary) -> float:
    """Measure 6.2.4, around the centroid of the pupil, as a shifted centre would count as a lack of circularity."""
    radius, outward = pupil.even_radii(_DIRECTIONS), even_directions(_DIRECTIONS)
    # Of the region that the curve encloses, by integrals in polar coordinates.
    centroid = complex(radius**3 @ outward) / (1.5 * float(radius @ radius))
    radius = radii_around(pupil, pupil.x + centroid.real, pupil.y + centroid.imag, _DIRECTIONS)
    series = np.abs(np.fft.rfft(radius)[1:18]) / _DIRECTIONS
    return float(max(0.0, 100 - (series**2).sum()))


def _entropy(image: Gray) -> float:
    frequency = cv2.calcHist([image], [0], None, [256], [0, 256]).ravel() / image.size
    frequency = frequency[frequency > 0]
    return float(max(0.0, -(frequency * np.log2(frequency)).sum()))


def _margin(limbus: Boundary, shape: tuple[int, ...]) -> float:
    height, width = shape[:2]
    radius = limbus.mean_radius
    # Pixel centres are at integers, so the picture extends from -0.5 to its size - 0.5.
    left, right = limbus.x + 0.5 - radius, width - 0.5 - limbus.x - radius
    top, bottom = limbus.y + 0.5 - radius, height - 0.5 - limbus.y - radius
    ratios = [left / (0.6 * radius), right / (0.6 * radius), top / (0.2 * radius), bottom / (0.2 * radius)]
    return float(100 * np.clip(min(ratios), 0, 1))


def _sharpness(image: Gray) -> float:
    height, width = image.shape
    if min(height, width) < 9:
        return 0.0
    down, across = (height - 9) // 4 + 1, (width - 9) // 4 + 1
    rows_at_once = max(1, _WINDOWS_AT_ONCE // across)
    total = 0.0
    for top in range(0, down, rows_at_once):
        count = min(rows_at_once, down - top)
        band = image[4 * top : 4 * (top + count) + 5].astype(np.float32)
        total += float(np.square(_filtered(band, count, across), dtype=np.float64).sum())
    power: float = total / (down * across)
    return 100 * power**2 / (power**2 + _SHARPNESS_POWER**2)


def _filtered(levels: Float, down: int, across: int) -> Float:
    """The filtered `levels` (`down`, `across`) at each 4th row and column.

    The kernel is symmetric: rows with the same weights are added before they are filtered.
    """
    filtered = np.zeros((down, across), np.float32)
    for i, weights in enumerate(_SHARPNESS_KERNEL):
        rows = levels[i : i + 4 * down - 3 : 4]
        if i < 4:
            rows = rows + levels[8 - i : 4 * down - i + 5 : 4]
        filtered += cv2.sepFilter2D(rows, -1, weights, _ONE)[:, 4 : 4 * across + 1 : 4]
    return filtered
