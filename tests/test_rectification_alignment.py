"""One strip rotated onto another: a single comparison in place of a search over shifts."""

import numpy as np
import pytest
from builders import perturbed_rectifier, rendered_eye

from irisstn import Rectifier, RectifierConfig, Strip, normalize
from irisstn.normalization import ring_grid, sample_ring
from irisstn.recognition import distance, encode, roll_between
from irisstn.synthetic import RenderedEye

COLUMN = 2 * np.pi / 256  # of an iris code


def seen_from(eye: RenderedEye, roll_rad: float) -> Strip:
    radius, angle = ring_grid((64, 512))
    return sample_ring(eye.image, eye.truth, (radius, angle + roll_rad))


@pytest.mark.parametrize("roll_rad", [-0.4, -0.0123, 0.0, 0.2, 0.5])
def test_the_roll_is_found_to_a_fraction_of_a_column(eye, roll_rad):
    found = roll_between(encode(normalize(eye.image, eye.truth)), encode(seen_from(eye, roll_rad)))
    assert found == pytest.approx(roll_rad, abs=COLUMN / 4)


def test_it_keeps_within_the_largest_roll(eye):
    code, other = encode(normalize(eye.image, eye.truth)), encode(seen_from(eye, 0.5))
    assert abs(roll_between(code, other, max_roll_deg=10)) <= np.deg2rad(10)
    for wrong in (0.0, -3.0, 181.0):
        with pytest.raises(ValueError, match="max_roll_deg"):
            roll_between(code, other, max_roll_deg=wrong)


def test_strips_without_a_common_usable_cell_are_not_rotated(eye):
    plain = normalize(eye.image, eye.truth)
    hidden = Strip(plain.image, np.zeros(plain.size, bool))
    assert roll_between(encode(plain), encode(hidden)) == 0
    assert Rectifier().align(plain, hidden).parameters["roll_rad"] == 0


def test_an_aligned_eye_is_the_strip_that_begins_where_the_reference_does(eye):
    found = Rectifier().align_eye(eye.image, eye.truth, seen_from(eye, 0.17))
    exact = seen_from(eye, found.parameters["roll_rad"])
    assert found.parameters["roll_rad"] == pytest.approx(0.17, abs=COLUMN / 4)
    assert np.abs(found.strip.image.astype(int) - exact.image).max() <= 2, "sampled once, from the photograph"
    assert (found.strip.usable == exact.usable).mean() > 0.99


@pytest.mark.parametrize("rectifier", [Rectifier(), perturbed_rectifier()], ids=["untrained", "any weights"])
def test_one_comparison_of_another_capture_is_as_good_as_a_search(rectifier):
    for identity in range(3):
        reference = rectifier.rectify_eye(*_pair(rendered_eye(identity, 10))).strip
        probe = rendered_eye(identity, 11)
        plain = rectifier.rectify_eye(*_pair(probe)).strip
        aligned = rectifier.align_eye(*_pair(probe), reference)
        searched = distance(encode(plain), encode(reference), max_shift=21)
        assert distance(encode(aligned.strip), encode(reference)) < searched + 0.02 < 0.4
        alone = normalize(*_pair(probe))  # a strip without its photograph is enough
        searched = distance(encode(rectifier.rectify(alone).strip), encode(reference), max_shift=21)
        assert distance(encode(rectifier.align(alone, reference).strip), encode(reference)) < searched + 0.02


def test_the_result_says_how_well_it_fits(eye):
    rectifier, another_eye = Rectifier(), rendered_eye(7)
    reference = normalize(eye.image, eye.truth)
    same = rectifier.align(seen_from(eye, 0.2), reference)
    other = rectifier.align_eye(another_eye.image, another_eye.truth, reference)
    for found in (same, other):
        expected = distance(encode(found.strip), encode(reference))
        assert found.parameters["alignment_distance"] == expected
    assert same.parameters["alignment_distance"] < 0.2 < 0.4 < other.parameters["alignment_distance"]
    hidden = Strip(reference.image, np.zeros(reference.size, bool))
    assert rectifier.align(reference, hidden).parameters["alignment_distance"] == 2
    assert not {"alignment_distance", "roll_at_limit"} & set(rectifier.rectify(reference).parameters)


@pytest.mark.parametrize(("roll_deg", "at_limit"), [(0, 0), (-25, 0), (25, 0), (-31, 1), (31, 1)])
def test_the_result_says_whether_the_roll_is_at_its_limit(eye, roll_deg, at_limit):
    found = Rectifier().align(normalize(eye.image, eye.truth), seen_from(eye, np.deg2rad(roll_deg)))
    assert found.parameters["roll_at_limit"] == at_limit


def test_a_search_over_the_full_circle_has_no_limit(eye):
    rectifier = Rectifier(RectifierConfig(width=8, full_circle=True, max_roll_deg=180))
    found = rectifier.align(normalize(eye.image, eye.truth), seen_from(eye, np.pi))
    assert found.parameters["roll_at_limit"] == 0


def test_the_result_has_the_size_that_was_asked_for(eye):
    plain = normalize(eye.image, eye.truth)
    assert Rectifier().align(plain, plain, size=(32, 256)).strip.size == (32, 256)
    assert Rectifier().align_eye(eye.image, eye.truth, plain, (16, 128)).strip.size == (16, 128)


def test_only_a_ring_can_be_aligned(eye):
    plain = normalize(eye.image, eye.truth)
    with pytest.raises(ValueError, match="only a ring"):
        Rectifier(RectifierConfig(transform="affine", width=8)).align(plain, plain)


def _pair(eye: RenderedEye):
    return eye.image, eye.truth
