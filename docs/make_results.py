"""The pages of results and of performance, from the JSON files that the benchmarks write.

    python docs/make_results.py [--results DIR] [--out docs]

Each file of `benchmarks/results` holds one object:

    {"benchmark": str, "command": str, "commit": str or null, "date": str, "machine": str, "versions": {name: version},
     "seed": int or null, "notes": [str], "tables": [{"title": str, "columns": [str], "rows": [[cell]]}]}

`notes`, which may be missing, are paragraphs of Markdown below the heading. A cell is a string, a number, null for an
empty one, or {"value": x, "low": a, "high": b, "n": k, "unit": "%"}: a figure with its confidence interval, its sample
size and its unit, of which all but `value` may be missing.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
TITLES = {  # of the sections in their order; other files follow by name
    "rectification-casia-iris-interval": "Rectification, CASIA-Iris-Interval",
    "rectification-iit-delhi": "Rectification, IIT Delhi",
    "rectification-small": "Rectification, small pictures of IIT Delhi",
    "rectification-dim": "Rectification, dim pictures of IIT Delhi",
    "rectification-rendered": "Rectification, rendered eyes",
    "foreign-circles-casia-iris-interval-subjects-1-40": "Rectification of crude foreign circles",
    "foreign-circles-iit-delhi-subjects-1-40": "Rectification of crude foreign circles, IIT Delhi",
    "foreign-strips-osiris-s-strips-of-casia-iris-interval": "Rectification of OSIRIS's strips",
    "foreign-strips-osiris-s-strips-of-iit-delhi": "Rectification of OSIRIS's strips, IIT Delhi",
    "uninet-casia-iris-interval": "Rectification before a public network, CASIA-Iris-Interval",
    "uninet-iit-delhi": "Rectification before a public network, IIT Delhi",
    "uninet-small": "Rectification before a public network, small pictures of IIT Delhi",
    "uninet-dim": "Rectification before a public network, dim pictures of IIT Delhi",
    "dilation": "Does a stretch by the pupil's dilation help?",
    "segmentation-casia-iris-interval": "Segmentation",
    "segmentation-casia-iris-interval-iitd": "Segmentation, rendered and real cameras",
    "segmentation-held-out": "Segmentation, cameras left out of training",
    "segmentation-changed": "Segmentation, rare eyes",
    "segmentation-uncertainty": "How sure are the boundaries?",
    "gaze": "Gaze",
    "one-comparison": "Recognition by one comparison",
    "score-calibration": "Do the claimed false match rates hold?",
    "fusion": "Several captures of an eye",
    "identification": "Search in a gallery",
    "occlusions": "Are occlusions worth leaving out?",
    "recognition-casia-iris-interval": "Does an STN help a CNN? CASIA-Iris-Interval",
    "recognition-rendered": "Does an STN help a CNN? Rendered eyes",
    "mnist": "Spatial transformers on MNIST",
    "rectifier-batch": "Speed of the rectifier on batches",
    "picture-sizes": "Speed by the size of the picture",
    "batch-speed": "Speed of a folder run",
    "batch-memory": "Memory of a folder run",
    "batch-kills": "Killed processes",
    "batch-command-kills": "Killed commands",
    "power-cuts": "Power cuts, simulated",
    "block-device-cuts": "Power cuts of a file system",
    "batch-junk": "Damaged files",
    "false-accepts": "Pictures without an eye",
    "growth-resume": "Resuming beside many records",
    "growth-comparisons": "Comparing many embeddings",
    "growth-match": "Scores of all pairs",
    "stages": "Stages",
}
PERFORMANCE = ("stages",)  # files whose sections are those of the page of performance
_RECTIFICATION = """\
*Turned*: the photograph is rotated by up to 15 degrees before it is segmented. *Moved*: centres of pupil and limbus
are displaced by up to 4 % of the iris radius in x and in y, and their radii changed by up to 4 %. *Errors removed*:
the rubber sheet along the boundaries before they were moved, rotated back by the angle of the turn. Iris codes are
compared without a shift (±0), or with the best of ±16 shifts of 1.4 degrees; the embeddings of the CNN are compared
once."""
_RECOGNITION = """\
*As segmented*: no errors are added to the test eyes. *All errors*: centres and radii of the boundaries are wrong by
up to 4 % of the iris radius, the strip is rotated by up to 15 degrees, and the texture dilated by up to 0.3 (see [the
ring transform](method.md#the-ring-transform))."""
_ONE_COMPARISON = """\
Small and dim: see the next section. *Moved*, *tilted*, *off axis*, *JPEG* and *tiny*: pictures of the first 60 subjects
of IIT Delhi as `benchmarks/degraded_eyes.py` makes them."""
_CALIBRATION = """\
The calibrations of the recognition network and of the iris code are fitted to rendered eyes that look alike; no
real eye was used. *Small* and *dim*: pictures of the first 60 subjects of IIT Delhi made poorer (iris radius 44
pixels, contrast 0.6 and 0.5, noise, JPEG; dim also blurred). Two subjects of IIT Delhi, 008 and 042, seem to have
the same left eye: all 50 non-mated comparisons of this set above 0.4 are theirs. They count as false matches but for
the rows that leave them out. The *rendered eyes* of the last table are of random cameras and anatomies, and so less
alike than eyes in front of one camera: at the shipped thresholds hardly any of their pairs match. Its second row tests
what no real set is large enough for, the continuation of the tail: calibrations are fitted to as many random pairs as
the shipped one, and what they claim down to 1e-7 is compared with all pairs."""
_FUSION = """\
The first captures of each eye are the gallery, those from the fourth on the probes. Fused embeddings are their
mean direction; fused strips are rotated to the first one and averaged over the captures that show a pixel. An
intruder is a capture of another person's eye in place of the third."""
_IDENTIFICATION = """\
The first capture of each eye is enrolled, all others are searched, once with and once without their mate in the
gallery. FNIR and FPIR as in NIST's IREX; failures to enrol count. The rows of the large gallery hold **simulated
embeddings**, random vectors with the mean and the variance of the set's real ones, not pictures of eyes: their
tail is lighter than that of real eyes, as the second table says, so real galleries of this size give more errors.
*Rendered eyes* are pictures that went through segmentation, rectifier and network (`benchmarks/rendered_gallery.py`):
one picture of each eye is the gallery, a second one of the first 2,000 eyes the probe, each by a random camera. They
are not added to the galleries of the real sets, because real eyes are far less similar to them than to each other."""
_GAZE = """\
*True*: the angle between the axes of eye and camera. *Contradictory*: pupil and limbus are flattened so differently
that nothing is told. *Told*: eyes with an angle; then its mean error (*bias*) and root mean square *error*, that of the
axis, and the share within two of the stated standard deviations. *Below*: the share below the stated bound."""
_UNINET = """\
UniNet (Zhao & Kumar 2017) in its port to PyTorch, with the weights trained by its authors on ND-IRIS-0405, compared by
its own rule: this project had no part in its training. Conditions and methods are those of the first section; maps are
compared without a shift (±0), or with the best of ±16 shifts of 1.4 degrees."""
_FOREIGN_STRIPS = """\
Strips of 64 x 512 and masks as OSIRIS v4.1 writes them (diameters as in `benchmarks/osiris.py`), read by their
convention. Without the photographs no roll is corrected, only the boundaries."""
_POWER_CUTS = """\
A cut loses what was not on the disk: the file system is shut down without its journal being written. The file that
differs is run.json.damaged: the run found an empty run.json, set it aside and made it anew."""
_DILATION = """\
The texture of a rectified strip at the radius r + k (share - 0.4) r (1 - r) is moved to r, before codes are compared;
the share is the pupil's radius over that of the iris. No captures of an eye of IIT Delhi differ by more than 0.1."""
_STAGES = """\
Every picture is processed from its file to its files and its record by the function that the folder runner calls,
several times in turn with the other commands and with the *floor*, the least that any program does. Of each stage and
picture the least CPU time counts, without that of the stages that it calls; the tables hold means over the pictures.
Start-up, the manifest and the waits for the disk are not included."""
_HELD_OUT = """\
Each camera lies outside the ranges that training drew (`benchmarks/held_out_cameras.py`): *gaze* from 0 to 45 degrees;
*interlaced*: two fields of an eye that moves, a tone curve and JPEG of quality 15 to 40; *large*: an iris of 230 to 300
pixels, blurred; *night*: strong noise, noise of rows, light from one side; *tiny*: an iris of 14 to 21 pixels;
*visible* light with large reflections, a colour cast and a tone curve. The usable mask leaves out eyelashes and
reflections, and on purpose shadows and a margin beside the eyelids, which hold 4 to 7 % of what is usable in the
truth: so its F1 stays near 95 on the cameras of the training as well. *Error over sd*: as in the next section."""
EXPLANATIONS = {  # below the title of a section
    "one-comparison": _ONE_COMPARISON,
    "score-calibration": _CALIBRATION,
    "fusion": _FUSION,
    "identification": _IDENTIFICATION,
    "gaze": _GAZE,
    "foreign-strips-osiris-s-strips-of-casia-iris-interval": _FOREIGN_STRIPS,
    "foreign-strips-osiris-s-strips-of-iit-delhi": "As in the section above.",
    "block-device-cuts": _POWER_CUTS,
    "uninet-casia-iris-interval": _UNINET,
    "uninet-iit-delhi": "The network and the conditions are those of the section above.",
    "uninet-small": "The network and the conditions are those of the sections above.",
    "uninet-dim": "The network and the conditions are those of the sections above.",
    "dilation": _DILATION,
    "segmentation-casia-iris-interval-iitd": """\
The names in small letters are cameras of the renderer, of which the training drew; *iitd* are ten pictures of IIT Delhi
with hand-made masks. An earlier run than that of the section above, with the rendered cameras.""",
    "segmentation-held-out": _HELD_OUT,
    "segmentation-changed": """\
What disease, drugs or a tilted head bring, made in pictures of rendered and of real eyes by
`benchmarks/changed_eyes.py`: a pupil of 0.72 to 0.85 of the iris, one of irregular shape, one that is clouded by a
third to four fifths, a gap in the iris, a head tilted by 25 to 45 degrees. The true iris of a real picture is what is
found in it unchanged, so that 100 is no merit there; refused pictures do not count for F1.""",
    "segmentation-uncertainty": """\
The errors are those of x and y of a boundary's centre and of its mean radius. 1: the standard deviations are right;
above 1 they are too small. Cameras of the renderer, of which the training drew; eyes that it did not see.""",
    "stages": _STAGES,
    "rectification-casia-iris-interval": _RECTIFICATION,
    "rectification-iit-delhi": "Conditions and methods are those of the section above.",
    "rectification-small": "Conditions and methods as above. Small: iris radius 44 pixels, contrast 0.6, noise, JPEG.",
    "rectification-dim": "Conditions and methods as above. Dim: like small, of contrast 0.5, more noise, and blurred.",
    "recognition-casia-iris-interval": _RECOGNITION,
    "recognition-rendered": "Conditions are those of the section above.",
    "picture-sizes": "The floor and the way of measuring are those of [Performance](performance.md#stages).",
    "rectifier-batch": """\
*Of the same size*: an affine STN whose localization has the convolutions of the rectifier's, with their input of five
planes, and neither norms nor circular padding. *Of the tutorial*: PyTorch's, with two small convolutions. The rectifier
takes large batches in parts of 8 for each thread.""",
}
HEADING = """# Results

This page is made by `python docs/make_results.py` from `benchmarks/results/*.json`, which the benchmarks write. Square
brackets hold the interval that a table's title names. [Limits](limits.md) says what the figures do not show, and
[Performance](performance.md) where the time of each command goes.
"""
PERFORMANCE_HEADING = """# Performance

Where the time of a command goes, on one core. This page is made by `python docs/make_results.py` from the files that
`benchmarks/stages.py` writes; [Results](results.md#speed-of-a-folder-run) has the speed of whole folder runs.

**The segmentation network** runs in OpenCV. One look (96x112 pixels, 59 million multiplications) took, on one
thread of a core with AVX2, least of 150 runs:

| runtime | ms a look | its maps |
| --- | --- | --- |
| OpenCV, as shipped | 2.2 | |
| OpenCV without Winograd's algorithm; its newer engine | 1.7; 1.9 times as long | |
| ONNX Runtime, 32-bit floats | 1.7 | the same within 4e-5 before the logistic function |
| ONNX Runtime, 8-bit whole numbers, unsigned weights | 2.0 | 0.5 % of the occlusion's pixels change side |
| ONNX Runtime, 8-bit whole numbers, signed weights | 1.3 | 4 % of the opening's pixels change side: sums overflow |

ONNX Runtime would save 4 % of `segment` and needs an extra, and 8 bits give other results on other processors; so
neither is used.

**The second look** is left out where the first one, at the whole picture, frames the iris well: its centre within 0.3
iris radii of the crop's, its size within 22 %. That is so in 39 % of CASIA-Iris-Interval and in none of IIT Delhi at
half size, whose irises fill the picture. To leave it out more often costs accuracy:

- Where irises count as well framed within 0.4 radii and 35 %, the first look suffices in 75 % of Interval. Where the
  second one is left out by this, irises are 0.5 % smaller, and F1 is lower by 0.17 points (standard error 0.02).
- A first look at two thirds of the size, where the iris has 20 pixels there, suffices in most of IIT Delhi and saves
  8 % of `segment`. But FNMR at FMR 0.1 % rises from 0.16 to 0.31 % (plain code, 16 shifts), and 8 pictures in place of
  1 are trusted less than 0.85. F1 is lower by 0.02 points.

**Memory.** The commands keep freed memory for the next picture (`irisstn.processes.keep_freed_memory`). A program
that calls `irisstn.segment` itself can do the same: without it the system clears 340 pages for each picture of
320x280, about 4 % of the time, and 1,500 for one of 640x480.

**Large pictures.** Only reading, decoding, the reduction to the network's crop, the quality of the whole picture and
the masks grow with it: [640x480 and 1088x640](results.md#speed-by-the-size-of-the-picture) take 1.2 and 1.5 times as
long as 320x280.

**Lists** of pictures are rectified one by one (`irisstn.Pipeline.rectify`, `Rectifier.rectify`), so that a result is
equal to the bit to that of the picture alone. The network in batches of eight would save 6 to 11 % of it and change
the last bits.

**Two workers** take no more CPU time a picture than one (239 pictures: 31 ms with either), and wait for the disk as
often, four times a picture. On Linux the process from which the workers are forked imports while the command itself
does. What remains is what one process does alone, the page at the end, and what the cores share:
[two commands](results.md#speed-of-a-folder-run) with half of the pictures each are measured in the same run.
"""


def results_page(results: Path) -> str:
    """The Markdown text for the files of the folder `results`, by name. Raises ValueError where there is none."""
    return _page(HEADING, [path for path in results.glob("*.json") if path.stem not in PERFORMANCE], results)


def performance_page(results: Path) -> str:
    """The Markdown text for the files of the folder `results` about speed. Raises ValueError where there is none."""
    return _page(PERFORMANCE_HEADING, [path for path in results.glob("*.json") if path.stem in PERFORMANCE], results)


def _page(heading: str, files: list[Path], results: Path) -> str:
    if not files:
        raise ValueError(f"{results} holds no results for this page")
    sections = [_section(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(files, key=_place)]
    return "\n".join([heading, *sections])


def _place(path: Path) -> tuple[int, str]:
    """Where the section of a file stands."""
    order = list(TITLES)
    return order.index(path.stem) if path.stem in TITLES else len(order), path.stem


def _section(result: dict[str, object]) -> str:
    name = str(result["benchmark"])
    lines = [f"## {TITLES.get(name, name)}", ""]
    if name in EXPLANATIONS:
        lines += [EXPLANATIONS[name], ""]
    for note in _items(result.get("notes")):
        lines += [str(note), ""]
    for table in _items(result["tables"]):
        if not isinstance(table, dict):
            raise ValueError(f"a table must be an object, got {table!r}")
        lines += [*_table(table), ""]
    versions = result.get("versions")
    named = ", ".join(f"{name} {one}" for name, one in versions.items()) if isinstance(versions, dict) else ""
    source = {
        "Command": f"`{result['command']}`",
        "Commit": result.get("commit") or "not recorded",
        "Date": result["date"],
        "Machine": result["machine"],
        "Versions": named or "not recorded",
        "Seed": "none" if result.get("seed") is None else result["seed"],
    }
    lines += ["| Source | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in source.items()), ""]
    return "\n".join(lines)


def _table(table: dict[str, object]) -> list[str]:
    columns = [str(name) for name in _items(table["columns"])]
    rows = [_items(row) for row in _items(table["rows"])]
    if not rows or any(len(row) != len(columns) for row in rows):
        raise ValueError(f"each row of {table['title']!r} needs {len(columns)} cells, and one row at least")
    figures = [cell for row in rows for cell in row if isinstance(cell, dict)]
    shared = {name: _shared(figures, name) for name in ("unit", "n")}
    with_unit, with_n = shared["unit"] is None, shared["n"] is None and "n" not in columns
    texts = [[cell_text(cell, unit=with_unit, n=with_n) for cell in row] for row in rows]
    below = []
    if shared["unit"] is not None:
        below.append(f"in {shared['unit']}")
    if shared["n"] is not None:
        below.append(f"n = {shared['n']:,}")
    return [
        f"**{table['title']}.**",
        "",
        *([f"All figures {', '.join(below)}.", ""] if below else []),
        *(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *texts)),
    ]


def _shared(figures: list[dict[str, object]], name: str) -> object:
    """What those of `figures` that have it have under `name`; None where they differ, or there are fewer than two."""
    values = {figure[name] for figure in figures if figure.get(name) is not None}
    if name == "unit" and any(figure.get(name) is None for figure in figures):
        return None
    return values.pop() if len(values) == 1 and len(figures) > 1 else None


def cell_text(cell: object, *, unit: bool = True, n: bool = True) -> str:
    """A cell as text, such as `0.10 [0.00, 0.33] % (n = 4,940)`, without its `unit` or `n` where they stand elsewhere.

    Two decimals where the figure is below 10 or its interval narrower than 1, one elsewhere, and no more than the file
    has.
    """
    if not isinstance(cell, dict):
        return "" if cell is None else f"{cell:,}" if isinstance(cell, int | float) else str(cell).replace("|", "\\|")
    numbers = [cell[name] for name in ("value", "low", "high") if cell.get(name) is not None]
    narrow = len(numbers) > 1 and max(numbers) - min(numbers) < 1
    wanted = 2 if narrow or max(abs(number) for number in numbers) < 10 else 1
    decimals = min(wanted, max(len(str(number).partition(".")[2]) for number in numbers))
    text = f"{cell['value']:,.{decimals}f}"
    if cell.get("low") is not None and cell.get("high") is not None:
        text += f" [{cell['low']:,.{decimals}f}, {cell['high']:,.{decimals}f}]"
    if unit and cell.get("unit"):
        text += f" {cell['unit']}"
    return text + (f" (n = {cell['n']:,})" if n and cell.get("n") is not None else "")


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@click.command()
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path, file_okay=False), help="Folder of JSON.")
@click.option("--out", default=DOCS, type=click.Path(path_type=Path, file_okay=False), help="Folder of the pages.")
def cli(results: Path, out: Path) -> None:
    """Write the pages of results and of performance."""
    (out / "results.md").write_text(results_page(results), encoding="utf-8")
    (out / "performance.md").write_text(performance_page(results), encoding="utf-8")


if __name__ == "__main__":
    cli()
