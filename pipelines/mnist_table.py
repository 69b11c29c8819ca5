"""Results of the finished runs of `mnist_stn.py`: a table, and a page with learning curves and pictures.

    python pipelines/mnist_table.py OUT [--picture docs/stn_mnist.png]

Prints the table and writes OUT/index.html. Errors are means over the seeds. Intervals are 95 % bootstrap intervals over
the test digits: the results of all seeds on a digit are drawn together, and for the gain those of both networks.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from mnist_training import MnistConfig, Result
from numpy.typing import NDArray

from irisstn.errors import DatasetError
from irisstn.files import write_bytes_atomic
from irisstn.images import write_png

RESAMPLES = 10_000  # of the bootstrap
_COLOURS = {"stn": "#b3542d", "cnn": "#1f6f8b"}
_WIDTH, _HEIGHT, _FLOOR = 420, 200, 1e-3  # the curves' axis goes from 0.1 % to 100 % of error
Fractions = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Experiment:
    """The finished runs of one config.

    Attributes
    ----------
    folder : Path
        The folder that holds them.
    config : MnistConfig
        Settings of the experiment.
    stn, cnn : list of Result
        Results in the order of their seeds.
    """

    folder: Path
    config: MnistConfig
    stn: list[Result]
    cnn: list[Result]


def read_experiments(out: Path) -> list[Experiment]:
    """Read all finished runs.

    Parameters
    ----------
    out : Path
        Folder of `mnist_stn.py`.

    Returns
    -------
    list of Experiment
        One for each config with a finished run.

    Raises
    ------
    DatasetError
        Where no run has finished, or runs of one folder differ in their settings.
    """
    experiments = []
    for folder in sorted({path.parents[1] for path in out.glob("*/*/result.json")}):
        results = [Result.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*/result.json"))]
        first = results[0]
        if any((r.config, r.n, r.n_train) != (first.config, first.n, first.n_train) for r in results):
            raise DatasetError(f"{folder} holds runs of several settings")
        by_model = {m: sorted((r for r in results if r.model == m), key=lambda r: r.seed) for m in ("stn", "cnn")}
        experiments.append(Experiment(folder, first.config, by_model["stn"], by_model["cnn"]))
    if not experiments:
        raise DatasetError(f"{out} holds no finished run of mnist_stn.py")
    return experiments


def wrong_fractions(results: list[Result]) -> Fractions:
    """Compute how often each test digit is classified wrongly.

    Parameters
    ----------
    results : list of Result
        Results of several seeds.

    Returns
    -------
    NDArray[numpy.float64], shape (n,)
        For each digit the fraction of the results that are wrong, 0..1.
    """
    fractions = np.zeros(results[0].n)
    for result in results:
        fractions[list(result.wrong)] += 1 / len(results)
    return fractions


def interval(values: Fractions) -> tuple[float, float]:
    """Compute a 95 % bootstrap interval of a mean.

    Parameters
    ----------
    values : NDArray[numpy.float64], shape (n,)
        Values with few distinct levels.

    Returns
    -------
    low, high : float
        Ends of the interval.
    """
    levels, counts = np.unique(
        np.round(values, 9), return_counts=True
    )  # with few levels a resample is a multinomial draw
    drawn = np.random.default_rng(0).multinomial(len(values), counts / len(values), RESAMPLES) @ levels / len(values)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def table(experiments: list[Experiment]) -> str:
    """Format the errors in % as a table in Markdown."""
    head = ["wrong, %", "reference", "target", "STN", "its seeds", "plain CNN", "its seeds", "STN's gain", "n"]
    lines = [head, ["---"] * len(head)]
    for each in experiments:
        config = each.config
        cells = [config.title, f"{config.reference_error:g}", f"{config.target_error:g}"]
        for results in (each.stn, each.cnn):
            cells += [_figure(wrong_fractions(results)), _seeds(results)] if results else ["", ""]
        seeds = {r.seed for r in each.stn} & {r.seed for r in each.cnn}
        stn, cnn = ([r for r in results if r.seed in seeds] for results in (each.stn, each.cnn))
        cells.append(_figure(wrong_fractions(cnn) - wrong_fractions(stn), sign="+") if seeds else "")
        lines.append([*cells, str((each.stn + each.cnn)[0].n)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def budget(experiments: list[Experiment]) -> str:
    """Format parameters, epochs and training time as a table in Markdown."""
    lines = [["", "epochs", "STN: parameters", "minutes", "CNN: parameters", "minutes"], ["---"] * 6]
    for each in experiments:
        cells = [each.config.title, str(each.config.epochs)]
        for results in (each.stn, each.cnn):
            minutes = [f"{r.train_seconds / 60:.1f}" for r in results]
            cells += [str(results[0].parameters), ", ".join(minutes)] if results else ["", ""]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_page(experiments: list[Experiment], out: Path) -> Path:
    """Write `out`/index.html with both tables, learning curves and pictures; returns its path."""
    parts = [f"<pre>{html.escape(text)}</pre>" for text in (table(experiments), budget(experiments))]
    for each in experiments:
        parts.append(f"<h2>{html.escape(each.config.title)}</h2>{_curves(each)}")
        for picture in sorted(each.folder.glob("stn-*/pictures.png")):
            data = base64.b64encode(picture.read_bytes()).decode("ascii")
            parts.append(f'<img src="data:image/png;base64,{data}" alt="input beside output, {picture.parent.name}"> ')
    title = "Spatial transformers on MNIST"
    style = "body{font:15px/1.5 system-ui,sans-serif;margin:2em;color:#222}pre{overflow:auto}svg text{font-size:11px}"
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
    write_bytes_atomic(out / "index.html", f"{page}<h1>{title}</h1>{''.join(parts)}</html>\n".encode())
    return out / "index.html"


def write_picture(experiments: list[Experiment], path: Path) -> None:
    """Write the pictures of the first seed's transformer in all experiments, side by side, to `path`."""
    columns = []
    for each in experiments:
        picture = cv2.imread(str(each.folder / f"stn-{each.stn[0].seed}" / "pictures.png")) if each.stn else None
        if picture is not None:
            columns.append(np.pad(np.asarray(picture, np.uint8), [(0, 0), (0, 24), (0, 0)], constant_values=255))
    if not columns:
        raise DatasetError("no STN has finished, so there is nothing to show")
    tall = max(len(column) for column in columns)
    padded = [np.pad(c, [(0, tall - len(c)), (0, 0), (0, 0)], constant_values=255) for c in columns]
    write_png(path, np.concatenate(padded, axis=1)[:, :-24])


def _figure(fractions: Fractions, sign: str = "") -> str:
    low, high = interval(fractions)
    return f"{100 * fractions.mean():{sign}.2f} [{100 * low:{sign}.2f}, {100 * high:{sign}.2f}]"


def _seeds(results: list[Result]) -> str:
    return ", ".join(f"{100 * result.error:.2f}" for result in results)


def _curves(each: Experiment) -> str:
    """SVG of the training error of every epoch, on a logarithmic axis, one line for each run."""
    lines = []
    for result in [*each.stn, *each.cnn]:
        points = []
        for row in result.curve:
            height = np.log(max(row["train_error"], _FLOOR)) / np.log(_FLOOR)  # 0 at 100 %, 1 at the floor
            points.append(
                f"{40 + (_WIDTH - 50) * row['epoch'] / each.config.epochs:.1f},{8 + height * (_HEIGHT - 28):.1f}"
            )
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{_COLOURS[result.model]}"/>')
    ticks = [(8 + level / 3 * (_HEIGHT - 28), f"{100 / 10**level:g} %") for level in range(4)]
    lines += [
        f'<path d="M40 {y:.0f}H{_WIDTH}" stroke="#ddd"/><text x="0" y="{y + 4:.0f}">{text}</text>' for y, text in ticks
    ]
    lines += [
        f'<text x="{60 + 80 * i}" y="{_HEIGHT - 4}" fill="{_COLOURS[model]}">{label}</text>'
        for i, (model, label) in enumerate((("stn", "STN"), ("cnn", "plain CNN")))
    ]
    caption = "<figcaption>Error on the training digits, with new distortions in each epoch</figcaption>"
    return f'<figure><svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(lines)}</svg>{caption}</figure>'


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), help="Also write a picture of warped digits here.")
def cli(out: Path, picture: Path | None) -> None:
    """Print the table of the runs below OUT, and write OUT/index.html."""
    try:
        experiments = read_experiments(out)
        if picture is not None:
            write_picture(experiments, picture)
    except DatasetError as error:
        raise click.ClickException(str(error)) from None
    write_page(experiments, out)
    click.echo(f"{table(experiments)}\n\n{budget(experiments)}")


if __name__ == "__main__":
    cli()
