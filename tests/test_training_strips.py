"""Training data: strips with known errors, batches of them, augmentation, and the losses on them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from training_settings import NO_AUGMENTATION, TOY

from irisstn import batch_of_strips
from irisstn.geometry.ring_transform import NAMES
from irisstn.normalization import normalize
from irisstn.results import Strip
from irisstn.stn import Ring, sample
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.training import TrainConfig
from irisstn.training.data.augmentation import (
    combine_masks,
    mirrored,
    strip_augmentation,
)
from irisstn.training.data.augmentation_config import AugmentationConfig
from irisstn.training.data.batches import BatchDataset, Eyes, make_batch
from irisstn.training.data.boundary_errors import (
    NO_ERRORS,
    Perturbation,
    PerturbationConfig,
    sample_perturbation,
)
from irisstn.training.data.degradation import DegradationConfig, degrade
from irisstn.training.data.eye_crops import NormalizedIris, crop_eye, scaled_eye
from irisstn.training.data.motion_blur import motion_blurred
from irisstn.training.data.rendered_eyes import RenderedConfig, render_capture
from irisstn.training.data.strip_tensors import to_strips
from irisstn.training.losses import ring_losses


@pytest.fixture(scope="module")
def captures():
    """Two eyes, three captures each, with their truth."""
    rng = np.random.default_rng(4)
    return [
        render(Identity.from_seed(seed), sample_capture(rng, CAMERAS["ring-320x280"]))
        for seed in (1, 2)
        for _ in range(3)
    ]


@pytest.fixture(scope="module")
def captured_eyes(captures):
    eyes = [crop_eye(capture.image, capture.truth, capture.roll_rad) for capture in captures]
    return Eyes(eyes, np.repeat([0, 1], 3), upright=True)


def rectified(strip, target):
    """`strip` warped by the ring transform with the named `target` parameters."""
    ring = Ring(max_roll_rad=2.0, max_shift=0.2)
    named = dict(zip(NAMES, target, strict=True))
    theta = ring.theta_of(torch.tensor([[named[name] for name in ring.names]], dtype=torch.float64))
    images, usable = batch_of_strips([strip])
    grid = ring(theta, strip.size)
    return to_strips(sample(images, grid, wrap=True, padding="border"), sample(usable, grid, wrap=True))[0]


def likeness(a, b):
    both = a.usable & b.usable
    assert both.mean() > 0.3
    return np.corrcoef(a.image[both], b.image[both])[0, 1]


def test_the_targets_undo_the_errors(captured_eyes):
    rng = np.random.default_rng(0)
    config = PerturbationConfig(large_fraction=1.0)
    before, after = [], []
    for eye in captured_eyes.eyes:
        upright = eye.sample(Perturbation(eye.roll_rad, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2))), (64, 512))
        wrong = eye.sample(sample_perturbation(rng, config), (64, 512))
        before.append(likeness(wrong.strip, upright.strip))
        after.append(likeness(rectified(wrong.strip, wrong.target), upright.strip))
    assert np.median(before) < 0.75
    assert min(after) > 0.95


def test_without_errors_a_strip_is_the_rubber_sheet_and_only_the_roll_is_left(captures, captured_eyes):
    capture, eye = captures[0], captured_eyes.eyes[0]
    strip, context, target = eye.sample(NO_ERRORS, (64, 512))
    named = dict(zip(NAMES, target, strict=True))
    assert named["roll_rad"] == pytest.approx(capture.roll_rad)
    assert named["pupil_share"] == pytest.approx(capture.pupil_ratio, rel=0.05)
    assert (
        max(abs(v) for k, v in named.items() if k.startswith(("pupil_c", "pupil_s", "limbus")) and k != "pupil_share")
        < 1e-6
    )
    assert (
        likeness(strip, normalize(capture.image, capture.truth)) > 0.95
    )  # cut out and made smaller, but the same place
    assert context.image.shape == (64, 256)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_errors_of_a_strip_without_its_image_are_undone_too(seed):
    rng = np.random.default_rng(seed)
    wave = np.sin(np.linspace(0, 2 * np.pi * 9, 512))[None] + np.cos(np.linspace(0, 9, 64))[:, None]
    smooth = (wave * 50 + 128).astype(np.uint8)
    flat = NormalizedIris(Strip(smooth, np.ones((64, 512), bool)))
    errors = sample_perturbation(rng, PerturbationConfig(large_fraction=1.0, large_shift=0.03, large_radius=0.03))
    strip, _, target = flat.sample(errors, (64, 512))
    unturned = dict(zip(NAMES, target, strict=True))
    assert unturned["roll_rad"] == pytest.approx(-errors.roll_rad)
    # Without shifts of the centre, which also move angles in the ring transform, all is undone.
    still = Perturbation(errors.roll_rad, np.zeros((2, 2)), errors.scale, errors.shape)
    strip, _, target = flat.sample(still, (64, 512))
    assert likeness(rectified(strip, target), flat.source) > 0.98


def test_a_large_iris_is_made_smaller_and_stays_in_place():
    capture = render(Identity.from_seed(3), sample_capture(np.random.default_rng(0), CAMERAS["hd-1024x768"]))
    small = crop_eye(capture.image, capture.truth, capture.roll_rad)
    assert small.truth[1].mean_radius == pytest.approx(80, abs=1)
    assert small.image.size < 0.2 * capture.image.size
    strip = small.sample(NO_ERRORS, (32, 256)).strip
    assert likeness(strip, normalize(capture.image, capture.truth, (32, 256))) > 0.9


def test_batches_depend_on_seed_epoch_and_step_alone(captured_eyes):
    def batches(seed):
        return BatchDataset(TOY.model_copy(update={"seed": seed}), lambda epoch: captured_eyes, upright=True)

    one, again, other = batches(0)[3, 1], batches(0)[3, 1], batches(1)[3, 1]
    assert all(torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.images, other.images)
    assert not torch.equal(one.images, batches(0)[3, 2].images)
    assert (
        one.images.shape == (4, 1, 32, 256) and one.contexts.shape == (4, 5, 64, 256) and one.targets.shape == (4, 12)
    )
    assert sorted(one.labels.tolist()) == [0, 0, 1, 1]


def test_strips_of_one_capture_share_a_group_where_upright_is_unknown(captured_eyes):
    eyes = Eyes(captured_eyes.eyes, captured_eyes.labels, upright=False)
    config = TOY.model_copy(update={"strips_per_identity": 4, "augmentation": NO_AUGMENTATION})
    batch = BatchDataset(config, lambda epoch: eyes, upright=False)[0, 0]
    assert len(set(batch.groups.tolist())) == 4 and len(set(batch.labels.tolist())) == 2
    assert all(batch.groups[i] == batch.groups[i + 1] for i in range(0, 8, 2))


@pytest.mark.parametrize(("strips_per_capture", "upright", "expected"), [(0, False, 2), (0, True, 4), (1, False, 4)])
def test_a_run_takes_two_strips_of_a_capture_where_upright_is_unknown(
    captured_eyes, strips_per_capture, upright, expected
):
    eyes = Eyes(captured_eyes.eyes, captured_eyes.labels, upright=False)  # so that a group is a capture
    batch = BatchDataset(
        TOY.model_copy(update={"strips_per_capture": strips_per_capture}), lambda epoch: eyes, upright=upright
    )[0, 0]
    assert len(batch.labels) == 4 and len(set(batch.groups.tolist())) == expected


def test_a_strip_alone_is_that_of_the_sample(captured_eyes):
    crop = captured_eyes.eyes[0]
    flat = NormalizedIris(crop.strip(NO_ERRORS, (64, 512)))
    errors = sample_perturbation(np.random.default_rng(1), PerturbationConfig(large_fraction=1.0))
    for eye in (crop, flat):
        alone, with_all = eye.strip(errors, (32, 256)), eye.sample(errors, (32, 256)).strip
        assert np.array_equal(alone.image, with_all.image) and np.array_equal(alone.usable, with_all.usable)
    config = TOY.model_copy(update={"rectifier": None, "augmentation": NO_AUGMENTATION})
    batch = BatchDataset(config, lambda epoch: captured_eyes, upright=True)[0, 0]
    assert batch.images.shape == (4, 1, 32, 256) and batch.images.std() > 0.05
    assert batch.contexts.shape == (4, 0) and batch.targets.isnan().all()


def test_masks_are_combined_where_enough_is_left():
    usable = torch.ones(40, 1, 8, 16)
    for i in range(40):
        usable[i, :, :, i % 16] = 0
    combined = combine_masks(usable, 0.5, np.random.default_rng(0))
    assert not ((combined > 0) & (usable == 0)).any()
    changed = (combined != usable).flatten(1).any(dim=1)
    assert 10 <= int(changed.sum()) <= 30
    assert torch.equal(combine_masks(usable, 0.0, np.random.default_rng(0)), usable)
    halves = torch.zeros(2, 1, 8, 16)
    halves[0, ..., :8] = halves[1, ..., 8:] = 1
    assert torch.equal(combine_masks(halves, 1.0, np.random.default_rng(0)), halves)  # nothing would be left


def test_random_filters_change_the_texture_and_wrap(captured_eyes):
    strip = captured_eyes.eyes[0].strip(NO_ERRORS, (64, 512))
    filtered = strip_augmentation(NO_AUGMENTATION.model_copy(update={"random_filters": 1.0}))
    likenesses = [likeness(strip, filtered(strip, seed)) for seed in range(20)]
    assert min(likenesses) < 0.5 and np.std(likenesses) > 0.1
    turned = Strip(np.roll(strip.image, 100, axis=1), np.roll(strip.usable, 100, axis=1))
    assert np.array_equal(np.roll(filtered(strip, 3).image, 100, axis=1), filtered(turned, 3).image)


def test_the_ring_loss_is_zero_at_the_truth_and_agreement_at_a_common_turn(captured_eyes):
    batch = make_batch(
        captured_eyes, range(6), np.random.default_rng(0), size=(32, 256), perturbation=PerturbationConfig()
    )
    weights = TrainConfig().loss_weights
    assert all(abs(float(part)) < 1e-9 for part in ring_losses(batch.targets, batch, weights).values())
    turned = batch.targets.clone()
    turned[:, 0] += 0.1 * batch.labels  # all captures of the second eye by the same angle
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
    same = strip_augmentation(NO_AUGMENTATION)(strip, 0)
    assert np.array_equal(same.image, strip.image) and np.array_equal(same.usable, strip.usable)


def test_a_degraded_picture_is_smaller_and_flatter_and_its_truth_lies_in_it(captures):
    capture = captures[0]
    plain = {"radius_px": (40, 40), "blur_px": (0, 0), "contrast": (1, 1), "noise": (0, 0), "jpeg": 0}
    rng = np.random.default_rng(0)
    image, truth = degrade(capture.image, capture.truth, rng, DegradationConfig.model_validate(plain))
    assert truth.limbus.mean_radius == pytest.approx(40, abs=0.5) and image.shape == truth.image_size
    assert likeness(normalize(image, truth, (32, 256)), normalize(capture.image, capture.truth, (32, 256))) > 0.8
    flat, _ = degrade(
        capture.image, capture.truth, rng, DegradationConfig.model_validate(plain | {"contrast": (0.5, 0.5)})
    )
    assert flat.std() == pytest.approx(0.5 * image.std(), rel=0.02)
    noisy, _ = degrade(capture.image, capture.truth, rng, DegradationConfig.model_validate(plain | {"noise": (5, 5)}))
    assert np.std(noisy.astype(float) - image) == pytest.approx(5, rel=0.1)
    soft, _ = degrade(capture.image, capture.truth, rng, DegradationConfig.model_validate(plain | {"blur_px": (2, 2)}))
    assert np.abs(np.diff(soft.astype(float))).mean() < 0.7 * np.abs(np.diff(image.astype(float))).mean()
    packed, _ = degrade(capture.image, capture.truth, rng, DegradationConfig.model_validate(plain | {"jpeg": 1}))
    assert 0 < np.abs(packed.astype(float) - image).mean() < 5
    with pytest.raises(ValidationError, match="low <= high"):
        DegradationConfig(blur_px=(2, 1))
    with pytest.raises(ValueError, match="scale"):
        scaled_eye(capture.image, capture.truth, 1.5)


def test_rendered_eyes_are_degraded_before_they_are_segmented():
    config = RenderedConfig(cameras=("ring-320x280",), segmented_fraction=1.0, degraded_fraction=1.0)
    eyes = [render_capture(Identity.from_seed(seed), np.random.default_rng(seed), config) for seed in range(4)]
    low, high = DegradationConfig().radius_px
    assert all(low - 1 <= eye.truth[1].mean_radius <= high + 1 for eye in eyes)
    assert any(eye.used[1] != eye.truth[1] for eye in eyes)  # the segmenter's own ring, in the smaller picture
    assert all(abs(eye.used[1].mean_radius / eye.truth[1].mean_radius - 1) < 0.2 for eye in eyes)


def test_tissue_is_stretched_between_fixed_edges_and_a_straightened_eye_is_upright(captures, captured_eyes):
    eye = captured_eyes.eyes[0]
    plain = eye.strip(NO_ERRORS, (64, 512))
    stretched = eye.strip(replace(NO_ERRORS, stretch=0.3), (64, 512))
    # Row r shows what lies at r + 0.3 r (1 - r): at the edges the same, in the middle farther out.
    rows = [max(range(64), key=lambda j: likeness_of_rows(stretched, i, plain, j)) for i in (2, 32, 48)]
    middle, outer = ((r + 0.3 * r * (1 - r)) * 64 - 0.5 for r in (32.5 / 64, 48.5 / 64))
    assert rows == pytest.approx([3, middle, outer], abs=1.5) and rows[1] >= 35
    flat = NormalizedIris(plain)
    assert likeness(flat.strip(replace(NO_ERRORS, stretch=0.3), (64, 512)), stretched) > 0.95

    upright = eye.strip(replace(NO_ERRORS, straightened=True), (64, 512))
    assert abs(captures[0].roll_rad) > 0.005
    assert likeness(upright, eye.strip(replace(NO_ERRORS, roll_rad=eye.roll_rad), (64, 512))) > 0.9999
    drawn = [
        sample_perturbation(np.random.default_rng(i), PerturbationConfig(stretch=0.2, straightened=0.5))
        for i in range(60)
    ]
    assert 15 < sum(one.straightened for one in drawn) < 45
    assert 0.1 < max(abs(one.stretch) for one in drawn) <= 0.2
    older = sample_perturbation(np.random.default_rng(1), PerturbationConfig())
    assert older.stretch == 0 and not older.straightened


def test_a_movement_blurs_the_picture_along_its_direction_and_moves_nothing(captured_eyes):
    spot = np.zeros((41, 41), np.uint8)
    spot[20, 20] = 240
    blurred = motion_blurred(spot, (6.0, 0.0)).astype(float)
    down, along = np.nonzero(blurred)
    assert set(down) == {20} and along.min() == 17 and along.max() == 23
    assert (blurred[20] * np.arange(41)).sum() / blurred.sum() == pytest.approx(20, abs=0.1)
    assert motion_blurred(spot, (0.5, 0.5)) is spot

    eye = captured_eyes.eyes[0]
    plain, moved = (eye.strip(replace(NO_ERRORS, movement=way), (64, 512)) for way in ((0.0, 0.0), (0.2, 0.0)))
    assert 0.3 < likeness(moved, plain) < 0.97
    drawn = [
        sample_perturbation(np.random.default_rng(i), PerturbationConfig(moved_fraction=0.5, movement=0.3))
        for i in range(60)
    ]
    lengths = [math.hypot(*one.movement) for one in drawn]
    assert 15 < sum(length > 0 for length in lengths) < 45 and 0.15 < max(lengths) <= 0.3


def likeness_of_rows(a, i, b, j):
    both = a.usable[i] & b.usable[j]
    if both.mean() < 0.2:
        return -1.0
    return np.corrcoef(a.image[i][both], b.image[j][both])[0, 1]


def test_bands_change_the_spectrum_and_keep_what_lies_where(captured_eyes):
    strip = captured_eyes.eyes[0].strip(NO_ERRORS, (64, 512))
    change = strip_augmentation(NO_AUGMENTATION.model_copy(update={"spectra": 1.0}))
    changed = [change(strip, seed) for seed in range(20)]
    assert all(likeness(strip, one) > 0.4 for one in changed)

    def shares(one):
        power = (np.abs(np.fft.rfft(one.image - one.image.mean(1, keepdims=True), axis=1)) ** 2).mean(0)
        return power[4:16].sum() / power[4:128].sum()

    assert np.ptp([shares(one) for one in changed]) > 0.2
    spread = [one.image.std() for one in changed]
    assert min(spread) < 0.7 * strip.image.std() and max(spread) > strip.image.std()


def test_a_mirrored_eye_is_another_one_with_its_eyelids_in_place(captured_eyes):
    images, _ = batch_of_strips([captured_eyes.eyes[0].strip(NO_ERRORS, (32, 256))])
    seen = mirrored(images)
    assert torch.equal(mirrored(seen), images) and not torch.equal(seen, images)
    # Right (column 0) becomes left (column 128); what lies below (64) and above (192) stays there.
    assert torch.equal(seen[..., 128:136], images[..., -8:].flip(3) * 0 + images.flip(3)[..., 0:8])
    marked = torch.zeros(1, 1, 4, 256)
    marked[..., 60:68] = 1
    assert torch.equal(mirrored(marked), marked)

    def batch(mirror):
        changes = NO_AUGMENTATION.model_copy(update={"mirrored": mirror})
        config = TOY.model_copy(update={"rectifier": None, "augmentation": changes})
        return BatchDataset(config, lambda epoch: captured_eyes, upright=True)[0, 0]

    plain, all_mirrored = batch(0.0), batch(1.0)
    assert torch.equal(all_mirrored.images, mirrored(plain.images))
    assert torch.equal(all_mirrored.usable, mirrored(plain.usable)) and torch.equal(all_mirrored.labels, plain.labels)
    for wrong in ({}, {"rectifier": None, "metric": {"kind": "sub-center-arcface"}}):
        with pytest.raises(ValidationError, match="mirrored"):
            TrainConfig.model_validate({"augmentation": {"mirrored": 0.5}} | wrong)
