"""The localization net of irises: fully convolutional, padded around the circle of angles, for any transform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irisstn.stn.circular import CircularConv, fourier, waves
from irisstn.stn.localization import precise_linear, start_at_identity
from irisstn.stn.ring import Ring
from irisstn.stn.transform import Transform


class CircularLocalization(nn.Module):
    """A fully convolutional net on strips (B, C, R, T), padded around the circle of angles, for any transform.

    Convolutions turn with the strip, so what is read off them does too. For a `Ring`, every angle proposes an offset of
    either boundary, and the offsets' Fourier coefficients are the corrections: turning the strip turns them. The roll
    is read in one of two ways:

    - `Ring(full_circle=True)`: each angle has a weight, and the roll is the direction of the weighted mean on the
      circle. Turning the strip by a multiple of `STRIDE` columns turns the roll by just that. Such a roll cannot start
      at the identity: a net that says 0 for every strip does not turn with it.
    - otherwise the roll is small, about the upright eye. The head sees the absolute angle, since the lids lie above and
      below (`position=False` hides it), through the mean and the first two Fourier coefficients of its features.

    Any other transform is read off like the small roll. `rows` is R, a multiple of 8; T is a multiple of `STRIDE`. With
    `roll=False` a ring's small roll stays 0: it comes from elsewhere.
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
            _Across(2 * width, 2 * width, rows // 8),
            *[_Around(2 * width, dilation) for dilation in (1, 2, 4)],
        )
        self.ring = transform if isinstance(transform, Ring) else None
        self.head: nn.Module | None = None
        if self.ring is None:
            self.head = _PlacedHead(2 * width, transform, position)
        else:
            self.boundaries = nn.Conv1d(2 * width, 4, 1)
            for parameter in self.boundaries.parameters():
                nn.init.zeros_(parameter)
            if self.ring.full_circle:
                self.head = nn.Conv1d(2 * width, 1, 1)
            elif roll:
                self.head = _PlacedHead(2 * width, None, position)

    def forward(self, strips: Tensor) -> Tensor:
        """Theta (B, n) for `strips` (B, C, R, T)."""
        if strips.ndim != 4 or strips.shape[1:3] != (self.channels, self.rows) or strips.shape[3] % self.STRIDE:
            wanted = f"(B, {self.channels}, {self.rows}, a multiple of {self.STRIDE})"
            raise ValueError(f"strips must be {wanted}, got {tuple(strips.shape)}")
        features = self.trunk(strips).squeeze(2)
        read: Tensor | None = self.head(features) if self.head is not None else None
        if self.ring is None:
            return torch.as_tensor(read)
        corrections = fourier(self.boundaries(features), 2)  # (B, 4, 5): dilation, pupil, limbus, the pupil's share
        if read is None:
            roll = torch.zeros_like(corrections[:, 0, :1])
        else:
            roll = _mean_direction(read) if self.ring.full_circle else read * self.ring.limits[0].to(read)
        rest = [corrections[:, 0, :1], corrections[:, 1], corrections[:, 2], corrections[:, 3, :1]]
        offset = torch.cat(rest, dim=1) * self.ring.limits[1:].to(corrections)
        return torch.cat([roll, offset + self.ring.identity()[1:].to(offset)], dim=1)


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> nn.Sequential:
    # Group norm averages over all angles, so it does not break equivariance as a norm per place would; and unlike batch
    # norm it treats one strip like many.
    return nn.Sequential(CircularConv(inputs, outputs, kernel, stride), nn.GroupNorm(4, outputs), nn.ReLU())


class _Across(nn.Module):
    """One convolution over the whole height: (B, C, R, T) to (B, C', 1, T)."""

    def __init__(self, inputs: int, outputs: int, rows: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (rows, 1), bias=False)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(features)))


class _Around(nn.Module):
    """A residual convolution along the circle, `dilation` columns apart, that also sees the mean over all angles."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = CircularConv(width, width, (1, 3), dilation=dilation)
        self.mean = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.GroupNorm(4, width)

    def forward(self, features: Tensor) -> Tensor:
        mean = features.mean(dim=3, keepdim=True)
        return torch.relu(features + self.norm(self.conv(features) + self.mean(mean)))


class _PlacedHead(nn.Module):
    """Features (B, C, T) to theta (B, n), or to one number (B, 1) without a transform, by where they lie."""

    def __init__(self, width: int, transform: Transform | None, position: bool) -> None:
        super().__init__()
        self.position = position
        self.look = nn.Conv1d(width + 4 * position, width, 1)
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
        moments = fourier(torch.relu(self.look(features)), 2).flatten(1).to(features.dtype)
        return precise_linear(self.last, torch.relu(self.hidden(moments)))


def _mean_direction(logits: Tensor) -> Tensor:
    """The direction (B, 1) in radians of the mean on the circle, each angle weighted by the softmax of (B, 1, T)."""
    weights = torch.softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    means = (weights * waves(weights, 1)[1:]).sum(dim=-1)  # (B, 2)
    return torch.atan2(means[:, 1:], means[:, :1])
