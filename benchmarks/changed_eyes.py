"""Changes of an eye picture that disease, drugs or a tilted head bring, with the iris mask that they leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np

from irisstn.geometry import Bool, Boundary, Float, Gray, median
from irisstn.results import Segmentation

Change = Callable[[Gray, Segmentation, np.random.Generator], tuple[Gray, Bool]]

_WIDEST = 0.92  # of the distance between the centre of the pupil and the limbus, which a widened pupil reaches


def unchanged(image: Gray, eye: Segmentation, _: np.random.Generator) -> tuple[Gray, Bool]:
    """The picture as it is."""
    return image, _open_disc(image, eye) & ~eye.pupil.mask(_size(image))


def dilated(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A pupil of 0.72 to 0.85 of the iris."""
    radius = rng.uniform(0.72, 0.85) * eye.limbus.mean_radius
    return _with_pupil(image, eye, np.full_like(_polar(image, eye)[0], radius))


def irregular(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A pupil whose radius varies by waves of orders 2 to 5, as by scars or synechiae."""
    spread = np.array([0.1, 0.07, 0.05, 0.04])[:, None, None]
    cosines, sines = spread * rng.standard_normal((2, 4))[:, :, None, None]
    turns = np.arange(2, 6)[:, None, None] * _polar(image, eye)[1]
    waves = (cosines * np.cos(turns) + sines * np.sin(turns)).sum(axis=0)
    return _with_pupil(image, eye, eye.pupil.mean_radius * (1 + waves))


def clouded(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A pupil that is brightened by a third to four fifths of its difference to the iris, as by a cataract."""
    size, pupil = _size(image), eye.pupil.mask(_size(image))
    iris = _open_disc(image, eye) & ~pupil
    dark, bright = median(image[pupil]), median(image[iris])
    soft = cv2.GaussianBlur(eye.pupil.scaled(0.97).mask(size).astype(np.float32), (0, 0), 1.2)
    uneven = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), eye.pupil.mean_radius / 4)
    cloud = dark + (bright - dark) * (rng.uniform(0.35, 0.8) + 0.1 * uneven / uneven.std())
    return _gray(image * (1 - soft) + np.maximum(image, cloud) * soft), iris


def with_coloboma(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A gap in the iris, as dark as the pupil, from there to nearly the lower limbus."""
    pupil, opening = eye.pupil.mask(_size(image)), _open_disc(image, eye)
    distance, angle = _polar(image, eye)
    direction, width = np.pi / 2 + rng.normal(0, 0.4), rng.uniform(0.25, 0.5)
    across = np.abs(np.angle(np.exp(1j * (angle - direction))))
    gap = (across < width * np.clip(1.2 - distance / eye.limbus.mean_radius, 0.3, 1)) & opening
    gap &= eye.limbus.scaled(0.96).mask(_size(image))
    soft = cv2.GaussianBlur((gap | pupil).astype(np.float32), (0, 0), 1)
    dark = median(image[pupil]) + 2 * rng.standard_normal(_size(image))
    return _gray(image * (1 - soft) + np.where(pupil, image, dark) * soft), opening & ~(pupil | gap)


def off_centre(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A pupil moved by 0.1 to 0.2 of the iris's radius in any direction, as far as the iris has room."""
    limbus, direction = eye.limbus, rng.uniform(0, 2 * np.pi)
    already = np.hypot(eye.pupil.x - limbus.x, eye.pupil.y - limbus.y)
    room = _WIDEST * limbus.mean_radius - eye.pupil.mean_radius - already
    reach = max(0.0, min(rng.uniform(0.1, 0.2) * limbus.mean_radius, room))
    dx, dy = reach * np.cos(direction), reach * np.sin(direction)
    moved = replace(eye.pupil, x=eye.pupil.x + dx, y=eye.pupil.y + dy)
    distance, angle = _polar(image, replace(eye, pupil=moved))
    edge, outer = moved.radius(angle), _limbus_from(moved, limbus, angle)
    part = np.clip((outer - distance) / np.maximum(outer - edge, 1), 0, 1)
    y, x = np.indices(image.shape)
    return _resampled(image, x - part * dx, y - part * dy), _open_disc(image, eye) & ~moved.mask(_size(image))


def with_arcus(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A bright ring in the outer iris with a sharp inner edge, and a clear one between it and the limbus."""
    radius, (rows, columns) = eye.limbus.mean_radius, np.indices(image.shape)
    dx, dy = columns - eye.limbus.x, rows - eye.limbus.y
    part = np.hypot(dx, dy) / eye.limbus.radius(np.arctan2(dy, dx))
    first, last, soft = rng.uniform(0.78, 0.88), rng.uniform(0.92, 0.96), max(1.0 / radius, rng.uniform(0.01, 0.03))
    ring = np.clip((part - first) / soft, 0, 1) * np.clip((last - part) / 0.03, 0, 1)
    iris = _open_disc(image, eye) & ~eye.pupil.mask(_size(image))
    outside = eye.limbus.scaled(1.25).mask(_size(image)) & _open_disc(
        image, replace(eye, limbus=eye.limbus.scaled(1.25))
    )
    beyond = outside & ~eye.limbus.scaled(1.05).mask(_size(image))
    dark, bright = median(image[iris]), median(image[beyond]) if beyond.any() else 200.0
    opacity = rng.uniform(0.3, 0.8) * ring * _open_disc(image, eye)
    return _gray(image + opacity * max(bright - dark, 20.0)), iris


def tilted(image: Gray, eye: Segmentation, rng: np.random.Generator) -> tuple[Gray, Bool]:
    """A head tilted by 25 to 45 degrees to either side."""
    degrees = rng.uniform(25, 45) * rng.choice((-1, 1))
    turn = cv2.getRotationMatrix2D((eye.limbus.x, eye.limbus.y), degrees, 1)
    size = (image.shape[1], image.shape[0])
    _, iris = unchanged(image, eye, rng)
    turned = cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), np.asarray(cv2.warpAffine(iris.view(np.uint8), turn, size) > 0)


CHANGES: MappingProxyType[str, Change] = MappingProxyType(
    {
        "as it is": unchanged,
        "dilated pupil": dilated,
        "irregular pupil": irregular,
        "clouded pupil": clouded,
        "coloboma": with_coloboma,
        "tilted head": tilted,
        "pupil off centre": off_centre,
        "arcus": with_arcus,
    }
)


def _size(image: Gray) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _open_disc(image: Gray, eye: Segmentation) -> Bool:
    """The disc of the iris between the eyelids, (H, W)."""
    disc = eye.limbus.mask(_size(image))
    for eyelid, covers_above in ((eye.upper_lid, True), (eye.lower_lid, False)):
        if eyelid is not None:
            disc &= eyelid.above(_size(image)) != covers_above
    return disc


def _polar(image: Gray, eye: Segmentation) -> tuple[Float, Float]:
    """Distance in pixels and direction of each pixel (H, W) from the centre of the pupil."""
    dy, dx = (axis - centre for axis, centre in zip(np.indices(image.shape), (eye.pupil.y, eye.pupil.x), strict=True))
    return np.hypot(dx, dy), np.arctan2(dy, dx)


def _with_pupil(image: Gray, eye: Segmentation, radius: Float) -> tuple[Gray, Bool]:
    """The picture stretched so that the pupil's edge lies at `radius` (H, W) in the direction of each pixel."""
    distance, angle = _polar(image, eye)
    outer = _limbus_from(eye.pupil, eye.limbus, angle)
    edge, before = np.minimum(radius, _WIDEST * outer), eye.pupil.radius(angle)
    beyond = before + (distance - edge) * (outer - before) / (outer - edge)
    source = np.where(distance < edge, distance * before / edge, np.where(distance < outer, beyond, distance))
    stretched = _resampled(image, eye.pupil.x + source * np.cos(angle), eye.pupil.y + source * np.sin(angle))
    return stretched, _open_disc(image, eye) & (distance >= edge)


def _limbus_from(pupil: Boundary, limbus: Boundary, angle: Float) -> Float:
    """Distance of a circle like the limbus from the centre of the pupil, in the directions `angle` (H, W)."""
    dx, dy = limbus.x - pupil.x, limbus.y - pupil.y
    along = dx * np.cos(angle) + dy * np.sin(angle)
    return np.asarray(along + np.sqrt(np.maximum(along**2 - (dx * dx + dy * dy - limbus.mean_radius**2), 0)))


def _resampled(image: Gray, x: Float, y: Float) -> Gray:
    """`image` at the places `x`, `y` (H, W)."""
    at = (np.asarray(x, np.float32), np.asarray(y, np.float32))
    return np.asarray(cv2.remap(image, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _gray(levels: Float) -> Gray:
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)
