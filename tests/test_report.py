"""The pages: what they list, that names are escaped, and that they load nothing from elsewhere."""

import json
import re
from pathlib import Path

from irisstn.report import write_report
from irisstn.report.training import write_training_page


def test_failures_are_listed_with_their_reasons(tmp_path: Path) -> None:
    records = [
        {"path": f"{number:03d}<i>.png", "status": "failed", "stage": "segment", "reason": "no pupil & no limbus"}
        for number in range(203)
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "run.json").write_text('{"command": "segment"}')
    page = write_report(tmp_path).read_text()
    assert "<h1>irisstn segment</h1>" in page
    assert page.count("&lt;i&gt;.png") == 200 and "<i>" not in page
    assert "203 × segment: no pupil &amp; no limbus" in page
    assert "and 3 more" in page
    assert "Pictures and strips" not in page and "Figures" not in page


def test_figures_have_quantiles_and_a_histogram(tmp_path: Path) -> None:
    records = [
        {"path": f"{number:02d}.png", "status": "ok", "strip": "s.png", "quality": {"iris_radius": float(number)}}
        for number in range(11)
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    page = write_report(tmp_path).read_text()
    assert "<th>iris radius</th><td>0.5</td><td>5</td><td>9.5</td>" in page
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([^"]+)"', page)]
    assert len(heights) == 11 and max(heights) == 24
    assert page.count("<article") == 11


def test_the_page_of_a_training_run_draws_the_columns_that_there_are(tmp_path: Path) -> None:
    run = tmp_path / "<run>"
    rows = [{"epoch": 1.0, "train_loss": 2.0, "validation_loss": 3.0}, {"epoch": 2.0, "train_loss": 1.0}]
    samples = [f"samples/epoch_{number:03d}.png" for number in range(1, 7)]
    write_training_page(run, rows, samples)
    page = (run / "index.html").read_text()
    assert "<h1>Training &lt;run&gt;</h1>" in page and "2 epochs" in page
    assert page.count("<svg") == 1, "one chart: the rows have no other columns"
    assert page.count("<polyline") == 2
    assert re.findall(r'<img src="([^"]+)"', page) == [samples[number] for number in (5, 4, 3, 0)]
    assert "://" not in page and "<script" not in page
