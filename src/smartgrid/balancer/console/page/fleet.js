// The substations: one button each, with a bar of load against capacity.

import { byId, element, setAttribute, setData, setShare, setStyle, setText } from "./dom.js";
import * as format from "./format.js";

const STATES = {
  Available: "available",
  Draining: "draining",
  Silent: "does not answer",
  Unknown: "not asked yet",
};
const STATE_ORDER = ["Silent", "Unknown", "Draining", "Available"];
const MANY = 60; // from here on bars jump: gliding, each of them would be a layer of its own to draw
const collator = new Intl.Collator(undefined, { numeric: true });

const ORDERS = {
  name: (a, b) => collator.compare(a.name, b.name),
  load: (a, b) => share(b.load_kw, b) - share(a.load_kw, a) || ORDERS.name(a, b),
  demand: (a, b) => share(b.demand_kw, b) - share(a.demand_kw, a) || ORDERS.name(a, b),
  waiting: (a, b) => (b.waiting ?? 0) - (a.waiting ?? 0) || ORDERS.name(a, b),
  state: (a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state) || ORDERS.name(a, b),
};
const share = (kw, substation) => (substation.capacity_kw ? (kw ?? 0) / substation.capacity_kw : 0);

export class Fleet {
  constructor(onOpen) {
    this.list = byId("fleet");
    this.empty = byId("fleet-empty");
    this.cards = new Map();
    this.shown = [];
    this.substations = [];
    this.open = null;
    this.list.addEventListener("click", (event) => {
      const card = event.target.closest(".substation");
      if (card) onOpen(card.dataset.name);
    });
    this.list.addEventListener("keydown", (event) => this.move(event));
    byId("tools").addEventListener("submit", (event) => event.preventDefault());
    byId("find").addEventListener("input", () => this.arrange());
    byId("order").addEventListener("change", () => this.arrange());
  }

  update(substations, maxAgeS) {
    this.substations = substations;
    const present = new Set(substations.map((substation) => substation.name));
    for (const [name, card] of this.cards) {
      if (!present.has(name)) {
        card.root.remove();
        this.cards.delete(name);
      }
    }
    const scale = barScale(substations);
    byId("legend-limit").hidden = scale === 1;
    for (const substation of substations) {
      if (!this.cards.has(substation.name)) this.cards.set(substation.name, makeCard(substation.name));
      fill(this.cards.get(substation.name), substation, maxAgeS, scale);
    }
    this.list.classList.toggle("many", substations.length > MANY);
    this.arrange();
  }

  mark(name) {
    this.open = name;
    for (const [each, card] of this.cards) setAttribute(card.button, "aria-expanded", String(each === name));
  }

  focus(name) {
    this.cards.get(name)?.button.focus();
  }

  // Moves cards only where the order has changed, so that the focus and the scroll position stay.
  arrange() {
    const wanted = byId("find").value.trim().toLowerCase();
    const ordered = this.substations
      .filter((substation) => substation.name.toLowerCase().includes(wanted))
      .sort(ORDERS[byId("order").value])
      .map((substation) => substation.name);
    if (ordered.join("\n") !== this.shown.join("\n") || this.list.childElementCount !== ordered.length) {
      const focused = document.activeElement?.closest?.(".substation")?.dataset.name;
      this.list.replaceChildren(...ordered.map((name) => this.cards.get(name).root));
      if (focused && ordered.includes(focused)) this.focus(focused);
      this.shown = ordered;
    }
    this.empty.hidden = ordered.length > 0;
    setText(this.empty, this.substations.length ? "No substation has such a name." : "There is no substation yet.");
  }

  // Arrow keys go from card to card, as in a grid; Tab works as well.
  move(event) {
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const at = this.shown.indexOf(event.target.closest?.(".substation")?.dataset.name);
    if (!step || at < 0) return;
    event.preventDefault();
    this.focus(this.shown[at + step]);
  }
}

// Bars end at the capacity while no one wants more; else all of them have room for it, and a mark at the capacity.
function barScale(substations) {
  const most = Math.max(0, ...substations.map((each) => share(each.demand_kw, each)));
  return most <= 1.02 ? 1 : most <= 1.5 ? 1.5 : 2;
}

function makeCard(name) {
  const parts = Object.fromEntries(
    ["name", "state", "wanted", "fill", "guaranteed", "limit", "numbers", "sessions"].map((part) => [part, element("span", part)]),
  );
  setText(parts.name, name);
  parts.load = element("b", "");
  parts.rest = element("span", "");
  parts.numbers.append(parts.load, parts.rest);
  const track = element("span", "track", parts.wanted, parts.fill, parts.guaranteed, parts.limit);
  track.setAttribute("aria-hidden", "true");
  const top = element("span", "line", parts.name, parts.state);
  const bottom = element("span", "line numbers", parts.numbers, parts.sessions);
  const button = element("button", "", top, track, bottom);
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", "details");
  const root = element("li", "substation", button);
  root.dataset.name = name;
  return { root, button, track, ...parts };
}

function fill(card, substation, maxAgeS, scale) {
  const stale = substation.age_s !== null && substation.age_s > maxAgeS;
  const over = substation.overbooked_kw ?? 0;
  const load = share(substation.load_kw, substation);
  setData(card.root, "over", String(over > 0));
  setData(card.root, "state", substation.state);
  setData(card.root, "stale", String(stale));
  setData(card.root, "waiting", String(Boolean(substation.waiting)));
  setData(card.root, "level", over > 0 ? "red" : format.level(load));
  setShare(card.fill, load / scale);
  setShare(card.guaranteed, share(substation.committed_kw, substation) / scale);
  setShare(card.wanted, share(substation.demand_kw, substation) / scale);
  if (card.limit.hidden !== (scale === 1)) card.limit.hidden = scale === 1;
  setStyle(card.limit, "left", `${100 / scale}%`);
  setText(card.state, stateText(substation, stale));
  if (substation.capacity_kw === null) {
    setText(card.load, "–");
    setText(card.rest, " no numbers yet");
    setText(card.sessions, "");
    return;
  }
  setText(card.load, format.power(over > 0 ? substation.booked_kw : substation.load_kw));
  setText(card.rest, ` of ${format.power(substation.capacity_kw)} kW · wants ${format.power(substation.demand_kw)}`);
  setText(card.sessions, format.cars(substation.sessions));
  const label = `${substation.name}, ${card.state.textContent}, ${card.numbers.textContent}, guaranteed ${format.power(
    substation.committed_kw,
  )} kW, ${card.sessions.textContent}`;
  setAttribute(card.button, "aria-label", label);
}

function stateText(substation, stale) {
  if (substation.state === "Silent" && substation.age_s !== null) {
    return `no answer for ${format.duration(substation.age_s)}`;
  }
  if (stale) return `${format.duration(substation.age_s)} old`;
  // What may be drawn, until chargers have confirmed less or where they do not obey: a limit is broken, or may be.
  if (substation.overbooked_kw > 0) return `${format.power(substation.overbooked_kw)} kW too much`;
  // Where cars wait there is no room: that it is available would say too much.
  if (substation.state === "Available" && substation.waiting) return format.waiting(substation.waiting);
  return STATES[substation.state] ?? substation.state;
}
