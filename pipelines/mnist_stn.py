"""The spatial-transformer experiments on MNIST: an STN and a plain CNN with as many parameters, several seeds.

    python pipelines/mnist_stn.py configs/mnist_*.yaml --data ../shared/mnist/mnist.npz -o OUT [--seeds 3]
    python pipelines/mnist_table.py OUT
    python pipelines/mnist_stn.py configs/mnist_rotated.yaml --data mnist.npz -o FULL --set epochs=150 --device cuda

The second command prints the table. Two CPU cores finish the six runs of a config in about an hour; the third command
trains as long as the papers do, on a GPU.

Each run has a folder, OUT/CONFIG/MODEL-SEED, with result.json (errors, the wrong digits, the learning curve), the last
checkpoint and pictures of the warped digits. All runs of the first seed come first. Finished runs are skipped,
interrupted ones continue, and several processes may share one OUT. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import torch
from mnist_digits import read_digits
from mnist_networks import MODELS
from mnist_training import MnistConfig, run

from irisstn.config import load_config
from irisstn.errors import IrisError, OutputError
from irisstn.storage import locked


def main(
    configs: Sequence[Path],
    data: Path,
    out: Path,
    *,
    seeds: int,
    models: Sequence[str] = MODELS,
    overrides: Sequence[str] = (),
    holdout: int = 0,
    device: str = "cpu",
) -> list[Path]:
    """Run everything that is not finished yet.

    Parameters
    ----------
    configs : sequence of Path
        Files of `MnistConfig`.
    data : Path
        The digits, see `read_digits`.
    out : Path
        Folder of all runs.
    seeds : int
        Number of seeds; the first one is 1.
    models : sequence of str
        "stn", "cnn" or both.
    overrides : sequence of str
        Settings KEY=VALUE that replace those of all configs.
    holdout : int
        As in `read_digits`.
    device : str
        Device of torch.

    Returns
    -------
    list of Path
        Folders of the runs, without those that another process is working on.
    """
    experiments = {path.stem: load_config(MnistConfig, path, overrides) for path in configs}
    digits = read_digits(data, holdout=holdout)
    done = []
    for seed in range(1, seeds + 1):
        for name, config in experiments.items():
            for model in models:
                folder = out / name / f"{model}-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                with ExitStack() as stack:
                    try:
                        stack.enter_context(locked(folder))
                    except OutputError as error:
                        click.echo(f"skipped: {error}")
                        continue
                    result = run(config, digits, model, seed, folder, device=device)
                click.echo(
                    f"{name} {model} seed {seed}: {100 * result.error:.2f} % of {result.n} wrong, "
                    f"{result.parameters} parameters, {result.train_seconds:.0f} s"
                    + (f", {result.precision}" if result.precision else "")
                )
                done.append(folder)
    return done


@click.command()
@click.argument("configs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="MNIST as .npz: x_train, y_train, ...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--model", "models", multiple=True, default=MODELS, type=click.Choice(MODELS), show_default=True)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. epochs=150.")
@click.option("--holdout", default=0, help="Test on so many of the training digits instead: for choosing settings.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
def cli(
    *,
    configs: tuple[Path, ...],
    data: Path,
    out: Path,
    seeds: int,
    models: tuple[str, ...],
    overrides: tuple[str, ...],
    holdout: int,
    device: str,
    threads: int,
) -> None:
    """Run the experiments of CONFIGS."""
    torch.set_num_threads(threads)
    try:
        main(configs, data, out, seeds=seeds, models=models, overrides=overrides, holdout=holdout, device=device)
    except IrisError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    cli()
