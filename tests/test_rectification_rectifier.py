# mypy: disable-error-code="arg-type, call-overload, misc"
"""The rectifier: the identity, one sampling, sizes, every kind of input, variants, files."""

import hashlib

import numpy as np
import pytest
import torch
from builders import perturbed, rendered_eye
from torch import Tensor, nn

from irisstn.config import load_config
from irisstn.errors import ConfigError, WeightsError
from irisstn.geometry import Boundary, strip_angles, strip_radii
from irisstn.normalization import normalize, sample_ring
from irisstn.rectification.context_tensors import context_planes, moved_context
from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.rectification.ring_context import LID_REACH, PLANES, context_of_eye, context_of_strip
from irisstn.results import Segmentation, Strip
from irisstn.stn import Ring, require_gradient
from irisstn.synthetic import RenderedEye

SIZES = [(64, 512), (32, 256), (20, 100), (8, 33)]


@pytest.fixture(scope="module")
def eye() -> RenderedEye:
    return rendered_eye(3)


@pytest.fixture(scope="module")
def strip(eye: RenderedEye) -> Strip:
    return normalize(eye.image, eye.truth)


def stirred(**options: object) -> Rectifier:
    """A rectifier whose every weight is off its start, as if it had been trained."""
    torch.manual_seed(0)
    return perturbed(Rectifier(RectifierConfig(width=16, **options)), 0.05)


def always(**parameters: float) -> Rectifier:
    """A rectifier that finds these physical parameters in every eye."""
    rectifier = Rectifier(RectifierConfig(width=8))
    ring, net = rectifier.transform, rectifier.stn.localization
    physical = ring.identity()[None]
    for name, value in parameters.items():
        physical[0, ring.names.index(name)] = value
    theta = ring.theta_of(physical)[0]

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, context: Tensor) -> Tensor:
            return theta.expand(len(context), -1)

    rectifier.stn.localization = Fixed()
    return rectifier


# The key test: at the identity the composition with the rubber sheet is the rubber sheet.


@pytest.mark.parametrize("size", SIZES)
def test_untrained_it_gives_the_rubber_sheet_to_the_byte(eye, size):
    plain = normalize(eye.image, eye.truth, size)
    rectifier = Rectifier()
    for found in (rectifier.rectify_eye(eye.image, eye.truth, size), rectifier.rectify(plain)):
        assert np.array_equal(found.strip.image, plain.image) and np.array_equal(found.strip.usable, plain.usable)
        assert found.outside == 0
        assert all(found.parameters[name] == 0 for name in rectifier.transform.names if name != "pupil_share")


@pytest.mark.parametrize("transform", ["ring", "translation", "affine", "projective", "tps"])
@pytest.mark.parametrize("iterations", [1, 2])
def test_every_transform_starts_there(eye, strip, transform, iterations):
    rectifier = Rectifier(RectifierConfig(transform=transform, iterations=iterations))
    assert np.array_equal(rectifier.rectify(strip).strip.image, strip.image)
    assert np.array_equal(rectifier.rectify_eye(eye.image, eye.truth).strip.usable, strip.usable)


def test_the_photograph_is_sampled_once_where_the_ring_says(eye):
    rectifier = always(roll_rad=0.3, pupil_0=0.1, limbus_0=-0.06)
    found = rectifier.rectify_eye(eye.image, eye.truth, (32, 256))
    radius = 0.1 + (1 - 0.06 - 0.1) * strip_radii(32)[:, None]
    expected = sample_ring(eye.image, eye.truth, (radius, strip_angles(256)[None] + 0.3))
    # The parameters went through float32, the pixels are whole numbers: a few may round the other way.
    difference = np.abs(found.strip.image.astype(int) - expected.image)
    assert difference.max() <= 2 and (difference > 0).mean() < 0.05
    assert (found.strip.usable != expected.usable).mean() < 0.01
    assert found.parameters["roll_rad"] == pytest.approx(0.3, abs=1e-5)


def test_a_strip_and_its_photograph_are_rectified_alike(eye, strip):
    rectifier = always(roll_rad=-0.2, pupil_0=0.05, limbus_0=-0.05, pupil_cos1=0.03)
    from_eye, from_strip = rectifier.rectify_eye(eye.image, eye.truth), rectifier.rectify(strip)
    both = from_eye.strip.usable & from_strip.strip.usable
    difference = np.abs(from_eye.strip.image.astype(int) - from_strip.strip.image)[both]
    assert both.mean() > 0.4 and difference.mean() < 3


def test_the_pupils_share_is_taken_from_the_segmentation(eye):
    rectifier = always(pupil_share=0.45)
    share = eye.truth.pupil.mean_radius / eye.truth.limbus.mean_radius
    assert rectifier.rectify_eye(eye.image, eye.truth).parameters["pupil_share"] == pytest.approx(share, abs=1e-5)


def test_a_wrong_segmentation_is_put_right(eye):
    """With the parameters of its errors, a ring moved by some pixels gives the strip of the true one."""
    truth = eye.truth
    width = truth.limbus.mean_radius - truth.pupil.mean_radius
    pupil, limbus = truth.pupil, truth.limbus
    moved = Boundary(pupil.x + 3, pupil.y - 2, (pupil.cosines[0] - 1.5, *pupil.cosines[1:]), pupil.sines)
    wrong = Segmentation(moved, limbus, truth.upper_lid, truth.lower_lid, truth.iris_mask, truth.usable)
    rectifier = always(pupil_cos1=-3 / width, pupil_sin1=2 / width, pupil_0=1.5 / width)
    true, rectified = normalize(eye.image, truth), rectifier.rectify_eye(eye.image, wrong).strip
    before = normalize(eye.image, wrong)
    usable = true.usable & rectified.usable & before.usable

    def error(strip: Strip) -> float:
        return float(np.abs(strip.image.astype(int) - true.image)[usable].mean())

    assert usable.mean() > 0.3 and error(rectified) < 0.35 * error(before)


def test_cells_from_outside_the_ring_are_counted(strip):
    found = always(limbus_0=0.15).rectify(strip)
    assert 0.08 < found.outside < 0.2
    assert not found.strip.usable[-4:].any(), "what the strip did not hold is not usable"
    assert always(limbus_0=-0.15).rectify(strip).outside == 0


# Sizes and kinds of input.


@pytest.mark.parametrize("size", SIZES)
def test_the_output_has_the_inputs_size_unless_asked(eye, size):
    rectifier, strip = stirred(), normalize(eye.image, eye.truth, size)
    assert rectifier.rectify(strip).strip.size == size
    assert rectifier.rectify(strip, size=(16, 64)).strip.size == (16, 64)
    assert [v.strip.size for v in rectifier.variants(strip, 2, 0, size=(16, 64))] == [(16, 64)] * 2
    assert rectifier.rectify_eye(eye.image, eye.truth, size).strip.size == size
    assert rectifier(torch.rand(2, 1, *size)).shape == (2, 1, *size)
    assert rectifier(torch.rand(2, 1, *size), size=(16, 64)).shape == (2, 1, 16, 64)


def test_every_kind_of_input_gives_the_same(strip):
    rectifier = stirred()
    expected = rectifier.rectify(strip)
    assert expected.parameters["pupil_0"] != 0 and expected.parameters["roll_rad"] == 0
    image, usable = strip.image.copy(), strip.usable.copy()
    ones = [
        rectifier.rectify(image, usable),
        rectifier.rectify(image.astype(np.float32) / 255, usable),
        rectifier.rectify(image.astype(np.float64) / 255, usable),
        rectifier.rectify(torch.from_numpy(image), torch.from_numpy(usable)),
        rectifier.rectify(torch.from_numpy(image).float() / 255, torch.from_numpy(usable).float()),
        *rectifier.rectify([strip]),
        *rectifier.rectify(image[None], usable[None]),
        *rectifier.rectify(torch.from_numpy(image)[None, None], torch.from_numpy(usable)[None, None]),
    ]
    assert len(ones) == 8
    for found in ones:
        assert found.parameters == expected.parameters
        assert np.array_equal(found.strip.image, expected.strip.image)
        assert np.array_equal(found.strip.usable, expected.strip.usable)
    assert rectifier.rectify([]) == []


def test_eyelids_that_somebody_knows_turn_a_strip_as_its_photograph(eye, strip):
    rectifier = stirred()
    from_eye, from_strip = rectifier.rectify_eye(eye.image, eye.truth), rectifier.rectify_strip(strip, eye.truth)
    for name in ("roll_rad", "roll_read_rad", "roll_sd_rad", "pupil_share"):
        assert from_strip.parameters[name] == pytest.approx(from_eye.parameters[name], abs=1e-6)
    assert from_eye.parameters["roll_rad"] != 0 and "roll_read_rad" not in rectifier.rectify(strip).parameters
    [variant] = rectifier.variants(strip, 1, 0, segmentation=eye.truth)
    assert variant.parameters["roll_read_rad"] == from_strip.parameters["roll_read_rad"]


def test_how_much_of_a_roll_is_taken_back_is_a_setting_that_shares_the_weights(tmp_path, eye):
    rectifier = stirred()
    rolls = {}
    for mode in ("auto", "full", "none"):
        other = rectifier.with_roll(mode, 1.5)
        assert next(other.parameters()) is next(rectifier.parameters()) and other.roll.prior_deg == 1.5
        found = other.rectify_eye(eye.image, eye.truth).parameters
        rolls[mode] = found["roll_rad"]
        assert found["roll_read_rad"] == rectifier.rectify_eye(eye.image, eye.truth).parameters["roll_read_rad"]
    assert rolls["none"] == 0 < abs(rolls["auto"]) < abs(rolls["full"])
    assert rolls["full"] == pytest.approx(found["roll_read_rad"], abs=1e-6)
    assert rectifier.roll.mode == "auto" and rectifier.with_roll("full").with_roll("auto").roll == rectifier.roll
    rectifier.with_roll("full").save(tmp_path / "rectifier.safetensors")
    assert Rectifier.load(tmp_path / "rectifier.safetensors").roll.mode == "auto"
    with pytest.raises(ValueError, match="auto, full or none"):
        rectifier.with_roll("half")


def test_the_result_does_not_depend_on_the_company(eye, strip):
    rectifier, other = stirred(), normalize(eye.image, eye.truth, (32, 256))
    together = rectifier.rectify([other, strip, other])
    alone = rectifier.rectify(strip)
    assert together[1].parameters == alone.parameters and len(together) == 3
    assert np.array_equal(together[1].strip.image, alone.strip.image)


def test_without_a_mask_all_is_usable(strip):
    assert stirred().rectify(strip.image, size=(16, 64)).strip.usable.mean() > 0.8


def test_misuse_is_refused(strip):
    rectifier = Rectifier()
    bad = [
        np.zeros(5, np.uint8),
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((8, 8), np.int32),
        np.full((8, 8), 2.0),
        np.full((8, 8), -0.1),
        np.full((8, 8), np.nan),
        np.zeros((0, 8), np.uint8),
    ]
    for array in bad:
        with pytest.raises(ValueError):
            rectifier.rectify(array)
    with pytest.raises(ValueError, match="mask"):
        rectifier.rectify(strip.image, np.ones((2, 2), bool))
    for images in (torch.rand(2, 3, 8, 8), torch.rand(8, 8)):
        with pytest.raises(ValueError, match="strips must be"):
            rectifier(images)
    with pytest.raises(ValueError, match="mask"):
        rectifier(torch.rand(2, 1, 8, 8), torch.ones(1, 1, 8, 8))
    with pytest.raises(ValueError, match="64"):
        rectifier(torch.rand(2, 1, 8, 8), context=torch.rand(2, 5, 32, 256))
    with pytest.raises(ValueError, match="negative"):
        rectifier.variants(strip, -1, 0)


@pytest.mark.parametrize("options", [{}, {"transform": "tps", "iterations": 2}])
def test_an_empty_batch_gives_an_empty_batch(options):
    rectifier = stirred(**options)
    assert rectifier(torch.rand(0, 1, 64, 512)).shape == (0, 1, 64, 512)
    warped = rectifier.warp(torch.rand(0, 1, 64, 512), torch.rand(0, 1, 64, 512), size=(16, 64))
    assert warped.usable is not None and warped.image.shape == warped.usable.shape == (0, 1, 16, 64)
    for nothing in (np.zeros((0, 64, 512), np.uint8), np.zeros((0, 1, 64, 512), np.float32), torch.rand(0, 1, 8, 8)):
        assert rectifier.rectify(nothing) == []


def test_gray_levels_to_255_are_refused_with_the_remedy():
    rectifier = Rectifier()
    whole = torch.randint(0, 256, (2, 1, 16, 64), dtype=torch.uint8)
    for wrong in (whole, whole.long(), whole.float(), whole.double()):
        with pytest.raises(ValueError, match="/ 255"):
            rectifier(wrong)
    assert rectifier(whole.float() / 255).shape == whole.shape
    with pytest.raises(ValueError, match="by 255"):
        rectifier.rectify(whole.float())


# Inside a model of one's own.


def test_gradients_reach_the_rectifier_and_its_input():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rectifier = Rectifier(RectifierConfig(width=8, iterations=2))
            self.head = nn.Linear(16 * 64, 3)

        def forward(self, strips: Tensor) -> Tensor:
            logits: Tensor = self.head(self.rectifier(strips).flatten(1))
            return logits

    model, strips = Model(), torch.rand(2, 1, 16, 64, requires_grad=True)
    model(strips).square().sum().backward()
    assert require_gradient(model.rectifier.stn.localization) > 0
    assert strips.grad is not None and (strips.grad != 0).float().mean() > 0.9
    assert len(list(model.parameters())) > 10 and not list(model.buffers())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gradients_are_finite_on_flat_and_fully_masked_strips(dtype):
    rectifier = stirred().to(dtype)
    for strips, usable in (
        (torch.full((1, 1, 32, 256), 0.5), None),
        (torch.rand(1, 1, 32, 256), torch.zeros(1, 1, 32, 256)),
    ):
        images = strips.to(dtype).requires_grad_()
        out = rectifier(images, usable)
        out.sum().backward()
        assert torch.isfinite(out).all() and torch.isfinite(images.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision(dtype, strip):
    rectifier = stirred()
    images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
    exact = rectifier(images)
    with torch.autocast("cpu", dtype=dtype):
        assert (rectifier(images) - exact).abs().mean() < 0.02
    assert (rectifier.to(dtype)(images.to(dtype)).float() - exact).abs().mean() < 0.02


def test_it_exports_for_any_batch():
    rectifier = stirred(iterations=2)
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(rectifier, (images, usable), dynamic_shapes=({0: batch}, {0: batch}))
    more = torch.rand(5, 1, 32, 256)
    torch.testing.assert_close(program.module()(more, torch.ones_like(more)), rectifier(more, torch.ones_like(more)))


def test_a_damaged_net_is_refused(strip):
    rectifier = stirred()
    with torch.no_grad():
        next(rectifier.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        rectifier.rectify(strip)


# The context as tensors.


def test_the_context_of_a_strip_is_the_same_as_a_tensor(eye):
    for size in ((64, 512), (32, 256), (128, 1024)):
        strip = normalize(eye.image, eye.truth, size)
        images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
        usable = torch.from_numpy(strip.usable.copy())[None, None]
        found = context_planes(images, usable)[0].numpy()
        expected = context_of_strip(strip).planes()
        np.testing.assert_array_equal(found[1:], expected[1:])
        np.testing.assert_allclose(found[0], expected[0], atol=0.5 / (strip.image[strip.usable].std() + 1) + 0.01)


def test_a_given_context_is_looked_at(eye, strip):
    rectifier = stirred()
    images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
    context = torch.from_numpy(context_of_eye(eye.image, eye.truth).planes())[None]
    theta = rectifier.theta_of_context(context)
    assert torch.equal(rectifier.warp(images, context=context).theta, theta)
    assert (rectifier.warp(images).theta - theta).abs().max() > 1e-4
    eyelids = torch.from_numpy(context_of_eye(eye.image, eye.truth).eyelids.copy())[None]
    turned = rectifier.warp(images, context=context, eyelids=eyelids).theta
    assert torch.equal(turned[:, 1:], theta[:, 1:]) and turned[0, 0] != 0 == theta[0, 0]
    with pytest.raises(ValueError, match="eyelids"):
        rectifier.theta_of_context(context, eyelids[:, :1])


def test_a_context_is_seen_through_the_transform(eye):
    context = torch.from_numpy(context_of_eye(eye.image, eye.truth).planes())[None]
    ring = Ring()
    theta = ring.identity()[None]
    torch.testing.assert_close(
        moved_context(context, theta, ring)[..., 1:-1, :], context[..., 1:-1, :], atol=1e-3, rtol=0
    )
    theta = theta.clone()
    theta[0, 0] = 2 * np.pi * 9 / 256
    turned = moved_context(context, ring.theta_of(theta), ring)
    expected = torch.roll(context, -9, dims=-1)
    torch.testing.assert_close(turned[..., 1:-1, :], expected[..., 1:-1, :], atol=2e-2, rtol=0)


def test_eyelids_that_are_not_known_stay_so_at_a_second_look(strip):
    ring = Ring()
    physical = ring.identity()[None].clone()
    for name, value in (("roll_rad", 0.123), ("pupil_0", -0.1), ("limbus_0", 0.15)):
        physical[0, ring.names.index(name)] = value
    context = torch.from_numpy(context_of_strip(strip).planes())[None]
    moved = moved_context(context, ring.theta_of(physical), ring)
    eyelids = slice(PLANES.index("below"), PLANES.index("above") + 1)
    assert not torch.equal(moved, context) and (moved[:, eyelids] == LID_REACH).all()


def test_a_second_look_sees_the_ring_put_right(eye):
    truth = eye.truth
    width = truth.limbus.mean_radius - truth.pupil.mean_radius
    wider = Boundary(
        truth.limbus.x, truth.limbus.y, (truth.limbus.cosines[0] + 5, *truth.limbus.cosines[1:]), truth.limbus.sines
    )
    wrong = Segmentation(truth.pupil, wider, truth.upper_lid, truth.lower_lid, truth.iris_mask, truth.usable)
    ring = Ring()
    physical = ring.identity()[None].clone()
    physical[0, ring.names.index("limbus_0")] = -5 / (width + 5)
    true, before = (torch.from_numpy(context_of_eye(eye.image, s).planes())[None] for s in (truth, wrong))
    after = moved_context(before, ring.theta_of(physical), ring)
    rows = slice(10, 52)  # the last ones lie beyond the wrong ring's context

    def error(context: Tensor) -> float:
        return float((context - true)[:, 0, rows].abs().mean())

    assert error(after) < 0.4 * error(before)


# Variants.


def test_variants_are_plausible_distinct_and_repeatable(eye, strip):
    rectifier = stirred()
    found = rectifier.rectify(strip).parameters
    variants = rectifier.variants(strip, 12, seed=5)
    rolls = np.array([v.parameters["roll_rad"] for v in variants])
    assert len(variants) == 12 and len(set(rolls)) == 12
    assert (
        0.5 < np.rad2deg(rolls - found["roll_rad"]).std() < 4 and np.rad2deg(abs(rolls - found["roll_rad"])).max() < 10
    )
    assert all(v.parameters["pupil_share"] == pytest.approx(found["pupil_share"], abs=1e-6) for v in variants)
    again = rectifier.variants(strip, 12, seed=5)
    assert all(np.array_equal(a.strip.image, b.strip.image) for a, b in zip(variants, again, strict=True))
    assert rectifier.variants(strip, 3, seed=6)[0].parameters != variants[0].parameters
    assert rectifier.variants(strip, 0, seed=5) == []
    of_eye = rectifier.variants_of_eye(eye.image, eye.truth, 2, seed=5, size=(32, 256))
    assert [v.strip.size for v in of_eye] == [(32, 256)] * 2
    assert not np.array_equal(of_eye[0].strip.image, of_eye[1].strip.image)


def test_a_rectification_and_its_variants_take_one_pass(eye, strip):
    rectifier = stirred()
    passes = []
    rectifier.stn.localization.register_forward_hook(lambda *_: passes.append(1))
    of_strip = rectifier.rectify_with_variants(strip, 3, 5, segmentation=eye.truth, size=(16, 64))
    of_eye = rectifier.rectify_eye_with_variants(eye.image, eye.truth, 3, 5, (16, 64))
    assert len(passes) == 2
    expected = [
        (
            rectifier.rectify_strip(strip, eye.truth, (16, 64)),
            rectifier.variants(strip, 3, 5, segmentation=eye.truth, size=(16, 64)),
        ),
        (
            rectifier.rectify_eye(eye.image, eye.truth, (16, 64)),
            rectifier.variants_of_eye(eye.image, eye.truth, 3, 5, (16, 64)),
        ),
    ]
    for (first, variants), (plain, separate) in zip((of_strip, of_eye), expected, strict=True):
        assert len(variants) == 3
        for a, b in zip((first, *variants), (plain, *separate), strict=True):
            assert a.parameters == b.parameters and np.array_equal(a.strip.image, b.strip.image)


# Files.


@pytest.mark.parametrize(
    "options", [{}, {"transform": "tps"}, {"full_circle": True, "position": False, "iterations": 3}]
)
def test_saved_and_loaded_it_is_the_same(tmp_path, strip, options):
    rectifier = stirred(**options)
    path = tmp_path / "deep" / "rectifier.safetensors"
    rectifier.save(path)
    loaded = Rectifier.load(path)
    assert loaded.config == rectifier.config and not loaded.training
    assert loaded.rectify(strip).parameters == rectifier.rectify(strip).parameters
    assert loaded.weights_sha256 == rectifier.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert Rectifier.load(path.parent).weights_sha256 == rectifier.weights_sha256, "the folder of a run will do"
    assert Rectifier(rectifier.config).weights_sha256 != rectifier.weights_sha256


def test_impossible_configs_are_refused(tmp_path):
    rectifier = Rectifier(RectifierConfig(width=8))
    object.__setattr__(rectifier.config, "width", 8192)
    rectifier.save(tmp_path / "huge.safetensors")
    with pytest.raises(WeightsError, match="config"):
        Rectifier.load(tmp_path / "huge.safetensors")
    for override in ("width=12", "max_dilation=1.0", "transform=swirl", "rows=32", "max_shift=0.3"):
        with pytest.raises(ConfigError):
            load_config(RectifierConfig, overrides=[override])


def test_it_is_small():
    rectifier = Rectifier()
    assert sum(p.numel() for p in rectifier.parameters()) < 400_000
