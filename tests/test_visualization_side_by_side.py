# mypy: disable-error-code="index, return-value, union-attr"
"""`irisstn rectify --side-by-side`: pictures of each input beside its output."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from irisstn import Rectifier, Strip, normalize, read_gray, segment
from irisstn.cli import cli
from irisstn.outputs.manifest import read_manifest
from irisstn.rectification.rectified import Rectified
from irisstn.visualization.side_by_side import draw_eye_side_by_side, draw_side_by_side

YELLOW = (0, 255, 255)


def yellow(picture: np.ndarray) -> np.ndarray:
    """Where `picture` has the outline's colour."""
    return (np.abs(picture.astype(int) - YELLOW) < 60).all(axis=-1)


def rectified(grid: np.ndarray) -> Rectified:
    size = grid.shape[:2]
    return Rectified(Strip(np.full(size, 90, np.uint8), np.ones(size, bool)), {}, 0.0, grid)


def identity(rows: int, columns: int) -> np.ndarray:
    y, x = ((np.arange(n) * 2 + 1) / n - 1 for n in (rows, columns))
    return np.stack(np.meshgrid(x, y), axis=-1)


def test_strip_above_its_output_with_the_first_and_last_sampled_row() -> None:
    given = Strip(np.full((32, 256), 40, np.uint8), np.ones((32, 256), bool))
    grid = identity(16, 128)
    grid[..., 1] *= 0.5  # the middle half of the strip alone
    picture = draw_side_by_side(given, rectified(grid))
    assert picture.shape[2] == 3
    assert picture.shape[0] >= 32 + 16
    assert (picture[-16:, :128] == 90).all()
    rows = np.flatnonzero(yellow(picture[:32])[:, 20:200].mean(axis=1) > 0.9)
    assert rows.min() in (8, 9)
    assert rows.max() in (22, 23)
    assert not yellow(picture[32:]).any()


def test_the_outline_on_a_photograph_turns_with_the_roll(eyes: Path) -> None:
    image = read_gray(sorted(eyes.rglob("*.png"))[0])
    segmentation = segment(image)
    grid = identity(64, 512)
    seams = []
    for turn in (0.0, 0.5):  # a quarter of a turn, in half widths of the strip
        found = rectified(grid + np.array([turn, 0.0]))
        picture = draw_eye_side_by_side(image, segmentation, found)
        scale = min(1.0, 320 / max(image.shape))
        x, y = segmentation.limbus.x * scale, segmentation.limbus.y * scale
        reach = (segmentation.pupil.mean_radius + segmentation.limbus.mean_radius) / 2 * scale
        seen = yellow(picture)
        middles = [(round(y + dy * reach), round(x + dx * reach)) for dx, dy in ((1, 0), (0, 1))]
        seams.append([bool(seen[row - 3 : row + 4, column - 3 : column + 4].any()) for row, column in middles])
        plain = normalize(image, segmentation).image
        beside = picture[:64, -512:]
        assert (yellow(beside) | (beside == plain[..., None]).all(axis=-1)).mean() > 0.9
    assert seams == [[True, False], [False, True]]


def test_one_picture_for_each_input_the_same_from_every_run(eyes: Path, tmp_path: Path) -> None:
    command = ["rectify", str(eyes), "--size", "32x256", "--side-by-side", "--workers", "1", "--quiet", "-o"]
    for out in ("a", "b"):
        done = CliRunner().invoke(cli, [*command, str(tmp_path / out)])
        assert done.exit_code == 0, done.output
    records = list(read_manifest(tmp_path / "a"))
    assert len(records) == 12
    for record in records:
        name = str(record["side_by_side"])
        assert name == f"side_by_side/{record['path']}.jpg"
        data = (tmp_path / "a" / name).read_bytes()
        assert data == (tmp_path / "b" / name).read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        blue, green = picture[:, -256:, 0].astype(int), picture[:, -256:, 1].astype(int)  # JPEG pales thin lines
        assert (green - blue > 40).sum() > 256
        assert picture.shape[1] > 256

    strips = tmp_path / "a" / "strips"
    done = CliRunner().invoke(cli, ["rectify", str(strips), "--side-by-side", "--quiet", "-o", str(tmp_path / "c")])
    assert done.exit_code == 0, done.output
    pictures = list((tmp_path / "c" / "side_by_side").rglob("*.jpg"))
    assert len(pictures) == 12
    assert all(cv2.imread(str(path)).shape[:2] == (2 * 32 + 4, 256) for path in pictures)


def test_pictures_are_a_setting_of_the_output(eyes: Path, tmp_path: Path) -> None:
    command = ["rectify", str(next(eyes.rglob("*.png"))), "--quiet", "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert not (tmp_path / "out" / "side_by_side").exists()
    assert CliRunner().invoke(cli, [*command, "--side-by-side"]).exit_code == 0  # a finished run gets them
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["side_by_side"] is True
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 2
    assert "side_by_side true (now false)" in refused.output
    picture = next((tmp_path / "out" / "side_by_side").rglob("*.jpg"))
    assert CliRunner().invoke(cli, [*command, "--overwrite"]).exit_code == 0
    assert not picture.exists()  # `--overwrite` takes away what an earlier run wrote


@pytest.mark.parametrize("size", [(64, 512), (32, 256)])
def test_the_grid_of_a_rectified_strip_says_where_it_was_sampled(eyes: Path, size: tuple[int, int]) -> None:
    image = read_gray(sorted(eyes.rglob("*.png"))[0])
    segmentation = segment(image)
    rectifier = Rectifier()  # untrained: the identity
    strip = normalize(image, segmentation)
    for found in (rectifier.rectify(strip, size=size), rectifier.rectify_eye(image, segmentation, size)):
        assert found.grid.shape == (*size, 2)
        assert np.allclose(found.grid, identity(*size), atol=1e-6)
    assert replace(found, outside=1.0).grid is found.grid
