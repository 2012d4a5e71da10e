// Rooms: joined again after each reconnect, each message once and in order, losses said.
import assert from 'node:assert/strict';
import { pause, until } from './clock.mjs';
import { chat, joined, of, start, test, watch } from './fixture.mjs';

const EVENTS = 'message chat gap recovered reset member:join member:leave left error';

// A client that has joined tea at `seq`.
async function inTea(t, { seq = 5, options, join } = {}) {
  const fixture = await start(t);
  const weir = fixture.client(options);
  const room = weir.join('tea', join);
  const seen = watch(room, EVENTS);
  const peer = await fixture.server.welcome();
  peer.send(joined(await peer.next('join'), seq));
  await room.ready;
  return { ...fixture, weir, room, seen, peer };
}

// The next connection, its join not answered yet.
async function again({ peer, weir, clock, server }, how = () => peer.cut()) {
  how();
  await until(() => weir.state === 'waiting');
  await clock.go(1000);
  return server.welcome();
}

const texts = (seen) => of(seen, 'message').map((message) => message.text);

test('join() is at once, ready is the first joined', async (t) => {
  const { server, client } = await start(t);
  const weir = client();
  const room = weir.join('tea');
  assert.equal(room.name, 'tea');
  assert.equal(room.position, undefined);
  assert.equal(weir.join('tea'), room);
  const peer = await server.welcome();
  const join = await peer.next('join');
  assert.deepEqual(join, { type: 'join', room: 'tea', id: join.id });
  peer.send(joined(join, 3, { members: 2 }));
  assert.equal((await room.ready).members, 2);
  assert.deepEqual(room.position, { epoch: 'e1', seq: 3 });
  assert.equal(peer.came.length, 0);
});

test('presence and since travel with the join', async (t) => {
  const { server, client } = await start(t);
  const since = { epoch: 'e1', seq: 4 };
  const room = client().join('tea', { presence: true, since });
  const seen = watch(room, EVENTS);
  const peer = await server.welcome();
  const join = await peer.next('join');
  assert.deepEqual(join, { type: 'join', room: 'tea', id: join.id, presence: true, since });
  peer.send(joined(join, 6, { recovered: true, messages: [chat('tea', 5), chat('tea', 6)] }));
  await room.ready;
  assert.deepEqual(texts(seen), ['m5', 'm6']);
  assert.equal(of(seen, 'recovered').length, 1);
});

test('a since without an epoch, of a room without history, is none', async (t) => {
  const { server, client } = await start(t);
  client().join('tea', { since: { epoch: undefined, seq: undefined } });
  const peer = await server.welcome();
  assert.equal('since' in (await peer.next('join')), false);
});

test('messages are handed to the room and to the client, by type and all', async (t) => {
  const { peer, room, seen, weir } = await inTea(t);
  const all = watch(weir, 'message chat note');
  peer.send(chat('tea', 6), { ...chat('tea', 7), type: 'note' });
  await until(() => room.position.seq === 7);
  assert.deepEqual(seen.map(([event]) => event), ['message', 'chat', 'message']);
  assert.deepEqual(all.map(([event]) => event), ['message', 'chat', 'message', 'note']);
});

test('nobody can cause our own events by a message of that type', async (t) => {
  const { peer, room, weir } = await inTea(t);
  const own = watch(room, 'reset recovered left error message');
  const ours = watch(weir, 'close state auth');
  for (const [i, type] of ['reset', 'recovered', 'close', 'state', 'message'].entries()) {
    peer.send({ ...chat('tea', 6 + i), type });
  }
  await until(() => room.position.seq === 10);
  assert.deepEqual(own.map(([event]) => event), Array(5).fill('message'));
  assert.deepEqual(ours, []);
});

test('duplicates are dropped, what has no seq is not counted', async (t) => {
  const { peer, room, seen } = await inTea(t);
  const { epoch, seq, ...typing } = { ...chat('tea', 0), type: 'typing', text: 'typing' };
  peer.send(chat('tea', 6), chat('tea', 6), chat('tea', 4), typing, chat('tea', 7));
  await until(() => room.position.seq === 7);
  assert.deepEqual(texts(seen), ['m6', 'typing', 'm7']);
});

test('after a reconnect what was missed comes in order and once', async (t) => {
  const fixture = await inTea(t);
  const { room, seen } = fixture;
  fixture.peer.send(chat('tea', 6));
  await until(() => room.position.seq === 6);
  const peer = await again(fixture);
  const join = await peer.next('join');
  assert.deepEqual(join.since, { epoch: 'e1', seq: 6 });
  const missed = [6, 7, 8].map((seq) => chat('tea', seq));
  peer.send(joined(join, 8, { recovered: true, messages: missed }), chat('tea', 8), chat('tea', 9));
  await until(() => room.position.seq === 9);
  assert.deepEqual(texts(seen), ['m6', 'm7', 'm8', 'm9']);
  const order = seen.map(([event]) => event).filter((event) => event !== 'chat');
  assert.deepEqual(order, ['message', 'message', 'message', 'recovered', 'message']);
});

test('a position follows each message, also while its handlers run', async (t) => {
  const { peer, room } = await inTea(t);
  const positions = [];
  room.on('chat', () => positions.push(room.position.seq));
  peer.send(chat('tea', 6), chat('tea', 7));
  await until(() => positions.length === 2);
  assert.deepEqual(positions, [6, 7]);
});

test('what could not be recovered is a reset, and the room goes on from there', async (t) => {
  const fixture = await inTea(t);
  const { room, seen } = fixture;
  const peer = await again(fixture);
  peer.send(joined(await peer.next('join'), 2, { recovered: false, epoch: 'e2' }));
  peer.send(chat('tea', 3, 'new', 'e2'));
  await until(() => room.position.seq === 3);
  assert.deepEqual(seen.map(([event]) => event), ['reset', 'message', 'chat']);
  assert.equal(of(seen, 'reset')[0].seq, 2);
  assert.deepEqual(room.position, { epoch: 'e2', seq: 3 });
});

test('a joined without id in the middle of a connection is a reset too', async (t) => {
  const { peer, room, seen } = await inTea(t);
  peer.send({ type: 'joined', room: 'tea', epoch: 'e2', seq: 0, recovered: false, members: 1 });
  peer.send(chat('tea', 1, 'first', 'e2'));
  await until(() => texts(seen).length === 1);
  assert.equal(of(seen, 'reset')[0].epoch, 'e2');
  assert.deepEqual(room.position, { epoch: 'e2', seq: 1 });
});

test('a seq in the past of the same epoch, not recovered, is where it goes on', async (t) => {
  const fixture = await inTea(t);
  const peer = await again(fixture);
  peer.send(joined(await peer.next('join'), 2, { recovered: false }), chat('tea', 3));
  await until(() => texts(fixture.seen).length === 1);
  assert.deepEqual(fixture.room.position, { epoch: 'e1', seq: 3 });
});

test('a gap is said and moves the position', async (t) => {
  const fixture = await inTea(t);
  const gap = { type: 'gap', room: 'tea', epoch: 'e1', from: 6, to: 9, reason: 'link' };
  fixture.peer.send(gap, chat('tea', 10));
  await until(() => texts(fixture.seen).length === 1);
  assert.deepEqual(of(fixture.seen, 'gap'), [gap]);
  fixture.peer.send({ ...gap, from: 11, to: 12 });
  await until(() => fixture.room.position.seq === 12);
  const peer = await again(fixture);
  assert.deepEqual((await peer.next('join')).since, { epoch: 'e1', seq: 12 });
});

test('rooms are joined again in their order, and may be answered in another', async (t) => {
  const { server, client, clock } = await start(t);
  const weir = client();
  const rooms = ['a', 'b', 'c'].map((name) => weir.join(name));
  const seen = watch(weir, 'message');
  let peer = await server.welcome();
  for (const _ of rooms) peer.send(joined(await peer.next('join'), 1));
  await rooms[2].ready;
  peer.cut();
  await until(() => weir.state === 'waiting');
  await clock.go(1000);
  peer = await server.welcome();
  const joins = [await peer.next('join'), await peer.next('join'), await peer.next('join')];
  assert.deepEqual(joins.map((join) => join.room), ['a', 'b', 'c']);
  for (const join of joins.reverse()) {
    peer.send(joined(join, 2, { recovered: true, messages: [chat(join.room, 2)] }));
  }
  await until(() => rooms[0].position.seq === 2);
  assert.deepEqual(of(seen, 'message').map((message) => message.room), ['c', 'b', 'a']);
});

test('a join that is refused ends the room, and only that', async (t) => {
  const { server, client } = await start(t);
  const weir = client();
  const room = weir.join('secret');
  const seen = watch(room, EVENTS);
  const peer = await server.welcome();
  const { id } = await peer.next('join');
  peer.send({ type: 'error', code: 'forbidden', message: 'Insufficient permissions', id,
    room: 'secret', needs: 'join on secret' });
  await assert.rejects(room.ready, { code: 'forbidden', outcome: 'none', needs: 'join on secret' });
  assert.equal(of(seen, 'error')[0].code, 'forbidden');
  assert.equal(of(weir.seen, 'error').length, 0);
  assert.equal(weir.state, 'open');
  assert.notEqual(weir.join('secret'), room);
  await peer.next('join');
});

test('a join that finds no router, or too many messages, is asked again', async (t) => {
  for (const code of ['unavailable', 'rate_limited']) {
    const { server, client, clock } = await start(t);
    const weir = client();
    const room = weir.join('tea');
    const peer = await server.welcome();
    const { id } = await peer.next('join');
    peer.send({ type: 'error', code, outcome: 'unknown', id, room: 'tea' });
    await until(() => clock.next() <= 2000);
    await clock.go(2000);
    peer.send(joined(await peer.next('join'), 1));
    await room.ready;
    clock.restore();
  }
});

test('a join of unknown outcome may be carried out late', async (t) => {
  const { server, client, clock } = await start(t);
  const weir = client();
  const room = weir.join('tea');
  const peer = await server.welcome();
  const { id } = await peer.next('join');
  peer.send({ type: 'error', code: 'unavailable', outcome: 'unknown', id, room: 'tea' });
  peer.send({ type: 'joined', room: 'tea', epoch: 'e1', seq: 7, members: 1 });
  assert.equal((await room.ready).seq, 7);
  await clock.go(2000);
  await pause();
  assert.equal(peer.came.length, 0);
});

test('presence comes as member events', async (t) => {
  const { peer, seen, weir } = await inTea(t, { join: { presence: true } });
  peer.send({ type: 'member:join', room: 'tea', user: 'bob', username: 'Bob' });
  peer.send({ type: 'member:leave', room: 'tea', user: 'bob', username: 'Bob' });
  await until(() => of(seen, 'member:leave').length === 1);
  assert.equal(of(seen, 'member:join')[0].user, 'bob');
  assert.equal(of(weir.seen, 'message').length, 0);
});

test('presence may be asked for later', async (t) => {
  const { peer, room, weir } = await inTea(t);
  assert.equal(weir.join('tea', { presence: true }), room);
  const join = await peer.next('join');
  assert.equal(join.presence, true);
  assert.deepEqual(join.since, { epoch: 'e1', seq: 5 });
  peer.send(chat('tea', 6), joined(join, 6, { recovered: true, messages: [chat('tea', 6)] }));
  await until(() => room.position.seq === 6);
});

test('leave() is answered, and nothing is handed on after it was called', async (t) => {
  const fixture = await inTea(t);
  const { peer, room, seen } = fixture;
  let left = false;
  const leaving = room.leave().then(() => (left = true));
  const { id } = await peer.next('leave');
  peer.send(chat('tea', 6), { type: 'pong' });
  await pause();
  assert.equal(left, false);
  peer.send({ type: 'left', room: 'tea', id }, chat('tea', 7));
  await leaving;
  await room.leave();
  assert.deepEqual(texts(seen), []);
  const second = await again(fixture);
  fixture.weir.join('other');
  assert.equal((await second.next('join')).room, 'other');
});

test('leave() without a connection, or losing it, is done', async (t) => {
  const fixture = await inTea(t);
  const leaving = fixture.room.leave();
  await fixture.peer.next('leave');
  fixture.peer.cut();
  await leaving;
  const tea = fixture.weir.join('tea');
  await tea.leave();
  await assert.rejects(tea.ready, { code: 'closed' });
});

test('one may leave and join again at once', async (t) => {
  const { peer, room, weir } = await inTea(t);
  const leaving = room.leave();
  const second = weir.join('tea');
  assert.notEqual(second, room);
  const leave = await peer.next('leave');
  const join = await peer.next('join');
  assert.equal(join.since, undefined);
  peer.send({ type: 'left', room: 'tea', id: leave.id }, joined(join, 9));
  await leaving;
  assert.equal((await second.ready).seq, 9);
});

test('an answer to an earlier join is not taken for one to the last', async (t) => {
  const { server, client } = await start(t);
  const weir = client();
  const peer = await server.welcome();
  await until(() => weir.state === 'open');
  const first = weir.join('tea');
  first.leave();
  const second = weir.join('tea');
  const [join, leave, again] = [await peer.next(), await peer.next(), await peer.next()];
  peer.send(joined(join, 3), { type: 'left', room: 'tea', id: leave.id }, joined(again, 4));
  assert.equal((await second.ready).seq, 4);
  await assert.rejects(first.ready, { code: 'closed' });
});

test('closing in a handler stops it too', async (t) => {
  const fixture = await inTea(t);
  fixture.room.on('message', () => fixture.weir.close());
  const peer = await again(fixture);
  const messages = [chat('tea', 6), chat('tea', 7)];
  peer.send(joined(await peer.next('join'), 7, { recovered: true, messages }));
  await until(() => fixture.weir.state === 'closed');
  assert.deepEqual(texts(fixture.seen), ['m6']);
});

test('leaving in a handler stops what was still to be handed on', async (t) => {
  const fixture = await inTea(t);
  fixture.room.on('message', () => fixture.room.leave());
  const peer = await again(fixture);
  const messages = [chat('tea', 6), chat('tea', 7)];
  peer.send(joined(await peer.next('join'), 7, { recovered: true, messages }));
  await peer.next('leave');
  assert.deepEqual(texts(fixture.seen), ['m6']);
});

test('the server may put one out of a room', async (t) => {
  const fixture = await inTea(t);
  fixture.peer.send({ type: 'left', room: 'tea', reason: 'forbidden' }, chat('tea', 6));
  await until(() => of(fixture.seen, 'left').length === 1);
  assert.equal(of(fixture.seen, 'left')[0].reason, 'forbidden');
  const peer = await again(fixture);
  fixture.weir.join('other');
  assert.equal((await peer.next('join')).room, 'other');
  assert.deepEqual(texts(fixture.seen), []);
});

test('errors that answer nothing are said to the client and the room', async (t) => {
  const { peer, seen, weir } = await inTea(t);
  peer.send({ type: 'error', code: 'invalid_message', message: 'Invalid message format' });
  peer.send({ type: 'error', code: 'forbidden', room: 'tea' });
  await until(() => of(weir.seen, 'error').length === 2);
  assert.deepEqual(of(seen, 'error').map((error) => error.code), ['forbidden']);
});

test('a broadcast has its type in `event`', async (t) => {
  const { peer, weir } = await inTea(t);
  const seen = watch(weir, 'message notice admin:broadcast close');
  const notice = { type: 'admin:broadcast', event: 'notice', from: 'c9', user: 'root', text: 'x' };
  peer.send(notice, { ...notice, event: 'close' }, { ...notice, event: undefined });
  await until(() => of(seen, 'message').length === 3);
  assert.deepEqual(seen.map(([event]) => event),
    ['message', 'notice', 'message', 'message', 'admin:broadcast']);
});

test('after close() a join fails', async (t) => {
  const { weir, room } = await inTea(t);
  const waiting = weir.join('waiting');
  weir.close();
  await assert.rejects(waiting.ready, { code: 'closed' });
  await assert.rejects(weir.join('late').ready, { code: 'closed' });
  await assert.rejects(weir.join('tea').ready, { code: 'closed' });
  assert.deepEqual(room.position, { epoch: 'e1', seq: 5 });
});
