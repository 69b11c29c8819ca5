"use strict";
// The filters above the table, and the histograms, which filter by a range that is drawn on them.
const BINS = 24;
const shown = document.getElementById("shown");
const fields = { text: "search", status: "status", reason: "reason", warning: "warning", outside: "outside", sort: "sort" };

function fill(id, options) {
  const list = document.getElementById(id);
  for (const [value, text] of options) list.append(element("option", text, { value }));
  if (list.options.length < 2) list.parentElement.hidden = true;
}

fill("reason", counted(ROWS.map((row) => row.failed).filter((number) => number !== undefined)).slice(0, 50)
  .map(([number, count]) => [number, `${count} × ${DATA.reasons[number]}`]));
fill("warning", counted(ROWS.flatMap((row) => row.warnings || [])).map(([number, count]) => [number, `${count} × ${DATA.warnings[number]}`]));
fill("outside", counted(ROWS.flatMap((row) => FIGURES.map((_, figure) => figure).filter((figure) => isOutside(row, figure))))
  .map(([figure, count]) => [figure, `${count} × ${FIGURES[figure]}`]));
fill("sort", FIGURES.map((name, figure) => [figure, name]));

for (const [key, id] of Object.entries(fields)) {
  document.getElementById(id).addEventListener("input", (event) => {
    chosen[key] = event.target.value;
    update();
  });
}
document.getElementById("down").addEventListener("click", () => {
  chosen.down = !chosen.down;
  update();
});
document.getElementById("clear").addEventListener("click", () => clearFilters());
for (const item of document.querySelectorAll("[data-warning]")) {
  item.addEventListener("click", () => {
    chosen.warning = String(DATA.warnings.indexOf(item.dataset.warning));
    update();
  });
}

function clearFilters() {
  Object.assign(chosen, { text: "", status: "", reason: "", warning: "", outside: "" });
  chosen.ranges.clear();
  update();
}

function rowsUnfiltered() {
  return !chosen.ranges.size && Object.keys(fields).every((key) => key === "sort" || chosen[key] === "");
}

/** Apply the filters and draw everything anew. */
function update() {
  for (const [key, id] of Object.entries(fields)) {
    document.getElementById(id).value = chosen[key];
    document.getElementById(id).classList.toggle("set", key !== "sort" && chosen[key] !== "");
  }
  document.getElementById("clear").disabled = rowsUnfiltered();
  const down = document.getElementById("down");
  down.setAttribute("aria-pressed", chosen.down);
  rows = rowsChosen();
  current = 0;
  view.scrollTop = 0;
  view.setAttribute("aria-rowcount", rows.length + 1);
  const count = (number) => number.toLocaleString("en");
  shown.textContent = rows.length === ROWS.length ? `${count(ROWS.length)} rows` : `${count(rows.length)} of ${count(ROWS.length)} rows`;
  document.getElementById("nothing").hidden = rows.length > 0;
  document.getElementById("more-printed").hidden = rows.length <= PRINTED;
  drawRanges();
  drawHead();
  fit();
  drawHistograms();
}

function drawRanges() {
  const chips = [...chosen.ranges].map(([figure, [low, high]]) => {
    const text = `${FIGURES[figure]} ${shownNumber(low)} – ${shownNumber(high)} ×`;
    const chip = element("button", text, { type: "button", class: "set", title: "remove this filter" });
    chip.addEventListener("click", () => {
      chosen.ranges.delete(figure);
      update();
    });
    return chip;
  });
  document.getElementById("ranges").replaceChildren(...chips);
}

const histograms = [...document.querySelectorAll("svg[data-figure]")].map((svg) => {
  const figure = DATA.figures.indexOf(svg.dataset.figure);
  let [low, high] = [Infinity, -Infinity];
  for (const row of ROWS) {
    const value = valueOf(row, figure);
    if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  return { svg, figure, low, high };
}).filter(({ high, low }) => high > low && Number.isFinite(high - low));

function counts({ figure, low, high }, list) {
  const bins = new Array(BINS).fill(0);
  for (const row of list) {
    const value = valueOf(row, figure);
    if (value !== null) bins[Math.min(Math.floor((BINS * (value - low)) / (high - low)), BINS - 1)] += 1;
  }
  return bins;
}

function bars(bins, most, size, name) {
  return bins.flatMap((count, index) => {
    if (!count) return [];
    const height = Math.max((size.height * count) / most, 1);
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const place = { x: (index * size.width) / BINS, y: size.height - height, width: size.width / BINS - 1, height, class: name };
    for (const [key, value] of Object.entries(place)) bar.setAttribute(key, value);
    return [bar];
  });
}

function drawHistograms() {
  for (const histogram of histograms) {
    histogram.all ??= counts(histogram, ROWS);
    const size = { width: histogram.svg.width.baseVal.value, height: histogram.svg.height.baseVal.value };
    const most = Math.max(...histogram.all);
    histogram.svg.replaceChildren(...bars(histogram.all, most, size, "all"), ...bars(counts(histogram, rows), most, size, "in"));
  }
}

for (const { svg, figure, low, high } of histograms) {
  svg.classList.add("filters");
  let start = null;
  const bin = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(Math.max(Math.floor((BINS * (event.clientX - box.left)) / box.width), 0), BINS - 1);
  };
  const edge = (index) => low + ((high - low) * index) / BINS;
  svg.addEventListener("pointerdown", (event) => {
    start = bin(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [first, last] = [Math.min(start, bin(event)), Math.max(start, bin(event))];
    start = null;
    chosen.ranges.set(figure, [edge(first), last === BINS - 1 ? high : edge(last + 1)]);
    update();
  });
}

update();
