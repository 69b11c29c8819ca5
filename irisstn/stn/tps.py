"""The thin-plate spline: a smooth warp that is given by the positions of a few control points.

References
----------
.. [1] Bookstein 1989, "Principal warps: thin-plate splines and the decomposition of deformations", eq. 3-5 and 14.
.. [2] Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from irisstn.stn.transform import Transform


class ThinPlateSpline(Transform):
    """A spline with control points on a lattice over the output; theta holds their positions in the input.

    The first half of theta is x, row by row, the second y. The composition of two splines is not a spline: `compose`
    is exact at the control points and smooth between them.

    Parameters
    ----------
    points : int
        Control points along each side, at least 2.
    bound : float or None
        Limit of the displacement of each coordinate in grid units.

    Raises
    ------
    ValueError
        For fewer than 2 x 2 control points.
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
        self._solver = torch.linalg.inv(system)[:, :n]  # maps the positions of n control points to n + 3 coefficients

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Input positions (B, N, 2) of the output's `points` (B or 1, N, 2), see `Transform.move`."""
        # The spline of the displacements, which is exactly 0 at the identity and has smaller rounding errors.
        shift = (self.physical(theta) - self._identity.to(self._checked(theta))).reshape(-1, 2, len(self._controls))
        controls = self._controls.to(shift)
        basis = torch.cat([_kernel(points, controls), torch.ones_like(points[..., :1]), points], dim=-1)
        kind = theta.device.type
        with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
            weights = basis @ self._solver.to(
                shift
            )  # (B or 1, N, n): the size of this large product does not depend on the batch
            moved: Tensor = points + weights @ shift.transpose(1, 2)
        return moved

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Theta (B, n) of the spline through outer(inner(control point)), see `Transform.compose`."""
        controls = self._controls.to(self._checked(inner))[None]
        positions = self.move(outer, self.move(inner, controls))
        return self.theta_of(positions.transpose(1, 2).reshape(-1, self.n_params))


def _kernel(points: Tensor, controls: Tensor) -> Tensor:
    """U = r^2 log r^2 (..., N, n) between `points` (..., N, 2) and `controls` (n, 2)."""
    square = (points[..., :, None, :] - controls).square().sum(dim=-1)
    return torch.xlogy(square, square)
