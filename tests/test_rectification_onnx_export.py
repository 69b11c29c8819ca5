# mypy: disable-error-code="attr-defined, operator, union-attr"
"""The rectifier as an ONNX file: it computes what PyTorch does, says what it is, and is whole or not there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from builders import perturbed, rendered_eye
from click.testing import CliRunner

from irisstn import MissingExtraError, Rectifier, RectifierConfig, batch_of_eyes, extras
from irisstn.cli import cli
from irisstn.normalization import normalize
from irisstn.recognition import StripNet, StripNetConfig
from irisstn.rectification import onnx_export as export

PRIOR_DEG = 2.0  # another one than the default
SIZE = (20, 100)  # neither a multiple nor a part of the localization net's


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "deep" / "rectifier.onnx"
    size = f"{SIZE[0]}x{SIZE[1]}"
    done = CliRunner().invoke(cli, ["export", "-o", str(path), "--size", size, "--roll-prior", str(PRIOR_DEG)])
    assert done.exit_code == 0, done.output
    assert "strips of 20x100" in done.output
    return path


def test_it_computes_what_the_rectifier_does(written: Path) -> None:
    eyes = [rendered_eye(k, k) for k in (1, 2)]
    strips = [normalize(eye.image, eye.truth, SIZE) for eye in eyes]
    images = np.stack([strip.image for strip in strips])[:, None].astype(np.float32) / 255
    usable = np.stack([strip.usable for strip in strips])[:, None].astype(np.float32)
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == ["rectified", "rectified_usable", "grid", "parameters", "roll_read_rad", "roll_sd_rad"]
    assert [each.name for each in session.get_inputs()] == ["strip", "usable"]  # all that has to be given
    rectifier = Rectifier.load()
    for count in (1, 2):
        found = dict(zip(names, session.run(names, {"strip": images[:count], "usable": usable[:count]}), strict=True))
        assert found["rectified"].shape == (count, 1, *SIZE)
        assert np.abs(found["rectified"] - images[:count]).max() > 0.1  # it was moved
        with torch.no_grad():
            warped = rectifier.warp(torch.from_numpy(images[:count]), torch.from_numpy(usable[:count]))
        assert np.abs(found["rectified"] - warped.image.numpy()).max() < 1e-3
        assert np.abs(found["rectified_usable"] - warped.usable.numpy()).max() < 1e-3
        assert np.abs(found["grid"] - warped.grid.numpy()).max() < 1e-4
        named = rectifier.transform.parameters_by_name(warped.theta)
        for name, column in zip(named, found["parameters"].T, strict=True):
            assert np.allclose(column, named[name].numpy(), atol=1e-4), name


def test_with_eyelids_and_context_it_corrects_what_rectify_eye_does(written: Path) -> None:
    eyes = [rendered_eye(k, k) for k in (1, 2)]
    batch = batch_of_eyes([eye.image for eye in eyes], [eye.truth for eye in eyes], size=SIZE)
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    given = {"strip": batch.strips, "usable": batch.usable, "context": batch.context, "eyelids": batch.eyelids}
    given["pupil_share"] = batch.pupil_share
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {name: part.numpy() for name, part in given.items()}), strict=True))
    rectifier = Rectifier.load().with_roll("auto", PRIOR_DEG)
    rolls = []
    for which, eye in enumerate(eyes):
        expected = rectifier.rectify_eye(eye.image, eye.truth, SIZE)
        assert np.abs(found["grid"][which] - expected.grid).max() < 1e-4
        for name, value in zip(rectifier.transform.names, found["parameters"][which], strict=True):
            assert value == pytest.approx(expected.parameters[name], abs=1e-4), name
        for name in ("roll_read_rad", "roll_sd_rad"):
            assert found[name][which] == pytest.approx(expected.parameters[name], abs=1e-4)
        rolls.append(expected.parameters["roll_rad"])
    assert np.abs(rolls).max() > 1e-3  # a roll was corrected
    plain = Rectifier.load().rectify_eye(eyes[0].image, eyes[0].truth).parameters["roll_rad"]
    assert abs(plain - rolls[0]) > 1e-4  # and the prior is that of the export


def test_one_file_embeds_as_the_networks_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph that is traced; tracing it takes a minute, and each export compares the file with it."""
    traced: dict[str, Any] = {}

    def noted(model: object, path: Path, about: dict[str, str], difference: Callable[..., float]) -> float:
        traced["about"] = about
        graph = traced["graph"]
        return difference(lambda _, given: [part.numpy() for part in graph(*graph_inputs(graph, given))])

    def graph_inputs(graph, given):
        batch = len(given["strip"])
        shapes = {"context": (5, 64, 256), "eyelids": (2, 5), "pupil_share": ()}
        names = ("strip", "usable", *graph.optional)
        return [
            torch.from_numpy(given.get(name, np.zeros((batch, *shapes.get(name, ())), np.float32))) for name in names
        ]

    monkeypatch.setattr(export, "_traced", lambda graph, _: traced.update(graph=graph))
    monkeypatch.setattr(export, "write_checked", noted)
    torch.manual_seed(0)
    rectifier = perturbed(Rectifier(RectifierConfig(width=8)), 0.05)
    network = perturbed(StripNet(StripNetConfig(widths=(8, 8, 8, 8), channels=4, sectors=8)), 0.05)
    rectifier.save(tmp_path / Rectifier.FILE)
    network.save(tmp_path / StripNet.FILE)
    with torch.no_grad():
        done = CliRunner().invoke(cli, ["export", "--what", "pipeline", "--model", str(tmp_path), "--size", "20x100"])
    assert done.exit_code == 0, done.output
    assert "pipeline.onnx: strips of 20x100; ONNX Runtime differs from PyTorch by at most 0" in done.output
    about, graph = traced["about"], traced["graph"]
    assert (about["kind"], about["roll"], about["roll_prior_deg"]) == ("pipeline-1", "auto", "2.0")
    assert about["recognizer_sha256"] == network.weights_sha256
    assert about["weights_sha256"] == rectifier.weights_sha256
    assert graph.outputs[-1] == "embedding"
    eyes = [rendered_eye(k, k) for k in (1, 2)]
    batch = batch_of_eyes([eye.image for eye in eyes], [eye.truth for eye in eyes], size=SIZE)
    with torch.no_grad():
        found = graph(*batch)[-1]
        warped = rectifier.with_roll("auto", 2.0).warp(batch)
        expected = network(warped.image, (warped.usable > 0.5).float())
        plain = network(batch.strips, batch.usable)
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found - plain).abs().max() > 1e-2  # it was rectified before


def test_an_optional_input_may_be_left_out_or_given_once_for_the_batch(written: Path) -> None:
    eye = rendered_eye(1, 1)
    batch = batch_of_eyes([eye.image] * 2, [eye.truth] * 2, size=SIZE)
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    strips = {"strip": batch.strips.numpy(), "usable": batch.usable.numpy()}
    once = session.run(["parameters", "roll_sd_rad"], strips | {"eyelids": batch.eyelids[:1].numpy()})
    each = session.run(["parameters", "roll_sd_rad"], strips | {"eyelids": batch.eyelids.numpy()})
    without = session.run(["parameters", "roll_sd_rad"], strips)
    for a, b in zip(once, each, strict=True):
        assert np.array_equal(a, b)
    assert (without[0][:, 0] == 0).all()  # the roll
    assert (np.abs(each[0][:, 0]) > 0).all()
    assert np.isnan(without[1]).all()
    assert (each[1] > 0).all()


def test_an_empty_batch_gives_an_empty_batch(written: Path) -> None:
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    none = np.zeros((0, 1, *SIZE), np.float32)
    found = session.run(None, {"strip": none, "usable": none})
    assert [part.shape for part in found] == [none.shape, none.shape, (0, *SIZE, 2), (0, 12), (0,), (0,)]


def test_it_says_what_it_is_and_nothing_of_this_machine(written: Path) -> None:
    model = onnx.load(written)
    onnx.checker.check_model(model)
    about = {each.key: each.value for each in model.metadata_props}
    rectifier = Rectifier.load()
    assert about["weights_sha256"] == rectifier.weights_sha256
    assert about["kind"] == Rectifier.KIND
    assert json.loads(about["parameters"]) == list(rectifier.transform.names)
    assert RectifierConfig.model_validate_json(about["config"]) == rectifier.config
    assert (about["roll"], float(about["roll_prior_deg"])) == ("auto", PRIOR_DEG)
    content = written.read_bytes()
    assert b".py" not in content
    assert str(Path(export.__file__).parents[1]).encode() not in content
    assert [path.name for path in written.parent.iterdir()] == ["rectifier.onnx"]


def test_what_differs_is_not_written(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_traced", lambda *_: onnx.load(written))
    rectifier = Rectifier.load().with_roll("auto", 4 * PRIOR_DEG).train()  # the file has another prior
    with pytest.raises(RuntimeError, match="something else than PyTorch"):
        export.export_rectifier(rectifier, tmp_path / "rectifier.onnx", size=SIZE)
    assert not list(tmp_path.iterdir())
    assert rectifier.training  # it was left as it was


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(MissingExtraError, match=r'needs onnxruntime: pip install "irisstn\[export\]"'):
        export.export_rectifier(Rectifier.load(), tmp_path / "rectifier.onnx")


def test_several_sizes_give_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[int, int]]] = []

    def noted(rectifier: Rectifier, path: Path, *, size: tuple[int, int], recognizer: object) -> float:
        asked.append((path.name, size))
        return 0.0

    monkeypatch.setattr(export, "export_rectifier", noted)
    done = CliRunner().invoke(cli, ["export", "-o", str(tmp_path / "a.onnx"), "--size", "8x32", "--size", "16x64"])
    assert done.exit_code == 0, done.output
    assert asked == [("a-8x32.onnx", (8, 32)), ("a-16x64.onnx", (16, 64))]


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0x512"):
        export.export_rectifier(Rectifier.load(), tmp_path / "rectifier.onnx", size=(0, 512))
    done = CliRunner().invoke(cli, ["export", "-o", str(tmp_path / "x.onnx"), "--size", "64"])
    assert done.exit_code == 2
    assert "like 64x512" in done.output
    done = CliRunner().invoke(cli, ["export", "-o", str(tmp_path / "x.onnx"), "--model", str(tmp_path / "none")])
    assert done.exit_code == 2
    done = CliRunner().invoke(cli, ["export", "-o", str(tmp_path / "x.onnx"), "--roll-prior", "90"])
    assert done.exit_code == 2
    assert "0..45 degrees" in done.output
    assert not list(tmp_path.iterdir())
