"""The segmentation network: a small encoder-decoder with skip connections, 2 ms per picture on one core."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PARTS = 4  # pupil, iris, opening, occlusion: see `irisstn.segmentation.network.PartMaps`
_WIDTHS = (16, 24, 48, 64)  # channels at 1/2, 1/4, 1/8 and 1/16 of the picture's size


class PartMapNet(nn.Module):
    """Convolutional encoder-decoder from pictures to part maps.

    The encoder has four resolutions, and the decoder adds the encoder's features at each: the U-Net of Ronneberger et
    al. 2015, with sums in place of concatenations.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = _WIDTHS
        self.down_2 = nn.Sequential(_block(1, a, 5, 2), _block(a, a))
        self.down_4 = nn.Sequential(_block(a, b, 3, 2), _block(b, b), _block(b, b))
        self.down_8 = nn.Sequential(_block(b, c, 3, 2), _block(c, c), _block(c, c, dilation=2))
        self.down_16 = nn.Sequential(_block(c, d, 3, 2), _block(d, d, dilation=2), _block(d, d))
        self.to_8, self.to_4, self.to_2 = nn.Conv2d(d, c, 1), nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)
        self.up_8 = _block(c, c)
        self.up_4 = nn.Sequential(_block(b, b), _block(b, b))
        self.up_2 = nn.Sequential(_block(a, a), _block(a, a))
        # Sub-pixel convolution: a cell at half size gives its four pixels, cheaper than a layer at full size.
        self.last = nn.Sequential(nn.Conv2d(a, 4 * PARTS, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute part maps.

        Parameters
        ----------
        pictures : Tensor, shape (B, 1, H, W)
            Standardized pictures; H and W are multiples of 16.

        Returns
        -------
        Tensor, shape (B, 4, H, W)
            Logits of pupil, iris, opening and occlusion.
        """
        half = self.down_2(pictures)
        quarter = self.down_4(half)
        eighth = self.down_8(quarter)
        sixteenth = self.down_16(eighth)
        eighth = self.up_8(eighth + _upsampled(self.to_8(sixteenth)))
        quarter = self.up_4(quarter + _upsampled(self.to_4(eighth)))
        logits: Tensor = self.last(self.up_2(half + _upsampled(self.to_2(quarter))))
        return logits


def freeze_all_but_occlusion(network: PartMapNet) -> list[nn.Parameter]:
    """Prepare a network for a training that changes its occlusion map alone.

    Parameters
    ----------
    network : PartMapNet
        The network, changed in place: batch normalisation keeps its running statistics, and the gradients of all
        outputs but the occlusion are 0.

    Returns
    -------
    list of Parameter
        The weights and biases of the last layer, to be trained without weight decay.
    """
    network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    trained = list(network.last.parameters())
    for parameter in trained:
        parameter.requires_grad_(True)
        hook: Callable[[Callable[[Tensor], Tensor]], object] = parameter.register_hook  # without annotations in torch
        hook(_only_occlusion)
    return trained


def _only_occlusion(gradient: Tensor) -> Tensor:
    """`gradient` of the last layer, 0 but for the four outputs that are shuffled to the occlusion map."""
    kept = torch.zeros_like(gradient)
    kept[-4:] = gradient[-4:]
    return kept


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _upsampled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="nearest")
