# mypy: disable-error-code="arg-type, operator"
"""SpatialTransformer: anywhere in a network, any size, masks, iterations, precision, compile, export, learning."""

import copy

import pytest
import torch
from torch import Tensor, nn

from irisstn.rectification.localization import CircularLocalization
from irisstn.stn import (
    TRANSFORMS,
    Affine,
    Attention,
    Ring,
    Rotation,
    SpatialTransformer,
    Translation,
    TutorialLocalization,
    require_gradient,
)


class Fixed(nn.Module):
    """A localization network that returns the same theta for every image."""

    def __init__(self, *theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]))

    def forward(self, image: Tensor) -> Tensor:
        return self.theta.expand(len(image), -1)


def transformer_of(family: str, *, trained: bool = True, **options: object) -> tuple[SpatialTransformer, Tensor]:
    """A transformer of this family, with weights moved off the identity, and images for it."""
    torch.manual_seed(0)
    transform = TRANSFORMS[family]()
    ring = family == "ring"
    net = CircularLocalization(transform, 16, width=16) if ring else TutorialLocalization(transform)
    made = SpatialTransformer(net, transform, wrap=ring, **options).eval()
    if trained:
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return made, torch.rand(2, 1, *((16, 64) if ring else (28, 28)))


@pytest.mark.parametrize("family", sorted(TRANSFORMS))
def test_it_starts_at_the_identity_and_can_learn(family):
    made, images = transformer_of(family, trained=False)
    warped = made(images)
    torch.testing.assert_close(warped.image, images, atol=1e-4, rtol=0)
    assert torch.equal(warped.theta, made.transform.identity().expand(2, -1))
    (warped.image * torch.rand_like(images)).sum().backward()
    assert require_gradient(made.localization) > 0


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("size", [None, (10, 50), (60, 20)])
def test_any_feature_map_and_any_output_size(channels, size):
    affine = Affine()
    made = SpatialTransformer(TutorialLocalization(affine, channels=channels), affine, output_size=size)
    features = torch.rand(2, channels, 30, 41)
    warped = made(features)
    assert warped.image.shape == (2, channels, *(size or (30, 41)))
    assert warped.grid.shape == (2, *(size or (30, 41)), 2) and warped.usable is None
    assert made(features, size=(5, 6)).image.shape == (2, channels, 5, 6)


def test_in_series_and_in_parallel_inside_a_network():
    shift, scale = Translation(), Attention()
    first = SpatialTransformer(TutorialLocalization(shift), shift)
    inner = nn.Conv2d(1, 4, 3, padding=1)
    heads = [SpatialTransformer(TutorialLocalization(scale, channels=4), scale, output_size=(14, 14)) for _ in range(2)]
    features = torch.relu(inner(first(torch.rand(3, 1, 28, 28)).image))
    joined = torch.cat([head(features).image for head in heads], dim=1)
    assert joined.shape == (3, 8, 14, 14)
    (joined * torch.rand_like(joined)).sum().backward()
    for module in (first.localization, inner, *(head.localization for head in heads)):
        assert require_gradient(module) > 0


def test_the_mask_is_warped_with_the_image():
    made = SpatialTransformer(Fixed(0.5, 0.0), Translation(bound=None))
    images = torch.rand(1, 1, 4, 8)
    usable = torch.zeros(1, 1, 4, 8)
    usable[..., 3] = 1
    warped = made(images, usable)
    assert warped.usable is not None
    assert torch.equal(warped.usable.round(), torch.roll(usable, -2, dims=-1))
    # What lies outside was not seen, whatever the image is padded with.
    border = SpatialTransformer(Fixed(0.5, 0.0), Translation(bound=None), padding="border")
    seen = border(images, torch.ones(1, 1, 4, 8)).usable
    assert seen is not None
    assert seen[..., :6].min() > 0.99 and seen[..., 6:].max() < 0.01


def test_wrapping_turns_instead_of_losing():
    images = torch.rand(1, 1, 4, 8)
    made = SpatialTransformer(Fixed(0.5, 0.0), Translation(bound=None), wrap=True, padding="border")
    torch.testing.assert_close(made(images).image, torch.roll(images, -2, dims=-1), atol=1e-5, rtol=0)


def test_antialiasing_averages_when_minifying():
    images = torch.rand(1, 1, 32, 32)
    kept = SpatialTransformer(Fixed(0.0, 0.0), Translation(), output_size=(8, 8), antialias=True)(images).image
    torch.testing.assert_close(kept, nn.functional.avg_pool2d(images, 4), atol=1e-5, rtol=0)
    same = SpatialTransformer(Fixed(0.0, 0.0), Translation(), antialias=True)(images).image
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


class TowardsTheBright(nn.Module):
    """Moves a third of the way to the image's centre of brightness."""

    def forward(self, image: Tensor) -> Tensor:
        weight = image[:, 0] / image[:, 0].sum(dim=(1, 2), keepdim=True)
        side = (2 * torch.arange(image.shape[-1]) + 1) / image.shape[-1] - 1
        return torch.stack([(weight * side).sum(dim=(1, 2)), (weight * side[:, None]).sum(dim=(1, 2))], dim=1) / 3


def test_iterations_compose_their_estimates_and_sample_once():
    images = torch.zeros(1, 1, 32, 32)
    images[..., 20:24, 6:10] = 1
    left = []
    for iterations in (1, 2, 6):
        made = SpatialTransformer(TowardsTheBright(), Translation(bound=None), iterations=iterations)
        warped = made(images)
        left.append(float((warped.theta - torch.tensor([[-0.5, 0.375]])).norm()))
        expected = made.warp(images, warped.theta).image
        assert torch.equal(warped.image, expected), "the input is sampled by the composed theta alone"
    assert left[1] == pytest.approx(left[0] * 2 / 3, rel=0.02)
    assert left[2] == pytest.approx(left[0] * (2 / 3) ** 5, rel=0.1)
    with pytest.raises(ValueError, match="iteration"):
        SpatialTransformer(TowardsTheBright(), Translation(), iterations=0)


def test_iterations_add_up_turns():
    turn = Rotation()
    made = SpatialTransformer(Fixed(0.3), turn, iterations=3)
    once = turn.physical(torch.tensor([[0.3]]))
    theta = made(torch.rand(2, 1, 16, 16)).theta
    torch.testing.assert_close(turn.physical(theta), 3 * once.expand(2, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["affine", "tps", "ring"])
def test_low_precision(family, dtype):
    made, images = transformer_of(family)
    exact = made(images)
    low = copy.deepcopy(made).to(dtype)(images.to(dtype))
    assert low.image.dtype == dtype and low.theta.dtype == low.grid.dtype == torch.float32
    assert (low.image.float() - exact.image).abs().mean() < 0.02
    with torch.autocast("cpu", dtype=dtype):
        mixed = made(images)
    assert mixed.theta.dtype == mixed.grid.dtype == torch.float32
    assert (mixed.image.float() - exact.image).abs().mean() < 0.02


def test_float64_goes_through():
    made, images = transformer_of("ring")
    warped = made.double()(images.double())
    assert warped.image.dtype == warped.grid.dtype == warped.theta.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", sorted(TRANSFORMS))
def test_the_gpu_gives_the_same(family):
    made, images = transformer_of(family, iterations=2)
    torch.testing.assert_close(made.cuda()(images.cuda()).image.cpu(), made.cpu()(images).image, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("family", "backend", "iterations"), [("affine", "aot_eager", 2), ("ring", "eager", 1)])
def test_compiles_whole(family, backend, iterations):
    made, images = transformer_of(family, iterations=iterations)
    compiled = torch.compile(made, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(images).image, made(images).image, atol=1e-5, rtol=0)
    compiled(images).image.sum().backward()
    assert require_gradient(made.localization) > 0


@pytest.mark.parametrize("family", sorted(TRANSFORMS))
def test_exports(family):
    made, images = transformer_of(family, antialias=True, output_size=(8, 20))
    program = torch.export.export(made, (images,))
    torch.testing.assert_close(program.module()(images).image, made(images).image)


def test_misuse_is_refused():
    made = SpatialTransformer(Fixed(0.0, 0.0), Translation())
    for image in (torch.rand(4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="must be"):
            made(image)
    with pytest.raises(ValueError, match="mask"):
        made(torch.rand(2, 3, 4, 4), torch.ones(2, 3, 4, 4))


def test_it_learns_to_undo_a_roll():
    """Strips with one bright mark, turned at random: after some steps the mark is brought to its place."""
    torch.manual_seed(0)
    ring = Ring(max_roll_rad=1.0)
    made = SpatialTransformer(CircularLocalization(ring, 8, width=16), ring, wrap=True, padding="border")
    columns = torch.arange(64)
    optimizer = torch.optim.Adam(made.parameters(), lr=5e-3)

    def batch() -> tuple[Tensor, Tensor]:
        shift = torch.randint(-8, 9, (16, 1))
        mark = torch.exp(-(((columns - 32 - shift) / 4.0) ** 2))
        return mark[:, None, None].expand(-1, 1, 8, -1), torch.exp(-(((columns - 32) / 4.0) ** 2)).expand(16, 1, 8, -1)

    first = None
    for _ in range(120):
        strips, wanted = batch()
        loss = (made(strips).image - wanted).square().mean()
        first = first if first is not None else loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    strips, wanted = batch()
    assert (made(strips).image - wanted).square().mean().item() < 0.1 * first
