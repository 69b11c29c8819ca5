"""What `irisstn match` prints for two pictures, and its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from irisstn.cli.messages import Misuse, report_errors

if TYPE_CHECKING:
    from irisstn.networks import RuntimeChoice
    from irisstn.recognition import Comparison

EXIT_CODES = {"match": 0, "no match": 4, "undecided": 5}


def match_pictures(
    a: Path,
    b: Path,
    *,
    by: Literal["code", "embedding"] | None,
    shifts: int | None,
    model: Path | None,
    runtime: RuntimeChoice | None,
    as_json: bool,
) -> None:
    """Compare two pictures, print the result and exit with its code in `EXIT_CODES`; parameters as on the command line.

    Raises
    ------
    Misuse
        A picture cannot be read or shows no iris, or an option does not fit.
    """
    from irisstn.batch.compare_pictures import compare_pictures
    from irisstn.batch.jobs.embed import EmbedConfig
    from irisstn.recognition import CODE_SHIFTS

    if shifts is not None and by != "code":
        raise Misuse("--shifts is for codes, not for embeddings: give --by code")
    if shifts is not None and shifts > CODE_SHIFTS:
        raise Misuse(f"for two pictures, codes are calibrated for --shifts 0 to {CODE_SHIFTS}; got {shifts}")
    with report_errors():
        result = compare_pictures(
            a,
            b,
            by=by or "embedding",
            max_shift=CODE_SHIFTS if shifts is None else shifts,
            config=EmbedConfig() if runtime is None else EmbedConfig(runtime=runtime),
            model=model,
        )
    click.echo(json.dumps(result.as_dict()) if as_json else comparison_text(result))
    sys.exit(EXIT_CODES[result.decision])


def comparison_text(result: Comparison) -> str:
    """The lines that say what a comparison found."""
    doubts = f": {'; '.join(result.doubts)}" if result.doubts else ""
    rate = result.false_match_rate
    lines = [
        f"{result.decision}{doubts}",
        f"similarity {result.similarity:.3f} of {result.kind}s; threshold at a false match rate of 1e-3: "
        f"{result.threshold:.3f}, of 1e-6: {result.strict_threshold:.3f}",
        f"false match rate {f'{rate:.1e}' if rate >= 1e-9 else 'below 1e-9'} at this similarity; "
        f"log10 likelihood ratio {result.log10_likelihood_ratio:+.1f}",
    ]
    return "\n".join(lines)
