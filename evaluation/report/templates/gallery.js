"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("gallery-data").textContent);
  const form = byId("controls");
  addEventListener("beforeprint", () => document.querySelectorAll("details.chapter").forEach((one) => (one.open = true)));
  if (!form) return;
  const PRINTED = 24;
  const { classes, positive, chapters, items, maps } = data;
  const cards = byId("cards"), viewer = byId("viewer");
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
  const said = (item) => item.by[model()];
  const ofPositive = ({ called, probability }) => (positive === null || called === positive ? probability : 1 - probability);
  const missed = (item) => item.by.filter((one) => one && one.right === false).length;
  const truth = (item) => classes[item.truth] ?? "unknown";
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
    uncertain: (a, b) => said(b).uncertainty - said(a).uncertainty,
    certain: (a, b) => said(a).uncertainty - said(b).uncertainty,
    likely: (a, b) => ofPositive(said(b)) - ofPositive(said(a)),
    unlikely: (a, b) => ofPositive(said(a)) - ofPositive(said(b)),
    subject: (a, b) => text(a.subject ?? "", b.subject ?? "") || text(a.name, b.name),
    class: (a, b) => a.truth - b.truth || said(b).uncertainty - said(a).uncertainty,
    name: (a, b) => text(a.name, b.name),
    missed: (a, b) => missed(b) - missed(a) || said(b).uncertainty - said(a).uncertainty,
  };
  const fits = (item) => {
    const one = said(item), wanted = value("search").trim().toLowerCase();
    if (!one || !(shows[value("show")] ?? shows.all)(one, item)) return false;
    if (value("truth") !== "" && item.truth !== Number(value("truth"))) return false;
    if (value("called") !== "" && one.called !== Number(value("called"))) return false;
    if (value("subject") && item.subject !== value("subject")) return false;
    return !wanted || `${item.name} ${item.subject ?? ""} ${item.kind ?? ""} ${item.group ?? ""} ${truth(item)}`.toLowerCase().includes(wanted);
  };

  // Pictures are decoded when they come near.
  const dress = (frame, item) => {
    const { picture: place, maps: heats } = said(item);
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
      if (isIntersecting === near.has(target)) continue;
      if (isIntersecting) near.add(target), dress(target.querySelector(".frame"), items[target.dataset.item]);
      else near.delete(target);
    }
  }, { rootMargin: "500px" });

  const nodeOf = new Map(), nodes = items.map((item, number) => {
    const made = make("li"), card = make("button", "card");
    made.dataset.item = number;
    card.type = "button";
    card.tabIndex = -1;
    card.append(make("span", "frame"), make("span", "verdict"), make("span"), make("span", "small"), make("span", "doubt"));
    made.append(card);
    nodeOf.set(item, made);
    return made;
  });
  const describe = (item, node) => {
    const one = said(item), card = node.firstChild, [, verdict, is, small, doubt] = card.children;
    if (!one) return;
    card.className = `card ${one.right === null ? "" : one.right ? "right" : "wrong"}`;
    verdict.textContent = `${sign(one)}called ${classes[one.called]} ${one.probability.toFixed(2)}`;
    is.textContent = `is ${truth(item)}${item.kind && item.kind !== truth(item) ? ` (${item.kind})` : ""}`;
    small.textContent = `${item.name} · uncertainty ${one.uncertainty.toFixed(2)}`;
    doubt.textContent = one.doubtful ? "? doubtful" : "";
  };
  // One picture is a stop of the Tab key; arrows move it.
  let stop;
  const rove = (place) => {
    if (stop) stop.tabIndex = -1;
    stop = shown[place]?.firstChild;
    if (stop) stop.tabIndex = 0;
  };

  let drawn = -1;
  const render = () => {
    if (drawn !== model()) items.forEach((item, number) => describe(item, nodes[number]));
    drawn = model();
    offerMaps();
    const chosen = items.filter(fits).sort(orders[value("sort")] ?? orders.uncertain);
    shown = chosen.map((item) => nodeOf.get(item));
    watcher.disconnect();
    cards.replaceChildren(...shown);
    shown.forEach((node, place) => {
      const frame = node.querySelector(".frame");
      node.classList.toggle("beyond", place >= PRINTED);
      if (place < PRINTED || near.has(node)) dress(frame, items[node.dataset.item]);
      else frame.replaceChildren();
    });
    near.clear();
    shown.slice(PRINTED).forEach((node) => watcher.observe(node));
    rove(0);
    byId("empty").hidden = shown.length > 0;
    const total = items.filter(said).length;
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} pictures`;
    strengthen();
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
    if (open >= 0) chosen.push(["image", items[shown[open].dataset.item].name]);
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
    if (wanted.has("image")) enlarge(shown.findIndex((node) => items[node.dataset.item].name === wanted.get("image")));
    else byId("gallery").scrollIntoView({ behavior: "instant" });
  };

  // One picture, enlarged, with all that is known of it.
  const factsOf = (item) => {
    const one = said(item), rows = [];
    const add = (name, fact) => fact !== null && fact !== undefined && fact !== "" && rows.push([name, fact]);
    add("true class", truth(item));
    if (item.kind !== truth(item)) add("kind", item.kind);
    add("group", item.group);
    add("called", `${sign(one)}${classes[one.called]}${one.right === null ? "" : one.right ? ", rightly" : ", wrongly"}`);
    if (one.atThreshold !== undefined) add("at the threshold of validation", classes[one.atThreshold]);
    add("probability", one.top.map(([place, share]) => `${classes[place]} ${share.toFixed(3)}`).join(", "));
    add("uncertainty", `${one.uncertainty.toFixed(3)} (0 sure, 1 no idea)`);
    if (one.votes !== undefined) add("votes", `${(100 * one.votes).toFixed(0)} % for ${classes[one.voted]}`);
    add("doubtful", `${one.doubtful ? "yes" : "no"} (doubtful: ${data.doubtful[model()]})`);
    add("subject", item.subject ?? "unknown");
    if (chapters.length > 1) {
      item.by.forEach((other, place) => other && add(chapters[place], `${sign(other)}${classes[other.called]} ${other.probability.toFixed(2)}`));
    }
    if (value("map") !== "") add("heat map", one.maps[value("map")] === undefined ? "none of this picture" : maps[value("map")].label);
    return rows;
  };
  const enlarge = (place) => {
    if (!shown[place]) return;
    open = place;
    const item = items[shown[place].dataset.item];
    byId("viewer-title").textContent = `${item.name}, ${place + 1} of ${shown.length.toLocaleString("en")}`;
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
    const from = shown.indexOf(event.target.closest("li")), to = Math.min(shown.length - 1, Math.max(0, from + step()));
    rove(to);
    shown[to].firstChild.focus();
  });
  cards.addEventListener("click", (event) => {
    const node = event.target.closest("li");
    if (node) rove(shown.indexOf(node)), enlarge(shown.indexOf(node));
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer || event.target.closest("[data-close]")) viewer.close();
    const step = event.target.closest("[data-step]")?.dataset.step;
    if (step) enlarge(open + Number(step));
  });
  viewer.addEventListener("keydown", ({ key }) => key === "ArrowLeft" ? enlarge(open - 1) : key === "ArrowRight" && enlarge(open + 1));
  viewer.addEventListener("close", () => {
    const place = open;
    open = -1;
    rove(place);
    shown[place]?.firstChild.focus();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => (target.name === "strength" ? strengthen() : render()));
  form.addEventListener("reset", () => setTimeout(render));
  byId("empty").querySelector("button").addEventListener("click", () => { form.reset(); form.elements.show.focus(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "/") event.preventDefault(), control("search").focus();
    if (event.key === "m" && control("map")) {
      if (value("map") !== "") lastMap = value("map");
      const kinds = [...control("map").options].map((one) => one.value);
      control("map").value = value("map") !== "" ? "" : kinds.includes(lastMap) ? lastMap : kinds[1] ?? "";
      render();
      if (open >= 0) enlarge(open);
    }
  });
  addEventListener("hashchange", recall);
  if (location.hash.includes("=")) recall();
  else render();
})();
