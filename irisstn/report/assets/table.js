"use strict";
// The table: only the rows in view are in the document, between two empty rows as high as the others.
const HEIGHT = 44; // of a row in pixels, as in folder.css
const PRINTED = 500; // rows on paper, at most
const COLUMNS = ["score", "trust", "usable_iris_area", "sharpness", "iris_radius", "roll_deg"];
const view = document.getElementById("view");
const body = view.querySelector("tbody");
let rows = [];
let current = 0;

function columns() {
  const shown = COLUMNS.map((name) => DATA.figures.indexOf(name)).filter((figure) => figure >= 0);
  const sorted = Number(chosen.sort);
  return Number.isNaN(sorted) || shown.includes(sorted) ? shown : [...shown, sorted];
}

function drawHead() {
  const line = element("tr");
  line.append(element("th", "strip"));
  const heads = [["name", "name"], ["first", "status"], ...columns().map((figure) => [String(figure), FIGURES[figure]])];
  for (const [key, text] of heads) {
    const cell = element("th", undefined, { scope: "col", class: key === "name" || key === "first" ? "words" : "" });
    const sorted = chosen.sort === key;
    cell.setAttribute("aria-sort", sorted ? (chosen.down ? "descending" : "ascending") : "none");
    const button = element("button", text + (sorted ? (chosen.down ? " ▼" : " ▲") : ""), { type: "button" });
    button.addEventListener("click", () => {
      chosen.down = sorted && !chosen.down;
      chosen.sort = key;
      update();
    });
    cell.append(button);
    line.append(cell);
  }
  view.querySelector("thead").replaceChildren(line);
}

function drawn(row, index, figures) {
  const line = element("tr", undefined, { "data-index": index, "aria-rowindex": index + 2 });
  line.setAttribute("aria-selected", index === current);
  const picture = element("td");
  const source = thumbnailOf(row);
  if (source) {
    const image = element("img", undefined, { loading: "lazy", alt: "", src: source });
    if (row.failed !== undefined) image.className = "photograph";
    image.addEventListener("error", () => image.remove());
    picture.append(image);
  }
  const kind = row.failed !== undefined ? "failed" : row.warnings ? "warned" : "";
  const text = kind === "failed" ? DATA.reasons[row.failed] : kind ? warningsOf(row).join("; ") : "done";
  line.append(picture, lines(row.name, "name"), lines(text, kind));
  if (kind === "failed") { // it has no figures: their place is the reason's
    line.lastChild.setAttribute("colspan", figures.length + 1);
    return line;
  }
  for (const figure of figures) {
    line.append(element("td", numberOf(row, figure), isOutside(row, figure) ? { class: "warned" } : {}));
  }
  return line;
}

/** A cell of words, of two lines at most; the whole text is its title. */
function lines(text, kind) {
  const cell = element("td", undefined, { class: "words", title: text });
  cell.append(element("div", text, { class: kind }));
  return cell;
}

const decimals = new Map();

/** A figure of a row, with as many decimals as the others of its column. */
function numberOf(row, figure) {
  const value = valueOf(row, figure);
  if (value === null) return "";
  if (!decimals.has(figure)) {
    let most = 0;
    for (const other of ROWS) most = Math.max(most, Math.abs(valueOf(other, figure) ?? 0));
    decimals.set(figure, most >= 10 ? 1 : most >= 1 ? 2 : most >= 0.01 ? 3 : null);
  }
  return decimals.get(figure) === null ? shownNumber(value) : value.toFixed(decimals.get(figure)).replace(/^-(0\.?0*)$/, "$1");
}

function drawRows(from, to) {
  const figures = columns();
  const part = [];
  for (let index = from; index < to; index += 1) part.push(drawn(rows[index], index, figures));
  const empty = (count) => {
    const line = element("tr", undefined, { class: "empty", "aria-hidden": "true" });
    line.append(element("td", undefined, { colspan: figures.length + 3, style: `height:${count * HEIGHT}px` }));
    return line;
  };
  body.replaceChildren(empty(from), ...part, empty(rows.length - to));
}

/** Make the table as high as its rows, or two thirds of the window. */
function fit() {
  const head = view.querySelector("thead").offsetHeight;
  view.style.height = `${Math.min(Math.max(0.68 * innerHeight, 320), rows.length * HEIGHT + head + 4)}px`;
  draw();
}

function draw() {
  const first = Math.max(Math.floor(view.scrollTop / HEIGHT) - 8, 0);
  const last = Math.min(Math.ceil((view.scrollTop + view.clientHeight) / HEIGHT) + 8, rows.length);
  drawRows(Math.min(first, last), last);
}

let waiting = false;
view.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
});
addEventListener("resize", fit);
addEventListener("beforeprint", () => drawRows(0, Math.min(rows.length, PRINTED)));
addEventListener("afterprint", draw);

/** Make the row `index` the current one and scroll to it. */
function select(index) {
  current = Math.min(Math.max(index, 0), rows.length - 1);
  const head = view.querySelector("thead").offsetHeight;
  const top = current * HEIGHT;
  if (top < view.scrollTop) view.scrollTop = top;
  if (top + HEIGHT + head > view.scrollTop + view.clientHeight) view.scrollTop = top + HEIGHT + head - view.clientHeight;
  draw();
}

body.addEventListener("click", (event) => {
  const line = event.target.closest("tr[data-index]");
  if (!line) return;
  select(Number(line.dataset.index));
  openDetail();
});

const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || detail.open) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing) document.getElementById("search").focus();
  else if (event.key === "Escape") {
    if (typing) view.focus();
    else clearFilters();
  } else if (event.key === "Enter" && (event.target === view || event.target.id === "search") && rows.length) {
    view.focus();
    openDetail();
  } else if (event.key in STEPS && (event.target === view || event.target === document.body)) {
    view.focus({ preventScroll: true });
    select(current + STEPS[event.key]);
  } else return;
  event.preventDefault();
});
