"""The rectifier: the STN that people put between their iris segmentation and their recognition network.

    rectifier = Rectifier.load()
    rectified = rectifier.rectify(strip)                       # a strip, several, an array or a tensor
    rectified = rectifier.rectify_eye(image, segmentation)     # sampled once, from the photograph itself
    embeddings = network(rectifier(strips))                    # inside a model of your own; gradients flow through

Whole eyes are always segmented first: an STN that is fed whole eyes wanders to any region that lowers its loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE, sample_ring
from irisstn.rectification.alignment import turned_onto
from irisstn.rectification.context_tensors import context_planes, moved_context
from irisstn.rectification.localization import CircularLocalization
from irisstn.rectification.rectified import Rectified
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.rectification.ring_context import (
    CONTEXT_SIZE,
    NO_LIDS,
    PLANES,
    Context,
    context_of_eye,
    context_of_strip,
    lid_parabolas,
)
from irisstn.rectification.roll import RollReader
from irisstn.rectification.roll_setting import RollMode, RollSetting
from irisstn.rectification.strip_arrays import strips_of
from irisstn.results import Segmentation, Strip
from irisstn.stn import (
    Ring,
    SpatialTransformer,
    Transform,
    Warped,
    area_outside,
    compose_iterations,
    require_finite,
    sample,
)
from irisstn.weights import RECTIFIER
from irisstn.weights_file import StoredModule

_JITTER = 0.07  # standard deviation of a variant's parameters, as a share of a ring's bounds: 2 degrees of roll


class _Found(NamedTuple):
    """What was found in one strip: `theta` (1, n), and what was `read` beside it, by name."""

    theta: Tensor
    read: dict[str, float]


class Rectifier(StoredModule):
    """Strips in, rectified strips of the same size out; it starts at the identity and changes nothing until trained.

    Convention: strips as in `irisstn.geometry`, 32x256, 64x512 or any other size. The localization net looks at the
    context of `irisstn.rectification.ring_context`: the strip made small, and where a photograph is at hand what lies
    around the ring. The warp reads the strip or the photograph itself, once.
    """

    KIND, FILE, CONFIG = "rectifier-3", RECTIFIER, RectifierConfig
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
            roll=not by_lids,
        )
        self.stn = SpatialTransformer(localization, transform, wrap=True, padding="border", antialias=config.antialias)
        self.roll_reader = RollReader() if by_lids else None
        self.roll = RollSetting()

    def with_roll(self, mode: RollMode, prior_deg: float | None = None) -> Self:
        """The same network, with the same weights, that takes a roll back in another way: see `RollSetting`.

        `prior_deg` None keeps the prior. The setting is no part of the weights: a file is always loaded with `auto`.
        """
        other = copy(self)
        other.roll = RollSetting(mode, self.roll.prior_deg if prior_deg is None else prior_deg)
        return other

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
        lids: Tensor | None = None,
    ) -> Tensor:
        """Rectified strips (B, 1, R', T') of `images` (B, 1, R, T) in 0..1.

        `usable` (B, 1, R, T) is 1 on usable cells, None = everywhere. `context` (B, 5, 64, 256) holds the planes of
        `irisstn.rectification.ring_context`; None makes them from the strips. `size` (R', T') is the input's unless
        given. `lids` (B, 2, 5) are those of `Context.lids`; None or zeros: unknown, and then no roll is taken back.
        Raises ValueError for other shapes, and where the weights or strips hold NaN.
        """
        return self.warp(images, usable, context, size, lids).image

    def warp(
        self,
        images: Tensor,
        usable: Tensor | None = None,
        context: Tensor | None = None,
        size: tuple[int, int] | None = None,
        lids: Tensor | None = None,
    ) -> Warped:
        """Like `forward`, with the warped mask (None without `usable`), theta and the grid."""
        if images.ndim != 4 or images.shape[1] != 1:
            raise ValueError(f"strips must be (B, 1, R, T), got {tuple(images.shape)}")
        if usable is not None and usable.shape != images.shape:
            raise ValueError(f"the mask must be {tuple(images.shape)} like the strips, got {tuple(usable.shape)}")
        theta = self.theta_of_context(context_planes(images, usable) if context is None else context, lids)
        return self.stn.warp(images, theta, usable, size)

    def theta_of_context(self, context: Tensor, lids: Tensor | None = None) -> Tensor:
        """The theta (B, n) found in `context` (B, 5, 64, 256), and in `lids` (B, 2, 5) where they are known."""
        theta = compose_iterations(
            self.stn.localization,
            lambda whole, theta: moved_context(whole, theta, self.transform),
            self.transform,
            context,
            self.config.iterations,
        )
        if self.roll_reader is None or lids is None or not isinstance(self.transform, Ring):
            return theta
        if lids.shape != (len(context), *NO_LIDS.shape):
            raise ValueError(f"lids must be (B, 2, 5) beside the context, got {tuple(lids.shape)}")
        theta = self.transform.turned(theta, self.roll_reader.taken_back(lids, self.roll))
        require_finite(theta)
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
            strips = strips_of(strips, usable)
        if isinstance(strips, Strip):
            return self.rectify_strip(strips, size=size)
        return [self.rectify(strip, size=size) for strip in strips]

    def rectify_strip(
        self, strip: Strip, segmentation: Segmentation | None = None, size: tuple[int, int] | None = None
    ) -> Rectified:
        """Rectify a strip that was cut along `segmentation`, whose photograph is not at hand.

        The roll is read off its eyelids, and comes out as `rectify_eye` finds it. None: the lids are not known, and no
        roll is taken back.
        """
        return self._sample_strip(strip, self._look_at_strip(strip, segmentation), size or strip.size)

    def rectify_eye(self, image: Gray, segmentation: Segmentation, size: tuple[int, int] = DEFAULT_SIZE) -> Rectified:
        """Normalize and rectify the iris of `image` (H, W) uint8, sampled once, from the photograph.

        At the identity the strip is `normalize(image, segmentation, size)` to the byte.
        """
        return self._sample_eye(image, segmentation, self._look_at_eye(image, segmentation), size)

    def align(self, probe: Strip, reference: Strip, *, size: tuple[int, int] | None = None) -> Rectified:
        """Rectify `probe` and turn it onto `reference`, which is rectified already: one comparison does for a search.

        How far it is turned comes from `recognition.roll_between`, and the probe is sampled once, with both; in all it
        is turned by `max_roll_deg` of the config at most. A stranger's probe is turned to where it fits best, too, as
        in any search over shifts. Raises ValueError where the transform is no ring.
        """
        found = self._look_at_strip(probe)
        found = self._onto(self._sample_strip(probe, found, probe.size), found, reference)
        return self._sample_strip(probe, found, size or probe.size)

    def align_eye(
        self, image: Gray, segmentation: Segmentation, reference: Strip, size: tuple[int, int] = DEFAULT_SIZE
    ) -> Rectified:
        """Like `align`, sampled from the photograph itself."""
        found = self._look_at_eye(image, segmentation)
        found = self._onto(self._sample_eye(image, segmentation, found, DEFAULT_SIZE), found, reference)
        return self._sample_eye(image, segmentation, found, size)

    def variants(
        self,
        strip: Strip,
        k: int,
        seed: int,
        *,
        segmentation: Segmentation | None = None,
        size: tuple[int, int] | None = None,
    ) -> list[Rectified]:
        """`k` plausible ways to rectify `strip`: the parameters found, each moved a little. The same for a `seed`."""
        found = self._jittered(self._look_at_strip(strip, segmentation), k, seed) if k else []
        return [self._sample_strip(strip, one, size or strip.size) for one in found]

    def variants_of_eye(
        self, image: Gray, segmentation: Segmentation, k: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
    ) -> list[Rectified]:
        """Like `variants`, each sampled once, from the photograph."""
        found = self._jittered(self._look_at_eye(image, segmentation), k, seed) if k else []
        return [self._sample_eye(image, segmentation, one, size) for one in found]

    def _look_at_strip(self, strip: Strip, segmentation: Segmentation | None = None) -> _Found:
        lids = NO_LIDS
        if segmentation is not None:
            lids = lid_parabolas(segmentation.limbus, (segmentation.upper_lid, segmentation.lower_lid))
        return self._look(context_of_strip(strip, lids=lids), segmentation)

    def _look_at_eye(self, image: Gray, segmentation: Segmentation) -> _Found:
        return self._look(context_of_eye(image, segmentation), segmentation)

    @torch.no_grad()
    def _look(self, context: Context, segmentation: Segmentation | None) -> _Found:
        weight = next(self.parameters())
        lids = torch.from_numpy(context.lids.copy())[None].to(weight.device)
        theta = self.theta_of_context(torch.from_numpy(context.planes())[None].to(weight), lids)
        read: dict[str, float] = {}
        if isinstance(self.transform, Ring) and segmentation is not None:
            share = segmentation.pupil.mean_radius / segmentation.limbus.mean_radius
            theta = self.transform.with_pupil_share(theta, torch.tensor([share], device=theta.device))
        if self.roll_reader is not None and context.lids.any():
            reading = self.roll_reader(lids)
            read = {"roll_read_rad": float(reading.angle_rad), "roll_sd_rad": float(reading.sd_rad)}
        return _Found(theta, read)

    def _onto(self, rectified: Rectified, found: _Found, reference: Strip) -> _Found:
        """`found`, with which `rectified` was sampled, turned on so that it lies on `reference`."""
        limit = self.config.max_roll_deg
        theta = turned_onto(found.theta, self.transform, rectified.strip, reference, max_roll_deg=limit)
        return found._replace(theta=theta)

    @torch.no_grad()
    def _sample_strip(self, strip: Strip, found: _Found, size: tuple[int, int]) -> Rectified:
        theta = found.theta
        image = torch.from_numpy(strip.image.astype(np.float32))[None, None].to(theta.device)
        usable = torch.from_numpy(strip.usable.astype(np.float32))[None, None].to(theta.device)
        warped = self.stn.warp(image, theta, size=size)
        gray = warped.image[0, 0].round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        mask = (sample(usable, warped.grid, wrap=True)[0, 0] > 0.5).cpu().numpy()
        outside = float(area_outside(warped.grid, wrap=True))
        return Rectified(Strip(gray, mask), self._named(found), outside, warped.grid[0].cpu().numpy())

    @torch.no_grad()
    def _sample_eye(self, image: Gray, segmentation: Segmentation, found: _Found, size: tuple[int, int]) -> Rectified:
        exact = found.theta.double().cpu()
        if isinstance(self.transform, Ring):
            radius, angle = self.transform.ring(exact, size)
        else:
            grid: Tensor = self.transform(exact, size)
            radius, angle = (grid[..., 1] + 1) / 2, torch.pi * (grid[..., 0] + 1)
        strip = sample_ring(image, segmentation, (radius[0].numpy(), angle[0].numpy()))
        outside = ((radius < 0) | (radius > 1)).double().mean()
        given = torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1)
        return Rectified(strip, self._named(found), float(outside), given[0].numpy())

    def _named(self, found: _Found) -> dict[str, float]:
        named = self.transform.parameters_by_name(found.theta)
        return {name: float(value[0]) for name, value in named.items()} | found.read

    def _jittered(self, found: _Found, k: int, seed: int) -> list[_Found]:
        if k < 0:
            raise ValueError(f"the number of variants must not be negative, got {k}")
        physical = self.transform.physical(found.theta).double().cpu()
        spread = torch.full((self.transform.n_params,), 0.02)
        if isinstance(self.transform, Ring):
            spread = _JITTER * self.transform.limits
            spread[-1] = 0  # the pupil's share is no error of the ring
        moves = np.random.default_rng(seed).standard_normal((k, self.transform.n_params))
        thetas = [self.transform.theta_of(physical + torch.from_numpy(move) * spread).to(found.theta) for move in moves]
        return [found._replace(theta=theta) for theta in thetas]
