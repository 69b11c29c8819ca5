"""Options that several commands have."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from irisstn.worker_server import LIMIT_S, enough_inputs, start_worker_server

Command = Callable[..., None]
if TYPE_CHECKING:
    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType  # no generic type in earlier versions of Click


class OptionWithDefaultInCode(click.Option):
    """An option whose default is a constant of the module that uses it.

    `default` is a function that imports the constant. It is called when the command runs without the option or shows
    its help, so that `irisstn --help` imports no slow module.
    """

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        """The constant, for the help text too, where Click would not call the function."""
        return super().get_default(ctx, call=True)


class InputKindType(_TextType):
    """One of the input kinds of `irisstn.segmentation.InputKind`, which is imported when the option is used."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The kind `value`. Raises click.BadParameter where it is none."""
        from irisstn.segmentation import InputKind

        kind: str = click.Choice(get_args(InputKind)).convert(value, param, ctx)
        return kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The kinds, for the help text."""
        from irisstn.segmentation import InputKind

        return f"[{'|'.join(get_args(InputKind))}]"


def resamples() -> int:
    """The default of `--resamples`."""
    from irisstn.evaluation import RESAMPLES

    return RESAMPLES


set_option = click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override one setting.")
model_option = click.option(
    "--model", metavar="RUN", type=click.Path(path_type=Path), help="Folder of a training run, or a weights file."
)
input_option = click.option("--input", "kind", type=InputKindType(), help="What the pictures show.")
roll_option = click.option(
    "--roll", type=click.Choice(["auto", "full", "none"]), help="How much of the head's roll to correct."
)
roll_prior_option = click.option(
    "--roll-prior", metavar="DEG", type=float, help="How far heads are tilted (sd), for --roll auto."
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(["auto", "torch", "onnx"]),
    help="What runs the networks; onnx is faster and does without torch. By default auto: onnx where it is installed.",
)
_LAYOUT_OPTIONS = (
    click.option(
        "--convention",
        type=click.Choice(["irisstn", "osiris", "usit", "open-iris", "masek"]),
        help="Program that made the strips; implies --input strip.",
    ),
    click.option(
        "--columns",
        type=click.Choice(["clockwise", "counterclockwise"]),
        help="Direction of a strip's columns, as seen in the picture.",
    ),
    click.option(
        "--start", type=click.Choice(["right", "bottom", "left", "top"]), help="Where in the picture column 0 lies."
    ),
    click.option(
        "--mask-polarity",
        type=click.Choice(["usable-white", "usable-black"]),
        help="What is white in the masks of strips.",
    ),
    click.option(
        "--masks",
        metavar="DIR",
        help="Masks of the strips, found by their names; or a pattern like 'masks/{}_mask.png'.",
    ),
)
_labels_option = click.option(
    "--labels", type=click.Path(path_type=Path), help="CSV file with the columns path, subject and eye, or an XML file."
)
_layout_option = click.option(
    "--layout", metavar="NAME|PATTERN", help="How names tell identities, like iitd or '{subject}/{eye}/{number}'."
)
quiet_option = click.option("--quiet", is_flag=True, help="Print errors only.")


def identity_options(command: Command) -> Command:
    """Add the options that say how identities are read: `--labels` and `--layout`."""
    return _labels_option(_layout_option(command))


every_option = click.option(
    "--every",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Of a video, take every N-th frame.",
)


def by_option(holder: str) -> Callable[[Command], Command]:
    """The option `--by`: compare iris codes or embeddings.

    Parameters
    ----------
    holder : str
        What the usage line calls the folder whose content is the default.
    """
    names = click.Choice(["code", "embedding"])
    return click.option("--by", type=names, help=f"What to compare.  [default: what {holder} holds]")


@dataclass(frozen=True, slots=True)
class Run:
    """The options of a folder command that do not change the bytes of its output; named as on the command line.

    `worker_server` says whether `start_worker_server` has been called for the command.
    """

    sources: tuple[str, ...]
    out: str | None
    every: int
    workers: int | None
    limit: float
    engine: str
    ray_address: str | None
    overwrite: bool
    durable: bool
    fail_fast: bool
    as_json: bool
    quiet: bool
    worker_server: bool


def strip_layout(command: Command) -> Command:
    """Add the options on strips that another program made."""
    for option in reversed(_LAYOUT_OPTIONS):
        command = option(command)
    return command


def _a_number(_: click.Context, __: click.Parameter, value: float) -> float:
    """`value`. Raises click.BadParameter where it is NaN, which a range does not refuse."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number")
    return value


def folder_command(command: Command) -> Command:
    """Add the arguments and options that every folder command has.

    The command gets those of `Run` as `run`, and those of the segmentation among its overrides.
    """

    @wraps(command)
    def gathered(**given: Any) -> None:
        chosen = {f"segmentation.{name}": given.pop(name) for name in ("eye", "turned")}
        given["overrides"] = (*given["overrides"], *overrides_of(**chosen))
        workers, local = given["workers"] or cpus(), given["engine"] == "local"
        worth = local and enough_inputs(given["sources"], workers)
        modules = ["irisstn.batch.process_pool", f"irisstn.batch.jobs.{command.__name__}"]
        # Before the command imports anything, so that this process and that one import at the same time.
        given["worker_server"] = worth and start_worker_server(modules)
        run = Run(**{option.name: given.pop(option.name) for option in fields(Run)})
        command(run=run, **given)

    options = [
        click.argument("sources", metavar="SRC...", nargs=-1, required=True),
        click.option(
            "-o",
            "--out",
            metavar="OUT",
            help="Output folder or URL.  [default: SRC-segmented, -rectified or -embedded]",
        ),
        every_option,
        click.option("--workers", type=click.IntRange(1), show_default="number of CPUs", help="Number of processes."),
        click.option(
            "--limit",
            metavar="SECONDS",
            default=LIMIT_S,
            show_default=True,
            type=click.FloatRange(0, min_open=True),
            callback=_a_number,
            help="A picture that takes longer fails.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Where workers run.",
        ),
        click.option("--ray-address", metavar="HOST:PORT", help="Ray cluster to use.  [default: this machine]"),
        click.option(
            "--eye", type=click.Choice(["largest", "left", "right"]), help="Which of several eyes in a picture."
        ),
        click.option(
            "--turned",
            type=click.Choice(["auto", "0", "90", "180", "270"]),
            help="Degrees by which the pictures are turned clockwise.",
        ),
        click.option(
            "--config", type=click.Path(path_type=Path), help="YAML file of settings; `irisstn settings` lists them."
        ),
        set_option,
        click.option("--overwrite", is_flag=True, help="Remove earlier outputs first."),
        click.option(
            "--durable/--no-durable",
            default=True,
            show_default=True,
            help="Wait for the disk before a picture counts as done, so that a power cut costs half a second.",
        ),
        click.option("--fail-fast", is_flag=True, help="Stop at the first picture that fails."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        quiet_option,
    ]
    for option in reversed(options):
        gathered = option(gathered)
    return gathered


def strip_command(command: Command) -> Command:
    """Add the options that folder commands that write strips have, and those of `folder_command`."""
    size = click.option("--size", metavar="RxC", help="Rows x columns of the strips, like 64x512.")
    overlays = click.option("--overlays", is_flag=True, help="Also draw the boundaries on the pictures.")
    kinds = click.option(
        "--iso", metavar="KIND,...", help="Also write images of ISO/IEC 19794-6: uncropped, vga, cropped, masked."
    )
    form = click.option("--iso-format", type=click.Choice(["png", "jp2"]), help="Format of --iso.  [default: png]")

    @wraps(command)
    def gathered(**given: Any) -> None:
        names, suffix = given.pop("iso"), given.pop("iso_format")
        chosen = [] if names is None else [f"iso.kinds={json.dumps([name.strip() for name in names.split(',')])}"]
        given["overrides"] = (*given["overrides"], *chosen, *overrides_of(**{"iso.format": suffix}))
        command(**given)

    return folder_command(size(overlays(kinds(form(gathered)))))


def overrides_of(**flags: str | float | bool | None) -> list[str]:
    """The options that were given, as overrides for `load_config`.

    Examples
    --------
    >>> overrides_of(size="32x256", augment=None)
    ['size="32x256"']
    """
    return [f"{name}={json.dumps(value)}" for name, value in flags.items() if value is not None]


def cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_of(source: str) -> str:
    """The name of the output of `source`: that of its folder or file, or of the last folder of a glob that is fixed.

    Examples
    --------
    >>> name_of("scans/*/L/*.png")
    'L'
    """
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "images"
    parts = path.parts if "://" in source else path.parent.parts
    plain = [part for part in parts if not any(letter in part for letter in "*?[")]
    return path.stem if path.exists() else Path(*plain).resolve().name or "images"
