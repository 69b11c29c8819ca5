"""The MNIST experiments: their distortions, networks and runs, on digits drawn here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import mnist_training
import numpy as np
import pytest
import torch
from mnist_digits import (
    CLUTTER_SIDE,
    DISTORTIONS,
    SIDE,
    SIDES,
    as_images,
    clutter,
    elastic,
    placed,
    projective,
    read_digits,
    rotated,
)
from mnist_networks import MODELS, Network, TransformedCnn, build, count_parameters
from mnist_table import interval, read_experiments, table, wrong_shares
from mnist_training import MnistConfig, Result, run
from torch import Generator, Tensor

from irisstn.config import load_config
from irisstn.errors import DatasetError, OutputError
from irisstn.images import read_gray
from irisstn.training.checkpoints import SafetensorsCheckpoint

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("mnist_*.yaml"))
TINY = ["epochs=2", "batch=32", "network.width=4", "network.plain_hidden=8", "network.localization_width=4"]


def draw_digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n)
    images = np.zeros((n, SIDE, SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        place = (int(random.integers(5, 9)), int(random.integers(21, 24)))
        cv2.putText(image, str(label), place, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.6, 0.75), 255, 2, cv2.LINE_AA)
    return images, labels.astype(np.uint8)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Nets as small as these spend their time waiting for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    (x_train, y_train), (x_test, y_test) = draw_digits(320, 1), draw_digits(60, 2)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


@pytest.fixture(scope="module")
def images() -> Tensor:
    return as_images(torch.from_numpy(draw_digits(64, 3)[0]))


def seeded(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


def ink(images: Tensor) -> Tensor:
    return images.sum(dim=(1, 2, 3))


# --- distortions


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_seed_names_a_distortion(name: str, images: Tensor) -> None:
    side = SIDES.get(name, SIDE)
    first = DISTORTIONS[name](images, seeded())
    assert first.shape == (len(images), 1, side, side)
    assert first.dtype == torch.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, DISTORTIONS[name](images, seeded()))
    if name != "upright":
        assert not torch.equal(first, DISTORTIONS[name](images, seeded(2)))


def test_a_turn_by_nothing_changes_nothing(images: Tensor) -> None:
    assert torch.allclose(rotated(images, seeded(), degrees=0), images, atol=1e-5)


def test_digits_are_turned_by_up_to_90_degrees() -> None:
    dot = torch.zeros(400, 1, SIDE, SIDE)
    dot[:, :, 13:15, 22:24] = 1  # to the right of the middle
    steps = torch.arange(SIDE) - (SIDE - 1) / 2
    turned = rotated(dot, seeded())
    x, y = (turned.sum(dim=(1, axis)) @ steps / ink(turned) for axis in (2, 3))
    angle = torch.atan2(y, x).rad2deg()
    assert torch.allclose(torch.hypot(x, y), torch.tensor(9.0), atol=0.2)
    assert angle.min() < -80
    assert angle.max() > 80
    assert angle.abs().max() < 91


def test_placed_digits_keep_their_ink_on_the_larger_canvas(images: Tensor) -> None:
    share = ink(placed(images, seeded())) / ink(images)  # the square of the scale, none of it cut off
    assert share.min() > 0.9 * 0.7**2
    assert share.max() < 1.05 * 1.2**2
    assert share.max() > 1


@pytest.mark.parametrize("distort", [projective, elastic])
def test_without_noise_digits_are_only_made_smaller(distort, images: Tensor) -> None:
    share = ink(distort(images, seeded(), sd_px=0.0)) / ink(images)
    assert share.min() > 0.95 * 0.75**2
    assert share.max() < 1.05


def test_a_projective_distortion_keeps_lines_straight_and_an_elastic_one_does_not() -> None:
    line = torch.zeros(100, 1, SIDE, SIDE)
    line[:, :, 4:24, 13:15] = 1

    def bend(image: Tensor) -> float:
        y, x = (image[0] > 0.3).nonzero().T.numpy()
        return float(
            np.linalg.svd(np.stack([x, y]) - np.stack([x, y]).mean(axis=1, keepdims=True))[1][1] / len(x) ** 0.5
        )

    straight, bent = (max(bend(image) for image in distort(line, seeded())) for distort in (projective, elastic))
    assert straight < 1.2 < bent


def test_the_cluttered_canvas_has_the_digit_at_the_returned_place(images: Tensor) -> None:
    canvas, corners = clutter(images, seeded())
    assert corners.min() >= 0
    assert corners.max() <= CLUTTER_SIDE - SIDE
    assert len(corners.unique(dim=0)) > 50
    for image, place, (x, y) in zip(images[:, 0], canvas[:, 0], corners.tolist(), strict=True):
        there = place[y : y + SIDE, x : x + SIDE]
        assert (there >= image).all()  # nothing of the digit is painted over
        assert (there == image).float().mean() > 0.5
        assert place.sum() > image.sum()  # and there is clutter


def test_clutter_is_six_crops_of_other_digits() -> None:
    flat = (torch.arange(1, 33) / 40).expand(1, SIDE, SIDE, 32).permute(3, 0, 1, 2)
    canvas, corners = clutter(flat, seeded())
    for own, place, (x, y) in zip(flat[:, 0, 0, 0], canvas[:, 0], corners.tolist(), strict=True):
        there = place[y : y + SIDE, x : x + SIDE].clone()
        place[y : y + SIDE, x : x + SIDE] = 0
        assert not (place == own).any()
        assert (there >= own).all()
        levels = place.unique()[1:]
        assert 1 <= len(levels) <= 6
        for level in levels:
            rows, columns = (place == level).nonzero().T
            assert max(rows.max() - rows.min(), columns.max() - columns.min()) < 9 or len(levels) < 6
    with pytest.raises(ValueError, match="at least two"):
        clutter(flat[:1], seeded())


# --- the file


def test_digits_are_read_and_held_out(data: Path) -> None:
    train, test = read_digits(data)
    assert (train.images.shape, test.images.shape) == ((320, SIDE, SIDE), (60, SIDE, SIDE))
    assert train.labels.dtype == torch.int64
    shorter, held = read_digits(data, holdout=20)
    assert torch.equal(torch.cat([shorter.images, held.images]), train.images)
    assert len(held.labels) == 20
    with pytest.raises(DatasetError, match="320 training digits"):
        read_digits(data, holdout=320)


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    images, labels = draw_digits(4, 0)
    good = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    bad = {
        "missing": {k: v for k, v in good.items() if k != "y_test"},
        "floats": good | {"x_train": images / 255},
        "labels": good | {"y_test": labels + 10},
        "pickled": good | {"x_test": np.array([images, None], object)},
    }
    for name, arrays in bad.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **arrays)
        with pytest.raises(DatasetError, match=name):
            read_digits(path)
    (tmp_path / "text.npz").write_text("no digits")
    for name in ("text.npz", "nowhere.npz"):
        with pytest.raises(DatasetError, match=name):
            read_digits(tmp_path / name)


# --- networks


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_plain_cnn_has_no_fewer_parameters(path: Path) -> None:
    config = load_config(MnistConfig, path)
    side = SIDES.get(config.test, SIDE)
    stn, cnn = (count_parameters(build(config.network, model, side)) for model in MODELS)
    assert stn <= cnn < 1.15 * stn


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_transformer_starts_with_the_middle_of_the_image(path: Path) -> None:
    config = load_config(MnistConfig, path)
    side = SIDES.get(config.test, SIDE)
    net = build(config.network, "stn", side).eval()
    assert isinstance(net, TransformedCnn)
    seen = net.look(torch.rand(2, 1, side, side))
    out = config.network.output_side
    assert seen.image.shape == (2, 1, out, out)
    edge = config.network.start * (1 - 1 / out)
    assert torch.allclose(seen.grid[:, 0, 0], torch.tensor(-edge), atol=1e-5)
    assert torch.allclose(seen.grid[:, -1, -1], torch.tensor(edge), atol=1e-5)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match="stn, cnn"):
        build(Network(), "mlp", SIDE)


# --- runs


def tiny(*overrides: str) -> MnistConfig:
    return load_config(MnistConfig, CONFIGS[0].with_name("mnist_rotated.yaml"), [*TINY, *overrides])


def test_it_learns(data: Path, tmp_path: Path) -> None:
    config = tiny("epochs=6", "network.width=8", "test=upright", "train=upright")
    result = run(config, read_digits(data), "stn", 1, tmp_path)
    assert result.error < 0.3  # chance is 0.9
    assert result.curve[-1]["loss"] < result.curve[0]["loss"]
    assert result.curve[-1]["gradient"] > 0


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = read_digits(data)
    whole = run(tiny(), digits, "stn", 1, tmp_path / "whole")

    class Ended(SafetensorsCheckpoint):
        def save_checkpoint(self, *args: object, **kwargs: object) -> None:
            super().save_checkpoint(*args, **kwargs)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mnist_training, "SafetensorsCheckpoint", Ended)
        with pytest.raises(KeyboardInterrupt):
            run(tiny(), digits, "stn", 1, tmp_path / "ended")
    again = run(tiny(), digits, "stn", 1, tmp_path / "ended")
    assert again.wrong == whole.wrong
    assert [row["loss"] for row in again.curve] == [row["loss"] for row in whole.curve]
    assert run(tiny(), digits, "stn", 1, tmp_path / "ended") == again  # read, not run
    for folder in ("whole", "ended"):
        with pytest.raises(OutputError, match="other settings"):
            run(tiny("rate=0.5"), digits, "stn", 1, tmp_path / folder)


def test_every_recipe_from_end_to_end(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sets = [part for each in ["epochs=1", *TINY[1:]] for part in ("--set", each)]
    command = ["pipelines/mnist_stn.py", *CONFIGS, "--data", data, "-o", out, "--seeds", "1", *sets]
    first = call(command)
    assert len(first.splitlines()) == len(CONFIGS) * 2
    results = {path: path.read_bytes() for path in out.glob("*/*/result.json")}
    assert len(results) == len(CONFIGS) * 2
    assert call(command) == first
    assert {path: path.read_bytes() for path in results} == results

    printed = call(["pipelines/mnist_table.py", out, "--picture", tmp_path / "picture.png"])
    experiments = read_experiments(out)
    assert printed.startswith(table(experiments))
    for each in experiments:
        row = next(line for line in printed.splitlines() if line.startswith(f"| {each.config.title} |"))
        assert f"{100 * wrong_shares(each.stn).mean():.2f} [" in row
        assert row.endswith("| 60 |")
    page = (out / "index.html").read_text()
    assert page.count("<svg") == len(CONFIGS)
    assert page.count("<polyline") == len(results)
    assert page.count("<img") == len(CONFIGS)
    assert read_gray(tmp_path / "picture.png").shape[1] > 6 * 2 * SIDE


def call(command: list[object]) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
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


def test_shares_count_seeds() -> None:
    blank = {"config": tiny(), "model": "stn", "parameters": 1, "n_train": 9, "n": 4, "curve": ()}
    results = [
        Result(**blank, seed=seed, wrong=wrong, train_seconds=1, test_seconds=1)
        for seed, wrong in enumerate([(0, 1), (1,), ()])
    ]
    assert np.allclose(wrong_shares(results), [1 / 3, 2 / 3, 0, 0])
