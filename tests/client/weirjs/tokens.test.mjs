// Tokens: fetched, renewed, refused.
import assert from 'node:assert/strict';
import { until } from './clock.mjs';
import { joined, of, start, test } from './fixture.mjs';

// getToken that gives t1, t2, ...
function tokens() {
  let n = 0;
  const getToken = async () => `t${++n}`;
  return { getToken, count: () => n };
}

const bearer = (peer) => peer.offered[1];

test('getToken is asked for the first token, and not again for each reconnect', async (t) => {
  const { server, client, clock } = await start(t);
  const { getToken, count } = tokens();
  const weir = client({ token: undefined, getToken });
  let peer = await server.welcome();
  assert.equal(bearer(peer), 'bearer.t1');
  await until(() => weir.state === 'open');
  peer.cut();
  await until(() => weir.state === 'waiting');
  await clock.go(1000);
  peer = await server.accept();
  assert.equal(bearer(peer), 'bearer.t1');
  assert.equal(count(), 1);
});

test('without any token none is offered', async (t) => {
  const { server, client } = await start(t);
  client({ token: undefined });
  assert.deepEqual((await server.accept()).offered, ['weir.v1.json']);
});

test('a token that was refused is replaced once', async (t) => {
  const { server, client, clock } = await start(t);
  const { getToken, count } = tokens();
  const weir = client({ token: 'old', getToken });
  let peer = await server.accept();
  assert.equal(bearer(peer), 'bearer.old');
  peer.close(4002, { reason: 'invalid_token', reconnect: false, cause: 'expired' });
  await until(() => weir.state === 'waiting');
  await clock.go(0);
  peer = await server.accept();
  assert.equal(bearer(peer), 'bearer.t1');
  peer.close(4002, { reason: 'invalid_token', reconnect: false, cause: 'bad_signature' });
  await until(() => weir.state === 'closed');
  assert.equal(of(weir.seen, 'auth')[0].cause, 'bad_signature');
  assert.equal(count(), 1);
  await clock.go(60000);
  assert.equal(server.n, 2);
});

test('each connection may lose its token once', async (t) => {
  const { server, client, clock } = await start(t);
  const { getToken } = tokens();
  const weir = client({ token: 'old', getToken });
  for (const token of ['old', 't1', 't2']) {
    const peer = await server.welcome();
    assert.equal(bearer(peer), `bearer.${token}`);
    await until(() => weir.state === 'open');
    peer.close(4003, { reason: 'token_expired', reconnect: true, after: [0, 2000] });
    await until(() => weir.state === 'waiting');
    await clock.go(2000);
  }
});

test('a getToken that fails is tried again with a growing delay', async (t) => {
  const { server, client, clock } = await start(t);
  Math.random = () => 1;
  let fail = true;
  const getToken = async () => {
    if (fail) throw new Error('no network');
    return 't1';
  };
  const weir = client({ token: undefined, getToken });
  for (const delay of [1000, 2000]) {
    await until(() => weir.state === 'waiting');
    await clock.go(delay - 1);
    assert.equal(weir.state, 'waiting');
    await clock.go(1);
  }
  assert.ok(of(weir.seen, 'error').length >= 2);
  await until(() => weir.state === 'waiting');
  fail = false;
  await clock.go(4000);
  assert.equal(bearer(await server.welcome()), 'bearer.t1');
});

test('what getToken cannot read is no refusal either', async (t) => {
  const { server, client, clock } = await start(t);
  let page = '<html>Bad gateway</html>';
  const getToken = async () => JSON.parse(page).token;
  const weir = client({ token: undefined, getToken });
  for (let i = 0; i < 3; i++) {
    await until(() => weir.state === 'waiting');
    if (i === 2) page = '{"token":"t1"}';
    await clock.go(30000);
  }
  assert.equal(bearer(await server.welcome()), 'bearer.t1');
});

test('a token that came while an older one was on its way is used', async (t) => {
  const { server, client, clock } = await start(t);
  const weir = client({ token: 'old' });
  let peer = await server.accept();
  await weir.renew('new');
  peer.hello();
  await until(() => weir.state === 'open');
  peer.close(4003, { reason: 'token_expired', reconnect: true, after: [0, 2000] });
  await until(() => weir.state === 'waiting');
  await clock.go(2000);
  peer = await server.welcome();
  assert.equal(bearer(peer), 'bearer.new');
});

test('a token that cannot even be offered is an invalid one', async (t) => {
  const { client, server } = await start(t);
  const weir = client({ token: 'not a token' });
  await until(() => weir.state === 'closed');
  assert.equal(of(weir.seen, 'auth')[0].cause, 'malformed');
  assert.equal(server.n, 0);
});

test('an expiring token is renewed in the connection', async (t) => {
  const { server, client } = await start(t);
  const { getToken } = tokens();
  const weir = client({ token: 'old', getToken });
  const peer = await server.welcome();
  peer.send({ type: 'token:expiring', in: 30 });
  const auth = await peer.next('auth');
  assert.equal(auth.token, 't1');
  peer.send({ type: 'ack', id: auth.id });
  await until(() => weir._sent.size === 0);
  assert.deepEqual(of(weir.seen, 'token:expiring'), [{ type: 'token:expiring', in: 30 }]);
  assert.deepEqual(of(weir.seen, 'error'), []);
});

test('and the new one is used from then on', async (t) => {
  const { server, client, clock } = await start(t);
  const weir = client({ token: 'old' });
  let peer = await server.welcome();
  await until(() => weir.state === 'open');
  const renewed = weir.renew('new');
  const auth = await peer.next('auth');
  peer.send({ type: 'ack', id: auth.id });
  await renewed;
  peer.cut();
  await until(() => weir.state === 'waiting');
  await weir.renew('newer'); // without a connection: for the next
  await clock.go(1000);
  peer = await server.accept();
  assert.equal(bearer(peer), 'bearer.newer');
});

test('a renewal that fails is said, and 4003 leads to another try', async (t) => {
  const { server, client, clock } = await start(t);
  let n = 0;
  const getToken = async () => {
    if (++n === 1) throw new Error('no network');
    return 'good';
  };
  const weir = client({ token: 'old', getToken });
  let peer = await server.welcome();
  peer.send({ type: 'token:expiring', in: 30 });
  await until(() => of(weir.seen, 'error').length === 1);
  peer.close(4003, { reason: 'token_expired', reconnect: true, after: [0, 2000] });
  await until(() => weir.state === 'waiting');
  await clock.go(2000);
  peer = await server.accept();
  assert.equal(bearer(peer), 'bearer.good');
});

test('a client that lost its token goes on with a new one, and its rooms', async (t) => {
  const { server, client } = await start(t);
  const weir = client({ token: 'old' });
  const room = weir.join('tea');
  let peer = await server.welcome();
  peer.send(joined(await peer.next('join'), 5));
  await room.ready;
  peer.close(4003, { reason: 'token_expired', reconnect: true, after: [0, 2000] });
  await until(() => weir.state === 'closed');
  assert.equal(of(weir.seen, 'auth')[0].reason, 'token_expired');
  await assert.rejects(room.publish('chat', {}), { code: 'closed' });
  await weir.renew('new');
  assert.equal(weir.state, 'connecting');
  peer = await server.welcome();
  assert.equal(bearer(peer), 'bearer.new');
  assert.deepEqual((await peer.next('join')).since, { epoch: 'e1', seq: 5 });
  peer.close(4001);
  await until(() => weir.state === 'closed');
  weir.close();
  await assert.rejects(weir.renew('newer'), { code: 'closed' });
});
