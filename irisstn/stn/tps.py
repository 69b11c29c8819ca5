"""The thin-plate spline: a smooth warp given by where a few control points go.

Source: Bookstein 1989, "Principal warps", eq. 3-5 and 14; as an STN: Jaderberg et al. 2015, section 3.2.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from irisstn.stn.transform import Transform


class ThinPlateSpline(Transform):
    """Control points on a `points` x `points` lattice over the output; theta holds their places in the input.

    Each coordinate moves by at most `bound` units (None: no limit). The first half of theta is x, row by row, the
    second y. A spline's composition is no spline: `compose` is exact at the control points and smooth between.
    """

    def __init__(self, points: int = 4, bound: float | None = 0.5) -> None:
        if points < 2:
            raise ValueError(f"a spline needs at least 2 x 2 control points, got {points}")
        side = torch.linspace(-1, 1, points, dtype=torch.float64)
        y, x = (axis.reshape(-1) for axis in torch.meshgrid(side, side, indexing="ij"))
        n = points * points
        names = [f"{axis}_{i}" for axis in "xy" for i in range(n)]
        super().__init__(names, torch.cat([x, y]).tolist(), bound)
        self._controls = torch.stack([x, y], dim=-1)
        plane = torch.cat([torch.ones(n, 1, dtype=torch.float64), self._controls], dim=1)
        system = torch.zeros(n + 3, n + 3, dtype=torch.float64)
        system[:n, :n] = _kernel(self._controls, self._controls)
        system[:n, n:] = plane
        system[n:, :n] = plane.T
        self._solver = torch.linalg.inv(system)[:, :n]  # coefficients (n + 3) from the n places

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the output's `points` (B or 1, N, 2) lie in the input, (B, N, 2)."""
        # The spline of the displacements: it is exactly 0 at the identity, and in every other case rounds less.
        shift = (self.physical(theta) - self._identity.to(self._checked(theta))).reshape(-1, 2, len(self._controls))
        controls = self._controls.to(shift)
        basis = torch.cat([_kernel(points, controls), torch.ones_like(points[..., :1]), points], dim=-1)
        kind = theta.device.type
        with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
            weights = basis @ self._solver.to(shift)  # (B or 1, N, n); this large product does not grow with the batch
            moved: Tensor = points + weights @ shift.transpose(1, 2)
        return moved

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The theta (B, n) of the spline through outer(inner(control point))."""
        controls = self._controls.to(self._checked(inner))[None]
        places = self.move(outer, self.move(inner, controls))
        return self.theta_of(places.transpose(1, 2).reshape(-1, self.n_params))


def _kernel(points: Tensor, controls: Tensor) -> Tensor:
    """U = r^2 log r^2 (..., N, n) between `points` (..., N, 2) and `controls` (n, 2)."""
    square = (points[..., :, None, :] - controls).square().sum(dim=-1)
    return torch.xlogy(square, square)
