"""The spatial transformer: a localization network, a transform and a sampler in one differentiable module."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from irisstn.stn.guards import require_finite
from irisstn.stn.sampler import Padding, sample, sample_masked
from irisstn.stn.transform import Transform


class Warped(NamedTuple):
    """The output of a spatial transformer.

    Attributes
    ----------
    image : Tensor, shape (B, C, H, W)
        The warped image.
    usable : Tensor, shape (B, 1, H, W), or None
        The warped mask, 0..1.
    theta : Tensor, shape (B, n)
        The estimated transform.
    grid : Tensor, shape (B, H, W, 2)
        Where the input was sampled, in grid units.
    """

    image: Tensor
    usable: Tensor | None
    theta: Tensor
    grid: Tensor


class SpatialTransformer(nn.Module):
    """A spatial transformer [1]_ for images and any other feature maps.

    Parameters
    ----------
    localization : nn.Module
        Estimates theta (B, n) from the image (B, C, H, W).
    transform : Transform
        Maps theta to a sampling grid.
    output_size : tuple of int, optional
        (H, W) of the output; None for that of the input.
    wrap : bool
        Whether x is periodic.
    padding : {"zeros", "border", "reflection"}
        Values outside the image.
    antialias : bool
        Whether to average over each output cell where the output is smaller than the input.
    iterations : int
        With more than one, theta is estimated again from the warped image, with the same weights, and the estimates
        are composed [2]_: theta_1 o theta_2 o ... The output is sampled once, by the composed theta, so that repeated
        interpolation does not blur it.

    Raises
    ------
    ValueError
        For fewer than one iteration.

    References
    ----------
    .. [1] Jaderberg et al. 2015, "Spatial Transformer Networks".
    .. [2] Lin and Lucey 2017, "Inverse Compositional Spatial Transformer Networks".
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
        """Estimate theta and warp an image by it.

        Parameters
        ----------
        image : Tensor, shape (B, C, H, W)
            Images or feature maps, of floats.
        usable : Tensor, shape (B, 1, H, W), optional
            Masks, 1 = usable.
        size : tuple of int, optional
            (H, W) of the output, before `output_size`.

        Returns
        -------
        Warped
            Image, mask, theta and grid.

        Raises
        ------
        ValueError
            Where a shape or type does not fit, or theta is not finite.
        """
        return self.warp(image, self.locate(image), usable, size)

    def locate(self, image: Tensor) -> Tensor:
        """Estimate theta.

        Parameters
        ----------
        image : Tensor, shape (B, C, H, W)
            Images or feature maps, of floats.

        Returns
        -------
        Tensor, shape (B, n)
            Theta, composed over all iterations.

        Raises
        ------
        ValueError
            Where theta is not finite.
        """
        _check(image, None)
        size = (image.shape[2], image.shape[3])
        return compose_iterations(
            self.localization,
            lambda whole, theta: self.warp(whole, theta, size=size).image,
            self.transform,
            image,
            self.iterations,
        )

    def warp(
        self, image: Tensor, theta: Tensor, usable: Tensor | None = None, size: tuple[int, int] | None = None
    ) -> Warped:
        """Warp an image by a given theta.

        Parameters
        ----------
        image : Tensor, shape (B, C, H, W)
            Images or feature maps, of floats.
        theta : Tensor, shape (B, n)
            The transform.
        usable : Tensor, shape (B, 1, H, W), optional
            Masks, 1 = usable.
        size : tuple of int, optional
            (H, W) of the output, before `output_size`.

        Returns
        -------
        Warped
            Image, mask, theta and grid.

        Raises
        ------
        ValueError
            Where a shape or type does not fit.
        """
        _check(image, usable)
        input_size = (image.shape[2], image.shape[3])
        size = size or self.output_size or input_size
        grid: Tensor = self.transform(theta, size)
        samples = 1
        if self.antialias:
            samples = max(1, -(-input_size[0] // size[0]), -(-input_size[1] // size[1]))
        if usable is None:
            out = sample(image, grid, wrap=self.wrap, padding=self.padding, samples=samples)
            return Warped(out, None, theta, grid)
        out, mask = sample_masked(
            image, usable.to(image.dtype), grid, wrap=self.wrap, padding=self.padding, samples=samples
        )
        return Warped(out, mask, theta, grid)


def compose_iterations(
    predict: Callable[[Tensor], Tensor],
    warp: Callable[[Tensor, Tensor], Tensor],
    transform: Transform,
    image: Tensor,
    iterations: int,
) -> Tensor:
    """Estimate theta repeatedly and compose the estimates: theta_1 o theta_2 o ... [1]_.

    Parameters
    ----------
    predict : callable
        Estimates theta (B, n) from an image, for example a localization network.
    warp : callable
        `warp(image, theta)` gives the image that the next iteration takes. It is always applied to the original image.
    transform : Transform
        The transform that theta belongs to.
    image : Tensor, shape (B, ...)
        What theta is estimated from.
    iterations : int
        Number of estimates, at least 1.

    Returns
    -------
    Tensor, shape (B, n)
        The composed theta.

    Raises
    ------
    ValueError
        Where an estimate is not finite.

    References
    ----------
    .. [1] Lin and Lucey 2017, "Inverse Compositional Spatial Transformer Networks".
    """
    theta = predict(image)
    require_finite(theta)
    for _ in range(1, iterations):
        estimate = predict(warp(image, theta))
        require_finite(estimate)
        theta = transform.compose(theta, estimate)
    return theta


def _check(image: Tensor, usable: Tensor | None) -> None:
    if image.ndim != 4 or not image.is_floating_point():
        raise ValueError(f"an image must be (B, C, H, W) of floats, got {tuple(image.shape)} of {image.dtype}")
    if usable is not None and usable.shape != (image.shape[0], 1, *image.shape[2:]):
        raise ValueError(f"the mask of {tuple(image.shape)} must be (B, 1, H, W), got {tuple(usable.shape)}")
