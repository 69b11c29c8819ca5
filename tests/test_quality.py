# mypy: disable-error-code="arg-type"
"""Each measure of ISO/IEC 29794-6, on drawn pictures whose value is known."""

import tracemalloc

import cv2
import numpy as np
import pytest
from builders import drawn_eye, make_segmentation

from irisstn.geometry import Boundary, Ellipse, Eyelid
from irisstn.quality import RECOMMENDED, Quality, measure_quality
from irisstn.results import Segmentation

SHAPE = (480, 640)
PUPIL, LIMBUS = Boundary.circle(320, 240, 40), Boundary.circle(320, 240, 100)


def drawn(pupil: int = 20, iris: int = 100, sclera: int = 180) -> np.ndarray:
    return drawn_eye(PUPIL, LIMBUS, SHAPE, (pupil, iris, sclera))


def ring(pupil: Boundary = PUPIL, limbus: Boundary = LIMBUS, usable: np.ndarray | None = None) -> Segmentation:
    return make_segmentation(pupil, limbus, SHAPE, usable=usable)


def test_a_clean_eye_scores_what_the_formulas_say() -> None:
    quality = measure_quality(drawn(), ring())
    assert quality.usable_iris_area == pytest.approx(100, abs=0.5)
    assert quality.iris_sclera_contrast == pytest.approx(100 * 80 / (180 + 100 - 40))
    assert quality.iris_pupil_contrast == pytest.approx(100 * 2 / 2.75)  # w = 80 / 40
    assert quality.pupil_boundary_circularity == pytest.approx(100, abs=0.01)
    assert quality.iris_radius == pytest.approx(100)
    assert quality.pupil_iris_ratio == pytest.approx(40)
    assert quality.iris_pupil_concentricity == pytest.approx(100)
    assert quality.margin_adequacy == pytest.approx(100)
    shares = np.array([np.pi * 40**2, np.pi * (100**2 - 40**2), 480 * 640 - np.pi * 100**2]) / (480 * 640)
    assert quality.gray_scale_utilisation == pytest.approx(-(shares * np.log2(shares)).sum(), abs=0.01)


def test_half_an_iris_under_an_eyelid_is_half_usable() -> None:
    usable = np.zeros(SHAPE, bool)
    usable[240:] = True
    assert measure_quality(drawn(), ring(usable=usable)).usable_iris_area == pytest.approx(50, abs=1)


def test_an_iris_cut_by_the_picture_is_not_all_usable() -> None:
    cut = Boundary.circle(320, 440, 100)
    quality = measure_quality(drawn(), ring(Boundary.circle(320, 440, 40), cut))
    assert 60 < quality.usable_iris_area < 85
    assert quality.margin_adequacy == 0


def test_contrast_is_zero_where_the_pupil_is_not_the_darkest() -> None:
    assert measure_quality(drawn(pupil=120), ring()).iris_sclera_contrast == 0
    assert measure_quality(drawn(iris=180), ring()).iris_sclera_contrast == 0


def test_sclera_contrast_is_measured_between_the_eyelids_only() -> None:
    image = drawn()
    image[:190] = 90  # skin above the upper eyelid
    eyelids = Eyelid(320, 240, 0.0, (-50.0, 0.0, 0.0)), Eyelid(320, 240, 0.0, (50.0, 0.0, 0.0))
    image[291:] = 90
    usable = np.zeros(SHAPE, bool)
    usable[191:290] = True
    segmentation = make_segmentation(PUPIL, LIMBUS, SHAPE, usable=usable, eyelids=eyelids)
    assert measure_quality(image, segmentation).iris_sclera_contrast == pytest.approx(100 * 80 / 240)


def test_circularity_falls_with_the_shape_but_not_with_the_place() -> None:
    oval = Boundary.from_ellipse(Ellipse(320, 240, 48, 32))
    bent = measure_quality(drawn(), ring(pupil=oval)).pupil_boundary_circularity
    # The radius varies by about 8 cos 2t, so |c_2| is about 4.
    assert bent == pytest.approx(100 - 16, abs=2.5)
    assert (
        bent
        > measure_quality(drawn(), ring(Boundary.from_ellipse(Ellipse(320, 240, 52, 28)))).pupil_boundary_circularity
    )
    same_circle = Boundary.from_radii(317, 241, _radii_of_circle_seen_from(317, 241))
    assert measure_quality(drawn(), ring(same_circle)).pupil_boundary_circularity == pytest.approx(100, abs=0.05)


def _radii_of_circle_seen_from(x: float, y: float) -> np.ndarray:
    angles = 2 * np.pi * np.arange(64) / 64
    along = (320 - x) * np.cos(angles) + (240 - y) * np.sin(angles)
    across = -(320 - x) * np.sin(angles) + (240 - y) * np.cos(angles)
    return along + np.sqrt(40**2 - across**2)


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(120, 240, 100 * 20.5 / 60), (480, 240, 100), (320, 110, 50 * 1.05), (320, 380, 0)]
)
def test_margin_is_the_worst_side(x: float, y: float, expected: float) -> None:
    quality = measure_quality(drawn(), ring(Boundary.circle(x, y, 40), Boundary.circle(x, y, 100)))
    assert quality.margin_adequacy == pytest.approx(expected, abs=1)


def test_concentricity_counts_iris_radii() -> None:
    quality = measure_quality(drawn(), ring(pupil=Boundary.circle(330, 240, 40)))
    assert quality.iris_pupil_concentricity == pytest.approx(90)


def test_sharpness_falls_with_blur() -> None:
    sharp = np.random.default_rng(0).integers(60, 200, SHAPE).astype(np.uint8)
    scores = [measure_quality(cv2.GaussianBlur(sharp, (0, 0), sigma), ring()).sharpness for sigma in (0.5, 1, 2, 4, 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 90
    assert scores[-1] < 1


def test_sharpness_is_the_filter_of_the_standard() -> None:
    image = np.zeros(SHAPE, np.uint8)
    image[100, 100] = 255  # a point: the filter's own taps, at each 4th row and column
    taps = 255.0 * np.array([-40, *[0] * 8])  # the window of 9 is centred on the point once; its neighbours see 0 or 2
    power = (taps[0] ** 2 + 4 * 0 + 4 * 0) / (118 * 158)
    neighbours = 255.0**2 * (4 * 2**2 + 4 * 0**2)
    power += neighbours / (118 * 158)
    assert measure_quality(image, ring()).sharpness == pytest.approx(100 * power**2 / (power**2 + 1.8e6**2), rel=1e-3)


def test_every_figure_has_a_recommended_range() -> None:
    quality = measure_quality(drawn(), ring())
    assert set(quality.as_dict()) == set(RECOMMENDED)
    assert quality.outside_recommended() == ("gray_scale_utilisation", "sharpness")
    assert isinstance(quality, Quality)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="8-bit picture"):
        measure_quality(drawn()[1:], ring())


def test_a_large_picture_is_filtered_in_bands_of_bounded_memory() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2400, 3200)).astype(np.uint8)
    found = Segmentation(PUPIL, LIMBUS, None, None, *np.zeros((2, 2400, 3200), bool))
    tracemalloc.start()
    sharpness = measure_quality(image, found).sharpness
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * image.size  # 81 floats for each 16 pixels would be 20
    # The kernel as the standard prints it; quality.py adds rows and columns before it multiplies, in bands of rows.
    half = ["011222110", "124555421", "145303541", "253CXC352", "250XYX052"]
    rows = half + half[3::-1]
    kernel = np.array([[{"C": -12, "X": -24, "Y": -40}.get(k) or int(k) for k in row] for row in rows], float)
    filtered = cv2.filter2D(image, cv2.CV_64F, kernel)[4:-4:4, 4:-4:4]
    power = np.square(filtered).mean()
    assert sharpness == pytest.approx(100 * power**2 / (power**2 + 1.8e6**2), rel=1e-6)
    assert sharpness > 10
