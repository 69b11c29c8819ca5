"""The image-quality figures of ISO/IEC 29794-6:2015 (Biometric sample quality, part 6: iris image data).

Each figure is written from the standard's formula (clause 6.2); `RECOMMENDED` holds the range that the standard
recommends. Radii and centres are those of the fitted boundaries, grays are medians over usable pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Float, Gray, ring_points
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

# Clause 6.2.10: a Laplacian of Gaussian of 9 x 9, and the power that scores 50.
_SHARPNESS_ROWS = ("011222110", "124555421", "145303541", "253CXC352", "250XYX052")
_SHARPNESS_VALUE = {"C": -12, "X": -24, "Y": -40}
_SHARPNESS_POWER = 1_800_000.0
_WINDOWS_AT_ONCE = 100_000  # of 2 x 324 bytes each: what bounds the memory that a large picture takes
_DIRECTIONS = 128


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one eye picture; the higher the better unless said otherwise.

    - `usable_iris_area`: 100 x usable / all iris pixels between pupil and limbus (6.2.1), 0..100.
    - `iris_sclera_contrast`: 100 x |sclera - iris| / (sclera + iris - 2 pupil), 0 where the pupil is not the darkest
      (6.2.2), 0..100.
    - `iris_pupil_contrast`: with w = |iris - pupil| / (20 + pupil), 100 w / (0.75 + w) (6.2.3), 0..100.
    - `pupil_boundary_circularity`: 100 - the sum of |c_k|^2 for the Fourier coefficients k = 1..17 of the pupil's
      radius in pixels around its own centre, at least 0 (6.2.4), 0..100.
    - `gray_scale_utilisation`: entropy of the picture's gray levels in bits (6.2.5), 0..8.
    - `iris_radius`: radius in pixels of the circle nearest to the limbus (6.2.6).
    - `pupil_iris_ratio`: 100 x pupil radius / iris radius (6.2.7), 0..100; neither small nor large is good.
    - `iris_pupil_concentricity`: 100 x (1 - distance of the centres / iris radius), at least 0 (6.2.8), 0..100.
    - `margin_adequacy`: 100 x the least of the margins to the picture's sides, in iris radii, as a share of the
      0.6 wanted left and right and the 0.2 wanted above and below (6.2.9), 0..100.
    - `sharpness`: with p = the mean square of the picture filtered by a Laplacian of Gaussian, at each 4th row and
      column, 100 p^2 / (p^2 + 1800000^2) (6.2.10), 0..100.
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
        """The figures by name."""
        return asdict(self)

    def outside_recommended(self) -> tuple[str, ...]:
        """Names of the figures outside the range that the standard recommends."""
        return tuple(
            name for name, value in self.as_dict().items() if not RECOMMENDED[name][0] <= value <= RECOMMENDED[name][1]
        )


def measure_quality(image: Gray, segmentation: Segmentation) -> Quality:
    """The figures of the picture `image` (H, W) uint8 with the ring `segmentation`.

    Raises ValueError where the two differ in size.
    """
    if image.shape != segmentation.image_size or image.dtype != np.uint8:
        raise ValueError(f"an 8-bit picture of {segmentation.image_size} is needed, got {image.dtype} {image.shape}")
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
    """The standard's denominator is the whole ring, under the lids and beyond the picture's edge too."""
    pupil, limbus = segmentation.pupil, segmentation.limbus
    ring = _area(limbus) - _area(pupil)
    usable = float(np.count_nonzero(segmentation.usable))
    return float(np.clip(100 * usable / max(ring, 1.0), 0, 100))


def _area(edge: Boundary) -> float:
    radius = edge.radius(TAU * np.arange(_DIRECTIONS) / _DIRECTIONS)
    return float(np.pi * (radius**2).mean())


def _grays(image: Gray, segmentation: Segmentation) -> tuple[float, float, float]:
    """Median gray of the iris (mid-ring to 0.9 of the ring), the pupil (inside 0.8) and the sclera.

    The sclera lies from 1.1 to 1.2 iris radii, between the lids' edges. Sampled on rays, not pixel by pixel.
    """
    pupil, limbus = segmentation.pupil, segmentation.limbus
    angles = TAU * np.arange(_DIRECTIONS) / _DIRECTIONS
    outward = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    shares = np.linspace(0.5, 1, 9)[:, None]
    iris, seen = _sample(image, segmentation.usable, ring_points(pupil, limbus, 0.9 * shares, angles[None]))
    iris = iris[seen] if seen.any() else iris
    # Glints brighten part of the pupil; the median bears them.
    inside = _read(image, [pupil.x, pupil.y] + 0.8 * shares[..., None] * pupil.radius(angles)[:, None] * outward)
    beyond = [limbus.x, limbus.y] + np.linspace(1.1, 1.2, 4)[:, None, None] * limbus.radius(angles)[:, None] * outward
    open_eye = _inside_picture(beyond, image.shape)
    x, y = beyond[..., 0], beyond[..., 1]
    if segmentation.upper_lid is not None:
        open_eye &= ~segmentation.upper_lid.is_above(x, y)
    if segmentation.lower_lid is not None:
        open_eye &= segmentation.lower_lid.is_above(x, y)
    sclera = _read(image, beyond)[open_eye] if open_eye.any() else iris
    return float(np.median(iris)), float(np.median(inside)), float(np.median(sclera))


def _sample(image: Gray, mask: Bool, points: Float) -> tuple[Gray, Bool]:
    row, column = _nearest(points, image.shape)
    return image[row, column], mask[row, column] & _inside_picture(points, image.shape)


def _read(image: Gray, points: Float) -> Gray:
    row, column = _nearest(points, image.shape)
    return np.asarray(image[row, column])


def _nearest(points: Float, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    pixel = np.rint(points).astype(np.intp)
    return np.clip(pixel[..., 1], 0, shape[0] - 1), np.clip(pixel[..., 0], 0, shape[1] - 1)


def _inside_picture(points: Float, shape: tuple[int, ...]) -> Bool:
    limit = np.array([shape[1], shape[0]]) - 0.5
    return np.asarray(((points > -0.5) & (points < limit)).all(axis=-1))


def _sclera_contrast(iris: float, sclera: float, pupil: float) -> float:
    if pupil >= iris or pupil >= sclera:
        return 0.0
    return 100 * abs(sclera - iris) / (sclera + iris - 2 * pupil)


def _pupil_contrast(iris: float, pupil: float) -> float:
    weber = abs(iris - pupil) / (20 + pupil)
    return 100 * weber / (0.75 + weber)


def _circularity(pupil: Boundary) -> float:
    """Around the curve's own centre: a centre that is off would count as a wrong shape."""
    angles = TAU * np.arange(_DIRECTIONS) / _DIRECTIONS
    points = pupil.points(angles)
    # Two steps lead to the centroid of the region that the curve encloses.
    x, y = points[:, 0], points[:, 1]
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    centre = np.array([((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()]) / (3 * cross.sum())
    away = points - centre
    order = np.arctan2(away[:, 1], away[:, 0]) % TAU
    radius = np.interp(angles, *_sorted(order, np.hypot(away[:, 0], away[:, 1])), period=TAU)
    series = np.abs(np.fft.rfft(radius)[1:18]) / _DIRECTIONS
    return float(max(0.0, 100 - (series**2).sum()))


def _sorted(angles: Float, values: Float) -> tuple[Float, Float]:
    by_angle = np.argsort(angles)
    return angles[by_angle], values[by_angle]


def _entropy(image: Gray) -> float:
    share = cv2.calcHist([image], [0], None, [256], [0, 256]).ravel() / image.size
    share = share[share > 0]
    return float(max(0.0, -(share * np.log2(share)).sum()))


def _margin(limbus: Boundary, shape: tuple[int, ...]) -> float:
    height, width = shape[:2]
    radius = limbus.mean_radius
    # A pixel's centre is at an integer, so the picture reaches from -0.5 to its size - 0.5.
    left, right = limbus.x + 0.5 - radius, width - 0.5 - limbus.x - radius
    top, bottom = limbus.y + 0.5 - radius, height - 0.5 - limbus.y - radius
    shares = [left / (0.6 * radius), right / (0.6 * radius), top / (0.2 * radius), bottom / (0.2 * radius)]
    return float(100 * np.clip(min(shares), 0, 1))


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
    """The filter's answer (`down`, `across`) at each 4th row and column of `levels`.

    The kernel is even both ways: so rows, then columns, that share a value are added first, and 25 products are left
    of 81.
    """
    filtered = np.zeros((down, across), np.float32)
    for i, row in enumerate(_SHARPNESS_ROWS):
        pair = _taken(levels, i, down)
        if i < 4:
            pair = pair + _taken(levels, 8 - i, down)
        for j, letter in enumerate(row[:5]):
            column = _taken(pair.T, j, across)
            if j < 4:
                column = column + _taken(pair.T, 8 - j, across)
            filtered += column.T * np.float32(_SHARPNESS_VALUE.get(letter) or int(letter))
    return filtered


def _taken(levels: Float, first: int, count: int) -> Float:
    """`count` rows of `levels` from the `first`, each 4th."""
    return levels[first : first + 4 * count - 3 : 4]
