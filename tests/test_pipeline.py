"""`irisstn.Pipeline`: one object for every kind of picture, equal to the stages, from several threads at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import irisstn
from irisstn import IrisError, Pipeline
from irisstn.batch.compare_pictures import compare_pictures
from irisstn.batch.jobs.embed import EmbedConfig
from irisstn.recognition import StripNet

EYES = Path(__file__).parents[1] / "data" / "sample"
SAMPLE = sorted(EYES.rglob("*.png"))[:3]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(runtime="torch")


def test_every_kind_of_picture_gives_the_result_of_the_stages(pipeline: Pipeline) -> None:
    path = SAMPLE[0]
    image = irisstn.read_gray(path)
    segmentation = irisstn.segment(image)
    rectifier = irisstn.Rectifier.load()
    strip = rectifier.rectify_eye(image, segmentation).strip
    colour = np.repeat(image[..., None], 3, axis=2)
    pictures: list[Any] = [path, str(path), image, colour, Image.open(path), Image.fromarray(colour)]
    for found in pipeline.rectify(pictures):
        assert np.array_equal(found.strip.image, strip.image)
        assert np.array_equal(found.strip.usable, strip.usable)
    assert np.array_equal(pipeline.segment(Image.open(path)).usable, segmentation.usable)
    upright = rectifier.with_roll("auto", 2.0).rectify_eye(image, segmentation).strip
    assert np.array_equal(pipeline.embed(path), StripNet.load().embed(upright))


def test_a_colour_image_of_pillow_and_of_opencv_have_the_same_red(pipeline: Pipeline) -> None:
    image = irisstn.read_gray(SAMPLE[0])
    rgb = np.stack([image, image // 2, image // 4], axis=2)
    found = pipeline.segment([Image.fromarray(rgb), rgb[..., ::-1]])
    assert np.array_equal(found[0].usable, found[1].usable)
    assert np.array_equal(found[0].usable, pipeline.segment(image).usable)


def test_pictures_are_compared_as_the_command_compares_them(pipeline: Pipeline) -> None:
    first, second, other = EYES / "003/R/003R01.png", EYES / "003/R/003R02.png", EYES / "001/R/001R01.png"
    same, different = pipeline.compare(first, str(second)), pipeline.compare(first, other)
    embeddings = pipeline.embed([first, second])
    assert same.similarity == pytest.approx(float(embeddings[0] @ embeddings[1]), abs=1e-5)
    assert same.similarity > same.threshold > different.similarity
    assert (same.decision, different.decision) == ("match", "no match")
    assert same == compare_pictures(first, second, config=EmbedConfig(runtime="torch"))
    by_default = Pipeline().compare(first, second)
    assert by_default == compare_pictures(first, second)
    assert by_default.similarity == pytest.approx(same.similarity, abs=1e-3)
    small = cv2.resize(irisstn.read_gray(second), None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    assert any(doubt.startswith("second picture: iris radius") for doubt in pipeline.compare(first, small).doubts)


def test_lists_keep_their_order_and_may_be_empty(pipeline: Pipeline) -> None:
    several = pipeline.embed(SAMPLE)
    assert several.shape == (3, StripNet.load().embedding_size)
    assert np.array_equal(several[2], pipeline.embed(SAMPLE[2]))
    assert pipeline.embed([]).shape == (0, several.shape[1])
    rectified, alone = pipeline.rectify(SAMPLE[:2]), pipeline.rectify(SAMPLE[1])
    assert len(rectified) == 2 and rectified[1].parameters == alone.parameters
    assert np.array_equal(rectified[1].strip.image, alone.strip.image)
    assert pipeline.rectify([]) == []
    assert pipeline.segment([]) == []


def test_several_threads_get_what_one_gets() -> None:
    fresh = Pipeline(runtime="onnx")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fresh.embed, SAMPLE * 2))
    expected = Pipeline(runtime="onnx").embed(SAMPLE)
    assert np.allclose(found[:3], expected, atol=1e-6)
    assert np.allclose(found[3:], expected, atol=1e-6)
    assert np.abs(expected - Pipeline(runtime="torch").embed(SAMPLE)).max() < 1e-3
    assert np.allclose(expected, Pipeline().embed(SAMPLE), atol=1e-6)


def test_the_picture_that_fails_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(IrisError, match=r"segment: picture 2 of 2 \(an array or image\): ") as caught:
        pipeline.segment([SAMPLE[0], np.zeros((64, 64), np.uint8)])
    assert "\n" not in str(caught.value)
    with pytest.raises(IrisError, match=r"picture 1 of 1 \(no such file.png\)"):
        pipeline.rectify(["no such file.png"])
    no_picture: Any = 3
    with pytest.raises(ValueError, match="a path, an array or a Pillow image, got int"):
        pipeline.segment(no_picture)


def test_weights_may_be_given_as_text_or_path_and_must_fit(tmp_path: Path) -> None:
    irisstn.Rectifier(irisstn.RectifierConfig(width=8)).save(tmp_path / "rectifier.safetensors")
    untrained = irisstn.segment(image := irisstn.read_gray(SAMPLE[0]))
    plain = irisstn.normalize(image, untrained).image
    for given in ({"model": str(tmp_path)}, {"rectifier": tmp_path / "rectifier.safetensors"}):
        found = Pipeline(**given, roll="none").rectify(image)
        assert np.abs(found.strip.image.astype(int) - plain).mean() < 2  # an untrained one is the identity
    with pytest.raises(ValueError, match="must be the folder of a run"):
        Pipeline(tmp_path / "rectifier.safetensors")
    unknown: Any = "tensorflow"
    with pytest.raises(ValueError, match="torch or onnx"):
        Pipeline(runtime=unknown)
    with pytest.raises(ValueError, match="at least one row"):
        Pipeline(size=(0, 512))
