"""The base of all transforms of the STN: named parameters, bounds, and a sampling grid.

Convention
----------
A transform maps points of the output to points of the input, which are sampled there. Both are in the units of
`irisstn.geometry` (x to the right, y downward, -1..1 between the outer edges, `align_corners=False`).

`theta` (B, n) is the output of a localization network. A bounded transform computes its parameters by

    parameter = identity + bound * tanh((theta - identity) / bound)

so that theta equals the parameter near the identity, and no parameter exceeds its bound for any theta. With
`bound=None` theta is the parameter itself, as in the papers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Bound = float | Sequence[float] | None
_NEAR_ONE = 0.999  # fraction of its bound to which a composed parameter is clamped: atanh(1) is infinite


class Transform(nn.Module, ABC):
    """A family of transforms.

    Grids and parameters are computed in float32 at least (float64 for a float64 theta), in whatever precision the
    network runs.

    Parameters
    ----------
    names : sequence of str
        Names of the n parameters.
    identity : sequence of float
        Parameters of the identity.
    bound : float, sequence of float, or None
        Limit of the distance of each parameter from the identity; None for no limits.

    Attributes
    ----------
    names : tuple of str
        Names of the parameters.

    Raises
    ------
    ValueError
        Where a bound is not positive and finite, or their number is wrong.
    """

    def __init__(self, names: Sequence[str], identity: Sequence[float], bound: Bound) -> None:
        super().__init__()
        self.names = tuple(names)
        # Tensors instead of buffers, because `.half()` would round buffers.
        self._identity = torch.tensor(list(identity), dtype=torch.float64)
        self._bound: Tensor | None = None
        if bound is not None:
            bounds = [float(bound)] * len(self.names) if isinstance(bound, int | float) else [float(b) for b in bound]
            if len(bounds) != len(self.names) or not all(0 < b < float("inf") for b in bounds):
                raise ValueError(f"{len(self.names)} finite bounds above 0 are needed, got {bound}")
            self._bound = torch.tensor(bounds, dtype=torch.float64)

    @property
    def n_params(self) -> int:
        """Length of theta."""
        return len(self.names)

    def identity(self) -> Tensor:
        """Theta of the identity.

        Returns
        -------
        Tensor of float32, shape (n,)
            The theta whose grid samples every cell at its own position.
        """
        return self._identity.float()

    def physical(self, theta: Tensor) -> Tensor:
        """Bounded parameters of theta.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            Network outputs.

        Returns
        -------
        Tensor, shape (B, n)
            Parameters in the order of `names`.
        """
        theta = self._checked(theta)
        if self._bound is None:
            return theta
        identity, bound = self._identity.to(theta), self._bound.to(theta)
        return identity + bound * torch.tanh((theta - identity) / bound)

    def theta_of(self, physical: Tensor) -> Tensor:
        """Theta of parameters: the inverse of `physical`.

        Parameters
        ----------
        physical : Tensor, shape (B, n)
            Parameters in the order of `names`; those at or beyond their bound are clamped just inside it.

        Returns
        -------
        Tensor, shape (B, n)
            Theta.
        """
        physical = self._checked(physical)
        if self._bound is None:
            return physical
        identity, bound = self._identity.to(physical), self._bound.to(physical)
        relative = ((physical - identity) / bound).clamp(-_NEAR_ONE, _NEAR_ONE)
        return identity + bound * torch.atanh(relative)

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """Bounded parameters of theta by name.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            Network outputs.

        Returns
        -------
        dict of str to Tensor
            Each parameter, shape (B,).
        """
        return dict(zip(self.names, self.physical(theta).unbind(-1), strict=True))

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Sampling grid of theta.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            Network outputs.
        size : tuple of int
            (H, W) of the output.

        Returns
        -------
        Tensor, shape (B, H, W, 2)
            Position (x_unit, y_unit) in the input for each cell of the output.

        Raises
        ------
        ValueError
            For a theta of another shape, or a size that is not positive.
        """
        theta = self._checked(theta)
        height, width = size
        if height < 1 or width < 1:
            raise ValueError(f"an output needs at least one row and one column, got {height}x{width}")
        points = unit_points(size, theta).reshape(1, height * width, 2)
        return self.move(theta, points).reshape(theta.shape[0], height, width, 2)

    @abstractmethod
    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Map points of the output to the input.

        Parameters
        ----------
        theta : Tensor, shape (B, n)
            Network outputs.
        points : Tensor, shape (B or 1, N, 2)
            Points of the output in grid units.

        Returns
        -------
        Tensor, shape (B, N, 2)
            Their positions in the input in grid units.
        """

    @abstractmethod
    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Theta of a composition: warping by `outer`, then warping that output by `inner`.

        Parameters
        ----------
        outer, inner : Tensor, shape (B, n)
            The two transforms.

        Returns
        -------
        Tensor, shape (B, n)
            Theta of point -> outer(inner(point)).
        """

    def _checked(self, theta: Tensor) -> Tensor:
        if theta.ndim != 2 or theta.shape[1] != self.n_params:
            raise ValueError(f"theta must be (B, {self.n_params}), got {tuple(theta.shape)}")
        return theta if theta.dtype in (torch.float32, torch.float64) else theta.float()


def unit_points(size: tuple[int, int], like: Tensor) -> Tensor:
    """Centres of the cells of an image in grid units.

    Parameters
    ----------
    size : tuple of int
        (H, W) of the image.
    like : Tensor
        Gives the device and dtype.

    Returns
    -------
    Tensor, shape (H, W, 2)
        (x_unit, y_unit) of each cell.
    """
    height, width = size
    # Computed in float64, so that the identity grid is as exact as the dtype allows.
    rows = (torch.arange(height, device=like.device, dtype=torch.float64) * 2 + 1) / height - 1
    columns = (torch.arange(width, device=like.device, dtype=torch.float64) * 2 + 1) / width - 1
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1).to(like.dtype)
