// weir.js, driven by a test: each line of standard input is a JSON action, each thing that happens
// is a JSON line on standard output. Usage: node driven.mjs '{"urls":[URL...],"token":JWT,...}'
//
// The n-th connection goes to the n-th URL, round and round. With "asks": true a token is asked for
// by {"event":"token?"} and given by {"token":JWT}.
import readline from 'node:readline';
import { Weir } from '../../../edge/web/weir.js';
import { WebSocket } from './modules.mjs';

const { urls, asks, events = [], ...options } = JSON.parse(process.argv[2]);
const rooms = new Map();
const answers = []; // to getToken
let tries = 0;

function tell(event, value) {
  process.stdout.write(JSON.stringify({ event, ...value }) + '\n');
}

function watch(emitter, names, where) {
  for (const name of names) {
    emitter.on(name, (value) => {
      const { code, message } = value;
      if (value instanceof Error) tell(name, { ...where, code, message });
      else if (typeof value === 'string') tell(name, { value: { [name]: value } });
      else tell(name, { ...where, value });
    });
  }
}

function getToken() {
  tell('token?');
  return new Promise((resolve) => answers.push(resolve));
}

const weir = new Weir(() => urls[tries++ % urls.length], {
  WebSocket, ...options, ...(asks && { getToken }),
});
watch(weir, ['state', 'connected', 'error', 'auth', 'close', 'token:expiring', ...events], {});

const calls = {
  join({ room, ...how }) {
    const joined = weir.join(room, how);
    if (!rooms.has(room)) {
      rooms.set(room, joined);
      watch(joined, ['message', 'gap', 'recovered', 'reset', 'left', 'error',
        'member:join', 'member:leave'], { room });
    }
    return joined.ready;
  },
  publish: ({ room, args }) => weir.join(room).publish(...args),
  history: ({ room, args }) => weir.join(room).history(...args),
  presence: ({ room }) => weir.join(room).presence(),
  async leave({ room }) {
    await weir.join(room).leave();
    rooms.delete(room);
  },
  direct: ({ args }) => weir.direct(...args),
  broadcast: ({ args }) => weir.broadcast(...args),
  renew: ({ args }) => weir.renew(...args),
  close: () => weir.close(),
  // Publishes 1 to `count`, one each `every` milliseconds, and says how it went.
  async flood({ room, count, every }) {
    const results = [];
    for (let n = 1; n <= count; n++) {
      const answer = weir.join(room).publish('chat', { n });
      results.push(answer.then(() => null, ({ code, outcome }) => [code, outcome]));
      await new Promise((resolve) => setTimeout(resolve, every));
    }
    return { failed: (await Promise.all(results)).filter(Boolean) };
  },
};

readline.createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { call, token, ...rest } = JSON.parse(line);
    if (token !== undefined) {
      answers.shift()(token);
      return;
    }
    try {
      tell('done', { call, value: await calls[call](rest) });
    } catch ({ code, outcome, message }) {
      tell('failed', { call, code, outcome, message });
    }
  })
  .on('close', () => process.exit(0));
