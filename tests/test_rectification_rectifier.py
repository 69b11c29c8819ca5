# mypy: disable-error-code="arg-type, call-overload, misc"
"""The rectifier: the identity, one sampling, sizes, every kind of input, files."""

import hashlib

import numpy as np
import pytest
import torch
from builders import perturbed_rectifier
from torch import Tensor, nn

from irisstn.config import load_config
from irisstn.errors import ConfigError, WeightsError
from irisstn.geometry import Boundary, strip_angles, strip_radii
from irisstn.normalization import normalize, sample_ring
from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.results import Segmentation, Strip

SIZES = [(64, 512), (32, 256), (20, 100), (8, 33)]


def rectifier_that_finds(**parameters: float) -> Rectifier:
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
def test_every_transform_starts_at_the_identity(eye, strip, transform, iterations):
    rectifier = Rectifier(RectifierConfig(transform=transform, iterations=iterations))
    assert np.array_equal(rectifier.rectify(strip).strip.image, strip.image)
    assert np.array_equal(rectifier.rectify_eye(eye.image, eye.truth).strip.usable, strip.usable)


def test_the_photograph_is_sampled_once_where_the_ring_says(eye):
    rectifier = rectifier_that_finds(roll_rad=0.3, pupil_0=0.1, limbus_0=-0.06)
    found = rectifier.rectify_eye(eye.image, eye.truth, (32, 256))
    radius = 0.1 + (1 - 0.06 - 0.1) * strip_radii(32)[:, None]
    expected = sample_ring(eye.image, eye.truth, (radius, strip_angles(256)[None] + 0.3))
    # The parameters went through float32, the pixels are whole numbers: a few may round the other way.
    difference = np.abs(found.strip.image.astype(int) - expected.image)
    assert difference.max() <= 2 and (difference > 0).mean() < 0.05
    assert (found.strip.usable != expected.usable).mean() < 0.01
    assert found.parameters["roll_rad"] == pytest.approx(0.3, abs=1e-5)


def test_a_strip_and_its_photograph_are_rectified_alike(eye, strip):
    rectifier = rectifier_that_finds(roll_rad=-0.2, pupil_0=0.05, limbus_0=-0.05, pupil_cos1=0.03)
    from_eye, from_strip = rectifier.rectify_eye(eye.image, eye.truth), rectifier.rectify(strip)
    both = from_eye.strip.usable & from_strip.strip.usable
    difference = np.abs(from_eye.strip.image.astype(int) - from_strip.strip.image)[both]
    assert both.mean() > 0.4 and difference.mean() < 3


def test_the_pupils_share_is_taken_from_the_segmentation(eye):
    rectifier = rectifier_that_finds(pupil_share=0.45)
    share = eye.truth.pupil.mean_radius / eye.truth.limbus.mean_radius
    assert rectifier.rectify_eye(eye.image, eye.truth).parameters["pupil_share"] == pytest.approx(share, abs=1e-5)


def test_a_wrong_segmentation_is_corrected(eye):
    """With the parameters of its errors, a ring moved by some pixels gives the strip of the true one."""
    truth = eye.truth
    width = truth.limbus.mean_radius - truth.pupil.mean_radius
    pupil, limbus = truth.pupil, truth.limbus
    moved = Boundary(pupil.x + 3, pupil.y - 2, (pupil.cosines[0] - 1.5, *pupil.cosines[1:]), pupil.sines)
    wrong = Segmentation(moved, limbus, truth.upper_lid, truth.lower_lid, truth.iris_mask, truth.usable)
    rectifier = rectifier_that_finds(pupil_cos1=-3 / width, pupil_sin1=2 / width, pupil_0=1.5 / width)
    true, rectified = normalize(eye.image, truth), rectifier.rectify_eye(eye.image, wrong).strip
    before = normalize(eye.image, wrong)
    usable = true.usable & rectified.usable & before.usable

    def error(strip: Strip) -> float:
        return float(np.abs(strip.image.astype(int) - true.image)[usable].mean())

    assert usable.mean() > 0.3 and error(rectified) < 0.35 * error(before)


def test_cells_from_outside_the_ring_are_counted(strip):
    found = rectifier_that_finds(limbus_0=0.15).rectify(strip)
    assert 0.08 < found.outside < 0.2
    assert not found.strip.usable[-4:].any(), "what the strip did not hold is not usable"
    assert rectifier_that_finds(limbus_0=-0.15).rectify(strip).outside == 0


# Sizes and kinds of input.


@pytest.mark.parametrize("size", SIZES)
def test_the_output_has_the_inputs_size_unless_asked(eye, size):
    rectifier, strip = perturbed_rectifier(), normalize(eye.image, eye.truth, size)
    assert rectifier.rectify(strip).strip.size == size
    assert rectifier.rectify(strip, size=(16, 64)).strip.size == (16, 64)
    assert [v.strip.size for v in rectifier.variants(strip, 2, 0, size=(16, 64))] == [(16, 64)] * 2
    assert rectifier.rectify_eye(eye.image, eye.truth, size).strip.size == size
    assert rectifier(torch.rand(2, 1, *size)).shape == (2, 1, *size)
    assert rectifier(torch.rand(2, 1, *size), size=(16, 64)).shape == (2, 1, 16, 64)


def test_every_kind_of_input_gives_the_same(strip):
    rectifier = perturbed_rectifier()
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


def test_given_eyelids_correct_the_roll_of_a_strip_as_that_of_its_photograph(eye, strip):
    rectifier = perturbed_rectifier()
    from_eye, from_strip = rectifier.rectify_eye(eye.image, eye.truth), rectifier.rectify_strip(strip, eye.truth)
    for name in ("roll_rad", "roll_read_rad", "roll_sd_rad", "pupil_share"):
        assert from_strip.parameters[name] == pytest.approx(from_eye.parameters[name], abs=1e-6)
    assert from_eye.parameters["roll_rad"] != 0 and "roll_read_rad" not in rectifier.rectify(strip).parameters
    [variant] = rectifier.variants(strip, 1, 0, segmentation=eye.truth)
    assert variant.parameters["roll_read_rad"] == from_strip.parameters["roll_read_rad"]


def test_how_much_of_a_roll_is_corrected_is_a_setting_that_shares_the_weights(tmp_path, eye):
    rectifier = perturbed_rectifier()
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


def test_the_result_does_not_depend_on_the_other_strips(eye, strip):
    rectifier, other = perturbed_rectifier(), normalize(eye.image, eye.truth, (32, 256))
    together = rectifier.rectify([other, strip, other])
    alone = rectifier.rectify(strip)
    assert together[1].parameters == alone.parameters and len(together) == 3
    assert np.array_equal(together[1].strip.image, alone.strip.image)


def test_without_a_mask_all_is_usable(strip):
    assert perturbed_rectifier().rectify(strip.image, size=(16, 64)).strip.usable.mean() > 0.8


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
    with pytest.raises(ValueError, match=r"got float64 of 0\.\.200: divide gray levels of 0\.\.255 by 255"):
        rectifier.rectify(np.linspace(0, 200, 64).reshape(8, 8))
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


# Files.


@pytest.mark.parametrize(
    "options", [{}, {"transform": "tps"}, {"full_circle": True, "position": False, "iterations": 3}]
)
def test_saved_and_loaded_it_is_the_same(tmp_path, strip, options):
    rectifier = perturbed_rectifier(**options)
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
    for override in ("width=12", "max_oval=0.1", "transform=swirl", "rows=32", "max_shift=0.3"):
        with pytest.raises(ConfigError):
            load_config(RectifierConfig, overrides=[override])
