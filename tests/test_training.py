import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.config import load_config
from irisstn.datasets import label_of
from irisstn.errors import DatasetError, OutputError, WeightsError
from irisstn.normalization import Strip, normalize
from irisstn.recognition import StripNet
from irisstn.rectifier import Rectifier
from irisstn.stn import Ring, sample
from irisstn.synthetic import CAMERAS, Identity, render, sample_shot
from irisstn.training import TrainConfig, train
from irisstn.training.augmentation import AugmentationConfig, augmentation, strip_augmentation, wear_masks
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.data import Batches, Eyes, cut_batch, to_strips, to_tensors
from irisstn.training.folder import read_eyes
from irisstn.training.keeper import read_metrics
from irisstn.training.module import ring_losses
from irisstn.training.perturbation import TARGET_NAMES, Perturbation, PerturbationConfig, draw
from irisstn.training.photographs import FlatIris, photograph
from irisstn.training.rendered import RenderedConfig, RenderedEyes

NO_ERRORS = Perturbation(0.0, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)))
QUIET = AugmentationConfig(blur=0, noise=0, light=0, marks=0, gaps=0, shades=0, blind=0)
TOY = TrainConfig.model_validate(
    {
        "epochs": 3,
        "alone": 1,
        "steps": 2,
        "identities": 4,
        "strips": 2,
        "threads": 1,
        "recognizer": {"widths": [8, 8, 8, 8], "channels": 4},
        "rectifier": {"width": 8},
        "rendered": {
            "identities": 6, "shots": 2, "at_first": 4, "per_epoch": 2, "chunk": 4, "validation": 4,
            "cameras": ["small-320x240"],
        },
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def shots():
    """Two eyes, three shots each, with their truth."""
    rng = np.random.default_rng(4)
    return [
        render(Identity.from_seed(seed), sample_shot(rng, CAMERAS["ring-320x280"])) for seed in (1, 2) for _ in range(3)
    ]


@pytest.fixture(scope="module")
def eyes_at_hand(shots):
    eyes = [photograph(shot.image, shot.truth, shot.roll_rad) for shot in shots]
    return Eyes(eyes, np.repeat([0, 1], 3), upright=True)


def rectified(strip, target):
    """`strip` warped by the ring transform with the named `target` parameters."""
    ring = Ring(max_roll_rad=2.0, max_shift=0.2)
    named = dict(zip(TARGET_NAMES, target, strict=True)) | {"dilation": 0.0}
    theta = ring.theta_of(torch.tensor([[named[name] for name in ring.names]], dtype=torch.float64))
    images, usable = to_tensors([strip])
    grid = ring(theta, strip.size)
    return to_strips(sample(images, grid, wrap=True, padding="border"), sample(usable, grid, wrap=True))[0]


def likeness(a, b):
    both = a.usable & b.usable
    assert both.mean() > 0.3
    return np.corrcoef(a.image[both], b.image[both])[0, 1]


def test_the_targets_undo_the_errors(eyes_at_hand):
    rng = np.random.default_rng(0)
    config = PerturbationConfig(stress=1.0)
    before, after = [], []
    for eye in eyes_at_hand.eyes:
        upright = eye.sample(Perturbation(eye.roll_rad, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2))), (64, 512))
        wrong = eye.sample(draw(rng, config), (64, 512))
        before.append(likeness(wrong.strip, upright.strip))
        after.append(likeness(rectified(wrong.strip, wrong.target), upright.strip))
    assert np.median(before) < 0.75
    assert min(after) > 0.95


def test_without_errors_a_strip_is_the_rubber_sheet_and_only_the_roll_is_left(shots, eyes_at_hand):
    shot, eye = shots[0], eyes_at_hand.eyes[0]
    strip, context, target, openness = eye.sample(NO_ERRORS, (64, 512))
    named = dict(zip(TARGET_NAMES, target, strict=True))
    assert named["roll_rad"] == pytest.approx(shot.roll_rad)
    assert named["pupil_share"] == pytest.approx(shot.pupil_ratio, rel=0.05)
    assert (
        max(abs(v) for k, v in named.items() if k.startswith(("pupil_c", "pupil_s", "limbus")) and k != "pupil_share")
        < 1e-6
    )
    assert likeness(strip, normalize(shot.image, shot.truth)) > 0.95  # cut out and made smaller, but the same place
    assert context.image.shape == (64, 256)
    # Where the lids are known the openness is the context's own, four columns to one.
    known = np.isfinite(openness)
    own = context.open.reshape(64, 64, 4).mean(axis=(0, 2))
    assert known.mean() >= 0.5 and openness[known].min() < 1
    assert np.abs(openness[known] - own[known]).max() < 0.08


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_errors_of_a_strip_without_its_photograph_are_undone_too(seed):
    rng = np.random.default_rng(seed)
    wave = np.sin(np.linspace(0, 2 * np.pi * 9, 512))[None] + np.cos(np.linspace(0, 9, 64))[:, None]
    smooth = (wave * 50 + 128).astype(np.uint8)
    flat = FlatIris(Strip(smooth, np.ones((64, 512), bool)))
    errors = draw(rng, PerturbationConfig(stress=1.0, large_shift=0.03, large_radius=0.03))
    strip, _, target, openness = flat.sample(errors, (64, 512))
    unturned = dict(zip(TARGET_NAMES, target, strict=True))
    assert unturned["roll_rad"] == pytest.approx(-errors.roll_rad)
    # Without shifts of the centre, which also move angles in the ring transform, all is undone.
    still = Perturbation(errors.roll_rad, np.zeros((2, 2)), errors.scale, errors.shape)
    strip, _, target, openness = flat.sample(still, (64, 512))
    assert likeness(rectified(strip, target), flat.whole) > 0.98
    assert np.isnan(openness).all()


def test_a_large_iris_is_made_smaller_and_stays_in_place():
    shot = render(Identity.from_seed(3), sample_shot(np.random.default_rng(0), CAMERAS["hd-1024x768"]))
    small = photograph(shot.image, shot.truth, shot.roll_rad)
    assert small.truth[1].mean_radius == pytest.approx(80, abs=1)
    assert small.image.size < 0.2 * shot.image.size
    strip = small.sample(NO_ERRORS, (32, 256)).strip
    assert likeness(strip, normalize(shot.image, shot.truth, (32, 256))) > 0.9


def test_batches_depend_on_seed_epoch_and_step_alone(eyes_at_hand):
    def batches(seed):
        return Batches(
            lambda epoch: eyes_at_hand, size=(32, 256), identities=2, strips=2, views=1,
            perturbation=PerturbationConfig(), augment=augmentation(AugmentationConfig()), bare=0.5, seed=seed,
        )  # fmt: skip

    one, again, other = batches(0)[3, 1], batches(0)[3, 1], batches(1)[3, 1]
    assert all(torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.images, other.images)
    assert not torch.equal(one.images, batches(0)[3, 2].images)
    assert (
        one.images.shape == (4, 1, 32, 256) and one.contexts.shape == (4, 4, 64, 256) and one.targets.shape == (4, 12)
    )
    assert sorted(one.labels.tolist()) == [0, 0, 1, 1]


def test_views_of_one_photograph_share_a_group_where_upright_is_unknown(eyes_at_hand):
    eyes = Eyes(eyes_at_hand.eyes, eyes_at_hand.labels, upright=False)
    batches = Batches(
        lambda epoch: eyes, size=(32, 256), identities=2, strips=4, views=2,
        perturbation=PerturbationConfig(), augment=augmentation(QUIET), bare=0.0, seed=0,
    )  # fmt: skip
    batch = batches[0, 0]
    assert len(set(batch.groups.tolist())) == 4 and len(set(batch.labels.tolist())) == 2
    assert all(batch.groups[i] == batch.groups[i + 1] for i in range(0, 8, 2))


def test_a_strip_alone_is_that_of_the_sample(eyes_at_hand):
    photo = eyes_at_hand.eyes[0]
    flat = FlatIris(photo.strip(NO_ERRORS, (64, 512)))
    errors = draw(np.random.default_rng(1), PerturbationConfig(stress=1.0))
    for eye in (photo, flat):
        alone, with_all = eye.strip(errors, (32, 256)), eye.sample(errors, (32, 256)).strip
        assert np.array_equal(alone.image, with_all.image) and np.array_equal(alone.usable, with_all.usable)
    batches = Batches(
        lambda epoch: eyes_at_hand, size=(32, 256), identities=2, strips=2, views=1,
        perturbation=PerturbationConfig(), augment=augmentation(QUIET), bare=0.5, seed=0, surroundings=False,
    )  # fmt: skip
    batch = batches[0, 0]
    assert batch.images.shape == (4, 1, 32, 256) and batch.images.std() > 0.05
    assert batch.contexts.shape == (4, 0) and batch.targets.isnan().all()


def test_masks_of_others_are_worn_where_enough_is_left():
    usable = torch.ones(40, 1, 8, 16)
    for i in range(40):
        usable[i, :, :, i % 16] = 0
    worn = wear_masks(usable, 0.5, np.random.default_rng(0))
    assert not ((worn > 0) & (usable == 0)).any()
    changed = (worn != usable).flatten(1).any(dim=1)
    assert 10 <= int(changed.sum()) <= 30
    assert torch.equal(wear_masks(usable, 0.0, np.random.default_rng(0)), usable)
    halves = torch.zeros(2, 1, 8, 16)
    halves[0, ..., :8] = halves[1, ..., 8:] = 1
    assert torch.equal(wear_masks(halves, 1.0, np.random.default_rng(0)), halves)  # nothing would be left


def test_random_filters_change_how_texture_looks_and_wrap(eyes_at_hand):
    strip = eyes_at_hand.eyes[0].strip(NO_ERRORS, (64, 512))
    filtered = strip_augmentation(QUIET.model_copy(update={"filters": 1.0}))
    likenesses = [likeness(strip, filtered(strip, seed)) for seed in range(20)]
    assert min(likenesses) < 0.5 and np.std(likenesses) > 0.1
    turned = Strip(np.roll(strip.image, 100, axis=1), np.roll(strip.usable, 100, axis=1))
    assert np.array_equal(np.roll(filtered(strip, 3).image, 100, axis=1), filtered(turned, 3).image)


def test_rendered_eyes_are_shared_by_runs_that_render_alike(tmp_path):
    one = RenderedConfig(keep=tmp_path / "kept", identities=64)
    assert one.folder(0, tmp_path / "a") == one.folder(0, tmp_path / "b")
    assert one.folder(0, tmp_path).parent == tmp_path / "kept"
    assert one.model_copy(update={"identities": 128, "per_epoch": 3}).folder(0, tmp_path) == one.folder(0, tmp_path)
    others = [one.model_copy(update={"shots": 2}).folder(0, tmp_path), one.folder(1, tmp_path)]
    assert len({one.folder(0, tmp_path), *others}) == 3
    assert RenderedConfig().folder(0, tmp_path / "run") == tmp_path / "run" / "eyes"


def test_the_ring_loss_is_zero_at_the_truth_and_agreement_forgives_a_common_turn(eyes_at_hand):
    batch = cut_batch(
        eyes_at_hand, range(6), np.random.default_rng(0), size=(32, 256), perturbation=PerturbationConfig()
    )
    weights = TrainConfig().weights
    truth = torch.cat([batch.targets[:, :1], torch.zeros(6, 1), batch.targets[:, 1:]], dim=1)
    assert all(abs(float(part)) < 1e-9 for part in ring_losses(truth, batch, weights).values())
    turned = truth.clone()
    turned[:, 0] += 0.1 * batch.labels  # all shots of the second eye by the same angle
    parts = ring_losses(turned, batch, weights)
    assert float(parts["agreement"]) < 1e-9 < float(parts["roll"])


@pytest.mark.parametrize("usable", [True, False])
def test_augmentation_repeats_by_seed_and_keeps_the_size(usable):
    rng = np.random.default_rng(0)
    strip = Strip(rng.integers(40, 200, (32, 256), dtype=np.uint8), np.full((32, 256), usable))
    augment = strip_augmentation(AugmentationConfig())
    changed = 0
    for seed in range(20):
        one, again = augment(strip, seed), augment(strip, seed)
        assert np.array_equal(one.image, again.image) and np.array_equal(one.usable, again.usable)
        assert one.size == strip.size and not (one.usable & ~strip.usable).any()
        changed += not np.array_equal(one.image, strip.image)
    assert changed > 10
    same = strip_augmentation(QUIET)(strip, 0)
    assert np.array_equal(same.image, strip.image) and np.array_equal(same.usable, strip.usable)


def test_checkpoints_hold_what_lightning_gives_without_pickle(tmp_path):
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


def test_rendered_eyes_come_back_from_disk_as_they_were_and_grow_by_epoch(tmp_path):
    config = RenderedConfig(
        identities=3, shots=2, at_first=2, per_epoch=1, chunk=1, validation=2, cameras=("small-320x240",)
    )
    with RenderedEyes(config, 7, tmp_path) as rendered:
        first, labels = rendered.training(0)
        later, more = rendered.training(5)
        held_out, others = rendered.validation()
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
        first[0].sample(NO_ERRORS, size).strip.image, held_out[0].sample(NO_ERRORS, size).strip.image
    )


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    whole = train(None, tmp_path / "whole", TOY)

    def kill(what, done, of):
        if what.startswith("epoch 3"):
            raise Killed

    with pytest.raises(Killed):
        train(None, tmp_path / "killed", TOY, tell=kill)
    assert [row["epoch"] for row in read_metrics(tmp_path / "killed")] == [1, 2]
    with pytest.raises(OutputError, match="other settings"):
        train(None, tmp_path / "killed", TOY.model_copy(update={"seed": 1}))
    told = []
    resumed = train(None, tmp_path / "killed", TOY, tell=lambda *news: told.append(news))
    assert not [what for what, _, _ in told if what.startswith(("epoch 1", "epoch 2"))]
    for name in ("rectifier.safetensors", "recognizer.safetensors", "metrics.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    assert [row["epoch"] for row in read_metrics(whole)] == [1, 2, 3]

    # What a finished run leaves, and that it is left alone.
    assert Rectifier.load(whole).config == TOY.rectifier
    assert StripNet.load(whole).config == TOY.recognizer
    assert load_config(TrainConfig, whole / "config.yaml") == TOY
    assert json.loads((whole / "run.json").read_text())["finished"] is True
    assert not (whole / "eyes").exists() and not (whole / "lightning_logs").exists()
    assert len(list((whole / "samples").glob("epoch_*.png"))) == 3
    page = (whole / "index.html").read_text()
    assert "epoch_003.png" in page and "<svg" in page
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    told.clear()
    train(None, whole, TOY, tell=lambda *news: told.append(news))
    assert told == [("finished already", 1, 1)]
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_folder_of_photographs_trains_without_an_stn_too(eyes, tmp_path):
    config = TOY.model_copy(update={"epochs": 1, "held_out": 0.5, "rectifier": None})
    run = train(eyes, tmp_path / "run", config)
    (row,) = read_metrics(run)
    assert 0 <= row["natural_cnn_eer"] <= 1 and np.isfinite(row["validation_loss"])
    assert not (run / "rectifier.safetensors").exists() and (run / "recognizer.safetensors").exists()
    kept = config.model_copy(update={"average": 0.0, "augmentation": QUIET.model_copy(update={"lids": 0.5})})
    other = StripNet.load(train(eyes, tmp_path / "other", kept)).state_dict()
    averaged = StripNet.load(run).state_dict()
    assert any(not torch.equal(averaged[name], other[name]) for name in other)


def test_folders_split_by_subject_and_say_what_was_left_out(eyes, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(eyes, data)
    picture = next(path for path in sorted(data.rglob("*")) if path.is_file() and label_of(path.name) is not None)
    picture.write_bytes(b"no picture")
    told = []
    training, validation = read_eyes(data, labels=None, held_out=0.5, seed=0, tell=lambda *news: told.append(news))
    assert not training.upright and len(training.eyes) + len(validation.eyes) <= 11
    left_out = [news for news in told if "left out" in news[0]]
    assert left_out and left_out[0][1] >= 1
    assert set(training.labels) == {0, 1} and set(validation.labels) == {0, 1}


def test_the_output_of_segment_is_read_and_nothing_outside_it(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for subject in range(4):
        for shot in range(2):
            name = f"{subject:03d}L{shot:02d}.png"
            for part in ("strips", "strip_masks"):
                (tmp_path / part).mkdir(exist_ok=True)
                cv2.imwrite(str(tmp_path / part / f"{name}.png"), rng.integers(0, 256, (32, 256), dtype=np.uint8))
            circles = {"pupil": {"a": 40, "b": 40}, "iris": {"a": 100, "b": 100}}
            files = {"strip": f"strips/{name}.png", "strip_mask": f"strip_masks/{name}.png"}
            lines.append({"path": name, "status": "ok"} | files | circles)
    lines.append({"path": "009L00.png", "status": "failed", "stage": "segment", "reason": "closed"})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    quiet = {"labels": None, "held_out": 0.5, "seed": 0, "tell": lambda *news: None}
    training, validation = read_eyes(tmp_path, **quiet)
    assert len(training.eyes) == len(validation.eyes) == 4
    assert training.eyes[0].pupil_share == pytest.approx(0.4)

    manifest.write_text(json.dumps(lines[0] | {"strip": "../secret.png"}) + "\n" + json.dumps(lines[1]) + "\n")
    with pytest.raises(DatasetError):
        read_eyes(tmp_path, **quiet)


@pytest.mark.parametrize("content", [[], ["one/x.png"], ["1.png", "2.png"]])
def test_folders_that_cannot_be_trained_on_say_why(tmp_path, content):
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match="picture"):
        read_eyes(tmp_path, labels=None, held_out=0.5, seed=0, tell=lambda *news: None)


def test_a_folder_of_other_things_is_no_place_for_a_run(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir")
    with pytest.raises(OutputError, match="not empty"):
        train(None, tmp_path, TOY)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
