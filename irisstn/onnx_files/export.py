"""Tracing a network of torch as an ONNX model, and writing it after a comparison in ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import OutputError
from irisstn.files import write_bytes_atomic
from irisstn.onnx_files.graph import remove_stack_traces

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

MOST_APART = 1 / 255  # largest difference between ONNX Runtime and PyTorch in any output: a gray level
_OPSET = 18

Run = Callable[[Sequence[str], Mapping[str, NDArray[np.float32]]], Any]


def traced_model(graph: nn.Module, examples: Mapping[str, Tensor], outputs: Sequence[str]) -> onnx.ModelProto:
    """Trace a network for batches of any length.

    Parameters
    ----------
    graph : nn.Module
        The network; it takes the examples in their order.
    examples : mapping of str to Tensor
        Inputs (2, ...) by their names.
    outputs : sequence of str
        Names of the outputs.

    Returns
    -------
    onnx.ModelProto
        The model, without the paths of source files.
    """
    import torch  # noqa: PLC0415  (an extra)
    from onnxscript.optimizer import optimize_ir  # noqa: PLC0415  (an extra)

    batch = {0: torch.export.Dim("batch")}
    with _quiet():
        program = torch.onnx.export(
            graph,
            tuple(examples.values()),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_shapes=(batch,) * len(examples),
            optimize=False,
        )
        if program is None:
            raise RuntimeError("torch gave no ONNX program")
        # One pass instead of torch's two: a second takes a minute and removes 40 of 742 nodes.
        optimize_ir(program.model, num_iterations=1, onnx_shape_inference=False)
    model: onnx.ModelProto = program.model_proto
    remove_stack_traces(model)
    return model


def write_checked(
    model: onnx.ModelProto, path: Path, about: Mapping[str, str], difference: Callable[[Run], float]
) -> float:
    """Write a model, atomically, if ONNX Runtime computes the same as PyTorch.

    Parameters
    ----------
    model : onnx.ModelProto
        The model; `about` and the version are added to its metadata.
    path : Path
        The file.
    about : mapping of str to str
        What the file says about itself.
    difference : callable
        Gets a function (outputs, inputs) -> arrays that runs the model, and returns the largest difference from
        PyTorch.

    Returns
    -------
    float
        That difference.

    Raises
    ------
    RuntimeError
        Where it is above `MOST_APART`. Nothing is written.
    OutputError
        Where the file cannot be written.
    """
    import onnxruntime  # noqa: PLC0415  (an extra)

    for key, value in {"version": version("irisstn"), **about}.items():
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString(deterministic=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that an input with a default is not a constant, which is intended
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    apart = difference(session.run)
    if not apart <= MOST_APART:  # nor where it is NaN
        raise RuntimeError(f"ONNX Runtime computes something else than PyTorch: off by {apart:.2g}")
    try:
        write_bytes_atomic(path, content)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}", stage="write") from None
    return apart


def output_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The largest difference of two outputs; infinite where their shapes differ or NaN is in one alone."""
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nan_to_num(np.abs(a - b)).max(initial=0.0))


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
