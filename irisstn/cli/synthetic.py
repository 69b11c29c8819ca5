"""The command that renders eyes: synth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irisstn.cli.messages import Misuse
from irisstn.cli.options import cpus, quiet_option


@click.command()
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option("--subjects", default=10, show_default=True, type=click.IntRange(1), help="People, two eyes each.")
@click.option("--shots", default=5, show_default=True, type=click.IntRange(1), help="Pictures of each eye.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Other seeds, other people.")
@click.option("--camera", "cameras", multiple=True, help="Camera to use; may be repeated.  [default: near infrared]")
@click.option("--workers", type=click.IntRange(1), default=cpus, show_default="CPUs", help="Processes.")
@quiet_option
def synth(
    *, out: Path, subjects: int, shots: int, seed: int, cameras: tuple[str, ...], workers: int, quiet: bool
) -> None:
    """Render near-infrared eye pictures with exact truth. No real person's eye goes in.

    \b
    Examples:
      irisstn synth -o eyes --subjects 10 --shots 5
      irisstn synth -o tilted --camera tilted-640x480 --seed 3
    """
    from irisstn.progress import ProgressBar
    from irisstn.synthetic.folder import NEAR_INFRARED, write_eyes

    try:
        with ProgressBar("synth", 2 * subjects * shots, shown=not quiet and sys.stderr.isatty()) as bar:
            eyes = write_eyes(
                out,
                subjects=subjects,
                shots=shots,
                seed=seed,
                cameras=cameras or NEAR_INFRARED,
                workers=min(workers, 2 * subjects),
                progress=bar.advance,
            )
    except ValueError as error:
        raise Misuse(str(error)) from None
    if not quiet:
        click.echo(f"{2 * subjects * shots} pictures in {eyes}, their truth in {out / 'truth'}")
