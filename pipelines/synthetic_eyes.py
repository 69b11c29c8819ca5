"""All stages on rendered eyes: synth, segment, train, rectify, evaluate.

    python pipelines/synthetic_eyes.py OUT [--subjects 40] [--captures 4] [--config configs/toy.yaml] [--workers 2]

Everything is written below OUT; the error rates are printed as a table. A second call skips what is finished. The
rectifier is trained on other rendered eyes than those that are evaluated.
"""

from __future__ import annotations

from pathlib import Path

import click

import irisstn.training  # its names import torch when they are used: the processes that render and segment need none
from irisstn.batch import RectifyConfig, RectifyJob, SegmentConfig, SegmentJob, run_batch
from irisstn.config import load_config
from irisstn.datasets import find_images
from irisstn.evaluation import ErrorRates, evaluate_folder
from irisstn.synthetic import write_eyes

SHIFTS = (0, 16)


def main(out: Path, *, subjects: int, captures: int, config: Path, seed: int = 1, workers: int = 1) -> Path:
    """Run all stages.

    Parameters
    ----------
    out : Path
        Folder of all outputs.
    subjects : int
        People, with two eyes each.
    captures : int
        Captures of each eye.
    config : Path
        Settings of training.
    seed : int
        Seed of the eyes that are evaluated.
    workers : int
        Processes.

    Returns
    -------
    Path
        File of the table.
    """
    eyes = write_eyes(out / "synth", subjects=subjects, captures=captures, seed=seed, workers=workers)
    samples = find_images([eyes])

    run_batch(SegmentJob(SegmentConfig()), samples, out / "segmented", workers=workers)
    run = irisstn.training.train(None, out / "run", load_config(irisstn.training.TrainConfig, config))
    run_batch(RectifyJob.of(RectifyConfig(), run), samples, out / "rectified", workers=workers)

    lines = [f"{'strips':<12}{'shifts':>7}  EER % [95 % interval]   FNMR % at FMR 1e-2 [95 % interval]"]
    for name in ("segmented", "rectified"):
        lines += [_row(name, shift, evaluate_folder(out / name, max_shift=shift)) for shift in SHIFTS]
    table = out / "table.txt"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def _row(name: str, shift: int, rates: ErrorRates) -> str:
    figures = [rates.eer, rates.fnmr_at[1e-2]]
    eer, fnmr = (f"{100 * f.value:6.2f} [{100 * f.low:.2f}, {100 * f.high:.2f}]" for f in figures)
    return (
        f"{name:<12}{'±' + str(shift):>7}  {eer}   {fnmr}   "
        f"{rates.mated} mated, {rates.non_mated} non-mated, {100 * rates.failure_to_enrol:.1f} % not enrolled"
    )


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--subjects", default=40, show_default=True, help="People, with two eyes each.")
@click.option("--captures", default=4, show_default=True, help="Captures of each eye.")
@click.option("--config", default="configs/toy.yaml", show_default=True, type=click.Path(path_type=Path))
@click.option("--workers", default=2, show_default=True, help="Processes.")
def cli(out: Path, subjects: int, captures: int, config: Path, workers: int) -> None:
    """Synthesize, segment, train, rectify and evaluate eyes; all outputs are written below OUT."""
    table = main(out, subjects=subjects, captures=captures, config=config, workers=workers)
    click.echo(table.read_text(encoding="utf-8"), nl=False)


if __name__ == "__main__":
    cli()
