"""The command that describes and tests the installation: doctor."""

from __future__ import annotations

import sys

import click

from irisstn.cli.messages import CRASH


@click.command()
def doctor() -> None:
    """Print versions, devices, picture formats and weights, and process one rendered eye as a test.

    Exit code: 0 if the test passed, 1 if not.

    \b
    Example:
      irisstn doctor
    """
    from irisstn.doctor import describe, self_test

    for name, value in describe():
        click.echo(f"{name:<24} {value}")
    fault = self_test()
    click.echo(f"{'self-test':<24} {fault or 'passed'}")
    sys.exit(CRASH if fault else 0)
