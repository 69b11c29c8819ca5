"""Transforms that are a 3 x 3 matrix: translation, rotation, scale, attention, affine.

References
----------
.. [1] Jaderberg et al. 2015, "Spatial Transformer Networks", eq. 1 (affine) and eq. 2 (attention).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from irisstn.stn.transform import Bound, Transform


class MatrixTransform(Transform):
    """A family of 3 x 3 matrices on homogeneous points (x, y, 1), closed under composition and inverse."""

    @abstractmethod
    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices of theta.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            Network outputs, see `irisstn.stn.transform`.

        Returns
        -------
        Tensor, shape (B, 3, 3)
            Matrices that act on (x, y, 1) in grid units.
        """

    @abstractmethod
    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta of matrices of this family: the inverse of `matrix`.

        Parameters
        ----------
        matrix : Tensor, shape (B, 3, 3)
            Matrices of this family.

        Returns
        -------
        Tensor, shape (B, n)
            Theta, with parameters clamped to their bounds.
        """

    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Input positions (B, N, 2) of the output's `points` (B or 1, N, 2), see `Transform.move`."""
        return apply_matrix(self.matrix(theta), points)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Theta (B, n) of outer(inner(point)), see `Transform.compose`. Exact within the bounds."""
        return self.theta_of_matrix(_product(self.matrix(outer), self.matrix(inner)))

    def inverse(self, theta: Tensor) -> Tensor:
        """Theta of the inverse transform.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            The transform.

        Returns
        -------
        Tensor, shape (B, n)
            The inverse, exact within the bounds.
        """
        return self.theta_of_matrix(torch.linalg.inv(self.matrix(theta)))


class Translation(MatrixTransform):
    """A shift by (x, y), in half widths and half heights of the input.

    Parameters
    ----------
    bound : Bound
        Limits of `x` and `y`.
    """

    def __init__(self, bound: Bound = 1.0) -> None:
        super().__init__(("x", "y"), (0.0, 0.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 2)."""
        x, y = self.physical(theta).unbind(-1)
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return _matrix([one, zero, x, zero, one, y, zero, zero, one])

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 2) of translations (B, 3, 3)."""
        return self.theta_of(matrix[:, :2, 2])


class Rotation(MatrixTransform):
    """A rotation by `angle_rad` around the centre, from +x towards +y (clockwise as seen).

    Parameters
    ----------
    bound : Bound
        Limit of the angle in radians.
    aspect : float
        Width of the images over their height in pixels. Grid units are per side, so with a wrong aspect a rotation
        also shears the image.

    Raises
    ------
    ValueError
        Where the aspect is not positive and finite.
    """

    def __init__(self, bound: Bound = torch.pi, *, aspect: float = 1.0) -> None:
        super().__init__(("angle_rad",), (0.0,), bound)
        if not 0 < aspect < float("inf"):
            raise ValueError(f"the aspect must be above 0, got {aspect}")
        self.aspect = float(aspect)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 1)."""
        angle = self.physical(theta)[:, 0]
        cosine, sine = torch.cos(angle), torch.sin(angle)
        one, zero = torch.ones_like(angle), torch.zeros_like(angle)
        return _matrix([cosine, -sine / self.aspect, zero, sine * self.aspect, cosine, zero, zero, zero, one])

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 1) of rotations (B, 3, 3); the angle is between -pi and pi."""
        return self.theta_of(torch.atan2(matrix[:, 1, 0] / self.aspect, matrix[:, 0, 0])[:, None])


class Scale(MatrixTransform):
    """A scaling of x and y about the centre; below 1 the output is an enlarged part of the input.

    Parameters
    ----------
    bound : Bound
        Limits of the distance of either scale from 1.
    """

    def __init__(self, bound: Bound = 0.9) -> None:
        super().__init__(("scale_x", "scale_y"), (1.0, 1.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 2)."""
        x, y = self.physical(theta).unbind(-1)
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return _matrix([x, zero, zero, zero, y, zero, zero, zero, one])

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 2) of scalings (B, 3, 3)."""
        return self.theta_of(torch.stack([matrix[:, 0, 0], matrix[:, 1, 1]], dim=-1))


class Attention(MatrixTransform):
    """One scale and a shift: a window of the input (Jaderberg et al. 2015, eq. 2).

    Parameters
    ----------
    bound : Bound
        Limits of the distance of the scale from 1, and of `x` and `y`.
    """

    def __init__(self, bound: Bound = (0.9, 1.0, 1.0)) -> None:
        super().__init__(("scale", "x", "y"), (1.0, 0.0, 0.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 3)."""
        scale, x, y = self.physical(theta).unbind(-1)
        one, zero = torch.ones_like(scale), torch.zeros_like(scale)
        return _matrix([scale, zero, x, zero, scale, y, zero, zero, one])

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 3) of windows (B, 3, 3)."""
        return self.theta_of(torch.cat([matrix[:, 0, :1], matrix[:, :2, 2]], dim=-1))


class Affine(MatrixTransform):
    """All six entries of an affine matrix, row by row (Jaderberg et al. 2015, eq. 1).

    Parameters
    ----------
    bound : Bound
        Limits of the distance from the identity. The default allows any rotation, and a shift by half a side.
    """

    def __init__(self, bound: Bound = (2.0, 2.0, 1.0, 2.0, 2.0, 1.0)) -> None:
        super().__init__(("xx", "xy", "x", "yx", "yy", "y"), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), bound)

    def matrix(self, theta: Tensor) -> Tensor:
        """Matrices (B, 3, 3) of `theta` (B, 6)."""
        xx, xy, x, yx, yy, y = self.physical(theta).unbind(-1)
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return _matrix([xx, xy, x, yx, yy, y, zero, zero, one])

    def theta_of_matrix(self, matrix: Tensor) -> Tensor:
        """Theta (B, 6) of affine matrices (B, 3, 3)."""
        return self.theta_of(matrix[:, :2].reshape(-1, 6))


def apply_matrix(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply affine matrices to points.

    Parameters
    ----------
    matrix : Tensor, shape (B, 3, 3)
        Affine matrices.
    points : Tensor, shape (B or 1, N, 2)
        Points (x, y).

    Returns
    -------
    Tensor, shape (B, N, 2)
        The moved points.
    """
    # Not a matrix product, because autocast would compute that in half precision.
    x, y = points[..., 0], points[..., 1]
    moved = [matrix[:, i, 0, None] * x + matrix[:, i, 1, None] * y + matrix[:, i, 2, None] for i in range(2)]
    return torch.stack(moved, dim=-1)


def _product(outer: Tensor, inner: Tensor) -> Tensor:
    return (outer[:, :, :, None] * inner[:, None, :, :]).sum(dim=2)  # see `apply_matrix`


def _matrix(entries: list[Tensor]) -> Tensor:
    return torch.stack(entries, dim=-1).reshape(-1, 3, 3)
