# mypy: disable-error-code="arg-type, literal-required"
"""Strips of other programs: each is cut here by a few lines that follow the program's own geometry."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import make_segmentation, rendered_eye
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from irisstn import Boundary, Rectifier, Segmentation, Strip, normalize
from irisstn.cli import cli
from irisstn.geometry import Gray
from irisstn.images import read_gray, write_png
from irisstn.outputs import read_manifest
from irisstn.strip_conventions import CONVENTIONS, Columns, ConventionName, MaskPolarity, Start, StripConvention
from irisstn.synthetic import RenderedEye

ROWS, COLUMNS = 64, 512
Cut = Callable[[Gray, Segmentation], Gray]


@pytest.fixture(scope="module")
def eye() -> RenderedEye:
    return rendered_eye(3)


@pytest.fixture(scope="module")
def circles(eye: RenderedEye) -> Segmentation:
    """Circles through the eye's true boundaries, and its true mask."""
    pupil, limbus = (
        Boundary.circle(curve.x, curve.y, curve.mean_radius) for curve in (eye.truth.pupil, eye.truth.limbus)
    )
    return make_segmentation(pupil, limbus, eye.image.shape, usable=eye.truth.usable)


def osiris(image: Gray, ring: Segmentation) -> Gray:
    """y = y0 - r sin(t) with t = 2 pi j / T, the nearest pixel below, and the radius i / R of the way."""
    strip = np.zeros((ROWS, COLUMNS), np.uint8)
    for j in range(COLUMNS):
        t = j / COLUMNS * 2 * math.pi
        inner, outer = (
            (c.x + c.mean_radius * math.cos(t), c.y - c.mean_radius * math.sin(t)) for c in (ring.pupil, ring.limbus)
        )
        for i in range(ROWS):
            x, y = (int((1 - i / ROWS) * a + i / ROWS * b) for a, b in zip(inner, outer, strict=True))
            strip[i, j] = image[y, x]
    return strip


def usit(image: Gray, ring: Segmentation) -> Gray:
    """y = y0 + r sin(t) with t in the middle of each column."""
    strip = np.zeros((ROWS, COLUMNS), np.uint8)
    for j in range(COLUMNS):
        t = (j + 0.5) * 2 * math.pi / COLUMNS
        inner, outer = (
            (c.x + c.mean_radius * math.cos(t), c.y + c.mean_radius * math.sin(t)) for c in (ring.pupil, ring.limbus)
        )
        for i in range(ROWS):
            x, y = (round(a + i / ROWS * (b - a)) for a, b in zip(inner, outer, strict=True))
            strip[i, j] = image[y, x]
    return strip


def masek(image: Gray, ring: Segmentation) -> Gray:
    """Distance from the pupil's centre to the iris's circle; t from 0 to 2 pi inclusive; y = y0 - r sin(t)."""
    ox, oy = ring.pupil.x - ring.limbus.x, ring.pupil.y - ring.limbus.y
    strip = np.zeros((ROWS, COLUMNS), np.uint8)
    for j in range(COLUMNS):
        t = 2 * math.pi * j / (COLUMNS - 1)
        # The ray (ox + r cos t, oy - r sin t) meets the circle around the iris's centre.
        along = ox * math.cos(t) - oy * math.sin(t)
        edge = -along + math.sqrt(along**2 - (ox**2 + oy**2) + ring.limbus.mean_radius**2)
        for i in range(ROWS):
            r = ring.pupil.mean_radius + (edge - ring.pupil.mean_radius) * (i + 1) / (ROWS + 1)
            strip[i, j] = image[round(ring.pupil.y - r * math.sin(t)), round(ring.pupil.x + r * math.cos(t))]
    return strip


def open_iris(image: Gray, ring: Segmentation) -> Gray:
    """Points of both contours by angle, y = y0 + r sin(t), joined by lines from 0 to 1 inclusive."""
    t = np.radians(np.arange(COLUMNS) * 360 / COLUMNS)
    inner, outer = (
        np.column_stack([c.x + c.mean_radius * np.cos(t), c.y + c.mean_radius * np.sin(t)])
        for c in (ring.pupil, ring.limbus)
    )
    points = np.array([inner + f * (outer - inner) for f in np.linspace(0, 1, ROWS)]).round().astype(int)
    return np.asarray(image[points[..., 1], points[..., 0]])


PROGRAMS: dict[ConventionName, Cut] = {"osiris": osiris, "usit": usit, "masek": masek, "open-iris": open_iris}


def likeness(a: Gray, b: Gray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_strips_of_other_programs_become_those_of_this_one(
    name: ConventionName, eye: RenderedEye, circles: Segmentation
) -> None:
    own = normalize(eye.image, circles).image
    theirs, layout = PROGRAMS[name](eye.image, circles), CONVENTIONS[name]
    mirrored = StripConvention("clockwise" if layout.columns == "counterclockwise" else "counterclockwise")
    # They take the nearest pixel, and rows half a cell further in; Masek's rays start at the pupil's centre alone.
    assert likeness(layout.to_own(theirs)[8:], own[8:]) > (0.75 if name == "masek" else 0.9)
    assert likeness(mirrored.to_own(theirs)[8:], own[8:]) < 0.5, "the other direction is a clear mistake"


@pytest.mark.parametrize("columns", ["clockwise", "counterclockwise"])
@pytest.mark.parametrize("start", ["right", "bottom", "left", "top"])
@pytest.mark.parametrize("polarity", ["usable-white", "usable-black"])
@pytest.mark.parametrize("count", [16, 10])
def test_every_layout_is_read_and_written(columns: Columns, start: Start, polarity: MaskPolarity, count: int) -> None:
    layout = StripConvention(columns, start, polarity)
    given = np.random.default_rng(0).integers(0, 256, (3, count), dtype=np.uint8)
    assert np.array_equal(layout.from_own(layout.to_own(given)), given)
    usable = given > 100
    assert np.array_equal(layout.read_mask(layout.write_mask(usable)), usable)
    if count % 4 == 0:  # the angle, clockwise from the right, at which each column of the given strip begins
        quarter = ["right", "bottom", "left", "top"].index(start) * count // 4
        step = 1 if columns == "clockwise" else -1
        where = [(quarter + step * j - (step < 0)) % count for j in range(count)]
        assert np.array_equal(layout.to_own(given)[:, where], given)


def test_masks_of_zeros_and_ones_are_understood() -> None:
    mask = np.array([[0, 1], [1, 1]], np.uint8)
    assert np.array_equal(CONVENTIONS["usit"].read_mask(mask), mask > 0)
    assert np.array_equal(CONVENTIONS["masek"].read_mask(mask), mask[:, ::-1] == 0)
    assert not CONVENTIONS["usit"].read_mask(np.zeros((2, 2), np.uint8)).any()


# --- irisstn rectify


@pytest.fixture
def normalized(tmp_path: Path, eye: RenderedEye, circles: Segmentation) -> Path:
    """Two strips of OSIRIS with their masks in one folder."""
    folder = tmp_path / "normalized"
    mask = np.where(circles.usable, np.uint8(255), np.uint8(0))
    for name in ("001L01", "001L02"):
        for ending, picture in (("_imno", eye.image), ("_mano", mask)):
            write_png(folder / f"{name}{ending}.png", osiris(picture, circles))
    return folder


def rectify(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["rectify", *map(str, arguments), "--workers", "1"])


def strips(out: Path) -> dict[str, dict[str, NDArray[np.uint8]]]:
    fields = ("strip", "strip_mask", "strip_as_given", "strip_mask_as_given")
    return {
        record["path"]: {field: read_gray(out / str(record[field])) for field in fields if field in record}
        for record in read_manifest(out)
        if record["status"] == "ok"
    }


def test_strips_of_osiris_are_rectified_in_this_projects_direction_and_written_in_both(
    normalized: Path, tmp_path: Path
) -> None:
    done = rectify(
        normalized, "-o", tmp_path / "out", "--convention", "osiris", "--masks", normalized, "--runtime", "torch"
    )
    assert done.exit_code == 0, done.output
    found = strips(tmp_path / "out")
    assert sorted(found) == ["001L01_imno.png", "001L02_imno.png"], "masks are no strips"
    layout = CONVENTIONS["osiris"]
    image, mask = (read_gray(normalized / f"001L01_{ending}.png") for ending in ("imno", "mano"))
    expected = Rectifier.load().rectify(Strip(layout.to_own(image), layout.read_mask(mask))).strip
    written = found["001L01_imno.png"]
    assert np.array_equal(written["strip"], expected.image)
    assert np.array_equal(written["strip_mask"] > 0, expected.usable)
    assert 0.2 < expected.usable.mean() < 1
    assert np.array_equal(written["strip_as_given"], layout.from_own(expected.image))
    assert np.array_equal(written["strip_mask_as_given"], layout.write_mask(expected.usable))
    assert likeness(written["strip_as_given"], image) > 0.8 > likeness(written["strip"], image)


def test_own_strips_with_masks_elsewhere_are_written_once(normalized: Path, tmp_path: Path) -> None:
    pattern = str(normalized / "{}_mano.png").replace("_imno", "")
    done = rectify(normalized / "001L01_imno.png", "-o", tmp_path / "out", "--masks", pattern.replace("{}", "001L01"))
    assert done.exit_code == 2
    assert "no folder of masks, and no pattern" in done.output
    write_png(tmp_path / "strips" / "001L01.png", read_gray(normalized / "001L01_imno.png"))
    done = rectify(tmp_path / "strips", "-o", tmp_path / "out", "--masks", pattern)
    assert done.exit_code == 0, done.output
    assert list(strips(tmp_path / "out")["001L01.png"]) == ["strip", "strip_mask"]
    assert not (read_gray(tmp_path / "out" / "strip_masks" / "001L01.png") > 0).all()


def test_a_strip_without_a_mask_or_with_two_fails_by_name(normalized: Path, tmp_path: Path) -> None:
    (normalized / "001L02_mano.png").unlink()
    write_png(normalized / "001L03_imno.png", read_gray(normalized / "001L01_imno.png"))
    for suffix in ("png", "bmp"):
        (normalized / f"001L03_mano.{suffix}").write_bytes((normalized / "001L01_mano.png").read_bytes())
    done = rectify(normalized, "-o", tmp_path / "out", "--convention", "osiris", "--masks", normalized)
    assert done.exit_code == 3
    reasons = {record["path"]: record.get("reason") for record in read_manifest(tmp_path / "out")}
    assert reasons["001L01_imno.png"] is None
    assert reasons["001L02_imno.png"] == f"it has no mask in {normalized}"
    assert "several masks: 001L03_mano.bmp, 001L03_mano.png" in str(reasons["001L03_imno.png"])


def test_misuse_is_refused_in_one_line(normalized: Path, tmp_path: Path, eyes: Path) -> None:
    out = tmp_path / "out"
    done = rectify(normalized, "-o", out, "--convention", "osiris", "--input", "eye")
    assert done.exit_code == 2
    assert "set input to strip" in done.output
    done = rectify(eyes, "-o", out, "--masks", normalized)
    assert done.exit_code == 2
    assert "no strip has a mask" in done.output
    done = rectify(normalized, "-o", out, "--convention", "osiris", "--masks", normalized)
    assert done.exit_code == 0
    for options in (["--columns", "counterclockwise"], ["--masks", str(normalized)]):
        done = rectify(out, "-o", tmp_path / "again", *options)
        assert done.exit_code == 2
        assert "an output of irisstn" in done.output
    assert not (tmp_path / "again").exists()
    run = json.loads((out / "run.json").read_text())
    assert run["config"]["strips"]["convention"] == "osiris"
