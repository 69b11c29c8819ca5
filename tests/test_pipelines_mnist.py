# mypy: disable-error-code="arg-type"
"""The MNIST experiments: their networks and runs, on digits drawn here."""

from collections.abc import Iterator
from pathlib import Path

import click
import mnist_stn
import mnist_table
import mnist_training
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from drawn_digits import write_digits
from mnist import results_tables
from mnist_digits import SIDE, SIDES, read_digits
from mnist_networks import MODELS, Network, TransformedCnn, build, count_parameters
from mnist_table import interval, read_experiments, table, wrong_fractions
from mnist_training import MnistConfig, Result, run

from irisstn.config import load_config
from irisstn.errors import DatasetError, OutputError
from irisstn.images import read_gray
from irisstn.training import SafetensorsCheckpoint

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("mnist_*.yaml"))
TINY = ["epochs=2", "batch_size=32", "network.width=4", "network.plain_hidden=8", "network.localization_width=4"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as these are slower with several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits") / "digits.npz")


# --- networks


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_plain_cnn_has_no_fewer_parameters(path: Path) -> None:
    config = load_config(MnistConfig, path)
    side = SIDES.get(config.test_distortion, SIDE)
    stn, cnn = (count_parameters(build(config.network, model, side)) for model in MODELS)
    assert stn <= cnn < 1.15 * stn


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_untrained_transformer_samples_the_centre_of_the_image(path: Path) -> None:
    config = load_config(MnistConfig, path)
    side = SIDES.get(config.test_distortion, SIDE)
    net = build(config.network, "stn", side).eval()
    assert isinstance(net, TransformedCnn)
    warped = net.warp(torch.rand(2, 1, side, side))
    out = config.network.output_side
    assert warped.image.shape == (2, 1, out, out)
    edge = config.network.initial_fraction * (1 - 1 / out)
    assert torch.allclose(warped.grid[:, 0, 0], torch.tensor(-edge), atol=1e-5)
    assert torch.allclose(warped.grid[:, -1, -1], torch.tensor(edge), atol=1e-5)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match="stn, cnn"):
        build(Network(), "mlp", SIDE)


# --- runs


def tiny(*overrides: str) -> MnistConfig:
    return load_config(MnistConfig, CONFIGS[0].with_name("mnist_rotated.yaml"), [*TINY, *overrides])


def test_it_learns(data: Path, tmp_path: Path) -> None:
    config = tiny("epochs=6", "network.width=8", "test_distortion=upright", "train_distortion=upright")
    result = run(config, read_digits(data), "stn", 1, tmp_path)
    assert result.error < 0.3  # chance is 0.9
    assert result.curve[-1]["loss"] < result.curve[0]["loss"]
    assert result.curve[-1]["gradient"] > 0


def test_an_interrupted_run_continues_to_the_same_result(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = read_digits(data)
    complete = run(tiny(), digits, "stn", 1, tmp_path / "complete")

    class Interrupted(SafetensorsCheckpoint):
        def save_checkpoint(self, *args: object, **kwargs: object) -> None:
            super().save_checkpoint(*args, **kwargs)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mnist_training, "SafetensorsCheckpoint", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tiny(), digits, "stn", 1, tmp_path / "interrupted")
    with monkeypatch.context() as patch:  # as on another processor: a run keeps the precision that it began with
        patch.setattr(mnist_training, "choose_precision", lambda *_, **__: "neither")
        again = run(tiny(), digits, "stn", 1, tmp_path / "interrupted")
    assert again.precision == complete.precision
    assert again.wrong == complete.wrong
    assert [row["loss"] for row in again.curve] == [row["loss"] for row in complete.curve]
    assert run(tiny(), digits, "stn", 1, tmp_path / "interrupted") == again  # read, not run
    for folder in ("complete", "interrupted"):
        with pytest.raises(OutputError, match=r"learning_rate 0\.006 \(now 0\.5\)"):
            run(tiny("learning_rate=0.5"), digits, "stn", 1, tmp_path / folder)


def test_every_recipe_from_end_to_end(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sets = [part for each in ["epochs=1", *TINY[1:]] for part in ("--set", each)]
    command = [*CONFIGS, "--data", data, "-o", out, "--seeds", "1", *sets]
    first = call(mnist_stn.cli, command)
    assert len(first.splitlines()) == len(CONFIGS) * 2
    results = {path: path.read_bytes() for path in out.glob("*/*/result.json")}
    assert len(results) == len(CONFIGS) * 2
    assert call(mnist_stn.cli, command) == first
    assert {path: path.read_bytes() for path in results} == results

    printed = call(mnist_table.cli, [out, "--picture", tmp_path / "picture.png"])
    experiments = read_experiments(out)
    assert printed.startswith(table(experiments))
    for each in experiments:
        row = next(line for line in printed.splitlines() if line.startswith(f"| {each.config.title} |"))
        assert f"{100 * wrong_fractions(each.stn).mean():.2f} [" in row
        assert row.endswith("| 60 |")
    errors, budget = results_tables(experiments)
    assert len(errors.rows) == len(budget.rows) == len(CONFIGS)
    assert all(row[0] == each.config.title for row, each in zip(errors.rows, experiments, strict=True))
    page = (out / "index.html").read_text()
    assert page.count("<svg") == len(CONFIGS)
    assert page.count("<polyline") == len(results)
    assert page.count("<img") == len(CONFIGS)
    assert read_gray(tmp_path / "picture.png").shape[1] > 6 * 2 * SIDE


def call(command: click.Command, arguments: list[object]) -> str:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no finished run"):
        read_experiments(tmp_path)


def test_the_interval_covers_what_it_should() -> None:
    random = np.random.default_rng(0)
    truth, n = 0.02, 2000
    covered = 0
    for _ in range(200):
        low, high = interval((random.random(n) < truth).astype(float))
        covered += low <= truth <= high
    assert 180 <= covered <= 198
    assert interval(np.zeros(10)) == (0, 0)


def test_fractions_count_seeds() -> None:
    blank = {"config": tiny(), "model": "stn", "parameters": 1, "n_train": 9, "n": 4, "curve": ()}
    results = [
        Result(**blank, seed=seed, wrong=wrong, train_seconds=1, test_seconds=1)
        for seed, wrong in enumerate([(0, 1), (1,), ()])
    ]
    assert np.allclose(wrong_fractions(results), [1 / 3, 2 / 3, 0, 0])
