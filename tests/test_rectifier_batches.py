"""Large batches of the rectifier without gradients: in parts and interpolated, with the results of small ones."""

from collections.abc import Iterator

import pytest
import torch

from irisstn import Rectifier
from irisstn.stn import Ring


@pytest.fixture(scope="module")
def rectifier() -> Iterator[Rectifier]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the size of a part depends on it
    yield Rectifier.load()
    torch.set_num_threads(threads)


def _strips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.rand(2, count, 1, 40, 136, generator=torch.Generator().manual_seed(0))
    image, mask = (torch.nn.functional.avg_pool2d(each, 9, 1) for each in noise)
    return 4 * (image - 0.5).clamp(-0.12, 0.12) + 0.5, (mask > 0.47).float()


def test_a_batch_in_parts_is_equal_to_the_whole_with_gradients(rectifier: Rectifier) -> None:
    images, usable = _strips(18)  # two parts of 8 and a rest
    whole = rectifier.warp(images, usable)
    with torch.no_grad():
        parts = rectifier.warp(images, usable)
        images_alone = rectifier(images, usable)
    assert whole.image.requires_grad and not parts.image.requires_grad
    assert whole.usable is not None and parts.usable is not None
    assert len(parts.image) == len(parts.usable) == len(parts.theta) == len(parts.grid) == 18
    torch.testing.assert_close(parts.theta, whole.theta, atol=1e-6, rtol=0)
    torch.testing.assert_close(parts.grid, whole.grid, atol=4e-6, rtol=0)
    torch.testing.assert_close(parts.image, whole.image, atol=1e-4, rtol=0)
    torch.testing.assert_close(parts.usable, whole.usable, atol=1e-3, rtol=0)
    assert torch.equal(images_alone, parts.image)


def test_inputs_of_another_length_are_refused_in_a_large_batch(rectifier: Rectifier) -> None:
    images, usable = _strips(12)
    with torch.no_grad(), pytest.raises(ValueError, match="one length"):
        rectifier(images, usable, eyelids=torch.zeros(13, 2, 5))


def test_a_grid_without_gradients_is_the_one_with_them() -> None:
    ring = Ring()
    draws = 2 * torch.rand(6, 12, generator=torch.Generator().manual_seed(1)) - 1
    theta = ring.identity() + draws * ring.limits.float() * torch.tensor([0.0, 0.1, 0.3, 1.0, 2.0, 4.0])[:, None]
    exact = ring(theta.double(), (64, 128))
    with torch.no_grad():
        grid = ring(theta, (64, 128))
    assert grid.is_contiguous()
    torch.testing.assert_close(grid.double(), exact, atol=4e-6, rtol=0)
    assert torch.equal(grid[0], ring(theta, (64, 128))[0])  # the identity, to the bit
