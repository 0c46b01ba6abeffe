// Numbers and times as people read them, in the reader's own locale.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hundredth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const upToTenth = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export const count = (value) => whole.format(value);
export const short = (value) => upToTenth.format(value);
export const power = (kw) => (Math.abs(kw) >= 1000 ? whole : tenth).format(kw);
export const axisPower = (kw) => (kw >= 10_000 ? `${upToTenth.format(kw / 1000)} MW` : `${whole.format(kw)} kW`);
export const energy = (kwh) => (kwh >= 100 ? tenth : hundredth).format(kwh);
export const rate = (perSecond) => (perSecond >= 100 ? whole : tenth).format(perSecond);
export const amps = (value) => tenth.format(value);
export const percent = (share) => `${whole.format(100 * share)} %`;
export const time = (date) => clock.format(date);
export const shortTime = (date) => shortClock.format(date);

export const cars = (number) => `${count(number)} ${number === 1 ? "car" : "cars"}`;
export const waiting = (number) => `${count(number)} ${number === 1 ? "waits" : "wait"}`;

export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// The colours of load that the dashboards have too: green to 70 %, amber to 90 %, red above.
export const level = (share) => (share > 0.9 ? "red" : share > 0.7 ? "amber" : "green");
