"""The jobs of the runner: `segment` and `rectify` on pictures, rings and strips."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from output_files import contents

from irisstn.batch import SegmentConfig, SegmentJob, run_batch
from irisstn.batch.inputs import find_inputs
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.datasets import find_images
from irisstn.errors import DatasetError, WeightsError
from irisstn.images import encode_png, read_gray, write_png
from irisstn.normalization import normalize
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_segmentation
from irisstn.outputs.records import Record
from irisstn.segmentation import segment


@pytest.fixture(scope="module")
def segmented(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "segmented"
    summary = run_batch(SegmentJob(SegmentConfig(overlays=True)), find_images([eyes]), out)
    assert summary.done >= 9
    return out


def good(out: Path) -> list[Record]:
    return [record for record in read_manifest(out) if record["status"] == "ok"]


def test_segment_writes_what_the_functions_return(eyes: Path, segmented: Path):
    for record in good(segmented)[:4]:
        image = read_gray(eyes / str(record["path"]))
        found = segment(image)
        strip = normalize(image, found)
        assert (record["width"], record["height"]) == image.shape[::-1]
        np.testing.assert_array_equal(read_gray(segmented / str(record["strip"])), strip.image)
        np.testing.assert_array_equal(read_gray(segmented / str(record["strip_mask"])) > 127, strip.usable)
        np.testing.assert_array_equal(read_gray(segmented / str(record["iris_mask"])) > 127, found.iris_mask)
        assert read_gray(segmented / str(record["overlay"])).shape == image.shape
        again = read_segmentation(segmented, record)
        np.testing.assert_array_equal(again.usable, found.usable)
        angles = np.linspace(0, 6, 20)
        np.testing.assert_allclose(again.limbus.points(angles), found.limbus.points(angles), atol=1e-3)
        assert (again.upper_lid is None) == (found.upper_lid is None)
        assert isinstance(record["pupil"], dict)
        assert 0 < float(str(record["pupil"]["b"])) <= float(str(record["pupil"]["a"]))


def test_segment_gives_the_same_bytes_with_more_workers(eyes: Path, segmented: Path, tmp_path: Path):
    samples = find_images([eyes])
    run_batch(
        SegmentJob(SegmentConfig(overlays=True)), samples * 2, tmp_path, workers=3
    )  # 24 tasks, so that there are three processes
    got, expected = contents(tmp_path), contents(segmented)
    assert got.keys() == expected.keys()
    assert [name for name in got if got[name] != expected[name] and name != "run.json"] == []


def test_pictures_that_are_no_eyes(tmp_path: Path, eyes: Path):
    root = tmp_path / "in"
    root.mkdir()
    eye = read_gray(next(iter(find_images([eyes]))).path)
    (root / "text.jpg").write_text("no picture")
    (root / "empty.png").touch()
    (root / "broken.png").write_bytes(encode_png(eye)[:2000])
    write_png(root / "wall.png", np.full((240, 320), 128, np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    write_png(root / "noise.png", noise)
    write_png(root / "tiny.png", eye[:5, :5])
    cv2.imwrite(str(root / "deep.png"), eye.astype(np.uint16) * 257)
    cv2.imwrite(str(root / "colour.jpg"), cv2.cvtColor(eye, cv2.COLOR_GRAY2BGR))
    summary = run_batch(SegmentJob(SegmentConfig()), find_images([root]), tmp_path / "out")
    stages = {str(record["path"]): record.get("stage", "ok") for record in read_manifest(tmp_path / "out")}
    assert stages == {
        "text.jpg": "read",
        "empty.png": "read",
        "broken.png": "read",
        "wall.png": "segment",
        "noise.png": "segment",
        "tiny.png": "segment",
        "deep.png": "ok",
        "colour.jpg": "ok",
    }
    assert summary.failed == 6
    deep = next(record for record in good(tmp_path / "out") if record["path"] == "deep.png")
    plain = normalize(eye, segment(eye))
    np.testing.assert_array_equal(read_gray(tmp_path / "out" / str(deep["strip"])), plain.image)


# --- rectify


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a rectifier that is the identity."""
    torch = pytest.importorskip("torch")
    from irisstn.rectification.rectifier import Rectifier  # noqa: PLC0415  (torch only where it is tested)

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "rectifier.safetensors"
    Rectifier().save(path)
    return path


def rectified(weights: Path, sources: list[Path], out: Path, **options: object) -> Path:
    job = RectifyJob.of(RectifyConfig.model_validate(options), weights)
    summary = run_batch(job, find_inputs(sources, strips=True), out)
    assert summary.done > 0
    return out


def test_rectify_of_eyes_at_the_identity_is_the_rubber_sheet(
    eyes: Path, segmented: Path, weights: Path, tmp_path: Path
):
    out = rectified(weights, [eyes], tmp_path / "out", augment=2)
    plain = {str(record["path"]): record for record in good(segmented)}
    whole = [record for record in good(out) if "variant_of" not in record]
    assert len(whole) == len(plain)
    for record in whole:
        name = str(record["path"])
        strip = read_gray(out / str(record["strip"]))
        expected = read_gray(segmented / str(plain[name]["strip"]))
        np.testing.assert_array_equal(strip, expected)
        assert isinstance(record["rectification"], dict)
        assert abs(float(str(record["rectification"]["roll_rad"]))) < 1e-6
        assert record["variants"] == [f"{name}.v1", f"{name}.v2"]
        first, second = (read_gray(out / f"strips/{name}.v{k}.png") for k in (1, 2))
        assert first.shape == second.shape == strip.shape
        assert (first != second).mean() > 0.2
    variants = [record for record in good(out) if "variant_of" in record]
    assert len(variants) == 2 * len(whole)
    assert json.loads((out / "run.json").read_text())["weights_sha256"]


def test_rectify_takes_the_output_of_segment(segmented: Path, weights: Path, tmp_path: Path):
    out = rectified(weights, [segmented], tmp_path / "out")
    assert [record["path"] for record in good(out)] == [record["path"] for record in good(segmented)]
    for record, before in zip(good(out), good(segmented), strict=True):
        assert record["input"] == "strip"
        assert record["mask_sha256"]
        for kind in ("strip", "strip_mask"):
            got, given = read_gray(out / str(record[kind])), read_gray(segmented / str(before[kind]))
            np.testing.assert_allclose(got.astype(int), given, atol=1)
    small = rectified(weights, [segmented], tmp_path / "small", size="32x256")
    assert read_gray(small / str(good(small)[0]["strip"])).shape == (32, 256)


def parameters(out: Path) -> list[dict[str, float]]:
    found = [record["rectification"] for record in good(out)]
    return [{name: float(str(value)) for name, value in one.items()} for one in found if isinstance(one, dict)]


def test_strips_of_segment_are_rotated_by_its_eyelids_like_their_photographs(
    eyes: Path, segmented: Path, tmp_path: Path
):
    from irisstn.weights import RECTIFIER, SHIPPED  # noqa: PLC0415

    by_eyes, by_strips, bare = (tmp_path / name for name in ("eyes", "strips", "bare"))
    rectified(SHIPPED / RECTIFIER, [eyes], by_eyes)
    rectified(SHIPPED / RECTIFIER, [segmented], by_strips)
    rectified(SHIPPED / RECTIFIER, [segmented / "strips"], bare, input="strip")
    of_eyes, of_strips = parameters(by_eyes), parameters(by_strips)
    assert len(of_eyes) == len(of_strips) > 3
    for seen, known in zip(of_eyes, of_strips, strict=True):
        for name in ("roll_rad", "roll_read_rad", "roll_sd_rad"):
            assert known[name] == pytest.approx(seen[name], abs=1e-3)
    assert max(abs(one["roll_rad"]) for one in of_strips) > 0.003
    assert all(record["roll_known"] for record in [*good(by_eyes), *good(by_strips)])
    assert all(one["roll_rad"] == 0 and "roll_read_rad" not in one for one in parameters(bare))
    assert [record["roll_known"] for record in good(bare)] == [False] * len(of_eyes)
    again = rectified(SHIPPED / RECTIFIER, [by_strips], tmp_path / "again")
    assert all(one["roll_rad"] == 0 for one in parameters(again)), "a strip that was turned is not turned again"


def test_how_much_of_the_roll_is_corrected(eyes: Path, tmp_path: Path):
    from irisstn.weights import RECTIFIER, SHIPPED  # noqa: PLC0415

    settings: dict[str, dict[str, str | float]] = {
        "auto": {},
        "full": {"roll": "full"},
        "none": {"roll": "none"},
        "tilted": {"roll_prior_deg": 2.0},
    }
    found = {
        name: parameters(rectified(SHIPPED / RECTIFIER, [eyes], tmp_path / name, **options))
        for name, options in settings.items()
    }
    assert len(found["auto"]) > 3
    for auto, full, none, tilted in zip(*found.values(), strict=True):
        assert none["roll_rad"] == 0 and full["roll_rad"] == pytest.approx(full["roll_read_rad"], abs=1e-5)
        assert abs(auto["roll_rad"]) < abs(tilted["roll_rad"]) < abs(full["roll_rad"])


def test_rectify_distinguishes_strips_rings_and_eyes(eyes: Path, weights: Path, tmp_path: Path):
    root = tmp_path / "in"
    sample = find_images([eyes])[0]
    image = read_gray(sample.path)
    found = segment(image)
    write_png(root / "eye.png", image)
    write_png(root / "ring.png", np.where(found.usable, image, np.uint8(0)))
    write_png(root / "strip.png", normalize(image, found, (32, 256)).image)
    out = rectified(weights, [root], tmp_path / "out")
    records = {str(record["path"]): record for record in good(out)}
    assert {name: record["input"] for name, record in records.items()} == {
        "eye.png": "eye",
        "ring.png": "ring",
        "strip.png": "strip",
    }
    assert read_gray(out / "strips/strip.png").shape == (32, 256)
    assert read_gray(out / "strips/ring.png").shape == (64, 512)
    # A ring is unrolled along the edges of its mask, which gives almost the strip of the photograph.
    ring, eye = (read_gray(out / f"strips/{name}.png").astype(float) for name in ("ring", "eye"))
    usable = (read_gray(out / "strip_masks/ring.png") > 0) & (read_gray(out / "strip_masks/eye.png") > 0)
    assert usable.mean() > 0.3
    assert np.abs(ring - eye)[usable].mean() < 6


def test_an_output_folder_is_an_input_of_rectify_but_not_of_segment(segmented: Path, eyes: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="photographs"):
        find_inputs([segmented], strips=False)
    with pytest.raises(DatasetError, match="alone"):
        find_inputs([segmented, eyes], strips=True)
    (tmp_path / "manifest.jsonl").write_text('{"path":"a","status":"ok","strip":"../../x.png"}\n')
    with pytest.raises(DatasetError, match="leads out"):
        find_inputs([tmp_path], strips=True)
    with pytest.raises(WeightsError, match="cannot be read"):
        RectifyJob.of(RectifyConfig(), tmp_path)


def test_weights_that_change_after_the_run_began_are_refused(eyes: Path, weights: Path, tmp_path: Path):
    changed = tmp_path / "rectifier.safetensors"
    changed.write_bytes(weights.read_bytes())
    job = RectifyJob.of(RectifyConfig(), changed)
    changed.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    with pytest.raises(WeightsError, match="not the file that this run began with"):
        run_batch(job, find_images([eyes]), tmp_path / "out")
