# mypy: disable-error-code="literal-required, index"
"""The image kinds of ISO/IEC 19794-6: their sizes, centres, margins, gray levels, files and records."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders import make_segmentation, rendered_eye
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.geometry import Boundary, Eyelid
from irisstn.images import read_gray, write_png
from irisstn.iso_images import EYELID, SCLERA, iso_image
from irisstn.outputs import read_manifest

SIZE = (240, 320)
PUPIL, LIMBUS = Boundary.circle(150, 118, 30), Boundary.circle(150.2, 119.8, 80)
LIDS = Eyelid(150, 70, 0.0, (0.0, 0.0, 0.001)), Eyelid(150, 185, 0.0, (0.0, 0.0, -0.001))
IMAGE = np.random.default_rng(0).integers(0, 100, SIZE, np.uint8)


def test_uncropped_is_the_picture_and_vga_has_the_iris_in_its_middle_unscaled() -> None:
    found = make_segmentation(PUPIL, LIMBUS, SIZE)
    assert np.array_equal(iso_image(IMAGE, found, "uncropped").image, IMAGE)
    vga = iso_image(IMAGE, found, "vga")
    assert vga.image.shape == (480, 640) and (vga.left, vga.top) == (150 - 320, 120 - 240)
    assert np.array_equal(vga.image[-vga.top : -vga.top + 240, -vga.left : -vga.left + 320], IMAGE)
    assert (vga.image[0] == vga.image[-vga.top]).all()  # the border is repeated
    assert vga.padded == pytest.approx(0.75)
    large = Boundary.circle(400, 300, 260)
    with pytest.raises(ValueError, match="520 pixels does not fit 640 x 480"):
        iso_image(np.zeros((600, 800), np.uint8), make_segmentation(PUPIL, large, (600, 800)), "vga")


def test_cropped_has_the_margins_of_the_standard() -> None:
    cropped = iso_image(IMAGE, make_segmentation(PUPIL, LIMBUS, SIZE), "cropped")
    height, width = cropped.image.shape
    assert (width, height) == (2 * 128 + 1, 2 * 96 + 1)  # 1.6 and 1.2 radii of 80 pixels from the middle
    assert (cropped.left + 128, cropped.top + 96) == (150, 120)
    assert np.array_equal(cropped.image, IMAGE[24:217, 22:279]) and cropped.padded == 0
    near = iso_image(IMAGE, make_segmentation(PUPIL, Boundary.circle(100, 120, 80), SIZE), "cropped")
    assert near.left == -28 and near.padded == pytest.approx(28 / 257)
    assert (near.image[:, :28] == near.image[:, 28:29]).all()


def test_masked_keeps_the_iris_and_fills_sclera_and_eyelids_with_soft_borders() -> None:
    found = make_segmentation(PUPIL, LIMBUS, SIZE, eyelids=LIDS)
    cropped, masked = (iso_image(IMAGE, found, kind).image.astype(int) for kind in ("cropped", "masked"))
    kept = (LIMBUS.mask(SIZE) & ~LIDS[0].above(SIZE) & LIDS[1].above(SIZE))[24:217, 22:279]
    assert 0.2 < kept.mean() < 0.6
    assert np.array_equal(masked[kept], cropped[kept])
    assert masked[96, 0] == masked[96, -1] == SCLERA == 200
    assert masked[0, 128] == masked[-1, 128] == masked[0, 0] == EYELID == 128
    far = cv2.distanceTransform((~kept).astype(np.uint8), cv2.DIST_L2, 5)
    assert (masked[far > 12] >= 127).all() and (masked[far > 12] <= 200).all()
    border = masked[96, 128 + 80 :]  # from the limbus outward, along a row
    outside = border[2:]
    assert outside[0] < 190 and (np.diff(outside[:10]) >= 0).all() and outside[12] == 200


def test_masked_covers_an_iris_beyond_the_picture_like_an_eyelid() -> None:
    cut = make_segmentation(PUPIL, Boundary.circle(60, 120, 80), SIZE)
    masked = iso_image(IMAGE, cut, "masked")
    assert masked.left == 60 - 128 and masked.image[96, 58] == pytest.approx(EYELID, abs=2)  # the picture begins at 68
    assert masked.image[96, 0] == SCLERA


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="its segmentation"):
        iso_image(IMAGE[1:], make_segmentation(PUPIL, LIMBUS, SIZE), "cropped")


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eyes")
    write_png(folder / "a.png", rendered_eye(3).image)
    return folder


def test_segment_writes_them_with_their_places_and_overwrite_removes_them(eyes: Path, tmp_path: Path) -> None:
    words = ["segment", str(eyes), "-o", str(tmp_path), "--workers", "1", "--quiet"]
    chosen = ["--iso", "vga,cropped, masked", "--iso-format", "jp2"]
    done = CliRunner().invoke(cli, [*words, *chosen])
    assert done.exit_code == 0, done.output
    (record,) = read_manifest(tmp_path)
    assert record["iso_vga"] == "iso_vga/a.png.jp2" and "iso_uncropped" not in record
    image = read_gray(eyes / "a.png")
    for kind in ("vga", "cropped", "masked"):
        place, written = record["iso"][kind], read_gray(tmp_path / str(record[f"iso_{kind}"]))
        x, y = (round(record["iris"][axis] - place[side]) for axis, side in (("x", "left"), ("y", "top")))
        assert abs(x - written.shape[1] // 2) <= 1 and abs(y - written.shape[0] // 2) <= 1
        assert written[y, x] == image[y + int(place["top"]), x + int(place["left"])]  # JPEG 2000 without loss
    assert "roll" not in record["iso"]  # only rectify reads it
    done = CliRunner().invoke(cli, [*words, "--overwrite", "--iso", "cropped"])
    assert done.exit_code == 0, done.output
    assert {path.parent.name for path in tmp_path.rglob("*.png") if path.parent.name.startswith("iso")} == {
        "iso_cropped"
    }
    assert not list(tmp_path.rglob("*.jp2"))


def test_rectify_adds_the_roll_in_degrees(eyes: Path, tmp_path: Path) -> None:
    words = ["rectify", str(eyes), "-o", str(tmp_path), "--workers", "1", "--quiet", "--runtime", "onnx"]
    done = CliRunner().invoke(cli, [*words, "--iso", "masked"])
    assert done.exit_code == 0, done.output
    (record,) = read_manifest(tmp_path)
    found = record["rectification"]
    assert record["iso"]["roll"]["angle_deg"] == pytest.approx(np.degrees(found["roll_read_rad"]), abs=1e-3)
    assert record["iso"]["roll"]["sd_deg"] == pytest.approx(np.degrees(found["roll_sd_rad"]), abs=1e-3)
    assert json.loads((tmp_path / "run.json").read_text())["config"]["iso"]["kinds"] == ["masked"]


def test_an_iris_larger_than_vga_is_a_warning_and_other_kinds_are_written(eyes: Path, tmp_path: Path) -> None:
    image = read_gray(eyes / "a.png")
    write_png(tmp_path / "large.png", cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC))
    out = tmp_path / "out"
    words = ["segment", str(tmp_path / "large.png"), "-o", str(out), "--workers", "1", "--iso", "vga,cropped"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "larger than the ISO kind vga" in done.output
    (record,) = read_manifest(out)
    assert "iso_vga" not in record and record["iso_cropped"] == "iso_cropped/large.png"


def test_other_kinds_are_refused_in_one_line(eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["segment", str(eyes), "-o", str(tmp_path / "out"), "--iso"]
    done = CliRunner().invoke(cli, [*words, "round"])
    assert done.exit_code == 2 and done.output.count("\n") == 1 and "'uncropped', 'vga'" in done.output
    monkeypatch.setattr(cv2, "haveImageWriter", lambda _: False)
    done = CliRunner().invoke(cli, [*words, "vga", "--iso-format", "jp2"])
    assert done.exit_code == 2 and "without JPEG 2000: choose png" in done.output
    assert not (tmp_path / "out").exists()
