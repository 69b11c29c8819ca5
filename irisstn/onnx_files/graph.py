"""Changes to an ONNX graph that the exporter of torch cannot make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def remove_stack_traces(model: onnx.ModelProto) -> None:
    """Remove the stack traces, with the paths of source files, that the exporter stores in every node."""
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def make_optional(model: onnx.ModelProto, name: str, shape: tuple[int, ...], *, batch_of: str) -> None:
    """Give an input a default of zeros.

    Parameters
    ----------
    model : onnx.ModelProto
        The model, which is changed.
    name : str
        An input whose shape is B, then `shape`. Afterwards it may be left out, and its batch length may be 1 or B.
    shape : tuple of int
        Its shape without the batch.
    batch_of : str
        The input that has the batch length B.
    """
    from onnx import helper, numpy_helper  # noqa: PLC0415 - an extra

    whole = f"{name}_of_batch"
    for node in model.graph.node:
        for position, taken in enumerate(node.input):
            if taken == name:
                node.input[position] = whole
    (given,) = [each for each in model.graph.input if each.name == name]
    given.type.tensor_type.shape.dim[0].dim_param = f"batch_of_{name}"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, *shape), np.float32), name))
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}_shape"))
    expansion = [
        helper.make_node("Shape", [batch_of], [f"{name}_length"], start=0, end=1),
        helper.make_node("Concat", [f"{name}_length", f"{name}_shape"], [f"{name}_size"], axis=0),
        helper.make_node("Expand", [name, f"{name}_size"], [whole]),
    ]
    for position, node in enumerate(expansion):
        model.graph.node.insert(position, node)


def allow_empty_batches(model: onnx.ModelProto) -> None:
    """Make group norms work for batches of length 0.

    The exporter writes their shapes as (0 = as before, groups, -1 = the rest), which is ambiguous for an empty tensor.
    """
    from onnx import numpy_helper  # noqa: PLC0415 - an extra

    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    sizes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim] for each in model.graph.value_info}
    for number, node in enumerate(model.graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        rest = sizes.get(node.input[0], [])[1:]
        if shape is None or shape.tolist()[::2] != [0, -1] or not rest or 0 in rest:
            continue
        explicit = np.array([-1, shape[1], np.prod(rest) // shape[1]], np.int64)
        node.input[1] = f"group_shape_{number}"
        model.graph.initializer.append(numpy_helper.from_array(explicit, node.input[1]))
    used = {name for node in model.graph.node for name in node.input}
    for each in [each for each in model.graph.initializer if each.name not in used]:
        model.graph.initializer.remove(each)
