"""The ring transform: roll, dilation and corrected boundaries of a normalised iris.

Convention
----------
The parameters describe the true ring in the coordinates of the given strip. The two boundaries, in units of the ring's
width, are Fourier series up to order 2 of the strip's angle a,

    p(a) = pupil_0 + pupil_cos1 cos a + pupil_sin1 sin a + pupil_cos2 cos 2a + pupil_sin2 sin 2a
    l(a) = limbus_0 + ...

so that the true pupil lies at the radius p(a) of the strip, the true limbus at 1 + l(a). Where the boundaries keep
their centres, the cell of the rectified strip at (radius r, angle t) is sampled at

    angle_in  = t + roll_rad                              radius_in = p + (1 + l - p) f(r)
    f(r) = r + dilation r (1 - r)

The first order of a boundary is a shift of its centre, and angles are counted around the centre: the point of the
boundary at the angle t' = t + roll_rad lies in the strip at the angle

    t' + atan2(sin1 cos t' - cos1 sin t', radius_0 + cos1 cos t' + sin1 sin t')

and a cell lies on the straight line between the points of the two boundaries, as in the rubber sheet [1]_. Without
this, centres that are off by up to 4 % of the iris radius cause errors of the angle of 1.7 degrees (rms), with it less
than 0.1. `radius_0` is the mean radius of the boundary in ring widths. It follows from `pupil_share`, the pupil's
radius as a fraction of the limbus's, which cannot be derived from a strip alone but is known from a segmentation.

At the identity every cell is sampled at its own position, so that the composition with the rubber sheet is the rubber
sheet itself. f is monotone for |dilation| < 1, and continues outside 0..1 with the slope 1. Its shape follows the
non-linear stretch of the tissue, which is largest next to a dilating pupil (compare [2]_).

References
----------
.. [1] Daugman 2004, "How iris recognition works", eq. 8-10.
.. [2] Wyatt 2000, "A 'minimum-wear-and-tear' meshwork for the iris".
"""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.geometry import grid_to_ring, ring_to_grid
from irisstn.stn.transform import Transform

NAMES = (
    "roll_rad",
    "dilation",
    *(f"{boundary}_{term}" for boundary in ("pupil", "limbus") for term in ("0", "cos1", "sin1", "cos2", "sin2")),
    "pupil_share",
)
_PUPIL_SHARE = 0.45, 0.25  # centre and bound: from 0.2, a pupil in bright light, to 0.7, one in the dark
_NODES = 32  # angles at which boundaries are composed
_EPSILON = 1e-12  # keeps the square root of a zero amplitude differentiable
_MIN_RADIUS = 0.05  # of a boundary, in ring widths


class Ring(Transform):
    """Roll, dilation, five Fourier coefficients of either boundary, and `pupil_share`: the 13 parameters of `NAMES`.

    A (cos, sin) pair is bounded by its amplitude, so that the bound is the same in every direction.

    Parameters
    ----------
    max_roll_rad : float
        Bound of the roll.
    max_dilation : float
        Bound of the dilation, between 0 and 1.
    max_shift : float
        Bound of the mean and of the first order (the centre) of either boundary, in ring widths.
    max_oval : float
        Bound of the second order of either boundary, in ring widths.
    full_circle : bool
        Whether the roll is any angle, periodic and without a bound.

    Raises
    ------
    ValueError
        For bounds with which the dilation would not be monotone, or the boundaries could cross.
    """

    def __init__(
        self,
        *,
        max_roll_rad: float = torch.pi / 6,
        max_dilation: float = 0.6,
        max_shift: float = 0.2,
        max_oval: float = 0.08,
        full_circle: bool = False,
    ) -> None:
        if not 0 < max_dilation < 1:
            raise ValueError(f"the dilation curve is monotone for bounds between 0 and 1, got {max_dilation}")
        if not 2 * (2 * max_shift + max_oval) < 1:
            raise ValueError(f"boundaries that move by {max_shift} and {max_oval} ring widths could cross")
        boundary = (max_shift, max_shift, max_shift, max_oval, max_oval)
        limits = (max_roll_rad, max_dilation, *boundary, *boundary, _PUPIL_SHARE[1])
        super().__init__(NAMES, (*[0.0] * 12, _PUPIL_SHARE[0]), limits)
        self._limits = torch.tensor(limits, dtype=torch.float64)
        self.full_circle = full_circle

    @property
    def limits(self) -> Tensor:
        """Bounds (13,) float64 of the distance from the identity; with `full_circle` the roll has no bound."""
        return self._limits.clone()

    def physical(self, theta: Tensor) -> Tensor:
        """Bounded parameters (B, 13) of `theta` (B, 13), see `Transform.physical`."""
        theta = self._checked(theta)
        identity = self._identity.to(theta)
        amplitude = _amplitudes(theta - identity) / self._limits.to(theta)
        bounded = identity + (theta - identity) * (torch.tanh(amplitude) / amplitude)
        return torch.cat([theta[:, :1], bounded[:, 1:]], dim=1) if self.full_circle else bounded

    def theta_of(self, physical: Tensor) -> Tensor:
        """Theta (B, 13) of parameters (B, 13), see `Transform.theta_of`."""
        physical = self._checked(physical)
        identity = self._identity.to(physical)
        amplitude = _amplitudes(physical - identity) / self._limits.to(physical)
        theta = identity + (physical - identity) * (torch.atanh(amplitude.clamp(max=0.999)) / amplitude)
        return torch.cat([physical[:, :1], theta[:, 1:]], dim=1) if self.full_circle else theta

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """Bounded parameters of `theta` (B, 13) by name, each (B,); the roll is between -pi and pi."""
        named = super().parameters_by_name(theta)
        return named | {"roll_rad": torch.remainder(named["roll_rad"] + torch.pi, 2 * torch.pi) - torch.pi}

    def with_pupil_share(self, theta: Tensor, pupil_share: Tensor) -> Tensor:
        """Replace `pupil_share`, which is not estimated but known.

        Parameters
        ----------
        theta : Tensor, shape (B, 13)
            Network outputs.
        pupil_share : Tensor, shape (B,)
            Radius of the pupil as a fraction of that of the limbus; clamped to 0.2..0.7.

        Returns
        -------
        Tensor, shape (B, 13)
            Theta with that parameter.
        """
        known = torch.cat([self.physical(theta)[:, :-1], pupil_share.to(theta)[:, None]], dim=1)
        return torch.cat([theta[:, :-1], self.theta_of(known)[:, -1:].to(theta)], dim=1)

    def turned(self, theta: Tensor, roll_rad: Tensor) -> Tensor:
        """Add a roll.

        Parameters
        ----------
        theta : Tensor, shape (B, 13)
            Network outputs.
        roll_rad : Tensor, shape (B, 1)
            The roll in radians; beyond the bound it is clamped.

        Returns
        -------
        Tensor, shape (B, 13)
            Theta whose roll is exactly `roll_rad` where that of `theta` was 0.
        """
        roll = roll_rad.to(theta)
        if not self.full_circle:
            limit = self._limits[0].to(theta)
            roll = limit * torch.atanh((roll / limit).clamp(-0.999, 0.999))
        return torch.cat([theta[:, :1] + roll, theta[:, 1:]], dim=1)

    def ring(self, theta: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Ring coordinates at which the cells of a strip are sampled.

        Parameters
        ----------
        theta : Tensor, shape (B, 13)
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
        steps = torch.arange(columns, device=theta.device, dtype=torch.float64)
        angle = (2 * torch.pi * (steps + 0.5) / columns).to(parameters)[None, None, :]
        radius = ((torch.arange(rows, device=theta.device, dtype=torch.float64) + 0.5) / rows).to(parameters)
        return _move(parameters, radius[None, :, None], angle)

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Input positions (B, N, 2) of the output's `points` (B or 1, N, 2), see `Transform.move`; x is periodic."""
        radius, angle = _move(self.physical(theta), *grid_to_ring(points[..., 0], points[..., 1]))
        return torch.stack(ring_to_grid(radius, angle), dim=-1)

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Sampling grid (B, R, T, 2) of `theta` (B, 13) for a strip of `size` (R, T), see `Transform.forward`."""
        radius, angle = self.ring(theta, size)  # faster than `move`, because the boundaries depend on the column alone
        return torch.stack(ring_to_grid(radius, angle), dim=-1)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Theta (B, 13) of outer(inner(point)), see `Transform.compose`.

        Exact where `inner` is only a roll; otherwise the boundaries are fitted up to order 2 and the dilation to the
        middle of the ring. `pupil_share` is that of the input, so of `outer`.
        """
        first, second = self.physical(inner), self.physical(outer)
        roll = first[:, :1] + second[:, :1]
        start = _nodes(first) - roll
        reached = []
        for level in (0.0, 0.5, 1.0):
            middle = _move(first, torch.full_like(start, level), start)
            reached.append(_move(second, *middle))
        (low, low_angle), _, (high, high_angle) = reached
        total_roll = roll + (high_angle - _nodes(first)).mean(dim=1, keepdim=True)
        pupil_radius = second[:, -1:] / (1 - second[:, -1:])  # in ring widths
        inner, half, outer = ((pupil_radius + radius)[..., None] * _direction(angle) for radius, angle in reached)
        line = outer - inner
        fraction = ((half - inner) * line).sum(dim=-1) / line.square().sum(dim=-1)  # of the way between the boundaries
        dilation = 4 * (fraction - 0.5).mean(dim=1, keepdim=True)
        boundaries = [_series(low, low_angle), _series(high - 1, high_angle)]
        return self.theta_of(torch.cat([total_roll, dilation, *boundaries, second[:, -1:]], dim=1))


def _move(parameters: Tensor, radius: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Radius and angle in the input of the output's `radius` and `angle`, each broadcast to (B, ...)."""
    columns = [column.reshape(-1, *[1] * (angle.ndim - 1)) for column in parameters.unbind(dim=1)]
    roll, dilation, pupil, limbus, pupil_share = columns[0], columns[1], columns[2:7], columns[7:12], columns[12]
    turned = angle + roll
    pupil_radius = pupil_share / (1 - pupil_share)  # in ring widths
    low, low_angle = _boundary(pupil, pupil_radius, turned)
    beyond, high_angle = _boundary(limbus, pupil_radius + 1, turned)
    high = 1 + beyond
    inside = radius.clamp(0, 1)
    fraction = radius + dilation * inside * (1 - inside)  # of the way from the pupil's point to the limbus's
    # The straight line between two points at the distances `near` and `far` from the centre, whose angles differ by
    # `apart`: a linear interpolation plus a correction that is exactly 0 for points at the same angle.
    near, far = (pupil_radius + low).clamp(min=_MIN_RADIUS), (pupil_radius + high).clamp(min=_MIN_RADIUS)
    apart = high_angle - low_angle
    ahead = fraction.clamp(min=0)  # continued through the centre of the pupil, the line would reverse its angle
    length = (1 - ahead) * near + ahead * far
    sagitta = 4 * ahead * (1 - ahead) * near * far * torch.sin(apart / 2).square()
    shorter = sagitta / (length + torch.sqrt((length.square() - sagitta).clamp(min=_EPSILON)))
    turn = torch.atan2(ahead * far * torch.sin(apart), (1 - ahead) * near + ahead * far * torch.cos(apart))
    return low + (high - low) * fraction - shorter, low_angle + turn


def _boundary(series: list[Tensor], mean_radius: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of the true boundary beyond the strip's, in ring widths, and the angle of the strip at which it lies.

    `angle` is counted around the centre of the true boundary; `mean_radius` is that of the strip's boundary in ring
    widths.
    """
    cosine, sine = torch.cos(angle), torch.sin(angle)
    outward = (mean_radius + series[0] + series[1] * cosine + series[2] * sine).clamp(min=_MIN_RADIUS)
    angle = angle + torch.atan2(series[2] * cosine - series[1] * sine, outward)
    first = series[1] * torch.cos(angle) + series[2] * torch.sin(angle)
    return series[0] + first + series[3] * torch.cos(2 * angle) + series[4] * torch.sin(2 * angle), angle


def _direction(angle: Tensor) -> Tensor:
    """Unit vectors (..., 2) at `angle` (...)."""
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def _nodes(like: Tensor) -> Tensor:
    """Evenly spaced angles (1, 32) around the circle, with the device and dtype of `like`."""
    return (torch.arange(_NODES, device=like.device, dtype=like.dtype) * (2 * torch.pi / _NODES))[None, :]


def _series(values: Tensor, angle: Tensor) -> Tensor:
    """Fourier coefficients (B, 5) up to order 2 of `values` (B, 32) at unevenly spaced `angle` (B, 32) of one turn.

    The integral over the angle is a sum over the nodes, which is spectrally accurate for smooth periodic functions. The
    derivative of the angle by the node is the spectral one (Trefethen 2000, "Spectral Methods in MATLAB", eq. 3.10).
    """
    nodes = _nodes(values)
    between = nodes.T - nodes
    signs = torch.cos(between * (_NODES / 2))  # (-1)^(j - k)
    slope = torch.where(between == 0, 0, signs / (2 * torch.tan(between / 2 + (between == 0))))
    weight = (1 + (slope * (angle - nodes)[:, None, :]).sum(dim=2)) / _NODES
    terms = [(values * weight).sum(dim=1)]
    for order in (1, 2):
        terms += [2 * (values * weight * wave(order * angle)).sum(dim=1) for wave in (torch.cos, torch.sin)]
    return torch.stack(terms, dim=1)


def _amplitudes(offset: Tensor) -> Tensor:
    """Absolute value (B, 13) of each offset, or the amplitude of the (cos, sin) pair that it belongs to."""
    # A bound, not a sum: the ONNX exporter drops the addition of so small a number.
    square = offset.square().clamp(min=_EPSILON)
    pairs = square[:, [3, 5, 8, 10]] + square[:, [4, 6, 9, 11]]
    pupil, limbus = pairs[:, [0, 0, 1, 1]], pairs[:, [2, 2, 3, 3]]
    return torch.cat([square[:, :3], pupil, square[:, 7:8], limbus, square[:, 12:]], dim=1).sqrt()
