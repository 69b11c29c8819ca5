"""The rectifier as an ONNX file, for biometrics pipelines that have no torch, or no Python.

    from irisstn.rectification.onnx_export import export_rectifier
    export_rectifier(irisstn.Rectifier.load(), Path("rectifier.onnx"))

The file computes what `Rectifier.warp` does with strips; the two are compared in ONNX Runtime before it is written.
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
MOST_APART = 1 / 255  # what may lie between ONNX Runtime and PyTorch in any output: a gray level
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 18


def export_rectifier(rectifier: Rectifier, path: Path, *, size: tuple[int, int] = DEFAULT_SIZE) -> float:
    """Write `rectifier` to `path` as ONNX, atomically, for strips of `size` (R, T) in batches of any length B.

    | input or output | float32 | |
    |---|---|---|
    | `strip` | (B, 1, R, T) | gray in 0..1; rows, columns and angles as in `irisstn.geometry` |
    | `usable` | (B, 1, R, T) | 1 on usable cells, 0 elsewhere |
    | `rectified` | (B, 1, R, T) | the rectified strip, gray in 0..1 |
    | `rectified_usable` | (B, 1, R, T) | above 0.5: usable |
    | `grid` | (B, R, T, 2) | where on the given strip each cell was sampled |
    | `parameters` | (B, n) | the transform's parameters, named in the file's metadata |

    Who has the photograph samples it once, as `Rectifier.rectify_eye` does: the grid's point (x, y) lies at the angle
    pi (x + 1) and (y + 1) / 2 of the way from the pupil to the limbus. Unlike there, no roll is
    taken back: it is read off the eyelids, and a strip does not show them.

    Returns how far ONNX Runtime is from PyTorch at most, over all outputs. Raises OutputError where a package is
    missing or the file cannot be written, ValueError for an impossible size, RuntimeError where the two differ by more
    than `MOST_APART`: then nothing is written.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise OutputError(f"ONNX needs {', '.join(missing)}: pip install 'irisstn[onnx]'")
    if min(size) < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {size[0]}x{size[1]}")
    whole = Rectifier(rectifier.config)  # a copy: the one given stays on its device and in its mode
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
    """`Rectifier.warp` with the outputs that the file has."""

    def __init__(self, rectifier: Rectifier) -> None:
        super().__init__()
        self.rectifier = rectifier

    def forward(self, strip: Tensor, usable: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        warped = self.rectifier.warp(strip, usable)
        return warped.image, warped.usable, warped.grid, self.rectifier.transform.physical(warped.theta)


def _traced(graph: _Graph, size: tuple[int, int]) -> onnx.ModelProto:
    """`graph` for strips of `size` as an ONNX model that names no file of this machine."""
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
    # The exporter leaves stack traces, with the paths of this machine's files, in every node.
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
    """`count` strips (count, 1, R, T) of smooth noise, which a wrong sample would show in, each with its mask."""
    noise = np.random.default_rng(count).standard_normal((*size, count)).astype(np.float32)
    gray = cv2.GaussianBlur(noise, (0, 0), 2).reshape(*size, 1, count).transpose(3, 2, 0, 1)
    strips = np.ascontiguousarray((1.5 * gray + 0.5).clip(0, 1))
    return torch.from_numpy(strips), torch.from_numpy((strips > 0.2).astype(np.float32))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on packages that it does not need, and on its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
