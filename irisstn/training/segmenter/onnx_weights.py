"""Weights of an exported network, as the start of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from irisstn.errors import WeightsError


def load_folded_weights(network: nn.Module, file: Path, pictures: Tensor) -> None:
    """Load the convolutions of an ONNX file, in which batch normalisation is folded, into a network that has it.

    Each batch normalisation takes the statistics of its input over `pictures` as its running ones, and its scale and
    shift so that the network computes what the file's does. A last layer with more outputs than the file's keeps the
    initial weights of the others.

    Parameters
    ----------
    network : nn.Module
        A `PartMapNet`; changed in place.
    file : Path
        The ONNX file of an earlier `PartMapNet`.
    pictures : Tensor, shape (B, 1, H, W)
        Training pictures.

    Raises
    ------
    WeightsError
        Where the file cannot be read or holds another network.
    """
    import onnx  # noqa: PLC0415 - an extra of the package
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load(str(file)).graph
    except Exception as error:  # errors of protobuf have no class of their own
        raise WeightsError(f"{file} is no ONNX file: {error}") from None
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:  # equal weights are stored once
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    folded = [[arrays[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    pairs = _in_order_of_use(network, pictures[:1])
    if len(pairs) != len(folded):
        raise WeightsError(f"{file} has {len(folded)} convolutions, the network {len(pairs)}")
    with torch.no_grad():
        for (convolution, normalisation), (weight, bias) in zip(pairs, folded, strict=True):
            rows = _rows_of(convolution, weight, file)
            convolution.weight[rows] = torch.from_numpy(weight.copy())
            if normalisation is None:
                assert convolution.bias is not None
                convolution.bias[rows] = torch.from_numpy(bias.copy())
            else:
                normalisation.weight.fill_(1)
                normalisation.bias.copy_(torch.from_numpy(bias.copy()))
                normalisation.running_mean = torch.zeros_like(normalisation.bias)
                normalisation.running_var = torch.full_like(normalisation.bias, 1 - normalisation.eps)
        _take_statistics([pair[1] for pair in pairs if pair[1] is not None], network, pictures)


def _in_order_of_use(network: nn.Module, picture: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Convolutions in the order in which a picture passes them, each with the normalisation that follows it."""
    used: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, *_: used.append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    network.eval()
    with torch.no_grad():
        network(picture)
    network.train()
    for hook in hooks:
        hook.remove()
    followers = [*used[1:], None]
    return [
        (module, follower if isinstance(follower, nn.BatchNorm2d) else None)
        for module, follower in zip(used, followers, strict=True)
        if isinstance(module, nn.Conv2d)
    ]


def _rows_of(convolution: nn.Conv2d, weight: NDArray[np.float32], file: Path) -> slice:
    """The outputs of a convolution that the file's weights belong to: all, or the first of a layer with more."""
    mine = convolution.weight.shape
    if mine[1:] != weight.shape[1:] or mine[0] < len(weight):
        raise WeightsError(f"{file} has weights of {weight.shape} where the network has {tuple(mine)}")
    return slice(len(weight))


def _take_statistics(normalisations: list[nn.BatchNorm2d], network: nn.Module, pictures: Tensor) -> None:
    """Make mean and variance of each normalisation's input its running statistics, with the same outputs as before."""
    inputs: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, arguments: tuple[Tensor]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        values = arguments[0].double()
        inputs[module] = values.mean((0, 2, 3)).float(), values.var((0, 2, 3)).float()

    hooks = [module.register_forward_pre_hook(keep) for module in normalisations]
    network.eval()
    network(pictures)
    network.train()
    for hook in hooks:
        hook.remove()
    for module, (mean, variance) in inputs.items():
        module.bias.add_(mean)
        module.weight.copy_((variance + module.eps).sqrt())
        module.running_mean, module.running_var = mean, variance
