"""OSIRIS in the benchmark of segmentation, replaced by a script with the same input and output files."""

import csv
import json
import sys
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from osiris import run_osiris
from segmentation import main

CIRCLES = {"pupil": (160, 120, 30), "iris": (162, 121, 90), "upper": (160, 120, 500), "lower": (160, 120, 500)}
STAND_IN = """import sys
from pathlib import Path
import cv2
import numpy as np
config = dict(line.split(" = ") for line in Path(sys.argv[1]).read_text().splitlines())
assert 0 < int(config["Minimum diameter for pupil"]) < int(config["Maximum diameter for pupil"])
assert 0 < int(config["Minimum diameter for iris"]) < int(config["Maximum diameter for iris"])
for name in Path(config["List of images"]).read_text().split():
    image = cv2.imread(config["Load original images"] + name, cv2.IMREAD_UNCHANGED)
    assert image.ndim == 2
    if image.max() == 0:
        continue  # as OSIRIS does with a picture that it fails on
    if image.min() == 255:
        sys.exit(3)
    mask = np.zeros_like(image)
    cv2.circle(mask, (162, 121), 90, 255, -1)
    cv2.circle(mask, (160, 120), 30, 0, -1)
    stem = name.removesuffix(".bmp")
    cv2.imwrite(config["Save masks of iris"] + stem + config["Suffix for masks of iris"], mask)
    text = "3\\n4\\n190 120 0 160 150 1.5 130 120 3.1 \\n252 121 0 162 211 1.5 72 121 3.1 162 31 4.7 "
    Path(config["Save contours parameters"] + stem + config["Suffix for parameters"]).write_text(text)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two gray pictures, one with a blank in its name, a black one, their marks, and the stand-in for OSIRIS."""
    (tmp_path / "eyes").mkdir()
    rows = []
    for name, gray in {"a": 100, "b c": 90, "dark": 0}.items():
        cv2.imwrite(str(tmp_path / "eyes" / f"{name}.png"), np.full((240, 320), gray, np.uint8))
        rows.append(
            {"name": name} | {f"{part}_{k}": v for part, c in CIRCLES.items() for k, v in zip("xyr", c, strict=True)}
        )
    with (tmp_path / "truth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "osiris").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/stand_in.py" "$@"\n')
    (tmp_path / "osiris").chmod(0o755)
    return tmp_path


def test_osiris_is_scored_on_the_same_images_and_its_failures_count_zero(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    sets = ["--synthetic", "0", "--eyes", "eyes", "--truth", "truth.csv", "--osiris", "osiris"]
    done = CliRunner().invoke(main, [*sets, "--workers", "1", "--json", "rows.json", "--no-results"])
    assert done.exit_code == 0, done.output
    ours, peer = json.loads((folder / "rows.json").read_text())
    assert [line.split("  ")[0] for line in done.output.splitlines()[1:]] == ["eyes", "eyes: OSIRIS v4.1"]
    assert (ours["n"], peer["n"], peer["failed"]) == (3, 3, 1)
    assert peer["f1_mean"] == pytest.approx(200 / 3, abs=0.5)
    assert peer["f1_median"] > 99
    assert max(peer["pupil_px"] + peer["limbus_px"]) < 1e-6
    assert peer["files_ms"] > 0
    assert peer["wall_ms"] > 0


def test_an_exit_code_of_osiris_is_an_error(folder: Path):
    cv2.imwrite(str(folder / "eyes" / "white.png"), np.full((240, 320), 255, np.uint8))
    with pytest.raises(click.ClickException, match="ended with 3"):
        run_osiris(folder / "osiris", [folder / "eyes" / "white.png"])
