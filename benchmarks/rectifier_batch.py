"""Time of the rectifier on a batch of strips, beside plain affine spatial transformers, on one core.

    python benchmarks/rectifier_batch.py [--strips 64] [--repeats 15]

Methods: `Rectifier`, with and without masks; an affine STN whose localization has the convolutions of the rectifier's
(number, kernels, strides, widths, and its input of five planes) with ReLU and one linear layer; and the affine STN of
PyTorch's tutorial (`TutorialLocalization`). The affine ones use `affine_grid` and `grid_sample`, and get the whole
batch, or parts of 8 as the rectifier takes them. All run in turn; the least CPU time of the thread counts.
`benchmarks/results/rectifier-batch.json` is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import torch
import torch.nn.functional as F
from results_file import Cell, Table, results_option, write_results
from torch import Tensor, nn

from irisstn import Rectifier
from irisstn.stn import Affine, TutorialLocalization, start_at_identity

_PART = 8
_SIZE = (64, 512)


class _AffineSTN(nn.Module):
    """A localization network, `affine_grid` and `grid_sample`."""

    def __init__(self, localization: nn.Module) -> None:
        super().__init__()
        self.localization = localization

    def forward(self, strips: Tensor) -> Tensor:
        matrices = self.localization(strips).reshape(-1, 2, 3)
        grid = F.affine_grid(matrices, list(strips.shape), align_corners=False)
        return F.grid_sample(strips, grid, align_corners=False)


class _SameSize(nn.Module):
    """The convolutions of `CircularLocalization` at the width 32, with ReLU and a linear layer instead of the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(5, 16, (3, 5), (2, 2)),
            *_block(16, 32, (3, 3), (2, 2)),
            *_block(32, 64, (3, 3), (2, 1)),
            nn.Conv2d(64, 64, (8, 1)),
            nn.ReLU(),
            *[layer for _ in range(3) for layer in _block(64, 64, (1, 3), (1, 1))],
        )
        self.last = nn.Linear(64 * 64, 6)
        start_at_identity(self.last, Affine(None))

    def forward(self, strips: Tensor) -> Tensor:
        reduced = F.interpolate(strips, (64, 256), mode="area").repeat(1, 5, 1, 1)
        theta: Tensor = self.last(self.features(reduced).flatten(1))
        return theta


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, (kernel[0] // 2, kernel[1] // 2)), nn.ReLU()]


def _in_parts(module: nn.Module, strips: Tensor) -> Tensor:
    return torch.cat([module(part) for part in strips.split(_PART)])


def measure(strips: int, repeats: int) -> dict[str, float]:
    """CPU time of a strip by method.

    Parameters
    ----------
    strips : int
        Strips of a batch.
    repeats : int
        Runs of each method, of which the least counts.

    Returns
    -------
    dict of str to float
        Milliseconds.
    """
    images = torch.rand(strips, 1, *_SIZE, generator=torch.Generator().manual_seed(0))
    usable = (images > 0.2).float()
    rectifier = Rectifier.load()
    same, tutorial = (_AffineSTN(part).eval() for part in (_SameSize(), TutorialLocalization(Affine(None))))
    methods: dict[str, Callable[[], object]] = {
        "`Rectifier`": lambda: rectifier(images),
        "`Rectifier`, with masks": lambda: rectifier.warp(images, usable),
        "affine STN of the same size": lambda: same(images),
        "affine STN of the same size, in parts of 8": lambda: _in_parts(same, images),
        "affine STN of the tutorial": lambda: tutorial(images),
        "affine STN of the tutorial, in parts of 8": lambda: _in_parts(tutorial, images),
    }
    least = dict.fromkeys(methods, float("inf"))
    with torch.inference_mode():
        for _ in range(repeats):
            for name, method in methods.items():
                started = time.thread_time()
                method()
                least[name] = min(least[name], 1000 * (time.thread_time() - started) / strips)
    return least


@click.command()
@click.option("--strips", default=64, show_default=True, help="Strips of 64x512 in a batch.")
@click.option("--repeats", default=15, show_default=True, help="Runs of each method; the least counts.")
@results_option
def main(*, strips: int, repeats: int, results: bool) -> None:
    """Print the CPU time of a strip by method, and write it to benchmarks/results/."""
    torch.set_num_threads(1)
    found = measure(strips, repeats)
    reference = found["affine STN of the same size"]
    rows: list[list[Cell]] = [[name, round(ms, 2), round(ms / reference, 2)] for name, ms in found.items()]
    for row in rows:
        click.echo("  ".join(map(str, row)))
    if results:
        title = f"CPU time of a strip of 64x512 in a batch of {strips}, one thread, without gradients"
        columns = ["method", "ms a strip", "times the affine STN of the same size"]
        command = f"python benchmarks/rectifier_batch.py --strips {strips} --repeats {repeats}"
        click.echo(write_results("rectifier-batch", command, [Table(title, columns, rows)]))


if __name__ == "__main__":
    main()
