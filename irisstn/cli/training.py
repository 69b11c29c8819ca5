"""The command that trains the networks: train."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from irisstn.cli.messages import report_errors
from irisstn.cli.options import identity_options, overrides_of, quiet_option, set_option


@click.command()
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: runs/ and the name of the config]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file of settings, or the name of one that irisstn ships, such as `shipped`.",
)
@set_option
@identity_options
@click.option(
    "--from", "start", metavar="RUN", help="Start from a run, a weights file, or `shipped`, and take its shapes."
)
@click.option(
    "--freeze",
    type=click.Choice(["rectifier", "recognizer"]),
    help="Leave this network as it starts, and train the other one.",
)
@click.option(
    "--devices", metavar="N", type=click.IntRange(1), help="Devices of each machine, with a process for each."
)
@click.option("--nodes", metavar="M", type=click.IntRange(1), help="Number of machines; start the command on each.")
@quiet_option
def train(
    *,
    data: Path | None,
    out: Path | None,
    config: Path | None,
    overrides: tuple[str, ...],
    labels: Path | None,
    layout: str | None,
    start: str | None,
    freeze: str | None,
    devices: int | None,
    nodes: int | None,
    quiet: bool,
) -> None:
    """Train the rectifier and the recognition network end to end, or the one of them that the config names.

    DATA is a folder or list of eye pictures, or the output folder of `irisstn segment`. The identities come from the
    names of files and folders, or from --labels; `irisstn identities DATA` shows them first. Without DATA, the training
    renders eyes. A run that was interrupted resumes from its last epoch.

    \b
    Examples:
      irisstn train ./eyes -o runs/mine --set epochs=20
      irisstn train ./eyes --labels identities.csv
      irisstn train ./eyes --layout '{session}/{subject}_{eye}_*'
      irisstn train ./eyes -o runs/tuned --from shipped --set learning_rate=2e-4
      irisstn train ./eyes -o runs/tuned --from shipped --freeze recognizer
      irisstn train --config shipped
      irisstn train ./eyes -o runs/mine --devices 2
    """
    from irisstn.config import load_config
    from irisstn.extras import require_extra
    from irisstn.progress import StageProgress

    with report_errors():
        require_extra("train", "irisstn train")
        from irisstn.training import TrainConfig
        from irisstn.training import train as train_run

        flags = overrides_of(devices=devices, nodes=nodes, start=start, freeze=freeze)
        settings = load_config(TrainConfig, config, [*overrides, *flags])
        run = out or Path("runs") / (config.stem if config is not None else "default")
        terminal = sys.stderr.isatty()
        with StageProgress(bar=terminal and not quiet, lines=not quiet) as stages:
            train_run(data, run, settings, labels=labels, layout=layout, progress=stages.update)
    if not quiet and os.environ.get("LOCAL_RANK", "0") == "0":  # print from one process of each machine
        click.echo(f"Weights and metrics in {run}; open {run / 'index.html'}")
