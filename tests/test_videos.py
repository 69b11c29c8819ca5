# mypy: disable-error-code="no-any-return"
"""Videos as inputs of folder commands: a sample for each frame, stable names, and one line for what is damaged."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders import rendered_eye
from click.testing import CliRunner

from irisstn.batch.inputs import find_inputs
from irisstn.cli import cli
from irisstn.datasets import passed_over_text
from irisstn.datasets.videos import video_frames
from irisstn.errors import DatasetError
from irisstn.images import read_gray, write_png
from irisstn.outputs import read_manifest


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven frames of one eye, of which the fourth is black."""
    path = tmp_path_factory.mktemp("clips") / "clip.avi"
    image = rendered_eye(3).image
    height, width = image.shape
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, (width, height))
    for number in range(7):
        shifted = np.roll(image, 2 * number, axis=1) if number != 3 else np.zeros_like(image)
        writer.write(cv2.cvtColor(shifted, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def segment(*words: object) -> dict:
    done = CliRunner().invoke(cli, ["segment", *map(str, words), "--workers", "1", "--json"])
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.output)


def test_each_frame_is_a_sample_with_its_trust_and_another_run_resumes(clip: Path, tmp_path: Path) -> None:
    found = segment(clip, "-o", tmp_path, "--every", 3)
    assert (found["total"], found["done"], found["failed"]) == (3, 2, 1)
    records = {record["path"]: record for record in read_manifest(tmp_path)}
    assert list(records) == ["clip.avi/000000", "clip.avi/000003", "clip.avi/000006"]
    assert records["clip.avi/000003"]["stage"] == "segment"  # the black one
    for name in ("clip.avi/000000", "clip.avi/000006"):
        assert records[name]["trust"] > 0.5 and records[name]["quality"]["sharpness"] >= 0
        assert (tmp_path / "strips" / f"{name}.png").is_file()
    moved = records["clip.avi/000006"]["iris"]["x"] - records["clip.avi/000000"]["iris"]["x"]
    assert moved == pytest.approx(12, abs=1.5)  # it is frame 6, not another one
    again = segment(clip, "-o", tmp_path, "--every", 2)
    assert (again["total"], again["skipped"], again["done"]) == (4, 2, 2)
    assert len(list(read_manifest(tmp_path))) == 5


def test_a_video_that_breaks_off_leaves_the_frames_before(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    damaged = tmp_path / "damaged.avi"
    damaged.write_bytes(data[: len(data) // 2])
    samples = video_frames([damaged], tmp_path / "frames")
    whole = video_frames([clip], tmp_path / "whole")
    assert len(whole) == 7 and not any(sample.failed for sample in whole)
    good = [sample for sample in samples if sample.failed is None]
    assert 2 <= len(good) < 5 and len(samples) == len(good) + 1
    assert samples[-1].name == f"damaged.avi/{len(good):06}"
    assert samples[-1].failed is not None and f"{damaged}: the video breaks off after" in samples[-1].failed
    for ours, theirs in zip(good, whole, strict=False):
        assert np.array_equal(read_gray(ours.path), read_gray(theirs.path))
    done = CliRunner().invoke(cli, ["segment", str(damaged), "-o", str(tmp_path / "out"), "--workers", "1"])
    assert done.exit_code == 3 and "1 x output: " in done.output and "breaks off after" in done.output
    assert sum(record["status"] == "ok" for record in read_manifest(tmp_path / "out")) >= 2


def test_what_is_no_video_or_over_a_limit_is_a_failed_sample(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 100)
    (junk,) = video_frames([tmp_path / "junk.mp4"], tmp_path)
    assert junk.name == "junk.mp4/000000" and junk.failed is not None and "cannot open the video" in junk.failed
    (large,) = video_frames([clip], tmp_path, max_pixels=1000)
    assert large.failed is not None and "over the limit of 1000" in large.failed
    monkeypatch.setattr("irisstn.datasets.videos.MOST_FRAMES", 2)
    *kept, last = video_frames([clip], tmp_path, every=2)
    assert len(kept) == 2 and last.name == "clip.avi/000004" and last.failed is not None and "--every" in last.failed
    done = CliRunner().invoke(
        cli, ["segment", str(clip), "-o", str(tmp_path / "out"), "--set", "max_pixels=1000", "--workers", "1"]
    )
    assert done.exit_code == 3 and "over the limit of 1000" in done.output


def test_videos_stand_beside_pictures_and_names_stay_apart(clip: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "eyes" / "a.png", rendered_eye(3).image)
    samples = find_inputs([clip, tmp_path / "eyes"], strips=False, every=4, scratch=tmp_path / "frames")
    assert [sample.name for sample in samples] == ["a.png", "clip.avi/000000", "clip.avi/000004"]
    with pytest.raises(DatasetError, match="is a video"):
        find_inputs([clip], strips=False)
    other = tmp_path / "clip.avi"
    other.write_bytes(clip.read_bytes())
    with pytest.raises(DatasetError, match=r"two videos are named clip\.avi"):
        find_inputs([clip, other], strips=False, scratch=tmp_path)
    with pytest.raises(ValueError, match="at least 1"):
        video_frames([clip], tmp_path, every=0)
    done = CliRunner().invoke(
        cli, ["segment", str(clip), "-o", str(tmp_path / "o"), "--engine", "ray", "--ray-address", "head:1"]
    )
    assert done.exit_code == 2 and "leave --ray-address out" in done.output


def test_videos_in_a_folder_are_counted_and_a_glob_names_them(clip: Path, tmp_path: Path) -> None:
    folder, passed_over = tmp_path / "eyes", Counter[str]()
    folder.mkdir()
    (folder / "clip.avi").write_bytes(clip.read_bytes())
    write_png(folder / "a.png", rendered_eye(4).image)
    found = find_inputs([folder], strips=False, passed_over=passed_over)
    assert [sample.name for sample in found] == ["a.png"] and passed_over == {".avi": 1}
    assert passed_over_text(passed_over).endswith("; to include videos, name them as sources, like DIR/*.avi")
    assert "videos" not in passed_over_text({".dcm": 1})
    both = find_inputs([folder, f"{folder}/*.avi"], strips=False, every=4, scratch=tmp_path / "frames")
    assert [sample.name for sample in both] == ["a.png", "clip.avi/000000", "clip.avi/000004"]
    done = CliRunner().invoke(cli, ["measure", str(clip), "--every", "4", "--workers", "1"])
    assert done.exit_code == 0 and [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == [
        "clip.avi/000000",
        "clip.avi/000004",
    ]
