// The cars at one substation, in a panel beside the fleet.

import { byId, element, setShare, setText } from "./dom.js";
import * as format from "./format.js";
import { stopButton } from "./operate.js";
import { Poll } from "./poll.js";

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 4000;

export class Details {
  constructor(onClose) {
    this.name = null;
    this.rows = new Map();
    this.poll = new Poll(INTERVAL_MS, TIMEOUT_MS, (body) => this.show(body), (why, status) => this.fail(why, status));
    byId("details-close").addEventListener("click", onClose);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.name !== null) onClose();
    });
  }

  open(name) {
    this.name = name;
    this.rows.clear();
    byId("details-rows").replaceChildren();
    byId("details-empty").hidden = byId("details-problem").hidden = byId("details-done").hidden = true;
    setText(byId("details-title"), name);
    setText(byId("details-state"), "");
    byId("details").hidden = false;
    document.body.classList.add("opened");
    byId("details-title").focus();
    this.poll.start(`/console/sessions/${encodeURIComponent(name)}`);
  }

  close() {
    this.name = null;
    this.poll.stop();
    byId("details").hidden = true;
    document.body.classList.remove("opened");
  }

  // The same numbers as on the substation's card.
  update(substation) {
    if (!substation || substation.capacity_kw === null) return;
    setText(
      byId("details-state"),
      `${format.power(substation.load_kw)} of ${format.power(substation.capacity_kw)} kW given, ` +
        `${format.power(substation.committed_kw)} guaranteed, ${format.power(substation.demand_kw)} wanted, ` +
        `${format.count(substation.sessions)} ${substation.sessions === 1 ? "car" : "cars"}`,
    );
  }

  // What an operator has just had done here.
  say(what) {
    byId("details-done").hidden = false;
    setText(byId("details-done"), what);
    this.poll.hurry();
  }

  show({ sessions, more }) {
    const problem = byId("details-problem");
    problem.hidden = !more;
    if (more) setText(problem, `Only the ${format.count(sessions.length)} newest are shown.`);
    byId("details-empty").hidden = sessions.length > 0;
    const present = new Set(sessions.map((session) => session.session_id));
    for (const [id, row] of this.rows) {
      if (!present.has(id)) {
        row.root.remove();
        this.rows.delete(id);
      }
    }
    const body = byId("details-rows");
    sessions.forEach((session, index) => {
      if (!this.rows.has(session.session_id)) this.rows.set(session.session_id, makeRow(session));
      const row = this.rows.get(session.session_id);
      fill(row, session);
      if (body.children[index] !== row.root) body.insertBefore(row.root, body.children[index] ?? null);
    });
  }

  fail(why, status) {
    const problem = byId("details-problem");
    problem.hidden = false;
    setText(problem, status === 404 ? "This substation has left the grid." : `No fresh sessions: ${why}`);
  }
}

function makeRow(session) {
  const made = { power: element("span", ""), range: element("small", ""), energy: element("span", ""), age: element("td", "") };
  made.powerFill = element("span", "fill");
  made.energyFill = element("span", "fill");
  const vehicle = element("td", "vehicle", session.vehicle_id);
  const power = element("td", "", made.power, element("div", "track", made.powerFill), made.range);
  const energy = element("td", "", made.energy, element("div", "track", made.energyFill));
  const root = element("tr", "", vehicle, power, energy, made.age, element("td", "act", stopButton()));
  Object.assign(root.dataset, { session: session.session_id, vehicle: session.vehicle_id });
  return { root, ...made };
}

function fill(row, session) {
  const suspended = session.state === "SuspendedEVSE";
  setText(row.power, suspended ? "waits for power" : `${format.power(session.power_kw)} kW`);
  setText(row.range, `${format.power(session.min_power_kw)} to ${format.power(session.max_power_kw)} kW`);
  setText(row.energy, `${format.energy(session.delivered_kwh)} of ${format.energy(session.energy_kwh)} kWh`);
  setText(row.age, format.duration((Date.now() - Date.parse(session.started_at)) / 1000));
  setShare(row.powerFill, session.power_kw / session.max_power_kw);
  setShare(row.energyFill, session.delivered_kwh / session.energy_kwh);
}
