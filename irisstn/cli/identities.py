"""The command that shows the identities of pictures: identities."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irisstn.cli.messages import MISUSE, Misuse, report_errors
from irisstn.cli.options import identity_options

if TYPE_CHECKING:
    from irisstn.datasets import Identities


@click.command()
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@identity_options
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON.")
def identities(*, sources: tuple[str, ...], labels: Path | None, layout: str | None, as_json: bool) -> None:
    """Show whose eyes the pictures are read as, before a training or an evaluation relies on it.

    SRC: folders, pictures, globs, lists of pictures (.txt, .csv), or output folders of folder commands. A CSV file with
    a column of subjects carries its identities. Printed are the rule, the numbers of persons and eyes, pictures of each
    eye, five examples, and alarms: what is surely wrong, what is not fit for training and evaluation, and doubts. Exit
    code: 0 usable, 2 surely wrong or not usable.

    --layout is the name of a known layout (casia-v1 to casia-v4, iitd, mmu1, mmu2, ubiris-v1, ubiris-v2, utiris, warsaw
    and others), or a pattern of paths: {subject} and {eye}, `*` for any characters, `**` for any folders, other words
    in braces for what does not matter; other codes of eyes like {eye:1=L,2=R}.

    \b
    Examples:
      irisstn identities ./eyes
      irisstn identities ./eyes --layout '{camera}/{subject}/{eye}*'
      irisstn identities ./ND-IRIS-0405 --labels ND-IRIS-0405.xml
    """
    with report_errors():
        found = _read(sources, labels, layout)
    click.echo(json.dumps(found.as_dict()) if as_json else identities_text(found))
    sys.exit(MISUSE if any(alarm.level != "doubt" for alarm in found.alarms) else 0)


def _read(sources: tuple[str, ...], labels: Path | None, layout: str | None) -> Identities:
    """The identities of the pictures of `sources`. Raises DatasetError."""
    from irisstn.datasets import find_images, holds_identities, read_identities
    from irisstn.evaluation import identities_of_outputs
    from irisstn.outputs.manifest import MANIFEST

    outs = [Path(source) for source in sources if (Path(source) / MANIFEST).is_file()]
    if outs:
        if len(outs) < len(sources):
            raise Misuse("give output folders alone, without pictures")
        found = identities_of_outputs(outs, labels=labels, layout=layout)
        if found is None:
            raise Misuse(f"{outs[0]} lists no picture")
        return found
    if labels is None and layout is None and len(sources) == 1 and holds_identities(Path(sources[0])):
        labels = Path(sources[0])
    return read_identities([sample.name for sample in find_images(sources)], labels=labels, layout=layout)


def identities_text(found: Identities) -> str:
    """The table that `irisstn identities` prints."""
    about = found.as_dict()
    captures = sorted(found.captures.values())
    rows = [("rule", f"{rule}: {count} pictures") for rule, count in found.rules.most_common()]
    rows += [
        ("persons", f"{found.persons}"),
        ("eyes", f"{len(found.captures)} ({about['left']} left, {about['right']} right)"),
        ("pictures", f"{len(found.readings)}, of unknown identity: {about['unknown']}"),
    ]
    if captures:
        rows.append(("per eye", f"{found.spread()}, median {captures[len(captures) // 2]}"))
    for name, label in found.examples():
        eye = {"L": "left", "R": "right"}.get(label.eye, "eye not told") if label else ""
        rows.append(("example", f"{name}: {f'{label.subject}, {eye}' if label else 'unknown'}"))
    rows += [(alarm.level, alarm.text) for alarm in found.alarms]
    return "\n".join(f"{head:<10}{text}" for head, text in rows)
