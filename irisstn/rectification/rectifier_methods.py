"""The methods that every rectifier has, whatever computes its network: PyTorch or ONNX Runtime.

A rectifier estimates a transform from the context of an iris; what is sampled, varied and aligned with it is the same
for all. This module needs neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE
from irisstn.rectification.alignment import alignment_distance
from irisstn.rectification.rectified import Rectified
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.rectification.ring_context import NO_EYELIDS, Context, context_of_eye, context_of_strip, eyelid_parabolas
from irisstn.rectification.roll_setting import RollMode, RollSetting
from irisstn.rectification.strip_arrays import strips_of
from irisstn.results import Segmentation, Strip, require_strips

if TYPE_CHECKING:
    from torch import Tensor

Estimated = TypeVar("Estimated")


class RectifierMethods(ABC, Generic[Estimated]):
    """Base of `irisstn.Rectifier` and `irisstn.OnnxRectifier`: from strips and photographs to rectified strips."""

    config: RectifierConfig
    roll: RollSetting

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
        """Rectify one or several strips, without gradients.

        Strips are processed one by one, so that a result does not depend on the others. In one thread a batch would
        not be faster; where there are more, `forward` takes batches.

        Parameters
        ----------
        strips : Strip, sequence of Strip, ndarray or Tensor
            An array or tensor is (R, T) for one strip, (B, R, T) or (B, 1, R, T) for several, of uint8 or of floats in
            0..1.
        usable : ndarray or Tensor, optional
            Mask of an array or tensor, of the same shape.
        size : tuple of int, optional
            (R', T') of the results; None for that of each strip.

        Returns
        -------
        Rectified or list of Rectified
            A list for several strips, empty for none.

        Raises
        ------
        ValueError
            For other shapes, types or values.
        """
        if isinstance(strips, Strip):
            return self.rectify_strip(strips, size=size)
        several = strips if isinstance(strips, Sequence) else strips_of(strips, usable)
        require_strips(several)
        if isinstance(several, Strip):
            return self.rectify_strip(several, size=size)
        return [self.rectify_strip(strip, size=size) for strip in several]

    def rectify_strip(
        self, strip: Strip, segmentation: Segmentation | None = None, size: tuple[int, int] | None = None
    ) -> Rectified:
        """Rectify a strip whose photograph is not available.

        Parameters
        ----------
        strip : Strip
            The strip.
        segmentation : Segmentation, optional
            What the strip was cut along. The roll is read off its eyelids, as in `rectify_eye`; without it the roll is
            not corrected.
        size : tuple of int, optional
            (R', T') of the result; None for that of the strip.

        Returns
        -------
        Rectified
            The rectified strip.
        """
        return self.rectify_with_variants(strip, 0, 0, segmentation=segmentation, size=size)[0]

    def rectify_eye(self, image: Gray, segmentation: Segmentation, size: tuple[int, int] = DEFAULT_SIZE) -> Rectified:
        """Normalize and rectify an iris, sampled once, from the photograph.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W)
            The photograph.
        segmentation : Segmentation
            Its segmentation.
        size : tuple of int
            (R, T) of the result.

        Returns
        -------
        Rectified
            At the identity its strip is equal to `normalize(image, segmentation, size)`.
        """
        return self.rectify_eye_with_variants(image, segmentation, 0, 0, size)[0]

    def rectify_with_variants(
        self,
        strip: Strip,
        k: int,
        seed: int,
        *,
        segmentation: Segmentation | None = None,
        size: tuple[int, int] | None = None,
    ) -> tuple[Rectified, list[Rectified]]:
        """`rectify_strip` and `variants` with one pass through the network; see there for the arguments."""
        require_strips(strip)
        estimate = self._estimate_of_strip(strip, segmentation)
        every = [estimate, *self._varied(estimate, k, seed)]
        first, *others = [self._sampled_from_strip(strip, one, size or strip.size) for one in every]
        return first, others

    def rectify_eye_with_variants(
        self, image: Gray, segmentation: Segmentation, k: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
    ) -> tuple[Rectified, list[Rectified]]:
        """`rectify_eye` and `variants_of_eye` with one pass through the network; see there for the arguments."""
        estimate = self._estimate_of_eye(image, segmentation)
        every = [estimate, *self._varied(estimate, k, seed)]
        first, *others = [self._sampled_from_eye(image, segmentation, one, size) for one in every]
        return first, others

    def variants(
        self,
        strip: Strip,
        k: int,
        seed: int,
        *,
        segmentation: Segmentation | None = None,
        size: tuple[int, int] | None = None,
    ) -> list[Rectified]:
        """Rectify a strip in `k` plausible ways: with the estimated parameters, each varied a little.

        Parameters
        ----------
        strip, segmentation, size
            As in `rectify_strip`.
        k : int
            Number of variants.
        seed : int
            Equal seeds give equal variants.

        Returns
        -------
        list of Rectified
            The variants.

        Raises
        ------
        ValueError
            For a negative `k`.
        """
        return self.rectify_with_variants(strip, k, seed, segmentation=segmentation, size=size)[1] if k else []

    def variants_of_eye(
        self, image: Gray, segmentation: Segmentation, k: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
    ) -> list[Rectified]:
        """Like `variants`, each sampled once, from the photograph."""
        return self.rectify_eye_with_variants(image, segmentation, k, seed, size)[1] if k else []

    def align(self, probe: Strip, reference: Strip, *, size: tuple[int, int] | None = None) -> Rectified:
        """Rectify a strip and align it with a reference, so that one comparison replaces a search over shifts.

        A probe of another eye is also turned to where it fits best, as in any search: `alignment_distance` says how
        well that is.

        Parameters
        ----------
        probe : Strip
            The strip to be rectified and aligned; it is sampled once.
        reference : Strip
            A rectified strip.
        size : tuple of int, optional
            (R', T') of the result; None for that of `probe`.

        Returns
        -------
        Rectified
            Its `parameters` also hold `alignment_distance`, the distance of the iris codes of the aligned strip and
            the reference (0..1; about 0.5 for different eyes; 2 where nothing is usable in both), and `roll_at_limit`,
            1 where the roll reached `max_roll_deg` of the config, so that a better one may lie beyond it, and else 0.

        Raises
        ------
        ValueError
            Where the transform is not a ring.
        """
        estimate = self._estimate_of_strip(probe)
        rectified = self._sampled_from_strip(probe, estimate, probe.size)
        estimate = self._aligned(estimate, rectified.strip, reference)
        return _with_distance(self._sampled_from_strip(probe, estimate, size or probe.size), reference)

    def align_eye(
        self, image: Gray, segmentation: Segmentation, reference: Strip, size: tuple[int, int] = DEFAULT_SIZE
    ) -> Rectified:
        """Like `align`, sampled once, from the photograph."""
        estimate = self._estimate_of_eye(image, segmentation)
        rectified = self._sampled_from_eye(image, segmentation, estimate, DEFAULT_SIZE)
        estimate = self._aligned(estimate, rectified.strip, reference)
        return _with_distance(self._sampled_from_eye(image, segmentation, estimate, size), reference)

    def with_roll(self, mode: RollMode, prior_deg: float | None = None) -> Self:
        """Change how the roll is corrected.

        Parameters
        ----------
        mode : {"auto", "full", "none"}
            See `RollSetting`. It is not stored with the weights: weights of PyTorch are always loaded with `auto`.
        prior_deg : float, optional
            Standard deviation of the prior in degrees, 0..45; None keeps that of this rectifier.

        Returns
        -------
        Self
            A shallow copy that shares the weights.

        Raises
        ------
        ValueError
            For another mode or an impossible prior.
        """
        other = copy(self)
        other.roll = RollSetting(mode, self.roll.prior_deg if prior_deg is None else prior_deg)
        return other

    def _estimate_of_strip(self, strip: Strip, segmentation: Segmentation | None = None) -> Estimated:
        eyelids = NO_EYELIDS
        if segmentation is not None:
            eyelids = eyelid_parabolas(
                segmentation.limbus,
                (segmentation.upper_lid, segmentation.lower_lid),
                roll_rad=segmentation.turned_rad,
                axis_rad=segmentation.opening_axis_rad,
            )
        return self._estimate(context_of_strip(strip, eyelids=eyelids), segmentation)

    def _estimate_of_eye(self, image: Gray, segmentation: Segmentation) -> Estimated:
        return self._estimate(context_of_eye(image, segmentation), segmentation)

    @abstractmethod
    def _estimate(self, context: Context, segmentation: Segmentation | None) -> Estimated:
        """Estimate the transform of an iris."""

    @abstractmethod
    def _varied(self, estimate: Estimated, k: int, seed: int) -> list[Estimated]:
        """Vary an estimate `k` times. Raises ValueError for a negative `k`."""

    @abstractmethod
    def _aligned(self, estimate: Estimated, rectified: Strip, reference: Strip) -> Estimated:
        """Add the roll at which `rectified`, sampled with `estimate`, fits `reference` best."""

    @abstractmethod
    def _sampled_from_strip(self, strip: Strip, estimate: Estimated, size: tuple[int, int]) -> Rectified:
        """Sample a rectified strip from a strip."""

    @abstractmethod
    def _sampled_from_eye(
        self, image: Gray, segmentation: Segmentation, estimate: Estimated, size: tuple[int, int]
    ) -> Rectified:
        """Sample a rectified strip from the photograph."""


def _with_distance(aligned: Rectified, reference: Strip) -> Rectified:
    measured = {"alignment_distance": alignment_distance(aligned.strip, reference)}
    return replace(aligned, parameters=aligned.parameters | measured)
