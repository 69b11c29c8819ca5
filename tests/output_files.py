"""The content of an output folder, for tests that compare two of them."""

import json
from pathlib import Path


def contents(out: Path) -> dict[str, bytes]:
    """All files below `out` by name, without the lock, and without the times in the manifest and in run.json."""
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
