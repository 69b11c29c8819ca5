"""Known errors put on a true ring, and the ring parameters that undo them.

A strip is cut from a picture with boundaries that are a little wrong and from an angle that is turned. As the truth is
known, so are the parameters with which `irisstn.stn`'s ring transform would find the true ring again:

The convention is that of `irisstn.stn.ring`: the true pupil lies at the radius p(a) of the strip and the true limbus at
1 + l(a), both Fourier series of the strip's angle a; texture that is upright at the angle t lies at t + roll_rad.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from irisstn.config import Strict
from irisstn.geometry import Bool, Boundary, Eyelid, Float, Gray, strip_angles
from irisstn.normalization import ring_grid, sample_ring
from irisstn.results import Segmentation, Strip

ORDER = 2  # Fourier order of the boundary corrections
SHAPE_NAMES = tuple(
    f"{edge}_{term}"
    for edge in ("pupil", "limbus")
    for term in ("0", *(f"{f}{k}" for k in (1, 2) for f in ("cos", "sin")))
)
TARGET_NAMES = ("roll_rad", *SHAPE_NAMES, "pupil_share")
_ANGLES = 32  # directions in which boundaries are compared


class PerturbationConfig(Strict):
    """How wrong the rings are. Lengths are shares of the iris radius, angles degrees; sd = standard deviation.

    Most segmentations are nearly right and most heads nearly upright; a few are not. So each strip draws either the
    small errors or, with the probability `stress`, the large ones.
    """

    stress: float = Field(0.5, ge=0, le=1)
    small_roll_deg: float = Field(0.5, ge=0)  # sd; the eyes themselves are turned already, as real ones are
    small_shift: float = Field(0.008, ge=0)  # sd of each boundary's centre, in x and y
    small_radius: float = Field(0.008, ge=0)  # sd of each boundary's radius
    small_shape: float = Field(0.004, ge=0)  # sd of each coefficient of order 2
    large_roll_deg: float = Field(15.0, ge=0)  # uniform, to either side
    large_shift: float = Field(0.04, ge=0)  # uniform, to either side
    large_radius: float = Field(0.04, ge=0)
    large_shape: float = Field(0.015, ge=0)
    lid_height: float = Field(0.012, ge=0)  # of a lid, times Student's t of 2 degrees of freedom: a few are far off
    lid_tilt_deg: float = Field(1.0, ge=0)  # the same
    lid_missing: float = Field(0.1, ge=0, le=1)  # share of lids that are not seen, besides those the segmenter missed
    # For a recogniser that is trained alone: the STN's targets know nothing of either.
    stretch: float = Field(0.0, ge=0, lt=1)  # of the tissue along the radius, uniform to either side: see `stretched`
    straightened: float = Field(0.0, ge=0, le=1)  # share of strips whose eye's own roll is taken back, as an STN would


@dataclass(frozen=True, slots=True)
class LidErrors:
    """Errors of the upper and lower lid, (2,) each: `height` as a share of the iris radius, `tilt_rad`, `missing`."""

    height: Float
    tilt_rad: Float
    missing: Bool

    def apply(self, segmentation: Segmentation) -> Segmentation:
        """The lids of `segmentation` with these errors on them."""
        unit = segmentation.limbus.mean_radius
        lids = [self._bent(lid, i, unit) for i, lid in enumerate((segmentation.upper_lid, segmentation.lower_lid))]
        return replace(segmentation, upper_lid=lids[0], lower_lid=lids[1])

    def _bent(self, lid: Eyelid | None, which: int, unit: float) -> Eyelid | None:
        if lid is None or self.missing[which]:
            return None
        c0, c1, c2 = lid.coefficients
        tilt = lid.angle_rad + float(self.tilt_rad[which])
        return Eyelid(lid.x, lid.y, tilt, (c0 + float(self.height[which]) * unit, c1, c2))


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Errors of one ring; all but `roll_rad` as shares of the iris radius.

    `shift` (2, 2) = (dx, dy) of the pupil and the limbus, `scale` (2,) their radii, `shape` (2, 2) their (cos, sin) of
    order 2. `stretch` and `straightened` as in the config.
    """

    roll_rad: float
    shift: Float
    scale: Float
    shape: Float
    lids: LidErrors | None = None
    stretch: float = 0.0
    straightened: bool = False

    def apply(self, segmentation: Segmentation) -> Segmentation:
        """The ring of `segmentation` with these errors on it; masks as they are."""
        unit = segmentation.limbus.mean_radius
        pupil, limbus = (
            _bend(edge, self.shift[i] * unit, float(self.scale[i] * unit), self.shape[i] * unit)
            for i, edge in enumerate((segmentation.pupil, segmentation.limbus))
        )
        return replace(segmentation, pupil=pupil, limbus=limbus)


def draw(rng: np.random.Generator, config: PerturbationConfig) -> Perturbation:
    """One random set of errors."""
    lids = LidErrors(
        height=config.lid_height * rng.standard_t(2, 2).clip(-8, 8),
        tilt_rad=np.deg2rad(config.lid_tilt_deg) * rng.standard_t(2, 2).clip(-8, 8),
        missing=rng.random(2) < config.lid_missing,
    )
    # Nothing is drawn for what is not wanted, so older configs give the batches that they gave.
    stretch = float(config.stretch * rng.uniform(-1, 1)) if config.stretch else 0.0
    straightened = bool(config.straightened and rng.random() < config.straightened)
    if rng.random() < config.stress:
        return Perturbation(
            roll_rad=float(np.deg2rad(config.large_roll_deg) * rng.uniform(-1, 1)),
            shift=config.large_shift * rng.uniform(-1, 1, (2, 2)),
            scale=config.large_radius * rng.uniform(-1, 1, 2),
            shape=config.large_shape * rng.uniform(-1, 1, (2, 2)),
            lids=lids,
            stretch=stretch,
            straightened=straightened,
        )
    return Perturbation(
        roll_rad=float(np.deg2rad(config.small_roll_deg) * rng.normal()),
        shift=config.small_shift * rng.normal(size=(2, 2)),
        scale=config.small_radius * rng.normal(size=2),
        shape=config.small_shape * rng.normal(size=(2, 2)),
        lids=lids,
        stretch=stretch,
        straightened=straightened,
    )


NONE = Perturbation(0.0, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)))


def _bend(edge: Boundary, shift: Float, radius: float, shape: Float) -> Boundary:
    cosines, sines = (list(series) + [0.0] * (3 - len(series)) for series in (edge.cosines, edge.sines))
    cosines[0] += radius
    cosines[2] += float(shape[0])
    sines[2] += float(shape[1])
    return Boundary(edge.x + float(shift[0]), edge.y + float(shift[1]), tuple(cosines), tuple(sines))


def cut(image: Gray, ring: Segmentation, roll_rad: float, size: tuple[int, int], *, stretch: float = 0.0) -> Strip:
    """The strip of `size` (R, T) of `image` in the ring `ring`, beginning at the picture's angle `roll_rad`."""
    radius, angle = ring_grid(size)
    return sample_ring(image, ring, (stretched(radius, stretch), angle + roll_rad))


def stretched(radius: Float, stretch: float) -> Float:
    """The ring's radii r, 0..1, as r + k r (1 - r), k = `stretch`: both edges stay, and |k| < 1 keeps the order.

    The tissue of a pupil that opens does not move evenly along the radius (Wyatt 2000); see `irisstn.synthetic.eye`.
    """
    return radius + stretch * radius * (1 - radius)


Edges = tuple[Boundary, Boundary]  # pupil, limbus


def correction_parameters(truth: Edges, truth_roll_rad: float, used: Edges, used_roll_rad: float) -> Float:
    """The ring parameters (12,), named `TARGET_NAMES`, that find the true ring in a strip cut with a wrong one.

    `truth_roll_rad` is how far the eye is turned in the picture, `used_roll_rad` the angle at which the strip begins.
    """
    in_picture = strip_angles(_ANGLES) + used_roll_rad
    inner, outer = used[0].points(in_picture), used[1].points(in_picture)
    pupil = _coefficients(_crossing(inner, outer, truth[0], 0.0))
    limbus = _coefficients(_crossing(inner, outer, truth[1], 1.0) - 1)
    roll = (truth_roll_rad - used_roll_rad + np.pi) % (2 * np.pi) - np.pi
    return np.concatenate([[roll], pupil, limbus, [truth[0].mean_radius / truth[1].mean_radius]])


def _crossing(inner: Float, outer: Float, edge: Boundary, start: float) -> Float:
    """The share of the way from `inner` to `outer` (N, 2), which may lie outside 0..1, at which `edge` is crossed."""
    share = np.full(len(inner), start)
    for _ in range(3):  # a secant on the distance to the curve, along rays that are nearly radial
        gap = _beyond(inner + share[:, None] * (outer - inner), edge)
        ahead = _beyond(inner + (share[:, None] + 0.02) * (outer - inner), edge)
        share = share - 0.02 * gap / np.maximum(ahead - gap, 1e-6)
    return share


def _beyond(points: Float, edge: Boundary) -> Float:
    x, y = points[:, 0] - edge.x, points[:, 1] - edge.y
    return np.asarray(np.hypot(x, y) - edge.radius(np.arctan2(y, x)))


def _coefficients(values: Float) -> Float:
    """Fourier coefficients (0, cos1, sin1, cos2, sin2) of `values` (N,) at the angles of a strip's N columns."""
    angles = strip_angles(len(values))
    terms = [np.full(len(values), 0.5)] + [f(k * angles) for k in range(1, ORDER + 1) for f in (np.cos, np.sin)]
    return 2 * np.stack(terms) @ values / len(values)
