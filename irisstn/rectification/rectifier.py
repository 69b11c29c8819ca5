"""The rectifier: the spatial transformer between iris segmentation and a recognition network.

    rectifier = Rectifier.load()
    rectified = rectifier.rectify(strip)                       # a strip, several, an array or a tensor
    rectified = rectifier.rectify_eye(image, segmentation)     # sampled once, from the photograph itself
    embeddings = network(rectifier(strips))                    # inside a model of your own, with gradients
    embeddings = network(rectifier(irisstn.batch_of_eyes(images, segmentations)))  # with all that is known of the eyes

A whole eye is always segmented first: an STN applied to whole eyes moves to any region that lowers its loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE
from irisstn.rectification.alignment import align_theta, alignment_distance
from irisstn.rectification.eye_batch import pupil_share
from irisstn.rectification.rectified import Rectified
from irisstn.rectification.rectifier_network import RectifierNetwork
from irisstn.rectification.ring_context import NO_EYELIDS, Context, context_of_eye, context_of_strip, eyelid_parabolas
from irisstn.rectification.strip_arrays import strips_of
from irisstn.rectification.strip_sampling import Estimate, sample_from_photograph, sample_from_strip
from irisstn.rectification.variants import jittered
from irisstn.results import Segmentation, Strip


class Rectifier(RectifierNetwork):
    """A spatial transformer for iris strips; untrained it is the identity.

    Convention: strips as in `irisstn.geometry`, of 32x256, 64x512 or any other size. The localization network takes
    the context of `irisstn.rectification.ring_context`: the strip at a reduced size and, where a photograph is
    available, the area around the ring. The result is sampled once, from the strip or photograph itself.

    Parameters
    ----------
    config : RectifierConfig
        Shape and bounds.
    """

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
        if isinstance(strips, np.ndarray | Tensor):
            strips = strips_of(strips, usable)
        if isinstance(strips, Strip):
            return self.rectify_strip(strips, size=size)
        return [self.rectify(strip, size=size) for strip in strips]

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
        estimate = self._estimate_of_strip(strip, segmentation)
        every = [estimate, *jittered(self.transform, estimate, k, seed)]
        first, *others = [sample_from_strip(self.stn, strip, one, size or strip.size) for one in every]
        return first, others

    def rectify_eye_with_variants(
        self, image: Gray, segmentation: Segmentation, k: int, seed: int, size: tuple[int, int] = DEFAULT_SIZE
    ) -> tuple[Rectified, list[Rectified]]:
        """`rectify_eye` and `variants_of_eye` with one pass through the network; see there for the arguments."""
        estimate = self._estimate_of_eye(image, segmentation)
        every = [estimate, *jittered(self.transform, estimate, k, seed)]
        first, *others = [sample_from_photograph(self.transform, image, segmentation, one, size) for one in every]
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
        rectified = sample_from_strip(self.stn, probe, estimate, probe.size)
        estimate = self._aligned(estimate, rectified.strip, reference)
        return _with_distance(sample_from_strip(self.stn, probe, estimate, size or probe.size), reference)

    def align_eye(
        self, image: Gray, segmentation: Segmentation, reference: Strip, size: tuple[int, int] = DEFAULT_SIZE
    ) -> Rectified:
        """Like `align`, sampled once, from the photograph."""
        estimate = self._estimate_of_eye(image, segmentation)
        rectified = sample_from_photograph(self.transform, image, segmentation, estimate, DEFAULT_SIZE)
        estimate = self._aligned(estimate, rectified.strip, reference)
        return _with_distance(sample_from_photograph(self.transform, image, segmentation, estimate, size), reference)

    def _aligned(self, estimate: Estimate, rectified: Strip, reference: Strip) -> Estimate:
        limit = self.config.max_roll_deg
        theta, at_limit = align_theta(estimate.theta, self.transform, rectified, reference, max_roll_deg=limit)
        return Estimate(theta, estimate.details | {"roll_at_limit": float(at_limit)})

    def _estimate_of_strip(self, strip: Strip, segmentation: Segmentation | None = None) -> Estimate:
        eyelids = NO_EYELIDS
        if segmentation is not None:
            eyelids = eyelid_parabolas(
                segmentation.limbus,
                (segmentation.upper_lid, segmentation.lower_lid),
                roll_rad=segmentation.turned_rad,
            )
        return self._estimate(context_of_strip(strip, eyelids=eyelids), segmentation)

    def _estimate_of_eye(self, image: Gray, segmentation: Segmentation) -> Estimate:
        return self._estimate(context_of_eye(image, segmentation), segmentation)

    @torch.inference_mode()
    def _estimate(self, context: Context, segmentation: Segmentation | None) -> Estimate:
        weight = next(self.parameters())
        eyelids = torch.from_numpy(context.eyelids.copy())[None].to(weight.device)
        share = None
        if segmentation is not None:
            share = torch.tensor([pupil_share(segmentation)], device=weight.device)
        reading = self.roll_reader(eyelids) if self.roll_reader is not None else None
        planes = torch.from_numpy(context.planes())[None].to(weight)
        theta = self.theta_of_context(planes, eyelids, share, reading=reading)
        details: dict[str, float] = {}
        if reading is not None and context.eyelids.any():
            details = {"roll_read_rad": float(reading.angle_rad), "roll_sd_rad": float(reading.sd_rad)}
        return Estimate(theta, details)


def _with_distance(aligned: Rectified, reference: Strip) -> Rectified:
    measured = {"alignment_distance": alignment_distance(aligned.strip, reference)}
    return replace(aligned, parameters=aligned.parameters | measured)
