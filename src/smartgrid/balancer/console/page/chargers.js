// The chargers of one substation, below its cars: who is plugged in where, how many amps flow, and who does not obey.

import { byId, element, setData, setText } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { Rows } from "./rows.js";

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 4000;
const OBEDIENCE = { ignores: "does not obey", rejects: "refuses limits", unknown: "", obeys: "" };

const STATUS = { SuspendedEVSE: "paused", SuspendedEV: "car takes nothing" };

export class Chargers {
  constructor() {
    this.sessions = new Map();
    this.rows = new Rows(byId("chargers-rows"), (each) => `${each.charger}\n${each.connector}`, makeRow, (row, each) =>
      fill(row, each, this.sessions.get(each.session_id)),
    );
    this.poll = new Poll(INTERVAL_MS, TIMEOUT_MS, (body) => this.show(body), (why) => this.fail(why));
    this.name = null;
  }

  // Asks for them while a substation is open in a grid that has an edge.
  follow(name, hasEdge) {
    const wanted = hasEdge ? name : null;
    if (wanted === this.name) return;
    this.name = wanted;
    this.rows.clear();
    byId("chargers").hidden = true;
    if (wanted === null) this.poll.stop();
    else this.poll.start(`/console/chargers/${encodeURIComponent(wanted)}`);
  }

  // Whose cars these are, and what they wait for, the sessions say.
  know(sessions) {
    this.sessions = new Map(sessions.map((session) => [session.session_id, session]));
  }

  show({ columns, connectors, more }) {
    const found = connectors.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
    byId("chargers").hidden = false;
    byId("chargers-empty").hidden = found.length > 0;
    byId("chargers-problem").hidden = !more;
    if (more) setText(byId("chargers-problem"), `Only the first ${format.count(found.length)} are shown.`);
    const unruly = found.filter((each) => OBEDIENCE[each.obedience]).length;
    const told = `${format.count(found.length)} ${found.length === 1 ? "connector" : "connectors"}`;
    setText(byId("chargers-title"), unruly ? `${told}, ${format.count(unruly)} not under control` : told);
    this.rows.show(found);
  }

  fail(why) {
    byId("chargers").hidden = byId("chargers-problem").hidden = false;
    setText(byId("chargers-problem"), `No fresh numbers of chargers: ${why}`);
  }
}

function makeRow(each) {
  const made = Object.fromEntries(["status", "car", "amps", "limit", "power", "held", "obeys"].map((part) => [part, element("span", part)]));
  const small = (node) => element("small", "", node);
  const name = element("td", "vehicle", each.connector === null ? each.charger : `${each.charger}\u00a0·\u00a0${each.connector}`, small(made.status));
  const root = element("tr", "", name, element("td", "vehicle", made.car), element("td", "", made.amps, small(made.limit)));
  root.append(element("td", "", made.power, small(made.held), small(made.obeys)));
  root.dataset.charger = each.charger;
  return { root, ...made };
}

function fill(row, each, session) {
  const hasCar = each.session_id !== null;
  setData(row.root, "obedience", each.obedience);
  setData(row.root, "connected", String(each.connected));
  setData(row.root, "waits", String(session?.state === "Waiting"));
  setText(row.status, each.connected ? (STATUS[each.status] ?? each.status ?? "") : offline(each.since));
  setText(row.car, session?.vehicle_id ?? (hasCar ? "a car" : "–"));
  setText(row.amps, ampsByPhase(each.currents_a ?? []));
  setText(row.limit, hasCar && each.limit_a !== null ? `limit ${format.amps(each.limit_a)} A` : "");
  setText(row.power, each.power_kw === null ? "–" : `${format.power(each.power_kw)} kW`);
  setText(row.held, each.offer_kw === null ? "" : offer(each, session));
  setText(row.obeys, OBEDIENCE[each.obedience] ?? each.obedience);
}

// Its edge may have begun after it left: then nobody knows since when.
function offline(since) {
  if (since === null) return "not connected";
  const [left, now] = [new Date(since), new Date()];
  const isToday = left.toDateString() === now.toDateString();
  return isToday ? `offline since ${format.shortTime(left)}` : `offline for ${format.duration((now - left) / 1000)}`;
}

// "3 × 16.0 A" where all phases have the same.
function ampsByPhase(currents) {
  const amps = currents.map((value) => (value === null ? "–" : format.amps(value)));
  if (amps.every((text) => text === "–")) return "–";
  const same = amps.length > 1 && amps.every((text) => text === amps[0]);
  return same ? `${amps.length} × ${amps[0]} A` : `${amps.join(" / ")} A`;
}

// Why there is nothing, or what is offered. What may be drawn until the charger has confirmed less is shown only where it
// is more than that.
function offer({ offer_kw, held_kw }, session) {
  const held = held_kw !== null && held_kw > offer_kw + 0.05 ? `, may still draw ${format.power(held_kw)}` : "";
  if (session?.state === "Waiting") return `waits, place\u00a0${session.position}${held}`;
  if (session?.state === "SuspendedEV") return `the car takes nothing${held}`;
  return offer_kw > 0 ? `offered ${format.power(offer_kw)} kW${held}` : `paused${held}`;
}
