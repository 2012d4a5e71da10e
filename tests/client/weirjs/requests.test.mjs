// Publishes and questions: answered once, kept while there is no connection, never published twice.
import assert from 'node:assert/strict';
import { pause, until } from './clock.mjs';
import { chat, joined, start, test } from './fixture.mjs';

// A client that has joined tea at 5.
async function inTea(t, options) {
  const fixture = await start(t);
  const weir = fixture.client(options);
  const room = weir.join('tea');
  const peer = await fixture.server.welcome();
  peer.send(joined(await peer.next('join'), 5));
  await room.ready;
  return { ...fixture, weir, room, peer };
}

async function lose({ peer, weir, clock, server }) {
  peer.cut();
  await until(() => weir.state === 'waiting');
  return async () => {
    await clock.go(1000);
    return server.welcome();
  };
}

const again = async (fixture) => (await lose(fixture))();

const ack = ({ id, room }, seq, fields) => ({
  type: 'ack', id, room, epoch: 'e1', seq, timestamp: seq, members: 2, ...fields,
});

test('publish() has the fields, an id and a key, and resolves to the ack', async (t) => {
  const { peer, room } = await inTea(t);
  const answer = room.publish('chat', { text: 'milk?', room: 'ignored', type: 'ignored' });
  const { id, key, ...rest } = await peer.next();
  assert.deepEqual(rest, { type: 'chat', room: 'tea', text: 'milk?' });
  assert.equal(typeof id, 'string');
  assert.ok(key.length > 8 && key.length <= 64);
  peer.send(chat('tea', 6), ack({ id, room: 'tea' }, 6));
  assert.equal((await answer).seq, 6);
});

test('publish() also takes a whole message, and options', async (t) => {
  const { peer, room } = await inTea(t);
  room.publish({ type: 'note', n: 1, key: 'k1' }).catch(() => {});
  room.publish({ type: 'note', n: 2 }, { key: 'k2', echo: false }).catch(() => {});
  room.publish('note', { n: 3 }, { key: false }).catch(() => {});
  room.publish('note').catch(() => {});
  const came = [];
  for (let i = 0; i < 4; i++) came.push(await peer.next('note'));
  assert.deepEqual(came.map(({ n, key, echo }) => [n, key, echo]).slice(0, 3),
    [[1, 'k1', undefined], [2, 'k2', false], [3, undefined, undefined]]);
  assert.equal(new Set(came.map(({ id }) => id)).size, 4);
});

test('a refusal rejects with its code', async (t) => {
  const { peer, room } = await inTea(t);
  const answer = room.publish('chat', {});
  const { id } = await peer.next('chat');
  peer.send({ type: 'error', code: 'forbidden', message: 'Insufficient permissions', id,
    room: 'tea', needs: 'publish on tea' });
  await assert.rejects(answer, {
    name: 'WeirError', message: 'Insufficient permissions', code: 'forbidden', outcome: 'none',
    room: 'tea', needs: 'publish on tea',
  });
  const second = room.publish('chat', {});
  peer.send({ type: 'error', code: 'unavailable', outcome: 'unknown', id: (await peer.next()).id });
  await assert.rejects(second, { code: 'unavailable', outcome: 'unknown' });
});

test('answers may come in another order', async (t) => {
  const { peer, room } = await inTea(t);
  const answers = [1, 2].map((n) => room.publish('chat', { n }));
  const asked = [await peer.next(), await peer.next()];
  peer.send(ack(asked[1], 7), ack(asked[0], 6), ack(asked[0], 6), ack({ id: 'other' }, 8));
  assert.deepEqual((await Promise.all(answers)).map(({ seq }) => seq), [6, 7]);
});

test('what is published without a connection is sent later, once, in order', async (t) => {
  const fixture = await inTea(t);
  const reconnect = await lose(fixture);
  const answers = [1, 2, 3].map((n) => fixture.room.publish('chat', { n }));
  const peer = await reconnect();
  const join = await peer.next('join');
  await pause();
  assert.equal(peer.came.length, 0); // not before the room has been joined
  peer.send(joined(join, 5, { recovered: true, messages: [] }));
  for (let n = 1; n <= 3; n++) {
    const message = await peer.next('chat');
    assert.equal(message.n, n);
    assert.ok(message.key);
    peer.send(ack(message, 5 + n));
  }
  assert.deepEqual((await Promise.all(answers)).map(({ seq }) => seq), [6, 7, 8]);
  await pause();
  assert.equal(peer.came.length, 0);
});

test('so it is before the first connection', async (t) => {
  const { server, client } = await start(t);
  const answer = client().join('tea').publish('chat', { n: 1 });
  const peer = await server.welcome();
  peer.send(joined(await peer.next('join'), 0));
  peer.send(ack(await peer.next('chat'), 1));
  assert.equal((await answer).seq, 1);
});

test('what was sent and not answered is sent again by its key, before what is new', async (t) => {
  const fixture = await inTea(t);
  const first = fixture.room.publish('chat', { n: 1 });
  const sent = await fixture.peer.next('chat');
  const reconnect = await lose(fixture);
  const second = fixture.room.publish('chat', { n: 2 });
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 6, { recovered: true, messages: [chat('tea', 6)] }));
  const resent = await peer.next('chat');
  assert.equal(resent.n, 1);
  assert.equal(resent.key, sent.key);
  peer.send(ack(resent, 6, { duplicate: true }));
  peer.send(ack(await peer.next('chat'), 7));
  assert.equal((await first).duplicate, true);
  assert.equal((await second).seq, 7);
});

test('it comes before what waited in the queue when the connection was lost', async (t) => {
  const fixture = await inTea(t);
  const { weir, room } = fixture;
  room.publish('chat', { n: 1 }).catch(() => {});
  await fixture.peer.next('chat');
  Object.defineProperty(weir._socket, 'bufferedAmount', { get: () => 65537 });
  room.publish('chat', { n: 2 }).catch(() => {});
  const peer = await again(fixture);
  peer.send(joined(await peer.next('join'), 5, { recovered: true, messages: [] }));
  assert.equal((await peer.next('chat')).n, 1);
  assert.equal((await peer.next('chat')).n, 2);
});

test('without a key it is not sent again, and its outcome is unknown', async (t) => {
  const fixture = await inTea(t);
  const answer = fixture.room.publish('chat', { n: 1 }, { key: false });
  const broadcast = fixture.weir.broadcast('notice', { text: 'x' });
  assert.deepEqual(await fixture.peer.next('chat').then(({ n, key }) => [n, key]), [1, undefined]);
  assert.equal((await fixture.peer.next('admin:broadcast')).event, 'notice');
  const both = [answer, broadcast].map((one) =>
    assert.rejects(one, { code: 'unavailable', outcome: 'unknown' }));
  const peer = await again(fixture);
  await Promise.all(both);
  peer.send(joined(await peer.next('join'), 5, { recovered: true, messages: [] }));
  await pause();
  assert.equal(peer.came.length, 0);
});

test('but it waits for a connection if it was not sent', async (t) => {
  const fixture = await inTea(t);
  const reconnect = await lose(fixture);
  const answer = fixture.room.publish('chat', { n: 1 }, { key: false });
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 5, { recovered: true, messages: [] }));
  peer.send(ack(await peer.next('chat'), 6));
  assert.equal((await answer).seq, 6);
});

test('a key is not trusted in a new epoch of the room', async (t) => {
  const fixture = await inTea(t);
  const sent = assert.rejects(fixture.room.publish('chat', { n: 1 }), { outcome: 'unknown' });
  await fixture.peer.next('chat');
  const reconnect = await lose(fixture);
  const queued = fixture.room.publish('chat', { n: 2 });
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 0, { recovered: false, epoch: 'e2' }));
  await sent;
  const message = await peer.next('chat');
  assert.equal(message.n, 2);
  peer.send(ack(message, 1));
  await queued;
});

test('nor when the server may have forgotten it', async (t) => {
  const fixture = await inTea(t);
  const sent = assert.rejects(fixture.room.publish('chat', { n: 1 }), { outcome: 'unknown' });
  await fixture.peer.next('chat');
  const reconnect = await lose(fixture);
  fixture.clock.ms += 300000;
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 5, { recovered: true, messages: [] }));
  await sent;
});

test('where one may not join one may still publish', async (t) => {
  const { server, client } = await start(t);
  const room = client().join('inbox');
  const answer = room.publish('chat', { n: 1 });
  const peer = await server.welcome();
  const { id } = await peer.next('join');
  peer.send({ type: 'error', code: 'forbidden', id, room: 'inbox' });
  peer.send(ack(await peer.next('chat'), 1));
  await answer;
});

test('what is ephemeral is sent now or never, without a key', async (t) => {
  const fixture = await inTea(t);
  const { room } = fixture;
  const typing = room.publish('typing');
  const cursor = room.publish('cursor', { x: 1 }, { ephemeral: true });
  for (const answer of [typing, cursor]) {
    const message = await fixture.peer.next();
    assert.equal(message.key, undefined);
    fixture.peer.send({ type: 'ack', id: message.id, room: 'tea', timestamp: 1, members: 2 });
    assert.equal((await answer).seq, undefined);
  }
  const reconnect = await lose(fixture);
  room.publish('typing'); // nobody has to catch it
  await assert.rejects(room.publish('typing'), { code: 'unavailable', outcome: 'none' });
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 5, { recovered: true, messages: [] }));
  await pause();
  assert.equal(peer.came.length, 0);
});

test('the queue holds queueBytes, of what is queued and of what is not answered', async (t) => {
  const fixture = await inTea(t, { queueBytes: 500 });
  const { room } = fixture;
  const text = 'ü'.repeat(80); // 160 bytes
  const full = { code: 'unavailable', outcome: 'none', message: 'the queue is full' };
  const first = room.publish('chat', { text });
  const second = room.publish('chat', { text });
  await assert.rejects(room.publish('chat', { text }), full);
  const message = await fixture.peer.next('chat');
  fixture.peer.send(ack(message, 6));
  await first;
  const reconnect = await lose(fixture);
  const third = room.publish('chat', { text });
  await assert.rejects(room.publish('chat', { text }), full);
  const peer = await reconnect();
  peer.send(joined(await peer.next('join'), 6, { recovered: true, messages: [] }));
  for (const seq of [7, 8]) peer.send(ack(await peer.next('chat'), seq));
  await Promise.all([second, third]);
});

test('a message longer than the server takes is not sent', async (t) => {
  const { peer, room } = await inTea(t); // maxMessage is 1000
  await assert.rejects(room.publish('chat', { text: 'ü'.repeat(490) }), { code: 'too_big' });
  room.publish('chat', { text: 'ü'.repeat(400) }).catch(() => {});
  await peer.next('chat');
});

test('what cannot be JSON is rejected', async (t) => {
  const { room } = await inTea(t);
  const loop = {};
  loop.loop = loop;
  await assert.rejects(room.publish('chat', { loop }), TypeError);
});

test('history and presence resolve to their answers, also over a reconnect', async (t) => {
  const fixture = await inTea(t);
  const { room } = fixture;
  const history = room.history({ before: 5, limit: 2 });
  const asked = await fixture.peer.next('history');
  assert.deepEqual(asked, { type: 'history', room: 'tea', before: 5, limit: 2, id: asked.id });
  const messages = [chat('tea', 3), chat('tea', 4)];
  fixture.peer.send({ type: 'history', room: 'tea', epoch: 'e1', seq: 5, messages, id: asked.id });
  assert.deepEqual((await history).messages.map(({ seq }) => seq), [3, 4]);
  const presence = room.presence();
  await fixture.peer.next('presence');
  const peer = await again(fixture);
  await peer.next('join');
  const { id } = await peer.next('presence');
  peer.send({ type: 'presence', room: 'tea', users: 1, connections: 1, members: [], id });
  assert.equal((await presence).users, 1);
});

test('direct() publishes to the room of a user', async (t) => {
  const { peer, weir } = await inTea(t);
  const note = weir.direct('bob', 'note', { text: 'psst' }, { key: 'k' });
  const { id, ...rest } = await peer.next();
  assert.deepEqual(rest, { type: 'note', room: 'user:bob', text: 'psst', key: 'k' });
  peer.send(ack({ id }, 1));
  await note;
  weir.direct('bob', 'direct', { text: 'psst' }).catch(() => {});
  assert.equal((await peer.next('direct')).to, 'bob');
});

test('a socket that is full makes requests wait in the queue', async (t) => {
  const fixture = await inTea(t, { queueBytes: 1000 });
  const { weir, room, clock, peer } = fixture;
  let buffered = 65537;
  Object.defineProperty(weir._socket, 'bufferedAmount', { get: () => buffered });
  const answers = [1, 2, 3].map((n) => room.publish('chat', { n }));
  await assert.rejects(room.publish('typing'), { code: 'unavailable', outcome: 'none' });
  await clock.go(49);
  await pause();
  assert.equal(peer.came.length, 0);
  buffered = 0;
  await clock.go(1);
  for (let n = 1; n <= 3; n++) {
    const message = await peer.next('chat');
    assert.equal(message.n, n);
    peer.send(ack(message, 5 + n));
  }
  await Promise.all(answers);
});

test('real back-pressure: a server that does not read costs no more than the queue', async (t) => {
  const fixture = await inTea(t, { queueBytes: 1 << 20 });
  const { weir, room, peer } = fixture;
  weir._maxMessage = Infinity;
  peer.socket._socket.pause();
  const text = 'x'.repeat(10000);
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    room.publish('chat', { text }).catch((error) => {
      refused += error.message === 'the queue is full' ? 1 : 0;
    });
  }
  await pause();
  assert.ok(refused > 1800, `${refused}`);
  assert.ok(weir._socket.bufferedAmount < 1 << 20);
});

test('what was published with echo: false does not come by a recovery either', async (t) => {
  const fixture = await inTea(t);
  const { room } = fixture;
  const answer = room.publish('chat', { n: 1 }, { echo: false });
  fixture.peer.send(ack(await fixture.peer.next('chat'), 6));
  await answer;
  assert.deepEqual(room.position, { epoch: 'e1', seq: 6 });
  const behind = room.publish('chat', { n: 2 });
  fixture.peer.send(ack(await fixture.peer.next('chat'), 9)); // 7 and 8 have not come
  await behind;
  assert.deepEqual(room.position, { epoch: 'e1', seq: 6 });
});

test('close() rejects what is not answered, and all that is asked later', async (t) => {
  const fixture = await inTea(t);
  const { weir, room, peer } = fixture;
  const sent = room.publish('chat', { n: 1 });
  await peer.next('chat');
  const waiting = weir.join('elsewhere').publish('chat', {});
  weir.close();
  await assert.rejects(sent, { code: 'closed', outcome: 'unknown' });
  await assert.rejects(waiting, { code: 'closed', outcome: 'none' });
  await assert.rejects(room.publish('chat', {}), { code: 'closed', outcome: 'none' });
  await assert.rejects(room.history(), { code: 'closed' });
  await assert.rejects(weir.renew('x.y.z'), { code: 'closed' });
});

test('publishing in a handler of the answer keeps the order', async (t) => {
  const { peer, room } = await inTea(t);
  room.on('chat', ({ text }) => room.publish('echo', { text }).catch(() => {}));
  peer.send(chat('tea', 6), chat('tea', 7));
  assert.equal((await peer.next('echo')).text, 'm6');
  assert.equal((await peer.next('echo')).text, 'm7');
});
