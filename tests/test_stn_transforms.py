# mypy: disable-error-code="arg-type, index, union-attr"
"""The families of transforms: identity, bounds, composition, inverse, gradients, and other libraries' results."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from irisstn.geometry import grid_to_pixels
from irisstn.stn import (
    TRANSFORMS,
    Affine,
    Attention,
    MatrixTransform,
    Projective,
    Ring,
    Rotation,
    Scale,
    ThinPlateSpline,
    Transform,
    Translation,
    sample,
    unit_points,
)

FAMILIES = sorted(TRANSFORMS)
MATRICES = ["affine", "attention", "projective", "rotation", "scale", "translation"]


def some_theta(transform: Transform, spread: float = 0.1, batch: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, transform.n_params, generator=generator, dtype=torch.float64)
    return transform.identity().double() + spread * noise


def test_the_table_names_every_family():
    assert set(FAMILIES) == {*MATRICES, "tps", "ring"}
    for make in TRANSFORMS.values():
        transform = make()
        assert len(transform.names) == len(set(transform.names)) == transform.n_params == len(transform.identity())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (64, 512)])
def test_the_identity_samples_every_cell_where_it_lies(family, size):
    transform = TRANSFORMS[family]()
    for dtype, error in ((torch.float32, 2e-7), (torch.float64, 1e-15)):
        theta = transform.identity().to(dtype).expand(2, -1)
        grid = transform(theta, size)
        assert grid.shape == (2, *size, 2) and grid.dtype == dtype
        x = (2 * np.arange(size[1]) + 1) / size[1] - 1
        y = (2 * np.arange(size[0]) + 1) / size[0] - 1
        np.testing.assert_allclose(grid[1, :, :, 0].numpy(), np.broadcast_to(x, size), atol=error)
        np.testing.assert_allclose(grid[1, :, :, 1].numpy(), np.broadcast_to(y[:, None], size), atol=error)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_theta_leaves_the_bound(family):
    transform = TRANSFORMS[family]()
    limit = transform.physical(transform.identity()[None] + 1e6)
    for size in (10.0, 1e4, 1e30):
        theta = some_theta(transform, size, batch=50).float()
        physical = transform.physical(theta)
        assert torch.isfinite(physical).all() and torch.isfinite(transform(theta, (4, 6))).all()
        beyond = (physical - transform.identity()).abs() - (limit - transform.identity()).abs().max()
        assert beyond.max() <= 1e-5
    assert torch.isfinite(limit).all() and limit.abs().max() < 5


def test_without_a_bound_theta_is_the_parameter_itself():
    theta = torch.tensor([[50.0, -3, 200, 0, 7, 1]])
    assert torch.equal(Affine(bound=None).physical(theta), theta)
    assert torch.equal(Affine(bound=None).theta_of(theta), theta)
    assert Affine().physical(theta).max() <= 3


@pytest.mark.parametrize("family", FAMILIES)
def test_theta_is_the_parameter_near_the_identity_and_theta_of_inverts(family):
    transform = TRANSFORMS[family]()
    theta = some_theta(transform, 1e-3)
    torch.testing.assert_close(transform.physical(theta), theta, atol=1e-4, rtol=0)
    wide = some_theta(transform, 0.05)
    torch.testing.assert_close(transform.theta_of(transform.physical(wide)), wide, atol=1e-9, rtol=0)
    named = transform.parameters_by_name(wide)
    assert tuple(named) == transform.names
    torch.testing.assert_close(torch.stack(list(named.values()), dim=1), transform.physical(wide))


@pytest.mark.parametrize("family", MATRICES)
def test_matrices_compose_and_invert_exactly(family):
    transform = TRANSFORMS[family]()
    assert isinstance(transform, MatrixTransform)
    a, b = some_theta(transform, 0.1, seed=1), some_theta(transform, 0.1, seed=2)
    points = unit_points((5, 7), a).reshape(1, 35, 2)
    twice = transform.move(a, transform.move(b, points))
    torch.testing.assert_close(transform.move(transform.compose(a, b), points), twice, atol=1e-9, rtol=0)
    back = transform.move(transform.inverse(a), transform.move(a, points))
    torch.testing.assert_close(back, points.expand_as(back), atol=1e-9, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_composing_with_the_identity_changes_nothing(family):
    transform = TRANSFORMS[family]()
    theta, identity = some_theta(transform, 0.05), transform.identity().double().expand(3, -1)
    physical = transform.physical(theta)
    for composed in (transform.compose(theta, identity), transform.compose(identity, theta)):
        error = (transform.physical(composed) - physical).abs()
        # A ring takes the share of its input, and fits its boundaries: second order where both centres move.
        kept = slice(0, 11) if family == "ring" else slice(None)
        assert error[:, kept].max() < (6e-3 if family == "ring" else 1e-6)


def test_the_order_of_composition_is_outer_of_inner():
    scale = torch.tensor([[0.5, 0.0, 0.0]], dtype=torch.float64)
    shift = torch.tensor([[1.0, 0.3, 0.0]], dtype=torch.float64)
    attention = Attention(bound=None)
    assert attention.compose(scale, shift)[0, 1] == pytest.approx(0.15)
    assert attention.compose(shift, scale)[0, 1] == pytest.approx(0.3)


def test_splines_compose_through_their_control_points():
    spline = ThinPlateSpline(points=3)
    a, b = some_theta(spline, 0.05, seed=1), some_theta(spline, 0.05, seed=2)
    side = torch.linspace(-1, 1, 3, dtype=torch.float64)
    y, x = torch.meshgrid(side, side, indexing="ij")
    controls = torch.stack([x.reshape(-1), y.reshape(-1)], dim=-1)[None]
    twice = spline.move(a, spline.move(b, controls))
    torch.testing.assert_close(spline.move(spline.compose(a, b), controls), twice, atol=1e-9, rtol=0)
    # Between them it is close, not exact.
    points = unit_points((9, 9), a).reshape(1, 81, 2)
    gap = spline.move(spline.compose(a, b), points) - spline.move(a, spline.move(b, points))
    assert 1e-6 < gap.abs().max() < 0.02


def test_a_spline_goes_through_its_places_and_is_affine_for_affine_places():
    spline = ThinPlateSpline(points=4, bound=None)
    theta = spline.identity().double()[None] + 0.1 * torch.randn(1, 32, dtype=torch.float64)
    controls = spline.identity().double().reshape(2, 16).T[None]
    torch.testing.assert_close(spline.move(theta, controls), theta.reshape(1, 2, 16).transpose(1, 2))
    affine = torch.tensor([[0.9, 0.2, 0.1, -0.3, 1.1, 0.05]], dtype=torch.float64)
    theta = Affine(bound=None).move(affine, controls).transpose(1, 2).reshape(1, 32)
    expected = Affine(bound=None)(affine, (6, 9))
    torch.testing.assert_close(spline(theta, (6, 9)), expected)


def test_a_turn_of_an_oblong_image_keeps_its_shape_with_the_aspect():
    size = (40, 100)
    theta = torch.tensor([[math.pi / 2]], dtype=torch.float64)
    points = torch.tensor([[[0.2, 0.0]]], dtype=torch.float64)
    moved = grid_to_pixels(Rotation(bound=None, aspect=2.5).move(theta, points).numpy(), size)[0, 0]
    # 10 pixels to the right of the centre become 10 pixels below it.
    np.testing.assert_allclose(moved, [49.5, 29.5], atol=1e-9)


def test_each_parameter_does_what_its_name_says():
    point = torch.tensor([[[0.5, -0.25]]], dtype=torch.float64)
    cases = [
        (Translation(None), [0.1, 0.2], [0.6, -0.05]),
        (Scale(None), [0.5, 2.0], [0.25, -0.5]),
        (Attention(None), [0.5, 0.1, 0.2], [0.35, 0.075]),
        (Rotation(None), [math.pi / 2], [0.25, 0.5]),
        (Affine(None), [1, 2, 3, 4, 5, 6], [3.0, 6.75]),
        (Projective(None), [1, 0, 0, 0, 1, 0, 1.0, 0], [1 / 3, -1 / 6]),
    ]
    for transform, theta, expected in cases:
        moved = transform.move(torch.tensor([theta], dtype=torch.float64), point)[0, 0]
        np.testing.assert_allclose(moved.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_right_through_theta_and_image(family):
    transform = TRANSFORMS[family]()
    theta = some_theta(transform, 0.07, batch=2, seed=4).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 2, 5, 8, generator=generator, dtype=torch.float64).requires_grad_()
    wrap = family == "ring"
    assert torch.autograd.gradcheck(
        lambda t, i: sample(i, transform(t, (4, 6)), wrap=wrap, padding="border"), (theta, image), atol=1e-6
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_composition_has_gradients(family):
    transform = TRANSFORMS[family]()
    a = some_theta(transform, 0.05, batch=1, seed=1).requires_grad_()
    b = some_theta(transform, 0.05, batch=1, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(transform.compose, (a, b), atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_at_the_identity_is_finite_and_reaches_every_parameter(family):
    transform = TRANSFORMS[family]()
    theta = transform.identity().expand(1, -1).clone().requires_grad_()
    grid = transform(theta, (6, 7))
    grid.backward(torch.randn(grid.shape, generator=torch.Generator().manual_seed(0)))
    assert torch.isfinite(theta.grad).all()
    reached = theta.grad[:, :11] if family == "ring" else theta.grad  # the share matters where a centre moves
    assert (reached.abs() > 1e-4).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_low_precision_is_computed_in_float32(family):
    transform = TRANSFORMS[family]()
    for dtype in (torch.float16, torch.bfloat16):
        theta = some_theta(transform).to(dtype)
        grid = transform.to(dtype)(theta, (8, 12))
        assert grid.dtype == torch.float32
        torch.testing.assert_close(grid, TRANSFORMS[family]()(theta.float(), (8, 12)), atol=0, rtol=0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(transform(theta.float(), (8, 12)), grid, atol=0, rtol=0)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="theta must be"):
        Affine()(torch.zeros(2, 5), (4, 4))
    with pytest.raises(ValueError, match="theta must be"):
        Affine()(torch.zeros(6), (4, 4))
    with pytest.raises(ValueError, match="at least one row"):
        Affine()(torch.zeros(1, 6), (0, 4))
    for bound in (0.0, -1.0, math.inf, math.nan, (1.0, 2.0)):
        with pytest.raises(ValueError, match="bounds"):
            Affine(bound=bound)
    with pytest.raises(ValueError, match="control points"):
        ThinPlateSpline(points=1)
    with pytest.raises(ValueError, match="aspect"):
        Rotation(aspect=0)


def test_a_bounded_homography_keeps_its_horizon_outside():
    corners = torch.tensor([[[-1.0, -1], [1, -1], [1, 1], [-1, 1]]])
    theta = torch.zeros(1, 8)
    theta[0, [0, 4]] = 1
    theta[0, 6:] = 1e9
    assert Projective().move(theta, corners).abs().max() < 11  # 1 / (1 - 2 * 0.45)
    theta[0, 6:] = torch.tensor([1.0, 0.0])  # the horizon goes through two corners
    assert torch.isfinite(Projective(bound=None).move(theta, corners)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(3, 30), st.integers(3, 30), st.integers(3, 30))
def test_affine_and_projective_warps_equal_kornias(seed, height, width, rows, columns):
    kornia = pytest.importorskip("kornia.geometry.transform", reason="the oracle is a dev dependency")
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 1, height, width, generator=generator, dtype=torch.float64)
    for transform in (Affine(), Projective()):
        theta = some_theta(transform, 0.2, batch=2, seed=seed)
        # Kornia works in pixels, from source to destination.
        back = _unit_to_pixels((rows, columns)).inverse()
        to_pixels = _unit_to_pixels((height, width)) @ transform.matrix(theta) @ back
        expected = kornia.warp_perspective(image, to_pixels.inverse(), (rows, columns), align_corners=True)
        found = sample(image, transform(theta, (rows, columns)))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)  # kornia adds 1e-8 to divisors


def test_splines_equal_scipys():
    spline = ThinPlateSpline(points=3, bound=None)
    theta = some_theta(spline, 0.2, batch=1)
    controls, places = (t.reshape(2, 9).T.numpy() for t in (spline.identity().double(), theta[0]))
    points = unit_points((6, 5), theta).reshape(30, 2)
    expected = RBFInterpolator(controls, places, kernel="thin_plate_spline", degree=1)(points.numpy())
    np.testing.assert_allclose(spline.move(theta, points[None])[0].numpy(), expected, atol=1e-9)


def _unit_to_pixels(size: tuple[int, int]) -> Tensor:
    (height, width), zero = size, 0.0
    return torch.tensor(
        [[width / 2, zero, (width - 1) / 2], [zero, height / 2, (height - 1) / 2], [zero, zero, 1.0]],
        dtype=torch.float64,
    )


def test_the_ring_is_in_the_table_as_it_is_made_by_default():
    ring = TRANSFORMS["ring"]()
    assert isinstance(ring, Ring) and not ring.full_circle
