// A client that never gives up: the delay grows by half up to thirty seconds, and an attempt that has
// not opened after two is dropped. Shows every message. Usage: node patient.js URL
'use strict';

const WebSocket = require('ws');
const { drive, tell } = require('./drive');

const FIRST_DELAY_MS = 1000;
const GROWTH = 1.5;
const DELAY_MAX_MS = 30000;
const OPEN_TIMEOUT_MS = 2000;

let failures = 0;
let socket = null;

function connect() {
  const current = new WebSocket(process.argv[2]);
  const timer = setTimeout(() => {
    tell('open timeout', {});
    current.terminate();
  }, OPEN_TIMEOUT_MS);
  socket = current;
  current.onopen = () => {
    clearTimeout(timer);
    failures = 0;
    tell('open', {});
  };
  current.onmessage = (event) => tell('message', { message: JSON.parse(event.data) });
  current.onerror = (event) => tell('failure', { message: event.message });
  current.onclose = (event) => {
    clearTimeout(timer);
    tell('close', { code: event.code, reason: event.reason });
    const delay = Math.min(FIRST_DELAY_MS * GROWTH ** failures, DELAY_MAX_MS);
    failures += 1;
    tell('retry', { delay });
    setTimeout(connect, delay);
  };
}

connect();
drive({ send: (text) => socket.send(text) });
