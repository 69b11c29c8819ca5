"""The command that tells what there is and whether it works: doctor."""

from __future__ import annotations

import sys

import click

from irisstn.cli.messages import CRASH


@click.command()
def doctor() -> None:
    """Print versions, devices, formats and weights, and test one rendered eye. Exit code: 0 well, 1 not."""
    from irisstn.doctor import describe, self_test

    for name, value in describe():
        click.echo(f"{name:<24} {value}")
    fault = self_test()
    click.echo(f"{'self-test':<24} {fault or 'passed'}")
    sys.exit(CRASH if fault else 0)
