"""Rectification of strips that another program made, without their photographs: are they better, or at least no worse?

    python benchmarks/foreign_strips.py STRIPS MASKS --convention osiris [--subjects N]

Methods: `none` = the strips as they are, `stn` = `Rectifier.rectify` of them and their masks. Iris codes are compared
once without a shift, and with a search over ±16 shifts of 1.4 degrees. Strips without a mask count as not enrolled.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import cv2
import torch
from foreign_circles import code_rates
from labelled_eyes import labelled_images
from rectification import results_table, table
from results_file import results_option, slug, write_results

from irisstn import Rectifier, Strip, read_gray
from irisstn.batch.strip_masks import with_masks
from irisstn.strip_conventions import CONVENTIONS, ConventionName


def main(
    strips: Path, masks: Path, convention: ConventionName, *, subjects: int | None = None
) -> dict[str, dict[str, float]]:
    """Measure the error rates of each method and comparison.

    Parameters
    ----------
    strips, masks : Path
        Folders of the strips, whose names tell the eye, and of their masks, as `irisstn rectify --masks` takes them.
    convention : str
        The program that made them, see `irisstn.strip_conventions`.
    subjects : int or None
        Number of subjects. None: all.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by "strips/method/comparison", such as "strips/stn/±0".
    """
    rectifier, layout = Rectifier.load(), CONVENTIONS[convention]
    labels = dict(labelled_images(strips, subjects))
    made: dict[str, list[Strip]] = defaultdict(list)
    names, people, failed = [], [], []
    for label, sample in zip(labels.values(), with_masks(list(labels), str(masks), layout), strict=True):
        if sample.mask is None:
            failed.append(label.eye_name)
            continue
        strip = Strip(layout.to_own(read_gray(sample.path)), layout.read_mask(read_gray(sample.mask)))
        names.append(label.eye_name)
        people.append(label.subject)
        made["none"].append(strip)
        made["stn"].append(rectifier.rectify(strip).strip)
    return code_rates("strips", made, names, people, failed)


@click.command()
@click.argument("strips", type=click.Path(path_type=Path, exists=True))
@click.argument("masks", type=click.Path(path_type=Path, exists=True))
@click.option("--convention", default="osiris", show_default=True, type=click.Choice(list(CONVENTIONS)))
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects.")
@click.option("--name", help="Name of the eyes in the results.  [default: the folder's name]")
@results_option
def cli(
    *, strips: Path, masks: Path, convention: ConventionName, subjects: int | None, name: str | None, results: bool
) -> None:
    """Measure on the strips in the folder STRIPS, whose masks are in MASKS."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rates = main(strips, masks, convention, subjects=subjects)
    click.echo(table(rates))
    if results:
        title = name or strips.name
        command = f"python benchmarks/foreign_strips.py STRIPS MASKS --convention {convention}"
        command += f" --subjects {subjects}" if subjects else ""
        write_results(f"foreign-strips-{slug(title)}", command, [results_table(title, rates)])


if __name__ == "__main__":
    cli()
