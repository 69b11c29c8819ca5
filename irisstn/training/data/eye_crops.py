"""Eyes to train on: each can be cut into strips with known errors, as often as wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from irisstn.geometry import TAU, Boundary, Eyelid, Float, Gray, Lids, strip_angles, strip_radii
from irisstn.rectification.ring_context import Context, context_of_eye, context_of_strip
from irisstn.results import Segmentation, Strip
from irisstn.training.data.boundary_errors import ORDER, Perturbation, correction_parameters, cut, stretched

_MARGIN = 0.6  # of the iris radius, kept around the iris: as far as the context of a ring reaches
_MAX_RADIUS = 80.0  # pixels; a larger iris is made smaller: its strip has no use for more


class Sample(NamedTuple):
    """A strip with known errors, its context, and the ring parameters (12,) that undo the errors."""

    strip: Strip
    context: Context
    target: Float


class StripSource(Protocol):
    """What samples are cut from."""

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """A strip of `size` (R, T) with `errors` on it."""

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """The strip of `sample` alone, in half the time."""


@dataclass(frozen=True, slots=True, eq=False)
class EyeCrop:
    """The surroundings of an iris, cut out of a picture, with its true boundaries and how far the eye is turned in it.

    `used` is the ring along which strips are cut, `packed` its usable mask, eight pixels a byte: the truth, or what the
    segmenter found, so that its errors are the real ones. `lids` are the upper and the lower one, in the same way.
    """

    image: Gray
    packed: Gray
    truth: tuple[Boundary, Boundary]
    used: tuple[Boundary, Boundary]
    lids: Lids
    roll_rad: float

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """A strip of `size` (R, T) with `errors` on it, besides those of the ring `used`."""
        wrong = self._wrong(errors)
        context = context_of_eye(self.image, wrong, roll_rad=errors.roll_rad)
        target = correction_parameters(self.truth, self.roll_rad, (wrong.pupil, wrong.limbus), errors.roll_rad)
        strip = cut(self.image, wrong, errors.roll_rad, size, stretch=errors.stretch)
        return Sample(strip, context, target)

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """The strip of `sample` alone; straightened first where `errors` say so."""
        roll = errors.roll_rad + (self.roll_rad if errors.straightened else 0.0)
        return cut(self.image, self._wrong(errors), roll, size, stretch=errors.stretch)

    def _wrong(self, errors: Perturbation) -> Segmentation:
        mask = np.unpackbits(self.packed, count=self.image.size).reshape(self.image.shape).view(np.bool_)
        wrong = errors.apply(Segmentation(*self.used, *self.lids, iris_mask=mask, usable=mask))
        return wrong if errors.lids is None else errors.lids.apply(wrong)


def photograph(
    image: Gray,
    truth: Segmentation,
    roll_rad: float = 0.0,
    *,
    found: Segmentation | None = None,
) -> EyeCrop:
    """Cut the iris with its surroundings out of `image` (H, W) and make it smaller where it is large.

    `roll_rad` is how far the eye is turned. With `found`, strips are cut along that ring instead of the true one.
    """
    used = truth if found is None else found
    limbus = truth.limbus
    scale = min(1.0, _MAX_RADIUS / limbus.mean_radius)
    reach = limbus.mean_radius * (1 + _MARGIN)
    height, width = image.shape
    left, top = max(int(limbus.x - reach), 0), max(int(limbus.y - reach), 0)
    right, bottom = min(int(limbus.x + reach) + 2, width), min(int(limbus.y + reach) + 2, height)
    mask = used.usable[top:bottom, left:right].astype(np.uint8)
    small = image[top:bottom, left:right]
    if scale < 1:
        size = (max(round(small.shape[1] * scale), 8), max(round(small.shape[0] * scale), 8))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    place = _Place(left, top, small.shape[1] / (right - left), small.shape[0] / (bottom - top))
    return EyeCrop(
        image=np.ascontiguousarray(small),
        packed=np.packbits(mask),
        truth=(place.edge(truth.pupil), place.edge(truth.limbus)),
        used=(place.edge(used.pupil), place.edge(used.limbus)),
        lids=(place.lid(used.upper_lid), place.lid(used.lower_lid)),
        roll_rad=float(roll_rad),
    )


def scaled_eye(image: Gray, segmentation: Segmentation, scale: float) -> tuple[Gray, Segmentation]:
    """`image` (H, W) made smaller by `scale`, at most 1, and its `segmentation` in the smaller picture's pixels."""
    if not 0 < scale <= 1:
        raise ValueError(f"a scale above 0 and at most 1 is needed, got {scale}")
    height, width = image.shape
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    if size == (width, height):
        return image, segmentation
    place = _Place(0, 0, size[0] / width, size[1] / height)
    masks = [
        cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        for mask in (segmentation.iris_mask, segmentation.usable)
    ]
    smaller = Segmentation(
        place.edge(segmentation.pupil),
        place.edge(segmentation.limbus),
        place.lid(segmentation.upper_lid),
        place.lid(segmentation.lower_lid),
        *masks,
    )
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), smaller


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a cut-out lies in its picture, and by how much it was made smaller, in x and in y."""

    left: int
    top: int
    ratio_x: float
    ratio_y: float

    @property
    def ratio(self) -> float:
        # Both are equal but for rounding to whole pixels; lengths take the mean.
        return (self.ratio_x + self.ratio_y) / 2

    def point(self, x: float, y: float) -> tuple[float, float]:
        # It is the pixels' outer edges that scale, not their centres.
        return (x - self.left + 0.5) * self.ratio_x - 0.5, (y - self.top + 0.5) * self.ratio_y - 0.5

    def edge(self, edge: Boundary) -> Boundary:
        cosines, sines = (tuple(term * self.ratio for term in series) for series in (edge.cosines, edge.sines))
        return Boundary(*self.point(edge.x, edge.y), cosines, sines)

    def lid(self, lid: Eyelid | None) -> Eyelid | None:
        if lid is None:
            return None
        c0, c1, c2 = lid.coefficients
        return Eyelid(*self.point(lid.x, lid.y), lid.angle_rad, (c0 * self.ratio, c1, c2 / self.ratio))


@dataclass(frozen=True, slots=True, eq=False)
class NormalizedIris:
    """A strip whose photograph is not at hand: errors are put on by sampling it once more.

    Errors that reach beyond pupil or limbus find nothing there: such cells are not usable.
    """

    whole: Strip
    pupil_share: float = 0.4  # pupil radius / iris radius, to translate errors into shares of the ring's width

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """A strip of `size` (R, T) with `errors` on it."""
        strip = self.strip(errors, size)
        target = np.concatenate([[-errors.roll_rad], *self._undo(errors), [self.pupil_share]])
        return Sample(strip, context_of_strip(strip), target)

    def _undo(self, errors: Perturbation) -> list[Float]:
        # A boundary drawn too far out by d lets the true one appear at -d in the strip.
        return [-_terms(errors, edge) / (1 - self.pupil_share) for edge in (0, 1)]

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """The strip of `sample` alone."""
        angle, radius = strip_angles(size[1]), strip_radii(size[0])[:, None]
        pupil, limbus = (_series(terms, angle) for terms in self._undo(errors))
        true_radius = (stretched(radius, errors.stretch) - pupil) / (1 + limbus - pupil)
        rows, columns = self.whole.size
        y = np.broadcast_to(true_radius * rows - 0.5, size).astype(np.float32)
        x = np.broadcast_to(((angle + errors.roll_rad) % TAU) / TAU * columns - 0.5, size).astype(np.float32)
        # One column more at either side, so that the angle wraps.
        image = cv2.copyMakeBorder(self.whole.image, 0, 0, 1, 1, cv2.BORDER_WRAP)
        usable = cv2.copyMakeBorder(self.whole.usable.view(np.uint8), 0, 0, 1, 1, cv2.BORDER_WRAP)
        sampled = cv2.remap(image, x + 1, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.remap(usable, x + 1, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        inside = (true_radius >= 0) & (true_radius <= 1)
        return Strip(sampled.astype(np.uint8, copy=False), mask.astype(np.bool_) & inside)


def _terms(errors: Perturbation, edge: int) -> Float:
    """Fourier coefficients (0, cos1, sin1, cos2, sin2) of one boundary's error, as a share of the iris radius.

    Seen from the strip, which begins at the angle `roll_rad`.
    """
    turn = errors.roll_rad
    (dx, dy), (c2, s2) = errors.shift[edge], errors.shape[edge]
    return np.array(
        [
            errors.scale[edge],
            dx * np.cos(turn) + dy * np.sin(turn),
            dy * np.cos(turn) - dx * np.sin(turn),
            c2 * np.cos(2 * turn) + s2 * np.sin(2 * turn),
            s2 * np.cos(2 * turn) - c2 * np.sin(2 * turn),
        ]
    )


def _series(terms: Float, angle: Float) -> Float:
    value = np.full(angle.shape, terms[0])
    for k in range(1, ORDER + 1):
        value += terms[2 * k - 1] * np.cos(k * angle) + terms[2 * k] * np.sin(k * angle)
    return value
