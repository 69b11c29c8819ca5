"""The identities of the inputs of output folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irisstn.datasets import Identities, read_identities
from irisstn.outputs.manifest import read_manifest


def identities_of_outputs(
    outs: Sequence[Path], *, labels: Path | None = None, layout: str | None = None
) -> Identities | None:
    """Read the identities of all inputs of output folders, as one set.

    Parameters
    ----------
    outs : sequence of Path
        Output folders of folder commands; folders without a manifest, such as those of scores, are left out.
    labels, layout
        As in `irisstn.datasets.read_identities`.

    Returns
    -------
    Identities or None
        None where no folder has a manifest.

    Raises
    ------
    DatasetError
        As in `irisstn.datasets.read_identities`.
    """
    records = (record for out in outs for record in read_manifest(out))
    names = [record["path"] for record in records if "variant_of" not in record]
    return read_identities(names, labels=labels, layout=layout) if names else None
