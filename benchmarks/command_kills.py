"""Every command that writes a folder, killed at random moments and given again: its files must be those of one run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from batch_runs import ENVIRONMENT, IRISSTN, Row, differences, output_files
from growth import write_embeddings
from toy_training import TRAINING

from irisstn.storage.lock import LOCK

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_EMBEDDINGS = 1500  # that `match` compares


def commands(eyes: Path, scratch: Path) -> Mapping[str, Sequence[str]]:
    """The arguments of each command, without its output folder.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder for further inputs.

    Returns
    -------
    mapping of str to sequence of str
        By the name of the command.
    """
    write_embeddings(scratch / "embedded", _EMBEDDINGS, seed=0)
    settings = scratch / "train.yaml"
    settings.write_text(json.dumps(TRAINING))  # JSON is YAML, too
    return {
        "segment": ["segment", str(eyes)],
        "rectify": ["rectify", str(eyes)],
        "embed": ["embed", str(eyes)],
        "match": ["match", str(scratch / "embedded")],
        "synth": ["synth", "--subjects", "2", "--captures", "2", "--workers", "1"],
        "train": ["train", "--config", str(settings)],
    }


def kill_command(arguments: Sequence[str], scratch: Path, *, kills: int, rng: np.random.Generator) -> Row:
    """Kill a command at random moments, each time giving it again, and compare its files with those of one run.

    A process gets SIGKILL, SIGTERM or SIGINT at a random moment after it has locked its folder; every eighth process at
    a random moment since its start. Where it ends before, its files are compared and deleted, and it begins anew.

    Parameters
    ----------
    arguments : sequence of str
        Arguments of the command, without its output folder.
    scratch : Path
        An empty folder.
    kills : int
        Number of kills.
    rng : numpy.random.Generator
        Source of the moments and signals.

    Returns
    -------
    dict
        Numbers of kills, of runs that ended before their kill, and of files: compared at the end, that differed, and
        that unfinished writes had left.

    Raises
    ------
    click.ClickException
        Where the command itself fails.
    """
    reference, out = scratch / "uninterrupted" / "out", scratch / "killed" / "out"  # pages have the folder's name
    began = time.monotonic()
    process = _start(arguments, reference)
    locked = _wait_for((reference / LOCK).exists, process) - began
    _require_success(process)
    whole = time.monotonic() - began

    done = complete = differing = unfinished = 0
    while done < kills:
        before = _state(out)
        process = _start(arguments, out)
        if rng.random() < 1 / 8:
            time.sleep(float(rng.uniform(0, whole)))
        else:
            _wait_for(lambda: _state(out) != before, process)  # noqa: B023  (called before it changes)
            time.sleep(float(rng.uniform(0, 1.1 * (whole - locked))))
        if process.poll() is None:
            process.send_signal(_SIGNALS[int(rng.integers(len(_SIGNALS)))])
        if process.wait() == 0:  # no kill: a signal that comes at the very end has no effect
            complete += 1
            differing += len(_differences(out, reference))
            shutil.rmtree(out)
        elif process.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 128 + 2, 128 + 15):
            done += 1
        else:
            raise click.ClickException(f"{arguments[0]} ended with {process.returncode}")
    _require_success(_start(arguments, out))
    changed = _differences(out, reference)
    unfinished += sum(name not in output_files(reference) for name in changed)
    return {
        "kills": done,
        "runs that ended before their kill": complete,
        "files compared": len(output_files(reference)),
        "files that differ": differing + len(changed),
        "files of unfinished writes": unfinished,
    }


def _differences(got: Path, expected: Path) -> list[str]:
    found = differences(got, expected)
    if found:
        click.echo(f"other files than in one run: {', '.join(found)}", err=True)
    return found


def _start(arguments: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    # Shells let background commands ignore SIGINT, and what they start inherits that.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen([*IRISSTN, *arguments, "-o", str(out), "--quiet"], env=ENVIRONMENT)
    finally:
        signal.signal(signal.SIGINT, handler)


def _require_success(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise click.ClickException(f"{process.args!r} ended with {process.returncode}")


def _state(out: Path) -> int:
    """When the lock of a folder was last taken or released."""
    return (out / LOCK).stat().st_mtime_ns if (out / LOCK).exists() else 0


def _wait_for(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> float:
    """Wait until something has happened, or the process has ended; the time then."""
    while process.poll() is None and not happened():
        time.sleep(0.002)
    return time.monotonic()
