// The picture of a metaphase with the outlines of its chromosomes, which are selected, added, cut and resized there.

import { attempt, draw, element, review, say } from "./shared.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTERS = 1 / 45; // height of a number, of the height of the picture
const LARGEST = 3; // CSS pixels of a pixel of the picture, without zoom
const STEP = 4; // pixels by which a key moves what is drawn; a box that is there already, by half of it
const DRAG = 4; // CSS pixels by which a pressed box is moved before it is dragged
const HINTS = {
  add: "Draw a box around the chromosome; or move it by the arrows, size it by Shift and arrows, and press Enter.",
  cut: "Draw a line across the chromosome; or move it by the arrows, turn it by Shift and arrows, and press Enter.",
  resize: "Drag the box or its handles; or move it by the arrows, size it by Shift and arrows, and press Enter.",
};
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
// Of each handle the corners, 0 or 1, that it moves across and down, and its cursor.
const HANDLES = [[0, 0, "nwse"], [1, 1, "nwse"], [0, 1, "nesw"], [1, 0, "nesw"], [null, 0, "ns"], [null, 1, "ns"],
  [0, null, "ew"], [1, null, "ew"]];

let page = null; // of the cell: selected() and marked() are indices, pick(index, shift, decision) selects or decides, act(decision)
let tool = null; // "add", "cut" or "resize"
let points = []; // that are drawn: opposite corners of a box, or those of a line
let pressed = false; // the mouse, to draw
let grip = null; // what is pressed of the selected box: where, its corners before, and a handle

const svg = element("picture");
const files = () => review.item.files;
const boxes = () => review.item.boxes;
const at = (name) => files().findIndex((file) => file.name === name);

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function outline(box) { // a polygon and its number
  const index = at(box.name);
  const file = files()[index];
  const out = !file || file.class === "none";
  const kind = out ? "left-out" : file.class === null || (file.doubtful && !file.fixed) ? "doubt" : "sure";
  const [left, top, right, bottom] = box.corners;
  const points = out ? `${left},${top} ${right},${top} ${right},${bottom} ${left},${bottom}` : box.outline;
  const text = file ? `${box.number}: ${file.class || "without a class"}` : `${box.number}: left out; a click takes it in`;
  const { width, height } = svg.viewBox.baseVal; // a number stays within the picture
  const em = height * LETTERS;
  const x = Math.min(Math.max((left + right) / 2, em), width - em);
  const y = out ? Math.max(top - 0.2 * em, 0.9 * em) : Math.min(bottom + 0.9 * em, height - 0.2 * em);
  const number = shape("text", { x, y }, box.number);
  return [shape("polygon", { points }), number].map((made) => {
    made.setAttribute("class", kind);
    made.classList.toggle("selected", index === page.selected());
    made.classList.toggle("marked", index >= 0 && index === page.marked());
    made.addEventListener("click", (event) => page.pick(index, event.shiftKey, { action: "add", image: box.name }));
    made.append(shape("title", {}, text));
    return made;
  });
}

const area = ({ corners: [left, top, right, bottom] }) => (right - left) * (bottom - top);

function corners() {
  const [one, other] = points;
  return [Math.min(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[0], other[0]), Math.max(one[1], other[1])];
}

const selectedBox = () => boxes().find((box) => box.name === files()[page.selected()].name);

function drawBox() { // of the selected chromosome, with its handles
  const [one, other] = tool === "resize" ? points : [selectedBox().corners.slice(0, 2), selectedBox().corners.slice(2)];
  const drawn = [shape("rect", { x: one[0], y: one[1], width: other[0] - one[0], height: other[1] - one[1] })];
  HANDLES.forEach(([across, down, cursor], index) => {
    const [x, y] = [across, down].map((corner, axis) =>
      corner === null ? (one[axis] + other[axis]) / 2 : [one, other][corner][axis]);
    const handle = shape("circle", { cx: x, cy: y, r: "0.3em", "data-handle": index });
    handle.style.cursor = `${cursor}-resize`;
    drawn.push(handle);
  });
  element("box").replaceChildren(...(tool === "add" || tool === "cut" ? [] : drawn));
}

function drawPoints() {
  drawBox();
  const drawn = [];
  if (tool === "add") {
    const [left, top, right, bottom] = corners();
    drawn.push(shape("rect", { x: left, y: top, width: right - left, height: bottom - top }));
  } else if (tool === "cut") drawn.push(shape("polyline", { points: points.join(" ") }));
  element("drawn").replaceChildren(...drawn);
}

export function drawMetaphase() {
  const { metaphase } = review.pictures;
  if (!metaphase) return;
  const { naturalWidth: wide, naturalHeight: high } = metaphase;
  const main = document.querySelector("main");
  const room = [(element("metaphase").clientWidth || 1) / wide];
  const scrolls = matchMedia("(max-width: 600px)").matches; // as review.css: the page is then as high as what it shows
  if (!scrolls) room.push((main.clientHeight - element("header").offsetHeight - 30) / high);
  svg.style.width = `${wide * Math.min(...room, LARGEST) * element("zoom").value}px`;
  svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  svg.style.fontSize = `${high * LETTERS}px`;
  const image = svg.querySelector("image");
  if (image.getAttribute("href") !== metaphase.src) image.setAttribute("href", metaphase.src);
  image.setAttribute("width", wide);
  const outlines = [...boxes()].sort((one, other) => area(other) - area(one)).map(outline); // small ones above large ones
  element("outlines").replaceChildren(...outlines.map(([polygon]) => polygon), ...outlines.map(([, number]) => number));
  svg.classList.toggle("drawing", Boolean(tool));
  drawPoints();
}

export function stopDrawing() {
  [tool, points, pressed, grip] = [null, [], false, null];
}

export function beginDrawing(name) { // the keys begin with the box of the selected chromosome, or a line across it
  const [left, top, right, bottom] = selectedBox().corners;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  tool = name;
  pressed = false;
  if (tool !== "cut") points = [[left, top], [right, bottom]];
  else points = bottom - top > right - left ? [[left, y], [right, y]] : [[x, top], [x, bottom]];
  svg.focus({ preventScroll: true });
  say(`${HINTS[tool]} Escape ends.`);
  drawMetaphase();
}

function finish() {
  const { naturalWidth: wide, naturalHeight: high } = review.pictures.metaphase;
  const within = (value, most) => Math.min(Math.max(Math.round(value), 0), most);
  points = points.map(([x, y]) => [within(x, wide), within(y, high)]);
  if (tool === "add") return page.act({ action: "add", boxes: [corners()] });
  const image = files()[page.selected()].name;
  if (tool === "cut") return page.act({ action: "cut", image, points });
  if (corners().join() !== selectedBox().corners.join()) return page.act({ action: "resize", image, boxes: [corners()] });
  stopDrawing();
  return draw();
}

export function drawingKey({ key, shiftKey }) { // its work while a tool is chosen; null of other keys
  if (!tool) return null;
  if (key === "Enter") return finish;
  if (!MOVES[key]) return null;
  return () => {
    const [right, down] = MOVES[key].map((step) => tool === "resize" ? step / 2 : step);
    points = points.map(([x, y], index) => shiftKey && index === 0 ? [x, y] : [x + right, y + down]);
    drawPoints();
  };
}

function place(event) { // in pixels of the picture
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

function pressBox(event) {
  const handle = HANDLES[event.target.dataset.handle];
  const before = tool === "resize" ? points : [selectedBox().corners.slice(0, 2), selectedBox().corners.slice(2)];
  const start = place(event);
  const inside = start.every((value, axis) => value > before[0][axis] && value < before[1][axis]);
  if (handle || inside) grip = { start, before, handle, page: [event.clientX, event.clientY] };
}

function dragBox(event) {
  const moved = Math.hypot(event.clientX - grip.page[0], event.clientY - grip.page[1]) >= DRAG;
  if (!grip.dragged && !moved) return; // a click selects
  if (!grip.dragged) svg.setPointerCapture(event.pointerId);
  grip.dragged = true;
  tool = "resize";
  const by = place(event).map((value, axis) => value - grip.start[axis]);
  const follows = (corner, axis) => !grip.handle || grip.handle[axis] === corner;
  points = grip.before.map((point, corner) =>
    point.map((value, axis) => follows(corner, axis) ? value + by[axis] : value));
  drawPoints();
}

export function startMetaphase(kind) {
  page = kind;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (tool !== "add" && tool !== "cut") {
      pressBox(event);
      return;
    }
    pressed = true;
    points = [place(event), place(event)];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (grip) dragBox(event);
    if (!pressed) return;
    if (tool === "add") points[1] = place(event);
    else points.push(place(event));
    drawPoints();
  });
  svg.addEventListener("pointerup", () => {
    const drawn = pressed || grip?.dragged;
    [pressed, grip] = [false, null];
    if (drawn) attempt(finish);
  });
  svg.addEventListener("pointercancel", () => { // a finger that scrolls
    stopDrawing();
    drawMetaphase();
  });
}
