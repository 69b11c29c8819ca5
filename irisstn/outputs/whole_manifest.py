"""The records of an output folder, for results that would silently be others if some of them were missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from irisstn.errors import DatasetError, OutputError
from irisstn.outputs.folder import RUN
from irisstn.outputs.manifest import MANIFEST, count_records, read_lines
from irisstn.outputs.records import Json, Record, parse_record
from irisstn.outputs.settings import read_settings


def read_whole_manifest(out: Path) -> Iterator[Record]:
    """The records of an output folder as from `read_manifest`, with an error where some are damaged or missing.

    Records of a run that has not finished are yielded without a check: it may have been killed at any byte.

    Parameters
    ----------
    out : Path
        The output folder. Where it has no manifest, there are no records.

    Yields
    ------
    Record
        The last record of each path, sorted by path.

    Raises
    ------
    DatasetError
        Lines of the manifest are damaged, or run.json of a finished run counts more inputs. Damage within a line is
        found when the line is parsed, so that the error may come after the last record.
    """
    finished, inputs = _run(out)
    whole = damaged = 0
    if finished is not False:
        known = (out / MANIFEST).is_file()
        indexed, damaged = count_records(out / MANIFEST, finished=bool(finished)) if known else (0, 0)
        _require_none_lost(out, max(damaged, inputs - indexed), inputs)
    for line in read_lines(out):
        record = parse_record(line)
        if record is None or (finished is not False and record.get("status") not in ("ok", "failed")):
            damaged += 1
            continue
        whole += "variant_of" not in record
        yield record
    if finished is not False:
        _require_none_lost(out, max(damaged, inputs - whole), inputs)


def _require_none_lost(out: Path, lost: int, inputs: int) -> None:
    if lost > 0:
        counted = f" ({RUN} counts {inputs})" if inputs else ""
        records = "1 record" if lost == 1 else f"{lost} records"
        raise DatasetError(
            f"{records} of {out / MANIFEST} {'is' if lost == 1 else 'are'} damaged or missing{counted}: "
            "run the command that made the folder again, it makes them anew"
        )


def _run(out: Path) -> tuple[bool | None, int]:
    """Whether the run in `out` has finished, None where that is not known; and how many inputs run.json counts."""
    try:
        held = read_settings(out / RUN)
    except OutputError:
        return None, 0
    if "finished" not in held:
        return None, 0
    if held["finished"] is None:
        return False, 0
    return True, _inputs(held.get("counts"))


def _inputs(counts: Json) -> int:
    inputs = counts.get("inputs") if isinstance(counts, dict) else None
    return inputs if isinstance(inputs, int) and not isinstance(inputs, bool) else 0
