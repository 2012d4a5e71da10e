// A chat client as many pages have one: handlers by message type, and a reconnect whose delay
// doubles from one second on, ten attempts long. Usage: node doubling.js URL
'use strict';

const WebSocket = require('ws');
const { drive, tell } = require('./drive');

const FIRST_DELAY_MS = 1000;
const ATTEMPTS_MAX = 10;

class ChatClient {
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.attempts = 0;
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.on('open', () => {
      this.attempts = 0;
      tell('open', {});
    });
    this.socket.on('message', (data) => this.dispatch(JSON.parse(data.toString())));
    this.socket.on('close', (code, reason) => {
      tell('close', { code, reason: reason.toString() });
      this.reconnect();
    });
    this.socket.on('error', (error) => tell('failure', { message: error.message }));
  }

  reconnect() {
    if (this.attempts >= ATTEMPTS_MAX) {
      tell('given up', {});
      return;
    }
    const delay = FIRST_DELAY_MS * 2 ** this.attempts;
    this.attempts += 1;
    tell('retry', { delay });
    setTimeout(() => this.connect(), delay);
  }

  dispatch(message) {
    const handler = this.handlers[message.type];
    if (handler !== undefined) {
      handler(message);
    }
  }

  send(text) {
    this.socket.send(text);
  }
}

const handlers = {};
for (const type of ['connected', 'chat', 'typing', 'error', 'admin:broadcast']) {
  handlers[type] = (message) => tell('message', { message });
}
drive(new ChatClient(process.argv[2], handlers));
