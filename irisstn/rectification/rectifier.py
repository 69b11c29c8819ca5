"""The rectifier: the STN that people put between their iris segmentation and their recognition network.

    rectifier = Rectifier.load()
    rectified = rectifier.rectify(strip)                       # a strip, several, an array or a tensor
    rectified = rectifier.rectify_eye(image, segmentation)     # sampled once, from the photograph itself
    embeddings = network(rectifier(strips))                    # inside a model of your own; gradients flow through

Whole eyes are always segmented first: an STN that is fed whole eyes wanders to any region that lowers its loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from irisstn.config import Strict
from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE, sample_ring
from irisstn.rectification.alignment import turned_onto
from irisstn.rectification.context_tensors import context_planes, moved_context
from irisstn.rectification.localization import CircularLocalization
from irisstn.rectification.ring_context import CONTEXT_SIZE, PLANES, Context, context_of_eye, context_of_strip
from irisstn.rectification.roll import RollReader
from irisstn.results import Segmentation, Strip
from irisstn.stn import (
    Affine,
    Projective,
    Ring,
    SpatialTransformer,
    ThinPlateSpline,
    Transform,
    Translation,
    Warped,
    area_outside,
    require_finite,
    sample,
)
from irisstn.weights import RECTIFIER
from irisstn.weights_file import StoredModule

_JITTER = 0.07  # standard deviation of a variant's parameters, as a share of a ring's bounds: 2 degrees of roll


class RectifierConfig(Strict):
    """Shape and bounds of a rectifier.

    The other transforms are there to compare with. They know of no boundaries, so `max_shift` bounds how far they move
    across the ring, and `max_dilation` is the ring's alone.
    """

    transform: Literal["ring", "translation", "affine", "projective", "tps"] = "ring"
    width: int = Field(32, ge=8, le=128, multiple_of=8)  # channels of the localization net
    position: bool = True  # it sees the absolute angle: a ring's roll is read off the lids, which lie above and below
    iterations: int = Field(1, ge=1, le=16)  # looks, each through what the ones before found
    full_circle: bool = False  # any roll, turning with the strip, in place of a small one about the upright eye
    max_roll_deg: float = Field(30.0, gt=0, le=180)
    max_dilation: float = Field(0.6, gt=0, lt=1)
    max_shift: float = Field(0.2, gt=0, le=0.2)  # ring widths: mean and centre of either boundary
    max_oval: float = Field(0.08, gt=0, lt=0.1)  # ring widths: its second order
    antialias: bool = False  # average over each cell where the output is smaller than the input

    def build_transform(self) -> Transform:
        """The transform that the fields describe."""
        along, across = self.max_roll_deg / 180, 2 * self.max_shift  # in the units of a grid
        linear = (0.3, 0.3, along, 0.3, across, across)
        match self.transform:
            case "translation":
                return Translation((along, across))
            case "affine":
                return Affine(linear)
            case "projective":
                return Projective((*linear, 0.1, 0.1))
            case "tps":
                return ThinPlateSpline(bound=across)
            case "ring":
                return Ring(
                    max_roll_rad=float(np.deg2rad(self.max_roll_deg)),
                    max_dilation=self.max_dilation,
                    max_shift=self.max_shift,
                    max_oval=self.max_oval,
                    full_circle=self.full_circle,
                )


@dataclass(frozen=True, slots=True, eq=False)
class Rectified:
    """A rectified `strip`, the transform's `parameters` by name, and `outside`, the share of its cells that lie so.

    Outside means inside the pupil or beyond the limbus of the ring that was given. `grid` (R, T, 2) is where on the
    given strip each cell was sampled, in the units of `irisstn.geometry`.
    """

    strip: Strip
    parameters: dict[str, float]
    outside: float
    grid: NDArray[np.floating]


class Rectifier(StoredModule):
    """Strips in, rectified strips of the same size out; it starts at the identity and changes nothing until trained.

    Convention: strips as in `irisstn.geometry`, 32x256, 64x512 or any other size. The localization net looks at the
    context of `irisstn.rectification.ring_context`: the strip made small, and where a photograph is at hand what lies
    around the ring. The warp reads the strip or the photograph itself, once.
    """

    KIND, FILE, CONFIG = "rectifier-2", RECTIFIER, RectifierConfig
    config: RectifierConfig

    def __init__(self, config: RectifierConfig = RectifierConfig()) -> None:
        super().__init__(config)
        transform = config.build_transform()
        by_lids = isinstance(transform, Ring) and config.position and not config.full_circle
        localization = CircularLocalization(
            transform,
            CONTEXT_SIZE[0],
            channels=len(PLANES),
            width=config.width,
            position=config.position,
            roll=RollReader() if by_lids else None,
        )
        self.stn = SpatialTransformer(localization, transform, wrap=True, padding="border", antialias=config.antialias)

    @property
    def transform(self) -> Transform:
        """The transform, for its `names` and `parameters_by_name`."""
        return self.stn.transform

    def forward(
        self,
        images: Tensor,
        usable: Tensor | None = None,
        context: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Rectified strips (B, 1, R', T') of `images` (B, 1, R, T) in 0..1.

        `usable` (B, 1, R, T) is 1 on usable cells, None = everywhere. `context` (B, 5, 64, 256) holds the planes of
        `irisstn.rectification.ring_context`; None makes them from the strips. `size` (R', T') is the input's unless
        given. Raises ValueError for other shapes, and where the weights or strips hold NaN.
        """
        return self.warp(images, usable, context, size).image

    def warp(
        self,
        images: Tensor,
        usable: Tensor | None = None,
        context: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Warped:
        """Like `forward`, with the warped mask (None without `usable`), theta and the grid."""
        if images.ndim != 4 or images.shape[1] != 1:
            raise ValueError(f"strips must be (B, 1, R, T), got {tuple(images.shape)}")
        if usable is not None and usable.shape != images.shape:
            raise ValueError(f"the mask must be {tuple(images.shape)} like the strips, got {tuple(usable.shape)}")
        theta = self.theta_of_context(context_planes(images, usable) if context is None else context)
        return self.stn.warp(images, theta, usable, size)

    def theta_of_context(self, context: Tensor) -> Tensor:
        """The theta (B, n) found in `context` (B, 5, 64, 256)."""
        theta: Tensor = self.stn.localization(context)
        require_finite(theta)
        for _ in range(1, self.config.iterations):
            seen: Tensor = self.stn.localization(moved_context(context, theta, self.transform))
            theta = self.transform.compose(theta, seen)
        return theta

    @overload
    def rectify(self, strips: Strip, *, size: tuple[int, int] | None = None) -> Rectified: ...
    @overload
    def rectify(self, strips: Sequence[Strip], *, size: tuple[int, int] | None = None) -> list[Rectified]: ...
    @overload
    def rectify(
        self,
        strips: NDArray[np.generic] | Tensor,
        usable: NDArray[np.bool_] | Tensor | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Rectified | list[Rectified]: ...
    def rectify(
        self,
        strips: Strip | Sequence[Strip] | NDArray[np.generic] | Tensor,
        usable: NDArray[np.bool_] | Tensor | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Rectified | list[Rectified]:
        """Rectify a strip, or each of several, without gradients.

        `strips`: a `Strip` or a list of them; or an array or tensor, (R, T) for one, (B, R, T) or (B, 1, R, T) for
        several, of uint8 or of floats in 0..1, with its mask `usable` of the same shape. Strips are taken one by one,
        so the result for one does not depend on its company. `size` (R', T') is the input's unless given.
        """
        if isinstance(strips, np.ndarray | Tensor):
            strips = _strips_of(strips, usable)
        if isinstance(strips, Strip):
            return self._sample_strip(strips, self._theta(context_of_strip(strips)), size or strips.size)
        return [self.rectify(strip, size=size) for strip in strips]

    def rectify_eye(self, image: Gray, segmentation: Segmentation, size: tuple[int, int] = DEFAULT_SIZE) -> Rectified:
        """Normalize and rectify the iris of `image` (H, W) uint8, sampled once, from the photograph.

        At the identity the strip is `normalize(image, segmentation, size)` to the byte.
        """
        return self._sample_eye(image, segmentation, self._theta_of_eye(image, segmentation), size)

    def align(self, probe: Strip, reference: Strip, *, size: tuple[int, int] | None = None) -> Rectified:
        """Rectify `probe` and turn it onto `reference`, which is rectified already: one comparison does for a search.

        How far it is turned comes from `recognition.roll_between`, and the probe is sampled once, with both; in all it
        is turned by `max_roll_deg` of the config at most. A stranger's probe is turned to where it fits best, too, as
        in any search over shifts. Raises ValueError where the transform is no ring.
        """
        theta = self._theta(context_of_strip(probe))
        theta = self._onto(self._sample_strip(probe, theta, probe.size), theta, reference)
        return self._sample_strip(probe, theta, size or probe.size)

    def align_eye(
        self, image: Gray, segmentation: Segmentation, reference: Strip, size: tuple[int, int] = DEFAULT_SIZE
    ) -> Rectified:
        """Like `align`, sampled from the photograph itself."""
        theta = self._theta_of_eye(image, segmentation)
        theta = self._onto(self._sample_eye(image, segmentation, theta, DEFAULT_SIZE), theta, reference)
        return self._sample_eye(image, segmentation, theta, size)

    def variants(self, strip: Strip, k: int, seed: int, *, size: tuple[int, int] | None = None) -> list[Rectified]:
        """`k` plausible ways to rectify `strip`: the parameters found, each moved a little. The same for a `seed`."""
        thetas = self._jittered(self._theta(context_of_strip(strip)), k, seed) if k else []
        return [self._sample_strip(strip, theta, size or strip.size) for theta in thetas]

    def variants_of_eye(
        self, image: Gray, segmentation: Segmentation, k: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
    ) -> list[Rectified]:
        """Like `variants`, each sampled once, from the photograph."""
        thetas = self._jittered(self._theta_of_eye(image, segmentation), k, seed) if k else []
        return [self._sample_eye(image, segmentation, theta, size) for theta in thetas]

    @torch.no_grad()
    def _theta(self, context: Context) -> Tensor:
        weight = next(self.parameters())
        return self.theta_of_context(torch.from_numpy(context.planes())[None].to(weight))

    @torch.no_grad()
    def _theta_of_eye(self, image: Gray, segmentation: Segmentation) -> Tensor:
        theta = self._theta(context_of_eye(image, segmentation))
        if not isinstance(self.transform, Ring):
            return theta
        share = segmentation.pupil.mean_radius / segmentation.limbus.mean_radius
        return self.transform.with_pupil_share(theta, torch.tensor([share], device=theta.device))

    def _onto(self, rectified: Rectified, theta: Tensor, reference: Strip) -> Tensor:
        """`theta`, with which `rectified` was sampled, turned on so that it lies on `reference`."""
        limit = self.config.max_roll_deg
        return turned_onto(theta, self.transform, rectified.strip, reference, max_roll_deg=limit)

    @torch.no_grad()
    def _sample_strip(self, strip: Strip, theta: Tensor, size: tuple[int, int]) -> Rectified:
        image = torch.from_numpy(strip.image.astype(np.float32))[None, None].to(theta.device)
        usable = torch.from_numpy(strip.usable.astype(np.float32))[None, None].to(theta.device)
        warped = self.stn.warp(image, theta, size=size)
        gray = warped.image[0, 0].round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        mask = (sample(usable, warped.grid, wrap=True)[0, 0] > 0.5).cpu().numpy()
        outside = float(area_outside(warped.grid, wrap=True))
        return Rectified(Strip(gray, mask), self._named(theta), outside, warped.grid[0].cpu().numpy())

    @torch.no_grad()
    def _sample_eye(self, image: Gray, segmentation: Segmentation, theta: Tensor, size: tuple[int, int]) -> Rectified:
        exact = theta.double().cpu()
        if isinstance(self.transform, Ring):
            radius, angle = self.transform.ring(exact, size)
        else:
            grid: Tensor = self.transform(exact, size)
            radius, angle = (grid[..., 1] + 1) / 2, torch.pi * (grid[..., 0] + 1)
        strip = sample_ring(image, segmentation, (radius[0].numpy(), angle[0].numpy()))
        outside = ((radius < 0) | (radius > 1)).double().mean()
        given = torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)
        return Rectified(strip, self._named(theta), float(outside), given[0].numpy())

    def _named(self, theta: Tensor) -> dict[str, float]:
        return {name: float(value[0]) for name, value in self.transform.parameters_by_name(theta).items()}

    def _jittered(self, theta: Tensor, k: int, seed: int) -> list[Tensor]:
        if k < 0:
            raise ValueError(f"the number of variants must not be negative, got {k}")
        found = self.transform.physical(theta).double().cpu()
        spread = torch.full((self.transform.n_params,), 0.02)
        if isinstance(self.transform, Ring):
            spread = _JITTER * self.transform.limits
            spread[-1] = 0  # the pupil's share is no error of the ring
        moves = np.random.default_rng(seed).standard_normal((k, self.transform.n_params))
        return [self.transform.theta_of(found + torch.from_numpy(move) * spread).to(theta) for move in moves]


def _strips_of(strips: NDArray[np.generic] | Tensor, usable: NDArray[np.bool_] | Tensor | None) -> Strip | list[Strip]:
    """Arrays or tensors as strips. Raises ValueError for other shapes, types and ranges than `rectify` names."""
    gray, mask = (x.detach().cpu().numpy() if isinstance(x, Tensor) else x for x in (strips, usable))
    if gray is None or gray.ndim not in (2, 3, 4) or (gray.ndim == 4 and gray.shape[1] != 1):
        raise ValueError(f"strips must be (R, T), (B, R, T) or (B, 1, R, T), got {strips.shape}")
    if gray.size == 0:
        raise ValueError(f"a strip needs at least one row and one column, got {gray.shape}")
    if mask is not None and mask.shape != gray.shape:
        raise ValueError(f"the mask must be {gray.shape} like the strips, got {mask.shape}")
    if gray.dtype != np.uint8:
        if not np.issubdtype(gray.dtype, np.floating) or not (gray.min() >= 0 and gray.max() <= 1):
            raise ValueError(f"strips must be uint8 or floats in 0..1, got {gray.dtype}")
        gray = np.rint(gray * 255)
    kept = np.ones(gray.shape, bool) if mask is None else np.asarray(mask, np.float32) > 0.5
    if gray.ndim == 2:
        return Strip(gray.astype(np.uint8), kept)
    size = gray.shape[-2:]
    return [Strip(g, m) for g, m in zip(gray.astype(np.uint8).reshape(-1, *size), kept.reshape(-1, *size), strict=True)]
