"""The last step of a run with a recogniser: its whitening, fitted to embeddings of the run's own eyes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from irisstn.recognition.network import StripNet
from irisstn.recognition.whitening import WhiteningFitConfig, effective_dimensions
from irisstn.rectification.rectifier import Rectifier
from irisstn.training.data.batches import Eyes, make_batch
from irisstn.training.data.boundary_errors import PerturbationConfig

_BATCH = 64  # strips


def fit_whitening(
    network: StripNet,
    rectifier: Rectifier | None,
    parts: Sequence[Eyes],
    *,
    size: tuple[int, int],
    perturbation: PerturbationConfig,
    config: WhiteningFitConfig = WhiteningFitConfig(),
    seed: int = 0,
) -> dict[str, float]:
    """Fit the whitening of `network` to strips of `size` (R, T) of the eyes in `parts`, behind the `rectifier`.

    Strips have the small errors of `perturbation`. The same eyes and `seed` give the same whitening. Returns how many
    `strips` were used, and in how many dimensions their embeddings differ `before` and `after`: see
    `irisstn.recognition.whitening.effective_dimensions`.
    """
    rng = np.random.default_rng((seed, 0x3817))
    natural = perturbation.model_copy(update={"stress": 0.0})
    total = sum(len(part.eyes) for part in parts)
    found: list[NDArray[np.float32]] = []
    for part in parts:
        count = min(len(part.eyes), -(-config.strips * len(part.eyes) // max(total, 1)))
        chosen = _spread(part.labels, rng)[:count]
        for start in range(0, len(chosen), _BATCH):
            where = chosen[start : start + _BATCH].tolist()
            batch = make_batch(part, where, rng, size=size, perturbation=natural, surroundings=rectifier is not None)
            found.append(_embedded(network, rectifier, batch.images, batch.usable, batch.contexts))
    embeddings = np.concatenate(found)
    network.whitening.fit(embeddings, config)
    with torch.no_grad():
        whitened = network.whitening(torch.from_numpy(embeddings).to(network.whitening.mean)).cpu().numpy()
    whitened /= np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12)
    return {
        "strips": float(len(embeddings)),
        "dimensions_before": effective_dimensions(embeddings),
        "dimensions_after": effective_dimensions(whitened),
    }


def _spread(labels: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """The indices of `labels` (N,) in a random order in which every label comes once before any comes twice."""
    order = rng.permutation(len(labels))
    sorted_labels = labels[order]
    groups = np.argsort(sorted_labels, kind="stable")
    ordered = sorted_labels[groups]
    first = np.searchsorted(ordered, ordered, "left")
    turn = np.empty(len(labels), np.intp)
    turn[groups] = np.arange(len(labels)) - first  # which of its label's strips each one is
    return np.asarray(order[np.argsort(turn, kind="stable")], np.intp)


@torch.no_grad()
def _embedded(
    network: StripNet, rectifier: Rectifier | None, images: torch.Tensor, usable: torch.Tensor, contexts: torch.Tensor
) -> NDArray[np.float32]:
    if rectifier is not None:
        warped = rectifier.warp(images, usable, contexts)
        images, usable = warped.image, usable if warped.usable is None else warped.usable
    embeddings: NDArray[np.float32] = network.unwhitened(images, usable).float().cpu().numpy()
    return embeddings
