"""The networks in ONNX Runtime compute what PyTorch's do, and need no torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from builders import rendered_eye
from click.testing import CliRunner

import irisstn
from irisstn import OnnxRecognizer, OnnxRectifier, Rectified, Rectifier, Strip, WeightsError, extras
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.cli import cli
from irisstn.geometry.ring_transform import compose_rings, move_in_ring
from irisstn.networks import chosen_runtime
from irisstn.normalization import normalize
from irisstn.onnx_files import OnnxNetwork, read_about
from irisstn.onnx_files.metadata import onnx_metadata
from irisstn.onnx_files.pruning import keep_outputs
from irisstn.recognition import StripNet
from irisstn.recognition.local_texture import resized
from irisstn.recognition.onnx_recognizer import resized_strip
from irisstn.rectification.rectifier_methods import RectifierMethods
from irisstn.results import Segmentation
from irisstn.stn import Ring
from irisstn.weights import SHIPPED

ROOT = Path(__file__).parents[1]
SAMPLE = sorted((ROOT / "data" / "sample").rglob("*.png"))
WITHOUT_TORCH = (
    "import sys\nsys.modules |= dict.fromkeys(['torch', 'safetensors', 'lightning', 'onnx', 'onnxscript'])\n"
)


@pytest.fixture(scope="module")
def sample() -> list[tuple[np.ndarray, Segmentation]]:
    images = [irisstn.read_gray(path) for path in SAMPLE[::6]]
    return [(image, irisstn.segment(image)) for image in images]


@pytest.fixture(scope="module")
def ours() -> OnnxRectifier:
    return OnnxRectifier.load()


@pytest.fixture(scope="module")
def torchs() -> Rectifier:
    return Rectifier.load()


def assert_alike(found: list[Rectified], expected: list[Rectified]) -> None:
    assert len(found) == len(expected) > 0
    pixels = np.concatenate([one.strip.image.ravel() for one in found]).astype(int)
    apart = np.abs(pixels - np.concatenate([one.strip.image.ravel() for one in expected]))
    assert (apart <= 1).mean() >= 0.999
    masks = [np.concatenate([one.strip.usable.ravel() for one in side]) for side in (found, expected)]
    assert (masks[0] == masks[1]).mean() >= 0.999
    for one, other in zip(found, expected, strict=True):
        assert one.parameters.keys() == other.parameters.keys()
        for name, value in one.parameters.items():
            # A distance counts bits of iris codes, of which a gray level may change a few.
            near = 1e-3 if name == "alignment_distance" else 1e-4
            assert value == pytest.approx(other.parameters[name], abs=near), name
        assert one.outside == pytest.approx(other.outside, abs=1e-3)
        assert np.abs(one.grid - other.grid).max() < 1e-4


def of_eyes(
    rectifier: RectifierMethods[Any], sample: list[tuple[np.ndarray, Segmentation]], **size: Any
) -> list[Rectified]:
    return [rectifier.rectify_eye(image, segmentation, **size) for image, segmentation in sample]


def test_the_shipped_files_are_those_of_the_shipped_weights() -> None:
    assert OnnxRectifier.load().weights_sha256 == Rectifier.load().weights_sha256, "python pipelines/onnx_weights.py"
    assert OnnxRecognizer.load().weights_sha256 == StripNet.load().weights_sha256, "python pipelines/onnx_weights.py"
    for path in SHIPPED.glob("*.onnx"):
        assert b".py" not in path.read_bytes() and b"/home" not in path.read_bytes()


@pytest.mark.parametrize("roll", ["auto", "full", "none"])
def test_strips_of_photographs_are_those_of_torch(ours, torchs, sample, roll) -> None:
    found, expected = (of_eyes(one.with_roll(roll, 2.0), sample) for one in (ours, torchs))
    assert_alike(found, expected)
    assert any(abs(one.parameters["roll_rad"]) > 1e-6 for one in found) == (roll != "none")
    assert not np.array_equal(found[0].strip.image, normalize(*sample[0]).image)


def test_strips_of_strips_are_those_of_torch(ours, torchs, sample) -> None:
    strips = [normalize(image, segmentation, (32, 256)) for image, segmentation in sample]
    assert_alike(ours.rectify(strips), torchs.rectify(strips))
    assert_alike(ours.rectify(strips, size=(20, 100)), torchs.rectify(strips, size=(20, 100)))
    arrays = np.stack([strip.image for strip in strips])
    assert_alike(ours.rectify(arrays), torchs.rectify(arrays))
    pairs = list(zip(strips, [segmentation for _, segmentation in sample], strict=True))
    found, expected = ([one.rectify_strip(*pair) for pair in pairs] for one in (ours, torchs))
    assert_alike(found, expected)
    assert "roll_read_rad" in found[0].parameters


def test_variants_and_alignment_are_those_of_torch(ours, torchs, sample) -> None:
    image, segmentation = sample[0]
    found, expected = (one.variants_of_eye(image, segmentation, 3, 5) for one in (ours, torchs))
    assert_alike(found, expected)
    assert not np.array_equal(found[0].strip.image, found[1].strip.image)
    reference = torchs.rectify_eye(image, segmentation).strip
    turned = Strip(np.roll(reference.image, 9, axis=1), np.roll(reference.usable, 9, axis=1))
    aligned = [one.align_eye(image, segmentation, turned) for one in (ours, torchs)]
    assert_alike(aligned[:1], aligned[1:])
    assert aligned[0].parameters["alignment_distance"] < 0.1
    assert_alike([ours.align(reference, turned)], [torchs.align(reference, turned)])


def test_embeddings_are_those_of_torch(sample) -> None:
    network, recognizer = StripNet.load(), OnnxRecognizer.load()
    assert recognizer.embedding_size == network.embedding_size
    for size in ((64, 512), (32, 256), (50, 300), (128, 1024)):
        strips = [normalize(image, segmentation, size) for image, segmentation in sample[:2]]
        found, expected = recognizer.embed(strips), network.embed(strips)
        assert found.shape == expected.shape == (2, network.embedding_size)
        assert np.abs(found - expected).max() < 1e-4
    assert recognizer.embed([]).shape == (0, network.embedding_size)


def test_the_ring_moves_and_composes_alike_in_numpy_and_torch() -> None:
    ring = Ring()
    rng = np.random.default_rng(3)
    theta = torch.from_numpy(rng.uniform(-0.04, 0.04, (2, 4, 12))) + ring.identity()
    outer, inner = (ring.physical(one).numpy() for one in theta)
    radius, angle = ring.ring(theta[0], (8, 33))
    cells = (np.arange(8) + 0.5)[None, :, None] / 8, 2 * np.pi * (np.arange(33) + 0.5)[None, None, :] / 33
    for found, expected in zip(move_in_ring(np, outer, *cells), (radius, angle), strict=True):
        assert np.abs(found - expected.numpy()).max() < 1e-12
    composed = ring.physical(ring.compose(*theta)).numpy()
    assert np.abs(compose_rings(np, outer, inner) - composed).max() < 1e-9


@pytest.mark.parametrize("size", [(64, 512), (128, 768), (20, 100), (33, 257)])
def test_strips_are_resized_as_in_torch(size) -> None:
    strip = normalize(rendered_eye(1, 1).image, rendered_eye(1, 1).truth, size)
    planes = [torch.from_numpy(part.astype(np.float32))[None, None] for part in (strip.image / 255, strip.usable)]
    expected = resized(planes[0], planes[1], (32, 256))
    for found, tensor in zip(resized_strip(strip, (32, 256)), expected, strict=True):
        assert np.abs(found - tensor[0, 0].numpy()).max() < 1e-5


def test_a_folder_is_rectified_and_embedded_without_torch(tmp_path: Path) -> None:
    eyes = "data/sample/001/L"
    for command, made in (("rectify", "strips"), ("embed", "embeddings")):
        words = [command, eyes, "-o", str(tmp_path / command), "--runtime", "onnx", "--workers", "1"]
        code = f"{WITHOUT_TORCH}from irisstn.cli import main\nsys.argv[1:] = {words}\nmain()"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len([path for path in (tmp_path / command / made).rglob("*.*") if path.is_file()]) == 2
    path = next((tmp_path / "rectify" / "strips").rglob("*.png"))
    image = irisstn.read_gray(ROOT / eyes / path.name)
    expected = Rectifier.load().rectify_eye(image, irisstn.segment(image)).strip.image
    apart = np.abs(irisstn.read_gray(path).astype(int) - expected)
    assert (apart <= 1).mean() >= 0.999


def test_pictures_are_matched_and_embeddings_searched_without_torch(tmp_path: Path) -> None:
    """A calibration belongs to the weights, whatever runs them: one made with PyTorch serves ONNX Runtime."""
    a, b = (str(ROOT / f"data/sample/003/R/003R0{number}.png") for number in (1, 2))
    out = str(tmp_path / "embedded")
    for words, code in (
        (["match", a, b, "--runtime", "onnx", "--json"], 0),
        (["embed", a, b, "-o", out, "--runtime", "onnx", "--workers", "1"], 0),
        (["search", out, "--gallery", out, "-o", str(tmp_path / "found.jsonl")], 0),
    ):
        script = f"{WITHOUT_TORCH}from irisstn.cli import main\nsys.argv[1:] = {words}\nmain()"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        if words[0] == "match":
            expected = irisstn.Pipeline().compare(a, b)
            assert json.loads(done.stdout)["similarity"] == pytest.approx(expected.similarity, abs=1e-3)
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [line["candidates"][0]["similarity"] for line in lines] == pytest.approx([1.0, 1.0])
    assert all(line["candidates"][0]["false_match_rate"] < 1e-6 for line in lines)


def test_the_metadata_is_read_without_loading_the_network(tmp_path: Path) -> None:
    about = OnnxRecognizer.load().network.about
    assert about["weights_sha256"] and read_about(None, "recognizer.onnx", about["kind"]) == about
    content = (SHIPPED / "recognizer.onnx").read_bytes()
    for damaged in (content[:-7], b"\x0f" + content, b"\xff" * 20, b"no ONNX file"):
        with pytest.raises(ValueError, match="no protocol buffer"):
            onnx_metadata(damaged)
        (tmp_path / "a.onnx").write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"a\.onnx is no ONNX file, or damaged: no protocol buffer"):
            read_about(tmp_path / "a.onnx", "recognizer.onnx", about["kind"])
    with pytest.raises(WeightsError, match=r"rectifier\.onnx holds 'rectifier-4', not 'recognizer-3'"):
        read_about(SHIPPED / "rectifier.onnx", "recognizer.onnx", "recognizer-3")


def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "damaged.onnx").write_bytes(b"not a network")
    for given, words in (
        (tmp_path / "missing.onnx", "does not exist"),
        (tmp_path, "irisstn export --model"),
        (tmp_path / "damaged.onnx", "no ONNX file, or damaged"),
        (SHIPPED / "recognizer.onnx", "holds 'recognizer-3', not 'rectifier-4'"),
        (SHIPPED / "segmenter.onnx", "holds None"),
    ):
        with pytest.raises(WeightsError, match=words) as caught:
            OnnxRectifier.load(given)
        assert "\n" not in str(caught.value)
    for runtime, file in (("onnx", "rectifier.safetensors"), ("torch", "rectifier.onnx")):
        words_given = ["rectify", str(SAMPLE[0]), "-o", str(tmp_path / "out"), "--runtime", runtime]
        done = CliRunner().invoke(cli, [*words_given, "--model", str(SHIPPED / file)])
        assert done.exit_code == 2 and done.output.count("\n") == 1
        assert " is for " in done.output
        assert not (tmp_path / "out").exists()


def test_what_computes_outputs_that_are_not_read_is_left_out() -> None:
    content = (SHIPPED / "rectifier.onnx").read_bytes()
    kept = ("parameters", "roll_sd_rad")
    smaller = onnx.load_from_string(keep_outputs(content, kept))
    whole = onnx.load_from_string(content)
    onnx.checker.check_model(smaller)
    assert {each.name for each in smaller.graph.output} == set(kept)
    assert 100 < len(smaller.graph.node) < 0.8 * len(whole.graph.node)
    assert not any(node.op_type == "GridSample" for node in smaller.graph.node)
    everything = [each.name for each in whole.graph.output]
    assert onnx.load_from_string(keep_outputs(content, everything)) == whole


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "other output"])
def test_a_file_that_cannot_be_made_smaller_stays_as_it_is(damage: str) -> None:
    content = (SHIPPED / "rectifier.onnx").read_bytes()
    given = {
        "cut": content[: len(content) // 2],
        "noise": np.random.default_rng(0).bytes(5000),
        "empty": b"",
        "other output": content,
    }[damage]
    assert keep_outputs(given, ["no such output" if damage == "other output" else "parameters"]) == given


def test_the_rectifier_computes_the_same_from_a_smaller_file(ours, sample) -> None:
    whole = OnnxRectifier(OnnxNetwork.load(None, "rectifier.onnx", ours.network.about["kind"], threads=1))
    for image, segmentation in sample:
        one, other = (each.rectify_eye(image, segmentation) for each in (ours, whole))
        assert one.parameters == other.parameters
        assert np.array_equal(one.strip.image, other.strip.image)


def test_the_runtime_is_chosen_by_what_there_is(monkeypatch, tmp_path: Path) -> None:
    assert chosen_runtime("auto", None) == "onnx"
    assert chosen_runtime("torch", None) == "torch"
    assert chosen_runtime("auto", tmp_path / "mine.onnx") == "onnx"
    assert chosen_runtime("auto", tmp_path / "mine.safetensors") == "torch"
    (tmp_path / "rectifier.onnx").touch()
    assert chosen_runtime("auto", tmp_path) == "onnx"
    (tmp_path / "rectifier.safetensors").touch()
    assert chosen_runtime("auto", tmp_path) == "torch"  # the ONNX file may be of earlier weights
    assert RectifyJob.of(RectifyConfig()).config.runtime == "onnx"
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxruntime" else object())
    assert chosen_runtime("auto", None) == "torch"
    assert RectifyJob.of(RectifyConfig()).config.runtime == "torch"


@pytest.mark.parametrize("given", [None, "a.png", Path("a.png"), b"data", 3])
def test_what_is_no_picture_strip_or_file_is_refused_with_what_to_do(ours, torchs, sample, given) -> None:
    image, segmentation = sample[0]
    recognizer = OnnxRecognizer.load()
    network = StripNet.load()
    calls = [
        (lambda: irisstn.segment(given), "irisstn.read_gray"),
        (lambda: normalize(given, segmentation), "irisstn.read_gray"),
        (lambda: ours.rectify_eye(given, segmentation), "irisstn.read_gray"),
        (lambda: torchs.rectify_eye(given, segmentation), "irisstn.read_gray"),
        (lambda: normalize(image, given), "irisstn.segment"),
        (lambda: ours.rectify_eye(image, given), "irisstn.segment"),
        (lambda: ours.rectify(given), "irisstn.normalize"),
        (lambda: torchs.rectify(given), "irisstn.normalize"),
        (lambda: ours.rectify([image]), "irisstn.normalize"),
        (lambda: recognizer.embed(given), "irisstn.normalize"),
        (lambda: recognizer.embed([image]), "irisstn.normalize"),
        (lambda: network.embed(given), "irisstn.normalize"),
    ]
    if not isinstance(given, bytes):
        calls.append((lambda: irisstn.images.decode_gray(given), "irisstn.read_gray"))
    for call, remedy in calls:
        with pytest.raises(ValueError, match=remedy) as caught:
            call()
        assert "\n" not in str(caught.value)
