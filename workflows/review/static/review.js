"use strict";
// The review page. All state is on the server: each decision is sent at once and answered with the cell's new state.

const ROWS = [["1", "2", "3", "4", "5"], ["6", "7", "8", "9", "10", "11", "12"],
  ["13", "14", "15", "16", "17", "18"], ["19", "20", "21", "22", "X", "Y"]];
const NONE = "none";
const DIGIT_WAIT = 700; // ms for the second digit of 10 to 22
const HEIGHT = 92; // CSS pixels of the largest chromosome in the karyogram
const LARGE = 300; // CSS pixels of the largest chromosome on the right, at most

const element = (id) => document.getElementById(id);
let session = null; // reader, blind, cells
let cell = null; // the state of the open cell
let strip = null; // its pictures side by side
let selected = 0; // index into cell.chromosomes
let marked = null; // index of the chromosome to be swapped
let typed = "";
let timer = null;
let opened = 0; // when the cell was opened or last decided on
let sending = Promise.resolve();

async function request(path, body) {
  const options = body === undefined ? {} :
    { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function attempt(work) { // one after another: a key that is pressed meanwhile waits
  sending = sending.then(work).catch((error) => { element("message").textContent = String(error.message || error); });
  return sending;
}

async function start() {
  session = await request("queue");
  const first = session.cells.findIndex((line) => !line.approved);
  await open(session.cells[Math.max(first, 0)].stem);
}

async function open(stem) {
  const picture = new Image();
  picture.src = `pictures/${encodeURIComponent(stem)}`;
  const [state] = await Promise.all([request(`cells/${encodeURIComponent(stem)}`), picture.decode()]);
  cell = state;
  strip = picture;
  marked = null;
  clearTyped();
  element("message").textContent = "";
  opened = performance.now();
  select(mostDoubtful());
  draw();
  document.querySelector("[aria-current=true]").scrollIntoView({ block: "nearest" });
}

function mostDoubtful() {
  const found = inOrder().filter((index) => doubt(cell.chromosomes[index]) > 0);
  found.sort((one, other) => doubt(cell.chromosomes[other]) - doubt(cell.chromosomes[one]));
  return found.length ? found[0] : inOrder()[0];
}

function doubt(chromosome) {
  return chromosome.fixed || chromosome.probability === undefined ? 0 : 1 - chromosome.probability;
}

async function decide(decision) {
  const seconds = (performance.now() - opened) / 1000;
  const index = selected;
  cell = await request(`cells/${encodeURIComponent(cell.stem)}/decisions`, { ...decision, seconds });
  opened = performance.now();
  marked = null;
  element("message").textContent = "";
  const line = session.cells.find((one) => one.stem === cell.stem);
  line.approved = cell.approved;
  select(index);
  draw();
}

// Actions: each is a key and, most of them, a button.
const move = (to) => decide({ action: "move", image: cell.chromosomes[selected].name, to });
const turn = () => decide({ action: "turn", image: cell.chromosomes[selected].name });
const undo = () => decide({ action: "undo" });
const swapWith = (index) =>
  decide({ action: "swap", image: cell.chromosomes[marked].name, other: cell.chromosomes[index].name });

async function approve() {
  await decide({ action: "approve" });
  const at = session.cells.findIndex((line) => line.stem === cell.stem);
  const waiting = [...session.cells.slice(at + 1), ...session.cells.slice(0, at)].find((line) => !line.approved);
  if (waiting) await open(waiting.stem);
  else element("message").textContent = "All cells are approved. Ctrl-C in the terminal ends the review.";
}

async function toggleSwap() {
  if (marked === null) marked = selected;
  else if (marked === selected) marked = null;
  else await swapWith(selected);
  draw();
}

async function goTo(by) {
  const at = session.cells.findIndex((line) => line.stem === cell.stem);
  const next = session.cells[at + by];
  if (next) await open(next.stem);
}

function select(index) {
  selected = Math.min(Math.max(index, 0), cell.chromosomes.length - 1);
}

function inOrder() { // as shown: by class, then by name
  const classes = [...ROWS.flat(), NONE, null];
  const order = cell.chromosomes.map((_, index) => index);
  return order.sort((one, other) => classes.indexOf(cell.chromosomes[one].class) -
    classes.indexOf(cell.chromosomes[other].class) || one - other);
}

// Drawing
function make(tag, attributes, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

function picture(index, scale) {
  const width = strip.naturalWidth / cell.chromosomes.length;
  const height = strip.naturalHeight;
  const dense = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: Math.round(width * scale * dense), height: Math.round(height * scale * dense) });
  canvas.style.width = `${width * scale}px`;
  const context = canvas.getContext("2d");
  if (cell.chromosomes[index].turned) {
    context.translate(canvas.width, canvas.height);
    context.rotate(Math.PI);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(strip, index * width, 0, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const percent = (value) => value < 0.9995 ? `${(100 * value).toFixed(1)} %` : "over 99.9 %";

function hint(chromosome) {
  const lines = [chromosome.name];
  if (chromosome.fixed) lines.push("fixed by a reader");
  else if (chromosome.probability !== undefined) lines.push(`${chromosome.class}: ${percent(chromosome.probability)}`);
  if (!chromosome.fixed) for (const [name, value] of chromosome.others || []) lines.push(`${name}: ${percent(value)}`);
  return (session.blind ? lines.slice(1) : lines).join("\n");
}

function chromosomeButton(index, scale) {
  const chromosome = cell.chromosomes[index];
  const button = make("button", { className: "chromosome", title: hint(chromosome) }, picture(index, scale));
  button.classList.toggle("fixed", chromosome.fixed);
  button.classList.toggle("marked", index === marked);
  button.setAttribute("aria-pressed", index === selected);
  button.setAttribute("aria-label", `chromosome of ${chromosome.class || "no class yet"}; ${hint(chromosome)}`);
  button.tabIndex = index === selected ? 0 : -1;
  const bar = make("span", { className: "bar" });
  if (doubt(chromosome) >= 0.001) {
    const filled = make("i", {});
    filled.style.width = `${Math.max(100 * doubt(chromosome), 5)}%`;
    bar.append(filled);
  }
  button.append(bar);
  button.addEventListener("click", (event) => attempt(() => {
    if (event.shiftKey && marked === null) marked = selected;
    const swaps = marked !== null && marked !== index;
    select(index);
    return swaps ? swapWith(index) : draw();
  }));
  return button;
}

function group(name, indices, scale, className) {
  const members = make("div", { className: "members" }, ...indices.map((index) => chromosomeButton(index, scale)));
  return make("div", { className }, members, make("div", { className: "name" }, name));
}

function drawKaryogram() {
  const scale = HEIGHT / strip.naturalHeight;
  const order = inOrder();
  const of = (kind) => order.filter((index) => cell.chromosomes[index].class === kind);
  const male = cell.counts.Y > 0;
  const expected = (name) => name === "X" ? (male ? 1 : 2) : name === "Y" ? (male ? 1 : 0) : 2;
  const rows = ROWS.map((row) => make("div", { className: "row" }, ...row.map((name) => {
    const count = cell.counts[name];
    const changed = count !== expected(name);
    return group(changed && !session.blind ? `${name} (${count})` : name, of(name), scale,
      changed && !session.blind ? "group changed" : "group");
  })));
  for (const [kind, title] of [[NONE, "no chromosome"], [null, "without a class"]]) {
    if (of(kind).length) rows.push(make("div", { className: "row" }, group(title, of(kind), scale, "group tray")));
  }
  element("karyogram").replaceChildren(...rows);
}

function drawPair() {
  const kind = cell.chromosomes[selected].class;
  const shown = kind === null ? [selected] : inOrder().filter((index) => cell.chromosomes[index].class === kind);
  const width = element("pair").clientWidth / 2 - 8;
  const scale = Math.min(LARGE / strip.naturalHeight, width / (strip.naturalWidth / cell.chromosomes.length));
  element("pair-title").textContent = kind === null ? "Without a class" : kind === NONE ? "No chromosome" : `Chromosome ${kind}`;
  element("pair").replaceChildren(...shown.map((index) => make("figure",
    { className: index === selected ? "selected" : "" }, picture(index, scale),
    make("figcaption", { innerText: hint(cell.chromosomes[index]) }))));
}

function drawQueue() {
  const done = session.cells.filter((line) => line.approved).length;
  element("progress").textContent = `${done} of ${session.cells.length} cells approved`;
  element("queue").replaceChildren(...session.cells.map((line) => {
    const doubtful = line.expected_errors === undefined ? "" : line.expected_errors.toFixed(2);
    const button = make("button", { className: line.approved ? "approved" : "", title: session.blind ? "" : "expected errors" },
      make("span", {}, line.title), make("span", {}, line.approved ? "approved" : doubtful));
    button.setAttribute("aria-current", line.stem === cell.stem);
    button.addEventListener("click", () => attempt(() => open(line.stem)));
    return make("li", {}, button);
  }));
}

function draw() {
  const line = session.cells.find((one) => one.stem === cell.stem);
  element("title").textContent = line.title;
  const probability = cell.probability === null ? [] : [make("small", {}, ` probability ${cell.probability.toFixed(3)}`)];
  element("karyotype").replaceChildren(cell.karyotype, ...probability);
  const notes = [`reader ${session.reader}${session.blind ? ", blind" : ""}`, `${cell.chromosomes.length} images`];
  if (cell.approved) notes.push("approved");
  if (typed) notes.push(`typed: ${typed}`);
  element("status").textContent = notes.join("; ");
  const reasons = [...cell.reasons, ...cell.left_out.map((text) => `not used: ${text}`)];
  element("reasons").replaceChildren(...reasons.map((text) => make("li", {}, text)));
  element("undo").disabled = !cell.undoable;
  element("swap").setAttribute("aria-pressed", marked !== null);
  drawKaryogram();
  drawPair();
  drawQueue();
  const active = document.querySelector(".chromosome[aria-pressed=true]");
  if (active) active.focus({ preventScroll: false });
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
    element("message").textContent = `${typed} is no class: type 1 to 22, x or y`;
    clearTyped();
    draw();
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
  const middle = (button) => button.getBoundingClientRect().left + button.offsetWidth / 2;
  const away = (button) => Math.abs(middle(button) - middle(active));
  const nearest = [...row.querySelectorAll(".chromosome")].sort((one, other) => away(one) - away(other))[0];
  const shown = [...document.querySelectorAll(".chromosome")];
  return inOrder()[shown.indexOf(nearest)];
}

function action(key) {
  if (/^[0-9]$/.test(key)) return () => digit(key);
  if (/^[xy]$/i.test(key)) return async () => { await enterTyped(); await move(key.toUpperCase()); };
  if (key.startsWith("Arrow")) return async () => { await enterTyped(); arrow(key); };
  const others = { Enter: approve, u: undo, f: turn, s: toggleSwap, PageDown: () => goTo(1), PageUp: () => goTo(-1) };
  if (others[key]) return async () => { await enterTyped(); await others[key](); };
  if (key === "Escape") return () => { clearTyped(); marked = null; draw(); };
  return null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !cell) return;
  const onOtherButton = event.target.closest("#queue button, #buttons button");
  if (event.key === "Enter" && onOtherButton) return; // it is pressed
  const work = action(event.key);
  if (!work) return;
  event.preventDefault();
  attempt(work);
});
for (const [id, work] of Object.entries({ approve, undo, turn, swap: toggleSwap })) {
  element(id).addEventListener("click", () => attempt(async () => { await enterTyped(); await work(); }));
}
attempt(start);
