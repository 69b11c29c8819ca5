"""The rectifier: the spatial transformer between iris segmentation and a recognition network.

    rectifier = Rectifier.load()
    rectified = rectifier.rectify(strip)                       # a strip, several, an array or a tensor
    rectified = rectifier.rectify_eye(image, segmentation)     # sampled once, from the photograph itself
    embeddings = network(rectifier(strips))                    # inside a model of your own, with gradients
    embeddings = network(rectifier(irisstn.batch_of_eyes(images, segmentations)))  # with all that is known of the eyes

A whole eye is always segmented first: an STN applied to whole eyes moves to any region that lowers its loss.
"""

from __future__ import annotations

import torch

from irisstn.geometry import Gray
from irisstn.rectification.alignment import NEAR_BOUND, best_roll
from irisstn.rectification.rectified import Rectified
from irisstn.rectification.rectifier_methods import RectifierMethods
from irisstn.rectification.rectifier_network import RectifierNetwork
from irisstn.rectification.ring_context import Context, pupil_share
from irisstn.rectification.strip_sampling import Estimate, sample_from_photograph, sample_from_strip
from irisstn.rectification.variants import JITTER, RING_JITTER, variant_noise
from irisstn.results import Segmentation, Strip
from irisstn.stn import Ring, require_finite


class Rectifier(RectifierNetwork, RectifierMethods[Estimate]):
    """A spatial transformer for iris strips; untrained it is the identity.

    Convention: strips as in `irisstn.geometry`, of 32x256, 64x512 or any other size. The localization network takes
    the context of `irisstn.rectification.ring_context`: the strip at a reduced size and, where a photograph is
    available, the area around the ring. The result is sampled once, from the strip or photograph itself.

    Parameters
    ----------
    config : RectifierConfig
        Shape and bounds.
    """

    @torch.inference_mode()
    def _estimate(self, context: Context, segmentation: Segmentation | None) -> Estimate:
        weight = next(self.parameters())
        planes = torch.from_numpy(context.planes())[None].to(weight)
        share = None
        if segmentation is not None:
            share = torch.tensor([pupil_share(segmentation)], device=weight.device)
        theta = self.theta_of_context(planes, pupil_share=share)
        transform, reader = self.transform, self.roll_reader
        read = reader.read_eye(context.eyelids, self.roll) if reader is not None else None
        if read is None or not isinstance(transform, Ring):
            return Estimate(theta, {})
        angle, sd, corrected = read
        theta = transform.turned(theta, torch.tensor([[corrected]], dtype=theta.dtype, device=theta.device))
        require_finite(theta)
        return Estimate(theta, {"roll_read_rad": angle, "roll_sd_rad": sd})

    @torch.no_grad()
    def _varied(self, estimate: Estimate, k: int, seed: int) -> list[Estimate]:
        moves = torch.from_numpy(variant_noise(k, self.transform.n_params, seed))
        if not k:
            return []
        transform = self.transform
        physical = transform.physical(estimate.theta).double().cpu()
        spread = torch.full((transform.n_params,), JITTER)
        if isinstance(transform, Ring):
            spread = RING_JITTER * transform.limits
            spread[transform.names.index("pupil_share")] = 0  # it is known, not estimated
        thetas = [transform.theta_of(physical + move * spread).to(estimate.theta) for move in moves]
        return [estimate._replace(theta=theta) for theta in thetas]

    @torch.no_grad()
    def _aligned(self, estimate: Estimate, rectified: Strip, reference: Strip) -> Estimate:
        transform = self.transform
        if not isinstance(transform, Ring):
            raise ValueError(f"only a ring can be aligned, not {type(transform).__name__}")
        added, at_limit = best_roll(rectified, reference, max_roll_deg=self.config.max_roll_deg)
        step = transform.identity()[None].double()
        step[0, 0] = added
        theta = transform.compose(estimate.theta.double().cpu(), transform.theta_of(step))
        if not transform.full_circle:
            at_limit |= abs(float(transform.physical(theta)[0, 0])) >= NEAR_BOUND * float(transform.limits[0])
        return Estimate(theta.to(estimate.theta), estimate.details | {"roll_at_limit": float(at_limit)})

    def _sampled_from_strip(self, strip: Strip, estimate: Estimate, size: tuple[int, int]) -> Rectified:
        return sample_from_strip(self.stn, strip, estimate, size)

    def _sampled_from_eye(
        self, image: Gray, segmentation: Segmentation, estimate: Estimate, size: tuple[int, int]
    ) -> Rectified:
        return sample_from_photograph(self.transform, image, segmentation, estimate, size)
