// The last minutes as lines. A sample a second: kW of load, guaranteed, demand and capacity, and what was counted.

import { byId, element, setText } from "./dom.js";
import * as format from "./format.js";

const LENGTH = 600;
const WIDTH = 1000;
const HEIGHT = 100;
const LINES = ["capacity", "demand", "load", "committed"];
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  constructor() {
    this.samples = [];
    this.counted = null; // what the page itself saw last
    this.power = byId("chart-power");
    this.paths = makePaths(this.power, ["area", ...LINES]);
    this.counts = makePaths(byId("chart-decisions"), ["decisions", "rejected"]);
    const figure = byId("chart");
    figure.addEventListener("pointermove", (event) => this.point(event));
    figure.addEventListener("pointerleave", () => this.unpoint());
  }

  // The server's history, once at the start and again after the connection was lost.
  load(history) {
    const at = Object.fromEntries(history.columns.map((column, index) => [column, index]));
    const end = Date.now();
    const first = history.samples.length - 1;
    this.samples = history.samples.map((row, index) => {
      const before = history.samples[Math.max(0, index - 1)];
      return {
        time: end - (first - index) * 1000 * history.interval_s,
        load: row[at.load_kw],
        committed: row[at.committed_kw],
        demand: row[at.demand_kw],
        capacity: row[at.capacity_kw],
        decisions: Math.max(0, row[at.admitted] - before[at.admitted]) / history.interval_s,
        rejected: Math.max(0, row[at.rejected] - before[at.rejected]) / history.interval_s,
      };
    });
    this.draw();
  }

  add(total, admitted, rejected) {
    const now = Date.now();
    const last = this.samples.at(-1);
    if (last && now - last.time < 950) return;
    const before = this.counted;
    this.counted = { now, admitted, rejected };
    const perSecond = (key) => (before ? Math.max(0, (1000 * (this.counted[key] - before[key])) / (now - before.now)) : 0);
    this.samples.push({
      time: now,
      load: total.load_kw,
      committed: total.committed_kw,
      demand: total.demand_kw,
      capacity: total.capacity_kw,
      decisions: perSecond("admitted"),
      rejected: perSecond("rejected"),
    });
    this.draw();
  }

  draw() {
    const end = Date.now();
    this.samples = this.samples.filter((sample) => end - sample.time <= LENGTH * 1000);
    if (!this.samples.length) return;
    this.begin = Math.min(this.samples[0].time, end - 60_000);
    this.end = end;
    const top = niceTop(Math.max(1, ...this.samples.flatMap((sample) => LINES.map((line) => sample[line]))));
    const topCount = niceTop(Math.max(1, ...this.samples.map((sample) => Math.max(sample.decisions, sample.rejected))));
    for (const line of LINES) this.paths[line].setAttribute("d", this.path(line, top));
    this.paths.area.setAttribute("d", this.area(top));
    for (const line of ["decisions", "rejected"]) this.counts[line].setAttribute("d", this.path(line, topCount));
    ruler(byId("chart-scale"), this.power, top, 4, format.axisPower);
    ruler(byId("chart-decisions-scale"), byId("chart-decisions"), topCount, 1, (value) => format.short(value));
    this.times();
    this.describe();
  }

  x(time) {
    return ((time - this.begin) / (this.end - this.begin)) * WIDTH;
  }

  path(line, top) {
    return this.samples
      .map((sample, index) => {
        const gap = index === 0 || sample.time - this.samples[index - 1].time > 5000;
        return `${gap ? "M" : "L"}${this.x(sample.time).toFixed(1)} ${(HEIGHT * (1 - sample[line] / top)).toFixed(2)}`;
      })
      .join("");
  }

  area(top) {
    const line = this.path("load", top).replaceAll(/(?!^)M/g, "L");
    const first = this.x(this.samples[0].time).toFixed(1);
    const last = this.x(this.samples.at(-1).time).toFixed(1);
    return `${line}L${last} ${HEIGHT}L${first} ${HEIGHT}Z`;
  }

  times() {
    const minutes = (this.end - this.begin) / 60_000;
    const step = minutes > 5 ? 2 : minutes > 2 ? 1 : 0.5;
    const marks = [];
    for (let ago = Math.floor(minutes / step) * step; ago >= 0; ago -= step) {
      const mark = element("span", "", ago ? `${format.count(ago * 60)} s ago`.replace(/^(\d+) s/, minuteText(ago)) : "now");
      mark.style.left = `${this.x(this.end - ago * 60_000) / (WIDTH / 100)}%`;
      if (!ago || this.x(this.end - ago * 60_000) > 30) marks.push(mark);
    }
    byId("chart-times").replaceChildren(...marks);
  }

  describe() {
    const last = this.samples.at(-1);
    const loads = this.samples.map((sample) => sample.load);
    const text =
      `Load ${format.power(last.load)} kW now, between ${format.power(Math.min(...loads))} and ` +
      `${format.power(Math.max(...loads))} kW in the last ${format.duration((this.end - this.samples[0].time) / 1000)}; ` +
      `demand ${format.power(last.demand)} kW, capacity ${format.power(last.capacity)} kW.`;
    setText(byId("chart-summary"), text);
  }

  point(event) {
    if (!this.samples.length) return;
    const box = this.power.getBoundingClientRect();
    const along = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const time = this.begin + along * (this.end - this.begin);
    const nearest = this.samples.reduce((a, b) => (Math.abs(b.time - time) < Math.abs(a.time - time) ? b : a));
    const cursor = byId("chart-cursor");
    const readout = byId("chart-readout");
    cursor.hidden = readout.hidden = false;
    cursor.style.left = `${along * box.width}px`;
    setText(
      readout,
      [
        format.time(nearest.time),
        ...LINES.map((line) => `${line === "committed" ? "guaranteed" : line} ${format.power(nearest[line])} kW`),
        `decisions ${format.rate(nearest.decisions)}/s`,
      ].join("\n"),
    );
    const right = along > 0.5;
    readout.style.left = right ? "" : `${along * box.width + 12}px`;
    readout.style.right = right ? `${box.width * (1 - along) + 68}px` : "";
  }

  unpoint() {
    byId("chart-cursor").hidden = byId("chart-readout").hidden = true;
  }
}

const minuteText = (ago) => (ago < 1 ? `${60 * ago} s` : `${ago} min`);

function makePaths(svg, names) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const found = {};
  for (const name of names) {
    found[name] = document.createElementNS(SVG, "path");
    found[name].setAttribute("class", name);
    svg.append(found[name]);
  }
  return found;
}

function niceTop(value) {
  const wanted = value * 1.05;
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return unit * [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].find((step) => step * unit >= wanted);
}

function ruler(scale, svg, top, steps, text) {
  const values = Array.from({ length: steps + 1 }, (_, step) => (top * step) / steps);
  const labels = values.map(text).join();
  if (scale.dataset.labels === labels) return;
  scale.dataset.labels = labels;
  scale.replaceChildren(
    ...values.map((value) => {
      const mark = element("span", "", text(value));
      mark.style.top = `${100 * (1 - value / top)}%`;
      return mark;
    }),
  );
  for (const line of svg.querySelectorAll("line")) line.remove();
  for (const value of values) {
    const line = document.createElementNS(SVG, "line");
    const y = String(HEIGHT * (1 - value / top));
    Object.entries({ x1: "0", x2: String(WIDTH), y1: y, y2: y }).forEach(([key, at]) => line.setAttribute(key, at));
    svg.prepend(line);
  }
}
