"""The spatial transformer: a localization net, a transform and a sampler, as one differentiable module."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from irisstn.stn.guards import require_finite
from irisstn.stn.sampler import Padding, sample
from irisstn.stn.transform import Transform


class Warped(NamedTuple):
    """What a spatial transformer gives: `image` (B, C, H, W), `usable` (B, 1, H, W) in 0..1 or None, `theta`, `grid`.

    `theta` is (B, n), `grid` (B, H, W, 2) in the input's units.
    """

    image: Tensor
    usable: Tensor | None
    theta: Tensor
    grid: Tensor


class SpatialTransformer(nn.Module):
    """Warps an image, or any feature map (B, C, H, W), by the transform that `localization` sees in it.

    `output_size` (H, W) may differ from the input's; None keeps it. `wrap` makes x a circle. `antialias` averages over
    each output cell where the output is smaller than the input.

    `iterations` > 1 looks again through the transform found so far, with the same weights, and composes what it finds:
    theta_1 o theta_2 o ... The input is sampled once, by the composed theta, so nothing blurs (Lin & Lucey 2017,
    "Inverse compositional spatial transformer networks").

    Source: Jaderberg et al. 2015, "Spatial Transformer Networks".
    """

    def __init__(
        self,
        localization: nn.Module,
        transform: Transform,
        *,
        output_size: tuple[int, int] | None = None,
        wrap: bool = False,
        padding: Padding = "zeros",
        antialias: bool = False,
        iterations: int = 1,
    ) -> None:
        super().__init__()
        if iterations < 1:
            raise ValueError(f"at least one iteration is needed, got {iterations}")
        self.localization = localization
        self.transform = transform
        self.output_size = output_size
        self.wrap = wrap
        self.padding: Padding = padding
        self.antialias = antialias
        self.iterations = iterations

    def forward(self, image: Tensor, usable: Tensor | None = None, size: tuple[int, int] | None = None) -> Warped:
        """Warp `image` (B, C, H, W), and `usable` (B, 1, H, W) with it, to `size`, the output size or the input's."""
        return self.warp(image, self.locate(image), usable, size)

    def locate(self, image: Tensor) -> Tensor:
        """The theta (B, n) found in `image` (B, C, H, W). Raises ValueError where it is not finite."""
        _check(image, None)
        theta = self._look(image)
        for _ in range(1, self.iterations):
            seen = self.warp(image, theta, size=(image.shape[2], image.shape[3]))
            theta = self.transform.compose(theta, self._look(seen.image))
        return theta

    def warp(
        self, image: Tensor, theta: Tensor, usable: Tensor | None = None, size: tuple[int, int] | None = None
    ) -> Warped:
        """Warp `image` (B, C, H, W) and `usable` (B, 1, H, W) by a given `theta` (B, n)."""
        _check(image, usable)
        input_size = (image.shape[2], image.shape[3])
        size = size or self.output_size or input_size
        grid: Tensor = self.transform(theta, size)
        samples = 1
        if self.antialias:
            samples = max(1, -(-input_size[0] // size[0]), -(-input_size[1] // size[1]))
        out = sample(image, grid, wrap=self.wrap, padding=self.padding, samples=samples)
        mask = None
        if usable is not None:
            # Zeros beyond the border, whatever the image has there: what was not seen is not usable.
            mask = sample(usable.to(out.dtype), grid, wrap=self.wrap, samples=samples)
        return Warped(out, mask, theta, grid)

    def _look(self, image: Tensor) -> Tensor:
        theta: Tensor = self.localization(image)
        require_finite(theta)
        return theta


def _check(image: Tensor, usable: Tensor | None) -> None:
    if image.ndim != 4 or not image.is_floating_point():
        raise ValueError(f"an image must be (B, C, H, W) of floats, got {tuple(image.shape)} of {image.dtype}")
    if usable is not None and usable.shape != (image.shape[0], 1, *image.shape[2:]):
        raise ValueError(f"the mask of {tuple(image.shape)} must be (B, 1, H, W), got {tuple(usable.shape)}")
