"""The projective transform: a homography with eight parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.stn.affine import MatrixTransform
from irisstn.stn.transform import Bound

_HORIZON = 1e-4  # an unbounded homography is held this far in front of its horizon, so that no point is infinite


class Projective(MatrixTransform):
    """The first eight entries of a homography, row by row; the ninth is 1.

    The default bound holds the last row's two entries below a half, which keeps the horizon outside the image.
    """

    def __init__(self, bound: Bound = (2.0, 2.0, 1.0, 2.0, 2.0, 1.0, 0.45, 0.45)) -> None:
        names = ("xx", "xy", "x", "yx", "yy", "y", "wx", "wy")
        super().__init__(names, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """The matrices (B, 3, 3) of `theta` (B, 8)."""
        entries = self.physical(theta)
        return torch.cat([entries, torch.ones_like(entries[:, :1])], dim=-1).reshape(-1, 3, 3)

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """The theta (B, 8) of homographies (B, 3, 3) of any scale."""
        return self.theta_of((matrix / matrix[:, 2:, 2:]).reshape(-1, 9)[:, :8])

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the output's `points` (B or 1, N, 2) lie in the input, (B, N, 2)."""
        matrix, x, y = self.matrix(theta), points[..., 0], points[..., 1]
        moved = [matrix[:, i, 0, None] * x + matrix[:, i, 1, None] * y + matrix[:, i, 2, None] for i in range(3)]
        return torch.stack(moved[:2], dim=-1) / moved[2].clamp(min=_HORIZON)[..., None]
