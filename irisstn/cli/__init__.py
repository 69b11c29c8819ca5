"""The command line: parse options, call a function, print the result.

Each command imports what it needs when it is called, so that `irisstn --help` is quick.

folders       segment, rectify, embed: process a folder of pictures
evaluation    match, evaluate: compare irises and measure recognition
measure       measure, quality: figures of pictures
align         align: the angle between two pictures of an eye
two_pictures  what match prints for two pictures
identities    identities: whose eyes pictures are read as
search        search: find eyes in a gallery
training      train
export        export: the rectifier as ONNX
synthetic     synth: rendered eyes
settings      settings: what can be set
doctor        doctor: versions and a self-test
options       options that several commands have
messages      error messages and exit codes
"""

from __future__ import annotations

import os

import click

from irisstn.cli.align import align
from irisstn.cli.doctor import doctor
from irisstn.cli.evaluation import evaluate, match
from irisstn.cli.export import export
from irisstn.cli.folders import embed, rectify, segment
from irisstn.cli.identities import identities
from irisstn.cli.measure import measure, quality
from irisstn.cli.messages import Commands
from irisstn.cli.search import search
from irisstn.cli.settings import settings
from irisstn.cli.synthetic import synth
from irisstn.cli.training import train

__all__ = ["cli", "main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="irisstn", message="irisstn %(version)s")
def cli() -> None:
    """Turn eye photographs into rectified iris strips, for iris recognition."""


for command in (
    segment,
    rectify,
    embed,
    measure,
    quality,
    identities,
    align,
    match,
    search,
    evaluate,
    synth,
    train,
    export,
    settings,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the `irisstn` command."""
    # The records name the pictures that cannot be read; OpenCV's own warnings do not.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    cli(prog_name="irisstn")
