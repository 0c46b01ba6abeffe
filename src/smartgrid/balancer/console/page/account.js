// Who looks at the page, what they may do, and how they sign in and out.

import { byId, setText } from "./dom.js";

const TIMEOUT_MS = 10_000;
const MAY_NOT = "You are known here, and may not see the grid: that needs the scope grid:read.";
const ENDED = "You are not signed in any more.";
const FAILURES = {
  "may-not": MAY_NOT,
  denied: "You were not signed in.",
  provider: "The identity provider does not answer as it should. Try again.",
  "other-login": "This login was begun elsewhere, or too long ago. Try again.",
};

// What the page itself sends: another site cannot set this header, so it cannot act in the reader's name.
const PROOF = { "Smartgrid-Console": "1" };

export class Account {
  constructor(onSignedIn) {
    this.onSignedIn = onSignedIn;
    this.scopes = new Set();
    this.failure = "";
    byId("sign-out").addEventListener("click", () => this.signOut());
    byId("to-sign-in").addEventListener("click", () => (byId("sign-in").hidden = false));
    byId("sign-in-token").addEventListener("submit", (event) => {
      event.preventDefault();
      this.withToken(byId("token").value.trim());
    });
  }

  may(scope) {
    return this.scopes.has(scope);
  }

  // What the address brings is taken out of it first: it must not stay in the history, nor be sent on with the link.
  async begin() {
    const brought = new URLSearchParams(location.hash.slice(1));
    const token = brought.get("token");
    const failure = brought.get("sign-in");
    if (token !== null || failure !== null) history.replaceState(null, "", location.pathname);
    this.failure = FAILURES[failure] ?? "";
    if (token !== null) await this.exchange(token);
    return this.look();
  }

  // Asks the balancer who this is; false where it cannot be asked now.
  async look() {
    const answer = await send("GET", "/console/session");
    if (!answer.ok) return false;
    const { asks, signed_in: signedIn, scopes, provider } = answer.body;
    this.scopes = new Set(scopes);
    byId("sign-out").hidden = !signedIn;
    byId("sign-in-provider").hidden = !provider;
    const isOut = asks && !this.may("grid:read");
    this.show(isOut);
    byId("to-sign-in").hidden = !asks || signedIn || isOut; // who may look without a name may have one all the same
    if (!isOut) this.onSignedIn();
    return true;
  }

  // The balancer says that it does not know the reader any more. It is not asked again: if another balancer answers
  // that than the one that sends the numbers, the two would send the page back and forth.
  lost() {
    this.scopes = new Set();
    this.failure = ENDED;
    byId("sign-out").hidden = byId("to-sign-in").hidden = true;
    this.show(true);
  }

  show(isOut) {
    byId("sign-in").hidden = !isOut;
    byId("main").hidden = isOut;
    document.body.classList.toggle("signed-out", isOut);
    byId("sign-in-problem").hidden = !this.failure;
    setText(byId("sign-in-problem"), this.failure);
  }

  async withToken(token) {
    if (!token) return;
    byId("token").value = "";
    await this.exchange(token);
    await this.look();
  }

  async exchange(token) {
    const answer = await send("POST", "/console/session", undefined, { Authorization: `Bearer ${token}` });
    this.failure = answer.ok ? "" : answer.status === 403 ? MAY_NOT : `You are not signed in: ${answer.detail}`;
  }

  async signOut() {
    await send("DELETE", "/console/session");
    location.reload();
  }
}

// One request that changes something, or asks for something once. Never throws: `detail` says what went wrong.
export async function send(method, path, body, headers = {}) {
  const sent = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    const answer = await fetch(path, {
      method,
      headers: { ...PROOF, ...sent, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const found = await answer.json();
    return { ok: answer.ok, status: answer.status, body: found, detail: found.detail ?? "" };
  } catch {
    return { ok: false, status: 0, body: null, detail: "The balancer does not answer." };
  }
}
