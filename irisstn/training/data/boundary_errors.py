"""Synthetic segmentation errors: boundaries that are slightly wrong, and strips that start at another angle.

Since the true boundaries are known, so are the parameters with which the ring transform corrects the errors: see
`irisstn.training.data.targets`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from irisstn.config import Strict
from irisstn.geometry import Bool, Boundary, Eyelid, Float, Gray
from irisstn.normalization import ring_grid, sample_ring
from irisstn.results import Segmentation, Strip


class PerturbationConfig(Strict):
    """Size of the errors that are added to segmentations. Lengths are fractions of the iris radius.

    Most segmentations are nearly right and most heads nearly upright, a few are not. Therefore each strip draws either
    the small errors or, with the probability `large_fraction`, the large ones.
    """

    large_fraction: float = Field(0.5, ge=0, le=1, description="Fraction of the strips with the large errors, 0..1.")
    small_roll_deg: float = Field(
        0.5,
        ge=0,
        description="Small errors: standard deviation of the roll, degrees; captures have a roll of their own besides.",
    )
    small_shift: float = Field(
        0.008, ge=0, description="Small errors: standard deviation of each boundary's centre, in x and in y."
    )
    small_radius: float = Field(0.008, ge=0, description="Small errors: standard deviation of each boundary's radius.")
    small_shape: float = Field(
        0.004, ge=0, description="Small errors: standard deviation of each Fourier coefficient of order 2."
    )
    large_roll_deg: float = Field(15.0, ge=0, description="Large errors: the roll is uniform within ± this, degrees.")
    large_shift: float = Field(0.04, ge=0, description="Large errors: centres move uniformly within ± this.")
    large_radius: float = Field(0.04, ge=0, description="Large errors: radii change uniformly within ± this.")
    large_shape: float = Field(
        0.015, ge=0, description="Large errors: coefficients of order 2 change uniformly within ± this."
    )
    eyelid_height: float = Field(
        0.012, ge=0, description="Scale of an eyelid's error in height: Student's t with 2 degrees of freedom."
    )
    eyelid_tilt_deg: float = Field(
        1.0, ge=0, description="Scale of an eyelid's error in tilt, degrees: Student's t with 2 degrees of freedom."
    )
    eyelid_missing: float = Field(
        0.1, ge=0, le=1, description="Fraction of eyelids that are removed, besides those that segmentation missed."
    )
    stretch: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Stretch of the tissue along the radius, uniform within ± this: see `stretched`. No STN.",
    )
    straightened: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of the strips whose capture's own roll is removed, as a rectifier would. No STN.",
    )
    moved_fraction: float = Field(
        0.0, ge=0, le=1, description="Fraction of the pictures that are blurred by a movement, 0..1. Not on strips."
    )
    movement: float = Field(
        0.2, ge=0, le=1, description="Blur by movement: the length of the path is uniform up to this."
    )


@dataclass(frozen=True, slots=True)
class EyelidErrors:
    """Errors of the upper and of the lower eyelid.

    Attributes
    ----------
    height : Float, shape (2,)
        Displacement as a fraction of the iris radius.
    tilt_rad : Float, shape (2,)
        Rotation, radians.
    missing : Bool, shape (2,)
        Whether the eyelid is removed.
    """

    height: Float
    tilt_rad: Float
    missing: Bool

    def apply(self, segmentation: Segmentation) -> Segmentation:
        """Add the errors to the eyelids of a segmentation.

        Parameters
        ----------
        segmentation : Segmentation
            Any segmentation; eyelids that are None stay None.

        Returns
        -------
        Segmentation
            The same with other eyelids.
        """
        radius = segmentation.limbus.mean_radius
        eyelids = [
            self._perturbed(eyelid, i, radius)
            for i, eyelid in enumerate((segmentation.upper_lid, segmentation.lower_lid))
        ]
        return replace(segmentation, upper_lid=eyelids[0], lower_lid=eyelids[1])

    def _perturbed(self, eyelid: Eyelid | None, index: int, radius: float) -> Eyelid | None:
        if eyelid is None or self.missing[index]:
            return None
        c0, c1, c2 = eyelid.coefficients
        tilt = eyelid.angle_rad + float(self.tilt_rad[index])
        return Eyelid(eyelid.x, eyelid.y, tilt, (c0 + float(self.height[index]) * radius, c1, c2))


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Errors of one segmentation. Lengths are fractions of the iris radius; index 0 is the pupil, 1 the limbus.

    Attributes
    ----------
    roll_rad : float
        Angle of the image at which the strip starts, radians.
    shift : Float, shape (2, 2)
        Displacement (dx, dy) of each boundary's centre.
    scale : Float, shape (2,)
        Change of each boundary's radius.
    shape : Float, shape (2, 2)
        Change of each boundary's Fourier coefficients (cos, sin) of order 2.
    eyelids : EyelidErrors or None
        Errors of the eyelids; None: none.
    stretch : float
        k in r + k r (1 - r): see `stretched`.
    straightened : bool
        Whether the capture's own roll is removed first.
    movement : tuple of float
        (dx, dy) of the eye during the exposure: see `irisstn.training.data.motion_blur`.
    """

    roll_rad: float
    shift: Float
    scale: Float
    shape: Float
    eyelids: EyelidErrors | None = None
    stretch: float = 0.0
    straightened: bool = False
    movement: tuple[float, float] = (0.0, 0.0)

    def apply(self, segmentation: Segmentation) -> Segmentation:
        """Add the errors to the boundaries of a segmentation; eyelids and masks stay as they are.

        Parameters
        ----------
        segmentation : Segmentation
            The segmentation to change.

        Returns
        -------
        Segmentation
            The same with other boundaries.
        """
        radius = segmentation.limbus.mean_radius
        pupil, limbus = (
            _perturbed(edge, self.shift[i] * radius, float(self.scale[i] * radius), self.shape[i] * radius)
            for i, edge in enumerate((segmentation.pupil, segmentation.limbus))
        )
        return replace(segmentation, pupil=pupil, limbus=limbus)


NO_ERRORS = Perturbation(0.0, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)))


def sample_perturbation(rng: np.random.Generator, config: PerturbationConfig) -> Perturbation:
    """Draw one random set of errors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    config : PerturbationConfig
        Distribution of the errors.

    Returns
    -------
    Perturbation
        Small or large errors of the boundaries and the roll, and errors of the eyelids.
    """
    eyelids = EyelidErrors(
        height=config.eyelid_height * rng.standard_t(2, 2).clip(-8, 8),
        tilt_rad=np.deg2rad(config.eyelid_tilt_deg) * rng.standard_t(2, 2).clip(-8, 8),
        missing=rng.random(2) < config.eyelid_missing,
    )
    # Where an error is switched off, no random number is drawn, so that older configs give the same batches.
    stretch = float(config.stretch * rng.uniform(-1, 1)) if config.stretch else 0.0
    straightened = bool(config.straightened and rng.random() < config.straightened)
    movement = (0.0, 0.0)
    if config.moved_fraction and rng.random() < config.moved_fraction:
        length, direction = config.movement * rng.random(), rng.uniform(0, np.pi)
        movement = (float(length * np.cos(direction)), float(length * np.sin(direction)))
    if rng.random() < config.large_fraction:
        return Perturbation(
            roll_rad=float(np.deg2rad(config.large_roll_deg) * rng.uniform(-1, 1)),
            shift=config.large_shift * rng.uniform(-1, 1, (2, 2)),
            scale=config.large_radius * rng.uniform(-1, 1, 2),
            shape=config.large_shape * rng.uniform(-1, 1, (2, 2)),
            eyelids=eyelids,
            stretch=stretch,
            straightened=straightened,
            movement=movement,
        )
    return Perturbation(
        roll_rad=float(np.deg2rad(config.small_roll_deg) * rng.normal()),
        shift=config.small_shift * rng.normal(size=(2, 2)),
        scale=config.small_radius * rng.normal(size=2),
        shape=config.small_shape * rng.normal(size=(2, 2)),
        eyelids=eyelids,
        stretch=stretch,
        straightened=straightened,
        movement=movement,
    )


def sample_strip(
    image: Gray, segmentation: Segmentation, roll_rad: float, size: tuple[int, int], *, stretch: float = 0.0
) -> Strip:
    """Sample a strip that starts at a given angle of the image.

    Parameters
    ----------
    image : Gray, shape (H, W)
        The image.
    segmentation : Segmentation
        Boundaries and masks in the image.
    roll_rad : float
        Angle of the image at column 0 of the strip, radians.
    size : tuple of int
        Rows and columns (R, T) of the strip.
    stretch : float
        Of the tissue along the radius: see `stretched`.

    Returns
    -------
    Strip
        The rubber sheet, turned by `roll_rad`.
    """
    radius, angle = ring_grid(size)
    return sample_ring(image, segmentation, (stretched(radius, stretch), angle + roll_rad))


def stretched(radius: Float, stretch: float) -> Float:
    """Stretch the tissue of the iris along the radius: r + k r (1 - r), which keeps both edges and the order.

    When the size of the pupil changes, the tissue does not move evenly along the radius: see
    `irisstn.synthetic.ring_field`.

    Parameters
    ----------
    radius : Float, shape (...)
        Radii r of the ring, 0..1.
    stretch : float
        k, with |k| < 1.

    Returns
    -------
    Float, shape (...)
        Radii at which the ring is sampled.
    """
    return radius + stretch * radius * (1 - radius)


def _perturbed(edge: Boundary, shift: Float, radius: float, shape: Float) -> Boundary:
    """`edge` with its centre moved by `shift`, and `radius` and `shape` added to its coefficients; all in pixels."""
    cosines, sines = (list(series) + [0.0] * (3 - len(series)) for series in (edge.cosines, edge.sines))
    cosines[0] += radius
    cosines[2] += float(shape[0])
    sines[2] += float(shape[1])
    return Boundary(edge.x + float(shift[0]), edge.y + float(shift[1]), tuple(cosines), tuple(sines))
