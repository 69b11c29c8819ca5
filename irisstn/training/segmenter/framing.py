"""Where the parts of a scene lie in the picture that the network gets: the scene seen through a similarity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from irisstn.geometry import TAU, Boundary, Eyelid, Float, Float32
from irisstn.segmentation.network import IRIS_RADIUS, SIZE
from irisstn.training.segmenter.scenes import Scene

_TABLE = 256  # angles at which a boundary is looked up
_STEEPEST = 3.0  # slope of a lid from which the distance to it is no longer corrected


@dataclass(frozen=True, eq=False)
class Framing:
    """A scene and the `matrix` (2, 3) from its pixels to those of the network's picture; `scale` is its enlargement.

    All maps are (H, W) float32 of the network's `SIZE`; distances are in pixels of the scene.
    """

    scene: Scene
    matrix: Float
    scale: float

    @property
    def radius(self) -> float:
        """The iris's radius in pixels of the scene."""
        return self.scene.limbus.mean_radius

    @cached_property
    def places(self) -> tuple[Float32, Float32]:
        """x and y in the scene of every pixel."""
        back = cv2.invertAffineTransform(self.matrix).astype(np.float32)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
        return back[0, 0] * x + back[0, 1] * y + back[0, 2], back[1, 0] * x + back[1, 1] * y + back[1, 2]

    def moved(self, points: Float) -> Float:
        """Points (N, 2) of the scene in the network's picture."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    @cached_property
    def iris(self) -> Float32:
        """How much of each pixel is inside the limbus, 0..1."""
        return self._inside(self.scene.limbus)

    @cached_property
    def pupil(self) -> Float32:
        """How much of each pixel is inside the pupil, 0..1."""
        return self._inside(self.scene.pupil)

    @cached_property
    def below_upper(self) -> Float32:
        """Distance from the upper lid's edge, positive on the eyeball."""
        return self._below(self.scene.upper)

    @cached_property
    def above_lower(self) -> Float32:
        """Distance from the lower lid's edge, positive on the eyeball."""
        return -self._below(self.scene.lower)

    @cached_property
    def along(self) -> Float32:
        """Place along the eye, from the iris's centre, in iris radii."""
        return np.asarray(self._turned(self.scene.upper)[0] / np.float32(self.radius))

    def soft(self, distance: Float32) -> Float32:
        """How much of each pixel has a positive `distance`, 0..1."""
        return np.asarray(np.clip(distance * np.float32(self.scale) + np.float32(0.5), 0, 1), np.float32)

    def _inside(self, curve: Boundary) -> Float32:
        x, y = self.places
        dx, dy = x - np.float32(curve.x), y - np.float32(curve.y)
        table = curve.radius(TAU * np.arange(_TABLE) / _TABLE).astype(np.float32)
        cell = (cv2.phase(dx, dy) * np.float32(_TABLE / TAU) + np.float32(0.5)).astype(np.int32) % _TABLE
        return self.soft(table[cell] - cv2.magnitude(dx, dy))

    def _turned(self, lid: Eyelid) -> tuple[Float32, Float32]:
        x, y = self.places
        dx, dy = x - np.float32(lid.x), y - np.float32(lid.y)
        cosine, sine = np.float32(np.cos(lid.angle_rad)), np.float32(np.sin(lid.angle_rad))
        return dx * cosine + dy * sine, dy * cosine - dx * sine

    def _below(self, lid: Eyelid) -> Float32:
        u, v = self._turned(lid)
        c0, c1, c2 = (np.float32(c) for c in lid.coefficients)
        slope = np.minimum(np.abs(c1 + 2 * c2 * u), np.float32(_STEEPEST))
        return np.asarray((v - (c0 + u * (c1 + c2 * u))) / np.sqrt(1 + slope * slope), np.float32)


def whole_picture(rng: np.random.Generator, scene: Scene) -> Framing:
    """The scene about as it fits into the network's picture: the first look."""
    height, width = scene.image.shape
    radius = scene.limbus.mean_radius
    fits = min(SIZE[0] / height, SIZE[1] / width)
    scale = float(np.clip(fits * np.exp(rng.normal(0, 0.25)), 6.5 / radius, 46 / radius))
    shift = scale * (np.array([scene.limbus.x, scene.limbus.y]) - 0.5 * np.array([width, height]))
    edge = min(0.8 * radius * scale, 40.0)
    middle = np.array([SIZE[1], SIZE[0]]) / 2
    at = np.clip(middle + shift + rng.normal(0, (6, 5)), edge, 2 * middle - edge)
    return _framing(rng, scene, scale, at, roll_deg=6)


def close_up(rng: np.random.Generator, scene: Scene) -> Framing:
    """The iris in the middle, at about its known size: the closer look."""
    scale = IRIS_RADIUS / scene.limbus.mean_radius * float(np.exp(rng.normal(0, 0.14)))
    at = np.array([SIZE[1], SIZE[0]]) / 2 + rng.normal(0, 4.5, 2)
    return _framing(rng, scene, scale, at, roll_deg=8)


def elsewhere(rng: np.random.Generator, scene: Scene) -> Framing:
    """A place beside the eye."""
    scale = IRIS_RADIUS / scene.limbus.mean_radius * float(np.exp(rng.normal(0, 0.3)))
    away = (2.2 * scene.limbus.mean_radius * scale + 30) * rng.uniform(1, 1.6)
    angle = rng.uniform(0, TAU)
    at = np.array([SIZE[1], SIZE[0]]) / 2 + away * np.array([np.cos(angle), np.sin(angle)])
    return _framing(rng, scene, scale, at, roll_deg=15)


def _framing(rng: np.random.Generator, scene: Scene, scale: float, at: Float, *, roll_deg: float) -> Framing:
    """The iris's centre comes to `at`; turned a little, and mirrored half of the time."""
    angle = np.deg2rad(rng.normal(0, roll_deg))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    flip = -1 if rng.random() < 0.5 else 1
    turn = np.array([[flip * cosine, -sine], [flip * sine, cosine]])
    shift = at - 0.5 - turn @ np.array([scene.limbus.x, scene.limbus.y])
    return Framing(scene, np.hstack([turn, shift[:, None]]), scale)
