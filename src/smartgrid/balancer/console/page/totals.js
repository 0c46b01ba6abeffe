// The whole grid in a few numbers.

import { byId, setData, setShare, setText } from "./dom.js";
import * as format from "./format.js";

const WINDOW_MS = 5000;
const marks = [];

export function sums(substations) {
  // What does not answer is not counted, as the balancer does not count on it either.
  const answering = substations.filter((each) => each.capacity_kw !== null && each.state !== "Silent");
  const sum = (key) => answering.reduce((total, each) => total + each[key], 0);
  return {
    capacity_kw: sum("capacity_kw"),
    load_kw: sum("load_kw"),
    committed_kw: sum("committed_kw"),
    demand_kw: sum("demand_kw"),
    sessions: sum("sessions"),
    waiting: sum("waiting"),
    waiting_kw: sum("waiting_kw"),
    rotation: substations.filter((each) => each.state === "Available").length,
  };
}

// Counts per second over the last seconds. A counter that fell is another balancer's, or one that began anew.
export function rates(admitted, rejected, now) {
  const last = marks.at(-1);
  if (last && (admitted < last.admitted || rejected < last.rejected)) marks.length = 0;
  marks.push({ now, admitted, rejected });
  while (marks.length > 2 && now - marks[0].now > WINDOW_MS) marks.shift();
  const passed = (now - marks[0].now) / 1000;
  if (passed < 0.3) return null;
  return { admitted: (admitted - marks[0].admitted) / passed, rejected: (rejected - marks[0].rejected) / passed };
}

export function show(substations, total, perSecond) {
  const load = total.capacity_kw ? total.load_kw / total.capacity_kw : 0;
  setText(byId("total-load"), format.percent(load));
  setText(byId("total-capacity"), `${format.power(total.load_kw)} of ${format.power(total.capacity_kw)} kW`);
  setShare(byId("total-fill"), load);
  setData(byId("total-fill"), "level", format.level(load));
  setText(byId("total-committed"), format.power(total.committed_kw));
  setText(byId("total-demand"), format.power(total.demand_kw));
  setText(byId("total-sessions"), format.count(total.sessions));
  setText(byId("total-waiting"), format.count(total.waiting));
  setText(byId("total-waiting-power"), total.waiting ? `${format.power(total.waiting_kw)} kW` : "");
  setText(byId("total-substations"), format.count(substations.length));
  const out = substations.length - total.rotation;
  setText(byId("total-rotation"), out ? `${format.count(out)} without new cars` : "all take cars");
  setText(byId("total-decisions"), perSecond ? format.rate(perSecond.admitted) : "–");
  setText(byId("total-rejected"), perSecond ? format.rate(perSecond.rejected) : "–");
}
