// What most tests begin with: a server, a clock that stands still, and clients that end with them.
import { test as nodeTest } from 'node:test';
import { Weir } from '../../../edge/web/weir.js';
import { Clock, REAL_DEADLINE_MS } from './clock.mjs';
import { WebSocket } from './modules.mjs';
import { Server } from './server.mjs';

// One that waits for what does not come fails, rather than everything.
export function test(name, fn) {
  return nodeTest(name, { timeout: 2 * REAL_DEADLINE_MS }, fn);
}

export async function start(t, options) {
  const server = await Server.start(options);
  const clock = new Clock();
  const clients = [];
  t.after(() => {
    for (const weir of clients) {
      weir._socket?.terminate(); // rather than wait for an answer to its Close
      weir.close();
    }
    server.stop();
    clock.restore();
  });
  return {
    server,
    clock,
    // `seen` gets each event of these as [event, value].
    client(options, events = 'state connected message error auth close token:expiring') {
      const weir = new Weir(options?.url ?? server.url, { WebSocket, token: 'a.b.c', ...options });
      clients.push(weir);
      return Object.assign(weir, { seen: watch(weir, events) });
    },
  };
}

export function watch(emitter, events) {
  const seen = [];
  for (const event of events.split(' ')) emitter.on(event, (value) => seen.push([event, value]));
  return seen;
}

export function of(seen, event) {
  return seen.filter(([one]) => one === event).map(([, value]) => value);
}

export const chat = (room, seq, text = `m${seq}`, epoch = 'e1') => ({
  type: 'chat', room, from: 'c9', user: 'bob', epoch, seq, timestamp: seq, text,
});

export const joined = (join, seq, fields) => ({
  type: 'joined', room: join.room, epoch: 'e1', seq, members: 1, id: join.id, ...fields,
});
