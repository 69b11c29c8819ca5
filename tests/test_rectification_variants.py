# mypy: disable-error-code="arg-type, call-overload, misc"
"""Variants of a rectification."""

import numpy as np
import pytest
from builders import perturbed_rectifier


def test_variants_are_plausible_distinct_and_repeatable(eye, strip):
    rectifier = perturbed_rectifier()
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
    rectifier = perturbed_rectifier()
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
