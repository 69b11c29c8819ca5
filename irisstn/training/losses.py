"""The losses of the rectifier, and the roll errors that are reported in degrees."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, zeros_like

from irisstn.geometry.ring_transform import NAMES
from irisstn.rectification.rectifier import Rectifier
from irisstn.stn import Ring, Transform, Warped, outside_penalty
from irisstn.training.config import LossWeights
from irisstn.training.data.batches import Batch

# Columns of the parameters of `irisstn.stn.Ring` (B, 12), and of the targets of a batch.
RING_ROLL, _PUPIL_SHARE = NAMES.index("roll_rad"), NAMES.index("pupil_share")
_SHAPE = [column for column in range(len(NAMES)) if column not in (RING_ROLL, _PUPIL_SHARE)]


def rectifier_loss(rectifier: Rectifier, batch: Batch, weights: LossWeights = LossWeights()) -> Tensor:
    """Loss of a rectifier on strips with known errors, to be added to the loss of somebody's own network.

    The gradient of a recognition loss alone lets the transform drift to whatever lowers that loss.

    Parameters
    ----------
    rectifier : Rectifier
        A rectifier whose transform is a ring.
    batch : Batch
        Strips with known errors, such as those of `perturbed_batch`.
    weights : LossWeights
        Weights of the terms; `roll` has no effect.

    Returns
    -------
    Tensor
        A scalar. Photographs do not tell how far a head is tilted, so the roll that is read off the eyelids is not
        trained.

    Raises
    ------
    ValueError
        Where the transform is not a ring.

    Examples
    --------
    A step of a training loop of your own::

        loss = own_loss(network(rectifier(irisstn.batch_of_eyes(images, segmentations))), labels)
        loss = loss + rectifier_loss(rectifier, perturbed_batch(images, segmentations, rng))
        loss.backward()
    """
    if not isinstance(rectifier.transform, Ring):
        raise ValueError(f"only the errors of a ring are known, not those of {type(rectifier.transform).__name__}")
    warped = rectifier.warp(batch.images, batch.usable, batch.contexts)
    parts = warp_losses(rectifier.transform, warped, batch, weights.model_copy(update={"roll": 0.0}))
    return weights.outside * parts["outside"] + weights.ring * parts["ring"]


def warp_losses(transform: Transform, warped: Warped, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Compute the losses of a rectifier, unweighted.

    Parameters
    ----------
    transform : Transform
        The rectifier's transform.
    warped : Warped
        What it made of the batch.
    batch : Batch
        The targets and the groups.
    weights : LossWeights
        As in `ring_losses`.

    Returns
    -------
    dict of str to Tensor
        Scalars: `outside`, the penalty on cells sampled outside the ring, and for a ring what `ring_losses` returns.
    """
    parts = {"outside": outside_penalty(warped.grid, wrap=True).mean()}
    if isinstance(transform, Ring):
        parts |= ring_losses(transform.physical(warped.theta), batch, weights)
    return parts


def ring_losses(ring: Tensor, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Compute how far predicted ring parameters are from the true ones.

    Parameters
    ----------
    ring : Tensor, shape (B, 12)
        Predicted parameters in the order of `irisstn.geometry.ring_transform.NAMES`.
    batch : Batch
        The targets and the groups.
    weights : LossWeights
        Weights of the terms, and the units of the errors.

    Returns
    -------
    dict of str to Tensor
        Scalars: Huber losses `roll`, `agreement` (differences of the roll within a group) and `shape` (coefficients of
        both boundaries), and the weighted sum `ring`, which includes the pupil's share.
    """
    error = ring - batch.targets
    roll = error[:, RING_ROLL] / math.radians(weights.roll_scale_deg)
    shape = error[:, _SHAPE] / weights.shape_scale
    pupil_share = error[:, _PUPIL_SHARE] / weights.pupil_share_scale
    parts = {
        "roll": F.smooth_l1_loss(roll, zeros_like(roll)),
        "agreement": F.smooth_l1_loss(roll, group_means(roll, batch.groups)),
        "shape": F.smooth_l1_loss(shape, zeros_like(shape)),
    }
    huber = weights.shape * parts["shape"] + weights.roll * parts["roll"] + weights.agreement * parts["agreement"]
    return parts | {"ring": huber + weights.pupil_share * pupil_share.square().mean()}


def group_means(values: Tensor, groups: Tensor) -> Tensor:
    """Replace each value by the mean of its group.

    Parameters
    ----------
    values : Tensor, shape (B,)
        Any values.
    groups : Tensor, shape (B,)
        Number of each value's group.

    Returns
    -------
    Tensor, shape (B,)
        The means.

    Examples
    --------
    >>> import torch
    >>> group_means(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 0, 7]))
    tensor([2., 2., 5.])
    """
    same = (groups[:, None] == groups[None, :]).to(values)
    mean: Tensor = same @ values / same.sum(dim=1)
    return mean


def roll_errors(roll: Tensor, batch: Batch) -> dict[str, float]:
    """Compute median absolute errors of the roll.

    Parameters
    ----------
    roll : Tensor, shape (B,)
        Predicted roll, radians.
    batch : Batch
        The targets and the groups.

    Returns
    -------
    dict of str to float
        Degrees, `before` and `after` rectification: `roll_*_deg` from the upright eye, `roll_within_group_*_deg` from
        the mean of the group, where a group has several strips: a single one does not differ from its mean.
    """
    truth = batch.targets[:, RING_ROLL]
    remaining = truth - roll
    errors = {"roll_before_deg": truth, "roll_after_deg": remaining}
    shared = (batch.groups[:, None] == batch.groups[None, :]).sum(dim=1) > 1
    if shared.any():
        for name, error in (("before", truth), ("after", remaining)):
            errors[f"roll_within_group_{name}_deg"] = (error - group_means(error, batch.groups))[shared]
    return {name: math.degrees(float(error.abs().median())) for name, error in errors.items()}
