// A client of Weir for browsers, workers, Node and Deno. The protocol is in proto/client.md.
//
// `Weir` is a connection that comes back. Its states:
//
//   connecting  a token is fetched, a socket opens, `connected` has not come yet
//   open        messages pass
//   waiting     the next try is at a known time
//   closed      by close(), or because the server said that another try is of no use
//
// _enter() alone changes the state, and ends the one timer of the state before. Each try to connect
// is an object, by which callbacks of a socket that was given up are known and ignored.
//
// `Room` is a membership that outlives connections. Its position is the (epoch, seq) of the last
// message it handed on. After a reconnect it asks for what came since, and drops what it has had.
// So handlers see each message once and in order, or a `gap` or `reset`.
//
// A request is queued until it is sent, then kept until it is answered. When a connection is lost,
// questions, and publishes with a key, which the server publishes once, are queued again; the
// others are rejected with outcome "unknown".
//
// Names with an underscore are for this file only.

const DEFAULTS = {
  codec: 'json',
  minDelay: 1000, // milliseconds, like all times here
  maxDelay: 30000,
  openTimeout: 2000,
  maxAttempts: Infinity,
  queueBytes: 1 << 20,
};

const BUFFERED_MAX = 1 << 16; // bytes in the socket beyond which requests stay in the queue
const BUFFERED_LOOK = 50; // a socket does not say when it has sent them, so we look
const KEY_LIFE = 270000; // the server remembers a key for 300 s

// Codes after which the same client must not come back, if the reason does not say it.
const FINAL = [1002, 1003, 1007, 1008, 1009, 4001, 4004, 4005];

// Events of our own: nobody else can cause them by a message of that type.
const OWN = 'state connected message error auth close gap recovered reset left'.split(' ');

/** Why a request or a join failed: `code` and `outcome` as in proto/client.md. */
export class WeirError extends Error {
  constructor({ code, message = code, outcome = 'none', room, needs }) {
    super(message);
    Object.assign(this, { name: 'WeirError', code, outcome, room, needs });
  }
}

const unavailable = (outcome, message) => new WeirError({ code: 'unavailable', outcome, message });
const over = (outcome) => new WeirError({ code: 'closed', outcome, message: 'it is closed' });

class Emitter {
  _handlers = new Map(); // event -> functions

  on(event, fn) {
    if (!this._handlers.has(event)) this._handlers.set(event, new Set());
    this._handlers.get(event).add(fn);
    return () => this._handlers.get(event).delete(fn);
  }

  // A handler that throws must not keep the others from theirs, or us from our order.
  _emit(event, value) {
    for (const fn of [...(this._handlers.get(event) ?? [])]) {
      try {
        fn(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  _emitMessage(message, type = message.type) {
    this._emit('message', message);
    if (!OWN.includes(type)) this._emit(type, message);
  }
}

export class Weir extends Emitter {
  constructor(url, options = {}) {
    super();
    this._options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...options };
    this._codec = CODECS[this._options.codec];
    if (!this._options.WebSocket) throw new TypeError('no WebSocket here: give one as an option');
    if (!this._codec) throw new TypeError(`no codec ${this._options.codec}`);
    this._url = typeof url === 'function' ? url : () => url;
    if (this._url !== url) addressOf(url); // throws if it is none
    this._token = options.token;
    this._rooms = new Map(); // name -> Room
    this._queue = []; // requests to be sent, in order
    this._sent = new Map(); // id -> request without an answer
    this._bytes = 0; // of both
    this._lastId = 0;
    this._keys = Date.now().toString(36) + Math.random().toString(36).slice(1); // how ours begin
    this._attempts = 0; // since the last `connected`
    this._losses = 0; // since then
    this._refreshed = false; // a token was refused and another fetched since then
    this._wake = this._wake.bind(this);
    globalThis.addEventListener?.('online', this._wake);
    globalThis.document?.addEventListener('visibilitychange', this._wake);
    this._connect();
  }

  get state() {
    return this._state;
  }

  close() {
    if (this._state !== 'closed' || this._refused) this._stop({ code: 1000, reason: 'normal' });
  }

  // ---- states

  // `fn` is called after `ms` milliseconds in this state.
  _enter(state, ms, fn) {
    this._state = state;
    this._later(ms, fn);
    this._emit('state', state);
  }

  _later(ms, fn) {
    clearTimeout(this._timer);
    this._timer = fn && setTimeout(fn, ms);
  }

  async _connect() {
    const attempt = (this._attempt = {});
    const { getToken, WebSocket } = this._options;
    this._attempts++;
    this._enter('connecting');
    try {
      this._token ??= await getToken?.();
      const url = addressOf(await this._url());
      if (attempt !== this._attempt) return;
      const token = (attempt.token = this._token);
      if (/[^\w.-]/.test(token)) {
        this._lost({ code: 4002, reason: '{"reason":"invalid_token","cause":"malformed"}' });
        return;
      }
      const protocols = [this._codec.protocol];
      if (token) protocols.push('bearer.' + token); // a URL would be logged
      this._open(attempt, new WebSocket(url, protocols));
    } catch (error) {
      if (attempt !== this._attempt) return;
      this._emit('error', error);
      this._lost({});
    }
  }

  _open(attempt, socket) {
    const current = (fn) => (event) => attempt === this._attempt && fn(event);
    const patience = () => this._later(this._options.openTimeout, () => this._lost({}));
    this._socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = current(patience);
    socket.onmessage = current((event) => this._receive(event.data));
    socket.onerror = () => {}; // a close follows
    socket.onclose = current((event) => this._lost(event));
    patience();
  }

  _onConnected(message) {
    this.clientId = message.clientId;
    this._heartbeat = message.heartbeat ?? { interval: 30, timeout: 35 };
    this._maxMessage = message.maxMessage ?? Infinity;
    this._attempts = this._losses = 0;
    this._refreshed = false;
    this._enter('open', this._heartbeat.interval * 1000, () => this._probe());
    this._joinAll();
    this._flush();
    this._emit('connected', message);
  }

  // The connection, or the try to have one, has ended: the end is judged here.
  _lost({ code = 1006, reason = '' }) {
    const { getToken, minDelay, maxDelay, maxAttempts } = this._options;
    const end = { ...parseReason(reason), code };
    const tokenRefused = code === 4002 || code === 4003;
    const newer = this._token !== this._attempt.token; // by renew()
    const refresh = tokenRefused && (newer || (getToken && !this._refreshed));
    const again = tokenRefused ? refresh : end.reconnect ?? !FINAL.includes(code);
    if (!again || this._attempts >= maxAttempts) {
      this._stop(end);
      return;
    }
    if (refresh && !newer) {
      this._refreshed = true;
      this._token = undefined;
    }
    this._drop();
    const most = refresh ? 0 : Math.min(maxDelay, minDelay * 2 ** this._losses++);
    const [low, high] = Array.isArray(end.after) ? end.after : [0, most];
    this._earliest = Date.now() + low;
    this._enter('waiting', low + Math.random() * (high - low), () => this._connect());
  }

  // With a new token (renew()) a client whose token was refused goes on.
  _stop(end) {
    this._refused = [4001, 4002, 4003].includes(end.code);
    this._drop(1000);
    for (const request of this._queue.splice(0)) {
      this._settle(request, over(request.sentAt ? 'unknown' : 'none'));
    }
    if (!this._refused) {
      globalThis.removeEventListener?.('online', this._wake);
      globalThis.document?.removeEventListener('visibilitychange', this._wake);
      for (const room of this._rooms.values()) room._reject(over('none'));
      this._rooms.clear();
    }
    this._enter('closed');
    if (this._refused) this._emit('auth', end);
    this._emit('close', end);
  }

  // Forgets the socket, and what only its connection knew.
  _drop(code) {
    const socket = this._socket;
    this._attempt = this._socket = undefined;
    clearTimeout(this._flushTimer);
    clearTimeout(this._joinTimer);
    this._flushTimer = this._joinTimer = undefined;
    for (const room of this._rooms.values()) room._joined = room._joinId = undefined;
    const sent = [...this._sent.values()];
    this._sent.clear();
    for (const request of sent.filter((one) => !one.again)) {
      this._settle(request, unavailable('unknown', 'the connection was lost'));
    }
    this._queue = sent.filter((one) => one.again).concat(this._queue);
    socket?.close(code);
  }

  // ---- signs of life

  // After `interval` seconds of silence we ping, after `timeout` we give up.
  _listen() {
    this._later(this._heartbeat.interval * 1000, () => this._probe());
  }

  _probe() {
    const { interval, timeout } = this._heartbeat;
    this._send({ type: 'ping' });
    this._later((timeout - interval) * 1000, () => this._lost({}));
  }

  // The network is back, or somebody looks: no reason to wait longer than the server asked us to.
  _wake() {
    if (globalThis.document?.visibilityState === 'hidden') return;
    if (this._state === 'open') this._probe();
    if (this._state !== 'waiting') return;
    this._later(Math.max(0, this._earliest - Date.now()), () => this._connect());
  }

  // ---- what comes

  _receive(data) {
    if (this._state === 'open') this._listen();
    let message;
    try {
      message = Object(this._codec.decode(data));
    } catch (error) {
      this._emit('error', error);
      return;
    }
    const room = this._rooms.get(message.room);
    switch (message.type) {
      case 'connected':
        return this._onConnected(message);
      case 'ack':
      case 'history':
      case 'presence':
        return this._answer(message);
      case 'pong':
        return;
      case 'error':
        return this._onError(new WeirError(message), message.id, room);
      case 'token:expiring':
        return this._onExpiring(message);
      case 'joined':
        return room?._onJoined(message);
      case 'left':
        return message.id === undefined ? room?._onLeft(message) : this._answer(message);
      case 'gap':
        return room?._onGap(message);
      case 'member:join':
      case 'member:leave':
        return room?._emit(message.type, message);
      case 'admin:broadcast': // its own type is in `event`
        return this._emitMessage(message, message.event);
      default:
        return room?._onMessage(message);
    }
  }

  _answer(message) {
    const request = this._sent.get(message.id);
    if (!request) return;
    this._settle(request, message);
    request.room?._onAck(message);
  }

  _onError(error, id, room) {
    const request = this._sent.get(id);
    if (request) {
      this._settle(request, error);
    } else if (room && id === room._joinId) {
      room._onRefused(error);
    } else {
      room?._emit('error', error);
      this._emit('error', error);
    }
  }

  async _onExpiring(message) {
    this._emit('token:expiring', message);
    try {
      if (this._options.getToken) await this.renew(await this._options.getToken());
    } catch (error) {
      this._emit('error', error); // when the token expires, 4003 makes us try once more
    }
  }

  // ---- requests

  /** Resolves to the `ack`; without a connection at once, and the token is for the next one. */
  async renew(token) {
    this._token = token;
    if (this._state === 'open') return this._ask({ type: 'auth', token });
    if (this._state === 'closed' && !this._refused) throw over('none');
    if (this._state === 'closed') this._connect();
  }

  /** Publishes to the room `user:USER`. */
  direct(user, type, fields, options) {
    const own = type === 'direct' ? { ...fields, to: user } : fields;
    return this._publish(`user:${user}`, null, type, own, options);
  }

  broadcast(type, fields) {
    return this._request({ ...fields, event: type, type: 'admin:broadcast' }, {});
  }

  _publish(name, room, type, fields, options) {
    if (typeof type === 'object') return this._publish(name, room, type.type, type, fields);
    const message = { ...fields, ...options, type, room: name };
    if (message.ephemeral || type === 'typing') {
      const answer = this._request(message, { now: true });
      answer.catch(() => {}); // nobody has to look
      return answer;
    }
    message.key ??= this._keys + this._lastId;
    if (!message.key) delete message.key;
    return this._request(message, { room, again: Boolean(message.key), key: message.key });
  }

  // Sends a message now and returns the promise of its answer; not sent again.
  _ask(message) {
    return new Promise((resolve, reject) => {
      message.id = String(++this._lastId);
      this._sent.set(message.id, { id: message.id, bytes: 0, resolve, reject });
      this._send(message);
    });
  }

  // Queues a message and returns the promise of its answer. `again`: it may be sent twice; `now`:
  // it is not worth queueing.
  _request(message, request) {
    return new Promise((resolve, reject) => {
      if (this._state === 'closed') throw over('none');
      if (request.now && !this._maySend()) throw unavailable('none', 'not now');
      const id = String(++this._lastId);
      const frame = this._codec.encode({ ...message, id });
      const bytes = byteLength(frame);
      if (this._bytes + bytes > this._options.queueBytes) {
        throw unavailable('none', 'the queue is full');
      }
      this._bytes += bytes;
      Object.assign(request, { id, frame, bytes, resolve, reject });
      if (request.now) return this._sendQueued(request);
      this._queue.push(request);
      if (!this._flushTimer) this._flush();
    });
  }

  _settle(request, result) {
    this._sent.delete(request.id);
    this._bytes -= request.bytes;
    if (result instanceof Error) request.reject(result);
    else request.resolve(result);
  }

  _send(message) {
    this._socket.send(this._codec.encode(message));
  }

  _maySend() {
    return this._state === 'open' && this._socket.bufferedAmount <= BUFFERED_MAX;
  }

  // Sends what is queued, in order. What is for a room waits until that is joined, so that it comes
  // after the recovery of what was published before.
  _flush() {
    this._flushTimer = undefined;
    for (let i = 0; i < this._queue.length && this._maySend(); ) {
      const { room } = this._queue[i];
      if (room && this._rooms.get(room.name) === room && !room._joined) i++;
      else this._sendQueued(this._queue.splice(i, 1)[0]);
    }
    if (this._state === 'open' && !this._maySend()) {
      this._flushTimer = setTimeout(() => this._flush(), BUFFERED_LOOK);
    }
  }

  _sendQueued(request) {
    const problem = this._problemOf(request);
    if (problem) return this._settle(request, problem);
    request.sentAt ??= Date.now();
    request.epoch ??= request.room?.position?.epoch;
    this._sent.set(request.id, request);
    this._socket.send(request.frame);
  }

  // A key is worth something for five minutes, and to the router that has seen it: a new one, which
  // the room's new epoch gives away, might publish it a second time.
  _problemOf({ bytes, key, sentAt, epoch, room }) {
    if (bytes > this._maxMessage) {
      return new WeirError({ code: 'too_big', message: `longer than ${this._maxMessage} bytes` });
    }
    const stale = Date.now() - sentAt > KEY_LIFE || (epoch && epoch !== room.position.epoch);
    return key && sentAt && stale ? unavailable('unknown', 'the connection was lost') : null;
  }

  // ---- rooms

  join(name, { presence = false, since } = {}) {
    let room = this._rooms.get(name);
    if (!room) {
      room = new Room(this, name, since);
      if (this._state === 'closed' && !this._refused) room._reject(over('none'));
      else this._rooms.set(name, room);
    }
    if (presence && !room._presence) {
      room._presence = true;
      room._joinId = undefined; // ask once more
      if (room._joined) room._join();
    }
    this._joinAll();
    return room;
  }

  _joinAll() {
    if (this._state !== 'open') return;
    for (const room of this._rooms.values()) if (!room._joined && !room._joinId) room._join();
  }

  _joinSoon() {
    const { minDelay } = this._options;
    clearTimeout(this._joinTimer);
    this._joinTimer = setTimeout(() => this._joinAll(), minDelay * (1 + Math.random()));
  }
}

/** A membership; made by weir.join(). */
class Room extends Emitter {
  constructor(weir, name, since) {
    super();
    this._weir = weir;
    this.name = name;
    this.position = since?.epoch && since; // nothing before the first `joined`
    this.ready = new Promise((resolve, reject) => {
      this._resolve = resolve;
      this._reject = reject;
    });
    this.ready.catch(() => {}); // there is an 'error' too
  }

  publish(type, fields, options) {
    return this._weir._publish(this.name, this, type, fields, options);
  }

  history({ before, limit } = {}) {
    const message = { type: 'history', room: this.name, before, limit };
    return this._weir._request(message, { again: true });
  }

  presence() {
    return this._weir._request({ type: 'presence', room: this.name }, { again: true });
  }

  /** Does not fail: whoever has no connection is no member either. */
  async leave() {
    const weir = this._weir;
    if (weir._rooms.get(this.name) !== this) return;
    weir._rooms.delete(this.name);
    this._reject(over('none'));
    if (weir._state === 'open') {
      await weir._ask({ type: 'leave', room: this.name }).catch(() => {});
      weir._flush();
    }
  }

  _join() {
    const weir = this._weir;
    this._joinId = String(++weir._lastId);
    weir._send({
      type: 'join',
      room: this.name,
      id: this._joinId,
      presence: this._presence || undefined,
      since: this.position,
    });
  }

  // Also comes without an id: for a join of unknown outcome, and when the room has a new epoch.
  _onJoined(message) {
    const { id, epoch, seq, recovered, messages = [] } = message;
    if (id !== undefined && id !== this._joinId) return; // of an earlier membership
    this._joined = true;
    for (const one of messages) this._onMessage(one);
    if (recovered === false || !this._isPast(epoch, seq)) this.position = { epoch, seq };
    this._resolve(message);
    if (recovered !== undefined) this._emit(recovered ? 'recovered' : 'reset', message);
    this._weir._flush();
  }

  // True if (epoch, seq) is not beyond what was handed on.
  _isPast(epoch, seq) {
    return this.position?.epoch === epoch && seq <= this.position.seq;
  }

  _onMessage(message) {
    const { epoch, seq } = message;
    if (this._weir._rooms.get(this.name) !== this || !this._joined) return;
    if (seq) {
      if (this._isPast(epoch, seq)) return;
      this.position = { epoch, seq };
    }
    this._emitMessage(message);
    this._weir._emitMessage(message);
  }

  // What was published with `echo: false` does not come, so that its ack moves the position. Only
  // by one: before it there may be messages that are still to come by a recovery.
  _onAck({ epoch, seq }) {
    const { position } = this;
    if (position?.epoch === epoch && seq === position.seq + 1) this.position = { epoch, seq };
  }

  _onGap(message) {
    if (!this._isPast(message.epoch, message.to)) {
      this.position = { epoch: message.epoch, seq: message.to };
    }
    this._emit('gap', message);
  }

  _onLeft(message) {
    this._weir._rooms.delete(this.name);
    this._emit('left', message);
  }

  _onRefused(error) {
    this._joinId = undefined;
    if (error.code === 'unavailable' || error.code === 'rate_limited') {
      this._weir._joinSoon();
      return;
    }
    this._weir._rooms.delete(this.name);
    this._reject(error);
    this._emit('error', error);
    this._weir._flush(); // one may publish where one may not join
  }
}

// ---- texts

function addressOf(url) {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace('http', 'ws');
  address.searchParams.set('autojoin', '0');
  return address.href;
}

// Of a Close frame: {"reason":"restart","reconnect":true,"after":[100,5000]}, or anything.
function parseReason(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return { reason: text };
  }
}

function byteLength(frame) {
  return typeof frame === 'string' ? utf8.encode(frame).length : frame.length;
}

// ---- codecs: what a frame looks like. Nothing above knows which one is spoken.
//
// The binary one is proto/client.proto. Fields are numbered from 1 on without holes, so a message
// is the list of its fields, with their names in JSON. Published ones stand under ''. Of what
// comes, # is a number that is zero if it is missing, ? a flag, {} JSON text and [] a list.

const SENT = {
  join: 'room since presence',
  leave: 'room',
  '': 'room type body key noEcho ephemeral',
  direct: 'to body key',
  history: 'room before limit',
  presence: 'room',
  auth: 'token',
  ping: '',
  'admin:broadcast': 'body',
};
const CAME = {
  connected: 'clientId user username roles[] timestamp interval# timeout# expires maxMessage',
  joined: 'room epoch seq# recovered members# messages[]',
  left: 'room reason',
  '': 'room type from user username epoch seq timestamp body{}',
  ack: 'room epoch seq timestamp members duplicate?',
  history: 'room epoch seq# messages[]',
  presence: 'room users# connections# members[]',
  'member:join': 'room user username',
  'member:leave': 'room user username',
  'token:expiring': 'in#',
  gap: 'room epoch from to reason',
  pong: 'timestamp',
  error: 'code message room outcome limit after needs',
};
const LISTED = { messages: CAME[''], members: 'user username clients' };

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

function putVarint(out, value) {
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  out.push(value);
}

// What is empty, zero or false is left out. Texts and messages have their length before them.
function putField(out, number, value, fields) {
  if (!value) return;
  if (typeof value === 'boolean' || typeof value === 'number') {
    putVarint(out, number * 8);
    putVarint(out, Number(value));
    return;
  }
  const bytes = fields === undefined ? utf8.encode(value) : fieldsOf(value, fields);
  putVarint(out, number * 8 + 2);
  putVarint(out, bytes.length);
  for (const byte of bytes) out.push(byte);
}

function fieldsOf(message, fields) {
  const out = [];
  fields.split(' ').forEach((name, i) => {
    putField(out, i + 1, message[name], name === 'since' ? 'epoch seq' : undefined);
  });
  return out;
}

function encodeProto({ id, type, room, to, key, echo, ephemeral, ...own }) {
  const kind = Object.hasOwn(SENT, type) ? type : '';
  const body = JSON.stringify(own);
  const message = { ...own, type, room, to, key, noEcho: echo === false, ephemeral, body };
  const out = [];
  putField(out, 1, id);
  putField(out, Object.keys(SENT).indexOf(kind) + 2, message, SENT[kind]);
  return Uint8Array.from(out);
}

// Calls `take` with the number and the value of each field.
function eachField(bytes, take) {
  let at = 0;
  const varint = () => {
    let value = 0;
    let scale = 1;
    for (; bytes[at] > 127; scale *= 128) value += (bytes[at++] - 128) * scale;
    return value + bytes[at++] * scale;
  };
  while (at < bytes.length) {
    const tag = varint();
    let value = varint();
    if (tag % 8) value = bytes.subarray(at, (at += value));
    if (!(at <= bytes.length)) throw new RangeError('a message was cut off');
    take(tag >> 3, value);
  }
}

function messageOf(bytes, fields) {
  const message = {};
  const list = fields.split(' ').map((field) => /(\w+)(.*)/.exec(field));
  for (const [, name, kind] of list) {
    if (kind === '#') message[name] = 0;
    if (kind === '[]') message[name] = [];
  }
  eachField(bytes, (number, value) => {
    const [, name, kind] = list[number - 1] ?? [];
    const listed = kind && LISTED[name];
    if (typeof value === 'object') {
      value = listed ? messageOf(value, listed) : fromUtf8.decode(value);
    }
    if (kind === '{}') Object.assign(message, JSON.parse(value));
    else if (kind === '[]') message[name].push(value);
    else message[name] = kind === '?' || value;
  });
  return message;
}

function decodeProto(data) {
  let message;
  eachField(new Uint8Array(data), (number, value) => {
    const type = Object.keys(CAME)[number - 2];
    if (number === 1) message = { id: fromUtf8.decode(value) };
    else if (type !== undefined) message = { ...message, type, ...messageOf(value, CAME[type]) };
  });
  if (message.type === 'joined') message.recovered = [, true, false][message.recovered];
  if (message.type !== 'connected') return message;
  const { interval, timeout, expires, ...rest } = message;
  return { ...rest, heartbeat: { interval, timeout }, session: { expires } };
}

const CODECS = {
  json: { protocol: 'weir.v1.json', encode: JSON.stringify, decode: JSON.parse },
  proto: { protocol: 'weir.v1.proto', encode: encodeProto, decode: decodeProto },
};
