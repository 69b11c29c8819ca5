"""What an output folder holds, for tests that compare two of them."""

import json
from pathlib import Path


def contents(out: Path) -> dict[str, bytes]:
    """Every file below `out`, without what may differ: the times in the manifest and run.json, and the lock."""
    files = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != ".lock":
            data = path.read_bytes()
            if path.name == "run.json":
                about = json.loads(data)
                data = json.dumps(about | {"started": 0, "finished": about["finished"] is not None}).encode()
            elif path.name == "manifest.jsonl":
                records = [json.loads(line) for line in data.splitlines()]
                data = "\n".join(json.dumps({**record, "seconds": 0}) for record in records).encode()
            files[path.relative_to(out).as_posix()] = data
    return files
