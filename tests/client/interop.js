// Half of the conversation that integration/test_interop.py has with each client: joins the room,
// says what was agreed on, and repeats the text it hears, whole and in fragments, until it hears `bye`.
// Usage: node interop.js URL ROOM deflate|plain
'use strict';

const WebSocket = require('ws');

const FRAGMENTS = 3;
const [url, room, how] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: how === 'deflate' });

function send(message) {
  socket.send(JSON.stringify({ room, ...message }));
}

function sendFragments(message) {
  // Cut anywhere, also within a character.
  const bytes = Buffer.from(JSON.stringify({ room, ...message }));
  const size = Math.ceil(bytes.length / FRAGMENTS);
  for (let at = 0; at < bytes.length; at += size) {
    socket.send(bytes.subarray(at, at + size), { binary: false, fin: at + size >= bytes.length });
  }
}

const handlers = {
  connected: () => send({ type: 'join' }),
  joined: () => send({ type: 'here', extensions: socket.extensions }),
  chat: ({ text }) => {
    send({ type: 'whole', text });
    sendFragments({ type: 'fragments', text });
  },
  bye: () => socket.close(1000),
};

socket.on('message', (data) => {
  const message = JSON.parse(data.toString());
  handlers[message.type]?.(message);
});
socket.on('close', (code) => process.exit(code === 1000 ? 0 : 1));
