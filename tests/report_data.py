"""The data of a page that `irisstn` has written, for tests."""

import json
from pathlib import Path
from typing import Any

_BEGIN, _END = '<script type="application/json" id="data">', "</script>"


def data_of_page(out: Path) -> dict[str, Any]:
    """What the script of OUT/report.html reads."""
    page = (out / "report.html").read_text()
    begin = page.index(_BEGIN) + len(_BEGIN)
    data = json.loads(page[begin : page.index(_END, begin)])
    assert isinstance(data, dict)
    return data
