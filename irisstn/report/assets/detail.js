"use strict";
// One input, enlarged: its photograph with the boundaries, its strip before and after, its figures and files.
const SVG = "http://www.w3.org/2000/svg";
const detail = document.getElementById("detail");
const eye = document.getElementById("eye");
const strip = document.getElementById("strip");
const options = { boundaries: true, mask: false, whole: false, before: false };
const FILE_NAMES = {
  strip: "strip", strip_mask: "mask of the strip", mask: "mask", iris_mask: "mask of the iris", overlay: "overlay",
  side_by_side: "side by side", embedding: "embedding", strip_as_given: "strip, as given", strip_mask_as_given: "mask, as given",
};
let flicker = null;

function drawing(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The path of a boundary; pixel centres lie at whole numbers, so a picture begins at -0.5. */
function boundaryPath([x, y, cosines, sines]) {
  const points = [];
  for (let step = 0; step < 120; step += 1) {
    const t = (2 * Math.PI * step) / 120;
    const radius = cosines.reduce((sum, value, k) => sum + value * Math.cos(k * t) + (sines[k] || 0) * Math.sin(k * t), 0);
    points.push(`${(x + radius * Math.cos(t)).toFixed(1)},${(y + radius * Math.sin(t)).toFixed(1)}`);
  }
  return `M${points.join("L")}Z`;
}

/** The path of an eyelid's edge near the iris; farther away the parabola does not follow the eyelid. */
function lidPath([x, y, angle, c0, c1, c2], iris) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const centre = (iris[0] - x) * cos + (iris[1] - y) * sin;
  const reach = 1.3 * iris[2][0];
  const points = [];
  for (let step = 0; step <= 40; step += 1) {
    const u = centre + reach * (step / 20 - 1);
    const v = c0 + c1 * u + c2 * u * u;
    points.push(`${(x + u * cos - v * sin).toFixed(1)},${(y + u * sin + v * cos).toFixed(1)}`);
  }
  return `M${points.join("L")}`;
}

function drawEye(row) {
  const note = document.getElementById("eye-note");
  note.textContent = "";
  eye.parentElement.hidden = !row.size;
  if (!row.size) return;
  const [width, height] = row.size;
  const close = row.eye ? row.eye.slice(1) : closeUp(row);
  const box = options.whole ? [0, 0, width, height] : close;
  eye.setAttribute("viewBox", `${box[0] - 0.5} ${box[1] - 0.5} ${box[2]} ${box[3]}`);
  const parts = [];
  const place = (source, [x, y, w, h]) => drawing("image", { href: source, x: x - 0.5, y: y - 0.5, width: w, height: h, preserveAspectRatio: "none" });
  const source = row.eye && !options.whole ? row.eye[0] : inputOf(row);
  if (source) {
    const image = place(source, row.eye && !options.whole ? row.eye.slice(1) : [0, 0, width, height]);
    image.addEventListener("error", () => {
      const overlay = addressOf(row, "overlay");
      note.textContent = `The browser cannot show ${decodeURIComponent(source)}: it has been moved, or is of a format that browsers do not read.`;
      if (overlay && overlay !== image.getAttribute("href")) {
        note.textContent += " Shown is the overlay.";
        image.setAttribute("href", overlay);
      } else if (row.eye) image.replaceWith(place(row.eye[0], row.eye.slice(1)));
    }, { once: true });
    parts.push(image);
  } else note.textContent = "It is not known where the photograph is.";
  const mask = addressOf(row, "mask");
  if (options.mask && mask) {
    const layer = place(mask, [0, 0, width, height]);
    layer.setAttribute("class", "mask");
    parts.push(layer);
  }
  if (options.boundaries) {
    for (const name of ["pupil", "iris"]) parts.push(drawing("path", { d: boundaryPath(row[name]), class: name }));
    for (const lid of row.lids) parts.push(drawing("path", { d: lidPath(lid, row.iris), class: "lid" }));
  }
  eye.replaceChildren(...parts);
}

function closeUp(row) {
  const [x, y, [radius]] = row.iris;
  return [x - 1.7 * radius, y - 1.3 * radius, 3.4 * radius, 2.6 * radius];
}

/** The strip before rectification, where the page or the output folder has it. */
function givenOf(row) {
  return row.given || (row.strip ? inputOf(row) : null);
}

function drawStrip(row) {
  const after = addressOf(row, "strip") || (row.strip ? inputOf(row) : null);
  const given = givenOf(row);
  const two = Boolean(given && after && given !== after);
  const failed = row.failed !== undefined;
  const picture = failed ? inputOf(row) : options.before && two ? given : after;
  strip.parentElement.hidden = !picture;
  strip.classList.toggle("photograph", failed);
  strip.src = picture || "";
  strip.alt = failed ? "the input" : "the strip";
  document.getElementById("strip-name").textContent = failed ? "input" : !two ? "strip" : options.before ? "before" : "after";
  for (const id of ["before", "flicker"]) document.getElementById(id).hidden = !two;
  const side = addressOf(row, "side_by_side");
  document.getElementById("side-by-side").replaceChildren(...(side && !two ? [element("img", undefined, { src: side, alt: "before and after rectification" })] : []));
  const rectified = DATA.figures.includes("roll_deg") && valueOf(row, DATA.figures.indexOf("roll_deg")) !== null;
  document.getElementById("strip-note").textContent = rectified && !two && !side && after
    ? "The page holds the strip before rectification for some inputs only; --side-by-side writes it for each." : "";
  if (!two) stopFlicker();
}

strip.addEventListener("error", () => { // a failed input is often no picture
  strip.parentElement.hidden = true;
});

function stopFlicker() {
  clearInterval(flicker);
  flicker = null;
}

function toggle(name) {
  const row = rows[current];
  if (name === "flicker") {
    if (flicker === null && !document.getElementById("flicker").hidden) flicker = setInterval(() => toggle("before"), 500);
    else stopFlicker();
  } else options[name] = !options[name];
  if (name === "before" || name === "flicker") drawStrip(row);
  else drawEye(row);
  showPressed();
}

function showPressed() {
  for (const name of Object.keys(options)) document.getElementById(name).setAttribute("aria-pressed", options[name]);
  document.getElementById("flicker").setAttribute("aria-pressed", flicker !== null);
}

function link(address, text) {
  return element("a", text, { href: address });
}

function drawDetail() {
  const row = rows[current];
  document.getElementById("detail-name").textContent = row.name;
  document.getElementById("place").textContent = `${current + 1} of ${rows.length}`;
  const words = row.failed !== undefined ? [DATA.reasons[row.failed]] : warningsOf(row);
  document.getElementById("detail-words").className = row.failed !== undefined ? "failed" : "warned";
  document.getElementById("detail-words").replaceChildren(...words.map((word) => element("li", word)));
  drawEye(row);
  drawStrip(row);
  const figures = FIGURES.flatMap((name, figure) => {
    const value = valueOf(row, figure);
    if (value === null) return [];
    const line = element("tr", undefined, isOutside(row, figure) ? { class: "warned", title: "outside the range that ISO/IEC 29794-6 recommends" } : {});
    line.append(element("th", name), element("td", shownNumber(value)));
    return [line];
  });
  document.getElementById("detail-figures").replaceChildren(...figures);
  const files = Object.keys(DATA.folders).map((field) => [addressOf(row, field), FILE_NAMES[field] || field.replaceAll("_", " ")]);
  const links = [[inputOf(row), "input"], ...files].filter(([address]) => address).map(([address, text]) => link(address, text));
  document.getElementById("files").replaceChildren(...links);
  showPressed();
}

function openDetail() {
  if (!rows.length) return;
  drawDetail();
  if (!detail.open) detail.showModal();
}

function step(by) {
  select(current + by);
  drawDetail();
}

for (const name of ["boundaries", "mask", "whole", "before", "flicker"]) {
  document.getElementById(name).addEventListener("click", () => toggle(name));
}
document.getElementById("previous").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
document.getElementById("close").addEventListener("click", () => detail.close());
detail.addEventListener("close", () => {
  stopFlicker();
  view.focus({ preventScroll: true });
});
const KEYS = { b: "boundaries", m: "mask", w: "whole", r: "before", f: "flicker" };
detail.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowRight" || event.key === "ArrowDown") step(1);
  else if (event.key === "ArrowLeft" || event.key === "ArrowUp") step(-1);
  else if (event.key in KEYS) toggle(KEYS[event.key]);
  else return;
  event.preventDefault();
});
