"""The projective transform: a homography with eight parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.stn.affine import MatrixTransform
from irisstn.stn.transform import Bound

_HORIZON = 1e-4  # lower limit of the homogeneous coordinate: an unbounded homography may reach 0, at its horizon


class Projective(MatrixTransform):
    """The first eight entries of a homography, row by row; the ninth is 1.

    Parameters
    ----------
    bound : Bound
        Limits of the distance from the identity. By default the two entries of the last row stay below a half, which
        keeps the horizon outside the image.
    """

    def __init__(self, bound: Bound = (2.0, 2.0, 1.0, 2.0, 2.0, 1.0, 0.45, 0.45)) -> None:
        names = ("xx", "xy", "x", "yx", "yy", "y", "wx", "wy")
        super().__init__(names, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 8)."""
        entries = self.physical(theta)
        return torch.cat([entries, torch.ones_like(entries[:, :1])], dim=-1).reshape(-1, 3, 3)

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 8) of homographies (B, 3, 3) of any scale."""
        return self.theta_of((matrix / matrix[:, 2:, 2:]).reshape(-1, 9)[:, :8])

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Input positions (B, N, 2) of the output's `points` (B or 1, N, 2), see `Transform.move`."""
        matrix, x, y = self.matrix(theta), points[..., 0], points[..., 1]
        moved = [matrix[:, i, 0, None] * x + matrix[:, i, 1, None] * y + matrix[:, i, 2, None] for i in range(3)]
        return torch.stack(moved[:2], dim=-1) / moved[2].clamp(min=_HORIZON)[..., None]
