"""The weights that a training run starts from, and those of them that it leaves as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from irisstn.errors import ConfigError
from irisstn.recognition.network import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.training.config import TrainConfig
from irisstn.training.lightning_module import RecognitionModule
from irisstn.weights import SHIPPED

Start = Literal["shipped"] | Path


def with_shapes_of_start(config: TrainConfig) -> TrainConfig:
    """Take the shapes of networks that `config` does not mention from the weights that it starts from.

    Parameters
    ----------
    config : TrainConfig
        Settings of a run.

    Returns
    -------
    TrainConfig
        The same with all shapes.

    Raises
    ------
    WeightsError
        Where the weights cannot be read.
    """
    if config.start is None:
        return config
    where = _path(config.start)
    kinds: dict[str, type[Rectifier | StripNet]] = {"rectifier": Rectifier, "recognizer": StripNet}
    shapes = {name: kind.load(where).config for name, kind in kinds.items() if name not in config.model_fields_set}
    return config.model_copy(update=shapes)


def start_from(module: RecognitionModule, start: Start, *, upright: bool) -> None:
    """Take the networks' weights from a run's folder, or from a file where there is but one network.

    Parameters
    ----------
    module : RecognitionModule
        The networks, which are changed. One that its settings freeze gets no gradients from then on.
    start : Path or "shipped"
        The run or the file; or the weights that irisstn ships.
    upright : bool
        `Eyes.upright` of the training eyes. Where it is False, the reading of the roll off the eyelids is not trained:
        it was fitted to eyes whose upright direction is known, and on others it would learn to read too little.

    Raises
    ------
    WeightsError
        Where a file is missing or damaged.
    ConfigError
        Where a network there has another shape.
    """
    where = _path(start)
    for network in (module.rectifier, module.recognizer):
        if network is None:
            continue
        held = type(network).load(where)
        if held.config != network.config:
            raise ConfigError(f"{where} holds a {network.FILE} of another shape than the one to be trained")
        network.load_state_dict(held.state_dict())
    if module.rectifier is not None and module.rectifier.roll_reader is not None and not upright:
        module.rectifier.roll_reader.requires_grad_(requires_grad=False)
    if module.rectifier is not None and module.config.freeze == "rectifier":
        module.rectifier.requires_grad_(requires_grad=False)
    if module.recognizer is not None and module.averaged_recognizer is not None:
        if module.config.freeze == "recognizer":
            module.recognizer.requires_grad_(requires_grad=False)
        else:
            module.recognizer.whitening.reset()  # it is fitted at the end, to what is learnt by then
        module.averaged_recognizer.load_state_dict(module.recognizer.state_dict())
    module.train(module.training)  # Lightning keeps the mode of each part as it finds it


def _path(start: Start) -> Path:
    return SHIPPED if start == "shipped" else Path(start)
