"""The options that several commands have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

Command = Callable[..., None]

set_option = click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override one setting.")
model_option = click.option(
    "--model", metavar="RUN", type=click.Path(path_type=Path), help="A run's folder or weights file."
)
input_option = click.option(
    "--input", "kind", type=click.Choice(["auto", "eye", "ring", "strip"]), help="What the pictures are."
)
labels_option = click.option(
    "--labels", type=click.Path(path_type=Path), help="CSV with the columns path, subject and eye."
)
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")


def by_option(holder: str) -> Callable[[Command], Command]:
    """`--by`, what is compared: by default what the folder called `holder` in the usage holds."""
    names = click.Choice(["code", "embedding"])
    return click.option("--by", type=names, help=f"What to compare.  [default: what {holder} holds]")


@dataclass(frozen=True, slots=True)
class Run:
    """The options of a folder command that do not change its output."""

    sources: tuple[str, ...]
    out: str | None
    workers: int | None
    limit: float
    engine: str
    ray_address: str | None
    overwrite: bool
    fail_fast: bool
    as_json: bool
    quiet: bool


def folder_command(command: Command) -> Command:
    """The arguments and options that every folder command has; those of `Run` come to it as one, `run`."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        run = Run(**{option.name: given.pop(option.name) for option in fields(Run)})
        command(run=run, **given)

    options = [
        click.argument("sources", metavar="SRC...", nargs=-1, required=True),
        click.option("-o", "--out", metavar="OUT", help="Output folder or URL.  [default: the source's name and verb]"),
        click.option("--workers", type=click.IntRange(1), show_default="CPUs", help="Processes."),
        click.option(
            "--limit",
            metavar="SECONDS",
            default=300.0,
            type=click.FloatRange(0, min_open=True),
            show_default=True,
            help="A picture that takes longer fails, where there is more than one worker.",
        ),
        click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="Who runs the workers."),
        click.option("--ray-address", metavar="HOST:PORT", help="A Ray cluster.  [default: one on this machine]"),
        click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings."),
        set_option,
        click.option("--overwrite", is_flag=True, help="Begin the output folder anew."),
        click.option("--fail-fast", is_flag=True, help="End at the first picture that fails."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        quiet_option,
    ]
    for option in reversed(options):
        gathered = option(gathered)
    return gathered


def strip_command(command: Command) -> Command:
    """The options of folder commands that write strips."""
    size = click.option("--size", metavar="RxC", help="Rows x columns of the strips, like 64x512.")
    overlays = click.option("--overlays", is_flag=True, help="Also draw the boundaries on the pictures.")
    return folder_command(size(overlays(command)))


def overrides_of(**flags: str | float | bool | None) -> list[str]:
    """The flags that were given, as overrides of a config."""
    return [f"{name}={json.dumps(value)}" for name, value in flags.items() if value is not None]


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_of(source: str) -> str:
    """What to call the output of `source`: its folder's or file's name, a glob's last folder without a wildcard."""
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "images"
    parts = path.parts if "://" in source else path.parent.parts
    plain = [part for part in parts if not any(letter in part for letter in "*?[")]
    return path.stem if path.exists() else Path(*plain).resolve().name or "images"
