"""Where the time of `irisstn segment`, `rectify` and `embed` goes: CPU time of each stage on one core.

    python benchmarks/stages.py [EYES] [--pictures 24] [--repeats 7] [--sizes]

Every picture is processed by the function that the folder runner calls, from its file to its files and its record,
`repeats` times in turn with the other commands and with the floor: read and decode the file, sample a strip, write it
and a mask of its size as PNG. Each repetition writes new files, as a run does: where a file is replaced, ext4 begins to
write it at once. Of each stage and picture the least time counts, which depends little on other processes of the
machine; a table holds the means over the pictures. `benchmarks/results/stages.json` is written, from which
`docs/performance.md` is made.

With `--sizes` the same pictures are scaled to three sizes, and `segment` alone is measured on them, in turn; written to
`benchmarks/results/picture-sizes.json`.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click
import cv2
import numpy as np
from results_file import Cell, Table, results_option, write_results
from scaled_pictures import SIZES, scaled
from stage_clock import stages_timed

from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
from irisstn.batch.jobs.job import Job
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.batch.process_pool import one_opencv_thread
from irisstn.batch.task import Task, run_task
from irisstn.datasets import find_images
from irisstn.images import encode_png, read_gray
from irisstn.processes import keep_freed_memory
from irisstn.storage.local import LocalStorage

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
_JOBS = "irisstn.batch.jobs"
_SEGMENT, _LOCATION = "irisstn.segmentation.segment", "irisstn.segmentation.eye_location"
STAGES: dict[str, tuple[str, ...]] = {
    "read the file": ("irisstn.batch.task:_read",),
    "hash": ("irisstn.batch.task:_digests",),
    "decode": tuple(f"{_JOBS}.{job}:decode_gray" for job in ("segment", "rectify", "embed")),
    "what the picture shows": ("irisstn.segmentation.input_kind:find_backgrounds", f"{_JOBS}.input_kind:is_strip"),
    "crops": ("irisstn.segmentation.crop:Crop.framed", "irisstn.segmentation.crop:Crop.around"),
    "segmentation network": (f"{_LOCATION}:predict_part_maps", "irisstn.segmentation.warped_views:predict_part_maps"),
    "curves fitted to its maps": (
        *(f"{_LOCATION}:{name}" for name in ("find_disc", "find_discs", "fit_disc", "fit_eyelids", "soft_iou")),
        f"{_LOCATION}:opening_axis",
        f"{_LOCATION}:vertical_opening",
    ),
    "edges traced and checked": (f"{_SEGMENT}:_trace_edges",),
    "masks": (f"{_SEGMENT}:_masks",),
    "texture checked": (f"{_SEGMENT}:require_texture",),
    "rest of the segmentation": (f"{_JOBS}.input_kind:segment_as",),
    "quality": tuple(
        f"{_JOBS}.segment:{name}"
        for name in ("measure_quality", "figures_with_score", "clipped_fraction", "capture_warnings")
    ),
    "context of the ring": (
        "irisstn.rectification.rectifier_methods:context_of_eye",
        "irisstn.rectification.ring_context:Context.planes",
    ),
    "localization network and roll": ("irisstn.rectification.onnx_rectifier:OnnxRectifier._estimate",),
    "strip": (f"{_JOBS}.segment:normalize", "irisstn.rectification.onnx_rectifier:sample_moved_ring"),
    "recognition network": ("irisstn.recognition.onnx_recognizer:OnnxRecognizer.embed",),
    "PNG": tuple(f"{_JOBS}.{job}:encode_png" for job in ("segment", "rectify")),
    "record": (f"{_JOBS}.segment:segmentation_fields", "irisstn.batch.task:format_record"),
    "write the files": ("irisstn.storage.local:LocalStorage.write",),
}
REST = "between the stages"


@dataclass
class Times:
    """The least CPU times of one command.

    Attributes
    ----------
    whole : dict of Path to float
        Of each picture, seconds.
    stages : dict of str to dict of Path to float
        Of each stage and picture, seconds.
    calls : Counter of str
        Calls of each stage in one repetition.
    """

    whole: dict[Path, float] = field(default_factory=dict)
    stages: dict[str, dict[Path, float]] = field(default_factory=lambda: defaultdict(dict))
    calls: Counter[str] = field(default_factory=Counter)

    def mean_ms(self, stage: str | None = None) -> float:
        """Mean over the pictures in ms, of one stage or of the whole."""
        times = self.whole if stage is None else self.stages[stage]
        return 1000 * sum(times.values()) / len(self.whole)


def measure(
    pictures: Sequence[Path], scratch: Path, *, repeats: int, commands: Sequence[str] = ("segment", "rectify", "embed")
) -> dict[str, Times]:
    """Measure the floor and the commands in turn.

    Parameters
    ----------
    pictures : sequence of Path
        Picture files.
    scratch : Path
        An empty folder.
    repeats : int
        How often each picture is processed by each command, after once to warm up.
    commands : sequence of str
        Those of "segment", "rectify" and "embed" to measure.

    Returns
    -------
    dict of str to Times
        By command, with "floor".
    """
    jobs: dict[str, Job] = {
        "segment": SegmentJob(SegmentConfig()),
        "rectify": RectifyJob.of(RectifyConfig(runtime="onnx")),
        "embed": EmbedJob.of(EmbedConfig(runtime="onnx")),
    }
    jobs = {name: job for name, job in jobs.items() if name in commands}
    found = {name: Times() for name in ("floor", *jobs)}
    keep_freed_memory()
    with one_opencv_thread(), ExitStack() as started, stages_timed(STAGES) as clock:
        processes = {name: started.enter_context(job.start()) for name, job in jobs.items()}
        for repeat in range(repeats + 1):
            storages: dict[str, LocalStorage] = {}
            for command, times in found.items():
                times.calls.clear()
                out = scratch / f"{command}-{repeat}"
                (out / "unfinished").mkdir(parents=True)
                storages[command] = LocalStorage(out, out / "unfinished")
            for number, picture in enumerate(pictures):
                name = f"{number}-{picture.name}"
                for command, times in found.items():
                    clock.reset()
                    begun = time.process_time()
                    if command == "floor":
                        floor(picture, storages[command].root / name)
                    else:
                        outcome = run_task(Task(name, str(picture)), processes[command], storages[command])
                    taken = time.process_time() - begun
                    if command != "floor" and outcome.failure is not None:
                        raise click.ClickException(f"{picture.name}: {outcome.failure}; give pictures with an iris")
                    times.calls += clock.calls
                    if repeat:
                        _lower(times.whole, picture, taken)
                        for stage, seconds in clock.seconds.items():
                            _lower(times.stages[stage], picture, seconds)
    return found


def _lower(least: dict[Path, float], picture: Path, seconds: float) -> None:
    least[picture] = min(seconds, least.get(picture, seconds))


def floor(picture: Path, out: Path) -> None:
    """The least that any program does: read and decode a picture, sample a strip, write it and a mask as PNG.

    The names of both files begin with `out`.
    """
    image = read_gray(picture)
    height, width = image.shape
    angle, radius = np.linspace(0, 2 * np.pi, 512)[None, :], np.linspace(30, 100, 64)[:, None]
    x, y = width / 2 + radius * np.cos(angle), height / 2 + radius * np.sin(angle)
    strip = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    for name, part in (("strip", strip), ("mask", strip > 99)):
        out.with_name(f"{out.name}.{name}.png").write_bytes(encode_png(np.asarray(part)))


def tables(found: dict[str, Times]) -> list[Table]:
    """The table of the commands, and one of the stages of each.

    Parameters
    ----------
    found : dict of str to Times
        What `measure` returns.

    Returns
    -------
    list of Table
        Milliseconds of CPU time.
    """
    least = found["floor"].mean_ms()
    rows: list[list[Cell]] = []
    for name, times in found.items():
        label = "floor: read, decode, one strip, two PNG files" if name == "floor" else f"`irisstn {name}`"
        rows.append([label, round(times.mean_ms(), 2), round(times.mean_ms() / least, 1)])
    whole = Table(
        "CPU time of a picture, from its file to all files", ["command", "ms a picture", "times the floor"], rows
    )
    return [whole, *(_stage_table(name, times) for name, times in found.items() if name != "floor")]


def _stage_table(command: str, times: Times) -> Table:
    pictures, whole = len(times.whole), times.mean_ms()
    known = [stage for stage in STAGES if stage in times.stages]
    rows: list[list[Cell]] = [
        [
            stage,
            round(times.mean_ms(stage), 2),
            round(100 * times.mean_ms(stage) / whole, 1),
            round(calls / pictures, 1),
        ]
        for stage in known
        if (calls := times.calls[stage])
    ]
    rest = max(0.0, whole - sum(times.mean_ms(stage) for stage in known))
    rows += [[REST, round(rest, 2), round(100 * rest / whole, 1), ""], ["whole", round(whole, 2), 100.0, ""]]
    return Table(f"Stages of `irisstn {command}`", ["stage", "ms a picture", "% of the whole", "calls a picture"], rows)


def size_table(found: dict[str, Times]) -> Table:
    """The table of `segment` by the size of the picture.

    Parameters
    ----------
    found : dict of str to Times
        What `measure` returns of `scaled` pictures.

    Returns
    -------
    Table
        Milliseconds of CPU time, and ratios to the first of `SIZES`.
    """
    rows: list[list[Cell]] = []
    means: list[float] = []
    for width, height in SIZES:
        name = f"{width}x{height}"
        floor_ms, ms = (
            1000 * float(np.mean([s for path, s in found[command].whole.items() if path.parent.name == name]))
            for command in ("floor", "segment")
        )
        means.append(ms)
        rows.append([name, round(floor_ms, 2), round(ms, 2), round(ms / means[0], 2)])
    columns = ["size", "floor, ms", "`irisstn segment`, ms", "times the first size"]
    return Table("CPU time of a picture by its size; the same eyes scaled to the height", columns, rows)


@click.command()
@click.argument("eyes", default=SAMPLE, type=click.Path(exists=True, path_type=Path))
@click.option("--pictures", default=24, show_default=True, help="How many pictures, evenly chosen.")
@click.option("--repeats", default=7, show_default=True, help="Measurements of each picture; the least counts.")
@click.option("--sizes", is_flag=True, help="Measure `segment` on the pictures at three sizes, in place of the stages.")
@results_option
def main(*, eyes: Path, pictures: int, repeats: int, sizes: bool, results: bool) -> None:
    """Print the CPU time of each stage, and write it to benchmarks/results/."""
    every = [sample.path for sample in find_images([eyes])]
    chosen = every[:: max(1, len(every) // pictures)][:pictures]
    with tempfile.TemporaryDirectory() as scratch:
        if sizes:
            same = scaled(chosen, Path(scratch, "pictures"))
            made = [size_table(measure(same, Path(scratch, "out"), repeats=repeats, commands=["segment"]))]
        else:
            made = tables(measure(chosen, Path(scratch), repeats=repeats))
    for table in made:
        click.echo(f"\n{table.title}")
        for row in table.rows:
            click.echo(f"{row[0]!s:<50}" + "".join(f"{cell!s:>10}" for cell in row[1:]))
    if results:
        given = "data/sample" if eyes.resolve() == SAMPLE.resolve() else "EYES"
        command = f"python benchmarks/stages.py {given} --pictures {len(chosen)} --repeats {repeats}"
        name, command = ("picture-sizes", f"{command} --sizes") if sizes else ("stages", command)
        click.echo(write_results(name, command, made))


if __name__ == "__main__":
    main()
