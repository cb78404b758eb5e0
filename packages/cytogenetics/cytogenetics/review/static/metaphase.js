// The picture of a metaphase with the outlines of its chromosomes, which are selected, added and cut there.

import { attempt, element, review, say } from "./shared.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTERS = 1 / 45; // height of a number, of the height of the picture
const LARGEST = 3; // CSS pixels of a pixel of the picture, without zoom
const STEP = 4; // pixels by which a key moves what is drawn
const HINTS = {
  add: "Draw a box around the chromosome; or move it by the arrows, size it by Shift and arrows, and press Enter.",
  cut: "Draw a line across the chromosome; or move it by the arrows, turn it by Shift and arrows, and press Enter.",
};
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

let page = null; // of the cell: selected() and marked() are indices, pick(index, shift, decision) selects or decides, act(decision)
let tool = null; // "add" or "cut"
let points = []; // that are drawn: opposite corners of a box, or those of a line
let pressed = false; // the mouse

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

function drawPoints() {
  const drawn = [];
  if (tool === "add") {
    const [left, top, right, bottom] = corners();
    drawn.push(shape("rect", { x: left, y: top, width: right - left, height: bottom - top }));
  } else if (tool) drawn.push(shape("polyline", { points: points.join(" ") }));
  element("drawn").replaceChildren(...drawn);
}

export function drawMetaphase() {
  const { metaphase } = review.pictures;
  document.body.classList.toggle("of-metaphase", Boolean(metaphase));
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
  [tool, points, pressed] = [null, [], false];
}

export function beginDrawing(name) { // the keys begin with the box of the selected chromosome, or a line across it
  const [left, top, right, bottom] = boxes().find((box) => box.name === files()[page.selected()].name).corners;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  tool = name;
  pressed = false;
  if (tool === "add") points = [[left, top], [right, bottom]];
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
  return page.act({ action: "cut", image: files()[page.selected()].name, points });
}

export function drawingKey({ key, shiftKey }) { // its work while a tool is chosen; null of other keys
  if (!tool) return null;
  if (key === "Enter") return finish;
  if (!MOVES[key]) return null;
  return () => {
    points = points.map(([x, y], index) => shiftKey && index === 0 ? [x, y] : [x + MOVES[key][0], y + MOVES[key][1]]);
    drawPoints();
  };
}

function place(event) { // in pixels of the picture
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

export function startMetaphase(kind) {
  page = kind;
  svg.addEventListener("pointerdown", (event) => {
    if (!tool || event.button) return;
    pressed = true;
    points = [place(event), place(event)];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!pressed) return;
    if (tool === "add") points[1] = place(event);
    else points.push(place(event));
    drawPoints();
  });
  svg.addEventListener("pointerup", () => {
    if (!pressed) return;
    pressed = false;
    attempt(finish);
  });
}
