# mypy: disable-error-code="arg-type, call-arg, operator"
"""The ring transform: identity, geometry compared with the rubber sheet, bounds, composition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from irisstn.geometry import TAU, Boundary, ring_points, strip_angles, strip_radii
from irisstn.stn import Ring, unit_points

SIZE = (16, 64)


def theta_with(ring: Ring, **parameters: float) -> Tensor:
    """The float64 theta (1, 12) of these physical parameters, all others as at the identity."""
    physical = ring.identity().double()[None]
    for name, value in parameters.items():
        physical[0, ring.names.index(name)] = value
    return ring.theta_of(physical)


def extreme_theta(seed: int, batch: int = 64) -> Tensor:
    """Thetas far beyond every bound, but for the pupil's share."""
    generator = torch.Generator().manual_seed(seed)
    theta = 10 * torch.randn(batch, 12, generator=generator, dtype=torch.float64)
    theta[:, -1] = 0.45
    return theta


@pytest.mark.parametrize("size", [(1, 1), (32, 256), (64, 512), (20, 100)])
def test_the_identity_is_the_rubber_sheet_to_the_bit(size):
    ring = Ring()
    radius, angle = ring.ring(ring.identity().double()[None], size)
    assert np.array_equal(radius[0].numpy(), np.broadcast_to(strip_radii(size[0])[:, None], size))
    assert np.array_equal(angle[0].numpy(), np.broadcast_to(strip_angles(size[1])[None], size))


def test_the_identity_does_not_depend_on_the_pupils_share():
    ring = Ring()
    radius, angle = ring.ring(theta_with(ring, pupil_share=0.6), SIZE)
    assert np.array_equal(radius[0].numpy(), np.broadcast_to(strip_radii(16)[:, None], SIZE))
    assert np.array_equal(angle[0].numpy(), np.broadcast_to(strip_angles(64)[None], SIZE))


def test_grid_ring_and_move_agree():
    ring = Ring()
    theta = 0.1 * torch.randn(3, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta[:, -1] += 0.45
    grid = ring(theta, SIZE)
    radius, angle = ring.ring(theta, SIZE)
    torch.testing.assert_close(grid, torch.stack([angle / torch.pi - 1, 2 * radius - 1], dim=-1))
    points = unit_points(SIZE, theta).reshape(1, -1, 2)
    torch.testing.assert_close(ring.move(theta, points).reshape(grid.shape), grid)


def test_concentric_parameters_do_what_the_convention_says():
    ring = Ring()
    named = {
        "roll_rad": 0.2,
        "pupil_0": 0.1,
        "pupil_cos2": 0.02,
        "limbus_0": -0.05,
        "limbus_sin2": 0.03,
    }
    theta = theta_with(ring, **named)
    assert {
        name: float(value) for name, value in ring.parameters_by_name(theta).items() if name in named
    } == pytest.approx(named)
    radius, angle = ring.ring(theta, SIZE)
    r, t = strip_radii(16)[:, None], strip_angles(64)[None] + 0.2
    p, high = 0.1 + 0.02 * np.cos(2 * t), 1 - 0.05 + 0.03 * np.sin(2 * t)
    np.testing.assert_allclose(radius[0].numpy(), p + (high - p) * r, atol=1e-9)
    np.testing.assert_allclose(angle[0].numpy(), np.broadcast_to(t, SIZE), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(25, 60),
    st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    st.lists(st.floats(-0.04, 0.04), min_size=2, max_size=2),
    st.floats(-0.4, 0.4),
)
def test_a_wrong_ring_is_corrected(pupil_px, shifts, shares, roll):
    """True boundaries 5 pixels and 4 % off the ring that was used: their curves lead to the true rubber sheet."""
    used = Boundary.circle(0, 0, pupil_px), Boundary.circle(0, 0, 100)
    true = tuple(
        Boundary.circle(shifts[2 * i], shifts[2 * i + 1], edge.mean_radius * (1 + shares[i]))
        for i, edge in enumerate(used)
    )
    named = {"roll_rad": roll, "pupil_share": pupil_px / 100}
    for edge, was, name in zip(true, used, ("pupil", "limbus"), strict=True):
        # The circle's distance from the ring's centre, in every direction.
        angle = strip_angles(64)
        along = edge.x * np.cos(angle) + edge.y * np.sin(angle)
        across = edge.x * np.sin(angle) - edge.y * np.cos(angle)
        distance = along + np.sqrt(edge.mean_radius**2 - across**2)
        curve = Boundary.from_radii(0, 0, 1000 + (distance - was.mean_radius) / (100 - pupil_px), 2)
        # `from_radii` takes its angles from 0 on, the strip's begin half a column later.
        for k in (1, 2):
            turned = complex(curve.cosines[k], curve.sines[k]) * np.exp(1j * k * angle[0])
            named[f"{name}_cos{k}"], named[f"{name}_sin{k}"] = turned.real, turned.imag
        named[f"{name}_0"] = curve.cosines[0] - 1000
    ring = Ring(max_shift=0.24, max_oval=0.019)
    radius, found_angle = ring.ring(theta_with(ring, **named), SIZE)
    found = ring_points(*used, radius[0].numpy(), found_angle[0].numpy())
    r, t = strip_radii(16)[:, None], strip_angles(64)[None]
    error = np.linalg.norm(found - ring_points(*true, r, t + roll), axis=-1)
    assert error.max() < 0.3


def test_a_shifted_centre_changes_angles():
    """A pupil that is shifted by 4 pixels changes angles next to it by several degrees."""
    ring = Ring()
    _, angle = ring.ring(theta_with(ring, pupil_sin1=0.07, pupil_share=0.4), SIZE)
    turned = np.rad2deg(angle[0].numpy() - strip_angles(64)[None])
    assert turned[0].max() > 4 and turned[0].min() > -6.5 and abs(turned[-1]).max() < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_every_theta_gives_a_ring_that_does_not_fold(seed):
    radius, angle = Ring().ring(extreme_theta(seed), (32, 128))
    assert (radius.diff(dim=1) > 0).all(), "the radius must grow from the pupil outward"
    assert (angle.diff(dim=2) > 0).all(), "the angle must grow around the ring"
    torch.testing.assert_close(angle[..., -1] - angle[..., 0] < TAU, torch.ones(64, 32, dtype=torch.bool))


@pytest.mark.parametrize("seed", range(3))
def test_it_continues_beyond_its_boundaries(seed):
    """The margin of a ring context needs it."""
    y = torch.linspace(-1.2, 2.5, 75, dtype=torch.float64)
    moved = Ring().move(extreme_theta(seed), torch.stack([torch.zeros_like(y), y], dim=-1)[None])[..., 1]
    assert (moved.diff(dim=1) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_known_pupils_share_of_any_size_stays_finite(seed):
    ring = Ring()
    for share in (0.01, 0.2, 0.7, 0.99):
        theta = ring.with_pupil_share(extreme_theta(seed), torch.full((64,), share)).requires_grad_()
        held = ring.parameters_by_name(theta)["pupil_share"].detach()
        assert ((held > 0.199) & (held < 0.701)).all()
        grid = ring(theta, SIZE)
        assert torch.isfinite(grid).all()
        grid.sum().backward()
        assert torch.isfinite(theta.grad).all()


def test_bounds_with_which_the_ring_could_fold_are_refused():
    with pytest.raises(ValueError, match="cross"):
        Ring(max_shift=0.3)
    with pytest.raises(ValueError, match="at least one row"):
        Ring().ring(Ring().identity()[None], (0, 8))


def test_the_bound_is_the_same_in_every_direction():
    """(cos, sin) pairs are bounded by their amplitude, so bounding commutes with rotation."""
    ring = Ring()
    offset = torch.zeros(1, 12, dtype=torch.float64)
    offset[0, [2, 3]] = torch.tensor([0.5, 0.1], dtype=torch.float64)
    offset[0, [9, 10]] = torch.tensor([0.1, -0.2], dtype=torch.float64)
    turned = offset.clone()
    turned[0, [2, 3]] = offset[0, [3, 2]] * torch.tensor([-1.0, 1.0])
    turned[0, [9, 10]] = offset[0, [10, 9]] * torch.tensor([-1.0, 1.0])
    plain, other = ring.physical(ring.identity() + offset), ring.physical(ring.identity() + turned)
    torch.testing.assert_close(other[0, [3, 10]], plain[0, [2, 9]])
    torch.testing.assert_close(-other[0, [2, 9]], plain[0, [3, 10]])


def test_a_full_circle_takes_any_roll():
    ring = Ring(full_circle=True)
    theta = torch.zeros(3, 12, dtype=torch.float64)
    theta[:, 0] = torch.tensor([3.0, -3.0, 7.0])
    assert ring.physical(theta)[:, 0].tolist() == [3, -3, 7]
    assert ring.theta_of(theta)[:, 0].tolist() == [3, -3, 7]
    assert ring.parameters_by_name(theta)["roll_rad"].tolist() == pytest.approx([3, -3, 7 - TAU])
    assert Ring().physical(theta)[:, 0].abs().max() < np.pi / 6


def test_rolls_compose_exactly_even_with_corrections():
    ring = Ring()
    theta = theta_with(ring, roll_rad=0.1, pupil_cos1=0.05, pupil_sin1=-0.04, limbus_sin2=0.03, limbus_0=0.02)
    roll = theta_with(ring, roll_rad=-0.25)
    composed = ring.physical(ring.compose(theta, roll))
    expected = ring.physical(theta)
    expected[0, 0] -= 0.25
    torch.testing.assert_close(composed, expected, atol=1e-6, rtol=0)


def test_composition_is_close_to_warping_twice():
    ring = Ring()
    generator = torch.Generator().manual_seed(3)
    for spread, most in ((0.02, 0.004), (0.05, 0.02)):
        a, b = (ring.identity() + spread * torch.randn(20, 12, generator=generator) for _ in range(2))
        a[:, -1] = b[:, -1] = 0.45
        points = unit_points(SIZE, a).reshape(1, -1, 2)
        twice, once = ring.move(a, ring.move(b, points)), ring.move(ring.compose(a, b), points)
        plain = ring.move(ring.identity()[None], points)
        error, moved = (twice - once).square().mean().sqrt(), (twice - plain).square().mean().sqrt()
        assert error < most and error < 0.12 * moved
