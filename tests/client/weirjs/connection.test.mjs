// The connection: its states, when it comes back, and when it does not.
import assert from 'node:assert/strict';
import { Weir } from '../../../edge/web/weir.js';
import { until } from './clock.mjs';
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

test('what is not JSON is said, and the connection lives on', async (t) => {
  const { weir, peer } = await opened(t);
  peer.socket.send('{oops');
  peer.socket.send('null');
  peer.send({ type: 'pong' });
  await until(() => of(weir.seen, 'error').length === 1);
  assert.equal(weir.state, 'open');
});
