"""The pages: what they list, that names are escaped, and that they load nothing from elsewhere."""

import html
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from report_data import data_of_page

from irisstn.report import write_report
from irisstn.report.training import TrainingAbout, write_training_page


def written(tmp_path: Path, records: list[dict[str, object]]) -> str:
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return write_report(tmp_path).read_text()


def test_each_input_is_a_row_and_names_are_data_not_markup(tmp_path: Path) -> None:
    reason = {"stage": "segment", "reason": "no pupil & no limbus"}
    records: list[dict[str, object]] = [
        {"path": f"{number:03d}</script><i>.png", "status": "failed", **reason} for number in range(203)
    ]
    (tmp_path / "run.json").write_text('{"command": "segment"}')
    page = written(tmp_path, records)
    assert "<h1>irisstn segment</h1>" in page and "<b>203</b><span>failed" in page
    assert "<i>" not in page and page.count("</script>") == page.count("<script")
    data = data_of_page(tmp_path)
    assert [row["name"] for row in data["rows"]] == [record["path"] for record in records]
    assert data["reasons"] == ["segment: no pupil & no limbus"] and all(row["failed"] == 0 for row in data["rows"])
    assert "Figures" not in page


def test_figures_have_quantiles_and_a_histogram(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [
        {
            "path": f"{number:02d}.png",
            "status": "ok",
            "strip": "s.png",
            "quality": {"iris_radius": float(number)},
            "rectification": {"roll_rad": math.radians(number)},
            "trust": 0.5,
        }
        for number in range(11)
    ]
    page = written(tmp_path, records)
    assert "<th>iris radius</th><td>0.5</td><td>5</td><td>9.5</td>" in page
    assert "<th>roll deg</th><td>0.5</td><td>5</td><td>9.5</td>" in page
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([^"]+)"', page)]
    assert len(heights) == 23 and max(heights) == 24
    data = data_of_page(tmp_path)
    assert data["figures"] == ["trust", "iris_radius", "roll_deg"]
    assert [row["values"] for row in data["rows"]] == [[0.5, number, number] for number in range(11)]
    assert data["rows"][0]["files"] == {"strip": "s.png"}


def test_a_large_folder_is_shown_in_part_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irisstn.report.folder.ROWS", 30)
    monkeypatch.setattr("irisstn.report.folder.FAILURES", 10)
    records: list[dict[str, object]] = [
        {"path": f"{number:03d}.png", "status": "failed" if number % 5 == 0 else "ok"} for number in range(200)
    ]
    page = written(tmp_path, records)
    rows = data_of_page(tmp_path)["rows"]
    assert len(rows) == 30 and sum("failed" in row for row in rows) == 10
    assert "30 of 200 inputs, evenly spread, 10 of them failed" in page
    names = [row["name"] for row in rows if "failed" not in row]
    assert names[0] < "020" and names[-1] > "180"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_a_browser_filters_sorts_and_enlarges(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [
        {"path": f"{number:04d} <i>#?.png", "status": "ok", "strip": f"strips/{number:04d} <i>#?.png"}
        | {"quality": {"sharpness": (7 * number) % 3000}, "warnings": ["w"] * (number == 9)}
        for number in range(3000)
    ]
    records[5] = {"path": "5.png", "status": "failed", "stage": "read", "reason": "empty"}
    page = written(tmp_path, records)
    steps = """
      const found = {first: rows.slice(0, 2).map((row) => row.name), drawn: body.rows.length};
      const press = (key, target) =>
        target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
      const search = document.getElementById("search");
      press("/", document.body);
      found.focus = document.activeElement === search;
      search.value = "sharpness>2990 <i>";
      search.dispatchEvent(new Event("input"));
      found.filtered = rows.length;
      view.querySelectorAll("th button")[2].click();
      view.querySelectorAll("th button")[2].click();
      found.sorted = rows.map((row) => valueOf(row, 0));
      press("ArrowDown", view);
      press("Enter", view);
      found.enlarged = [detail.open, current, document.getElementById("detail-name").textContent === rows[1].name];
      const source = "strips/" + encodeURIComponent(rows[1].name);
      found.source = document.getElementById("strip").getAttribute("src") === source;
      detail.close();
      press("Escape", view);
      found.cleared = rows.length;
      document.title = JSON.stringify(found);
    """
    copy = tmp_path / "steps.html"
    copy.write_text(page.replace("</body>", f"<script>{steps}</script></body>"))
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *arguments, copy.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert found is not None, done.stdout[-1000:]
    seen = json.loads(html.unescape(found[1]))
    assert seen.pop("drawn") < 100, "only the rows in view are drawn"
    assert seen == {
        "first": ["5.png", "0009 <i>#?.png"],
        "focus": True,
        "filtered": 9,
        "sorted": list(range(2999, 2990, -1)),
        "enlarged": [True, 1, True],
        "source": True,
        "cleared": 3000,
    }


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
    assert "://" not in page
    assert "Settings" not in page and "at most" not in page


def test_the_page_of_a_training_run_tells_of_its_eyes_settings_and_time(tmp_path: Path) -> None:
    about = TrainingAbout(70, 20, 81, 40, {"seed": 3, "rectifier": {"transform": "<ring>"}})
    rows = [{"epoch": 2.0, "train_shape": 0.5, "large_errors_shape": 0.7, "large_errors_roll_after_deg": 1.5}]
    samples = ["samples/epoch_001.png", "samples/epoch_002.png"]
    write_training_page(tmp_path, rows, samples, about, seconds_left=9000)
    page = (tmp_path / "index.html").read_text()
    assert "1 of 40 epochs; at most 2.5 hours left" in page
    assert "Trained on 70 eyes" in page and "are 20 eyes of other subjects" in page and "81 captures" in page
    assert '<th>rectifier.transform</th><td class="words">&lt;ring&gt;</td>' in page
    assert "Held-out subjects" not in page
    told = replace(about, subjects=35, held_out_subjects=["004", "<b>"], notes=["identities (by name): 45 persons"])
    write_training_page(tmp_path, rows, samples, told)
    page = (tmp_path / "index.html").read_text()
    assert "70 eyes of 35 subjects" in page and "20 eyes of 2 other subjects" in page
    assert "Identities (by name): 45 persons" in page and "004, &lt;b&gt;" in page
    assert "Boundary errors" in page and page.count("<svg") == 2
    begin = page.index('id="samples">') + len('id="samples">')
    assert [one["source"] for one in json.loads(page[begin : page.index("</script>", begin)])] == samples
