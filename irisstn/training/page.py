"""A small page about a run: its curves, and strips before and after rectification."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from irisstn.images import write_bytes_atomic

Row = Mapping[str, float]

# Title, unit's factor, and the columns of metrics.csv that one chart shows with their names.
_CHARTS: tuple[tuple[str, float, dict[str, str]], ...] = (
    ("Loss", 1.0, {"train_loss": "training", "validation_loss": "validation"}),
    (
        "Roll error among shots of an eye, median, degrees (stress)",
        1.0,
        {"stress_among_before_deg": "before", "stress_among_after_deg": "rectified"},
    ),
    (
        "Roll error among shots of an eye, median, degrees (natural)",
        1.0,
        {"natural_among_before_deg": "before", "natural_among_after_deg": "rectified"},
    ),
    (
        "Plain code, one comparison, EER % (stress)",
        100.0,
        {"stress_code_eer": "before", "stress_code_rectified_eer": "rectified", "stress_cnn_eer": "CNN"},
    ),
    (
        "Plain code, one comparison, EER % (natural)",
        100.0,
        {"natural_code_eer": "before", "natural_code_rectified_eer": "rectified", "natural_cnn_eer": "CNN"},
    ),
)
_COLOURS = ("#b3542d", "#1f6f8b", "#5a7d2a")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 420, 200, 48, 22
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222;background:#fff}"
    "svg,img{max-width:100%}figure{display:inline-block;margin:0 1.5em 1.5em 0;vertical-align:top}"
    "figcaption{font-weight:600}svg text{font:11px system-ui,sans-serif;fill:#555}"
)


def write_page(run: Path, rows: Sequence[Row], samples: Sequence[str]) -> None:
    """Write RUN/index.html from the `rows` of metrics.csv and the sample pictures' paths below RUN, oldest first."""
    charts = "".join(_chart(title, factor, names, rows) for title, factor, names in _CHARTS)
    shown = "".join(
        f"<figure><figcaption>{html.escape(Path(name).stem)}</figcaption>"
        f'<img src="{html.escape(name)}" alt="strips before and after"></figure>'
        for name in reversed([*samples[:1], *samples[1:][-3:]])
    )
    title = f"Training {html.escape(run.name)}"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{len(rows)} epochs. Eyes that training has not seen, except where it says training.</p>"
        f"{charts}<h2>Strips</h2><p>Each input strip with the outline of what is sampled, above its output.</p>{shown}"
        "</html>"
    )
    write_bytes_atomic(run / "index.html", page.encode())


def _chart(title: str, factor: float, names: Mapping[str, str], rows: Sequence[Row]) -> str:
    lines = {
        label: [(row["epoch"], factor * row[name]) for row in rows if name in row] for name, label in names.items()
    }
    lines = {label: points for label, points in lines.items() if points}
    if not lines:
        return ""
    everything = [value for points in lines.values() for _, value in points]
    top, bottom = max(everything), min(0.0, *everything)
    last = max(max(epoch for epoch, _ in points) for points in lines.values())
    span, width = max(top - bottom, 1e-9), _WIDTH - _LEFT
    drawn = [
        f'<text x="0" y="12">{top:.3g}</text><text x="0" y="{_HEIGHT - _BOTTOM}">{bottom:.3g}</text>',
        f'<text x="{_WIDTH - 30}" y="{_HEIGHT - 6}">{last:.0f}</text>',
        f'<path d="M{_LEFT} 4V{_HEIGHT - _BOTTOM}H{_WIDTH}" fill="none" stroke="#999"/>',
    ]
    for number, (label, points) in enumerate(lines.items()):
        colour = _COLOURS[number]
        places = " ".join(
            f"{_LEFT + width * epoch / max(last, 1):.1f},{4 + (_HEIGHT - _BOTTOM - 4) * (top - value) / span:.1f}"
            for epoch, value in points
        )
        drawn.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
        key = f"{html.escape(label)} {points[-1][1]:.3g}"
        drawn.append(
            f'<text x="{_LEFT + 8 + 120 * number}" y="{_HEIGHT - 6}" style="fill:{colour};font-weight:600">{key}</text>'
        )
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">{"".join(drawn)}</svg>'
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{svg}</figure>"
