"""The ring transform: roll, dilation and corrected boundaries of a normalized iris.

Convention
----------
The parameters say where the true ring lies in the strip that was given. Two boundaries, in units of the ring's width,
are Fourier series up to order 2 of the strip's own angle a,

    p(a) = pupil_0 + pupil_cos1 cos a + pupil_sin1 sin a + pupil_cos2 cos 2a + pupil_sin2 sin 2a
    l(a) = limbus_0 + ...

so that the true pupil lies at the radius p(a) of the strip, the true limbus at 1 + l(a). The cell of the rectified
strip at (radius r, angle t) is sampled at the angle and radius

    angle_in  = t + roll_rad                              radius_in = p + (1 + l - p) f(r)
    f(r) = r + dilation r (1 - r)

as long as the boundaries keep their centre. The first order of a boundary is a shift of its centre, and angles are
counted around the centre: its point at the angle t' = t + roll_rad then lies at

    t' + atan2(sin1 cos t' - cos1 sin t', radius_0 + cos1 cos t' + sin1 sin t')

in the strip, and a cell lies on the straight line between the two boundaries' points, as in the rubber sheet (Daugman
2004, eq. 8-10). Without this, centres that are off by up to 4 % of the iris radius leave angles wrong by 1.7 degrees
(rms), with it by less than 0.1. `radius_0`, the boundary's mean radius in ring widths, follows from `pupil_share`,
the pupil's radius as a share of the limbus's: a strip does not tell it, but a segmentation does.

At the identity every cell is sampled where it lies, so that the composition with the rubber sheet is the rubber sheet
itself. f is monotone for |dilation| < 1, and goes on outside 0..1 with slope 1. Its shape follows the non-linear
stretch of the tissue, which a dilating pupil pushes most near itself (compare Wyatt 2000, "A minimum-wear-and-tear
meshwork for the iris").
"""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.stn.transform import Transform

NAMES = (
    "roll_rad",
    "dilation",
    *(f"{boundary}_{term}" for boundary in ("pupil", "limbus") for term in ("0", "cos1", "sin1", "cos2", "sin2")),
    "pupil_share",
)
_PUPIL_SHARE = 0.45, 0.25  # middle and bound: from 0.2, a pupil in full light, to 0.7, one in the dark
_NODES = 32  # angles at which boundaries are composed
_TINY = 1e-12  # keeps the square root of a zero amplitude differentiable
_LEAST = 0.05  # ring widths: a boundary's radius is held above it


class Ring(Transform):
    """Thirteen parameters, `NAMES`: roll, dilation, five Fourier coefficients of either boundary, the pupil's share.

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
        """How far (13,) float64 each parameter may go from the identity; under `full_circle` the roll may go on."""
        return self._limits.clone()

    def physical(self, theta: Tensor) -> Tensor:
        """The bounded parameters (B, 13) of `theta` (B, 13), in the order of `names`."""
        theta = self._checked(theta)
        identity = self._identity.to(theta)
        amplitude = _amplitudes(theta - identity) / self._limits.to(theta)
        bounded = identity + (theta - identity) * (torch.tanh(amplitude) / amplitude)
        return torch.cat([theta[:, :1], bounded[:, 1:]], dim=1) if self.full_circle else bounded

    def theta_of(self, physical: Tensor) -> Tensor:
        """The inverse of `physical`; parameters at or beyond their bound come back just inside it."""
        physical = self._checked(physical)
        identity = self._identity.to(physical)
        amplitude = _amplitudes(physical - identity) / self._limits.to(physical)
        theta = identity + (physical - identity) * (torch.atanh(amplitude.clamp(max=0.999)) / amplitude)
        return torch.cat([physical[:, :1], theta[:, 1:]], dim=1) if self.full_circle else theta

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """The bounded parameters of `theta` (B, 13), each (B,), by name; the roll between -pi and pi."""
        named = super().parameters_by_name(theta)
        return named | {"roll_rad": torch.remainder(named["roll_rad"] + torch.pi, 2 * torch.pi) - torch.pi}

    def with_pupil_share(self, theta: Tensor, pupil_share: Tensor) -> Tensor:
        """`theta` (B, 13) with the pupil's share (B,) of the limbus's radius as it is known, held inside 0.2..0.7."""
        known = torch.cat([self.physical(theta)[:, :-1], pupil_share.to(theta)[:, None]], dim=1)
        return torch.cat([theta[:, :-1], self.theta_of(known)[:, -1:].to(theta)], dim=1)

    def turned(self, theta: Tensor, roll_rad: Tensor) -> Tensor:
        """`theta` (B, 13) with the roll (B, 1) put on top of its own; alone, it is `roll_rad` up to the bound."""
        roll = roll_rad.to(theta)
        if not self.full_circle:
            limit = self._limits[0].to(theta)
            roll = limit * torch.atanh((roll / limit).clamp(-0.999, 0.999))
        return torch.cat([theta[:, :1] + roll, theta[:, 1:]], dim=1)

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
        return _move(parameters, radius[None, :, None], angle)

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the output's `points` (B or 1, N, 2) lie in the input, (B, N, 2); x runs around the circle."""
        radius, angle = _move(self.physical(theta), (points[..., 1] + 1) / 2, torch.pi * (points[..., 0] + 1))
        return torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """The sampling grid (B, R, T, 2) of `theta` (B, 13) for a strip of `size` (R, T)."""
        radius, angle = self.ring(theta, size)  # faster than `move`: the boundaries depend on the column alone
        return torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The theta (B, 13) of outer(inner(point)).

        Exact where `inner` is a roll alone; otherwise the boundaries are fitted up to order 2 and the dilation to the
        middle of the ring. The pupil's share is that of the input, so of `outer`.
        """
        first, second = self.physical(inner), self.physical(outer)
        roll = first[:, :1] + second[:, :1]
        start = _nodes(first) - roll
        reached = []
        for level in (0.0, 0.5, 1.0):
            middle = _move(first, torch.full_like(start, level), start)
            reached.append(_move(second, *middle))
        (low, low_angle), _, (high, high_angle) = reached
        turned = roll + (high_angle - _nodes(first)).mean(dim=1, keepdim=True)
        hole = second[:, -1:] / (1 - second[:, -1:])  # the pupil's radius in ring widths
        inner, half, outer = ((hole + radius)[..., None] * _direction(angle) for radius, angle in reached)
        line = outer - inner
        part = ((half - inner) * line).sum(dim=-1) / line.square().sum(dim=-1)  # of the way between the boundaries
        dilation = 4 * (part - 0.5).mean(dim=1, keepdim=True)
        boundaries = [_series(low, low_angle), _series(high - 1, high_angle)]
        return self.theta_of(torch.cat([turned, dilation, *boundaries, second[:, -1:]], dim=1))


def _move(parameters: Tensor, radius: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Radius and angle in the input of the output's `radius` and `angle`, each broadcast to (B, ...)."""
    columns = [column.reshape(-1, *[1] * (angle.ndim - 1)) for column in parameters.unbind(dim=1)]
    roll, dilation, pupil, limbus, share = columns[0], columns[1], columns[2:7], columns[7:12], columns[12]
    turned = angle + roll
    hole = share / (1 - share)  # the pupil's radius in ring widths
    low, low_angle = _boundary(pupil, hole, turned)
    beyond, high_angle = _boundary(limbus, hole + 1, turned)
    high = 1 + beyond
    inside = radius.clamp(0, 1)
    part = radius + dilation * inside * (1 - inside)  # of the way from the pupil's point to the limbus's
    # The straight line between two points at the distances `near` and `far` from the centre, `apart` in angle. Written
    # as a correction of the straight line in polar form, so that it is exactly 0 for points at the same angle.
    near, far = (hole + low).clamp(min=_LEAST), (hole + high).clamp(min=_LEAST)
    apart = high_angle - low_angle
    ahead = part.clamp(min=0)  # inside the pupil the line's angle would turn round
    length = (1 - ahead) * near + ahead * far
    sagitta = 4 * ahead * (1 - ahead) * near * far * torch.sin(apart / 2).square()
    shorter = sagitta / (length + torch.sqrt((length.square() - sagitta).clamp(min=_TINY)))
    bend = torch.atan2(ahead * far * torch.sin(apart), (1 - ahead) * near + ahead * far * torch.cos(apart))
    return low + (high - low) * part - shorter, low_angle + bend


def _boundary(series: list[Tensor], mean_radius: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """How far beyond the strip's boundary a true one lies, and at which angle of the strip.

    `angle` counts around the true boundary's own centre; `mean_radius` is that of the strip's boundary. Both lengths
    are in ring widths.
    """
    cosine, sine = torch.cos(angle), torch.sin(angle)
    outward = (mean_radius + series[0] + series[1] * cosine + series[2] * sine).clamp(min=_LEAST)
    angle = angle + torch.atan2(series[2] * cosine - series[1] * sine, outward)
    first = series[1] * torch.cos(angle) + series[2] * torch.sin(angle)
    return series[0] + first + series[3] * torch.cos(2 * angle) + series[4] * torch.sin(2 * angle), angle


def _direction(angle: Tensor) -> Tensor:
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def _nodes(like: Tensor) -> Tensor:
    return (torch.arange(_NODES, device=like.device, dtype=like.dtype) * (2 * torch.pi / _NODES))[None, :]


def _series(values: Tensor, angle: Tensor) -> Tensor:
    """Fourier coefficients (B, 5) up to order 2 of `values` (B, 32) at `angle` (B, 32), which go round once unevenly.

    The integral over the angle, as a sum over the nodes: for smooth periodic functions as exact as any quadrature. The
    angle's change from node to node is taken by the spectral derivative (Trefethen 2000, eq. 3.10).
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
    """Each offset's absolute value, or that of the (cos, sin) pair it belongs to: (B, 13)."""
    square = offset.square() + _TINY
    pairs = square[:, [3, 5, 8, 10]] + square[:, [4, 6, 9, 11]]
    pupil, limbus = pairs[:, [0, 0, 1, 1]], pairs[:, [2, 2, 3, 3]]
    return torch.cat([square[:, :3], pupil, square[:, 7:8], limbus, square[:, 12:]], dim=1).sqrt()
