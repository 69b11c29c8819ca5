"""Does leaving out what covers the iris help? Iris codes of the usable mask against the iris between the eyelids alone.

    python benchmarks/occlusions.py NAME=EYES [NAME=EYES ...] [--subjects N]

Each image of a folder EYES is segmented by `irisstn.segment` and normalized. The iris code is computed twice: with all
of the iris between the eyelids (`iris`), and without eyelashes, reflections and shadows (`usable`). Codes are compared
with a search over ±16 shifts of 1.4 degrees. What the images cannot show is not measured: eyelids and shadows that are
alike in several captures of an eye make its codes more alike where they are left in.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import cv2
from labelled_eyes import labelled_images
from results_file import Cell, Figure, Table, named_folder, rates_figure, results_option, write_results

from irisstn import IrisError, Strip, normalize, read_gray, segment
from irisstn.evaluation import evaluate_codes

METHODS = ("iris", "usable")
_SHIFTS = 16


def main(eyes: Path, *, subjects: int | None = None) -> dict[str, dict[str, float]]:
    """Measure the error rates with either mask.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    subjects : int or None
        Number of subjects. None: all.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by method.
    """
    strips: dict[str, list[Strip]] = {method: [] for method in METHODS}
    names, people, failed = [], [], []
    for sample, label in labelled_images(eyes, subjects):
        eye = label.eye_name
        image = read_gray(sample.path)
        try:
            found = segment(image)
        except IrisError:
            failed.append(eye)
            continue
        names.append(eye)
        people.append(label.subject)
        strips["iris"].append(normalize(image, replace(found, usable=found.iris_mask)))
        strips["usable"].append(normalize(image, found))
    return {
        method: evaluate_codes(made, names, max_shift=_SHIFTS, subjects=people, failed=failed).as_dict()
        for method, made in strips.items()
    }


def results_table(sets: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Convert the rates of several folders, by their names, to a table for `write_results`."""
    rows: list[list[Cell]] = [
        [
            name,
            f"{rates['mated']:.0f} / {rates['non_mated']:.0f}",
            method,
            rates_figure(rates, "eer"),
            rates_figure(rates, "fnmr@0.001"),
            Figure(round(rates["d_prime"], 2)),
        ]
        for name, by_method in sets.items()
        for method, rates in by_method.items()
    ]
    return Table(
        "Iris codes, ±16 shifts, failures to enrol counted as rejected; 95 % bootstrap intervals over subjects",
        ["eyes", "mated / non-mated", "mask", "EER", "FNMR at FMR 1e-3", "d'"],
        rows,
    )


@click.command()
@click.argument("sets", metavar="NAME=EYES...", nargs=-1, required=True)
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects of each folder.")
@results_option
def cli(*, sets: tuple[str, ...], subjects: int | None, results: bool) -> None:
    """Measure on the images in each folder EYES, which is called NAME in the results."""
    cv2.setNumThreads(1)
    measured = {}
    for name, folder in map(named_folder, sets):
        measured[name] = main(folder, subjects=subjects)
        for method, rates in measured[name].items():
            fnmr = 100 * rates["fnmr@0.001"]
            click.echo(f"{name:24s} {method:8s} FNMR {fnmr:.2f} %  d' {rates['d_prime']:.2f}  n {rates['mated']:.0f}")
    if results:
        command = "python benchmarks/occlusions.py" + "".join(f' "{name}=EYES"' for name in measured)
        command += f" --subjects {subjects}" if subjects else ""
        write_results("occlusions", command, [results_table(measured)])


if __name__ == "__main__":
    cli()
