"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("gallery-data").textContent);
  const form = byId("controls");
  addEventListener("beforeprint", () => document.querySelectorAll("details.chapter").forEach((one) => (one.open = true)));
  addEventListener("hashchange", () => byId(location.hash.slice(1))?.closest("details")?.setAttribute("open", ""));
  if (!form) return;
  const PRINTED = 24;
  const FIRST = 48; // cards
  const PART = 120; // further ones at a time
  const { classes, positive, chapters, items, maps } = data;
  const cards = byId("cards"), viewer = byId("viewer"), more = byId("more");
  let lines, shown = [], open = -1, lastMap = "0";

  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  // The pictures are lines of text, cut apart when the first one is wanted.
  const picture = (place) => {
    lines ??= byId("pictures").textContent.split("\n");
    return `data:image/webp;base64,${lines[place]}`;
  };
  const control = (name) => form.elements[name];
  const value = (name) => control(name)?.value ?? "";
  const model = () => Number(value("model"));
  const prediction = (item) => item.by[model()];
  const ofPositive = ({ predicted, probability }) => (positive === null || predicted === positive ? probability : 1 - probability);
  const missed = (item) => item.by.filter((one) => one && one.right === false).length;
  const truth = (item) => classes[item.truth] ?? "unknown";
  const spell = (number) => number.toLocaleString("en");
  const sign = ({ right }) => (right === null ? "" : right ? "✓ " : "✗ ");

  // What is shown, and in which order.
  const shows = {
    all: () => true,
    wrong: (one) => one.right === false,
    right: (one) => one.right === true,
    doubtful: (one) => one.doubtful,
    "surely-wrong": (one) => one.right === false && !one.doubtful,
    "missed-by-all": (one, item) => item.by.every((other) => other && other.right === false),
  };
  const text = (first, second) => first.localeCompare(second, "en", { numeric: true });
  const orders = {
    given: () => 0,
    uncertain: (a, b) => prediction(b).uncertainty - prediction(a).uncertainty,
    certain: (a, b) => prediction(a).uncertainty - prediction(b).uncertainty,
    likely: (a, b) => ofPositive(prediction(b)) - ofPositive(prediction(a)),
    unlikely: (a, b) => ofPositive(prediction(a)) - ofPositive(prediction(b)),
    subject: (a, b) => text(a.subject ?? "", b.subject ?? "") || text(a.name, b.name),
    class: (a, b) => a.truth - b.truth || prediction(b).uncertainty - prediction(a).uncertainty,
    name: (a, b) => text(a.name, b.name),
    missed: (a, b) => missed(b) - missed(a) || prediction(b).uncertainty - prediction(a).uncertainty,
  };
  const fits = (item) => {
    const one = prediction(item), wanted = value("search").trim().toLowerCase();
    if (!one || !(shows[value("show")] ?? shows.all)(one, item)) return false;
    if (value("truth") !== "" && item.truth !== Number(value("truth"))) return false;
    if (value("predicted") !== "" && one.predicted !== Number(value("predicted"))) return false;
    if (value("subject") && item.subject !== value("subject")) return false;
    return !wanted || `${item.name} ${item.subject ?? ""} ${item.kind ?? ""} ${item.group ?? ""} ${truth(item)}`.toLowerCase().includes(wanted);
  };

  // Pictures are decoded when they come near.
  const dress = (frame, item) => {
    const { picture: place, maps: heats } = prediction(item);
    const sources = place === null ? [] : [picture(place)];
    if (place !== null && value("map") !== "" && heats[value("map")] !== undefined) sources.push(picture(heats[value("map")]));
    frame.classList.toggle("none", !sources.length);
    frame.replaceChildren(...sources.map((source, number) => {
      const image = make("img", number ? "heat" : "");
      image.decoding = "async";
      image.alt = number ? "" : `test image ${item.name}`;
      image.src = source;
      return image;
    }));
  };
  const near = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      near[isIntersecting ? "add" : "delete"](target.item);
      if (isIntersecting) dress(target.querySelector(".frame"), target.item);
    }
  }, { rootMargin: "500px" });

  for (const item of items) {
    item.card = make("button", "card");
    item.card.type = "button";
    item.card.tabIndex = -1;
    item.card.append(...["frame", "verdict", "", "small", "doubt"].map((name) => make("span", name)));
    item.node = make("li");
    item.node.item = item;
    item.node.append(item.card);
  }
  const describe = (item) => {
    const one = prediction(item), [, verdict, is, small, doubt] = item.card.children;
    if (!one) return;
    item.card.className = `card ${one.right === null ? "" : one.right ? "right" : "wrong"}`;
    verdict.textContent = `${sign(one)}predicted ${classes[one.predicted]} ${one.probability.toFixed(2)}`;
    is.textContent = `is ${truth(item)}${item.kind && item.kind !== truth(item) ? ` (${item.kind})` : ""}`;
    small.textContent = `${item.name} · uncertainty ${one.uncertainty.toFixed(2)}`;
    doubt.textContent = one.doubtful ? "? doubtful" : "";
  };
  // One picture is a stop of the Tab key; arrows move it.
  let stop;
  const rove = (place) => {
    if (place >= cards.children.length && shown[place]) extend(place + 1);
    if (stop) stop.tabIndex = -1;
    stop = shown[place]?.card;
    if (stop) stop.tabIndex = 0;
  };

  let drawn = -1;
  const render = () => {
    if (drawn !== model()) items.forEach(describe);
    drawn = model();
    offerMaps();
    shown = items.filter(fits).sort(orders[value("sort")] ?? orders.uncertain);
    watcher.disconnect();
    cards.replaceChildren();
    extend();
    near.clear();
    rove(0);
    byId("empty").hidden = shown.length > 0;
    byId("count").textContent = `${spell(shown.length)} of ${spell(items.filter(prediction).length)} pictures`;
    strengthen();
  };
  const extend = (most = 0) => { // the cards of the next part of what is shown
    const from = cards.children.length;
    const part = shown.slice(from, Math.max(from ? from + PART : FIRST, most));
    part.forEach((item, place) => {
      const frame = item.card.firstChild, printed = from + place < PRINTED;
      item.node.classList.toggle("beyond", !printed);
      if (printed || near.has(item)) dress(frame, item);
      else frame.replaceChildren();
      if (!printed) watcher.observe(item.node);
    });
    cards.append(...part.map((item) => item.node));
    const left = shown.length - cards.children.length;
    more.hidden = !left;
    more.textContent = `Show ${Math.min(PART, left)} more of ${spell(left)}`;
  };
  const strengthen = () => {
    byId("gallery").style.setProperty("--strength", value("strength") / 100);
    remember();
  };
  const offerMaps = () => {
    if (!control("map")) return;
    const before = value("map"), label = maps[before]?.label;
    const offered = maps.map((map, number) => ({ ...map, number })).filter((map) => map.chapter === model());
    control("map").replaceChildren(new Option("none", ""), ...offered.map((map) => new Option(map.label, map.number)));
    control("map").value = offered.find((map) => map.label === label)?.number ?? "";
  };

  // The choice stands in the address, so that it can be kept and sent.
  let address = "";
  const usual = Object.fromEntries(new FormData(form));
  const remember = () => {
    const chosen = Object.entries(Object.fromEntries(new FormData(form))).filter(([name, now]) => now !== usual[name]);
    if (open >= 0) chosen.push(["image", shown[open].name]);
    const now = chosen.length ? `#${new URLSearchParams(chosen)}` : "#gallery=";
    if (now === location.hash || !(chosen.length || location.hash.includes("="))) return;
    address = now;
    location.replace(address);
  };
  const recall = () => {
    if (!location.hash.includes("=") || location.hash === address) return;
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (control("model")) control("model").value = wanted.get("model") ?? usual.model;
    offerMaps();
    form.querySelectorAll("[name]").forEach((one) => (one.value = wanted.get(one.name) ?? usual[one.name]));
    render();
    if (wanted.has("image")) enlarge(shown.findIndex((item) => item.name === wanted.get("image")));
    else byId("gallery").scrollIntoView({ behavior: "instant" });
  };

  // One picture, enlarged, with all that is known of it.
  const factsOf = (item) => {
    const one = prediction(item), map = value("map");
    const others = chapters.length > 1 ? item.by : [];
    return [
      ["true class", truth(item)],
      ["kind", item.kind !== truth(item) && item.kind],
      ["group", item.group],
      ["predicted", sign(one) + classes[one.predicted] + (one.right === null ? "" : one.right ? ", right" : ", wrong")],
      ["probability", one.top.map(([place, share]) => `${classes[place]} ${share.toFixed(3)}`).join(", ")],
      ["uncertainty", `${one.uncertainty.toFixed(3)} (0 sure, 1 no idea)`],
      ["doubtful", `${one.doubtful ? "yes" : "no"} (doubtful: ${data.doubtful})`],
      ["subject", item.subject ?? "unknown"],
      ...others.map((other, place) => [chapters[place], other && `${sign(other)}${classes[other.predicted]} ${other.probability.toFixed(2)}`]),
      ["heat map", map !== "" && (one.maps[map] === undefined ? "none of this picture" : [maps[map].label, one.heat[map]].filter(Boolean).join(": "))],
    ].filter(([, fact]) => fact);
  };
  const enlarge = (place) => {
    const item = shown[place];
    if (!item) return;
    open = place;
    byId("viewer-title").textContent = `${item.name}, ${place + 1} of ${spell(shown.length)}`;
    dress(viewer.querySelector(".frame"), item);
    viewer.querySelector(".facts").replaceChildren(...factsOf(item).map(([name, fact]) => {
      const row = make("div");
      row.append(make("dt", "", name), make("dd", "", fact));
      return row;
    }));
    viewer.querySelectorAll("[data-step]").forEach((one) => (one.disabled = !shown[place + Number(one.dataset.step)]));
    if (!viewer.open) viewer.showModal();
    if (document.activeElement.disabled || document.activeElement === document.body) viewer.querySelector("[data-close]").focus();
    remember();
  };

  const columns = () => getComputedStyle(cards).gridTemplateColumns.split(" ").length;
  const steps = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns(), ArrowDown: columns, Home: () => -Infinity, End: () => Infinity };
  cards.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const to = shown.indexOf(event.target.closest("li").item) + step();
    rove(Math.min(shown.length - 1, Math.max(0, to)));
    stop.focus();
  });
  cards.addEventListener("click", (event) => {
    const place = shown.indexOf(event.target.closest("li")?.item);
    rove(place < 0 ? 0 : place);
    enlarge(place);
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer || event.target.closest("[data-close]")) viewer.close();
    const step = event.target.closest("[data-step]")?.dataset.step;
    if (step) enlarge(open + Number(step));
  });
  viewer.addEventListener("keydown", ({ key }) => key === "ArrowLeft" ? enlarge(open - 1) : key === "ArrowRight" && enlarge(open + 1));
  viewer.addEventListener("close", () => {
    rove(open);
    stop?.focus();
    open = -1;
    remember();
  });
  more.addEventListener("click", () => { const from = cards.children.length; extend(); rove(from); stop.focus(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => (target.name === "strength" ? strengthen() : render()));
  form.addEventListener("reset", () => setTimeout(render));
  byId("empty").querySelector("button").addEventListener("click", () => { form.reset(); form.elements.show.focus(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "/") event.preventDefault(), control("search").focus();
    if (event.key === "m" && control("map")) {
      const now = value("map"), kinds = [...control("map").options].map((one) => one.value);
      control("map").value = now !== "" ? "" : kinds.includes(lastMap) ? lastMap : kinds.at(-1);
      lastMap = now;
      render();
      if (open >= 0) enlarge(open);
    }
  });
  addEventListener("hashchange", recall);
  if (location.hash.includes("=")) recall();
  else render();
})();
