"""StripNet: a small convolutional network that turns a strip into an embedding.

The strip's angle is a circle, so every convolution pads around it; across the ring it pads with zeros. Cameras and
lights differ more than irises do, so what goes in is texture alone: each pixel less the mean around it, over the
deviation around it, both over usable pixels. The mask does not enter the convolutions, for its outline says more about
eyelids and segmenter than about the iris; it weighs where features are pooled: a cell counts by the usable pixels below
it. Recognition relies on what lies where, so pooling keeps sectors of the ring apart to the end,
and an embedding holds how each differs from the mean around the ring. Last comes a linear layer that is not learnt but
fitted to the embeddings of many rendered eyes: see `irisstn.recognition.whitening`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from irisstn.config import Strict
from irisstn.recognition.whitening import Whitening
from irisstn.results import Strip
from irisstn.stn.circular import CircularConv
from irisstn.weights import MAX_BYTES, RECOGNIZER
from irisstn.weights_file import StoredModule

_LARGEST_SIDE = 1024  # of the picture it works at, and channels of a layer
_FLOOR = 2e-4  # added to the variance of gray levels in 0..1: noise of 3.6 of 255 levels is not blown up
_LIMIT = 3.0  # deviations beyond which a pixel is a lash or a glint that the mask has missed

_SHORTEST = 1e-6  # length below which nothing is made longer: gradients stay finite where no cell is usable


class StripNetConfig(Strict):
    """Shape of the network; the defaults make half a million parameters and 512 floats."""

    size: tuple[int, int] = (32, 256)  # rows x columns that it works at; strips of other sizes are brought to it
    window: tuple[int, int] = (17, 33)  # rows x columns, odd: what a pixel is compared with
    widths: tuple[int, int, int, int] = (24, 48, 80, 128)  # channels at 1/2, 1/4, 1/4 and 1/8 of the size
    sectors: int = Field(32, ge=1, le=512)  # places around the ring that the embedding keeps apart
    rings: int = Field(2, ge=1, le=64)  # the same, from the pupil to the limbus
    channels: int = Field(8, ge=1, le=256)  # floats for each such place
    trunks: int = Field(1, ge=1, le=4)  # networks side by side, trained apart: their embeddings are joined
    embedding: int = Field(0, ge=0, le=8192)  # > 0: mix all places into so many floats; 0: keep them apart
    whitened: int = Field(0, ge=0)  # > 0: keep so many floats, in which eyes differ most; 0: all

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(side % 2 == 0 or side < 1 or side > limit for side, limit in zip(self.window, self.size, strict=True)):
            raise ValueError(f"a window of two odd sides within the size {self.size} is needed, got {self.window}")
        if max(*self.widths, *self.size) > _LARGEST_SIDE or min(*self.widths, *self.size) < 1:
            raise ValueError(f"widths and sizes of 1 to {_LARGEST_SIDE} are needed, got {self.widths}, {self.size}")
        places = self.trunks * self.rings * self.sectors * self.channels
        if max(places * self.embedding, self.unwhitened_size * self.whitened) > MAX_BYTES // 4:
            raise ValueError("its matrices would be larger than a weights file may be")
        if self.whitened > self.unwhitened_size:
            raise ValueError(f"of {self.unwhitened_size} floats no more can be kept, asked for {self.whitened}")
        return self

    @property
    def unwhitened_size(self) -> int:
        """Floats before the whitening."""
        return self.embedding or self.trunks * self.rings * self.sectors * self.channels


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


class _Trunk(nn.Module):
    """Texture to the floats of all places, of length 1: the part that is learnt."""

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
        """(B, channels x rings x sectors) of `texture` and `usable` (B, 1, R, T)."""
        features = self.head(self.features(texture))
        weight = F.adaptive_avg_pool2d(usable, features.shape[-2:])
        pooled = F.adaptive_avg_pool2d(features * weight, self.places)
        pooled = pooled / (F.adaptive_avg_pool2d(weight, self.places) + 0.05)
        seen = F.adaptive_avg_pool2d(usable, self.places) + 1e-3
        # What is the same all around is the camera's, or the person's in both eyes: only what differs around the ring
        # is kept. A square root, so that a place half seen counts half in the product of two embeddings.
        centred = pooled - _mean_around(pooled, seen)
        scaled = centred / (_mean_around(centred.square(), seen) + 1e-4).sqrt()
        return F.normalize((scaled * seen.sqrt()).flatten(1), dim=1, eps=_SHORTEST)


class StripNet(StoredModule):
    """Strips to embeddings of length 1; two strips are compared by the cosine of theirs.

    Strips of any size go in. They are brought to the one of the config, at which the network was trained.
    """

    KIND, FILE, CONFIG = "recognizer-3", RECOGNIZER, StripNetConfig
    config: StripNetConfig

    def __init__(self, config: StripNetConfig = StripNetConfig()) -> None:
        super().__init__(config)
        self.trunks = nn.ModuleList(_Trunk(config) for _ in range(config.trunks))
        floats = config.trunks * config.rings * config.sectors * config.channels
        self.mix = nn.Linear(floats, config.embedding) if config.embedding else nn.Identity()
        self.whitening = Whitening(config.unwhitened_size, config.whitened)

    @property
    def embedding_size(self) -> int:
        """D: floats of an embedding."""
        return self.config.whitened or self.config.unwhitened_size

    def forward(self, images: Tensor, usable: Tensor) -> Tensor:
        """Embeddings (B, D), L2 norm 1, of `images` (B, 1, R, T) in 0..1 and `usable` (B, 1, R, T) in 0..1."""
        return F.normalize(self.whitening(self.unwhitened(images, usable)), dim=1, eps=_SHORTEST)

    def unwhitened(self, images: Tensor, usable: Tensor) -> Tensor:
        """The embeddings (B, D') before the whitening, L2 norm 1: what it is fitted to, and what training sees."""
        if images.ndim != 4 or images.shape[1] != 1 or usable.shape != images.shape:
            raise ValueError(
                f"images and masks (B, 1, R, T) are wanted, got {tuple(images.shape)}, {tuple(usable.shape)}"
            )
        images, usable = _resized(images, usable, self.config.size)
        texture = standardize(images, usable, self.config.window)
        return F.normalize(
            self.mix(torch.cat([trunk(texture, usable) for trunk in self.trunks], dim=1)), dim=1, eps=_SHORTEST
        )

    @torch.no_grad()
    def embed(self, strips: Strip | Sequence[Strip]) -> NDArray[np.float32]:
        """The embedding (D,) of a strip, or those (N, D) of several, without gradients.

        Strips are taken one by one, so the result for one does not depend on its company.
        """
        if not isinstance(strips, Strip):
            found = [self.embed(strip) for strip in strips]
            return np.stack(found) if found else np.zeros((0, self.embedding_size), np.float32)
        weight = next(self.parameters())
        planes = np.stack([strips.image / np.float32(255), strips.usable]).astype(np.float32)
        image, usable = torch.from_numpy(planes).to(weight)[:, None, None]
        embedding: NDArray[np.float32] = self(image, usable)[0].float().cpu().numpy()
        return embedding


def join(networks: Sequence[StripNet], *, whitened: int = 0) -> StripNet:
    """One network with the trunks of all `networks` side by side, each of which counts alike; not whitened yet.

    `whitened` is how many floats its whitening will keep. Networks that were trained apart err apart, so together they
    err less. Raises ValueError where their shapes differ, or where one mixes its places.
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


def _mean_around(places: Tensor, weight: Tensor) -> Tensor:
    """The mean around the ring of `places` (B, C, rings, sectors), where a place counts by its `weight`."""
    return (places * weight).sum(3, keepdim=True) / weight.sum(3, keepdim=True)


def standardize(images: Tensor, usable: Tensor, window: tuple[int, int]) -> Tensor:
    """`images` (B, 1, R, T) in 0..1 with mean 0 and deviation 1 in the `window` around each pixel, 0 where not usable.

    `window` (rows, columns), both odd, wraps around the angle and ends at pupil and limbus. Only usable pixels count;
    values end at 3 deviations.
    """
    weight = _around(usable, window).clamp_min(1e-3)
    centred = (images - _around(images * usable, window) / weight) * usable
    variance = _around(centred.square(), window) / weight
    return (centred / (variance + _FLOOR).sqrt()).clamp(-_LIMIT, _LIMIT)


def _around(planes: Tensor, window: tuple[int, int]) -> Tensor:
    """The sum over the window around each pixel of `planes` (B, 1, R, T), over the window's area."""
    rows, columns = window
    side = columns // 2
    wrapped = torch.cat([planes[..., planes.shape[-1] - side :], planes, planes[..., :side]], dim=-1)
    padded = F.pad(wrapped, (0, 0, rows // 2, rows // 2))
    return _run_sums(_run_sums(padded, 2, rows), 3, columns) / (rows * columns)


def _run_sums(planes: Tensor, axis: int, length: int) -> Tensor:
    """Sums of each `length` neighbours along `axis`, which becomes shorter by `length` - 1.

    Runs of 1, 2, 4, ... are each the sum of two of the last, and the binary digits of `length` say which make it up: a
    sixth of the time of torch's pooling.
    """
    kept = planes.shape[axis] - length + 1
    run, parts, start = planes, [], 0
    for digit in range(length.bit_length()):
        side = 1 << digit
        if digit:  # from runs of side / 2 to runs of side
            shorter = run.shape[axis] - side // 2
            run = run.narrow(axis, 0, shorter) + run.narrow(axis, side // 2, shorter)
        if length & side:
            parts.append(run.narrow(axis, start, kept))
            start += side
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _resized(images: Tensor, usable: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Means over the usable pixels of each cell of `size`; a cell is usable where half of it is."""
    if images.shape[-2:] == size:
        return images * usable, usable
    share = _cell_means(usable, size)
    mean = _cell_means(images * usable, size) / share.clamp_min(1e-3)
    kept = (share > 0.5).to(images)
    return mean * kept, kept


def _cell_means(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Means over the cells of `size`; where these are 2 x 2 pixels, as usual, faster than by torch's pooling."""
    if planes.shape[-2:] != (2 * size[0], 2 * size[1]):
        return F.adaptive_avg_pool2d(planes, size)
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4
