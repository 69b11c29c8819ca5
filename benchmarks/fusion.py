"""One, two or three captures of an eye in the gallery, on output folders of `irisstn embed`.

    python benchmarks/fusion.py NAME=OUT [NAME=OUT ...]

Of each eye the first captures, by name, are the gallery, and those from the fourth on are probes, the same for all
rows. Each probe is compared once with each eye of the gallery. A gallery capture that failed to enrol is left out; a
probe that failed, or an eye none of whose captures was enrolled, counts as rejected. An intruder is a capture of
another person's eye in place of the third one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from results_file import Figure, Table, named_folder, rates_figure, results_option, write_results

from irisstn import Strip
from irisstn.datasets import label_of
from irisstn.evaluation import Comparisons, error_rates
from irisstn.outputs import read_embedding, read_manifest, read_strip
from irisstn.recognition import StripNet, fuse, fuse_strips

_GALLERY = 3
_LEVELS = (1e-3, 1e-4)


@dataclass(frozen=True, slots=True)
class Shot:
    """An enrolled capture: its embedding, and its rectified strip."""

    embedding: NDArray[np.float32]
    strip: Strip


Eyes = dict[tuple[str, str], list[Shot | None]]  # by subject and eye; None: failed to enrol


def eyes_of(out: Path) -> Eyes:
    """The captures of each eye that has a probe, in the order of their names."""
    found: Eyes = {}
    for record in sorted(read_manifest(out), key=lambda one: str(one["path"])):
        label = label_of(record["path"])
        if label is None:
            raise click.UsageError(f"{out}: whose eye is {record['path']}?")
        enrolled = record.get("status") == "ok"
        shot = Shot(read_embedding(out, record), read_strip(out, record)) if enrolled else None
        found.setdefault((label.subject, label.eye), []).append(shot)
    return {eye: shots for eye, shots in found.items() if len(shots) > _GALLERY}


def rates(eyes: Eyes, gallery: list[NDArray[np.float32] | None]) -> list[Figure]:
    """FNMR at `_LEVELS` of the probes against the gallery, (1, D) or (K, D) for each eye: the best of K counts."""
    numbers = {subject: i for i, subject in enumerate(sorted({subject for subject, _ in eyes}))}
    owners = np.array([numbers[subject] for subject, _ in eyes])
    probes = [(i, shot) for i, shots in enumerate(eyes.values()) for shot in shots[_GALLERY:]]
    held = [(i, shot.embedding) for i, shot in probes if shot is not None]
    vectors = np.stack([vector for _, vector in held])
    mine = np.array([i for i, _ in held])
    best = np.stack([np.full(len(vectors), -np.inf) if one is None else (vectors @ one.T).max(1) for one in gallery], 1)
    same = mine[:, None] == np.arange(len(gallery))
    lost = [owners[i] for i, shot in probes if shot is None]
    row, column = np.nonzero(~same & np.isfinite(best))
    comparisons = Comparisons(
        mated=np.concatenate([1 - best[same], np.full(len(lost), np.inf)]),
        non_mated=1 - best[row, column],
        mated_subjects=np.concatenate([owners[mine], np.array(lost, np.intp)]).astype(np.intp),
        non_mated_subjects=np.stack([owners[mine[row]], owners[column]], 1).astype(np.intp),
        samples=len(probes),
        failed=len(lost),
    )
    figures = error_rates(comparisons, fmr_levels=_LEVELS, resamples=300).as_dict()
    return [rates_figure(figures, f"fnmr@{level:g}") for level in _LEVELS]


def rows_of(eyes: Eyes, network: StripNet) -> list[tuple[str, list[Figure]]]:
    """A row for each way to make the gallery."""
    firsts = [shots[:_GALLERY] for shots in eyes.values()]
    half = len(firsts) // 2  # the eye half a set away is of another person
    mixed = [[*own[:2], firsts[(i + half) % len(firsts)][2]] for i, own in enumerate(firsts)]

    def fused(shots: list[Shot | None], least: float | None = None) -> NDArray[np.float32] | None:
        vectors = [shot.embedding for shot in shots if shot is not None]
        if not vectors:
            return None
        return (fuse(vectors) if least is None else fuse(vectors, least_alike=least))[None]

    def as_strip(shots: list[Shot | None]) -> NDArray[np.float32] | None:
        strips = [shot.strip for shot in shots if shot is not None]
        return network.embed(fuse_strips(strips))[None] if strips else None

    def separate(shots: list[Shot | None]) -> NDArray[np.float32] | None:
        vectors = [shot.embedding for shot in shots if shot is not None]
        return np.stack(vectors) if vectors else None

    ways = [("1 capture", [fused(one[:1]) for one in firsts])]
    for count in (2, 3):
        some = [one[:count] for one in firsts]
        ways += [
            (f"{count} captures, embeddings fused", [fused(one) for one in some]),
            (f"{count} captures, strips fused", [as_strip(one) for one in some]),
            (f"{count} captures, best of {count} comparisons", [separate(one) for one in some]),
        ]
    ways += [
        ("2 captures and an intruder, embeddings fused", [fused(one) for one in mixed]),
        ("the same, intruder kept", [fused(one, -1.0) for one in mixed]),
        ("2 captures and an intruder, strips fused", [as_strip(one) for one in mixed]),
    ]
    return [(name, rates(eyes, gallery)) for name, gallery in ways]


@click.command()
@click.argument("outs", metavar="NAME=OUT...", nargs=-1, required=True)
@results_option
def cli(*, outs: tuple[str, ...], results: bool) -> None:
    """Measure galleries of one, two and three captures of an eye."""
    torch.set_num_threads(1)
    network, found = StripNet.load(), {}
    for name, out in map(named_folder, outs):
        eyes = eyes_of(out)
        probes = sum(len(shots) - _GALLERY for shots in eyes.values())
        found[f"{name}: {len(eyes)} eyes, {probes} probes"] = rows_of(eyes, network)
        for way, figures in found[f"{name}: {len(eyes)} eyes, {probes} probes"]:
            click.echo(f"{name}, {way}: " + ", ".join(f"{f.value:.2f} [{f.low:.2f}, {f.high:.2f}]" for f in figures))
    tables = [
        Table(f"FNMR by FMR, {name}", ["gallery", *(f"{level:g}" for level in _LEVELS)], [[n, *f] for n, f in rows])
        for name, rows in found.items()
    ]
    if results:
        command = "python benchmarks/fusion.py " + " ".join(f'"{named_folder(out)[0]}=OUT"' for out in outs)
        click.echo(write_results("fusion", command, tables))


if __name__ == "__main__":
    cli()
