"""The rectifier as an ONNX file, for biometrics pipelines without torch or Python.

    from irisstn.rectification.onnx_export import export_rectifier
    export_rectifier(irisstn.Rectifier.load(), Path("rectifier.onnx"))

The file computes `Rectifier.warp` for strips. Its outputs in ONNX Runtime are compared with PyTorch before it is
written.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from irisstn.errors import OutputError
from irisstn.images import write_bytes_atomic
from irisstn.normalization import DEFAULT_SIZE
from irisstn.rectification.rectifier import Rectifier

if TYPE_CHECKING:
    import onnx

INPUTS = ("strip", "usable")
OUTPUTS = ("rectified", "rectified_usable", "grid", "parameters")
MOST_APART = 1 / 255  # largest difference between ONNX Runtime and PyTorch in any output: a gray level
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 18


def export_rectifier(rectifier: Rectifier, path: Path, *, size: tuple[int, int] = DEFAULT_SIZE) -> float:
    """Write a rectifier to an ONNX file, atomically.

    Where the photograph is available, it can be sampled once, as in `Rectifier.rectify_eye`: the point (x, y) of `grid`
    lies at the angle pi (x + 1), and at the fraction (y + 1) / 2 of the way from the pupil to the limbus
    (`irisstn.geometry.grid_to_ring`). The roll is not corrected, because it is read off the eyelids, which a strip does
    not show.

    Parameters
    ----------
    rectifier : Rectifier
        The rectifier. It is not changed.
    path : Path
        The file.
    size : tuple of int
        (R, T) of the strips.

    Returns
    -------
    float
        Largest difference between ONNX Runtime and PyTorch in any output.

    Raises
    ------
    OutputError
        Where a package is missing, or the file cannot be written.
    ValueError
        For a size that is not positive.
    RuntimeError
        Where ONNX Runtime and PyTorch differ by more than `MOST_APART`. Nothing is written.

    Notes
    -----
    The inputs and outputs are of float32, for batches of any length B of at least 1.

    strip : shape (B, 1, R, T)
        Input. Gray levels in 0..1; rows, columns and angles as in `irisstn.geometry`.
    usable : shape (B, 1, R, T)
        Input. 1 on usable cells, 0 elsewhere.
    rectified : shape (B, 1, R, T)
        Output. The rectified strip, gray levels in 0..1.
    rectified_usable : shape (B, 1, R, T)
        Output. Above 0.5 where usable.
    grid : shape (B, R, T, 2)
        Output. Where each cell was sampled on the given strip, in grid units.
    parameters : shape (B, n)
        Output. The transform's parameters, whose names are in the file's metadata.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise OutputError(f"ONNX needs {', '.join(missing)}: pip install 'irisstn[onnx]'")
    if min(size) < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {size[0]}x{size[1]}")
    whole = Rectifier(rectifier.config)  # a copy: the given one keeps its device and mode
    whole.load_state_dict({name: tensor.detach().cpu().float() for name, tensor in rectifier.state_dict().items()})
    graph = _Graph(whole).eval()
    model = _traced(graph, size)
    about = {
        "kind": Rectifier.KIND,
        "version": version("irisstn"),
        "weights_sha256": whole.weights_sha256,
        "parameters": json.dumps(whole.transform.names),
        "config": whole.config.model_dump_json(),
    }
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString(deterministic=True)
    apart = _apart(content, graph, size)
    if not apart <= MOST_APART:  # nor where it is NaN
        raise RuntimeError(f"ONNX Runtime computes something else than PyTorch: off by {apart:.2g}")
    try:
        write_bytes_atomic(path, content)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}", stage="write") from None
    return apart


class _Graph(nn.Module):
    """`Rectifier.warp` with the outputs of the file."""

    def __init__(self, rectifier: Rectifier) -> None:
        super().__init__()
        self.rectifier = rectifier

    def forward(self, strip: Tensor, usable: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        warped = self.rectifier.warp(strip, usable)
        return warped.image, warped.usable, warped.grid, self.rectifier.transform.physical(warped.theta)


def _traced(graph: _Graph, size: tuple[int, int]) -> onnx.ModelProto:
    """`graph` for strips of `size` as an ONNX model without the paths of source files."""
    batch = {0: torch.export.Dim("batch")}
    with _quiet():
        program = torch.onnx.export(
            graph,
            _strips(size, 2),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=dict.fromkeys(INPUTS, batch),
        )
    if program is None:
        raise RuntimeError("torch gave no ONNX program")
    model: onnx.ModelProto = program.model_proto
    # The exporter stores stack traces, with the paths of source files, in every node.
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


def _apart(content: bytes, graph: _Graph, size: tuple[int, int]) -> float:
    """The largest difference between ONNX Runtime and PyTorch in any output, for a batch of one strip and of three."""
    import onnxruntime  # noqa: PLC0415 - an extra

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    differences = []
    for count in (1, 3):
        strips = _strips(size, count)
        found = session.run(OUTPUTS, {name: part.numpy() for name, part in zip(INPUTS, strips, strict=True)})
        with torch.no_grad():
            expected = graph(*strips)
        differences += [np.abs(a - b.numpy()).max() for a, b in zip(found, expected, strict=True)]
    return float(np.max(differences))


def _strips(size: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """`count` strips (count, 1, R, T) of smooth noise, in which wrong sampling is visible, each with its mask."""
    noise = np.random.default_rng(count).standard_normal((*size, count)).astype(np.float32)
    gray = cv2.GaussianBlur(noise, (0, 0), 2).reshape(*size, 1, count).transpose(3, 2, 0, 1)
    strips = np.ascontiguousarray((1.5 * gray + 0.5).clip(0, 1))
    return torch.from_numpy(strips), torch.from_numpy((strips > 0.2).astype(np.float32))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's notes on optional packages and its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
