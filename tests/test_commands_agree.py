"""segment, rectify and embed read every picture as the same thing, or refuse it with the same reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from irisstn import normalize, read_gray
from irisstn.batch import run_batch
from irisstn.batch.inputs import find_inputs
from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.datasets import find_images
from irisstn.images import write_png
from irisstn.outputs import read_manifest
from irisstn.segmentation import segment

RING = ("pupil", "iris", "trust", "eyes_seen")


@pytest.fixture(scope="module")
def pictures(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of all kinds, also such as are read wrongly by one sign alone."""
    folder = tmp_path_factory.mktemp("pictures")
    image = read_gray(find_images([eyes])[0].path)
    found = segment(image)
    height, width = image.shape
    rng = np.random.default_rng(0)
    strip = normalize(image, found, (32, 256)).image
    for name, picture in {
        "eye": image,
        "ring": np.where(found.usable, image, np.uint8(0)),
        "ring_on_gray": np.where(found.iris_mask, image, np.uint8(128)),
        "letterbox": cv2.copyMakeBorder(image, height // 3, height // 3, 0, 0, cv2.BORDER_CONSTANT, value=0),
        "wide": cv2.copyMakeBorder(image, 0, 0, 2 * width, 2 * width, cv2.BORDER_REFLECT_101),
        "bars": np.pad(cv2.resize(image, (width // 4, height // 4)), ((0, 0), (width, width))),
        "ring_on_white": np.pad(
            np.where(found.usable, image, np.uint8(255)), ((0, 0), (2 * width, 2 * width)), constant_values=255
        ),
        "skin": image[:40, :],
        "band": image[height // 2 - 30 : height // 2 + 30],
        "noise": rng.integers(0, 256, (20, 5000)),
        "noise_of_a_strips_size": rng.integers(0, 256, (64, 512)),
        "flat": np.full((64, 512), 90),
        "gradient": np.repeat(np.arange(40)[:, None], 400, axis=1),
        "strip": strip,
    }.items():
        write_png(folder / f"{name}.png", np.asarray(picture, np.uint8))
    return folder


def test_the_commands_agree(pictures: Path, tmp_path: Path):
    jobs = (SegmentJob(SegmentConfig()), RectifyJob.of(RectifyConfig()), EmbedJob.of(EmbedConfig()))
    records = []
    for job in jobs:
        run_batch(job, find_inputs([pictures], strips=True), tmp_path / job.command)
        records.append({record["path"]: record for record in read_manifest(tmp_path / job.command)})
    assert len(records[0]) == 14
    for name in records[0]:
        segmented, *others = (of_job[name] for of_job in records)
        if others[0].get("input") == "strip":
            assert others[1]["input"] == "strip" and name == "strip.png"
            assert "if it is a strip, give it to `irisstn rectify --input strip`" in segmented["reason"]
            continue
        if name in ("flat.png", "gradient.png"):  # read as strips, which are blank
            assert {of_job[name]["status"] for of_job in records} == {"failed"}
            assert "no texture" in others[0]["reason"] and "no texture" in others[1]["reason"]
            continue
        for other in others:
            assert other["status"] == segmented["status"] and other.get("input") == segmented.get("input")
            assert [other.get(field) for field in RING] == [segmented.get(field) for field in RING]
            assert other.get("reason", "").partition(" (read")[0] == segmented.get("reason", "").partition(" (read")[0]
    kinds = {name: record.get("input", "refused") for name, record in records[1].items()}
    assert (
        kinds["strip.png"] == "strip"
        and kinds["eye.png"] == kinds["letterbox.png"] == kinds["wide.png"] == kinds["bars.png"] == "eye"
    )
    assert kinds["ring.png"] == kinds["ring_on_gray.png"] == kinds["ring_on_white.png"] == "ring"
    assert kinds["noise.png"] == kinds["noise_of_a_strips_size.png"] == kinds["skin.png"] == "refused"
