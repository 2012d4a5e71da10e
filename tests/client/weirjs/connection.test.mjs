// The connection: its states, when it comes back, and when it does not.
import assert from 'node:assert/strict';
import { Weir } from '../../../edge/web/weir.js';
import { pause, until } from './clock.mjs';
import { of, start, test } from './fixture.mjs';
import { WebSocket } from './modules.mjs';

const states = (weir) => of(weir.seen, 'state');

async function opened(t, options, fields) {
  const fixture = await start(t);
  const weir = fixture.client(options);
  const peer = await fixture.server.welcome(fields);
  await until(() => weir.state === 'open');
  return { ...fixture, weir, peer };
}

test('it connects by itself, without autojoin, the token among the subprotocols', async (t) => {
  const { server, client } = await start(t);
  const weir = client();
  assert.equal(weir.state, 'connecting');
  const peer = await server.accept();
  assert.equal(peer.url.search, '?autojoin=0');
  assert.deepEqual(peer.offered, ['weir.v1.json', 'bearer.a.b.c']);
  assert.equal(weir.state, 'connecting');
  peer.hello({ clientId: 'c7' });
  await until(() => weir.state === 'open');
  assert.equal(weir.clientId, 'c7');
  assert.equal(of(weir.seen, 'connected')[0].user, 'alice');
});

test('a URL may be http, relative to nothing here, or a function', async (t) => {
  const { server, client } = await start(t);
  client({ url: server.url.replace('ws:', 'http:') + '/ws?x=1' });
  assert.equal((await server.accept()).url.href, 'ws://server/ws?x=1&autojoin=0');
  client({ url: async () => server.url + '/elsewhere' });
  assert.equal((await server.accept()).url.pathname, '/elsewhere');
  assert.throws(() => new Weir('not a url', { WebSocket }), TypeError);
});

test('without a WebSocket or with an unknown codec it says so', () => {
  assert.throws(() => new Weir('ws://localhost', { WebSocket: undefined }), /no WebSocket/);
  assert.throws(() => new Weir('ws://localhost', { WebSocket, codec: 'xml' }), /no codec xml/);
});

test('close() ends it for good', async (t) => {
  const { weir, peer, clock, server } = await opened(t);
  weir.close();
  assert.equal(weir.state, 'closed');
  await until(() => peer.closed);
  assert.equal(peer.closed, 1000);
  await clock.go(100000);
  assert.equal(server.n, 1);
  assert.deepEqual(of(weir.seen, 'close'), [{ code: 1000, reason: 'normal' }]);
  weir.close();
  assert.deepEqual(states(weir), ['open', 'closed']);
});

test('a lost connection is made anew after at most a second', async (t) => {
  const { weir, peer, clock, server } = await opened(t);
  Math.random = () => 0.9;
  peer.cut();
  await until(() => weir.state === 'waiting');
  await clock.go(899);
  assert.equal(weir.state, 'waiting');
  await clock.go(1);
  await server.welcome({ clientId: 'c2' });
  await until(() => weir.state === 'open');
  assert.equal(weir.clientId, 'c2');
  assert.deepEqual(states(weir), ['open', 'waiting', 'connecting', 'open']);
});

test('the delay is random, its upper end doubles, and begins anew', async (t) => {
  let welcome = false;
  const { server, clock, client } = await start(t, { verifyClient: () => welcome });
  Math.random = () => 0.5;
  const weir = client({ minDelay: 100, maxDelay: 1000 });
  for (const most of [100, 200, 400, 800, 1000, 1000]) {
    await until(() => weir.state === 'waiting');
    await clock.go(most / 2 - 1);
    assert.equal(weir.state, 'waiting', `${most}`);
    await clock.go(1);
    assert.equal(weir.state, 'connecting', `${most}`);
  }
  await until(() => weir.state === 'waiting');
  welcome = true;
  await clock.go(500);
  const peer = await server.welcome();
  await until(() => weir.state === 'open');
  peer.cut();
  await until(() => weir.state === 'waiting');
  await clock.go(50);
  assert.equal(weir.state, 'connecting');
});

test('maxAttempts in a row, and it gives up', async (t) => {
  const { server, clock, client } = await start(t, { verifyClient: () => false });
  const weir = client({ maxAttempts: 2 });
  await until(() => weir.state === 'waiting');
  await clock.go(1000);
  await until(() => weir.state === 'closed');
  assert.equal(of(weir.seen, 'close')[0].code, 1006);
  assert.equal(server.n, 0);
});

test('an attempt that does not open is given up after openTimeout', async (t) => {
  const { clock, client } = await start(t, { verifyClient: () => {} }); // never answers
  const weir = client({ openTimeout: 700 });
  await pause();
  await clock.go(699);
  assert.equal(weir.state, 'connecting');
  await clock.go(1);
  assert.equal(weir.state, 'waiting');
});

test('to open and to begin have that time each', async (t) => {
  let letIn;
  const verifyClient = (_, answer) => (letIn = () => answer(true));
  const { server, clock, client } = await start(t, { verifyClient });
  const weir = client();
  await until(() => letIn);
  await clock.go(1500);
  letIn();
  await server.accept();
  await until(() => weir._socket.readyState === WebSocket.OPEN);
  await clock.go(1999);
  assert.equal(weir.state, 'connecting');
  await clock.go(1);
  assert.equal(weir.state, 'waiting');
});

test('so is one that opens and then says nothing', async (t) => {
  const { server, clock, client } = await start(t);
  const weir = client();
  const peer = await server.accept();
  await pause();
  await clock.go(2000);
  assert.equal(weir.state, 'waiting');
  peer.hello(); // late
  await until(() => peer.closed !== null);
  assert.equal(weir.state, 'waiting');
});

for (const [code, reason] of [
  [1002, 'protocol_error'], [1008, 'policy'], [1009, 'too_big'], [4001, 'missing_token'],
  [4002, 'invalid_token'], [4003, 'token_expired'], [4004, 'revoked'], [4005, 'replaced'],
]) {
  for (const fields of [{ reason, reconnect: code === 4003, cause: 'x' }, undefined]) {
    test(`it stays away after ${code}, ${fields ? 'with' : 'without'} a reason`, async (t) => {
      const { weir, peer, clock, server } = await opened(t);
      peer.close(code, fields);
      await until(() => weir.state === 'closed');
      const end = of(weir.seen, 'close')[0];
      assert.equal(end.code, code);
      assert.equal(end.reason, fields ? reason : '');
      assert.equal(of(weir.seen, 'auth').length, [4001, 4002, 4003].includes(code) ? 1 : 0);
      await clock.go(60000);
      assert.equal(server.n, 1);
    });
  }
}

for (const code of [1000, 1001, 1011, 1012, 1013, 4008, 4009]) {
  test(`it comes back after ${code}, in the time that the server says`, async (t) => {
    const { weir, peer, clock } = await opened(t);
    Math.random = () => 0.5;
    peer.close(code, { reason: 'x', reconnect: true, after: [5000, 9000] });
    await until(() => weir.state === 'waiting');
    await clock.go(6999);
    assert.equal(weir.state, 'waiting');
    await clock.go(1);
    assert.equal(weir.state, 'connecting');
  });
}

test('what the reason says of reconnecting counts more than the code', async (t) => {
  const one = await opened(t);
  one.peer.close(1011, { reason: 'internal', reconnect: false });
  await until(() => one.weir.state === 'closed');
  one.clock.restore();
  const two = await opened(t);
  two.peer.close(1008, { reason: 'policy', reconnect: true });
  await until(() => two.weir.state === 'waiting');
});

test('a reason that is no JSON, or an odd one, is no reason to stop', async (t) => {
  for (const reason of ['bye', '7', 'null', '{"after":"soon"}', '{"after":[null,null]}']) {
    const { weir, peer, clock } = await opened(t);
    peer.socket.close(1001, reason);
    await until(() => weir.state === 'waiting', reason);
    await clock.go(1000);
    assert.equal(weir.state, 'connecting');
    weir.close();
    clock.restore();
  }
});

test('after the interval of silence it pings, any message is a sign of life', async (t) => {
  const { weir, peer, clock } = await opened(t);
  await clock.go(29999);
  assert.equal(peer.came.length, 0);
  await clock.go(1);
  await peer.next('ping');
  peer.send({ type: 'pong', timestamp: 1 });
  await until(() => clock.next() === 30000);
  await clock.go(29999);
  peer.send({ type: 'gap', room: 'nowhere' });
  await until(() => clock.next() === 30000);
  assert.equal(weir.state, 'open');
});

test('silence with an unanswered ping is the end of the connection', async (t) => {
  const { weir, peer, clock } = await opened(t, {}, { heartbeat: { interval: 3, timeout: 5 } });
  peer.socket._socket.pause(); // half open: nothing is closed, nothing is answered
  await clock.go(4999);
  assert.equal(weir.state, 'open');
  await clock.go(1);
  assert.equal(weir.state, 'waiting');
});

test('what a connection that was given up still says is not heard', async (t) => {
  const heartbeat = { interval: 3, timeout: 5 };
  const { weir, peer, clock, server } = await opened(t, {}, { heartbeat });
  await clock.go(5000);
  assert.equal(weir.state, 'waiting');
  await clock.go(1000);
  peer.hello({ clientId: 'ghost' });
  peer.socket.close(4004);
  await server.welcome({ clientId: 'c2' });
  await until(() => weir.state === 'open');
  assert.equal(weir.clientId, 'c2');
});

test('closing in a handler of any state is obeyed', async (t) => {
  for (const state of ['open', 'waiting', 'connecting']) {
    const { server, clock, client } = await start(t);
    const weir = client();
    const peer = await server.accept();
    weir.on('state', (now) => now === state && weir.close());
    peer.hello();
    if (state !== 'open') {
      await until(() => weir.state === 'open');
      peer.cut();
      await until(() => weir.state !== 'open');
      await clock.go(1000);
    }
    await until(() => weir.state === 'closed', state);
    await clock.go(60000);
    assert.equal(weir.state, 'closed');
    assert.equal(server.n, 1);
    clock.restore();
  }
});

test('a handler that throws does not keep others from theirs', async (t) => {
  const { server, client } = await start(t);
  const weir = client();
  const later = [];
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (fn) => later.push(fn);
  t.after(() => (globalThis.queueMicrotask = queueMicrotask));
  weir.on('connected', () => {
    throw new Error('of a handler');
  });
  const after = [];
  const remove = weir.on('connected', (message) => after.push(message.clientId));
  (await server.welcome()).cut();
  await until(() => weir.state === 'waiting');
  assert.deepEqual(after, ['c1']);
  assert.throws(later[0], /of a handler/); // and the program is told
  remove();
  weir._emit('connected', {});
  assert.equal(after.length, 1);
});

test('a page that is looked at, or online again, tries at once', async (t) => {
  const listeners = new Map();
  const target = {
    addEventListener: (name, fn) => listeners.set(name, fn),
    removeEventListener: (name) => listeners.delete(name),
  };
  Object.assign(globalThis, target, { document: { ...target, visibilityState: 'visible' } });
  t.after(() => ['addEventListener', 'removeEventListener', 'document']
    .forEach((name) => delete globalThis[name]));
  const { weir, peer, clock, server } = await opened(t, { minDelay: 20000 });
  Math.random = () => 0.99;
  listeners.get('online')(); // when open: is the connection still there?
  await peer.next('ping');
  await clock.go(5000);
  assert.equal(weir.state, 'waiting');
  document.visibilityState = 'hidden';
  listeners.get('visibilitychange')();
  await clock.go(0);
  assert.equal(weir.state, 'waiting');
  document.visibilityState = 'visible';
  listeners.get('visibilitychange')();
  await clock.go(0);
  assert.equal(weir.state, 'connecting');
  const second = await server.welcome();
  await until(() => weir.state === 'open');
  second.close(4009, { reason: 'rate_limited', reconnect: true, after: [5000, 30000] });
  await until(() => weir.state === 'waiting');
  listeners.get('online')(); // but not before the time that the server asked for
  await clock.go(4999);
  assert.equal(weir.state, 'waiting');
  await clock.go(1);
  assert.equal(weir.state, 'connecting');
  weir.close();
  assert.equal(listeners.size, 0);
});

test('what is not JSON is said, and the connection lives on', async (t) => {
  const { weir, peer } = await opened(t);
  peer.socket.send('{oops');
  peer.socket.send('null');
  peer.send({ type: 'pong' });
  await until(() => of(weir.seen, 'error').length === 1);
  assert.equal(weir.state, 'open');
});
