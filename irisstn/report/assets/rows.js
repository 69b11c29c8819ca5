"use strict";
// The rows of the page: their data, filters and order. Draws nothing.
const DATA = JSON.parse(document.getElementById("data").textContent);
const ROWS = DATA.rows;
const FIGURES = DATA.figures.map((name) => name.replaceAll("_", " "));

/** What the user has chosen; `ranges` has [low, high] by the number of a figure. */
const chosen = { text: "", status: "", reason: "", warning: "", outside: "", ranges: new Map(), sort: "first", down: false };

function valueOf(row, figure) {
  const value = row.values ? row.values[figure] : null;
  return value === undefined ? null : value;
}

/** Whether a figure of a row lies outside the range that ISO/IEC 29794-6 recommends. */
function isOutside(row, figure) {
  const range = DATA.recommended[DATA.figures[figure]];
  const value = valueOf(row, figure);
  if (!range || value === null) return false;
  return (range[0] !== null && value < range[0]) || (range[1] !== null && value > range[1]);
}

function addressOf(row, field) {
  const held = row.files ? row.files[field] : undefined;
  if (held !== 1 && held !== 2) return held || null;
  const [folder, suffix] = DATA.folders[field];
  return `${folder}/${quoted(held === 1 ? row.name + suffix : row.name)}`;
}

function inputOf(row) {
  return row.input === 1 ? `${DATA.inputs}/${quoted(row.name)}` : row.input || null;
}

function quoted(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** The picture of a row in the table. */
function thumbnailOf(row) {
  return addressOf(row, "strip") || (row.strip || row.failed !== undefined ? inputOf(row) : null);
}

function warningsOf(row) {
  return (row.warnings || []).map((number) => DATA.warnings[number]);
}

/** The tests of a text such as `half sharpness<20`: words that a row holds, and limits of figures. */
function testsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).map((part) => {
    const limit = /^([a-z0-9_]+)([<>])(-?[0-9.]+)$/.exec(part);
    const figure = limit ? DATA.figures.indexOf(limit[1]) : -1;
    if (figure >= 0) {
      const value = Number(limit[3]);
      return (row) => {
        const held = valueOf(row, figure);
        return held !== null && (limit[2] === "<" ? held < value : held > value);
      };
    }
    return (row) => {
      row.text ??= [row.name, DATA.reasons[row.failed] || "", ...warningsOf(row)].join(" ").toLowerCase();
      return row.text.includes(part);
    };
  });
}

/** The rows that pass all filters, in the order that was chosen. */
function rowsChosen() {
  const tests = testsOf(chosen.text);
  if (chosen.status) tests.push((row) => (row.failed !== undefined) === (chosen.status === "failed"));
  if (chosen.reason !== "") tests.push((row) => row.failed === Number(chosen.reason));
  if (chosen.warning !== "") tests.push((row) => (row.warnings || []).includes(Number(chosen.warning)));
  if (chosen.outside !== "") tests.push((row) => isOutside(row, Number(chosen.outside)));
  for (const [figure, [low, high]] of chosen.ranges) {
    tests.push((row) => {
      const value = valueOf(row, figure);
      return value !== null && value >= low && value <= high;
    });
  }
  return ROWS.filter((row) => tests.every((test) => test(row))).sort(order());
}

function order() {
  const sign = chosen.down ? -1 : 1;
  const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  if (chosen.sort === "name") return (a, b) => sign * byName(a, b);
  if (chosen.sort === "first") {
    const rank = (row) => (row.failed !== undefined ? 0 : row.warnings ? 1 : 2);
    return (a, b) => sign * (rank(a) - rank(b)) || byName(a, b);
  }
  const figure = Number(chosen.sort);
  return (a, b) => {
    const [x, y] = [valueOf(a, figure), valueOf(b, figure)];
    if (x === null || y === null) return (x === null) - (y === null) || byName(a, b); // those without it come last
    return sign * (x - y) || byName(a, b);
  };
}

/** The numbers of `values`, most frequent first, with their counts. */
function counted(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function shownNumber(value) {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size >= 1 || size === 0) return String(Number(value.toPrecision(4)));
  return size < 0.001 ? value.toExponential(1) : String(Number(value.toFixed(3)));
}
