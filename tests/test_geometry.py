# mypy: disable-error-code="arg-type, var-annotated"
"""The coordinate conventions, on exact values."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irisstn.geometry import (
    Boundary,
    CropTransform,
    Ellipse,
    Eyelid,
    fourier_basis,
    fourier_coefficients,
    grid_to_pixels,
    grid_to_ring,
    median,
    pixel_axes,
    pixels_to_grid,
    quantiles,
    ring_points,
    ring_to_grid,
    strip_angles,
    strip_radii,
)

ANGLES = np.linspace(0, 2 * np.pi, 97)


@given(
    a=st.floats(20, 200),
    ratio=st.floats(0.7, 1),
    turn=st.floats(-1.5, 1.5),
    x=st.floats(-50, 400),
    y=st.floats(-50, 400),
)
def test_boundary_follows_its_ellipse(a: float, ratio: float, turn: float, x: float, y: float) -> None:
    ellipse = Ellipse(x, y, a, a * ratio, turn)
    curve = Boundary.from_ellipse(ellipse)
    assert np.abs(curve.radius(ANGLES) - ellipse.radius(ANGLES)).max() < 0.0015 * a
    back = curve.ellipse()
    assert math.hypot(back.x - x, back.y - y) < 0.01 * a
    assert back.a == pytest.approx(a, rel=0.01)
    assert back.b == pytest.approx(a * ratio, rel=0.01)
    if ratio < 0.9:
        assert abs(math.sin(back.angle_rad - turn)) < 0.02


def test_ellipse_reaches_its_axes() -> None:
    ellipse = Ellipse(10, 20, 30, 15, math.pi / 6)
    assert ellipse.radius(math.pi / 6) == pytest.approx(30)
    assert ellipse.radius(math.pi / 6 + math.pi / 2) == pytest.approx(15)


def test_angles_run_clockwise_from_the_right() -> None:
    points = Boundary.circle(100, 50, 10).points([0, np.pi / 2, np.pi])
    np.testing.assert_allclose(points, [[110, 50], [100, 60], [90, 50]], atol=1e-9)


def test_radii_keep_their_harmonics() -> None:
    radii = 40 + 3 * np.cos(2 * ANGLES[:-1]) - 2 * np.sin(ANGLES[:-1])
    curve = Boundary.from_radii(0, 0, radii, order=3)
    np.testing.assert_allclose(curve.cosines, [40, 0, 3, 0], atol=1e-9)
    np.testing.assert_allclose(curve.sines, [0, -2, 0, 0], atol=1e-9)


@pytest.mark.parametrize("radius", [12.0, 45.3, 110.7])
def test_mask_counts_the_pixel_centres_inside(radius: float) -> None:
    curve = Boundary.from_ellipse(Ellipse(160.3, 120.8, radius, radius * 0.9, 0.4))
    mask = curve.mask((260, 320))
    y, x = np.mgrid[:260, :320]
    inside = np.hypot(x - curve.x, y - curve.y) < curve.radius(np.arctan2(y - curve.y, x - curve.x))
    assert mask.dtype == np.bool_
    assert (mask ^ inside).sum() < 0.2 * 2 * np.pi * radius  # of the pixels that the edge crosses
    assert abs(int(mask.sum()) - int(inside.sum())) < 0.15 * 2 * np.pi * radius


def test_fourier_coefficients_are_those_of_the_basis_and_of_a_boundary() -> None:
    angles = strip_angles(64)
    series = np.array([10.0, 1.0, -2.0, 0.5, 0.25])
    radii = fourier_basis(angles, 2) @ series
    np.testing.assert_allclose(fourier_coefficients(radii, angles, 2), series, atol=1e-12)
    curve = Boundary(0, 0, (10.0, 1.0, 0.5), (0.0, -2.0, 0.25))
    np.testing.assert_allclose(radii, curve.radius(angles), atol=1e-12)
    np.testing.assert_allclose(curve.scaled(1.5).points(angles), 1.5 * curve.points(angles), atol=1e-12)


def test_mask_is_cut_at_the_picture() -> None:
    mask = Boundary.circle(0, 0, 20).mask((30, 40))
    assert mask[0, 0]
    assert mask[:, 25:].sum() == 0
    assert mask.sum() == pytest.approx(np.pi * 400 / 4, rel=0.1)


@pytest.mark.parametrize("turn", [0.0, 0.5, -0.5, np.pi])
def test_an_eyelid_divides_the_picture(turn: float) -> None:
    eyelid = Eyelid(60, 40, turn, (-5.0, 0.1, 0.01))
    above = eyelid.above((80, 120))
    edge = eyelid.points(np.linspace(-25, 25, 11))
    across = np.array([-math.sin(turn), math.cos(turn)])
    for sign, expected in ((-2.0, True), (2.0, False)):
        x, y = np.rint(edge + sign * across).astype(int).T
        assert (above[y, x] == expected).all()


def test_strip_cells_are_centred_and_the_same_at_every_size() -> None:
    assert strip_angles(4) == pytest.approx(np.array([0.25, 0.75, 1.25, 1.75]) * np.pi)
    assert strip_radii(2) == pytest.approx([0.25, 0.75])
    np.testing.assert_allclose(strip_angles(512).reshape(256, 2).mean(1), strip_angles(256))
    np.testing.assert_allclose(strip_radii(64).reshape(32, 2).mean(1), strip_radii(32))


def test_ring_points_lie_on_both_boundaries_and_continue_beyond() -> None:
    pupil, limbus = Boundary.circle(100, 100, 30), Boundary.circle(104, 98, 90)
    for radius, curve in ((0.0, pupil), (1.0, limbus)):
        np.testing.assert_allclose(ring_points(pupil, limbus, radius, ANGLES), curve.points(ANGLES))
    out = ring_points(pupil, limbus, np.array([[-0.1], [1.1]]), ANGLES[None])
    assert out.shape == (2, 97, 2)
    assert (np.hypot(*(out[0] - [100, 100]).T) < 30).all()
    assert (np.hypot(*(out[1] - [104, 98]).T) > 90).all()


@given(st.floats(-500, 500), st.floats(-500, 500), st.integers(1, 800), st.integers(1, 800))
def test_units_invert_and_span_the_pixels_edges(x: float, y: float, height: int, width: int) -> None:
    size = (height, width)
    np.testing.assert_allclose(grid_to_pixels(pixels_to_grid([x, y], size), size), [x, y], atol=1e-8)
    np.testing.assert_allclose(pixels_to_grid([-0.5, height - 0.5], size), [-1, 1], atol=1e-12)


@pytest.mark.parametrize("turn", [0.0, 0.7, -2.0])
def test_the_distance_below_an_eyelid_is_measured_across_the_eye(turn: float) -> None:
    eyelid = Eyelid(60, 40, turn, (-5.0, 0.1, 0.01))
    across = np.array([-math.sin(turn), math.cos(turn)])
    u = np.linspace(-25, 25, 11)
    x, y = (eyelid.points(u) + 7.0 * across).T
    np.testing.assert_allclose(eyelid.below(x, y), 7.0, atol=1e-9)
    along, v = eyelid.frame_coordinates(x, y)
    np.testing.assert_allclose(along, u, atol=1e-9)
    np.testing.assert_allclose(v, 7.0 - 5.0 + 0.1 * u + 0.01 * u**2, atol=1e-9)
    assert eyelid.below(*pixel_axes((8, 12))).shape == (8, 12)
    assert eyelid.below(*pixel_axes((8, 12))).dtype == np.float32


def test_ring_coordinates_and_grid_units_invert_each_other() -> None:
    size = (16, 64)
    radius, angle = np.meshgrid(strip_radii(size[0]), strip_angles(size[1]), indexing="ij")
    grid = np.stack(ring_to_grid(radius, angle), axis=-1)
    pixels = grid_to_pixels(grid, size)
    rows, columns = np.meshgrid(np.arange(16), np.arange(64), indexing="ij")
    np.testing.assert_allclose(pixels, np.stack([columns, rows], axis=-1), atol=1e-9)
    again = grid_to_ring(grid[..., 0], grid[..., 1])
    np.testing.assert_allclose(again, (radius, angle), atol=1e-12)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.7])
def test_a_crop_transform_maps_the_same_pixels_both_ways(factor: float) -> None:
    crop = CropTransform(13, 7, factor, factor)
    assert crop.point_to_picture(-0.5, -0.5) == pytest.approx((12.5, 6.5))  # the outer corners coincide
    boundary = Boundary(20.0, 30.0, (10.0, 0.5, 0.2), (0.0, -0.3, 0.1))
    eyelid = Eyelid(22.0, 31.0, 0.3, (-4.0, 0.1, 0.02))
    angles, u = ANGLES, np.linspace(-9, 9, 7)
    for inside, outside in (
        (boundary.points(angles), crop.boundary_to_picture(boundary).points(angles)),
        (eyelid.points(u), crop.eyelid_to_picture(eyelid).points(u * factor)),
    ):
        moved = np.stack(crop.point_to_picture(inside[:, 0], inside[:, 1]), axis=-1)
        np.testing.assert_allclose(outside, moved, atol=1e-9)
    again = crop.boundary_to_crop(crop.boundary_to_picture(boundary))
    np.testing.assert_allclose(again.points(angles), boundary.points(angles), atol=1e-9)
    np.testing.assert_allclose(
        crop.eyelid_to_crop(crop.eyelid_to_picture(eyelid)).points(u), eyelid.points(u), atol=1e-9
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ellipse(0, 0, -1, 2),
        lambda: Ellipse(math.nan, 0, 1, 2),
        lambda: Boundary.circle(0, 0, 0),
        lambda: Boundary(0, 0, (1.0, 2.0), (0.0,)),
        lambda: Boundary(0, 0, (), ()),
        lambda: Boundary.from_radii(0, 0, np.ones(16), order=8),
    ],
)
def test_impossible_shapes_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"ellipse|boundary|order"):
        make()


def test_even_points_and_radii_are_those_at_evenly_spaced_angles():
    curve = Boundary(50.0, 40.0, (20.0, 0.0, 1.5), (0.0, 0.0, -0.5))
    angles = 2 * np.pi * np.arange(64) / 64
    assert np.allclose(curve.even_points(64), curve.points(angles), rtol=0, atol=1e-12)
    assert np.allclose(curve.even_radii(64), curve.radius(angles), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 101])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_the_median_and_quantiles_are_those_of_numpy(count: int, kind: type):
    values = np.random.default_rng(count).uniform(0, 255, (count, 3)).astype(kind)
    assert median(values) == float(np.median(values))
    assert median(values[:, :1]) == float(np.median(values[:, :1]))
    for fraction in (0.16, 0.25, 0.5, 0.84):
        (found,) = quantiles(values.T, (fraction,))
        assert np.allclose(found, np.quantile(values, fraction, axis=0), rtol=1e-6, atol=0)
