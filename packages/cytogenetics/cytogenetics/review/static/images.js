// The review of single images: one at a time, with a key for each class.

import { attempt, decide, draw, element, make, percent, picture, review, start } from "./shared.js";

const file = () => review.item.files[0];

const load = async (item) => ({ image: await picture(`pictures/${encodeURIComponent(item.stem)}`) });

function opened() {
  document.querySelector("main").scrollTop = 0;
}

const choose = (name) => decide({ action: "move", image: file().name, to: name });

function classButton(line) {
  const { item } = review;
  const key = line.key ? [make("kbd", {}, line.key), " "] : [];
  const made = make("button", { className: "class" }, make("span", {}, ...key, line.label));
  made.setAttribute("aria-pressed", line.name === file().class);
  if (line.name in item.probabilities) {
    const value = item.probabilities[line.name];
    made.append(make("span", { className: "number" }, percent(value)));
    const filled = make("i", {});
    filled.style.width = `${100 * value}%`;
    made.append(make("span", { className: "bar" }, filled));
  }
  made.addEventListener("click", () => attempt(() => choose(line.name)));
  return made;
}

function figure(shown) {
  if (!shown) return make("p", {}, "the picture cannot be read");
  shown.alt = "image";
  return make("figure", {}, shown);
}

function drawImage() {
  const { item, pictures } = review;
  const predicted = ` predicted, probability ${percent(item.probabilities[item.prediction])}`;
  const decided = make("small", {}, file().fixed ? " given by the reader" : predicted);
  element("result").replaceChildren(item.result, decided);
  const reasons = item.reason ? [`to be reviewed: ${item.reason}`] : [];
  element("reasons").replaceChildren(...reasons.map((text) => make("li", {}, text)));
  element("pictures").replaceChildren(figure(pictures.image));
  element("classes").replaceChildren(...item.classes.map(classButton));
}

function key(name) {
  const chosen = review.item.classes.find((line) => line.key === name);
  return chosen ? () => choose(chosen.name) : null;
}

start({ noun: "image", load, opened, draw: drawImage, key, escape: draw, before: () => undefined, first: () => null });
