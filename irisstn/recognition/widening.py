"""A wider recognition network that begins with the weights of two trained ones, so that it has less to learn."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from irisstn.recognition.config import StripNetConfig
from irisstn.recognition.network import StripNet

_CROSSING = 0.3  # of the initial weights from the first network's channels to the second's: they start small
_INTO_FIRST = 0.03  # and those into the first network's channels smaller still, so that it is nearly kept
_NORM = ("weight", "bias", "running_mean", "running_var")


class _Layer(NamedTuple):
    """A convolution and its batch norm by their names in a trunk, and which channels it reads and writes."""

    name: str
    inputs: str
    outputs: str

    @property
    def conv(self) -> str:
        return f"features.{self.name}.0.conv.weight"

    def norm(self, part: str) -> str:
        return f"features.{self.name}.1.{part}"


_LAYERS = (
    _Layer("0", "texture", "half"),
    _Layer("1", "half", "quarter"),
    _Layer("2.first", "quarter", "inside quarter"),
    _Layer("2.second", "inside quarter", "quarter"),
    _Layer("3", "quarter", "wider quarter"),
    _Layer("4", "wider quarter", "eighth"),
    _Layer("5.first", "eighth", "inside eighth"),
    _Layer("5.second", "inside eighth", "eighth"),
)


def widen(first: StripNet, second: StripNet, config: StripNetConfig) -> StripNet:
    """Make a network that holds the trunk of one network and, beside it, the most used channels of another's.

    A channel is used as much as the weights are large that read it. Weights between the two parts are random and small,
    and the last layer, which gives the features of a cell, is random: the network has to be trained.

    Parameters
    ----------
    first, second : StripNet
        Networks of one trunk and of the same widths.
    config : StripNetConfig
        Shape of the result: one trunk, at least as wide as `first` and at most twice as wide.

    Returns
    -------
    StripNet
        The network. It is random by torch's generator.

    Raises
    ------
    ValueError
        For networks or a config of other shapes.

    References
    ----------
    Chen, Goodfellow and Shlens 2016, "Net2Net: accelerating learning via knowledge transfer".
    """
    narrow = first.config.widths
    if second.config.widths != narrow or {first.config.trunks, second.config.trunks, config.trunks} != {1}:
        raise ValueError("two networks of one trunk and the same widths, and a config of one trunk, are needed")
    if not all(width <= wide <= 2 * width for width, wide in zip(narrow, config.widths, strict=True)):
        raise ValueError(f"widths from {narrow} to twice these are needed, got {config.widths}")
    network = StripNet(config)
    state, kept, other = (_trunk(net) for net in (network, first, second))
    chosen = {"texture": torch.arange(0)}  # both networks read the same texture
    for channels in dict.fromkeys(layer.outputs for layer in _LAYERS):
        extra = next(len(state[it.conv]) - len(kept[it.conv]) for it in _LAYERS if it.outputs == channels)
        chosen[channels] = torch.topk(_use(other, channels), extra).indices.sort().values
    with torch.no_grad():
        for layer in _LAYERS:
            weight = state[layer.conv]
            outputs, inputs = kept[layer.conv].shape[:2]
            read, written = chosen[layer.inputs], chosen[layer.outputs]
            weight[outputs:] *= _CROSSING
            weight[:outputs, inputs:] *= _INTO_FIRST
            weight[:outputs, :inputs] = kept[layer.conv]
            if layer.inputs == "texture":
                weight[outputs:] = other[layer.conv][written]
            else:
                weight[outputs:, inputs:] = other[layer.conv][written][:, read]
            for part in _NORM:
                name = layer.norm(part)
                state[name][:outputs], state[name][outputs:] = kept[name], other[name][written]
    return network


def _trunk(network: StripNet) -> dict[str, Tensor]:
    """The tensors of the first trunk by name; changes of them change the network."""
    return network.trunks[0].state_dict()


def _use(trunk: dict[str, Tensor], channels: str) -> Tensor:
    """How large the weights are that read each of the `channels`."""
    reading = [trunk[layer.conv] for layer in _LAYERS if layer.inputs == channels]
    if channels == "eighth":
        reading.append(trunk["head.weight"])
    return torch.stack([weight.square().sum((0, 2, 3)).sqrt() for weight in reading]).sum(0)
