"""The command line: parse, call, print. Everything slow is imported by the command that needs it, when it is called.

folders.py      segment, rectify, embed: a folder of pictures in, a folder of outputs out
evaluation.py   match, evaluate: what was embedded or rectified, compared and measured
training.py     train
export.py       export
synthetic.py    synth
doctor.py       doctor
options.py      the options that several commands have
messages.py     what is report_errors when something is wrong, and the exit codes
"""

from __future__ import annotations

import os

import click

from irisstn.cli.doctor import doctor
from irisstn.cli.evaluation import evaluate, match
from irisstn.cli.export import export
from irisstn.cli.folders import embed, rectify, segment
from irisstn.cli.synthetic import synth
from irisstn.cli.training import train

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="irisstn", message="irisstn %(version)s")
def cli() -> None:
    """Eye photographs in, straight iris strips out."""


for command in (segment, rectify, embed, match, evaluate, synth, train, export, doctor):
    cli.add_command(command)


def main() -> None:
    """The entry point of the `irisstn` command."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # which picture cannot be read, and why, our records say
    cli(prog_name="irisstn")
