"""Localization networks: the start at the identity, any input size, and estimates that rotate with the strip."""

import pytest
import torch
from builders import perturbed
from torch import Tensor, nn

from irisstn.rectification.localization import CircularLocalization
from irisstn.stn import TRANSFORMS, Affine, Ring, Translation, TutorialLocalization, start_at_identity

STRIDE = CircularLocalization.STRIDE


def trained(net: CircularLocalization) -> CircularLocalization:
    """The network in float64, with random weights in every layer, so that no output is constant."""
    return perturbed(net, 0.2, seed=1).double()


def turned_pair(columns: int, steps: int) -> tuple[Tensor, Tensor, float]:
    """Strips, the same turned by `steps` strides, and that turn in radians."""
    strips = torch.rand(2, 2, 16, columns, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return strips, torch.roll(strips, steps * STRIDE, dims=-1), 2 * torch.pi * steps * STRIDE / columns


@pytest.mark.parametrize("columns", [64, 256])
@pytest.mark.parametrize("steps", [1, 3, -5])
def test_the_roll_turns_with_the_strip(columns, steps):
    ring = Ring(full_circle=True)
    net = trained(CircularLocalization(ring, 16, channels=2, width=16))
    strips, turned, by = turned_pair(columns, steps)
    plain, other = net(strips), net(turned)
    difference = torch.remainder(other[:, 0] - plain[:, 0] - by + torch.pi, 2 * torch.pi) - torch.pi
    assert difference.abs().max() < 1e-9
    assert plain[:, 0].std() > 1e-3, "the estimate depends on the strip"


@pytest.mark.parametrize("full_circle", [True, False])
def test_the_boundaries_turn_with_the_strip(full_circle):
    ring = Ring(full_circle=full_circle)
    net = trained(CircularLocalization(ring, 16, channels=2, width=16))
    strips, turned, by = turned_pair(64, 3)
    plain, other = (ring.parameters_by_name(net(s)) for s in (strips, turned))
    for boundary in ("pupil", "limbus"):
        torch.testing.assert_close(plain[f"{boundary}_0"], other[f"{boundary}_0"])
        for order in (1, 2):
            before, after = (
                torch.complex(named[f"{boundary}_cos{order}"], named[f"{boundary}_sin{order}"])
                for named in (plain, other)
            )
            # A curve cos(k a - phase) turned by d has the phase + k d.
            expected = before * torch.exp(torch.tensor(1j * order * by))
            torch.testing.assert_close(after, expected)
            assert before.abs().min() > 1e-4


def test_a_full_circle_net_brings_turned_strips_to_the_same_place():
    """The grid of the estimated theta compensates the rotation."""
    ring = Ring(full_circle=True)
    net = trained(CircularLocalization(ring, 16, channels=2, width=16))
    strips, turned, by = turned_pair(64, 5)
    grids = [ring(net(s), (16, 64)) for s in (strips, turned)]
    x = torch.remainder(grids[1][..., 0] - grids[0][..., 0] - by / torch.pi + 1, 2) - 1
    assert x.abs().max() < 1e-9
    torch.testing.assert_close(grids[0][..., 1], grids[1][..., 1])


def test_the_trunk_does_not_depend_on_the_angle():
    strips, turned, _ = turned_pair(64, 4)
    for position in (True, False):
        net = trained(CircularLocalization(Ring(), 16, channels=2, width=16, position=position))
        # Without the position the order-0 features are equal; the moments still depend on the angle.
        assert (net(strips) - net(turned))[:, 0].abs().max() > 1e-6
        flat = torch.ones(1, 2, 16, 64, dtype=torch.float64)
        features = net.trunk(flat)
        assert features.std(dim=-1).max() < 1e-9, "only the head depends on the angle"


@pytest.mark.parametrize("family", sorted(TRANSFORMS))
def test_every_net_starts_at_the_identity(family):
    transform = TRANSFORMS[family]()
    images = torch.rand(3, 1, 32, 64)
    for net in (TutorialLocalization(transform), CircularLocalization(transform, 32)):
        theta = net(images)
        assert torch.equal(theta, transform.identity().expand(3, -1))
        (theta * torch.rand_like(theta)).sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("size", [(22, 22), (28, 28), (42, 42), (64, 100)])
def test_the_tutorials_net_takes_any_size(size):
    assert TutorialLocalization(Affine(), channels=3)(torch.rand(2, 3, *size)).shape == (2, 6)


def test_at_28_pixels_it_is_the_tutorials_own():
    net = TutorialLocalization(Affine())
    assert sum(p.numel() for p in net.parameters()) == 400 + 2010 + 90 * 32 + 32 + 32 * 6 + 6
    features = net.features(torch.rand(1, 1, 28, 28))
    torch.testing.assert_close(net.pool(features), features)


def test_the_circular_net_is_small():
    net = CircularLocalization(Ring(), 64, channels=4)
    assert sum(p.numel() for p in net.parameters()) < 400_000


def test_one_strip_is_treated_like_many():
    net = trained(CircularLocalization(Ring(), 16, channels=2, width=16)).train()
    strips = torch.rand(4, 2, 16, 64, dtype=torch.float64)
    torch.testing.assert_close(net(strips)[2:3], net(strips[2:3]))


def test_misuse_is_refused():
    for rows in (0, 12):
        with pytest.raises(ValueError, match="rows"):
            CircularLocalization(Ring(), rows)
    with pytest.raises(ValueError, match="width"):
        CircularLocalization(Ring(), 16, width=20)
    net = CircularLocalization(Ring(), 16)
    for shape in ((1, 1, 8, 64), (1, 2, 16, 64), (1, 1, 16, 62), (1, 16, 64)):
        with pytest.raises(ValueError, match="strips must be"):
            net(torch.rand(shape))
    with pytest.raises(ValueError, match="outputs and a bias"):
        start_at_identity(nn.Linear(3, 5), Translation())
    with pytest.raises(ValueError, match="outputs and a bias"):
        start_at_identity(nn.Linear(3, 2, bias=False), Translation())
