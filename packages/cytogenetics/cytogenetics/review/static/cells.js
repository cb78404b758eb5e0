// The review of cells: the karyogram, the homologues of the selected chromosome, and the picture of the metaphase.

import { beginDrawing, drawingKey, drawMetaphase, startMetaphase, stopDrawing } from "./metaphase.js";
import { attempt, back, button, certainty, decide, draw, element, make, percent, picture, review, say, settle, start } from "./shared.js";

const ROWS = [["1", "2", "3", "4", "5"], ["6", "7", "8", "9", "10", "11", "12"],
  ["13", "14", "15", "16", "17", "18"], ["19", "20", "21", "22", "X", "Y"]];
const NONE = "none";
const MARKER = "mar";
const TRAYS = [[MARKER, "marker, unknown"], [NONE, "no chromosome"], [null, "without a class"]];
const TRAY = 80; // CSS pixels that they take, at least
const DRAG = 6; // CSS pixels by which a pressed chromosome is moved before it is dragged
const DIGIT_WAIT = 700; // ms for the second digit of 10 to 22
const HEIGHTS = [70, 170]; // CSS pixels of the largest chromosome in the karyogram
const AROUND = { row: 46, chromosome: 8 }; // CSS pixels around each
const LARGE = 320; // CSS pixels of the largest chromosome on the right, at most, without zoom
const SHIFT = 0.2; // of the length: by so much homologues are moved along each other at most
const GROUND = 8; // darkness up to which a pixel is ground

let selected = 0; // index into the files of the cell
let marked = null; // index of the chromosome to be swapped or joined
let pairing = "swap"; // or "join"
let measured = null; // the strip that is measured
let typed = "";
let timer = null;
let profiles = []; // mean darkness of each row of each chromosome
let boxes = []; // left, top, width and height of each chromosome in its part of the strip
let scale = null; // CSS pixels of a pixel of the strip in the karyogram

const files = () => review.item.files;
const strip = () => review.pictures.strip;
const width = () => strip().naturalWidth / files().length;

function known(name) { // what a reader knows a file by: of a metaphase its box
  const box = review.item.boxes.find((one) => one.name === name);
  return box ? `box ${box.number}` : name.replace(/^.*[/]/, "");
}

async function load(item) {
  const pictures = { strip: await picture(`pictures/${encodeURIComponent(item.stem)}?${item.lines}`) };
  if (!pictures.strip) throw new Error("The pictures of the cell cannot be read.");
  if (item.boxes.length) pictures.metaphase = await picture(`metaphases/${encodeURIComponent(item.stem)}.png`);
  return pictures;
}

function opened() {
  marked = null;
  clearTyped();
  stopDrawing();
  element("text").value = kept();
  select(mostDoubtful());
}

function mostDoubtful() {
  const found = inOrder().filter((index) => doubt(files()[index]) > 0);
  found.sort((one, other) => doubt(files()[other]) - doubt(files()[one]));
  return found.length ? found[0] : inOrder()[0];
}

function doubt(chromosome) {
  return chromosome.fixed || chromosome.probability === undefined ? 0 : 1 - chromosome.probability;
}

// Actions
const move = (to) => act({ action: "move", image: files()[selected].name, to });
const turn = () => act({ action: "turn", image: files()[selected].name });

const pairWith = (index) => act({ action: pairing, image: files()[marked].name, other: files()[index].name });

async function act(decision) {
  const [before, own] = [files(), [decision.image, decision.other]];
  marked = null;
  stopDrawing();
  await decide(decision);
  const was = new Map(before.map((file) => [file.name, file.class]));
  const anew = files().filter(({ name, class: kind }) => was.has(name) && !own.includes(name) && was.get(name) !== kind);
  const said = anew.map((file) => `${known(file.name)}: ${was.get(file.name)} to ${file.class}`);
  const withdrawn = element("message").textContent; // a signature, or nothing
  if (said.length) say(`${withdrawn} Assigned anew: ${said.join(", ")}. Check them; u undoes your change.`.trim());
  if (files().length <= before.length) return;
  select(before.length); // the first new one
  draw();
}

function pick(index, shift, decision) { // of what is no chromosome of the cell, decide
  return attempt(async () => {
    await enterTyped();
    if (index < 0) return act(decision);
    if (shift && marked === null) [marked, pairing] = [selected, "swap"];
    const pairs = marked !== null && marked !== index;
    if (index !== selected) stopDrawing(); // what was begun is of the other one
    select(index);
    return pairs ? pairWith(index) : draw();
  });
}

const togglePicture = () => showPicture(!document.querySelector("main").classList.contains("picture"));

function showPicture(shown) {
  document.querySelector("main").classList.toggle("picture", shown);
  draw();
  const outline = document.querySelector("#outlines .selected");
  if (outline) outline.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function useTool(name) {
  if (!review.pictures.metaphase) return undefined;
  showPicture(true);
  return name === "join" ? togglePairing(name) : beginDrawing(name);
}

async function sign() { // of a fresh cell: back to the case that was decided on last
  const { case: name } = review.session.items.find((line) => line.stem === review.item.stem);
  const { obstacle, signed, question } = review.session.groups[name];
  if (signed) return say(`Case ${name} is signed.`);
  if (!obstacle && question && !confirm(question)) return say("The case is not signed.");
  if (!obstacle) return settle({ action: "sign" });
  return review.item.undoable || !await back() ? say(obstacle) : undefined;
}

const kept = () => review.item.rejected || review.item.note || "";

function keepNote() {
  const text = element("text").value.trim();
  return text === kept() ? undefined : act({ action: "note", text });
}

async function reject() {
  const text = element("text").value.trim();
  if (!text) return say("type the reason first");
  await settle({ action: "reject", text });
  element("text").blur();
}

function change(name, by) { // of a slider
  const slider = element(name);
  slider.value = by ? Number(slider.value) + by : Number(slider.value) % slider.max + 0.5;
  drawView();
}

async function togglePairing(action) {
  if (marked === null) [marked, pairing] = [selected, action];
  else if (marked === selected) marked = null;
  else await pairWith(selected);
  draw();
  if (marked !== null && pairing === "join") say("Click the other part of this chromosome, or select it and press j.");
}

function select(index) {
  selected = Math.min(Math.max(index, 0), files().length - 1);
}

function inOrder() { // as shown: by class, then by name
  const classes = [...ROWS.flat(), MARKER, NONE, null];
  const order = files().map((_, index) => index);
  return order.sort((one, other) => classes.indexOf(files()[one].class) - classes.indexOf(files()[other].class) ||
    one - other);
}

// Homologues
function measure() { // where each chromosome is, and how dark its rows are
  measured = strip();
  scale = null;
  const { naturalWidth, naturalHeight: high } = strip();
  const canvas = make("canvas", { width: naturalWidth, height: high });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(strip(), 0, 0);
  const pixels = context.getImageData(0, 0, naturalWidth, high).data;
  const each = naturalWidth / files().length;
  profiles = files().map(() => new Float32Array(high));
  boxes = files().map((_, index) => {
    let [left, right, top, bottom] = [each, 0, high, 0];
    for (let row = 0; row < high; row++) {
      for (let column = 0; column < each; column++) {
        const dark = 255 - pixels[4 * (row * naturalWidth + index * each + column)];
        if (dark <= GROUND) continue;
        profiles[index][row] += dark / each;
        [left, right] = [Math.min(left, column), Math.max(right, column + 1)];
        [top, bottom] = [Math.min(top, row), row + 1];
      }
    }
    return right ? { left, top, width: right - left, height: bottom - top } : { left: 0, top: 0, width: each, height: high };
  });
}

function centred(index) { // darkness around its mean within the chromosome
  const profile = files()[index].turned ? profiles[index].slice().reverse() : profiles[index];
  const inside = profile.filter((value) => value > 0);
  const mean = inside.reduce((sum, value) => sum + value, 0) / Math.max(inside.length, 1);
  return { length: inside.length, values: profile.map((value) => value > 0 ? value - mean : 0) };
}

function alignment(first, second) { // rows by which the second one is moved down so that the bands agree best
  const [one, other] = [centred(first), centred(second)];
  const most = Math.round(SHIFT * Math.max(one.length, other.length));
  let best = [0, -Infinity];
  for (let step = 0; step <= 2 * most; step++) { // 0, 1, -1, 2, ...: of equal ones the least
    const shift = step % 2 ? (step + 1) / 2 : -step / 2;
    let agreement = 0;
    for (let row = 0; row < one.values.length; row++) agreement += one.values[row] * (other.values[row - shift] || 0);
    if (agreement > best[1]) best = [shift, agreement];
  }
  return best[0];
}

// Drawing
function chromosomePicture(index, by) {
  const { left, top, width: wide, height: high } = boxes[index];
  const dense = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: Math.round(wide * by * dense), height: Math.round(high * by * dense) });
  canvas.style.width = `${wide * by}px`;
  const context = canvas.getContext("2d");
  if (files()[index].turned) {
    context.translate(canvas.width, canvas.height);
    context.rotate(Math.PI);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(strip(), index * width() + left, top, wide, high, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function hint(chromosome) {
  const lines = [known(chromosome.name)];
  if (chromosome.fixed) lines.push("fixed by a reader");
  else if (chromosome.class === null) lines.push("no network has seen it; by the rest of the cell:");
  else if (chromosome.probability !== undefined) lines.push(`${chromosome.class}: ${percent(chromosome.probability)}`);
  if (chromosome.unlike && !chromosome.fixed) lines.push("out of distribution: unlike the training images");
  if (!chromosome.fixed) for (const [name, value] of chromosome.others || []) lines.push(`${name}: ${percent(value)}`);
  return lines.join("\n");
}

function chromosomeButton(index) {
  const chromosome = files()[index];
  const made = make("button", { className: "chromosome", title: hint(chromosome) }, chromosomePicture(index, scale));
  made.classList.toggle("fixed", chromosome.fixed);
  made.classList.toggle("unlike", Boolean(chromosome.unlike && !chromosome.fixed));
  made.classList.toggle("marked", index === marked);
  made.setAttribute("aria-pressed", index === selected);
  made.setAttribute("aria-label", `chromosome of ${chromosome.class || "no class yet"}; ${hint(chromosome)}`);
  made.tabIndex = index === selected ? 0 : -1;
  const bar = make("span", { className: "bar" });
  if (doubt(chromosome) >= 0.001) {
    const filled = make("i", {});
    filled.style.width = `${Math.max(100 * doubt(chromosome), 5)}%`;
    bar.classList.add("doubtful");
    bar.append(filled);
  }
  made.append(bar);
  drag(made, index);
  made.addEventListener("click", (event) => made.dragged || pick(index, event.shiftKey));
  return made;
}

function drag(made, index) { // to a class; with the mouse, a pen or a finger
  let from = null;
  let target = null;
  const aim = (next) => {
    if (target) target.classList.remove("target");
    if (next) next.classList.add("target");
    target = next;
  };
  made.addEventListener("pointerdown", (event) => {
    made.dragged = false;
    from = event.button === 0 ? [event.clientX, event.clientY] : null;
    made.setPointerCapture(event.pointerId);
  });
  made.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
    if (!made.dragged && Math.hypot(right, down) < DRAG) return;
    made.dragged = true;
    made.classList.add("dragged");
    made.style.transform = `translate(${right}px, ${down}px)`;
    const below = document.elementFromPoint(event.clientX, event.clientY);
    aim(below && below.closest("[data-kind]"));
  });
  const end = () => {
    from = null;
    made.style.transform = "";
    made.classList.remove("dragged");
    aim(null);
  };
  made.addEventListener("pointercancel", end);
  made.addEventListener("pointerup", () => {
    const kind = made.dragged && target && target.dataset.kind;
    end();
    if (kind) attempt(() => { select(index); return move(kind); });
  });
}

function group(kind, name, indices, className) {
  const members = make("div", { className: "members" }, ...indices.map((index) => chromosomeButton(index)));
  const made = make("div", { className }, members, make("div", { className: "name" }, name));
  if (kind !== null) made.dataset.kind = kind;
  return made;
}

function karyogramScale() { // as large as all rows fit into the page
  const main = document.querySelector("main");
  const room = (element("karyogram").clientWidth || main.clientWidth - 32) - 2;
  const gap = parseFloat(getComputedStyle(element("karyogram")).columnGap);
  let [high, wide] = [0, 0];
  for (const row of ROWS) {
    const members = files().map((_, index) => index).filter((index) => row.includes(files()[index].class));
    high += Math.max(...members.map((index) => boxes[index].height), 0);
    const total = members.reduce((sum, index) => sum + boxes[index].width, 0);
    const around = row.length * gap + members.length * AROUND.chromosome;
    if (total) wide = Math.max(wide, total / Math.max(room - around, 1));
  }
  const tallest = Math.max(...boxes.map((box) => box.height));
  const space = main.clientHeight - element("header").offsetHeight - 30 - TRAY - ROWS.length * AROUND.row;
  const [least, most] = HEIGHTS.map((height) => height / tallest);
  return Math.max(Math.min(high ? space / high : most, wide ? 1 / wide : most, most), least);
}

function drawKaryogram() {
  scale ??= karyogramScale();
  const { counts } = review.item;
  const order = inOrder();
  const of = (kind) => order.filter((index) => files()[index].class === kind);
  const male = counts.Y > 0;
  const expected = (name) => name === "X" ? (male ? 1 : 2) : name === "Y" ? (male ? 1 : 0) : 2;
  const rows = ROWS.map((row) => make("div", { className: "row" }, ...row.map((name) => {
    const changed = counts[name] !== expected(name);
    const title = changed ? `${name} (${counts[name]})` : name;
    return group(name, title, of(name), changed ? "group changed" : "group");
  })));
  const trays = TRAYS.filter(([kind]) => kind !== null || of(kind).length);
  rows.push(make("div", { className: "row" }, ...trays.map(([kind, title]) => group(kind, title, of(kind), "group tray"))));
  element("karyogram").replaceChildren(...rows);
}

function drawPair() {
  const kind = files()[selected].class;
  const shown = kind === null ? [selected] : inOrder().filter((index) => files()[index].class === kind);
  const top = ({ turned }, { top: above, height }) => turned ? strip().naturalHeight - above - height : above;
  const places = shown.map((index) => top(files()[index], boxes[index]));
  if (shown.length === 2) places[1] += alignment(...shown);
  const first = Math.min(...places);
  const tallest = Math.max(...boxes.map((box) => box.height));
  element("pair").replaceChildren(); // large ones widen it
  const space = (element("pair").clientWidth - 12 * shown.length) / shown.reduce((sum, index) => sum + boxes[index].width, 0);
  const by = Math.min(LARGE / tallest, Math.max(space, 0.2)) * element("zoom").value;
  const large = shown.map((index, place) => {
    const made = chromosomePicture(index, by);
    made.style.marginTop = `${(places[place] - first) * by}px`;
    made.classList.toggle("selected", index === selected);
    return made;
  });
  element("pair-title").textContent = Object.fromEntries(TRAYS)[kind] || `Chromosome ${kind}`;
  element("pair").replaceChildren(make("div", { className: "ground" }, ...large),
    make("div", { className: "captions" }, ...shown.map(caption)));
}

function caption(index) {
  const lines = hint(files()[index]).split("\n").map((line) => make("span", {}, line));
  return make("p", { className: index === selected ? "selected" : "" }, ...lines);
}

function drawView() {
  document.documentElement.style.setProperty("--contrast", element("contrast").value);
  drawPair();
  drawMetaphase();
}

function drawCell() {
  const { item } = review;
  const { case: name } = review.session.items.find((line) => line.stem === item.stem);
  const said = review.session.groups[name];
  const of = said.predicted ? `case ${name}: predicted` : "predicted";
  const predicted = make("div", {}, make("dt", {}, of), make("dd", {}, said.predicted || item.predicted));
  const approved = make("div", {}, make("dt", {}, "approved"), make("dd", {}, said.approved));
  const on = `signed by ${review.session.reader}, ${said.signed.slice(0, 16).replace("T", " ")} UTC`;
  if (said.signed) approved.firstChild.textContent = on;
  element("verdict").replaceChildren(predicted, approved);
  element("sign").disabled = Boolean(said.obstacle || said.signed);
  element("sign").title = said.obstacle || (said.signed && on);
  document.body.classList.toggle("of-metaphase", Boolean(review.pictures.metaphase)); // before anything is measured
  if (measured !== strip()) measure();
  const probability = item.probability === null ? [] : [make("small", {}, ` probability ${certainty(item.probability)}`)];
  element("karyotype").replaceChildren(item.result, ...probability);
  const unused = item.left_out.filter((text) => !files().some((file) => text.startsWith(`${file.name}: `)));
  const numbers = item.boxes.filter((box) => unused.some((text) => text.startsWith(`${box.name}: `)));
  const causes = new Set(unused.map((text) => text.replace(/^.*?: /, "")));
  const dashed = `not used, dashed on the picture: ${numbers.map((box) => box.number).join(", ")} (${[...causes].join("; ")})`;
  const reasons = item.boxes.length && unused.length ? [dashed] :
    unused.map((text) => `not used: ${text}`);
  if (item.reasons.length) reasons.unshift(`why: ${item.reasons.join("; ")}`);
  element("reasons").replaceChildren(...reasons.map((text) => make("li", {}, text)));
  element("typed").textContent = typed ? `class ${typed}...` : "";
  element("swap").setAttribute("aria-pressed", marked !== null && pairing === "swap");
  element("join").setAttribute("aria-pressed", marked !== null && pairing === "join");
  select(selected);
  drawKaryogram();
  drawPair();
  drawMetaphase();
  const active = document.querySelector(".chromosome[aria-pressed=true]");
  if (active && document.activeElement !== element("text")) active.focus();
}

// Keys
function clearTyped() {
  clearTimeout(timer);
  typed = "";
}

function enterTyped() {
  const to = typed === "0" ? NONE : typed;
  clearTyped();
  return to ? move(to) : undefined;
}

async function digit(key) {
  typed += key;
  if (Number(typed) > 22) {
    const wrong = typed;
    clearTyped();
    draw();
    say(`${wrong} is no class: type 1 to 22, x or y`);
    return;
  }
  clearTimeout(timer);
  if (typed === "1" || typed === "2") {
    timer = setTimeout(() => attempt(enterTyped), DIGIT_WAIT);
    draw();
    return;
  }
  await enterTyped();
}

function arrow(key) {
  const order = inOrder();
  const at = order.indexOf(selected);
  if (key === "ArrowLeft" || key === "ArrowRight") {
    select(order[Math.min(Math.max(at + (key === "ArrowRight" ? 1 : -1), 0), order.length - 1)]);
  } else {
    select(nearestInNextRow(key === "ArrowDown" ? 1 : -1));
  }
  draw();
}

function nearestInNextRow(by) {
  const active = document.querySelector(".chromosome[aria-pressed=true]");
  const rows = [...document.querySelectorAll(".row")].filter((row) => row.querySelector(".chromosome"));
  const row = rows[rows.indexOf(active.closest(".row")) + by];
  if (!row) return selected;
  const middle = (one) => one.getBoundingClientRect().left + one.offsetWidth / 2;
  const away = (one) => Math.abs(middle(one) - middle(active));
  const nearest = [...row.querySelectorAll(".chromosome")].sort((one, other) => away(one) - away(other))[0];
  const shown = [...document.querySelectorAll(".chromosome")];
  return inOrder()[shown.indexOf(nearest)];
}

function key(name) {
  if (/^[0-9]$/.test(name)) return () => digit(name);
  if (/^[xy]$/i.test(name)) return async () => { await enterTyped(); await move(name.toUpperCase()); };
  if (name.startsWith("Arrow")) return async () => { await enterTyped(); arrow(name); };
  const others = { f: turn, g: sign, s: () => togglePairing("swap"), m: () => move(MARKER), n: () => element("text").focus() };
  Object.assign(others, { "+": () => change("zoom", 0.5), "-": () => change("zoom", -0.5), c: () => change("contrast") });
  Object.assign(others, { p: togglePicture, a: () => useTool("add"), b: () => useTool("resize") });
  Object.assign(others, { k: () => useTool("cut"), j: () => useTool("join") });
  return others[name] ? async () => { await enterTyped(); await others[name](); } : null;
}

function escape() {
  clearTyped();
  marked = null;
  stopDrawing();
  say("");
  draw();
}

element("zoom").addEventListener("input", drawView);
element("contrast").addEventListener("input", drawView);
element("remark").addEventListener("submit", (event) => { event.preventDefault(); element("text").blur(); });
element("text").addEventListener("change", () => attempt(keepNote));
element("reject").addEventListener("mousedown", (event) => event.preventDefault()); // the text is its reason, no note
button("reject", reject);
button("turn", turn);
button("sign", sign);
button("swap", () => togglePairing("swap"));
button("view-picture", togglePicture);
for (const name of ["add", "resize", "cut", "join"]) button(name, () => useTool(name));
startMetaphase({ selected: () => selected, marked: () => marked, pick, act });
addEventListener("resize", () => { scale = null; });
start({ noun: "cell", load, opened, draw: drawCell, key, escape, before: enterTyped, first: drawingKey });
