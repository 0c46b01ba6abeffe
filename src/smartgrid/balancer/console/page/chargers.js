// The chargers of one substation, below its cars: who is plugged in where, how many amps flow, and who does not obey.

import { byId, element, setData, setText } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { Rows } from "./rows.js";

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 4000;
const OBEDIENCE = { ignores: "does not obey", rejects: "refuses limits", unknown: "", obeys: "" };

export class Chargers {
  constructor() {
    this.vehicles = new Map();
    this.rows = new Rows(byId("chargers-rows"), (each) => `${each.charger}\n${each.connector}`, makeRow, (row, each) =>
      fill(row, each, this.vehicles.get(each.session_id)),
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

  // Whose cars these are, the sessions say.
  know(sessions) {
    this.vehicles = new Map(sessions.map((session) => [session.session_id, session.vehicle_id]));
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
  const name = element("td", "vehicle", each.connector === null ? each.charger : `${each.charger} · ${each.connector}`, small(made.status));
  const root = element("tr", "", name, element("td", "vehicle", made.car), element("td", "", made.amps, small(made.limit)));
  root.append(element("td", "", made.power, small(made.held), small(made.obeys)));
  root.dataset.charger = each.charger;
  return { root, ...made };
}

function fill(row, each, vehicle) {
  setData(row.root, "obedience", each.obedience);
  setData(row.root, "connected", String(each.connected));
  setText(row.status, each.connected ? (each.status ?? "") : "not connected");
  setText(row.car, vehicle ?? (each.session_id === null ? "–" : "a car"));
  const amps = (each.currents_a ?? []).map((value) => (value === null ? "–" : format.amps(value)));
  setText(row.amps, amps.some((text) => text !== "–") ? `${amps.join(" / ")} A` : "–");
  setText(row.limit, each.limit_a === null ? "" : `limit ${format.amps(each.limit_a)} A`);
  setText(row.power, each.power_kw === null ? "–" : `${format.power(each.power_kw)} kW`);
  setText(row.held, each.offer_kw === null ? "" : offer(each));
  setText(row.obeys, OBEDIENCE[each.obedience] ?? each.obedience);
}

// What may be drawn until the charger has confirmed less is shown only where it is more than what is offered.
function offer({ offer_kw, held_kw }) {
  const held = held_kw !== null && held_kw > offer_kw + 0.05 ? `, may still draw ${format.power(held_kw)}` : "";
  return `offered ${format.power(offer_kw)} kW${held}`;
}
