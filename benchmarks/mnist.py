"""Results of the MNIST experiments: the runs of `pipelines/mnist_stn.py` as benchmarks/results/mnist.json.

python pipelines/mnist_stn.py configs/mnist_*.yaml --data mnist.npz -o OUT
python benchmarks/mnist.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from results_file import Cell, Figure, Table, results_option, write_results

sys.path.append(str(Path(__file__).parents[1] / "pipelines"))  # a folder of scripts, which is no package

from mnist_table import Experiment, Fractions, interval, read_experiments, wrong_fractions

COMMAND = "python pipelines/mnist_stn.py configs/mnist_*.yaml --data mnist.npz -o OUT && python benchmarks/mnist.py OUT"


def results_tables(experiments: list[Experiment]) -> list[Table]:
    """Convert the experiments to tables for `write_results`.

    Parameters
    ----------
    experiments : list of Experiment
        Result of `read_experiments`; of each at least one run of both networks.

    Returns
    -------
    list of Table
        Errors, and the training budget.
    """
    errors: list[list[Cell]] = []
    budget: list[list[Cell]] = []
    for each in experiments:
        seeds = {result.seed for result in each.stn} & {result.seed for result in each.cnn}
        stn, cnn = (
            wrong_fractions([result for result in results if result.seed in seeds]) for results in (each.stn, each.cnn)
        )
        reference = Figure(each.config.reference_error, unit="%")
        errors.append([each.config.title, reference, _figure(stn), _figure(cnn), _figure(cnn - stn), len(seeds)])
        budget.append([each.config.title, each.config.epochs, each.stn[0].parameters, each.cnn[0].parameters])
    return [
        Table(
            "Errors on the test digits, mean over seeds; 95 % bootstrap intervals over digits",
            ["experiment", "reference", "STN", "plain CNN", "gain of the STN", "seeds"],
            errors,
        ),
        Table("Training budget", ["experiment", "epochs", "parameters, STN", "parameters, plain CNN"], budget),
    ]


def _figure(fractions: Fractions) -> Figure:
    low, high = interval(fractions)
    value, low, high = (round(100 * x, 4) for x in (float(fractions.mean()), low, high))
    return Figure(value, low, high, len(fractions), "%")


@click.command(help=__doc__)
@click.argument("out", type=click.Path(exists=True, path_type=Path))
@results_option
def main(out: Path, *, results: bool) -> None:
    """Print the errors and write them to benchmarks/results/mnist.json."""
    tables = results_tables(read_experiments(out))
    for row in tables[0].rows:
        click.echo("  ".join(str(cell.value if isinstance(cell, Figure) else cell) for cell in row))
    if results:
        click.echo(write_results("mnist", COMMAND, tables, seed=1))


if __name__ == "__main__":
    main()
