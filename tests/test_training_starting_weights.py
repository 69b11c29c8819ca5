# mypy: disable-error-code="arg-type, attr-defined, index, operator, union-attr"
"""Training from given weights, one network frozen, and the rectifier's loss for training loops of one's own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import rendered_eye
from click.testing import CliRunner
from pydantic import ValidationError
from training_settings import NO_AUGMENTATION, TOY

from irisstn import Rectifier, RectifierConfig
from irisstn.cli import cli
from irisstn.recognition import StripNet
from irisstn.training import Batch, LossWeights, TrainConfig, perturbed_batch, rectifier_loss, train
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.lightning_module import RecognitionModule
from irisstn.training.run_folder import read_metrics
from irisstn.training.starting_weights import start_from, with_shapes_of_start

BOTH = TOY.model_copy(update={"rectifier_only_epochs": 0, "augmentation": NO_AUGMENTATION})


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that share a core with other processes wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def batch() -> Batch:
    eyes = [rendered_eye(identity, camera="small-320x240") for identity in (1, 1, 2)]
    batch = perturbed_batch(
        [eye.image for eye in eyes], [eye.truth for eye in eyes], np.random.default_rng(0), size=(32, 256)
    )
    return batch._replace(labels=torch.tensor([0, 0, 0, 0, 1, 1]))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a run leaves it: untrained networks of the toy's shapes."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("weights")
    Rectifier(TOY.rectifier).save(folder / Rectifier.FILE)
    StripNet(TOY.recognizer).save(folder / StripNet.FILE)
    return folder


def started(weights: Path, *, upright: bool = True, **changes: object) -> RecognitionModule:
    torch.manual_seed(2)
    module = RecognitionModule(BOTH.model_copy(update={"start": weights, **changes}), identities=2)
    start_from(module, weights, upright=upright)
    return module


def with_gradient(module: RecognitionModule, batch: Batch) -> set[str]:
    module.losses(batch, module.predict(batch))["loss"].backward()
    return {
        name.partition(".")[0] for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }


def test_both_networks_are_trained_unless_one_is_frozen(weights: Path, batch: Batch) -> None:
    assert with_gradient(started(weights), batch) == {"rectifier", "recognizer"}
    assert with_gradient(started(weights, freeze="rectifier"), batch) == {"recognizer"}
    frozen = started(weights, freeze="recognizer")
    before = {name: value.clone() for name, value in frozen.recognizer.state_dict().items()}
    assert with_gradient(frozen, batch) == {"rectifier"}
    assert all(torch.equal(value, before[name]) for name, value in frozen.recognizer.state_dict().items())
    moved = started(weights)
    moved.predict(batch)
    assert any(not torch.equal(value, before[name]) for name, value in moved.recognizer.state_dict().items()), (
        "without a freeze the statistics of batch norms follow the batches"
    )


def test_on_photographs_the_reading_of_the_roll_is_kept(weights: Path, batch: Batch) -> None:
    for upright in (True, False):
        module = started(weights, upright=upright)
        with_gradient(module, batch)
        assert (module.rectifier.roll_reader.gain.grad is not None) == upright


def test_a_run_that_makes_its_start_worse_leaves_the_start(eyes: Path, weights: Path, tmp_path: Path) -> None:
    ruinous = {"epochs": 1, "validation_fraction": 0.5, "learning_rate": 30.0, "whitening": None, "start": weights}
    run = train(eyes, tmp_path / "run", BOTH.model_copy(update=ruinous))
    start, after = read_metrics(run)
    assert start["epoch"] == 0 and after["epoch"] == 1 and start["validation_loss"] < after["validation_loss"]
    for kind in (Rectifier, StripNet):
        held, given = kind.load(run).state_dict(), kind.load(weights).state_dict()
        assert all(torch.equal(held[name], given[name]) for name in given)


def test_a_run_leaves_a_frozen_recognizer_as_it_was(eyes: Path, weights: Path, tmp_path: Path) -> None:
    settings = {"epochs": 1, "validation_fraction": 0.5, "freeze": "recognizer", "start": weights}
    run = train(eyes, tmp_path / "run", BOTH.model_copy(update=settings))
    last = SafetensorsCheckpoint().load_checkpoint(run / "checkpoints" / "last.safetensors")["state_dict"]
    given = StripNet.load(weights).state_dict()
    for name, value in given.items():
        for network in ("recognizer", "averaged_recognizer"):
            assert torch.equal(last[f"{network}.{name}"], value), name
    held = StripNet.load(run).state_dict()
    assert all(torch.equal(held[name], value) for name, value in given.items()), "its whitening is kept as well"
    rectifier = Rectifier.load(weights).state_dict()
    assert any(not torch.equal(last[f"rectifier.{name}"], value) for name, value in rectifier.items())


def test_shapes_that_nobody_gave_are_those_of_the_start(weights: Path) -> None:
    taken = with_shapes_of_start(TrainConfig(start=weights))
    assert (taken.rectifier, taken.recognizer) == (TOY.rectifier, TOY.recognizer)
    given = TrainConfig(start=weights, rectifier=RectifierConfig(width=16), recognizer=None)
    assert with_shapes_of_start(given) == given
    shipped = with_shapes_of_start(TrainConfig(start="shipped"))
    assert (shipped.rectifier, shipped.recognizer) == (Rectifier.load().config, StripNet.load().config)
    start_from(RecognitionModule(shipped, identities=2), "shipped", upright=False)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"freeze": "rectifier"}, "random weights"),
        ({"freeze": "rectifier", "start": "shipped", "recognizer": None}, "takes both"),
        ({"freeze": "rectifier", "start": "shipped", "rectifier_only_epochs": 1}, "rectifier_only_epochs"),
    ],
)
def test_a_freeze_that_makes_no_sense_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TrainConfig.model_validate(settings)


def test_the_command_passes_both_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[TrainConfig] = []
    monkeypatch.setattr("irisstn.training.run.train", lambda data, run, config, **rest: asked.append(config))
    monkeypatch.setattr("irisstn.training.train", lambda data, run, config, **rest: asked.append(config), raising=False)
    command = ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--from", "shipped", "--freeze", "recognizer"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert (asked[0].start, asked[0].freeze) == ("shipped", "recognizer")
    done = CliRunner().invoke(cli, [*command[:4], "--freeze", "recognizer"])
    assert done.exit_code == 2
    assert "give a start" in done.output


def test_the_loss_is_lower_where_known_errors_are_found(batch: Batch) -> None:
    shipped, untrained = Rectifier.load(), Rectifier()
    with torch.no_grad():
        assert float(rectifier_loss(shipped, batch)) < 0.8 * float(rectifier_loss(untrained, batch))
    loss = rectifier_loss(shipped, batch, LossWeights(outside=0.0))
    loss.backward()
    assert shipped.stn.localization.boundaries.weight.grad.abs().sum() > 0
    assert shipped.roll_reader.gain.grad is None, "a photograph does not tell its head's roll"
    with pytest.raises(ValueError, match="not those of Affine"):
        rectifier_loss(Rectifier(RectifierConfig(transform="affine", width=8)), batch)


def test_a_batch_needs_photographs_with_their_segmentations() -> None:
    with pytest.raises(ValueError, match="got 0, 0 and 2"):
        perturbed_batch([], [], np.random.default_rng(0))
