// Polls the fleet twice a second and shows it; says so when the numbers are old.

import { Account } from "./account.js";
import { Chart } from "./chart.js";
import { Details } from "./details.js";
import { byId, setData, setText } from "./dom.js";
import { Fleet } from "./fleet.js";
import * as format from "./format.js";
import { Operate } from "./operate.js";
import { Poll } from "./poll.js";
import { rates, show, sums } from "./totals.js";

const INTERVAL_MS = 500;
const TIMEOUT_MS = 3000;
const LOST_AFTER_MS = 2500;

const chart = new Chart();
const details = new Details(() => choose(null));
const fleet = new Fleet((name) => choose(name === details.name ? null : name));
const poll = new Poll(INTERVAL_MS, TIMEOUT_MS, receive, (why, status) => fail(status));
const account = new Account(() => begin());
const operate = new Operate(account, (what) => details.say(what));
let lastAnswer = null;
let lost = false;
let substations = [];
let hasEdge = false;

function receive(body) {
  substations = body.substations.map((row) => Object.fromEntries(body.columns.map((column, at) => [column, row[at]])));
  hasEdge = body.has_edge;
  lastAnswer = Date.now();
  const total = sums(substations);
  const perSecond = rates(body.admitted, body.rejected, performance.now());
  show(substations, total, perSecond);
  fleet.update(substations, body.max_age_s);
  fleet.mark(details.name);
  update();
  chart.add(total, body.admitted, body.rejected);
  setText(document.querySelector("title"), `${format.percent(total.capacity_kw ? total.load_kw / total.capacity_kw : 0)} · ${body.name}`);
  watch();
}

function update() {
  const open = substations.find((each) => each.name === details.name);
  details.update(open, hasEdge);
  operate.update(open);
}

// Who is not known, or may not look any more, is asked to sign in; everything else is a lost connection.
function fail(status) {
  if (status === 401 || status === 403) {
    poll.stop();
    if (details.name !== null) choose(null);
    account.lost();
  } else {
    watch();
  }
}

function watch() {
  if (!poll.url) return;
  const age = lastAnswer === null ? null : Date.now() - lastAnswer;
  const isLost = age === null ? performance.now() > LOST_AFTER_MS : age > LOST_AFTER_MS;
  setData(byId("connection"), "state", isLost ? "lost" : age === null ? "connecting" : "live");
  setText(byId("connection-text"), isLost ? "Connection lost" : age === null ? "Connecting" : "Live");
  setText(byId("connection-time"), age === null ? "" : `· ${format.time(lastAnswer)}`);
  document.body.classList.toggle("lost", isLost);
  if (isLost !== lost) {
    byId("alert").hidden = !isLost;
    if (isLost) {
      setText(
        byId("alert"),
        lastAnswer === null
          ? "The balancer does not answer. Trying again."
          : `The balancer does not answer. All numbers are from ${format.time(lastAnswer)}. Trying again.`,
      );
    } else if (lastAnswer !== null) {
      loadHistory();
    }
    lost = isLost;
  }
}

async function loadHistory() {
  try {
    const answer = await fetch("/console/history", { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (answer.ok) chart.load(await answer.json());
  } catch {
    // The chart then begins with what the page itself sees.
  }
}

// The open substation is in the address, so that it can be linked to and the back button closes it.
function choose(name) {
  const hash = name === null ? "" : `#${encodeURIComponent(name)}`;
  if (name === null) history.pushState(null, "", location.pathname);
  else history.pushState(null, "", hash);
  follow();
}

function follow() {
  const name = decodeURIComponent(location.hash.slice(1)) || null;
  if (name === "fleet" || name === details.name) return;
  const before = details.name;
  if (name === null) details.close();
  else details.open(name);
  update();
  fleet.mark(name);
  if (name === null && before !== null) fleet.focus(before);
}

addEventListener("popstate", follow);
addEventListener("online", () => poll.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) poll.stop();
  else resume();
});

// Where the balancer does not answer who this is, the poll says so, and finds it again.
async function resume() {
  if (!(await account.look())) begin();
}

function begin() {
  poll.start("/console/feed");
  loadHistory();
}

setInterval(() => document.hidden || watch(), 500);
start();

async function start() {
  if (!(await account.begin())) begin();
  if (location.hash) follow();
}
