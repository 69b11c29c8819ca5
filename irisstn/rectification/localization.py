"""The localization network of irises: fully convolutional, with circular padding, for any transform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irisstn.stn.circular import CircularConv, fourier, waves
from irisstn.stn.localization import precise_linear, start_at_identity
from irisstn.stn.ring import Ring
from irisstn.stn.transform import Transform


class CircularLocalization(nn.Module):
    """A fully convolutional network on strips, with circular padding along the angle.

    Its convolutions are equivariant to rotations of the strip. For a `Ring`, every angle proposes an offset of either
    boundary, and the corrections are the Fourier coefficients of these offsets, which rotate with the strip. The roll
    is estimated in one of two ways:

    - `Ring(full_circle=True)`: the roll is the direction of the circular mean of all angles, with a weight for each. A
      rotation of the strip by a multiple of `STRIDE` columns changes the roll by exactly that angle. Such a network
      cannot start at the identity, because a roll that is 0 for every strip is not equivariant.
    - otherwise the roll is a small one about the upright eye. It depends on the absolute angle (unless
      `position=False`), since the eyelids lie above and below, through the mean and the first two Fourier coefficients
      of the features.

    The parameters of any other transform are estimated like the small roll.

    Parameters
    ----------
    transform : Transform
        The transform whose theta is estimated.
    rows : int
        Rows R of the strips, a multiple of 8.
    channels : int
        Channels C of the strips.
    width : int
        Width of the network, a multiple of 8.
    position : bool
        Whether the absolute angle is an input.
    roll : bool
        False: the small roll of a ring stays 0, because it is estimated elsewhere.

    Raises
    ------
    ValueError
        For an impossible number of rows or width, and for `roll=False` without a ring of small roll.
    """

    STRIDE = 4

    def __init__(
        self,
        transform: Transform,
        rows: int = 32,
        *,
        channels: int = 1,
        width: int = 32,
        position: bool = True,
        roll: bool = True,
    ) -> None:
        super().__init__()
        if not roll and (not isinstance(transform, Ring) or transform.full_circle):
            raise ValueError("only a ring's small roll can come from elsewhere")
        if rows < 8 or rows % 8:
            raise ValueError(f"the strip's rows must be a multiple of 8, got {rows}")
        if width < 8 or width % 8:
            raise ValueError(f"the width must be a multiple of 8, got {width}")
        self.rows, self.channels = rows, channels
        self.trunk = nn.Sequential(
            _block(channels, width // 2, (3, 5), (2, 2)),
            _block(width // 2, width, (3, 3), (2, 2)),
            _block(width, 2 * width, (3, 3), (2, 1)),
            _FullHeightConv(2 * width, 2 * width, rows // 8),
            *[_ResidualAlongAngle(2 * width, dilation) for dilation in (1, 2, 4)],
        )
        self.ring = transform if isinstance(transform, Ring) else None
        self.head: nn.Module | None = None
        if self.ring is None:
            self.head = _PositionHead(2 * width, transform, position)
        else:
            self.boundaries = nn.Conv1d(2 * width, 3, 1)
            for parameter in self.boundaries.parameters():
                nn.init.zeros_(parameter)
            if self.ring.full_circle:
                self.head = nn.Conv1d(2 * width, 1, 1)
            elif roll:
                self.head = _PositionHead(2 * width, None, position)

    def forward(self, strips: Tensor) -> Tensor:
        """Estimate theta.

        Parameters
        ----------
        strips : Tensor, shape (B, C, R, T)
            Strips or contexts; T is a multiple of `STRIDE`.

        Returns
        -------
        Tensor, shape (B, n)
            Theta, in float32 at least.

        Raises
        ------
        ValueError
            For another shape.
        """
        if strips.ndim != 4 or strips.shape[1:3] != (self.channels, self.rows) or strips.shape[3] % self.STRIDE:
            wanted = f"(B, {self.channels}, {self.rows}, a multiple of {self.STRIDE})"
            raise ValueError(f"strips must be {wanted}, got {tuple(strips.shape)}")
        features = self.trunk(strips).squeeze(2)
        read: Tensor | None = self.head(features) if self.head is not None else None
        if self.ring is None:
            return torch.as_tensor(read)
        corrections = fourier(self.boundaries(features), 2)  # (B, 3, 5): pupil, limbus, the pupil's share
        if read is None:
            roll = torch.zeros_like(corrections[:, 0, :1])
        else:
            roll = _mean_direction(read) if self.ring.full_circle else read * self.ring.limits[0].to(read)
        rest = [corrections[:, 0], corrections[:, 1], corrections[:, 2, :1]]
        offset = torch.cat(rest, dim=1) * self.ring.limits[1:].to(corrections)
        return torch.cat([roll, offset + self.ring.identity()[1:].to(offset)], dim=1)


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> nn.Sequential:
    # Group norm averages over all angles, so that it is equivariant, and unlike batch norm it does not depend on the
    # other strips of the batch.
    return nn.Sequential(CircularConv(inputs, outputs, kernel, stride), nn.GroupNorm(4, outputs), nn.ReLU())


class _FullHeightConv(nn.Module):
    """One convolution over the whole height: (B, C, R, T) to (B, C', 1, T)."""

    def __init__(self, inputs: int, outputs: int, rows: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (rows, 1), bias=False)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(features)))


class _ResidualAlongAngle(nn.Module):
    """A residual convolution along the circle, `dilation` columns apart, that adds the mean over all angles."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = CircularConv(width, width, (1, 3), dilation=dilation)
        self.mean = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.GroupNorm(4, width)

    def forward(self, features: Tensor) -> Tensor:
        mean = features.mean(dim=3, keepdim=True)
        return torch.relu(features + self.norm(self.conv(features) + self.mean(mean)))


class _PositionHead(nn.Module):
    """Features (B, C, T) to theta (B, n), or to one number (B, 1) without a transform, by their angular position."""

    def __init__(self, width: int, transform: Transform | None, position: bool) -> None:
        super().__init__()
        self.position = position
        self.pointwise = nn.Conv1d(width + 4 * position, width, 1)
        self.hidden = nn.Linear(5 * width, width)
        self.last = nn.Linear(width, 1 if transform is None else transform.n_params)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        if transform is not None:
            start_at_identity(self.last, transform)

    def forward(self, features: Tensor) -> Tensor:
        if self.position:
            angles = waves(features, 2)[None, 1:].expand(features.shape[0], -1, -1)
            features = torch.cat([features, angles], dim=1)
        moments = fourier(torch.relu(self.pointwise(features)), 2).flatten(1).to(features.dtype)
        return precise_linear(self.last, torch.relu(self.hidden(moments)))


def _mean_direction(logits: Tensor) -> Tensor:
    """The direction (B, 1) in radians of the mean on the circle, each angle weighted by the softmax of (B, 1, T)."""
    weights = torch.softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    means = (weights * waves(weights, 1)[1:]).sum(dim=-1)  # (B, 2)
    return torch.atan2(means[:, 1:], means[:, :1])
