# mypy: disable-error-code="arg-type, attr-defined, index"
"""Training runs: where their eyes come from, what they leave on disk, and how they continue after a kill."""

import json
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from simulated_disk import watch_syncs
from training_settings import NO_AUGMENTATION, TOY, toy

from irisstn.config import load_config
from irisstn.datasets import label_of
from irisstn.errors import ConfigError, DatasetError, OutputError, WeightsError
from irisstn.recognition import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.storage import locked
from irisstn.training import TrainConfig, train
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.config import LossWeights
from irisstn.training.data.boundary_errors import NO_ERRORS
from irisstn.training.data.degradation import DegradationConfig
from irisstn.training.data.image_folder import read_eyes
from irisstn.training.data.rendered_eyes import RenderedConfig, RenderedEyes
from irisstn.training.run_folder import read_metrics


def test_rendered_eyes_are_shared_by_runs_that_render_alike(tmp_path):
    one = RenderedConfig(cache=tmp_path / "cache", identities=64)
    assert one.folder(0, tmp_path / "a") == one.folder(0, tmp_path / "b")
    assert one.folder(0, tmp_path).parent == tmp_path / "cache"
    assert one.model_copy(update={"identities": 128, "added_per_epoch": 3}).folder(0, tmp_path) == one.folder(
        0, tmp_path
    )
    # The settings of degraded captures matter where there are any.
    fainter = {"degradation": DegradationConfig(contrast=(0.1, 0.2))}
    assert one.model_copy(update=fainter).folder(0, tmp_path) == one.folder(0, tmp_path)
    poorer = one.model_copy(update={"degraded_fraction": 0.5})
    others = [one.model_copy(update={"captures": 2}).folder(0, tmp_path), one.folder(1, tmp_path)]
    others += [poorer.folder(0, tmp_path), poorer.model_copy(update=fainter).folder(0, tmp_path)]
    assert len({one.folder(0, tmp_path), *others}) == 5
    assert RenderedConfig().folder(0, tmp_path / "run") == tmp_path / "run" / "eyes"


def test_checkpoints_restore_nested_values_without_pickle(tmp_path):
    shared = torch.arange(6.0)
    checkpoint = {
        "epoch": 3, "none": None, "flag": True, "state": {"a": shared, "b": shared, "scalar": torch.tensor(2.5)},
        "optimizer": [{"state": {0: {"step": torch.tensor(1), "pair": (1, 0.5)}}, "groups": [{"betas": (0.9, 0.99)}]}],
    }  # fmt: skip
    io, path = SafetensorsCheckpoint(), tmp_path / "deep" / "last.safetensors"
    io.save_checkpoint(checkpoint, path)
    loaded = io.load_checkpoint(path)
    assert loaded["epoch"] == 3 and loaded["none"] is None and loaded["flag"] is True
    assert loaded["optimizer"][0]["groups"] == [{"betas": (0.9, 0.99)}]
    assert set(loaded["optimizer"][0]["state"]) == {0}
    assert loaded["optimizer"][0]["state"][0]["pair"] == (1, 0.5)
    assert torch.equal(loaded["state"]["b"], shared) and loaded["state"]["scalar"].shape == ()
    assert b"pickle" not in path.read_bytes() and list(path.parent.iterdir()) == [path]
    with pytest.raises(ValueError, match="cannot hold"):
        io.save_checkpoint({"code": print}, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError):
        io.load_checkpoint(path)
    io.remove_checkpoint(path)
    io.remove_checkpoint(path)
    assert not path.exists()


def test_rendered_eyes_are_restored_from_disk_and_grow_by_epoch(tmp_path):
    config = RenderedConfig(
        identities=3,
        captures=2,
        first_epoch_identities=2,
        added_per_epoch=1,
        identities_per_file=1,
        validation_identities=2,
        cameras=("small-320x240",),
    )
    with RenderedEyes(config, 7, tmp_path) as rendered:
        first, labels = rendered.training(0)
        later, more = rendered.training(5)
        unseen, others = rendered.validation()
    assert labels.tolist() == [0, 0, 1, 1] and more.tolist() == [0, 0, 1, 1, 2, 2]
    assert not set(others.tolist()) & set(more.tolist())
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    with RenderedEyes(config, 7, tmp_path) as rendered:  # now from disk
        same, _ = rendered.training(5)
    size = (32, 256)
    for a, b in zip(later, same, strict=True):
        assert np.array_equal(a.sample(NO_ERRORS, size).strip.image, b.sample(NO_ERRORS, size).strip.image)
        assert np.array_equal(a.sample(NO_ERRORS, size).target, b.sample(NO_ERRORS, size).target)
    assert not np.array_equal(
        first[0].sample(NO_ERRORS, size).strip.image, unseen[0].sample(NO_ERRORS, size).strip.image
    )


def test_an_interrupted_run_continues_to_the_same_weights(tmp_path, rendered_cache):
    complete, cached = train(None, tmp_path / "complete", TOY), toy(rendered_cache)

    def kill(stage, done, total):
        if stage.startswith("epoch 3"):
            raise KeyboardInterrupt

    (tmp_path / "killed").mkdir()
    (tmp_path / "killed/.4711-0a1b2c3d.tmp").write_text("{")  # a process that was killed before it wrote run.json
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # and not SystemExit, which Lightning makes of it
        train(None, tmp_path / "killed", cached, progress=kill)
    assert signal.getsignal(signal.SIGINT) is handler
    assert [row["epoch"] for row in read_metrics(tmp_path / "killed")] == [1, 2]
    with pytest.raises(OutputError, match=r"seed 0 \(now 1\)"):
        train(None, tmp_path / "killed", cached.model_copy(update={"seed": 1}))
    calls = []
    held = json.loads((tmp_path / "killed" / "run.json").read_text())
    resumed = train(None, tmp_path / "killed", cached, progress=lambda *call: calls.append(call))
    assert (f"precision {held['precision']}, as this run began", 1, 1) in calls
    assert json.loads((resumed / "run.json").read_text())["precision"] == held["precision"]
    assert not [stage for stage, _, _ in calls if stage.startswith(("epoch 1", "epoch 2"))]
    for name in ("rectifier.safetensors", "recognizer.safetensors", "metrics.csv"):
        assert (resumed / name).read_bytes() == (complete / name).read_bytes(), name
    assert [row["epoch"] for row in read_metrics(complete)] == [1, 2, 3]
    losses = [row["validation_loss"] for row in read_metrics(complete)]
    for run in (complete, resumed):  # what decides when a run stops early has seen each epoch
        held = SafetensorsCheckpoint().load_checkpoint(run / "checkpoints/last.safetensors")["callbacks"]
        (stopping,) = (state for name, state in held.items() if name.startswith("EarlyStopping"))
        assert float(stopping["best_score"]) == pytest.approx(min(losses), rel=1e-5)
        assert stopping["wait_count"] == len(losses) - 1 - losses.index(min(losses))

    # What a finished run leaves, and that it is left alone.
    assert Rectifier.load(complete).config == TOY.rectifier
    assert StripNet.load(complete).config == TOY.recognizer
    assert load_config(TrainConfig, complete / "config.yaml") == TOY
    assert json.loads((complete / "run.json").read_text())["finished"] is True
    assert not (complete / "eyes").exists() and not (complete / "lightning_logs").exists()
    assert len(list((complete / "samples").glob("epoch_*.png"))) == 3
    page = (complete / "index.html").read_text()
    assert "epoch_003.png" in page and "<svg" in page
    before = {path: path.stat().st_mtime_ns for path in complete.rglob("*") if path.name != ".lock"}
    calls.clear()
    (complete / "eyes").mkdir()  # of a process that was killed at its very end
    train(None, complete, TOY, progress=lambda *call: calls.append(call))
    assert calls == [("finished already", 1, 1)]
    assert {path: path.stat().st_mtime_ns for path in complete.rglob("*") if path.name != ".lock"} == before
    assert not list(resumed.glob(".*.tmp"))


def test_a_folder_of_images_trains_without_an_stn_too(eyes, tmp_path):
    config = TOY.model_copy(update={"epochs": 1, "validation_fraction": 0.5, "rectifier": None})
    run = train(eyes, tmp_path / "run", config)
    (row,) = read_metrics(run)
    assert 0 <= row["small_errors_cnn_eer"] <= 1 and np.isfinite(row["validation_loss"])
    assert not (run / "rectifier.safetensors").exists() and (run / "recognizer.safetensors").exists()
    kept = config.model_copy(
        update={"ema_decay": 0.0, "augmentation": NO_AUGMENTATION.model_copy(update={"combined_masks": 0.5})}
    )
    other = StripNet.load(train(eyes, tmp_path / "other", kept)).state_dict()
    averaged = StripNet.load(run).state_dict()
    assert any(not torch.equal(averaged[name], other[name]) for name in other)


def test_a_run_goes_on_from_the_weights_of_another(eyes, tmp_path):
    config = TOY.model_copy(update={"epochs": 1, "validation_fraction": 0.5, "rectifier": None, "ema_decay": 0.0})
    first = train(eyes, tmp_path / "first", config)
    still = config.model_copy(update={"start": first, "learning_rate": 1e-9})
    again = StripNet.load(train(eyes, tmp_path / "again", still))
    for one, other in zip(again.parameters(), StripNet.load(first).parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    wider = still.model_copy(update={"recognizer": StripNet(TOY.recognizer).config.model_copy(update={"channels": 8})})
    with pytest.raises(ConfigError, match="another shape"):
        train(eyes, tmp_path / "wider", wider)
    with pytest.raises(WeightsError, match="cannot be read"):
        train(eyes, tmp_path / "nothing", still.model_copy(update={"start": tmp_path / "none"}))


def test_an_stn_learns_its_ring_without_a_recogniser_too(eyes, tmp_path):
    run = train(
        eyes, tmp_path / "run", TOY.model_copy(update={"epochs": 2, "validation_fraction": 0.5, "recognizer": None})
    )
    rows = read_metrics(run)
    assert len(rows) == 2 and all(np.isfinite(row["validation_loss"]) for row in rows)
    assert "small_errors_cnn_eer" not in rows[0] and 0 <= rows[0]["small_errors_code_rectified_eer"] <= 1
    assert (run / "rectifier.safetensors").exists() and not (run / "recognizer.safetensors").exists()
    for useless in ({"rectifier": None}, {"rectifier": {"transform": "affine"}}):
        with pytest.raises(ValidationError, match="recognizer"):
            TrainConfig.model_validate({"recognizer": None, **useless})


def test_an_stn_that_learns_nothing_ends_the_run(eyes, tmp_path):
    # In the first epoch the recognition loss is not computed, so that no loss depends on the STN.
    config = TOY.model_copy(update={"epochs": 1, "validation_fraction": 0.5, "loss_weights": LossWeights(ring=0.0)})
    with pytest.raises(ConfigError, match=r"learnt nothing in epoch 1: the gradient of \w+ is zero.*loss_weights\.r"):
        train(eyes, tmp_path / "alone", config)
    assert read_metrics(tmp_path / "alone") == []
    train(eyes, tmp_path / "together", config.model_copy(update={"rectifier_only_epochs": 0}))
    assert len(read_metrics(tmp_path / "together")) == 1


def test_folders_split_by_subject_and_say_what_was_left_out(eyes, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(eyes, data)
    picture = next(path for path in sorted(data.rglob("*")) if path.is_file() and label_of(path.name) is not None)
    picture.write_bytes(b"no picture")
    calls = []
    training, validation = read_eyes(
        data, labels=None, validation_fraction=0.5, seed=0, progress=lambda *call: calls.append(call)
    )
    assert not training.upright and len(training.eyes) + len(validation.eyes) <= 11
    left_out = [call for call in calls if "left out" in call[0]]
    assert left_out and left_out[0][1] >= 1
    assert set(training.labels) == {0, 1} and set(validation.labels) == {0, 1}
    assert sorted([*training.subjects, *validation.subjects]) == ["001", "002"]
    assert "persons" in training.notes[0] and training.notes[-1].endswith("are left out, as no iris was found")


def test_the_output_of_segment_is_read_and_nothing_outside_it(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for subject in range(4):
        for capture in range(2):
            name = f"{subject:03d}L{capture:02d}.png"
            for part in ("strips", "strip_masks"):
                (tmp_path / part).mkdir(exist_ok=True)
                cv2.imwrite(str(tmp_path / part / f"{name}.png"), rng.integers(0, 256, (32, 256), dtype=np.uint8))
            circles = {"pupil": {"a": 40, "b": 40}, "iris": {"a": 100, "b": 100}}
            files = {"strip": f"strips/{name}.png", "strip_mask": f"strip_masks/{name}.png"}
            lines.append({"path": name, "status": "ok"} | files | circles)
    lines.append({"path": "009L00.png", "status": "failed", "stage": "segment", "reason": "closed"})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    quiet = {"labels": None, "validation_fraction": 0.5, "seed": 0, "progress": lambda *call: None}
    training, validation = read_eyes(tmp_path, **quiet)
    assert len(training.eyes) == len(validation.eyes) == 4
    assert training.eyes[0].pupil_ratio == pytest.approx(0.4)

    manifest.write_text(json.dumps(lines[0] | {"strip": "../secret.png"}) + "\n" + json.dumps(lines[1]) + "\n")
    with pytest.raises(DatasetError):
        read_eyes(tmp_path, **quiet)


@pytest.mark.parametrize("content", [[], ["one/x.png"], ["1.png", "2.png"]])
def test_folders_that_cannot_be_trained_on_say_why(tmp_path, content):
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match="picture"):
        read_eyes(tmp_path, labels=None, validation_fraction=0.5, seed=0, progress=lambda *call: None)


def test_refused_data_leave_no_folder_of_a_run(tmp_path):
    (tmp_path / "eyes").mkdir()
    for number in range(3):
        (tmp_path / "eyes" / f"{number}.png").touch()
    with pytest.raises(DatasetError, match="identity of 0"):
        train(tmp_path / "eyes", tmp_path / "run", TOY)
    assert [path.name for path in tmp_path.iterdir()] == ["eyes"]
    (tmp_path / "run").mkdir()
    with pytest.raises(DatasetError):
        train(tmp_path / "eyes", tmp_path / "run", TOY)
    assert (tmp_path / "run").is_dir(), "it was there before"


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir")
    with pytest.raises(OutputError, match="not empty"):
        train(None, tmp_path, TOY)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are looked up in /proc")
def test_a_finished_run_outlives_a_power_cut(tmp_path, rendered_cache):
    with watch_syncs(tmp_path / "run", every_sync=True) as disk:
        run = train(None, tmp_path / "run", toy(rendered_cache, epochs=1))
    whole = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    del whole[".lock"]
    finished = [left for left in disk.cuts if b'"finished": true' in left.get("run.json", b"")]
    assert finished and len(whole) >= 7
    assert [{name: left.get(name) for name in whole} for left in finished] == [whole] * len(finished)


def test_damaged_files_of_a_run_are_set_aside_and_made_anew(tmp_path):
    rendered = TOY.rendered.model_copy(update={"cache": tmp_path / "cache"})
    config, lines = TOY.model_copy(update={"rendered": rendered, "epochs": 1}), []
    whole = train(None, tmp_path / "whole", config)
    for damaged in ("run.json", "checkpoints/last.safetensors", "metrics.csv"):
        run = tmp_path / damaged.replace("/", "-")
        shutil.copytree(whole, run)
        (run / damaged).write_bytes(b"" if damaged != "metrics.csv" else b"epoch,train_loss\n1,abc\n")
        state = json.loads((whole / "run.json").read_text())
        if damaged != "run.json":
            (run / "run.json").write_text(json.dumps(state | {"finished": False}))
        train(None, run, config, progress=lambda stage, done, total: lines.append(stage))
        assert f"{run / damaged} was damaged: renamed {run.joinpath(damaged).name}.damaged and made anew" in lines
        assert json.loads((run / "run.json").read_text())["finished"]
        assert (run / "recognizer.safetensors").exists()
    # Without run.json, the checkpoint tells that it is of another run.
    (whole / "run.json").write_bytes(b"")
    with pytest.raises(OutputError, match="other settings"):
        train(None, whole, config.model_copy(update={"seed": 5, "epochs": 2}))


def test_a_damaged_file_of_rendered_eyes_is_rendered_again(tmp_path):
    with RenderedEyes(TOY.rendered, 0, tmp_path) as rendered:
        before = rendered.validation()
    (damaged,) = [file for file in tmp_path.glob("*.npz") if int(file.name.partition("-")[0]) > 1 << 30]
    content = damaged.read_bytes()
    for data in (b"", content[: len(content) // 2]):
        damaged.write_bytes(data)
        with RenderedEyes(TOY.rendered, 0, tmp_path) as rendered:
            after = rendered.validation()
        assert after[1].tolist() == before[1].tolist()
        assert all(np.array_equal(a.image, b.image) for a, b in zip(after[0], before[0], strict=True))
        assert damaged.with_name(damaged.name + ".damaged").read_bytes() == data


def test_two_runs_in_one_folder_exclude_each_other(tmp_path):
    with locked(tmp_path), pytest.raises(OutputError, match="in use by another run"):
        train(None, tmp_path, TOY)
    assert not (tmp_path / "run.json").exists()
