# mypy: disable-error-code="arg-type"
"""Pictures, segmentations, strips and networks that several tests use."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from irisstn.geometry import Bool, Boundary, Eyelids, Gray
from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.results import Segmentation, Strip
from irisstn.synthetic import CAMERAS, Capture, Identity, RenderedEye, render, sample_capture

Network = TypeVar("Network", bound=nn.Module)


def make_capture(seed: int | list[int], camera: str = "ring-320x280", **changes: object) -> Capture:
    """A capture drawn with `seed` for `camera`, with some fields changed."""
    return replace(sample_capture(np.random.default_rng(seed), CAMERAS[camera]), **changes)


def rendered_eye(
    identity: int, seed: int | list[int] = 1, camera: str = "ring-320x280", **changes: object
) -> RenderedEye:
    """A rendered picture of the eye `identity`; see `make_capture` for the other arguments."""
    return render(Identity.from_seed(identity), make_capture(seed, camera, **changes))


def drawn_eye(
    pupil: Boundary, limbus: Boundary, size: tuple[int, int], levels: tuple[int, int, int] = (20, 100, 180)
) -> Gray:
    """A picture of uniform areas, whose gray `levels` are those of pupil, iris and sclera."""
    image = np.full(size, levels[2], np.uint8)
    image[limbus.mask(size)] = levels[1]
    image[pupil.mask(size)] = levels[0]
    return image


def make_segmentation(
    pupil: Boundary,
    limbus: Boundary,
    size: tuple[int, int],
    *,
    usable: Bool | None = None,
    eyelids: Eyelids = (None, None),
) -> Segmentation:
    """A segmentation of a picture of `size` whose iris is the whole ring, usable where `usable` is True."""
    iris = limbus.mask(size) & ~pupil.mask(size)
    return Segmentation(pupil, limbus, *eyelids, iris, iris if usable is None else iris & usable)


def random_strip(seed: int, size: tuple[int, int] = (32, 256), usable: NDArray[np.bool_] | None = None) -> Strip:
    """A strip of random blocks of 2 x 4 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 255, (size[0] // 2, size[1] // 4))
    image = np.kron(coarse, np.ones((2, 4))).astype(np.uint8)
    return Strip(image, np.ones(size, bool) if usable is None else usable)


def perturbed(network: Network, scale: float, seed: int = 0) -> Network:
    """`network` in evaluation mode, with noise added to every weight, as if it had been trained."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def perturbed_rectifier(**options: object) -> Rectifier:
    """A small rectifier with noise added to every weight; `options` are those of `RectifierConfig`."""
    torch.manual_seed(0)
    return perturbed(Rectifier(RectifierConfig(width=16, **options)), 0.05)
