"""The ring transform: roll, dilation and corrected boundaries of a normalized iris.

Convention
----------
A strip's cell at (radius, angle) is sampled at

    angle_in  = angle + roll_rad
    radius_in = p(angle_in) + (1 + l(angle_in) - p(angle_in)) f(radius)
    f(r)      = r + dilation r (1 - r)

where p and l, the corrections of the pupil's and the limbus's boundary, are Fourier series up to order 2

    p(a) = pupil_0 + pupil_cos1 cos a + pupil_sin1 sin a + pupil_cos2 cos 2a + pupil_sin2 sin 2a

in units of the ring's width. At the identity (all parameters 0) the cell is sampled where it lies, so that the
composition with the rubber sheet (Daugman 2004) is the rubber sheet itself. f is monotone for |dilation| < 1, and goes
on outside 0..1 with slope 1. Its shape follows the non-linear stretch of the tissue: a dilating pupil pushes the inner
iris further than the outer one (compare Wyatt 2000, "A minimum-wear-and-tear meshwork for the iris").
"""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.stn.transform import Transform

NAMES = (
    "roll_rad",
    "dilation",
    *(f"{boundary}_{term}" for boundary in ("pupil", "limbus") for term in ("0", "cos1", "sin1", "cos2", "sin2")),
)
_ORDER = 2
_NODES = 16  # angles at which boundaries are composed; products of order 2 stay far from its limit of 7
_TINY = 1e-12  # keeps the square root of a zero amplitude differentiable


class Ring(Transform):
    """Twelve parameters, `NAMES`: roll, dilation, and five Fourier coefficients for either boundary.

    Bounds: `max_roll_rad`; `max_dilation` < 1; `max_shift` for the mean and the first order (the centre) of either
    boundary and `max_oval` for the second, both in ring widths. A (cos, sin) pair is bounded by its amplitude, so the
    bound favours no direction. The bounds must leave the corrected ring a positive width everywhere.
    `full_circle` leaves the roll as it is: any angle, periodic.
    """

    def __init__(
        self,
        *,
        max_roll_rad: float = torch.pi / 6,
        max_dilation: float = 0.6,
        max_shift: float = 0.15,
        max_oval: float = 0.08,
        full_circle: bool = False,
    ) -> None:
        if not 0 < max_dilation < 1:
            raise ValueError(f"the dilation curve is monotone for bounds between 0 and 1, got {max_dilation}")
        if not 2 * (2 * max_shift + max_oval) < 1:
            raise ValueError(f"boundaries that move by {max_shift} and {max_oval} ring widths could cross")
        boundary = (max_shift, max_shift, max_shift, max_oval, max_oval)
        limits = (max_roll_rad, max_dilation, *boundary, *boundary)
        super().__init__(NAMES, (0.0,) * len(NAMES), limits)
        self._limits = torch.tensor(limits, dtype=torch.float64)
        self.full_circle = full_circle

    @property
    def limits(self) -> Tensor:
        """The bound (12,) float64 of each parameter; under `full_circle` the roll's is not applied."""
        return self._limits.clone()

    def physical(self, theta: Tensor) -> Tensor:
        """The bounded parameters (B, 12) of `theta` (B, 12), in the order of `names`."""
        theta = self._checked(theta)
        bound = self._limits.to(theta)
        amplitude = _amplitudes(theta) / bound
        bounded = theta * torch.tanh(amplitude) / amplitude
        return torch.cat([theta[:, :1], bounded[:, 1:]], dim=1) if self.full_circle else bounded

    def theta_of(self, physical: Tensor) -> Tensor:
        """The inverse of `physical`; parameters at or beyond their bound come back just inside it."""
        physical = self._checked(physical)
        bound = self._limits.to(physical)
        amplitude = _amplitudes(physical) / bound
        theta = physical * torch.atanh(amplitude.clamp(max=0.999)) / amplitude
        return torch.cat([physical[:, :1], theta[:, 1:]], dim=1) if self.full_circle else theta

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """The bounded parameters of `theta` (B, 12), each (B,), by name; the roll between -pi and pi."""
        named = super().parameters_by_name(theta)
        return named | {"roll_rad": torch.remainder(named["roll_rad"] + torch.pi, 2 * torch.pi) - torch.pi}

    def ring(self, theta: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where the cells of a strip of `size` (R, T) are sampled: radius and angle_rad, both (B, R, T).

        Radius 0 is the input's pupil boundary and 1 its limbus; the angle is not brought back into one turn.
        """
        parameters = self.physical(theta)
        rows, columns = size
        if rows < 1 or columns < 1:
            raise ValueError(f"a strip needs at least one row and one column, got {rows}x{columns}")
        # The same operations in the same order as in `irisstn.geometry`, so that the identity equals it to the bit.
        steps = torch.arange(columns, device=theta.device, dtype=torch.float64)
        angle = (2 * torch.pi * (steps + 0.5) / columns).to(parameters)[None, None, :]
        radius = ((torch.arange(rows, device=theta.device, dtype=torch.float64) + 0.5) / rows).to(parameters)
        moved = _move(parameters, radius[None, :, None], angle)
        return moved[0], moved[1].expand_as(moved[0])

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the output's `points` (B or 1, N, 2) lie in the input, (B, N, 2); x runs around the circle."""
        radius, angle = _move(self.physical(theta), (points[..., 1] + 1) / 2, torch.pi * (points[..., 0] + 1))
        return torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """The sampling grid (B, R, T, 2) of `theta` (B, 12) for a strip of `size` (R, T)."""
        radius, angle = self.ring(theta, size)  # faster than `move`: the boundaries depend on the column alone
        return torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The theta (B, 12) of outer(inner(point)).

        The roll is exact. The boundaries are exact up to the terms above order 2 that arise; the dilation is fitted to
        the middle of the ring. All are exact where either side is a roll alone.
        """
        first, second = self.physical(inner), self.physical(outer)
        roll = first[:, :1] + second[:, :1]
        start = _nodes(first) - roll[:, :, None]  # the output's angles that arrive at the nodes
        middle = [_move(second, *_move(first, radius, start))[0] for radius in _levels(first)]
        return self._fit(roll, middle)

    def inverse(self, theta: Tensor) -> Tensor:
        """The theta (B, 12) that undoes `theta`, as exact as `compose`."""
        parameters = self.physical(theta)
        arrived = _nodes(parameters) + parameters[:, :1, None]
        middle = [_undo(parameters, radius, arrived) for radius in _levels(parameters)]
        return self._fit(-parameters[:, :1], middle)

    def _fit(self, roll: Tensor, middle: list[Tensor]) -> Tensor:
        """The theta that sends radius 0, 1/2 and 1 to the three radii `middle` (B, 1, 16) at the nodes."""
        inner, half, outer = (radius[:, 0] for radius in middle)
        dilation = 4 * ((half - inner) / (outer - inner) - 0.5).mean(dim=1, keepdim=True)
        return self.theta_of(torch.cat([roll, dilation, _series(inner), _series(outer - 1)], dim=1))


def _move(parameters: Tensor, radius: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Radius and angle in the input of the output's `radius` and `angle`, broadcast as (B, ...)."""
    roll, dilation, pupil, limbus = _parts(parameters, angle.ndim)
    angle = angle + roll
    low, high = _evaluate(pupil, angle), _evaluate(limbus, angle)
    inside = radius.clamp(0, 1)
    return low + (1 + high - low) * (radius + dilation * inside * (1 - inside)), angle


def _undo(parameters: Tensor, radius: Tensor, angle: Tensor) -> Tensor:
    """The output's radius that `_move` sends to `radius` at the input's `angle`."""
    _, dilation, pupil, limbus = _parts(parameters, angle.ndim)
    low, high = _evaluate(pupil, angle), _evaluate(limbus, angle)
    share = (radius - low) / (1 + high - low)
    inside = share.clamp(0, 1)
    slope = 1 + dilation
    return share - inside + 2 * inside / (slope + torch.sqrt(slope.square() - 4 * dilation * inside))


def _parts(parameters: Tensor, ndim: int) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    columns = [column.reshape(-1, *[1] * (ndim - 1)) for column in parameters.unbind(dim=1)]
    return columns[0], columns[1], columns[2:7], columns[7:]


def _evaluate(series: list[Tensor], angle: Tensor) -> Tensor:
    first = series[1] * torch.cos(angle) + series[2] * torch.sin(angle)
    return series[0] + first + series[3] * torch.cos(2 * angle) + series[4] * torch.sin(2 * angle)


def _nodes(like: Tensor) -> Tensor:
    return (torch.arange(_NODES, device=like.device, dtype=like.dtype) * (2 * torch.pi / _NODES))[None, None, :]


def _levels(like: Tensor) -> list[Tensor]:
    return [torch.full((1, 1, 1), level, device=like.device, dtype=like.dtype) for level in (0.0, 0.5, 1.0)]


def _series(values: Tensor) -> Tensor:
    """Fourier coefficients (B, 5) up to order 2 of `values` (B, 16) at the nodes."""
    angle = _nodes(values)[0]
    terms = [values.mean(dim=1)]
    for order in range(1, _ORDER + 1):
        terms += [2 * (values * wave(order * angle)).mean(dim=1) for wave in (torch.cos, torch.sin)]
    return torch.stack(terms, dim=1)


def _amplitudes(parameters: Tensor) -> Tensor:
    """Each parameter's absolute value, or that of the (cos, sin) pair it belongs to: (B, 12)."""
    square = parameters.square() + _TINY
    pairs = square[:, [3, 5, 8, 10]] + square[:, [4, 6, 9, 11]]
    first = square[:, [0, 1, 2]]
    pupil, limbus = pairs[:, [0, 0, 1, 1]], pairs[:, [2, 2, 3, 3]]
    return torch.cat([first, pupil, square[:, 7:8], limbus], dim=1).sqrt()
