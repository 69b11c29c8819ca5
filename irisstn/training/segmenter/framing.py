"""Random views of a scene: a similarity transform into the network's picture, and where the eye's parts lie there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from irisstn.geometry import TAU, Boundary, Eyelid, Float, Float32
from irisstn.segmentation.network import IRIS_RADIUS, SIZE
from irisstn.training.segmenter.scenes import Scene

_TABLE = 256  # entries of the table of a boundary's radius over the angle
_TURNED, _TILTED = 0.12, 0.1  # fractions of the pictures by a camera on its side or upside down, and of tilted heads
_MAX_SLOPE = 3.0  # of an eyelid, in the first-order correction of the distance from it


@dataclass(frozen=True, eq=False)
class Framing:
    """A view of a scene. All maps are (H, W) float32 of the network's `SIZE`; distances are in pixels of the scene.

    Attributes
    ----------
    scene : Scene
        The rendered eye.
    matrix : Float, shape (2, 3)
        Affine matrix from pixels of the scene to those of the network's picture.
    scale : float
        Pixels of the picture for one pixel of the scene.
    """

    scene: Scene
    matrix: Float
    scale: float

    @property
    def radius(self) -> float:
        """Iris radius, pixels of the scene."""
        return self.scene.limbus.mean_radius

    @cached_property
    def scene_coordinates(self) -> tuple[Float32, Float32]:
        """x and y (H, W) in the scene of every pixel of the picture."""
        back = cv2.invertAffineTransform(self.matrix).astype(np.float32)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
        return back[0, 0] * x + back[0, 1] * y + back[0, 2], back[1, 0] * x + back[1, 1] * y + back[1, 2]

    def to_picture(self, points: Float) -> Float:
        """Convert points (N, 2) of the scene to pixels of the picture."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    @cached_property
    def iris(self) -> Float32:
        """Fraction (H, W) of each pixel inside the limbus, 0..1."""
        return self._inside(self.scene.limbus)

    @cached_property
    def pupil(self) -> Float32:
        """Fraction (H, W) of each pixel inside the pupil, 0..1."""
        return self._inside(self.scene.pupil)

    @cached_property
    def below_upper(self) -> Float32:
        """Distance (H, W) from the upper eyelid's edge, positive on the eyeball."""
        return self._below(self.scene.upper)

    @cached_property
    def above_lower(self) -> Float32:
        """Distance (H, W) from the lower eyelid's edge, positive on the eyeball."""
        return -self._below(self.scene.lower)

    @cached_property
    def along_eye(self) -> Float32:
        """Coordinate (H, W) along the upper eyelid's chord, 0 at its origin, iris radii."""
        return np.asarray(self.scene.upper.frame_coordinates(*self.scene_coordinates)[0] / np.float32(self.radius))

    def coverage(self, distance: Float32) -> Float32:
        """Convert a signed `distance` (H, W) to the fraction of each pixel where it is positive, 0..1."""
        return np.asarray(np.clip(distance * np.float32(self.scale) + np.float32(0.5), 0, 1), np.float32)

    def _inside(self, curve: Boundary) -> Float32:
        """Fraction (H, W) of each pixel inside `curve`."""
        x, y = self.scene_coordinates
        dx, dy = x - np.float32(curve.x), y - np.float32(curve.y)
        table = curve.even_radii(_TABLE).astype(np.float32)
        cell = (cv2.phase(dx, dy) * np.float32(_TABLE / TAU) + np.float32(0.5)).astype(np.int32) % _TABLE
        return self.coverage(table[cell] - cv2.magnitude(dx, dy))

    def _below(self, eyelid: Eyelid) -> Float32:
        """Distance (H, W) from an eyelid's edge, to first order, positive below it."""
        x, y = self.scene_coordinates
        along, _ = eyelid.frame_coordinates(x, y)
        _, c1, c2 = (float(c) for c in eyelid.coefficients)
        slope = np.minimum(np.abs(c1 + 2 * c2 * along), np.float32(_MAX_SLOPE))
        return np.asarray(eyelid.below(x, y) / np.sqrt(1 + slope * slope), np.float32)


def frame_whole_image(rng: np.random.Generator, scene: Scene) -> Framing:
    """Frame the scene about as the whole image fits into the picture: the first pass of segmentation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    scene : Scene
        The rendered eye.

    Returns
    -------
    Framing
        A view that contains most of the eye.
    """
    height, width = scene.image.shape
    radius = scene.limbus.mean_radius
    fits = min(SIZE[0] / height, SIZE[1] / width)
    scale = float(np.clip(fits * np.exp(rng.normal(0, 0.25)), 6.5 / radius, 46 / radius))
    shift = scale * (np.array([scene.limbus.x, scene.limbus.y]) - 0.5 * np.array([width, height]))
    edge = min(0.8 * radius * scale, 40.0)
    middle = np.array([SIZE[1], SIZE[0]]) / 2
    at = np.clip(middle + shift + rng.normal(0, (6, 5)), edge, 2 * middle - edge)
    return _framing(rng, scene, scale, at, roll_deg=6)


def frame_close_up(rng: np.random.Generator, scene: Scene) -> Framing:
    """Frame the iris at the centre with a radius of about `IRIS_RADIUS` pixels: the second pass of segmentation.

    Parameters and result are those of `frame_whole_image`.
    """
    scale = IRIS_RADIUS / scene.limbus.mean_radius * float(np.exp(rng.normal(0, 0.14)))
    at = np.array([SIZE[1], SIZE[0]]) / 2 + rng.normal(0, 4.5, 2)
    return _framing(rng, scene, scale, at, roll_deg=8)


def frame_beside_eye(rng: np.random.Generator, scene: Scene) -> Framing:
    """Frame a region beside the eye.

    Parameters and result are those of `frame_whole_image`.
    """
    scale = IRIS_RADIUS / scene.limbus.mean_radius * float(np.exp(rng.normal(0, 0.3)))
    away = (2.2 * scene.limbus.mean_radius * scale + 30) * rng.uniform(1, 1.6)
    angle = rng.uniform(0, TAU)
    at = np.array([SIZE[1], SIZE[0]]) / 2 + away * np.array([np.cos(angle), np.sin(angle)])
    return _framing(rng, scene, scale, at, roll_deg=15)


def _framing(rng: np.random.Generator, scene: Scene, scale: float, at: Float, *, roll_deg: float) -> Framing:
    """The view with the iris's centre at `at`, a random rotation, and a reflection in half of the cases."""
    angle = np.deg2rad(rng.normal(0, roll_deg))
    kind = rng.random()
    if kind < _TURNED:
        angle += 0.5 * np.pi * int(rng.integers(1, 4))
    elif kind < _TURNED + _TILTED:
        angle = np.deg2rad(rng.uniform(-45, 45))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    flip = -1 if rng.random() < 0.5 else 1
    turn = np.array([[flip * cosine, -sine], [flip * sine, cosine]])
    shift = at - 0.5 - turn @ np.array([scene.limbus.x, scene.limbus.y])
    return Framing(scene, np.hstack([turn, shift[:, None]]), scale)
