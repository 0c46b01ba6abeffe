// Fetches the same JSON again and again, one request at a time, and says how long ago the last answer came.

export class Poll {
  constructor(intervalMs, timeoutMs, onAnswer, onFailure) {
    Object.assign(this, { intervalMs, timeoutMs, onAnswer, onFailure, url: null, round: 0, timer: 0 });
  }

  start(url) {
    this.stop();
    this.url = url;
    this.ask(this.round);
  }

  stop() {
    this.round += 1;
    this.url = null;
    clearTimeout(this.timer);
  }

  // After the machine slept or the tab was hidden, timers may be far off.
  hurry() {
    if (this.url) this.start(this.url);
  }

  async ask(round) {
    const begun = performance.now();
    try {
      const answer = await fetch(this.url, { signal: AbortSignal.timeout(this.timeoutMs), cache: "no-store" });
      const body = await answer.json();
      if (round !== this.round) return;
      if (answer.ok) this.onAnswer(body);
      else this.onFailure(body.detail ?? `Status ${answer.status}`, answer.status);
    } catch (error) {
      if (round !== this.round) return;
      this.onFailure(error.name === "TimeoutError" ? "no answer" : "not reachable", 0);
    }
    this.timer = setTimeout(() => this.ask(round), Math.max(50, this.intervalMs - (performance.now() - begun)));
  }
}
