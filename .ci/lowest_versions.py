"""Print a constraints file of the lowest versions that pyproject.toml allows, one requirement a line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PINNED = {"torch"}  # installed beforehand, in the version of constraints.txt


def lowest_versions(project: dict[str, object]) -> list[str]:
    """`name==version` for each requirement of `project`, the table `[project]`, that has a lower bound."""
    extras = project.get("optional-dependencies")
    requirements = [*_strings(project.get("dependencies"))]
    if isinstance(extras, dict):
        requirements += [one for extra in extras.values() for one in _strings(extra)]
    found = [re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?>=([0-9][^,;\s]*)", one) for one in requirements]
    return sorted(f"{match[1]}=={match[2]}" for match in found if match is not None and match[1] not in PINNED)


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


if __name__ == "__main__":
    print("\n".join(lowest_versions(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"])))
