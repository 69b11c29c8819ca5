"""The ring transform: roll and corrected boundaries of a normalised iris.

Convention
----------
The parameters describe the true ring in the coordinates of the given strip. The two boundaries, in units of the ring's
width, are Fourier series up to order 2 of the strip's angle a,

    p(a) = pupil_0 + pupil_cos1 cos a + pupil_sin1 sin a + pupil_cos2 cos 2a + pupil_sin2 sin 2a
    l(a) = limbus_0 + ...

so that the true pupil lies at the radius p(a) of the strip, the true limbus at 1 + l(a). Where the boundaries keep
their centres, the cell of the rectified strip at (radius r, angle t) is sampled at

    angle_in  = t + roll_rad                              radius_in = p + (1 + l - p) r

The first order of a boundary is a shift of its centre, and angles are counted around the centre: the point of the
boundary at the angle t' = t + roll_rad lies in the strip at the angle

    t' + atan2(sin1 cos t' - cos1 sin t', radius_0 + cos1 cos t' + sin1 sin t')

and a cell lies on the straight line between the points of the two boundaries, as in the rubber sheet [1]_. Without
this, centres that are off by up to 4 % of the iris radius cause errors of the angle of 1.7 degrees (rms), with it less
than 0.1. `radius_0` is the mean radius of the boundary in ring widths. It follows from `pupil_share`, the pupil's
radius as a fraction of the limbus's, which cannot be derived from a strip alone but is known from a segmentation.

At the identity every cell is sampled at its own position, so that the composition with the rubber sheet is the rubber
sheet itself. Between the boundaries the tissue is stretched linearly, as in the rubber sheet. A non-linear stretch by
the pupil's dilation (compare [2]_) did not help mated captures: see `benchmarks/dilation.py`.

The formulas themselves stand in `irisstn.geometry.ring_transform`.

References
----------
.. [1] Daugman 2004, "How iris recognition works", eq. 8-10.
.. [2] Wyatt 2000, "A 'minimum-wear-and-tear' meshwork for the iris".
"""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.geometry import grid_to_ring, ring_to_grid
from irisstn.geometry.radial_interpolation import NODES, radial_interpolation
from irisstn.geometry.ring_transform import (
    NAMES,
    NEAR_ONE,
    PUPIL_SHARE,
    amplitudes,
    boundaries_are_moved,
    compose_rings,
    move_in_ring,
    ring_identity,
    ring_limits,
)
from irisstn.stn.guards import is_eager_inference
from irisstn.stn.transform import Transform

_MOST_APART = 1e-6  # error in grid units at the checked radius, from which on all cells are computed


class Ring(Transform):
    """Roll, five Fourier coefficients of either boundary, and `pupil_share`: 12 parameters.

    A (cos, sin) pair is bounded by its amplitude, so that the bound is the same in every direction.

    Parameters
    ----------
    max_roll_rad : float
        Bound of the roll.
    max_shift : float
        Bound of the mean and of the first order (the centre) of either boundary, in ring widths.
    max_oval : float
        Bound of the second order of either boundary, in ring widths.
    full_circle : bool
        Whether the roll is any angle, periodic and without a bound.

    Raises
    ------
    ValueError
        For bounds with which the boundaries could cross.
    """

    def __init__(
        self,
        *,
        max_roll_rad: float = torch.pi / 6,
        max_shift: float = 0.2,
        max_oval: float = 0.08,
        full_circle: bool = False,
    ) -> None:
        if not 2 * (2 * max_shift + max_oval) < 1:
            raise ValueError(f"boundaries that move by {max_shift} and {max_oval} ring widths could cross")
        limits = ring_limits(max_roll_rad=max_roll_rad, max_shift=max_shift, max_oval=max_oval)
        super().__init__(NAMES, ring_identity(), limits)
        self._limits = torch.tensor(limits, dtype=torch.float64)
        self.full_circle = full_circle

    @property
    def limits(self) -> Tensor:
        """Bounds (12,) float64 of the distance from the identity; with `full_circle` the roll has no bound."""
        return self._limits.clone()

    def physical(self, theta: Tensor) -> Tensor:
        """Bounded parameters (B, 12) of `theta` (B, 12), see `Transform.physical`."""
        theta = self._checked(theta)
        identity = self._identity.to(theta)
        amplitude = amplitudes(torch, theta - identity) / self._limits.to(theta)
        bounded = identity + (theta - identity) * (torch.tanh(amplitude) / amplitude)
        return torch.cat([theta[:, :1], bounded[:, 1:]], dim=1) if self.full_circle else bounded

    def theta_of(self, physical: Tensor) -> Tensor:
        """Theta (B, 12) of parameters (B, 12), see `Transform.theta_of`."""
        physical = self._checked(physical)
        identity = self._identity.to(physical)
        amplitude = amplitudes(torch, physical - identity) / self._limits.to(physical)
        theta = identity + (physical - identity) * (torch.atanh(amplitude.clamp(max=NEAR_ONE)) / amplitude)
        return torch.cat([physical[:, :1], theta[:, 1:]], dim=1) if self.full_circle else theta

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """Bounded parameters of `theta` (B, 12) by name, each (B,); the roll is between -pi and pi."""
        named = super().parameters_by_name(theta)
        return named | {"roll_rad": torch.remainder(named["roll_rad"] + torch.pi, 2 * torch.pi) - torch.pi}

    def with_pupil_share(self, theta: Tensor, pupil_share: Tensor) -> Tensor:
        """Replace `pupil_share`, which is not estimated but known.

        Parameters
        ----------
        theta : Tensor, shape (B, 12)
            Network outputs.
        pupil_share : Tensor, shape (B,)
            Radius of the pupil as a fraction of that of the limbus; clamped to 0.2..0.7.

        Returns
        -------
        Tensor, shape (B, 12)
            Theta with that parameter.
        """
        middle, bound = PUPIL_SHARE
        share = (pupil_share.to(theta)[:, None] - middle) / bound
        return torch.cat([theta[:, :-1], middle + bound * torch.atanh(share.clamp(-NEAR_ONE, NEAR_ONE))], dim=1)

    def turned(self, theta: Tensor, roll_rad: Tensor) -> Tensor:
        """Add a roll.

        Parameters
        ----------
        theta : Tensor, shape (B, 12)
            Network outputs.
        roll_rad : Tensor, shape (B, 1)
            The roll in radians; beyond the bound it is clamped.

        Returns
        -------
        Tensor, shape (B, 12)
            Theta whose roll is exactly `roll_rad` where that of `theta` was 0.
        """
        roll = roll_rad.to(theta)
        if not self.full_circle:
            limit = self._limits[0].to(theta)
            roll = limit * torch.atanh((roll / limit).clamp(-NEAR_ONE, NEAR_ONE))
        return torch.cat([theta[:, :1] + roll, theta[:, 1:]], dim=1)

    def ring(self, theta: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Ring coordinates at which the cells of a strip are sampled.

        Parameters
        ----------
        theta : Tensor, shape (B, 12)
            Network outputs.
        size : tuple of int
            (R, T) of the strip.

        Returns
        -------
        radius, angle_rad : Tensor, shape (B, R, T)
            Ring coordinates of the input; the angle is not reduced to one turn.

        Raises
        ------
        ValueError
            For a size that is not positive.
        """
        parameters = self.physical(theta)
        rows, columns = size
        if rows < 1 or columns < 1:
            raise ValueError(f"a strip needs at least one row and one column, got {rows}x{columns}")
        # The operations and their order are those of `irisstn.geometry`, so that the identity is equal to the bit.
        radius = ((torch.arange(rows, device=theta.device, dtype=torch.float64) + 0.5) / rows).to(parameters)
        return move_in_ring(torch, parameters, radius[None, :, None], _angles(columns, parameters))

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Input positions (B, N, 2) of the output's `points` (B or 1, N, 2), see `Transform.move`; x is periodic."""
        radius, angle = move_in_ring(torch, self.physical(theta), *grid_to_ring(points[..., 0], points[..., 1]))
        return torch.stack(ring_to_grid(radius, angle), dim=-1)

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Sampling grid (B, R, T, 2) of `theta` (B, 12) for a strip of `size` (R, T), see `Transform.forward`."""
        if (grid := self._interpolated_grid(theta, size)) is not None:
            return grid
        radius, angle = self.ring(theta, size)  # faster than `move`, because the boundaries depend on the column alone
        return torch.stack(ring_to_grid(radius, angle), dim=-1)

    def _interpolated_grid(self, theta: Tensor, size: tuple[int, int]) -> Tensor | None:
        """`forward` for inference on a CPU, computed at a few radii and interpolated: a quarter of the time.

        The errors are those of float32, or at most `_MOST_APART` at the checked radius. All cells are computed for the
        rings of a batch that are moved too far for that, or not at all, so that the identity is exact; None where that
        are all of them, and where gradients or graphs are wanted.
        """
        rows, columns = size
        if not is_eager_inference(theta) or theta.dtype == torch.float64 or rows <= 2 * NODES or columns < 1:
            return None
        nodes, matrix = (torch.tensor(array, dtype=torch.float32) for array in radial_interpolation(rows))
        parameters = self.physical(theta)
        ring = move_in_ring(torch, parameters, nodes[None, :, None], _angles(columns, parameters))
        at_nodes = torch.stack(ring_to_grid(*ring), dim=-1).flatten(2)  # (B, NODES + 1, 2 T)
        checked = (matrix[rows:] @ at_nodes[:, :NODES])[:, 0]
        apart = (checked - at_nodes[:, NODES]).abs().amax(1)
        kept = boundaries_are_moved(parameters) & (apart <= _MOST_APART)
        if not bool(kept.any()):
            return None
        grid = (matrix[:rows] @ at_nodes[:, :NODES]).reshape(-1, rows, columns, 2)
        if not bool(kept.all()):
            radius, angle = self.ring(theta[~kept], size)
            grid[~kept] = torch.stack(ring_to_grid(radius, angle), dim=-1)
        return grid

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Theta (B, 12) of outer(inner(point)), see `Transform.compose`.

        Exact where `inner` is only a roll; otherwise the boundaries are fitted up to order 2. `pupil_share` is that of
        the input, so of `outer`.
        """
        return self.theta_of(compose_rings(torch, self.physical(outer), self.physical(inner)))


def _angles(columns: int, like: Tensor) -> Tensor:
    """Angles (1, 1, T) of the columns of a strip, with the device and dtype of `like`."""
    steps = torch.arange(columns, device=like.device, dtype=torch.float64)
    return (2 * torch.pi * (steps + 0.5) / columns).to(like)[None, None, :]
