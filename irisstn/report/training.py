"""The page of a training run: its curves, and strips before and after rectification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irisstn.report.templates import write_page

PAGE = "index.html"
Row = Mapping[str, float]

# Title, factor of the unit, and the columns of metrics.csv that one chart shows, with their labels.
_CHARTS: tuple[tuple[str, float, dict[str, str]], ...] = (
    ("Loss", 1.0, {"train_loss": "training", "validation_loss": "validation"}),
    (
        "Roll error between captures of an eye, median, degrees (large errors)",
        1.0,
        {
            "large_errors_roll_within_group_before_deg": "before",
            "large_errors_roll_within_group_after_deg": "rectified",
        },
    ),
    (
        "Roll error between captures of an eye, median, degrees (small errors)",
        1.0,
        {
            "small_errors_roll_within_group_before_deg": "before",
            "small_errors_roll_within_group_after_deg": "rectified",
        },
    ),
    (
        "Iris code without shifts, EER % (large errors)",
        100.0,
        {
            "large_errors_code_eer": "before",
            "large_errors_code_rectified_eer": "rectified",
            "large_errors_cnn_eer": "CNN",
        },
    ),
    (
        "Iris code without shifts, EER % (small errors)",
        100.0,
        {
            "small_errors_code_eer": "before",
            "small_errors_code_rectified_eer": "rectified",
            "small_errors_cnn_eer": "CNN",
        },
    ),
    (
        "Boundary errors: Huber loss of the shape, of small and of large errors",
        1.0,
        {"train_shape": "training", "small_errors_shape": "small", "large_errors_shape": "large"},
    ),
    (
        "Roll error of single strips, median, degrees (large errors)",
        1.0,
        {"large_errors_roll_before_deg": "before", "large_errors_roll_after_deg": "rectified"},
    ),
)
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 420, 200, 48, 4, 22  # of a chart and its margins, in pixels
_LATEST_SHOWN = 3  # sample pictures, beside the first one


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a chart: its `label`, its SVG `points`, and its `last` value."""

    label: str
    points: str
    last: float


@dataclass(frozen=True, slots=True)
class _Chart:
    """A chart: its lines, the values at the `top` and `bottom` of its axis, and the last epoch."""

    title: str
    top: float
    bottom: float
    last_epoch: int
    lines: list[_Line]


@dataclass(frozen=True, slots=True)
class TrainingAbout:
    """What a run trains on, and with which settings.

    Attributes
    ----------
    identities : int
        Number of eyes that are trained on in an epoch.
    held_out_identities, held_out_captures : int
        Number of eyes that are kept for validation, of other subjects, and of their captures.
    epochs : int
        The epochs of the whole run.
    settings : mapping
        The settings by name, nested.
    subjects : int or None
        Number of persons that are trained on; None of rendered eyes.
    held_out_subjects : sequence of str
        Names of the persons who are kept for validation.
    notes : sequence of str
        How identities were read and what was left out, a line each.
    """

    identities: int
    held_out_identities: int
    held_out_captures: int
    epochs: int
    settings: Mapping[str, object]
    subjects: int | None = None
    held_out_subjects: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_training_page(
    run: Path,
    rows: Sequence[Row],
    samples: Sequence[str],
    about: TrainingAbout | None = None,
    *,
    seconds_left: float | None = None,
) -> None:
    """Write the page of a training run, RUN/index.html.

    Parameters
    ----------
    run : Path
        The folder of the run.
    rows : sequence of mapping
        The rows of metrics.csv: numbers by column.
    samples : sequence of str
        The paths of sample pictures below RUN, oldest first: the first and the latest ones are shown, a slider shows
        each.
    about : TrainingAbout, optional
        What the run trains on.
    seconds_left : float, optional
        How long the remaining epochs take, at most, where the run goes on.
    """
    charts = [_chart(title, factor, names, rows) for title, factor, names in _CHARTS]
    shown = reversed([*samples[:1], *samples[1:][-_LATEST_SHOWN:]])
    write_page(
        run / PAGE,
        "training.html",
        title=f"Training {run.name}",
        epochs=sum(row["epoch"] > 0 for row in rows),
        charts=[chart for chart in charts if chart is not None],
        samples=[{"title": Path(name).stem.replace("_", " "), "source": name} for name in shown],
        every=[{"title": Path(name).stem.replace("_", " "), "source": name} for name in samples],
        about=about,
        settings=_flat(about.settings) if about is not None else [],
        left_text=_duration(seconds_left) if seconds_left else None,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        bottom=_BOTTOM,
    )


def _flat(settings: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names with their values, as an override on the command line gives them."""
    found = []
    for name, value in settings.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, str(value))]
    return found


def _duration(seconds: float) -> str:
    """`seconds` in words.

    Examples
    --------
    >>> _duration(40), _duration(3000), _duration(9000)
    ('1 minute', '50 minutes', '2.5 hours')
    """
    minutes = max(round(seconds / 60), 1)
    if minutes < 100:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{minutes / 60:.1f} hours"


def _chart(title: str, factor: float, names: Mapping[str, str], rows: Sequence[Row]) -> _Chart | None:
    """The chart of the columns `names`; None where `rows` have none of them."""
    values = {
        label: [(row["epoch"], factor * row[name]) for row in rows if name in row] for name, label in names.items()
    }
    values = {label: points for label, points in values.items() if points}
    if not values:
        return None
    numbers = [value for points in values.values() for _, value in points]
    top, bottom = max(numbers), min(0.0, *numbers)
    top = top if top > bottom else 1.0  # a line of zeros lies on the axis
    last = max(epoch for points in values.values() for epoch, _ in points)
    span, width, height = max(top - bottom, 1e-9), _WIDTH - _LEFT, _HEIGHT - _BOTTOM - _TOP
    lines = [
        _Line(
            label,
            " ".join(
                f"{_LEFT + width * epoch / max(last, 1):.1f},{_TOP + height * (top - value) / span:.1f}"
                for epoch, value in points
            ),
            points[-1][1],
        )
        for label, points in values.items()
    ]
    return _Chart(title, top, bottom, round(last), lines)
