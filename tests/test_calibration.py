"""What a similarity says, and several captures as one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.errors import WeightsError
from irisstn.evaluation import evaluate_embeddings
from irisstn.recognition import IRIS_CODE, Calibration, StripNet, distance, encode, fuse, fuse_strips
from irisstn.results import Strip
from irisstn.weights import CODE_CALIBRATION, SHIPPED


@pytest.fixture(scope="module")
def similarities():
    """Mated and non-mated ones, as a network with 100 effective dimensions gives them."""
    rng = np.random.default_rng(0)
    return rng.normal(0.6, 0.15, 3000).clip(-1, 1), rng.normal(0, 0.1, 400_000)


def test_claimed_false_match_rates_are_those_of_other_comparisons(similarities):
    calibration = Calibration.of(*similarities)
    others = np.random.default_rng(1).normal(0, 0.1, 2_000_000)
    for rate in (0.3, 1e-2, 1e-3, 1e-4):
        measured = (others >= calibration.threshold(rate)).mean()
        assert 0.2 * rate < measured < 1.3 * rate
    # Beyond what was seen the claim is too high rather than too low.
    assert (others >= calibration.threshold(1e-6)).mean() <= 1e-6
    assert calibration.false_match_rate(calibration.threshold(1e-5)) == pytest.approx(1e-5)
    # And below the tail: half of the others are above their mean.
    assert calibration.false_match_rate([-1.0, 0.0, 0.1]) == pytest.approx([1, 0.5, 0.159], abs=0.02)
    rates = calibration.false_match_rate(np.linspace(-1, 1, 50))
    assert rates.shape == (50,) and (np.diff(rates) <= 0).all() and rates[-1] < 1e-8
    for wrong in (0.0, 0.5, -1.0):
        with pytest.raises(ValueError, match="false match rate"):
            calibration.threshold(wrong)


def test_the_log_likelihood_ratio_is_that_of_the_distributions():
    # Two normal distributions of one spread: the true ratio is (m1 - m0) / s^2 times the distance to the middle.
    rng = np.random.default_rng(2)
    calibration = Calibration.of(rng.normal(0.3, 0.15, 5000), rng.normal(0, 0.15, 100_000))
    scores = np.array([-0.1, 0.15, 0.4])
    assert calibration.log_likelihood_ratio(scores) == pytest.approx((scores - 0.15) * 0.3 / 0.15**2, abs=0.35)
    # Where nothing overlaps it is still a number.
    apart = Calibration.of(rng.normal(0.9, 0.01, 100), rng.normal(0, 0.01, 5000))
    assert apart.log_likelihood_ratio(0.9) > 5 and apart.log_likelihood_ratio(0.0) < -4
    # However similar two strips are, so many comparisons show no more.
    assert apart.log_likelihood_ratio([-1.0, 1.0]) == pytest.approx([-np.log(100), np.log(5000)])


def test_a_calibration_comes_back_from_its_file_and_knows_its_network(similarities, tmp_path):
    calibration = Calibration.of(*similarities)
    calibration.save(tmp_path / "recognizer.json", "ab12")
    assert Calibration.load(tmp_path) == calibration
    assert Calibration.load(tmp_path / "recognizer.json", recognizer_sha256="ab12") == calibration
    with pytest.raises(WeightsError, match="another network"):
        Calibration.load(tmp_path, recognizer_sha256="cd34")
    with pytest.raises(WeightsError, match="does not exist: this network has no calibration"):
        Calibration.load(tmp_path / "none.json")
    stored = json.loads((tmp_path / "recognizer.json").read_text())
    for wrong in (b"", b"[]", json.dumps(stored | {"excess": -1}).encode(), json.dumps(stored | {"x": 1}).encode()):
        (tmp_path / "recognizer.json").write_bytes(wrong)
        with pytest.raises(WeightsError, match="no calibration"):
            Calibration.load(tmp_path)


def test_the_shipped_calibration_is_the_shipped_networks():
    calibration = Calibration.load(recognizer_sha256=StripNet.load().weights_sha256)
    assert 0 < calibration.quantile < calibration.threshold(1e-3) < calibration.threshold(1e-6) < 0.8


def test_the_iris_code_has_a_calibration_of_its_own():
    calibration = Calibration.load(recognizer_sha256=IRIS_CODE)
    assert 0.1 < calibration.threshold(1e-3) < calibration.threshold(1e-6) < 0.4
    with pytest.raises(WeightsError, match="another network"):
        Calibration.load(SHIPPED / CODE_CALIBRATION, recognizer_sha256="ab12")


def test_comparisons_that_cannot_be_calibrated_are_misuse(similarities):
    mated, others = similarities
    for bad in ((mated[:5], others), (mated, others[:100]), (np.append(mated, np.nan), others)):
        with pytest.raises(ValueError, match=r"needed|finite"):
            Calibration.of(*bad)
    with pytest.raises(ValueError, match="no calibration"):
        Calibration.of(others[:3000], mated)  # the less alike, the larger


def eyes(captures, noise, seed=0, count=150, size=64):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 1, size))
    found = points + noise * rng.normal(size=(count, captures, size))
    return found / np.linalg.norm(found, axis=2, keepdims=True)


def test_several_captures_in_the_gallery_err_less():
    captures = eyes(captures=4, noise=1.6)
    rates = []
    for k in (1, 2, 3):
        gallery = np.stack([fuse(eye[:k]) for eye in captures])
        names = [str(i) for i in range(len(captures))] * 2
        rates.append(evaluate_embeddings(np.concatenate([gallery, captures[:, 3]]), names, resamples=0).eer.value)
    assert 0.01 < rates[2] < 0.9 * rates[1] < 0.9 * 0.95 * rates[0]


def test_a_capture_of_another_eye_is_left_out():
    (eye,), (other,) = eyes(3, 0.5, count=1), eyes(1, 0.5, seed=9, count=1)
    mixed = np.concatenate([eye, other])
    assert np.allclose(fuse(mixed), fuse(eye), atol=1e-6)
    assert np.allclose(fuse(mixed[::-1]), fuse(eye), atol=1e-6)
    assert not np.allclose(fuse(mixed, least_alike=-1.0), fuse(eye), atol=1e-2)
    # Of two captures that differ neither is known to be wrong.
    pair = np.stack([eye[0], other[0]])
    assert np.allclose(fuse(pair) @ eye[0], fuse(pair) @ other[0], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_what_is_fused_has_length_1_and_no_order(k, seed):
    captures = np.random.default_rng(seed).normal(size=(k, 16))
    fused = fuse(captures)
    assert fused.shape == (16,) and fused.dtype == np.float32
    assert np.linalg.norm(fused) == pytest.approx(1, abs=1e-5)
    assert np.allclose(fuse(captures[::-1]), fused, atol=1e-5)
    assert np.allclose(fuse(3 * captures), fused, atol=1e-5)


def test_one_capture_is_itself_and_opposite_ones_give_the_first():
    one = np.array([[0.6, 0.8]])
    assert np.allclose(fuse(one), one[0]) and np.allclose(fuse(np.concatenate([one, -one])), one[0])
    for bad in (np.zeros((0, 4)), np.zeros((2, 4)), np.ones(4), np.array([[np.nan, 1.0]])):
        with pytest.raises(ValueError, match="embedding"):
            fuse(bad)


def test_strips_of_one_eye_show_more_when_they_are_fused(strip):
    rng = np.random.default_rng(0)
    left, right = strip.usable.copy(), strip.usable.copy()
    left[:, :150], right[:, 300:] = False, False
    noisy = [
        Strip(np.clip(strip.image + rng.normal(0, 12, strip.image.shape), 0, 255).astype(np.uint8), usable)
        for usable in (left, right)
    ]
    turned = Strip(np.roll(noisy[1].image, 14, axis=1), np.roll(noisy[1].usable, 14, axis=1))
    fused = fuse_strips([noisy[0], turned])
    assert fused.usable.mean() > 0.97 * strip.usable.mean() > max(left.mean(), right.mean())
    truth = encode(strip)
    apart = [distance(encode(one), truth) for one in (noisy[0], fused)]
    assert apart[1] < apart[0]
    # An intruder among three is left out.
    intruder = Strip(rng.permutation(strip.image.ravel()).reshape(strip.image.shape), strip.usable)
    again = fuse_strips([noisy[0], turned, intruder])
    assert np.array_equal(again.image, fused.image)
    assert not np.array_equal(fuse_strips([noisy[0], turned, intruder], most_distant=2.0).image, fused.image)
    with pytest.raises(ValueError, match="one size"):
        fuse_strips([])
