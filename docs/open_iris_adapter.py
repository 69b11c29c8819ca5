"""Outputs of irisstn as the types of open-iris 1.x: NormalizedIris, EyeCenters, EyeOrientation and IrisTemplate.

    irisstn rectify ./eyes -o out --size 128x512                # where irisstn is installed
    python open_iris_adapter.py out templates                   # where open-iris is: TEMPLATES/REL.json

The two cannot share an environment: open-iris pins numpy 1.24, irisstn needs numpy 2. So they meet in the output
folder, and this file is a script of its own: it needs open-iris and Python 3.8 or later, and nothing of irisstn.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import iris

SIZE = (128, 512)  # of the strips that open-iris makes, for which its filters are dimensioned
# The parameters of the nodes in open-iris' own pipeline.yaml (1.11).
_FRAGILE = (0.0001, 0.275, 0.08726646259971647)


def read_records(out: Path) -> Iterator[dict[str, Any]]:
    """The records of the inputs that succeeded and have a strip, the last one of each path."""
    last: dict[str, dict[str, Any]] = {}
    for line in (out / "manifest.jsonl").read_text(encoding="ascii").splitlines():
        try:
            record = json.loads(line)
        except ValueError:  # a run was killed while it wrote the line
            continue
        last[record["path"]] = record
    for path in sorted(last):
        if last[path].get("status") == "ok" and "strip" in last[path]:
            yield last[path]


def normalized_iris(out: Path, record: dict[str, Any]) -> iris.NormalizedIris:
    """The strip and its mask; rows, columns and the mask's meaning are the same in both programs.

    Raises
    ------
    ValueError
        Where a file is missing or damaged, leads out of `out`, or the strip is not 128 x 512.
    """
    from iris import NormalizedIris  # noqa: PLC0415  (the functions below need it, --help does not)

    image, mask = (_read(out, record[name]) for name in ("strip", "strip_mask"))
    if image.shape != SIZE or mask.shape != SIZE:
        raise ValueError(f"{record['path']}: a strip of {image.shape}: make it with irisstn --size {SIZE[0]}x{SIZE[1]}")
    return NormalizedIris(normalized_image=image, normalized_mask=mask > 127)


def eye_centers(record: dict[str, Any]) -> iris.EyeCenters:
    """The centres of pupil and iris in pixels of the photograph."""
    from iris import EyeCenters  # noqa: PLC0415

    pupil, limbus = record["pupil"], record["iris"]
    return EyeCenters(pupil_x=pupil["x"], pupil_y=pupil["y"], iris_x=limbus["x"], iris_y=limbus["y"])


def eye_orientation(record: dict[str, Any]) -> iris.EyeOrientation | None:
    """The eye's roll as `irisstn rectify` read it off the eyelids; None where no eyelid is known."""
    from iris import EyeOrientation  # noqa: PLC0415

    roll = record.get("rectification", {}).get("roll_read_rad")
    if roll is None:
        return None
    return EyeOrientation(angle=(roll + math.pi / 2) % math.pi - math.pi / 2)


def iris_template(normalized: iris.NormalizedIris) -> iris.IrisTemplate:
    """The template that open-iris' own filters, refinement and encoder compute of a strip."""
    import iris as open_iris  # noqa: PLC0415
    from iris.nodes.iris_response_refinement.fragile_bits_refinement import FragileBitRefinement  # noqa: PLC0415

    response = open_iris.ConvFilterBank(maskisduplicated=False).run(normalized)
    refined = FragileBitRefinement(value_threshold=_FRAGILE, fragile_type="polar", maskisduplicated=False).run(response)
    return open_iris.IrisEncoder().run(refined)


def _read(out: Path, name: str) -> np.ndarray[Any, Any]:
    """A picture below `out` as 8-bit gray."""
    path = (out / name).resolve()
    if out.resolve() not in path.parents:
        raise ValueError(f"{name} leads out of {out}")
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if picture is None:
        raise ValueError(f"{path} is missing or damaged")
    return np.asarray(picture)


def main() -> None:
    """Write the template of each strip of an output folder as JSON."""
    parser = argparse.ArgumentParser(description="Templates of open-iris from the strips of irisstn.")
    parser.add_argument("out", type=Path, help="output folder of irisstn segment or rectify, made with --size 128x512")
    parser.add_argument("templates", type=Path, help="folder to write to: REL.json for each strip")
    given = parser.parse_args()
    failed = count = 0
    try:
        records = list(read_records(given.out))
    except OSError as error:
        sys.exit(f"Error: {given.out} is no output folder of irisstn: {error.strerror}")
    for record in records:
        file = given.templates / f"{record['path']}.json"
        try:
            if given.templates.resolve() not in file.resolve().parents:
                raise ValueError(f"{record['path']} leads out of {given.templates}")
            template = iris_template(normalized_iris(given.out, record))
        except ValueError as error:
            print(f"Error: {error}", file=sys.stderr)
            failed += 1
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(template.serialize()), encoding="ascii")
        count += 1
    print(f"{count} templates in {given.templates}" + (f", {failed} failed" if failed else ""))
    sys.exit(0 if count and not failed else 3)


if __name__ == "__main__":
    main()
