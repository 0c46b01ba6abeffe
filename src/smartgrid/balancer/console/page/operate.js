// What an operator changes: a substation's limit, whether it takes new cars, a session. Each is asked for once more.

import { send } from "./account.js";
import { byId, element, setText } from "./dom.js";
import * as format from "./format.js";

const MAX_KW = 100_000;

export class Operate {
  constructor(account, onDone) {
    this.account = account;
    this.onDone = onDone;
    this.substation = null;
    this.dialog = byId("confirm");
    byId("limit").addEventListener("click", () => this.limit());
    byId("drain").addEventListener("click", () => this.drain());
    byId("confirm-no").addEventListener("click", () => this.dialog.close());
    byId("confirm-yes").addEventListener("click", () => this.act());
    byId("confirm-value").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.act();
    });
    byId("details").addEventListener("click", (event) => {
      const button = event.target.closest("button.stop");
      if (button) this.stop(button.closest("tr").dataset);
    });
  }

  get isAllowed() {
    return this.account.may("grid:operate");
  }

  // The substation that is open in the panel, as it is now.
  update(substation) {
    this.substation = substation ?? null;
    byId("operate").hidden = !substation || substation.capacity_kw === null || !this.isAllowed;
    document.body.classList.toggle("operator", this.isAllowed);
    setText(byId("drain"), substation?.state === "Draining" ? "Take cars again…" : "Drain…");
  }

  limit() {
    const { name, capacity_kw: capacityKw } = this.substation;
    const value = byId("confirm-value");
    value.value = String(capacityKw);
    this.ask(`Limit ${name}`, "Its sessions are curtailed or resumed at once.", "Set the limit", {
      method: "PUT",
      path: `/substations/${encodeURIComponent(name)}/capacity`,
      body: () => ({ capacity_kw: value.valueAsNumber }),
      isValid: () => value.value !== "" && value.valueAsNumber >= 0 && value.valueAsNumber <= MAX_KW,
      wrong: `The limit must be a number of kW from 0 to ${format.count(MAX_KW)}.`,
      done: () => `The limit of ${name} is ${format.power(value.valueAsNumber)} kW.`,
      hasValue: true,
    });
  }

  drain() {
    const { name, state } = this.substation;
    const draining = state !== "Draining";
    const text = draining
      ? "It takes no new cars, also after a restart, until it is told to again. Those that charge there go on."
      : "It takes new cars again.";
    this.ask(`${draining ? "Drain" : "Take cars again at"} ${name}`, text, draining ? "Drain it" : "Take cars again", {
      method: "PUT",
      path: `/substations/${encodeURIComponent(name)}/draining`,
      body: () => ({ draining }),
      done: () => (draining ? `${name} takes no new cars.` : `${name} takes cars again.`),
    });
  }

  stop({ session, vehicle, state }) {
    const text = state === "Waiting" ? "It waits no longer, and never starts." : "The session ends, and its power goes to the others.";
    this.ask(`Stop ${vehicle}`, text, "Stop it", {
      method: "DELETE",
      path: `/charge/${encodeURIComponent(session)}`,
      done: () => `${vehicle} was stopped.`,
    });
  }

  ask(title, text, yes, action) {
    this.action = { hasValue: false, isValid: () => true, body: () => undefined, ...action };
    setText(byId("confirm-title"), title);
    setText(byId("confirm-text"), text);
    setText(byId("confirm-yes"), yes);
    byId("confirm-label").hidden = !this.action.hasValue;
    this.fail("");
    this.dialog.showModal();
    (this.action.hasValue ? byId("confirm-value") : byId("confirm-no")).focus();
  }

  async act() {
    const { method, path, body, isValid, wrong, done } = this.action;
    if (!isValid()) return this.fail(wrong);
    byId("confirm-yes").disabled = true;
    const answer = await send(method, path, body());
    byId("confirm-yes").disabled = false;
    if (answer.status === 401) this.account.lost();
    if (!answer.ok) return this.fail(answer.detail);
    this.dialog.close();
    this.onDone(done());
  }

  fail(why) {
    byId("confirm-problem").hidden = !why;
    setText(byId("confirm-problem"), why);
  }
}

export const stopButton = () => {
  const button = element("button", "stop", "Stop…");
  button.type = "button";
  return button;
};
