"""The last steps of a run with a recogniser: its whitening and its calibration, fitted to the run's own eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from irisstn.recognition.calibration import Calibration
from irisstn.recognition.config import WhiteningFitConfig
from irisstn.recognition.network import StripNet
from irisstn.recognition.whitening import effective_dimensions
from irisstn.rectification.rectifier import Rectifier
from irisstn.training.data.batches import Eyes, make_batch
from irisstn.training.data.boundary_errors import PerturbationConfig

_BATCH = 64  # strips


@dataclass(frozen=True, slots=True)
class StripSettings:
    """How strips are sampled for the fits.

    Attributes
    ----------
    size : tuple of int
        Rows and columns (R, T) of the strips.
    perturbation : PerturbationConfig
        Its small errors are added to every strip.
    seed : int
        Seed of the errors.
    """

    size: tuple[int, int]
    perturbation: PerturbationConfig
    seed: int = 0


def fit_whitening(
    network: StripNet,
    rectifier: Rectifier | None,
    eyes: Eyes,
    settings: StripSettings,
    config: WhiteningFitConfig = WhiteningFitConfig(),
) -> dict[str, float]:
    """Fit the whitening of a network. The same eyes and settings give the same whitening.

    Parameters
    ----------
    network : StripNet
        The network, whose whitening is set.
    rectifier : Rectifier or None
        Rectifies the strips first; None: they are used as sampled.
    eyes : Eyes
        The eyes.
    settings : StripSettings
        How strips are sampled.
    config : WhiteningFitConfig
        Settings of the whitening.

    Returns
    -------
    dict of str to float
        `strips`, the number that was used, and `dimensions_before` and `dimensions_after`: see
        `irisstn.recognition.whitening.effective_dimensions`.

    Raises
    ------
    ValueError
        Where there are fewer than two strips.
    """
    rng = np.random.default_rng((settings.seed, 0x3817))
    chosen = _shuffled(eyes.labels, rng)[: config.strips]
    embeddings = _unwhitened((network, rectifier), eyes, chosen, settings, rng)
    network.whitening.fit(embeddings, config)
    return {
        "strips": float(len(embeddings)),
        "dimensions_before": effective_dimensions(embeddings),
        "dimensions_after": effective_dimensions(_whitened(network, embeddings)),
    }


def calibrate(network: StripNet, rectifier: Rectifier | None, eyes: Eyes, settings: StripSettings) -> Calibration:
    """Calibrate a network on all pairs of eyes.

    Parameters
    ----------
    network : StripNet
        The network with its whitening.
    rectifier : Rectifier or None
        As in `fit_whitening`.
    eyes : Eyes
        Eyes that neither the training nor the whitening used.
    settings : StripSettings
        How strips are sampled.

    Returns
    -------
    Calibration
        The calibration.

    Raises
    ------
    ValueError
        Where there are too few comparisons: see `Calibration.of`.
    """
    rng = np.random.default_rng((settings.seed, 0xCA11))
    everything = np.arange(len(eyes.eyes))
    embeddings = _whitened(network, _unwhitened((network, rectifier), eyes, everything, settings, rng))
    first, second = np.triu_indices(len(embeddings), 1)
    similarity = (embeddings @ embeddings.T)[first, second]
    mated = eyes.labels[first] == eyes.labels[second]
    return Calibration.of(similarity[mated], similarity[~mated])


def _shuffled(labels: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """The indices of `labels` (N,) in a random order in which every label comes once before any comes twice."""
    order = rng.permutation(len(labels))
    sorted_labels = labels[order]
    groups = np.argsort(sorted_labels, kind="stable")
    ordered = sorted_labels[groups]
    first = np.searchsorted(ordered, ordered, "left")
    number = np.empty(len(labels), np.intp)
    number[groups] = np.arange(len(labels)) - first  # of each strip among those of its label
    return np.asarray(order[np.argsort(number, kind="stable")], np.intp)


@torch.no_grad()
def _unwhitened(
    networks: tuple[StripNet, Rectifier | None],
    eyes: Eyes,
    chosen: NDArray[np.intp],
    settings: StripSettings,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Embeddings (N, D) before the whitening of strips of the `chosen` (N,) eyes."""
    network, rectifier = networks
    small = settings.perturbation.model_copy(update={"large_fraction": 0.0})
    found: list[NDArray[np.float32]] = [np.zeros((0, network.config.unwhitened_size), np.float32)]
    for start in range(0, len(chosen), _BATCH):
        where = chosen[start : start + _BATCH].tolist()
        batch = make_batch(eyes, where, rng, size=settings.size, perturbation=small, with_context=rectifier is not None)
        images, usable = batch.images, batch.usable
        if rectifier is not None:
            warped = rectifier.warp(images, usable, batch.contexts)
            images, usable = warped.image, usable if warped.usable is None else warped.usable
        found.append(network.unwhitened(images, usable).float().cpu().numpy())
    return np.concatenate(found)


@torch.no_grad()
def _whitened(network: StripNet, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    whitened = network.whitening(torch.from_numpy(embeddings).to(network.whitening.mean))
    unit: NDArray[np.float32] = F.normalize(whitened, dim=1).cpu().numpy()
    return unit
