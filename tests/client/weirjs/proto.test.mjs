// The binary codec against protobufjs, which reads proto/client.proto itself.
import assert from 'node:assert/strict';
import { Weir } from '../../../edge/web/weir.js';
import { until } from './clock.mjs';
import { test } from './fixture.mjs';
import { require, ROOT } from './modules.mjs';

const root = require('protobufjs').loadSync(`${ROOT}proto/client.proto`);
const ClientMessage = root.lookupType('weir.client.v1.ClientMessage');
const ServerMessage = root.lookupType('weir.client.v1.ServerMessage');

// A WebSocket without a wire: `sent` is what the client sent, as protobufjs reads it.
class Wire {
  static last;
  sent = [];
  bufferedAmount = 0;

  constructor(url, protocols) {
    this.protocols = protocols;
    Wire.last = this;
  }

  send(frame) {
    this.sent.push(read(frame));
  }

  close() {}

  hear(message) {
    this.onmessage({ data: frameOf(message).buffer });
  }
}

function read(frame) {
  return ClientMessage.toObject(ClientMessage.decode(frame), { longs: Number, bytes: String });
}

function frameOf(message) {
  const problem = ServerMessage.verify(message);
  assert.equal(problem, null);
  return Uint8Array.from(ServerMessage.encode(ServerMessage.fromObject(message)).finish());
}

// Without what is undefined.
const plain = (value) => JSON.parse(JSON.stringify(value));
const json = (value) => Buffer.from(JSON.stringify(value));

async function client(t) {
  Wire.last = undefined;
  const weir = new Weir('ws://x', { WebSocket: Wire, codec: 'proto', token: 'a.b.c' });
  t.after(() => weir.close());
  await until(() => Wire.last);
  return weir;
}

const MAX = Number.MAX_SAFE_INTEGER;
const since = { epoch: 'e1', seq: 2 ** 40 + 5 };

const sent = [
  [{ type: 'join', room: 'tea', id: '1' }, { id: '1', join: { room: 'tea' } }],
  [{ type: 'join', room: 'Grüße', id: '1', presence: true, since },
    { id: '1', join: { room: 'Grüße', since, presence: true } }],
  [{ type: 'join', room: 'tea', since: { epoch: 'e1', seq: 0 } },
    { join: { room: 'tea', since: { epoch: 'e1' } } }],
  [{ type: 'leave', room: 'tea', id: '2' }, { id: '2', leave: { room: 'tea' } }],
  [{ type: 'chat', room: 'tea', text: 'hi', length: 3, id: '3', key: 'k', echo: false },
    { id: '3', publish: { room: 'tea', type: 'chat', body: { text: 'hi', length: 3 }, key: 'k',
      noEcho: true } }],
  [{ type: 'cursor', room: 'tea', ephemeral: true, echo: true },
    { publish: { room: 'tea', type: 'cursor', body: {}, ephemeral: true } }],
  [{ type: 'publish', room: 'tea', id: '3' },
    { id: '3', publish: { room: 'tea', type: 'publish', body: {} } }],
  [{ type: 'constructor', room: 'tea' },
    { publish: { room: 'tea', type: 'constructor', body: {} } }],
  [{ type: 'direct', room: 'user:bob', to: 'bob', text: 'psst', key: 'k' },
    { direct: { to: 'bob', body: { text: 'psst' }, key: 'k' } }],
  [{ type: 'history', room: 'tea', before: MAX, limit: 100, id: '4' },
    { id: '4', history: { room: 'tea', before: MAX, limit: 100 } }],
  [{ type: 'history', room: 'tea' }, { history: { room: 'tea' } }],
  [{ type: 'presence', room: 'tea', id: '5' }, { id: '5', presence: { room: 'tea' } }],
  [{ type: 'auth', token: 'x.y.z', id: '6' }, { id: '6', auth: { token: 'x.y.z' } }],
  [{ type: 'ping' }, { ping: {} }],
  [{ type: 'admin:broadcast', event: 'notice', text: 'x', id: '7' },
    { id: '7', broadcast: { body: { event: 'notice', text: 'x' } } }],
  [{ type: 'chat', room: 'r'.repeat(128), text: 'x'.repeat(200000) },
    { publish: { room: 'r'.repeat(128), type: 'chat', body: { text: 'x'.repeat(200000) } } }],
];

test('what is sent is what client.proto says', async (t) => {
  const weir = await client(t);
  for (const [message, wanted] of sent) {
    const got = read(weir._codec.encode(message));
    for (const part of Object.values(got)) {
      if (part.body) part.body = JSON.parse(Buffer.from(part.body, 'base64'));
    }
    assert.deepEqual(got, wanted);
  }
});

const position = { room: 'tea', epoch: 'e1', seq: 2 ** 33 };
const head = { room: 'tea', type: 'chat', from: 'c9', user: 'bob', username: 'Bób', epoch: 'e1' };
const body = json({ text: 'hi', n: [1] });
const wire = (seq) => ({ ...head, seq, timestampMs: 1767225601000, body });
const heard = (seq) => ({ ...head, seq, timestamp: 1767225601000, text: 'hi', n: [1] });

const problem = { code: 'unavailable', message: 'no', room: 'tea', outcome: 'unknown',
  limit: 'rate-user', needs: 'publish on tea' };
const somebody = { user: 'u', username: 'U', clients: 2 };

const came = [
  [{ connected: { clientId: 'c1', user: 'alice', username: 'Älice', roles: ['admin', 'ops'],
    timestampMs: 1767225600000, heartbeatIntervalS: 30, heartbeatTimeoutS: 35,
    sessionExpiresS: 1767229200, maxMessage: 102400 } },
  { type: 'connected', clientId: 'c1', user: 'alice', username: 'Älice', roles: ['admin', 'ops'],
    timestamp: 1767225600000, heartbeat: { interval: 30, timeout: 35 },
    session: { expires: 1767229200 }, maxMessage: 102400 }],
  [{ connected: { clientId: 'c1', user: 'u', heartbeatTimeoutS: 1 } }, // zero is absent
    { type: 'connected', clientId: 'c1', user: 'u', roles: [], heartbeat: { interval: 0, timeout: 1 },
      session: {} }],
  [{ id: '1', joined: { ...position, members: 3 } },
    { type: 'joined', id: '1', ...position, members: 3, messages: [] }],
  [{ joined: { ...position, recovery: 1, members: 3, messages: [wire(1), wire(2)] } },
    { type: 'joined', ...position, recovered: true, members: 3, messages: [heard(1), heard(2)] }],
  [{ joined: { room: 'tea', epoch: 'e2', recovery: 2, members: 1 } },
    { type: 'joined', room: 'tea', epoch: 'e2', seq: 0, recovered: false, members: 1,
      messages: [] }],
  [{ left: { room: 'tea', reason: 'forbidden' } },
    { type: 'left', room: 'tea', reason: 'forbidden' }],
  [{ message: wire(7) }, heard(7)],
  [{ message: { room: 'tea', type: 'note',
    body: json({ interval: 1, recovered: 2, id: 'own' }) } },
    { type: 'note', room: 'tea', interval: 1, recovered: 2, id: 'own' }],
  [{ message: { room: 'tea', type: 'typing', user: 'bob', body: json({}) } },
    { type: 'typing', room: 'tea', user: 'bob' }],
  [{ id: 'a', ack: { ...position, timestampMs: 5, members: 2, duplicate: true } },
    { type: 'ack', id: 'a', ...position, timestamp: 5, members: 2, duplicate: true }],
  [{ id: 'b', history: { ...position, messages: [wire(3)] } },
    { type: 'history', id: 'b', ...position, messages: [heard(3)] }],
  [{ id: 'c', history: { room: 'tea' } },
    { type: 'history', id: 'c', room: 'tea', seq: 0, messages: [] }],
  [{ presence: { room: 'tea', users: 1, connections: 2, members: [somebody] } },
    { type: 'presence', room: 'tea', users: 1, connections: 2, members: [somebody] }],
  [{ memberJoin: { room: 'tea', user: 'u', username: 'U' } },
    { type: 'member:join', room: 'tea', user: 'u', username: 'U' }],
  [{ memberLeave: { room: 'tea', user: 'u', username: 'U' } },
    { type: 'member:leave', room: 'tea', user: 'u', username: 'U' }],
  [{ tokenExpiring: { inS: 30 } }, { type: 'token:expiring', in: 30 }],
  [{ gap: { room: 'tea', epoch: 'e1', from: 3, to: MAX, reason: 'link' } },
    { type: 'gap', room: 'tea', epoch: 'e1', from: 3, to: MAX, reason: 'link' }],
  [{ pong: { timestampMs: 1767225600000 } }, { type: 'pong', timestamp: 1767225600000 }],
  [{ id: 'd', error: problem }, { type: 'error', id: 'd', ...problem }],
];

test('what comes has the form that it has in JSON', async (t) => {
  const weir = await client(t);
  for (const [message, wanted] of came) {
    assert.deepEqual(plain(weir._codec.decode(frameOf(message))), wanted);
  }
});

test('fields that are not known yet are skipped, what is cut off is an error', async (t) => {
  const weir = await client(t);
  const frame = frameOf({ left: { room: 'tea', reason: 'forbidden' } });
  const later = Uint8Array.from([...frame, 0xf8, 0x01, 5, 0xfa, 0x01, 2, 1, 1]); // fields 31
  assert.deepEqual(weir._codec.decode(later), weir._codec.decode(frame));
  for (let n = 1; n < frame.length; n++) {
    assert.throws(() => weir._codec.decode(frame.subarray(0, n)), RangeError, `${n}`);
  }
});

test('a conversation in it', async (t) => {
  const weir = await client(t);
  const socket = Wire.last;
  assert.deepEqual(socket.protocols, ['weir.v1.proto', 'bearer.a.b.c']);
  socket.hear(came[0][0]);
  assert.equal(weir.state, 'open');
  const room = weir.join('tea');
  assert.equal(socket.sent.at(-1).join.room, 'tea');
  socket.hear({ id: socket.sent.at(-1).id, joined: { room: 'tea', epoch: 'e1', members: 1 } });
  assert.equal((await room.ready).seq, 0);
  const texts = [];
  room.on('chat', (message) => texts.push(message.text));
  const answer = room.publish('chat', { text: 'hi' });
  const { id, publish } = socket.sent.at(-1);
  assert.equal(publish.type, 'chat');
  socket.hear({ message: wire(1) });
  socket.hear({ id, ack: { room: 'tea', epoch: 'e1', seq: 1, members: 1 } });
  assert.equal((await answer).seq, 1);
  assert.deepEqual(texts, ['hi']);
});
