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
// Names with an underscore are for this file only.

const DEFAULTS = {
  codec: 'json',
  minDelay: 1000, // milliseconds, like all times here
  maxDelay: 30000,
  openTimeout: 2000,
  maxAttempts: Infinity,
};

// Codes after which the same client must not come back, if the reason does not say it.
const FINAL = [1002, 1003, 1007, 1008, 1009, 4001, 4002, 4004, 4005];

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
    this._attempts = 0; // since the last `connected`
    this._losses = 0; // since then
    this._wake = this._wake.bind(this);
    globalThis.addEventListener?.('online', this._wake);
    globalThis.document?.addEventListener('visibilitychange', this._wake);
    this._connect();
  }

  get state() {
    return this._state;
  }

  close() {
    if (this._state !== 'closed') this._stop({ code: 1000, reason: 'normal' });
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
    const { WebSocket } = this._options;
    this._attempts++;
    this._enter('connecting');
    try {
      const url = addressOf(await this._url());
      if (attempt !== this._attempt) return;
      const token = this._token;
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
    this._attempts = this._losses = 0;
    this._enter('open', this._heartbeat.interval * 1000, () => this._probe());
    this._emit('connected', message);
  }

  // The connection, or the try to have one, has ended: the end is judged here.
  _lost({ code = 1006, reason = '' }) {
    const { minDelay, maxDelay, maxAttempts } = this._options;
    const end = { ...parseReason(reason), code };
    const again = code !== 4003 && (end.reconnect ?? !FINAL.includes(code));
    if (!again || this._attempts >= maxAttempts) {
      this._stop(end);
      return;
    }
    this._drop();
    const most = Math.min(maxDelay, minDelay * 2 ** this._losses++);
    const [low, high] = Array.isArray(end.after) ? end.after : [0, most];
    this._earliest = Date.now() + low;
    this._enter('waiting', low + Math.random() * (high - low), () => this._connect());
  }

  _stop(end) {
    this._drop(1000);
    globalThis.removeEventListener?.('online', this._wake);
    globalThis.document?.removeEventListener('visibilitychange', this._wake);
    this._enter('closed');
    if ([4001, 4002, 4003].includes(end.code)) this._emit('auth', end);
    this._emit('close', end);
  }

  // Forgets the socket.
  _drop(code) {
    const socket = this._socket;
    this._attempt = this._socket = undefined;
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
    if (message.type === 'connected') this._onConnected(message);
  }

  _send(message) {
    this._socket.send(this._codec.encode(message));
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

// ---- codecs: what a frame looks like. Nothing above knows which one is spoken.

const CODECS = {
  json: { protocol: 'weir.v1.json', encode: JSON.stringify, decode: JSON.parse },
};
