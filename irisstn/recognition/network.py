"""StripNet: a small convolutional network that turns a strip into an embedding.

The columns of a strip run around a circle, so every convolution pads with the opposite columns; above and below the
strip it pads with zeros. Cameras and illumination differ more than irises do. So the input is local texture: from each
pixel the mean of the usable pixels around it is subtracted, and the difference is divided by their standard deviation.
The mask is no input of the convolutions, because its outline depends on the eyelids and the segmentation more than on
the iris. It is used where features are pooled: a cell has the weight of its usable pixels. An iris is recognised by
where its structures lie, so pooling keeps the sectors of the ring apart, and an embedding holds the difference of each
sector from the mean around the ring. The last layer is linear and not trained, but fitted to the embeddings of many
rendered eyes: see `irisstn.recognition.whitening`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from irisstn.recognition.config import RECOGNIZER_KIND, StripNetConfig
from irisstn.recognition.local_texture import resized, standardize
from irisstn.recognition.whitening import Whitening
from irisstn.results import Strip, require_strips
from irisstn.stn.circular import CircularConv, FoldedConv, fold
from irisstn.weights import RECOGNIZER
from irisstn.weights_file import StoredModule

_SHORTEST = 1e-6  # shorter vectors are not normalised, so that gradients stay finite where no cell is usable


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    return nn.Sequential(CircularConv(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _block(width, width, (3, 3))
        self.second = nn.Sequential(CircularConv(width, width, (3, 3)), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.second(self.first(features)))


def _fold(block: nn.Module) -> FoldedConv:
    """The convolution and the norm that `block`, a Sequential, begins with."""
    conv, norm, *_ = block.children()
    if not isinstance(conv, CircularConv) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError(f"a convolution and a batch norm are needed, got {block}")
    return fold(conv, norm)


def _folded_block(conv: FoldedConv, features: Tensor) -> Tensor:
    return conv(features).relu_()


def _folded_residual(first: FoldedConv, second: FoldedConv, features: Tensor) -> Tensor:
    return second(first(features).relu_()).add_(features).relu_()


class _Trunk(nn.Module):
    """The part that is trained: from texture to the features of all cells, as a vector of length 1."""

    def __init__(self, config: StripNetConfig) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.places = (config.rings, config.sectors)
        self.features = nn.Sequential(
            _block(1, a, (5, 7), (2, 2)),
            _block(a, b, (3, 3), (2, 2)),
            _Residual(b),
            _block(b, c, (3, 3)),
            _block(c, d, (3, 3), (2, 2)),
            _Residual(d),
        )
        self.head = nn.Conv2d(d, config.channels, 1, bias=False)

    def forward(self, texture: Tensor, usable: Tensor) -> Tensor:
        """Features (B, channels x rings x sectors) of `texture` and `usable` (B, 1, R, T)."""
        return self._pooled(self.features(texture), usable)

    def folded(self) -> Callable[[Tensor, Tensor], Tensor]:
        """`forward` for inference, with batch norms folded into the convolutions: half the time of a single strip."""
        layers: list[Callable[[Tensor], Tensor]] = []
        for part in self.features:
            if isinstance(part, _Residual):
                layers.append(partial(_folded_residual, _fold(part.first), _fold(part.second)))
            else:
                layers.append(partial(_folded_block, _fold(part)))

        def forward(texture: Tensor, usable: Tensor) -> Tensor:
            for layer in layers:
                texture = layer(texture)
            return self._pooled(texture, usable)

        return forward

    def _pooled(self, features: Tensor, usable: Tensor) -> Tensor:
        features = self.head(features)
        weight = F.adaptive_avg_pool2d(usable, (features.shape[-2], features.shape[-1]))
        pooled = F.adaptive_avg_pool2d(features * weight, self.places)
        pooled = pooled / (F.adaptive_avg_pool2d(weight, self.places) + 0.05)
        seen = F.adaptive_avg_pool2d(usable, self.places) + 1e-3
        # A feature that is the same all around the ring depends on the camera, or is shared by both eyes of a person:
        # the mean around the ring is subtracted. The weight is a square root, because a comparison multiplies two
        # embeddings: a cell that is half usable then counts half.
        centred = pooled - _mean_around(pooled, seen)
        scaled = centred / (_mean_around(centred.square(), seen) + 1e-4).sqrt()
        return F.normalize((scaled * seen.sqrt()).flatten(1), dim=1, eps=_SHORTEST)


class StripNet(StoredModule):
    """The recognition network: strips of any size to embeddings of length 1, which are compared by their cosine.

    Parameters
    ----------
    config : StripNetConfig
        Shape of the network.
    """

    KIND, FILE, CONFIG = RECOGNIZER_KIND, RECOGNIZER, StripNetConfig
    config: StripNetConfig

    def __init__(self, config: StripNetConfig = StripNetConfig()) -> None:
        super().__init__(config)
        self.trunks = nn.ModuleList(_Trunk(config) for _ in range(config.trunks))
        floats = config.trunks * config.rings * config.sectors * config.channels
        self.mix = nn.Linear(floats, config.embedding) if config.embedding else nn.Identity()
        self.whitening = Whitening(config.unwhitened_size, config.whitened)

    @property
    def embedding_size(self) -> int:
        """Length D of an embedding."""
        return self.config.embedding_size

    def forward(self, images: Tensor, usable: Tensor) -> Tensor:
        """Compute embeddings.

        Parameters
        ----------
        images, usable : Tensor, shape (B, 1, R, T)
            Gray levels in 0..1, and masks, 1 = usable.

        Returns
        -------
        Tensor, shape (B, D)
            Embeddings of L2 norm 1.

        Raises
        ------
        ValueError
            For other shapes.
        """
        return self._whitened(self.unwhitened(images, usable))

    def unwhitened(self, images: Tensor, usable: Tensor) -> Tensor:
        """Compute embeddings before the whitening: those that training uses and that the whitening is fitted to.

        Parameters
        ----------
        images, usable : Tensor, shape (B, 1, R, T)
            As in `forward`.

        Returns
        -------
        Tensor, shape (B, D')
            Embeddings of L2 norm 1; D' is `config.unwhitened_size`.

        Raises
        ------
        ValueError
            For other shapes.
        """
        return self._unwhitened(images, usable, list(self.trunks))

    def of_trunks(self, images: Tensor, usable: Tensor, trunks: Sequence[Callable[..., Tensor]]) -> Tensor:
        """`forward` with other `trunks` in place of the network's own."""
        return self._whitened(self._unwhitened(images, usable, trunks))

    def _whitened(self, unwhitened: Tensor) -> Tensor:
        return F.normalize(self.whitening(unwhitened), dim=1, eps=_SHORTEST)

    def _unwhitened(self, images: Tensor, usable: Tensor, trunks: Sequence[Callable[..., Tensor]]) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 1 or usable.shape != images.shape:
            raise ValueError(f"images and masks must be (B, 1, R, T), got {tuple(images.shape)}, {tuple(usable.shape)}")
        images, usable = resized(images, usable, self.config.size)
        texture = standardize(images, usable, self.config.window)
        return F.normalize(
            self.mix(torch.cat([trunk(texture, usable) for trunk in trunks], dim=1)), dim=1, eps=_SHORTEST
        )

    def folded(self) -> FoldedStripNet:
        """The network for inference, with the weights that it has now."""
        return FoldedStripNet(self)

    def embed(self, strips: Strip | Sequence[Strip]) -> NDArray[np.float32]:
        """Compute embeddings without gradients, in evaluation mode.

        Strips are processed one by one, so that a result does not depend on the other strips.

        Parameters
        ----------
        strips : Strip or sequence of Strip
            One or N strips, of any sizes.

        Returns
        -------
        ndarray of float32, shape (D,) or (N, D)
            Embeddings of length 1.

        Raises
        ------
        ValueError
            For something else than strips.
        """
        return self.folded().embed(strips)


class FoldedStripNet:
    """A `StripNet` for inference in half the time: batch norms are folded into the convolutions before them.

    `StripNet.embed` makes one in each call; who embeds strips one at a time keeps one. Embeddings differ from those of
    `StripNet.forward` by rounding, less than 1e-5.

    Parameters
    ----------
    network : StripNet
        The network. When its weights have changed, it has to be folded again.
    """

    def __init__(self, network: StripNet) -> None:
        self._network = network
        self._trunks = [trunk.folded() for trunk in network.trunks if isinstance(trunk, _Trunk)]

    @property
    def weights_sha256(self) -> str:
        """That of the network, to which a calibration belongs."""
        return self._network.weights_sha256

    @torch.inference_mode()
    def embed(self, strips: Strip | Sequence[Strip]) -> NDArray[np.float32]:
        """Compute embeddings of strips one by one, as `StripNet.embed` does."""
        require_strips(strips)
        network = self._network
        if not isinstance(strips, Strip):
            found = [self.embed(strip) for strip in strips]
            return np.stack(found) if found else np.zeros((0, network.embedding_size), np.float32)
        weight = network.whitening.mean
        planes = np.empty((2, 1, 1, *strips.size), np.float32)
        np.multiply(strips.image, np.float32(1 / 255), out=planes[0, 0, 0])
        planes[1] = strips.usable
        image, usable = torch.from_numpy(planes).to(weight)
        embedding: NDArray[np.float32] = network.of_trunks(image, usable, self._trunks)[0].float().cpu().numpy()
        return embedding


def join(networks: Sequence[StripNet], *, whitened: int = 0) -> StripNet:
    """Join networks that were trained separately: their embeddings are concatenated with equal weights.

    Such networks make different errors, so together they make fewer.

    Parameters
    ----------
    networks : sequence of StripNet
        Networks of one shape, without a linear layer over all cells (`embedding` is 0).
    whitened : int
        Number of directions that the whitening of the result will keep; 0: all.

    Returns
    -------
    StripNet
        The network, not whitened yet.

    Raises
    ------
    ValueError
        Where the shapes differ, or `embedding` is not 0.
    """
    shapes = {network.config.model_copy(update={"trunks": 1, "whitened": 0}).model_dump_json() for network in networks}
    if len(shapes) != 1 or networks[0].config.embedding:
        raise ValueError("networks of one shape, without `embedding`, are needed to join them")
    trunks = [trunk for network in networks for trunk in network.trunks]
    values = networks[0].config.model_dump() | {"trunks": len(trunks), "whitened": whitened}
    joined = StripNet(StripNetConfig.model_validate(values))
    for trunk, given in zip(joined.trunks, trunks, strict=True):
        trunk.load_state_dict(given.state_dict())
    return joined.eval()


def _mean_around(cells: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean around the ring of `cells` (B, C, rings, sectors)."""
    return (cells * weight).sum(3, keepdim=True) / weight.sum(3, keepdim=True)
