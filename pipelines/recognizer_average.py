"""Average the weights of two recognition networks, of which one was trained further from the other.

    python pipelines/recognizer_average.py FIRST FURTHER -o AVERAGE.safetensors [--weight 0.2]

A small weight keeps what FIRST does well and takes over a part of what FURTHER has learnt (Wortsman et al. 2022,
"Robust fine-tuning of zero-shot models"). FIRST and FURTHER are weights or folders of runs. The average is not
whitened: `python pipelines/recognizer_whitening.py --model AVERAGE.safetensors ...` does that.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from irisstn.recognition import StripNet


@click.command(help=__doc__)
@click.argument("first", type=click.Path(path_type=Path, exists=True))
@click.argument("further", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--weight", default=0.2, show_default=True, type=click.FloatRange(0, 1), help="Weight of FURTHER.")
def main(*, first: Path, further: Path, out: Path, weight: float) -> None:
    """Write the average."""
    network, other = StripNet.load(first), StripNet.load(further)
    if network.config != other.config:
        raise click.ClickException(f"{first} and {further} are networks of different shapes")
    with torch.no_grad():
        for mine, its in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
            if mine.is_floating_point():  # not the counts of batches
                mine.lerp_(its, weight)
    network.whitening.reset()
    network.save(out)
    click.echo(out)


if __name__ == "__main__":
    main()
