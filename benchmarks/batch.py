"""What the folder runner promises, at full size: nothing lost, nothing twice, bounded memory, little overhead.

    irisstn synth -o RENDERED --subjects 100 --shots 5 --seed 200       # 1,000 rendered eyes, for all below
    python benchmarks/batch.py kills RENDERED/eyes [--kills 100] [--workers 2]
    python benchmarks/batch.py junk RENDERED/eyes [--count 10000]
    python benchmarks/batch.py speed EYES [--repeats 3]
    python benchmarks/batch.py memory EYES
    python benchmarks/batch.py ray RENDERED/eyes

kills   SIGKILL at random moments of `irisstn segment`, resumed each time; then every file against an unbroken run.
junk    files truncated, bit-flipped, with spliced or lying headers, in all formats, through `irisstn segment`.
speed   pictures a second at 1 and 2 workers, and what a picture takes beyond reading, decoding, one remap, encoding and
        writing the same files with bare OpenCV, measured in the same run (the floor). In CPU time, which other users of
        the machine disturb less, start and page included; the load that they make is printed.
memory  the largest process of a run over 10,000 pictures (links to the same ones) against one over 1,000.
ray     `--engine ray` against the local engine, byte for byte.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from irisstn.batch import SegmentConfig, SegmentJob
from irisstn.batch.job import Input
from irisstn.datasets import find_images
from irisstn.images import encode_png, read_gray
from irisstn.outputs import read_manifest

Row = Mapping[str, object]
IRISSTN = [sys.executable, "-m", "irisstn"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Run:
    """A finished command: its exit code, summary, seconds, CPU seconds and the peak of its largest process in MB."""

    code: int
    summary: Row
    seconds: float
    cpu_s: float
    peak_mb: float


def run(*arguments: object, timeout_s: float = 7200) -> Run:
    """Run `irisstn` with `arguments` and --json; raises TimeoutError where it takes longer than `timeout_s`."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen([*IRISSTN, *map(str, arguments), "--json"], env=ENVIRONMENT, stdout=told)
        while True:
            waited, status, usage = os.wait4(process.pid, os.WNOHANG)
            if waited:
                break
            if time.monotonic() - started > timeout_s:
                process.kill()
                raise TimeoutError(f"{arguments} took longer than {timeout_s} s")
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        summary = json.loads(told.read() or b"{}")
    # Of a process that has waited for its children, ru_maxrss is the largest of them and itself.
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(process.returncode, summary, time.monotonic() - started, cpu_s, usage.ru_maxrss / 1024)


def files_of(out: Path) -> dict[str, bytes]:
    """All files of an output folder, without what may differ: times, and where the page found the pictures."""
    files = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in (".lock", "run.json"):
            data = path.read_bytes()
            if path.name == "manifest.jsonl":
                data = b"\n".join(json.dumps(json.loads(line) | {"seconds": 0}).encode() for line in data.splitlines())
            files[path.relative_to(out).as_posix()] = data
    return files


def differences(got: Path, expected: Path) -> list[str]:
    """The names of the files that differ between two output folders, or that only one of them has."""
    one, other = files_of(got), files_of(expected)
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


# --- kills


def kill_and_resume(eyes: Path, scratch: Path, *, kills: int, workers: int, seed: int) -> Row:
    """Kill a run over `eyes` `kills` times at random moments, resume it to the end, and compare.

    A life ends after a random number of further records and a random moment more; one in eight at any moment of its
    first second, when it has not begun to write. A run that is through before its kill is begun anew elsewhere.
    """
    rng = np.random.default_rng(seed)
    total = len(find_images([eyes]))
    unbroken, broken = scratch / "unbroken", scratch / "broken"
    run("segment", eyes, "-o", unbroken, "--workers", 1)
    done = whole = 0
    while done < kills:
        process = subprocess.Popen(
            [*IRISSTN, "segment", str(eyes), "-o", str(broken), "--workers", str(workers), "--quiet"], env=ENVIRONMENT
        )
        if rng.random() < 1 / 8:
            time.sleep(float(rng.uniform(0, 1)))
        else:
            _wait_for_lines(broken, process, _lines(broken) + int(rng.integers(0, 2 * total // kills)))
            time.sleep(float(rng.uniform(0, 0.05)))
        if process.poll() is None:
            process.kill()
            done += 1
        process.wait()
        if process.returncode >= 0:
            whole += 1
            assert not differences(broken, unbroken)
            shutil.rmtree(broken)
    last = run("segment", eyes, "-o", broken, "--workers", workers)
    names = [record["path"] for record in read_manifest(broken)]
    lines = (broken / "manifest.jsonl").read_bytes().count(b"\n")
    leftovers = [path.name for path in broken.rglob("*.tmp")]
    return {
        "inputs": total,
        "kills": done,
        "runs that ended before their kill": whole,
        "workers": workers,
        "seed": seed,
        "skipped by the last run": last.summary["skipped"],
        "records": len(names),
        "lines in the manifest": lines,
        "inputs lost": len({sample.name for sample in find_images([eyes])} - set(map(str, names))),
        "inputs twice": lines - len(set(names)),
        "files compared": len(files_of(unbroken)),
        "files that differ": len(differences(broken, unbroken)),
        "leftovers": len(leftovers),
    }


def _lines(out: Path) -> int:
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def _wait_for_lines(out: Path, process: subprocess.Popen[bytes], count: int) -> None:
    manifest, size = out / "manifest.jsonl", -1
    while process.poll() is None:
        if manifest.exists() and manifest.stat().st_size != size:  # which is cheaper to look at than its lines
            size = manifest.stat().st_size
            if _lines(out) >= count:
                return
        time.sleep(0.005)


# --- junk


FORMATS = (".png", ".jpg", ".bmp", ".tiff", ".jp2", ".webp", ".gif", ".pgm", ".ppm")


def write_junk(eyes: Path, out: Path, *, count: int, seed: int) -> None:
    """Write `count` files below `out`, each a rendered eye, half as large, in some format and depth, and damaged."""
    rng = np.random.default_rng(seed)
    samples = find_images([eyes])
    out.mkdir(parents=True)
    for number in range(count):
        suffix = FORMATS[number % len(FORMATS)]
        image = read_gray(samples[int(rng.integers(len(samples)))].path)
        data = bytearray(_encoded(cv2.resize(image, None, fx=0.5, fy=0.5), suffix, rng))
        kind = ("cut", "flip", "splice", "lie", "shuffle")[number // len(FORMATS) % 5]
        (out / f"{number:05d}-{kind}{suffix}").write_bytes(_damaged(data, kind, rng))


def _encoded(image: cv2.typing.MatLike, suffix: str, rng: np.random.Generator) -> bytes:
    if suffix in (".png", ".tiff") and rng.random() < 0.3:
        image = image.astype(np.uint16) * 257
    elif suffix != ".pgm" and (suffix in (".ppm", ".gif", ".webp") or rng.random() < 0.3):
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return bytes(cv2.imencode(suffix, image)[1])


def _damaged(data: bytearray, kind: str, rng: np.random.Generator) -> bytes:
    head = min(len(data), int(rng.choice([16, 64, 256, 1024])))
    if kind == "cut":
        del data[int(rng.integers(len(data))) :]
    elif kind == "flip":
        for _ in range(int(rng.integers(1, 65))):
            data[int(rng.integers(head if rng.random() < 0.5 else len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == "splice":  # the head of one format on the body of another
        other = bytes(cv2.imencode(str(rng.choice(FORMATS[:4])), np.full((240, 320), 128, np.uint8))[1])
        data[: len(other[:head])] = other[:head]
    elif kind == "lie":  # extreme numbers where sizes and lengths stand
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(2, head - 4))
            value = int(rng.choice([0, 1, 0x7FFF, 0xFFFF, 30_000, 5_600, 0x7FFFFFFF, 0xFFFFFFFF]))
            data[at : at + 4] = value.to_bytes(4, "big" if rng.random() < 0.5 else "little")
    else:
        a, b, size = (int(rng.integers(1, len(data) // 2)) for _ in range(3))
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return bytes(data)


def segment_junk(eyes: Path, scratch: Path, *, count: int, workers: int, seed: int) -> Row:
    """Write `count` damaged files and run `irisstn segment` over them."""
    junk, out = scratch / "junk", scratch / "junk-out"
    write_junk(eyes, junk, count=count, seed=seed)
    found = run("segment", junk, "-o", out, "--workers", workers, timeout_s=60 + count)
    records = list(read_manifest(out))
    outcomes = Counter(str(record.get("stage", "ok")) for record in records)
    return {
        "files": count,
        "workers": workers,
        "seed": seed,
        "exit code": found.code,
        "records": len({str(record["path"]) for record in records}),
        **{f"outcome {stage}": number for stage, number in sorted(outcomes.items())},
        "slowest picture, s": max(float(str(record["seconds"])) for record in records),
        "peak of the largest process, MB": round(found.peak_mb),
        "seconds": round(found.seconds),
    }


# --- speed


def floor_ms(pictures: Sequence[Path], scratch: Path) -> float:
    """CPU milliseconds a picture for reading, decoding, one remap to a strip, and encoding and writing four files."""
    cv2.setNumThreads(1)
    angle, row = np.meshgrid(np.linspace(0, 2 * np.pi, 512), np.linspace(30, 100, 64))
    x, y = (np.asarray(row * wave(angle), np.float32) for wave in (np.cos, np.sin))
    scratch.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    for number, path in enumerate(pictures):
        image = read_gray(path)
        strip = cv2.remap(image, x + image.shape[1] / 2, y + image.shape[0] / 2, cv2.INTER_LINEAR)
        for kind, picture in enumerate((strip, strip > 99, image > 99, image > 128)):
            (scratch / f"{number}-{kind}.png").write_bytes(encode_png(np.asarray(picture)))
    taken = 1000 * (time.process_time() - started) / len(pictures)
    shutil.rmtree(scratch)
    return taken


def job_ms(pictures: Sequence[Path]) -> float:
    """CPU milliseconds a picture for `segment`'s per-picture function alone: no runner, nothing read or written."""
    with SegmentJob(SegmentConfig()).start() as process:
        inputs = [Input(path.name, path.read_bytes()) for path in pictures]
        started = time.process_time()
        for source in inputs:
            try:
                process(source)
            except Exception:  # a closed eye takes its time, too
                continue
        return 1000 * (time.process_time() - started) / len(pictures)


def measure_speed(eyes: Path, scratch: Path, *, repeats: int) -> list[Row]:
    """One row for each repeat."""
    pictures = [sample.path for sample in find_images([eyes])]
    rows: list[Row] = []
    for repeat in range(repeats):
        load = os.getloadavg()[0]
        floor = floor_ms(pictures, scratch / "floor")
        job = job_ms(pictures)
        rates, cpu = {}, {}
        for workers in (1, 2):
            out = scratch / f"speed-{repeat}-{workers}"
            found = run("segment", eyes, "-o", out, "--workers", workers)
            rates[workers] = float(str(found.summary["rate"]))
            cpu[workers] = 1000 * found.cpu_s / len(pictures)
            shutil.rmtree(out)
        rows.append(
            {
                "n": len(pictures),
                "load before": round(load, 1),
                "1 worker, /s": round(rates[1], 1),
                "2 workers, /s": round(rates[2], 1),
                "ratio": round(rates[2] / rates[1], 2),
                "CPU ms a picture, 1 worker": round(cpu[1], 1),
                "CPU ms a picture, 2 workers": round(cpu[2], 1),
                "floor, CPU ms": round(floor, 1),
                "segment alone, CPU ms": round(job, 1),
                "ours over the floor, %": round(100 * (cpu[1] - floor) / cpu[1], 1),
                "of it the runner's, %": round(100 * (cpu[1] - job - floor) / cpu[1], 1),
            }
        )
    return rows


# --- memory, Ray


def measure_memory(eyes: Path, scratch: Path, *, sizes: Sequence[int], workers: int) -> list[Row]:
    """Peaks of runs over so many pictures as `sizes` say."""
    pictures = [sample.path for sample in find_images([eyes])]
    rows: list[Row] = []
    for size in sizes:
        folder, out = scratch / f"links-{size}", scratch / f"memory-{size}"
        for number in range(size):
            link = folder / f"{number // 1000:03d}" / f"{number:06d}{pictures[number % len(pictures)].suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(pictures[number % len(pictures)])
        found = run("segment", folder, "-o", out, "--workers", workers)
        again = run("segment", folder, "-o", out, "--workers", workers)
        rows.append(
            {
                "pictures": size,
                "workers": workers,
                "records": len(list(read_manifest(out))),
                "peak, MB": round(found.peak_mb, 1),
                "peak of a second run, which skips, MB": round(again.peak_mb, 1),
                "seconds": round(found.seconds),
                "seconds of the second run": round(again.seconds),
            }
        )
        shutil.rmtree(out)
        shutil.rmtree(folder)
    return rows


def compare_ray(eyes: Path, scratch: Path, *, workers: int) -> Row:
    """The same folder by both engines."""
    local, far = scratch / "local", scratch / "ray"
    one = run("segment", eyes, "-o", local, "--workers", workers)
    two = run("segment", eyes, "-o", far, "--workers", workers, "--engine", "ray")
    return {
        "inputs": two.summary["total"],
        "done": two.summary["done"],
        "files compared": len(files_of(local)),
        "files that differ": len(differences(far, local)),
        "local, s": round(one.seconds, 1),
        "ray, s": round(two.seconds, 1),
    }


# --- the command


def tell(rows: Sequence[Row]) -> None:
    """Print rows as a table, a column for each."""
    for name in rows[0]:
        click.echo(f"{name:<40}" + "".join(f"{row.get(name, '')!s:>14}" for row in rows))


@click.group()
def main() -> None:
    """Benchmarks of the folder runner."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that scratch folders are removed


EYES = click.argument("eyes", type=click.Path(exists=True, path_type=Path))
WORKERS = click.option("--workers", default=2, show_default=True)
SEED = click.option("--seed", default=0, show_default=True)


@main.command("kills")
@EYES
@click.option("--kills", default=100, show_default=True)
@WORKERS
@SEED
def _kills(*, eyes: Path, kills: int, workers: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tell([kill_and_resume(eyes, Path(scratch), kills=kills, workers=workers, seed=seed)])


@main.command("junk")
@EYES
@click.option("--count", default=10_000, show_default=True)
@WORKERS
@SEED
def _junk(*, eyes: Path, count: int, workers: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tell([segment_junk(eyes, Path(scratch), count=count, workers=workers, seed=seed)])


@main.command("speed")
@EYES
@click.option("--repeats", default=3, show_default=True)
def _speed(*, eyes: Path, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tell(measure_speed(eyes, Path(scratch), repeats=repeats))


@main.command("memory")
@EYES
@click.option("--sizes", default=(1000, 10_000), multiple=True, show_default=True)
@WORKERS
def _memory(*, eyes: Path, sizes: tuple[int, ...], workers: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tell(measure_memory(eyes, Path(scratch), sizes=sizes, workers=workers))


@main.command("ray")
@EYES
@WORKERS
def _ray(*, eyes: Path, workers: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tell([compare_ray(eyes, Path(scratch), workers=workers)])


if __name__ == "__main__":
    main()
