"""The rectifier as an ONNX file, alone or with the recognition network, for pipelines without torch or Python.

    from irisstn.rectification.onnx_export import export_rectifier
    export_rectifier(irisstn.Rectifier.load(), Path("rectifier.onnx"))

The file computes `Rectifier.warp`, and with a recognition network the embedding of its result. Its outputs in ONNX
Runtime are compared with PyTorch before it is written.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from irisstn.extras import require_extra
from irisstn.normalization import DEFAULT_SIZE
from irisstn.onnx_files.export import Run, output_difference, traced_model, write_checked
from irisstn.onnx_files.graph import allow_empty_batches, make_optional
from irisstn.rectification.context_tensors import context_planes
from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.ring_context import CONTEXT_SIZE, LID_REACH, NO_EYELIDS, PLANES
from irisstn.stn import Ring
from irisstn.weights_file import StoredModule

if TYPE_CHECKING:
    import onnx

REQUIRED = ("strip", "usable")
OPTIONAL = {
    "context": (len(PLANES), *CONTEXT_SIZE),
    "eyelids": NO_EYELIDS.shape,
    "pupil_share": (),
}  # without the batch
OUTPUTS = ("rectified", "rectified_usable", "grid", "parameters", "roll_read_rad", "roll_sd_rad")
EMBEDDING = "embedding"
PIPELINE_KIND = "pipeline-1"


def export_rectifier(
    rectifier: Rectifier,
    path: Path,
    *,
    size: tuple[int, int] = DEFAULT_SIZE,
    recognizer: StoredModule | None = None,
) -> float:
    """Write a rectifier to an ONNX file, atomically.

    Where the photograph is available, it can be sampled once, as in `Rectifier.rectify_eye`: the point (x, y) of `grid`
    lies at the angle pi (x + 1), and at the fraction (y + 1) / 2 of the way from the pupil to the limbus
    (`irisstn.geometry.grid_to_ring`). `irisstn.batch_of_eyes` computes all inputs from photographs and segmentations.

    Parameters
    ----------
    rectifier : Rectifier
        The rectifier. It is not changed. How much of the roll it corrects (`Rectifier.with_roll`) is part of the file.
    path : Path
        The file.
    size : tuple of int
        (R, T) of the strips.
    recognizer : StoredModule, optional
        A `irisstn.recognition.StripNet`, which is not changed: then the file also computes the embeddings of the
        rectified strips. It reduces strips to its own size.

    Returns
    -------
    float
        Largest difference between ONNX Runtime and PyTorch in any output, with the optional inputs and without.

    Raises
    ------
    OutputError
        Where a package is missing, or the file cannot be written.
    ValueError
        For a size that is not positive.
    RuntimeError
        Where ONNX Runtime and PyTorch differ by more than a gray level. Nothing is written.

    Notes
    -----
    The inputs and outputs are of float32, for batches of any length B, also 0. An optional input may be left out; it
    then has the value that means unknown. One of length 1 is used for the whole batch.

    strip : shape (B, 1, R, T)
        Input. Gray levels in 0..1; rows, columns and angles as in `irisstn.geometry`.
    usable : shape (B, 1, R, T)
        Input. 1 on usable cells, 0 elsewhere.
    context : shape (B, 5, 64, 256)
        Optional input. Planes of `irisstn.rectification.ring_context`; zeros: computed from the strip.
    eyelids : shape (B, 2, 5)
        Optional input. Eyelids as in `irisstn.rectification.ring_context.eyelid_parabolas`. Zeros: unknown, and the
        roll is not corrected. Only where the rectifier reads the roll off the eyelids, as the shipped one does.
    pupil_share : shape (B,)
        Optional input. Radius of the pupil as a fraction of that of the limbus; 0: estimated. Only for the ring.
    rectified : shape (B, 1, R, T)
        Output. The rectified strip, gray levels in 0..1.
    rectified_usable : shape (B, 1, R, T)
        Output. Above 0.5 where usable.
    grid : shape (B, R, T, 2)
        Output. Where each cell was sampled on the given strip, in grid units.
    parameters : shape (B, n)
        Output. The transform's parameters, whose names are in the file's metadata.
    roll_read_rad, roll_sd_rad : shape (B,)
        Outputs. The roll that was read off the eyelids and its standard deviation; NaN where no eyelid is known.
    embedding : shape (B, D)
        Output, with `recognizer` only. Embeddings of length 1, which are compared by their cosine. `irisstn embed`
        samples photographs once, this file samples the strip a second time, so that their embeddings are similar but
        not equal.
    """
    require_extra("export", "irisstn export")
    if min(size) < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {size[0]}x{size[1]}")
    whole = Rectifier(rectifier.config)  # a copy: the given one keeps its device and mode
    whole.load_state_dict({name: tensor.detach().cpu().float() for name, tensor in rectifier.state_dict().items()})
    whole.roll = rectifier.roll
    network = None if recognizer is None else deepcopy(recognizer).cpu().float().eval()
    graph = _Graph(whole, network).eval()
    model = _traced(graph, size)
    about = {
        "kind": Rectifier.KIND if network is None else PIPELINE_KIND,
        "weights_sha256": whole.weights_sha256,
        "parameters": json.dumps(whole.transform.names),
        "config": whole.config.model_dump_json(),
        "roll": whole.roll.mode,
        "roll_prior_deg": str(whole.roll.prior_deg),
    }
    if whole.roll_reader is not None:
        about["roll_between_rad"] = str(float(whole.roll_reader.between))
    if network is not None:
        about["recognizer_sha256"] = network.weights_sha256
        about["recognizer_config"] = network.config.model_dump_json()
    return write_checked(model, path, about, lambda run: _largest_difference(run, graph, size))


class _Graph(nn.Module):
    """`Rectifier.warp`, and the embedding of its result, with the inputs and outputs of the file."""

    def __init__(self, rectifier: Rectifier, recognizer: StoredModule | None) -> None:
        super().__init__()
        self.rectifier, self.recognizer = rectifier, recognizer
        self.outputs = OUTPUTS if recognizer is None else (*OUTPUTS, EMBEDDING)
        reads = {"eyelids": rectifier.roll_reader is not None, "pupil_share": isinstance(rectifier.transform, Ring)}
        self.optional = tuple(name for name in OPTIONAL if reads.get(name, True))

    def forward(
        self,
        strip: Tensor,
        usable: Tensor,
        context: Tensor,
        eyelids: Tensor | None = None,
        pupil_share: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        known = context[:, PLANES.index("present")].amax(dim=(1, 2))[:, None, None, None] > 0
        context = torch.where(known, context, context_planes(strip, usable))
        warped = self.rectifier.warp(strip, usable, context, eyelids=eyelids, pupil_share=pupil_share)
        parameters = self.rectifier.transform.physical(warped.theta)
        unknown = torch.full_like(parameters[:, 0], torch.nan)
        roll, sd = unknown, unknown + 0.0  # two outputs are two tensors
        if eyelids is not None and self.rectifier.roll_reader is not None:
            reading = self.rectifier.roll_reader(eyelids)
            roll, sd = (
                torch.where(reading.known[:, 0], value[:, 0], unknown) for value in (reading.angle_rad, reading.sd_rad)
            )
        mask = torch.ones_like(warped.image) if warped.usable is None else warped.usable
        found = warped.image, mask, warped.grid, parameters, roll, sd
        if self.recognizer is None:
            return found
        return *found, self.recognizer(warped.image, (mask > 0.5).to(mask))


def _traced(graph: _Graph, size: tuple[int, int]) -> onnx.ModelProto:
    """`graph` for strips of `size` as an ONNX model."""
    model = traced_model(graph, _examples(graph, size, 2), graph.outputs)
    for name in graph.optional:
        make_optional(model, name, OPTIONAL[name], batch_of=REQUIRED[0])
    allow_empty_batches(model)
    return model


def _largest_difference(run: Run, graph: _Graph, size: tuple[int, int]) -> float:
    """The largest difference between ONNX Runtime and PyTorch in any output.

    Batches of no, one and three strips are compared, with all optional inputs and, in PyTorch by a call without them,
    with none.
    """
    differences = [0.0]
    for count in (0, 1, 3):
        given = _examples(graph, size, count)
        for names in ((*REQUIRED, *graph.optional), REQUIRED):
            found = run(graph.outputs, {name: given[name].numpy() for name in names})
            with torch.no_grad():
                expected = graph(*(given[name] if name in names else torch.zeros_like(given[name]) for name in given))
                context, eyelids, share = (given.get(name) if name in names else None for name in OPTIONAL)
                warped = graph.rectifier.warp(
                    given["strip"], given["usable"], context, eyelids=eyelids, pupil_share=share
                )
            differences += [output_difference(a, b.numpy()) for a, b in zip(found, expected, strict=True)]
            differences.append(output_difference(found[OUTPUTS.index("grid")], warped.grid.numpy()))
    return float(np.max(differences))


def _examples(graph: _Graph, size: tuple[int, int], count: int) -> dict[str, Tensor]:
    """Inputs of the file for `count` strips of smooth noise, in which wrong sampling is visible."""
    rng = np.random.default_rng(count)
    strips = (1.5 * _smooth_noise(rng, (count, 1, *size)) + 0.5).clip(0, 1)
    context = np.full((count, len(PLANES), *CONTEXT_SIZE), LID_REACH)
    context[:, PLANES.index("gray")] = 3 * _smooth_noise(rng, (count, *CONTEXT_SIZE))
    context[:, [PLANES.index("usable"), PLANES.index("present")]] = 1
    eyelids = np.zeros((count, *NO_EYELIDS.shape))
    eyelids[:, :, 0] = 1
    eyelids[:, :, 1:] = rng.uniform(-0.15, 0.15, (count, 2, 4))
    eyelids[:, :, 2] += [-0.7, 0.7]
    eyelids[1:2, 0] = 0  # one eyelid of the second eye is unknown
    share = rng.uniform(0.3, 0.6, count)
    arrays = {"strip": strips, "usable": strips > 0.2, "context": context, "eyelids": eyelids, "pupil_share": share}
    names = (*REQUIRED, *graph.optional)
    return {name: torch.from_numpy(np.ascontiguousarray(arrays[name], np.float32)) for name in names}


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Gray pictures (..., H, W) of blurred noise."""
    pictures = rng.standard_normal(shape).reshape(-1, *shape[-2:])
    return np.array([cv2.GaussianBlur(picture, (0, 0), 2) for picture in pictures]).reshape(shape)
