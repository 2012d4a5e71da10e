// A clock that stands still until it is told to go on: setTimeout, clearTimeout and Date.now. What
// comes from sockets still comes by itself; `until` waits for it in real time. (node:test has such
// timers only from node 20 on.)

const real = { setTimeout, clearTimeout, setImmediate, now: Date.now, random: Math.random };
export const REAL_DEADLINE_MS = 10000 * Number(process.env.TEST_SLOW ?? 1);

export class Clock {
  constructor() {
    this.ms = 1_800_000_000_000;
    this.timers = new Map(); // id -> { at, fn }
    this.lastId = 0;
    globalThis.setTimeout = (fn, ms = 0, ...args) => {
      this.timers.set(++this.lastId, { at: this.ms + (ms > 0 ? ms : 0), fn: () => fn(...args) });
      return this.lastId;
    };
    globalThis.clearTimeout = (id) => this.timers.delete(id);
    Date.now = () => this.ms;
  }

  // Everything that is due within `ms`, in order.
  async go(ms) {
    const end = this.ms + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end);
      if (due.length === 0) break;
      const [id, timer] = due.reduce((one, two) => (two[1].at < one[1].at ? two : one));
      this.timers.delete(id);
      this.ms = Math.max(this.ms, timer.at);
      timer.fn();
      await pause();
    }
    this.ms = Math.max(this.ms, end);
  }

  // Milliseconds until the next timer; what `ws` has set for itself is longer.
  next() {
    return Math.min(...[...this.timers.values()].map((timer) => timer.at)) - this.ms;
  }

  restore() {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.now;
    Math.random = real.random;
  }
}

export function pause() {
  return new Promise((resolve) => real.setImmediate(resolve));
}

// The first true value of `condition()`.
export async function until(condition, what = condition) {
  const deadline = real.now() + REAL_DEADLINE_MS;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (real.now() > deadline) throw new Error(`never came true: ${what}`);
    await pause();
  }
}
