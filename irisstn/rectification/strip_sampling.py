"""Sampling a rectified strip, from another strip or from the photograph itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from irisstn.geometry import Gray, grid_to_ring
from irisstn.geometry.ring_transform import ring_parameters_by_name
from irisstn.normalization import sample_moved_ring, sample_ring
from irisstn.rectification.rectified import Rectified, RingGrid
from irisstn.results import Segmentation, Strip
from irisstn.stn import Ring, SpatialTransformer, Transform, area_outside, sample


class Estimate(NamedTuple):
    """What was estimated for one strip.

    Attributes
    ----------
    theta : Tensor, shape (1, n)
        The transform.
    details : dict of str to float
        Further figures that `Rectified.parameters` holds besides the transform's own.
    """

    theta: Tensor
    details: dict[str, float]


@torch.inference_mode()
def sample_from_strip(stn: SpatialTransformer, strip: Strip, estimate: Estimate, size: tuple[int, int]) -> Rectified:
    """Sample a rectified strip from a strip.

    Parameters
    ----------
    stn : SpatialTransformer
        Its transform and sampler are used, not its localization network.
    strip : Strip
        The strip to be rectified.
    estimate : Estimate
        The transform.
    size : tuple of int
        (R, T) of the result.

    Returns
    -------
    Rectified
        The rectified strip.
    """
    theta = estimate.theta
    image = torch.from_numpy(strip.image.astype(np.float32))[None, None].to(theta.device)
    usable = torch.from_numpy(strip.usable.astype(np.float32))[None, None].to(theta.device)
    warped = stn.warp(image, theta, size=size)
    gray = warped.image[0, 0].round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    mask = (sample(usable, warped.grid, wrap=True)[0, 0] > 0.5).cpu().numpy()
    outside = float(area_outside(warped.grid, wrap=True))
    return Rectified(Strip(gray, mask), _parameters(stn.transform, estimate), outside, warped.grid[0].cpu().numpy())


@torch.inference_mode()
def sample_from_photograph(
    transform: Transform, image: Gray, segmentation: Segmentation, estimate: Estimate, size: tuple[int, int]
) -> Rectified:
    """Sample a rectified strip from the photograph, once, at positions computed in float64.

    Parameters
    ----------
    transform : Transform
        The transform that the estimate belongs to.
    image : ndarray of uint8, shape (H, W)
        The photograph.
    segmentation : Segmentation
        The ring to be rectified.
    estimate : Estimate
        The transform.
    size : tuple of int
        (R, T) of the result.

    Returns
    -------
    Rectified
        The rectified strip.
    """
    exact = estimate.theta.double().cpu()
    if isinstance(transform, Ring):
        parameters = transform.physical(exact)[0].numpy()
        strip, outside = sample_moved_ring(image, segmentation, parameters, size)
        return Rectified(
            strip, ring_parameters_by_name(parameters) | estimate.details, outside, RingGrid(parameters, size)
        )
    grid: Tensor = transform(exact, size)
    radius, angle = grid_to_ring(grid[..., 0], grid[..., 1])
    strip = sample_ring(image, segmentation, (radius[0].numpy(), angle[0].numpy()))
    share = ((radius < 0) | (radius > 1)).double().mean()
    return Rectified(strip, _parameters(transform, estimate), float(share), grid[0].numpy())


def _parameters(transform: Transform, estimate: Estimate) -> dict[str, float]:
    named = transform.parameters_by_name(estimate.theta)
    return {name: float(value[0]) for name, value in named.items()} | estimate.details
