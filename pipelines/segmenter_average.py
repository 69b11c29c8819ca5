"""Average the weights of two segmentation networks, of which one was trained further from the other.

    python pipelines/segmenter_average.py FIRST.onnx FURTHER.onnx -o AVERAGE.onnx [--weight 0.5]

On the cameras of either training the average is often better than both (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"). A part map that FIRST lacks keeps the weights of FURTHER, and needs some training afterwards:
`python pipelines/segmenter_weights.py --set start=AVERAGE.onnx ...`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto


@click.command(help=__doc__)
@click.argument("first", type=click.Path(path_type=Path, exists=True))
@click.argument("further", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--weight", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Weight of FURTHER.")
def main(first: Path, further: Path, out: Path, weight: float) -> None:
    """Write the average."""
    import onnx  # noqa: PLC0415 - an extra of the package
    from onnx import numpy_helper  # noqa: PLC0415

    one, other = onnx.load(str(first)), onnx.load(str(further))
    names, other_names = _parameters(one.graph), _parameters(other.graph)
    if len(names) != len(other_names):
        raise click.ClickException(f"{first} has {len(names)} weights and biases, {further} {len(other_names)}")
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in one.graph.initializer}
    earlier = dict(zip(other_names, names, strict=True))
    for tensor in other.graph.initializer:
        if tensor.name in earlier:
            mixed = _average(values[earlier[tensor.name]], numpy_helper.to_array(tensor), weight)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    onnx.save(other, str(out))
    click.echo(out)


def _parameters(graph: GraphProto) -> list[str]:
    """Names of the weights and biases of all convolutions, in their order in the graph."""
    return [name for node in graph.node if node.op_type == "Conv" for name in node.input[1:]]


def _average(first: NDArray[np.float32], further: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """The average; outputs that only `further` has keep their weights."""
    mixed = further.copy()
    mixed[: len(first)] = (1 - weight) * first + weight * further[: len(first)]
    return mixed


if __name__ == "__main__":
    main()
