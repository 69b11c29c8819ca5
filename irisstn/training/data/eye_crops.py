"""Eyes to train on. Each yields any number of strips with known segmentation errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from irisstn.geometry import (
    TAU,
    Boundary,
    CropTransform,
    Eyelids,
    Float,
    Gray,
    fourier_basis,
    strip_angles,
    strip_radii,
)
from irisstn.rectification.ring_context import Context, context_of_eye, context_of_strip
from irisstn.results import Segmentation, Strip
from irisstn.training.data.boundary_errors import Perturbation, sample_strip, stretched
from irisstn.training.data.motion_blur import motion_blurred
from irisstn.training.data.targets import ORDER, correction_parameters

_MARGIN = 0.6  # iris radii kept around the iris: the reach of the context of a ring
_MAX_RADIUS = 80.0  # pixels; larger irises are reduced, since strips do not resolve more


class Sample(NamedTuple):
    """A strip with known errors.

    Attributes
    ----------
    strip : Strip
        The strip.
    context : Context
        Input of the localization network, with the same errors.
    target : Float, shape (12,)
        Ring parameters that correct the errors, in the order of `irisstn.geometry.ring_transform.NAMES`.
    """

    strip: Strip
    context: Context
    target: Float


class StripSource(Protocol):
    """An eye from which strips with errors are sampled."""

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """Sample a strip of `size` (R, T) with the given `errors`, its context and its target."""

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """Sample the strip without context and target, in half the time."""


@dataclass(frozen=True, slots=True, eq=False)
class EyeCrop:
    """The part of an image around one iris, with its true boundaries and roll.

    Attributes
    ----------
    image : Gray, shape (H, W)
        The crop; coordinates of all boundaries are its pixels.
    packed : Gray, shape (ceil(H * W / 8),)
        The usable mask, eight pixels in a byte (`numpy.packbits`).
    truth : tuple of Boundary
        The true pupil boundary and limbus.
    used : tuple of Boundary
        Pupil boundary and limbus along which strips are sampled: the true ones, or those that segmentation found, so
        that real segmentation errors occur in training.
    eyelids : tuple of (Eyelid or None)
        Upper and lower eyelid, from the same source as `used`.
    roll_rad : float
        Roll of the eye in the image, radians.
    """

    image: Gray
    packed: Gray
    truth: tuple[Boundary, Boundary]
    used: tuple[Boundary, Boundary]
    eyelids: Eyelids
    roll_rad: float

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """Sample a strip with errors, added to those of the boundaries `used`.

        Parameters
        ----------
        errors : Perturbation
            The errors.
        size : tuple of int
            Rows and columns (R, T) of the strip.

        Returns
        -------
        Sample
            The strip, its context, and the parameters that correct all its errors.
        """
        wrong = self._perturbed(errors)
        image = self._moved(errors)
        context = context_of_eye(image, wrong, roll_rad=errors.roll_rad)
        target = correction_parameters(self.truth, self.roll_rad, (wrong.pupil, wrong.limbus), errors.roll_rad)
        strip = sample_strip(image, wrong, errors.roll_rad, size, stretch=errors.stretch)
        return Sample(strip, context, target)

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """Sample the strip of `sample` without context and target; if `errors.straightened`, from an upright head."""
        roll = errors.roll_rad + (self.roll_rad if errors.straightened else 0.0)
        return sample_strip(self._moved(errors), self._perturbed(errors), roll, size, stretch=errors.stretch)

    def _moved(self, errors: Perturbation) -> Gray:
        radius = self.truth[1].mean_radius
        return motion_blurred(self.image, (errors.movement[0] * radius, errors.movement[1] * radius))

    def _perturbed(self, errors: Perturbation) -> Segmentation:
        mask = np.unpackbits(self.packed, count=self.image.size).reshape(self.image.shape).view(np.bool_)
        wrong = errors.apply(Segmentation(*self.used, *self.eyelids, iris_mask=mask, usable=mask))
        return wrong if errors.eyelids is None else errors.eyelids.apply(wrong)


def crop_eye(
    image: Gray,
    truth: Segmentation,
    roll_rad: float = 0.0,
    *,
    found: Segmentation | None = None,
) -> EyeCrop:
    """Crop the iris and its surroundings, and reduce the crop where the iris is large.

    Parameters
    ----------
    image : Gray, shape (H, W)
        The image.
    truth : Segmentation
        The true segmentation, or the best one known.
    roll_rad : float
        Roll of the eye in the image, radians.
    found : Segmentation or None
        The segmentation along which strips are sampled. None: `truth`.

    Returns
    -------
    EyeCrop
        The crop, its boundaries in its own pixels.
    """
    used = truth if found is None else found
    limbus = truth.limbus
    scale = min(1.0, _MAX_RADIUS / limbus.mean_radius)
    reach = limbus.mean_radius * (1 + _MARGIN)
    height, width = image.shape
    left, top = max(int(limbus.x - reach), 0), max(int(limbus.y - reach), 0)
    right, bottom = min(int(limbus.x + reach) + 2, width), min(int(limbus.y + reach) + 2, height)
    mask = used.usable[top:bottom, left:right].astype(np.uint8)
    part = image[top:bottom, left:right]
    if scale < 1:
        size = (max(round(part.shape[1] * scale), 8), max(round(part.shape[0] * scale), 8))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    crop = CropTransform(left, top, (right - left) / part.shape[1], (bottom - top) / part.shape[0])
    upper, lower = (eyelid and crop.eyelid_to_crop(eyelid) for eyelid in (used.upper_lid, used.lower_lid))
    return EyeCrop(
        image=np.ascontiguousarray(part),
        packed=np.packbits(mask),
        truth=(crop.boundary_to_crop(truth.pupil), crop.boundary_to_crop(truth.limbus)),
        used=(crop.boundary_to_crop(used.pupil), crop.boundary_to_crop(used.limbus)),
        eyelids=(upper, lower),
        roll_rad=float(roll_rad),
    )


def scaled_eye(image: Gray, segmentation: Segmentation, scale: float) -> tuple[Gray, Segmentation]:
    """Reduce an image together with its segmentation.

    Parameters
    ----------
    image : Gray, shape (H, W)
        The image.
    segmentation : Segmentation
        Its segmentation.
    scale : float
        Factor of the size, above 0 and at most 1.

    Returns
    -------
    image : Gray, shape (H', W')
        The reduced image.
    segmentation : Segmentation
        The segmentation in its pixels.

    Raises
    ------
    ValueError
        For another scale.
    """
    if not 0 < scale <= 1:
        raise ValueError(f"a scale above 0 and at most 1 is needed, got {scale}")
    height, width = image.shape
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    if size == (width, height):
        return image, segmentation
    crop = CropTransform(0, 0, width / size[0], height / size[1])
    upper, lower = (
        eyelid and crop.eyelid_to_crop(eyelid) for eyelid in (segmentation.upper_lid, segmentation.lower_lid)
    )
    iris_mask, usable = (
        cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        for mask in (segmentation.iris_mask, segmentation.usable)
    )
    pupil, limbus = crop.boundary_to_crop(segmentation.pupil), crop.boundary_to_crop(segmentation.limbus)
    smaller = Segmentation(pupil, limbus, upper, lower, iris_mask=iris_mask, usable=usable)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), smaller


@dataclass(frozen=True, slots=True, eq=False)
class NormalizedIris:
    """A strip without its image: errors are simulated by sampling the strip once more.

    Errors that reach beyond the strip's radii leave cells without data; these are not usable.

    Attributes
    ----------
    source : Strip
        The strip as it was read.
    pupil_ratio : float
        Pupil radius / iris radius, which converts errors in iris radii to ring widths.
    """

    source: Strip
    pupil_ratio: float = 0.4

    def sample(self, errors: Perturbation, size: tuple[int, int]) -> Sample:
        """Sample a strip with errors.

        Parameters
        ----------
        errors : Perturbation
            The errors; those of the eyelids have no effect.
        size : tuple of int
            Rows and columns (R, T) of the strip.

        Returns
        -------
        Sample
            The strip, the context made of it, and the parameters that correct the errors.
        """
        strip = self.strip(errors, size)
        target = np.concatenate([[-errors.roll_rad], *self._corrections(errors), [self.pupil_ratio]])
        return Sample(strip, context_of_strip(strip), target)

    def strip(self, errors: Perturbation, size: tuple[int, int]) -> Strip:
        """Sample the strip of `sample` without context and target."""
        angle, radius = strip_angles(size[1]), strip_radii(size[0])[:, None]
        pupil, limbus = (fourier_basis(angle, ORDER) @ terms for terms in self._corrections(errors))
        true_radius = (stretched(radius, errors.stretch) - pupil) / (1 + limbus - pupil)
        rows, columns = self.source.size
        y = np.broadcast_to(true_radius * rows - 0.5, size).astype(np.float32)
        x = np.broadcast_to(((angle + errors.roll_rad) % TAU) / TAU * columns - 0.5, size).astype(np.float32)
        # One more column at either side, so that interpolation wraps around the angle.
        image = cv2.copyMakeBorder(self.source.image, 0, 0, 1, 1, cv2.BORDER_WRAP)
        usable = cv2.copyMakeBorder(self.source.usable.view(np.uint8), 0, 0, 1, 1, cv2.BORDER_WRAP)
        sampled = cv2.remap(image, x + 1, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.remap(usable, x + 1, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        inside = (true_radius >= 0) & (true_radius <= 1)
        return Strip(sampled.astype(np.uint8, copy=False), mask.astype(np.bool_) & inside)

    def _corrections(self, errors: Perturbation) -> list[Float]:
        """Fourier coefficients of both corrections, ring widths."""
        # Where a boundary is drawn too far out by d, the true one lies at -d in the strip.
        return [-_error_coefficients(errors, edge) / (1 - self.pupil_ratio) for edge in (0, 1)]


def _error_coefficients(errors: Perturbation, edge: int) -> Float:
    """Fourier coefficients (0, cos1, sin1, cos2, sin2) of one boundary's error, as a fraction of the iris radius.

    They are functions of the strip's angle, which is 0 at the image's angle `roll_rad`.
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
