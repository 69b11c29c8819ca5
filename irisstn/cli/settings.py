"""The command that lists the settings of the other commands: settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import BaseModel

COMMANDS = ("segment", "rectify", "embed", "train")


@click.command()
@click.argument("commands", metavar="[COMMAND]...", nargs=-1, type=click.Choice(COMMANDS))
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
def settings(*, commands: tuple[str, ...], as_json: bool) -> None:
    """List every setting of a command, with its default, range and meaning.

    COMMAND: segment, rectify, embed or train; all of them without one. A setting is given as --set NAME=VALUE, or in a
    YAML file as --config FILE. `irisstn train --config NAME` also takes the configurations that irisstn ships.

    \b
    Examples:
      irisstn settings segment
      irisstn settings train --json
    """
    from irisstn.config import shipped_configs
    from irisstn.config_fields import ConfigField, config_fields

    models = {command: _model(command) for command in dict.fromkeys(commands or COMMANDS)}
    found = {command: [*config_fields(model)] for command, model in models.items()}
    if as_json:
        click.echo(json.dumps({command: [asdict(field) for field in fields] for command, fields in found.items()}))
        return

    def line(field: ConfigField) -> str:
        given = f" = {field.default}" if field.default else ""
        return f"  {field.name}{given}   ({', '.join(filter(None, [field.kind, field.limits]))})"

    for command, fields in found.items():
        click.echo(f"irisstn {command}")
        for field in fields:
            click.echo(line(field))
            if field.meaning:
                click.echo(f"      {field.meaning}")
        if command == "train":
            click.echo(f"  --config NAME: {', '.join(shipped_configs())}")
        click.echo()


def _model(command: str) -> type[BaseModel]:
    """The configuration of a command."""
    if command == "segment":
        from irisstn.batch.jobs.segment import SegmentConfig

        return SegmentConfig
    if command == "rectify":
        from irisstn.batch.jobs.rectify import RectifyConfig

        return RectifyConfig
    if command == "embed":
        from irisstn.batch.jobs.embed import EmbedConfig

        return EmbedConfig
    from irisstn.training.config import TrainConfig

    return TrainConfig
