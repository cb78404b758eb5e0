// What the pages of cells and of images share. All state is on the server: each decision is sent at once and answered
// with the item's new state.

export const element = (id) => document.getElementById(id);
export const review = { session: null, item: null, pictures: null };

const LISTED = 300; // lines of the queue at a time
const settled = []; // stems of items that were approved or rejected on this page, the last one last
const ahead = new Map(); // items that are asked for before they are opened
let listed = new Map(); // buttons of the queue, by line
const heads = new Map(); // headings of the cases that have several items, by case
let page = null; // of the kind: noun, load, opened, draw, key, escape, before, first
let place = 0; // in the queue, of the item when it was opened, or of its case: a correction may move them
let opened = 0; // when the item was opened or last decided on
let sending = Promise.resolve();

export function say(text) {
  element("message").textContent = text;
}

async function request(path, body) {
  const options = body === undefined ? {} :
    { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status });
  return answer.json();
}

export function attempt(work) { // one after another: a key that is pressed meanwhile waits
  sending = sending.then(work).catch((error) => say(String(error.message || error)));
  return sending;
}

const address = (stem) => `items/${encodeURIComponent(stem)}`;

async function loadItem(stem) {
  const item = await request(address(stem));
  return [item, await page.load(item)];
}

export async function picture(place) { // null where it cannot be shown; the same place is not asked for again
  const image = new Image();
  image.src = place;
  return image.decode().then(() => image, () => null);
}

function lookAhead() {
  const next = nextWaiting();
  if (!next || ahead.has(next.stem)) return;
  const loading = loadItem(next.stem);
  loading.catch(() => ahead.delete(next.stem));
  ahead.set(next.stem, loading);
}

async function open(stem) {
  const loading = ahead.get(stem) || loadItem(stem);
  ahead.clear();
  const before = review.item && review.session.items[position()].case;
  [review.item, review.pictures] = await loading;
  if (before !== review.session.items[position()].case || !several(before)) place = position();
  say("");
  opened = performance.now();
  page.opened();
  draw();
  document.querySelector("#queue [aria-current=true]").scrollIntoView({ block: "nearest" });
  setTimeout(lookAhead);
}

export async function decide(decision) {
  const seconds = (performance.now() - opened) / 1000;
  const { stem, lines } = review.item;
  const { case: name } = review.session.items[position()];
  const before = review.session.groups[name];
  let answer;
  try {
    answer = await request(`${address(stem)}/decisions`, { ...decision, seconds, lines });
  } catch (error) {
    if (error.status === 409) await show(await request(address(stem))); // what another window has changed
    throw error;
  }
  await show(answer);
  const withdrawn = before && before.signed && !review.session.groups[name].signed;
  say(withdrawn ? `The signature of ${name} is withdrawn.` : "");
}

async function show(item) {
  const shown = (one) => JSON.stringify([one.files.map((file) => file.name), one.boxes]);
  if (shown(item) !== shown(review.item)) review.pictures = await page.load(item);
  review.item = item;
  opened = performance.now();
  Object.assign(review.session.groups, item.groups);
  const line = review.session.items[position()];
  line.state = item.state;
  if (line.doubt !== undefined && item.doubt !== undefined && line.doubt !== item.doubt) {
    line.doubt = item.doubt;
    reorder();
  }
  draw();
}

function reorder() { // the most doubtful first, those of a case together, as the server has sent them
  const { items } = review.session;
  const of = (line) => line.case || line.stem;
  const most = new Map();
  for (const line of items) most.set(of(line), Math.max(most.get(of(line)) || 0, line.doubt));
  items.sort((one, other) => most.get(of(other)) - most.get(of(one)) || (of(one) < of(other)) - (of(one) > of(other)) ||
    other.doubt - one.doubt);
  listed = new Map(); // they are drawn anew
}

const position = () => review.session.items.findIndex((line) => line.stem === review.item.stem);

const several = (name) => name !== undefined && review.session.items.filter((line) => line.case === name).length > 1;

function nextWaiting() { // of the same case first
  const { items } = review.session;
  const { stem } = review.item;
  const { case: name } = items[position()];
  const others = [...items.slice(place), ...items.slice(0, place)].filter((line) => !line.state && line.stem !== stem);
  return others.find((line) => several(name) && line.case === name) || others[0];
}

async function goOn() {
  const waiting = nextWaiting();
  const { result } = review.session;
  if (waiting) await open(waiting.stem);
  else say(`All are approved or rejected${result && `: the result is ${result}`}. Ctrl-C in the terminal ends the review.`);
}

export async function settle(decision) { // and go on, unless its case now waits for the signature alone
  await decide(decision);
  settled.push(review.item.stem);
  const withdrawn = element("message").textContent;
  const { case: name } = review.session.items[position()];
  const { obstacle, signed, approved, predicted } = review.session.groups[name] || {};
  const complete = (several(name) || predicted) && review.session.items.every((line) => line.case !== name || line.state);
  if (complete && !obstacle && !signed) say(`g signs the case as ${approved}; Enter goes on without a signature.`);
  else await goOn();
  say(`${withdrawn} ${element("message").textContent}`.trim());
}

const approve = () => review.item.state === "approved" ? goOn() : settle({ action: "approve" });

export async function back() { // to what was decided on last; false without one
  const last = settled.at(-1);
  if (last) await open(last);
  return Boolean(last);
}

async function undo() { // of a fresh item: back to the one that was approved last
  if (!review.item.undoable && settled.length) await open(settled.pop());
  const stem = review.item.stem;
  await decide({ action: "undo" });
  if (!review.item.state && settled.includes(stem)) settled.splice(settled.lastIndexOf(stem), 1);
}

async function goTo(by) {
  const next = review.session.items[position() + by];
  if (next) await open(next.stem);
}

// Drawing
export function make(tag, attributes, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

export function certainty(value) { // two digits, without saying 1.00 or 0.00 of what is not certain: as the page of karyotypes
  if (value >= 0.005 && value < 0.995) return value.toFixed(2);
  return value > 0.5 ? "> 0.99" : "< 0.01";
}

export const percent = (value) => value < 0.9995 ? `${(100 * value).toFixed(1)} %` : "over 99.9 %";

function queueLine(line) {
  const title = several(line.case) ? line.title.replace(`${line.case} / `, "") : line.title; // its case stands above
  const made = make("button", {}, make("span", {}, title), make("span", {}));
  made.addEventListener("click", (event) => {
    if (event.detail) made.blur(); // clicked with the mouse: the next Enter approves
    attempt(() => open(line.stem));
  });
  return made;
}

function caseHead(name) {
  if (!heads.has(name)) heads.set(name, make("li", { className: "case" }));
  return heads.get(name);
}

function drawQueue() { // the lines around the open one; they are made once, and changed afterwards
  const { items } = review.session;
  const of = (state) => items.filter((line) => line.state === state).length;
  const rejected = of("rejected") ? `, ${of("rejected")} rejected` : "";
  const number = `${page.noun} ${position() + 1} of ${items.length}`;
  element("progress").textContent = `${number}: ${of("approved")} approved${rejected}`;
  const start = Math.max(Math.min(position() - LISTED / 2, items.length - LISTED), 0);
  const shown = items.slice(start, start + LISTED);
  if (items.length > LISTED || !listed.size) {
    listed = new Map(shown.map((line) => [line, listed.get(line) || queueLine(line)]));
    const lines = [];
    for (const [line, made] of listed) {
      if (several(line.case) && !lines.includes(caseHead(line.case))) lines.push(caseHead(line.case));
      lines.push(make("li", {}, made));
    }
    if (start > 0) lines.unshift(make("li", {}, `${start} before`));
    const after = items.length - start - LISTED;
    if (after > 0) lines.push(make("li", {}, `${after} more`));
    element("queue").replaceChildren(...lines);
  }
  for (const [name, head] of heads) {
    const { predicted, approved, signed } = review.session.groups[name];
    const said = [predicted && `predicted: ${predicted.split(";")[0]}`, `${signed ? "signed" : "approved"}: ${approved}`].filter(Boolean);
    head.replaceChildren(name, ...said.map((text) => make("span", {}, text)));
  }
  for (const [line, made] of listed) {
    const text = line.state || (line.doubt === undefined ? "" : `may be wrong: ${line.doubt.toFixed(1)}`);
    if (made.lastChild.textContent !== text) made.lastChild.textContent = text;
    made.classList.toggle("approved", Boolean(line.state));
    const current = String(line.stem === review.item.stem);
    if (made.getAttribute("aria-current") !== current) made.setAttribute("aria-current", current);
  }
}

export function draw() {
  const line = review.session.items[position()];
  element("title").textContent = line.title;
  document.title = `${line.title} - review`;
  const notes = [`reader ${review.session.reader}`, ...review.session.notes];
  if (review.item.state) notes.push(review.item.rejected ? `rejected: ${review.item.rejected}` : review.item.state);
  element("status").textContent = notes.join("; ");
  element("undo").disabled = !review.item.undoable && !settled.length;
  page.draw();
  drawQueue();
}

// Keys
const ACTIONS = { Enter: approve, u: undo, PageDown: () => goTo(1), PageUp: () => goTo(-1) };

export function button(id, work) {
  element(id).addEventListener("click", () => attempt(async () => { await page.before(); await work(); }));
}

function workOf(key) {
  if (key === "Escape") return page.escape;
  if (ACTIONS[key]) return async () => { await page.before(); await ACTIONS[key](); };
  return page.key(key);
}

export function start(kind) {
  page = kind;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !review.item) return;
    if (event.target.matches("#text")) { // its own keys
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.closest("#queue button, #buttons button")) return; // it is pressed
    const work = () => page.first(event) || workOf(event.key);
    if (!work()) return;
    event.preventDefault();
    attempt(() => work()()); // what a key means is known after the keys before it
  });
  addEventListener("resize", () => review.item && attempt(page.draw));
  button("approve", approve);
  button("undo", undo);
  attempt(async () => {
    review.session = await request("queue");
    const { items } = review.session;
    if (!items.length) throw new Error("There is nothing to review.");
    await open((items.find((line) => !line.state) || items[0]).stem);
  });
}
