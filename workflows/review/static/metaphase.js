// The picture of a metaphase with the outlines of its chromosomes, which are selected, added and cut there.

import { attempt, element, review, say } from "./shared.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTERS = 1 / 45; // height of a number, of the height of the picture
const LARGEST = 3; // CSS pixels of a pixel of the picture, without zoom
const LEAST = 6; // pixels of the sides of a drawn box
const STEP = 4; // pixels by which a key moves it
const NEEDED = { add: 1, cut: 2 }; // boxes of a tool
const HINTS = { add: "Draw a box around the chromosome", cut: "Draw a box around each of the two chromosomes" };
const KEYS_HINT = ", or move it by the arrows, size it by Shift and arrows, and press Enter; Escape ends.";
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

let page = null; // of the cell: selected() and marked() are indices, pick(index, decision) selects or decides, act(decision)
let tool = null; // whose boxes are being drawn
let drawn = []; // its finished boxes
let draft = null; // left, top, right, bottom
let start = null; // where the mouse was pressed

const svg = element("picture");
const files = () => review.item.files;
const boxes = () => review.item.boxes;
const at = (name) => files().findIndex((file) => file.name === name);
export const boxOf = (index) => boxes().find((box) => box.name === files()[index].name).corners;

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
  const number = shape("text", { x: (left + right) / 2, y: bottom, dy: "0.9em" }, box.number);
  return [shape("polygon", { points }), number].map((made) => {
    made.setAttribute("class", kind);
    made.classList.toggle("selected", index === page.selected());
    made.classList.toggle("marked", index >= 0 && index === page.marked());
    made.addEventListener("click", () => page.pick(index, { action: "add", boxes: [box.corners] }));
    made.append(shape("title", {}, text));
    return made;
  });
}

const area = ({ corners: [left, top, right, bottom] }) => (right - left) * (bottom - top);

const rectangle = ([left, top, right, bottom]) => shape("rect", { x: left, y: top, width: right - left, height: bottom - top });

function drawBoxes() {
  element("boxes").replaceChildren(...[...drawn, draft].filter(Boolean).map(rectangle));
}

export function drawMetaphase() {
  const { metaphase } = review.pictures;
  document.body.classList.toggle("of-metaphase", Boolean(metaphase));
  if (!metaphase) return;
  const { naturalWidth: wide, naturalHeight: high } = metaphase;
  const main = document.querySelector("main");
  const room = [(element("metaphase").clientWidth || 1) / wide, (main.clientHeight - element("header").offsetHeight - 30) / high];
  svg.style.width = `${wide * Math.min(...room, LARGEST) * element("zoom").value}px`;
  svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  svg.style.fontSize = `${high * LETTERS}px`;
  const image = svg.querySelector("image");
  if (image.getAttribute("href") !== metaphase.src) image.setAttribute("href", metaphase.src);
  image.setAttribute("width", wide);
  const outlines = [...boxes()].sort((one, other) => area(other) - area(one)).map(outline); // small ones above large ones
  element("outlines").replaceChildren(...outlines.map(([polygon]) => polygon), ...outlines.map(([, number]) => number));
  svg.classList.toggle("drawing", Boolean(tool));
  drawBoxes();
}

export function stopDrawing() {
  [tool, drawn, draft, start] = [null, [], null, null];
}

export function beginDrawing(name) {
  stopDrawing();
  tool = name;
  draft = nextDraft();
  svg.focus({ preventScroll: true });
  say(HINTS[tool] + KEYS_HINT);
  drawMetaphase();
}

function nextDraft() { // where a key begins: the selected chromosome; of a cut, its halves
  const box = [...boxOf(page.selected())];
  if (tool === "cut") {
    const longer = box[3] - box[1] > box[2] - box[0] ? 1 : 0; // upright, or lying
    box[drawn.length ? longer : longer + 2] = (box[longer] + box[longer + 2]) / 2;
  }
  return box;
}

function finish() {
  const { naturalWidth: wide, naturalHeight: high } = review.pictures.metaphase;
  draft = draft.map((value, side) => Math.min(Math.max(value, 0), side % 2 ? high : wide));
  if (draft[2] - draft[0] < LEAST || draft[3] - draft[1] < LEAST) say("Draw a larger box.");
  else drawn.push(draft);
  draft = nextDraft();
  if (drawn.length < NEEDED[tool]) return drawBoxes();
  return page.act({ action: tool, boxes: drawn, image: tool === "cut" ? files()[page.selected()].name : "" });
}

export function drawingKey({ key, shiftKey }) { // its work while a tool is chosen; null of other keys
  if (!tool) return null;
  if (key === "Enter") return finish;
  if (!MOVES[key]) return null;
  return () => {
    const [right, down] = MOVES[key];
    draft = shiftKey ? [draft[0], draft[1], draft[2] + right, draft[3] + down] :
      [draft[0] + right, draft[1] + down, draft[2] + right, draft[3] + down];
    drawBoxes();
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
    start = place(event);
    draft = [...start, ...start];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = place(event);
    draft = [Math.min(start[0], x), Math.min(start[1], y), Math.max(start[0], x), Math.max(start[1], y)];
    drawBoxes();
  });
  svg.addEventListener("pointerup", () => {
    if (!start) return;
    start = null;
    attempt(finish);
  });
}
