// The cars at one substation, in a panel beside the fleet.

import { Chargers } from "./chargers.js";
import { byId, element, setShare, setText } from "./dom.js";
import * as format from "./format.js";
import { stopButton } from "./operate.js";
import { Poll } from "./poll.js";
import { Rows } from "./rows.js";

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 4000;
const POWERLESS = { SuspendedEVSE: "no power now", SuspendedEV: "takes nothing", Reserved: "not plugged in yet" };

export class Details {
  constructor(onClose) {
    this.name = null;
    const key = (session) => session.session_id;
    this.charging = new Rows(byId("details-rows"), key, makeRow, fill);
    this.waiting = new Rows(byId("waiting-rows"), key, makeWaitingRow, fillWaiting);
    this.chargers = new Chargers();
    this.poll = new Poll(INTERVAL_MS, TIMEOUT_MS, (body) => this.show(body), (why, status) => this.fail(why, status));
    byId("details-close").addEventListener("click", onClose);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.name !== null) onClose();
    });
  }

  open(name) {
    this.name = name;
    this.charging.clear();
    this.waiting.clear();
    byId("waiting").hidden = byId("details-empty").hidden = byId("details-problem").hidden = byId("details-done").hidden = true;
    setText(byId("details-title"), name);
    setText(byId("details-state"), "");
    byId("details-over").hidden = true;
    byId("details").hidden = false;
    document.body.classList.add("opened");
    byId("details-title").focus();
    this.poll.start(`/console/sessions/${encodeURIComponent(name)}`);
  }

  close() {
    this.name = null;
    this.poll.stop();
    this.chargers.follow(null, false);
    byId("details").hidden = true;
    document.body.classList.remove("opened");
  }

  // The same numbers as on the substation's card.
  update(substation, hasEdge) {
    this.chargers.follow(substation ? this.name : null, hasEdge);
    if (!substation || substation.capacity_kw === null) return;
    byId("details-over").hidden = !(substation.overbooked_kw > 0);
    setText(byId("details-over"), overText(substation));
    setText(
      byId("details-state"),
      `${format.power(substation.load_kw)} of ${format.power(substation.capacity_kw)} kW given, ` +
        `${format.power(substation.committed_kw)} guaranteed, ${format.power(substation.demand_kw)} wanted, ` +
        format.cars(substation.sessions) +
        (substation.waiting ? `, ${format.waiting(substation.waiting)}` : ""),
    );
  }

  // What an operator has just had done here.
  say(what) {
    byId("details-done").hidden = false;
    setText(byId("details-done"), what);
    this.poll.hurry();
  }

  show({ sessions, waiting, more }) {
    const problem = byId("details-problem");
    problem.hidden = !more;
    if (more) setText(problem, `Only the ${format.count(sessions.length + waiting.length)} newest are shown.`);
    byId("details-empty").hidden = sessions.length > 0;
    byId("waiting").hidden = waiting.length === 0;
    setText(byId("waiting-title"), `${format.waiting(waiting.length)} for power`);
    this.chargers.know([...sessions, ...waiting]);
    this.charging.show(sessions);
    this.waiting.show(waiting);
  }

  fail(why, status) {
    const problem = byId("details-problem");
    problem.hidden = false;
    setText(problem, status === 404 ? "This substation has left the grid." : `No fresh sessions: ${why}`);
  }
}

// Chargers may draw more than there is: after a cut, until they have confirmed it, or where they do not obey.
function overText({ booked_kw: booked, metered_kw: metered, overbooked_kw: over }) {
  if (!(over > 0)) return "";
  return (
    `Above its capacity: chargers may draw ${format.power(booked)} kW, ${format.power(over)} kW too much. ` +
    `Their meters show ${format.power(metered)} kW.`
  );
}

function makeRow(session) {
  const made = { power: element("span", ""), range: element("small", ""), energy: element("span", ""), age: element("td", "") };
  made.powerFill = element("span", "fill");
  made.energyFill = element("span", "fill");
  const vehicle = element("td", "vehicle", session.vehicle_id);
  const power = element("td", "", made.power, element("div", "track", made.powerFill), made.range);
  const energy = element("td", "", made.energy, element("div", "track", made.energyFill));
  const root = element("tr", "", vehicle, power, energy, made.age, element("td", "act", stopButton()));
  mark(root, session);
  return { root, ...made };
}

function makeWaitingRow(session) {
  const made = { position: element("td", ""), asks: element("td", ""), age: element("td", ""), start: element("td", "") };
  const vehicle = element("td", "vehicle", session.vehicle_id);
  const root = element("tr", "", made.position, vehicle, made.asks, made.age, made.start, element("td", "act", stopButton()));
  mark(root, session);
  return { root, ...made };
}

// Whom the button stops.
function mark(root, session) {
  Object.assign(root.dataset, { session: session.session_id, vehicle: session.vehicle_id, state: session.state });
}

function fill(row, session) {
  setText(row.power, POWERLESS[session.state] ?? `${format.power(session.power_kw)} kW`);
  setText(row.range, `${format.power(session.min_power_kw)} to ${format.power(session.max_power_kw)} kW`);
  const wanted = session.energy_kwh === null ? "" : ` of ${format.energy(session.energy_kwh)}`;
  setText(row.energy, `${format.energy(session.delivered_kwh)}${wanted} kWh`);
  const since = session.started_at ?? session.joined_at;
  setText(row.age, since ? format.duration((Date.now() - Date.parse(since)) / 1000) : "–");
  setShare(row.powerFill, session.power_kw / session.max_power_kw);
  setShare(row.energyFill, session.energy_kwh ? session.delivered_kwh / session.energy_kwh : 0);
}

function fillWaiting(row, session) {
  setText(row.position, session.position ? format.count(session.position) : "–");
  const energy = session.energy_kwh === null ? "" : `${format.energy(session.energy_kwh)} kWh, `;
  setText(row.asks, `${energy}up to ${format.power(session.max_power_kw)} kW`);
  setText(row.age, format.duration((Date.now() - Date.parse(session.joined_at)) / 1000));
  setText(row.start, startText(session));
}

// When a car at a charger leaves that has named no energy nobody knows, nor who starts then.
function startText({ expected_start: expected, charger }) {
  if (!expected) return charger ? "once there is room" : "not before it leaves";
  const inS = (Date.parse(expected) - Date.now()) / 1000;
  return inS > 0 ? `${format.shortTime(Date.parse(expected))}, in ${format.duration(inS)}` : "any moment";
}
