"""What is read from a line of a manifest without parsing it, which takes most of the time of a resumed run."""

from __future__ import annotations

import json
import re
from typing import cast

from irisstn.outputs.records import FIGURE_FIELDS, RecordFields, parse_record

# Fields whose values hold no other object or list, with the byte that ends them.
_FIELDS = {
    "quality": (b',"quality":{', b"}"),
    "rectification": (b',"rectification":{', b"}"),
    "warnings": (b',"warnings":[', b"]"),
}
_NUMBER = re.compile(rb"[-+.0-9e]+")
_decode = json.JSONDecoder().decode
_BEGIN, _END = b'{"path":"', b"}\n"  # of the lines that `format_record` writes


def path_of_line(line: bytes) -> str | None:
    """The path of the record in a line of a manifest; None where the line is none.

    A line as `format_record` writes it is not parsed as a whole, which would take nine tenths of the time of a resumed
    run.
    """
    if line.startswith(_BEGIN) and line.endswith(_END) and b"\0" not in line:
        name = line[len(_BEGIN) : line.find(b'"', len(_BEGIN))]
        if name.isascii() and b"\\" not in name:
            return name.decode("ascii")
    record = parse_record(line)
    return record["path"] if record is not None else None


def figures_of_line(line: bytes) -> RecordFields | None:
    """Quality figures, parameters, trust and warnings in a line that `format_record` wrote of a processed input.

    Returns
    -------
    RecordFields or None
        None for any other line, which has to be parsed as a whole.
    """
    if not line.startswith(_BEGIN) or b',"status":"ok",' not in line:
        return None
    fields: dict[str, object] = {}
    try:
        for name, (begin, end) in _FIELDS.items():
            at = line.find(begin)
            if at >= 0:
                fields[name] = _decode(line[at + len(begin) - 1 : line.index(end, at) + 1].decode("ascii"))
        for name in FIGURE_FIELDS:
            begin = b',"%b":' % name.encode()
            at = line.find(begin)
            if at >= 0 and (number := _NUMBER.match(line, at + len(begin))) is not None:
                fields[name] = _decode(number[0].decode("ascii"))
    except (ValueError, RecursionError):
        return None
    return cast("RecordFields", fields)
