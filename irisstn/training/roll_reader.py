"""Fit of the roll reader of `irisstn.rectification.roll`, with its standard deviations, on rendered eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irisstn.rectification.roll import RollReader, RollReading

_STEPS = 60  # of L-BFGS, which converges in about twenty
_REGULARISATION = 1e-3  # weight of the squared distance from the start, for what the pictures do not determine


@dataclass(frozen=True, slots=True, eq=False)
class EyelidSamples:
    """Eyelids of pictures with the true roll.

    Attributes
    ----------
    eyelids : Tensor, shape (N, 2, 5)
        Eyelids as in `irisstn.rectification.ring_context.eyelid_parabolas`.
    roll_rad : Tensor, shape (N,)
        True roll of each picture.
    eyes : ndarray of str, shape (N,)
        Identity of the eye.

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """

    eyelids: Tensor
    roll_rad: Tensor
    eyes: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.eyelids.shape != (len(self.eyes), 2, 5) or self.roll_rad.shape != (len(self.eyes),):
            raise ValueError(
                f"{len(self.eyes)} pictures, but eyelids {self.eyelids.shape}, rolls {self.roll_rad.shape}"
            )

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Select the pictures where `chosen` (N,) is True."""
        at = torch.from_numpy(np.flatnonzero(chosen))
        return type(self)(self.eyelids[at], self.roll_rad[at], self.eyes[chosen])

    def without(self, eyelid: int) -> Self:
        """Mark the upper (0) or lower (1) eyelid as unknown in all pictures."""
        eyelids = self.eyelids.clone()
        eyelids[:, eyelid] = 0
        return type(self)(eyelids, self.roll_rad, self.eyes)


def fit_roll_reader(samples: EyelidSamples) -> RollReader:
    """Fit a roll reader by maximum likelihood of the differences between pictures of one eye.

    Only differences within eyes matter for recognition: a tilt that an eye's eyelids have in every picture is not an
    error. Each picture is also used without its upper and without its lower eyelid.

    Parameters
    ----------
    samples : EyelidSamples
        At least two pictures of an eye.

    Returns
    -------
    RollReader
        With a gain of 1.

    Raises
    ------
    ValueError
        Where no eye has two pictures with a known eyelid.
    """
    reader = RollReader()
    with torch.no_grad():
        reader.gain.fill_(1.0)
    sets = [known for known in (samples, samples.without(0), samples.without(1)) if len(_pairs(known)[0])]
    if not sets:
        raise ValueError("errors of the roll are measured between pictures of one eye: two of each are needed")
    start = {name: value.detach().clone() for name, value in reader.named_parameters()}
    fitted = [reader.upper, reader.spread.requires_grad_()]
    optimizer = torch.optim.LBFGS(fitted, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([_negative_log_likelihood(reader, known) for known in sets]).mean()
        moved = sum((value - start[name]).square().sum() for name, value in reader.named_parameters())
        total = loss + _REGULARISATION * torch.as_tensor(moved)
        torch.autograd.backward(total)
        return total

    step: Callable[[Callable[[], Tensor]], object] = optimizer.step  # without annotations in torch
    step(closure)
    reader.spread.requires_grad_(False)
    with torch.no_grad():
        reader.between.fill_(_sd_between_eyes(samples, reader(samples.eyelids)))
    return reader


@torch.no_grad()
def error_over_sd(reader: RollReader, samples: EyelidSamples) -> float:
    """Compare the differences within eyes with their predicted standard deviations.

    Parameters
    ----------
    reader : RollReader
        A fitted reader.
    samples : EyelidSamples
        At least two pictures of an eye.

    Returns
    -------
    float
        Root mean square of the differences divided by their standard deviations: 1 where these are right.
    """
    error, sd = _differences(reader, samples)
    return float((error / sd).square().mean().sqrt())


@torch.no_grad()
def spread_within_eyes(reader: RollReader, samples: EyelidSamples) -> float:
    """Measure the error of the reading among pictures of one eye.

    Parameters
    ----------
    reader : RollReader
        A fitted reader.
    samples : EyelidSamples
        At least two pictures of an eye.

    Returns
    -------
    float
        Standard deviation in radians.
    """
    error, _ = _differences(reader, samples)
    return float((error.square().mean() / 2).sqrt())


def _pairs(samples: EyelidSamples) -> tuple[Tensor, Tensor]:
    """Indices of both pictures of all pairs of one eye in which an eyelid is known."""
    known = (samples.eyelids[:, :, 0] > 0).any(dim=1).numpy()
    same = (samples.eyes[:, None] == samples.eyes[None, :]) & known[:, None] & known[None, :]
    first, second = np.nonzero(np.triu(same, 1))
    return torch.from_numpy(first), torch.from_numpy(second)


def _differences(reader: RollReader, samples: EyelidSamples) -> tuple[Tensor, Tensor]:
    """Difference of the errors (P,) of each pair of pictures of one eye, and its predicted standard deviation (P,)."""
    first, second = _pairs(samples)
    reading: RollReading = reader(samples.eyelids)
    error = reading.angle_rad[:, 0] - samples.roll_rad
    sd = reading.sd_rad[:, 0]
    return error[first] - error[second], torch.hypot(sd[first], sd[second])


def _negative_log_likelihood(reader: RollReader, samples: EyelidSamples) -> Tensor:
    """Mean negative log-likelihood of the differences within eyes, without its constant term."""
    error, sd = _differences(reader, samples)
    return (torch.log(sd) + 0.5 * (error / sd).square()).mean()


def _sd_between_eyes(samples: EyelidSamples, reading: RollReading) -> float:
    """Standard deviation of the eyes' mean errors."""
    error = (reading.angle_rad[:, 0] - samples.roll_rad).numpy()
    known = reading.known[:, 0].numpy()
    means = [error[known & (samples.eyes == eye)].mean() for eye in np.unique(samples.eyes[known])]
    return float(np.std(means))
