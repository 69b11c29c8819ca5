"""The command that renders eyes: synth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irisstn.cli.messages import Misuse, report_errors
from irisstn.cli.options import cpus, quiet_option


@click.command()
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Output folder: pictures in OUT/eyes, ground truth in OUT/truth.",
)
@click.option(
    "--subjects", default=10, show_default=True, type=click.IntRange(1), help="Number of people, with two eyes each."
)
@click.option(
    "--captures",
    "--shots",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Number of pictures of each eye.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Each seed gives other people.")
@click.option("--camera", "cameras", multiple=True, help="Camera; may be repeated.  [default: all near-infrared ones]")
@click.option(
    "--workers", type=click.IntRange(1), default=cpus, show_default="number of CPUs", help="Number of processes."
)
@click.option("--overwrite", is_flag=True, help="Remove an earlier set first.")
@quiet_option
def synth(
    *,
    out: Path,
    subjects: int,
    captures: int,
    seed: int,
    cameras: tuple[str, ...],
    workers: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Render near-infrared eye pictures with exact ground truth. They show no real person's eye.

    \b
    Examples:
      irisstn synth -o rendered --subjects 10 --captures 5    # then: irisstn segment rendered/eyes
      irisstn synth -o tilted --camera tilted-640x480 --seed 3
    """
    from irisstn.progress import ProgressBar
    from irisstn.synthetic.folder import NEAR_INFRARED, write_eyes

    try:
        shown = not quiet and sys.stderr.isatty()
        with report_errors(), ProgressBar("synth", 2 * subjects * captures, shown=shown) as bar:
            eyes = write_eyes(
                out,
                subjects=subjects,
                captures=captures,
                seed=seed,
                cameras=cameras or NEAR_INFRARED,
                workers=min(workers, 2 * subjects),
                overwrite=overwrite,
                progress=bar.advance,
            )
    except ValueError as error:
        raise Misuse(str(error)) from None
    if not quiet:
        click.echo(f"{2 * subjects * captures} pictures in {eyes}, their ground truth in {out / 'truth'}")
