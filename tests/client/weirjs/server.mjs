// A server that does what a test says, and nothing else. Each connection is a Peer: `next` is what
// the client sent next, `send` and `close` are what it is told.
import { WebSocket } from './modules.mjs';
import { until } from './clock.mjs';

export const HELLO = {
  type: 'connected', clientId: 'c1', user: 'alice', roles: [], timestamp: 1,
  heartbeat: { interval: 30, timeout: 35 }, session: {}, maxMessage: 1000,
};

class Peer {
  constructor(socket, request) {
    this.socket = socket;
    this.url = new URL(request.url, 'ws://server');
    this.offered = request.headers['sec-websocket-protocol'].split(',');
    this.came = [];
    this.closed = null;
    socket.on('message', (data) => this.came.push(JSON.parse(data)));
    socket.on('close', (code) => (this.closed = code));
  }

  send(...messages) {
    for (const message of messages) this.socket.send(JSON.stringify(message));
  }

  hello(fields) {
    this.send({ ...HELLO, ...fields });
  }

  async next(type) {
    await until(() => this.came.length > 0, `a message ${type}`);
    const message = this.came.shift();
    if (type && message.type !== type) {
      throw new Error(`${type} expected, not ${JSON.stringify(message)}`);
    }
    return message;
  }

  close(code, fields) {
    this.socket.close(code, fields && JSON.stringify(fields));
  }

  // As if the wire had been cut.
  cut() {
    this.socket.terminate();
  }
}

export class Server {
  static async start(options) {
    const server = new Server();
    server.peers = [];
    server.n = 0; // connections so far
    server.server = new WebSocket.WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
    server.server.on('connection', (socket, request) => {
      server.n++;
      server.peers.push(new Peer(socket, request));
    });
    await until(() => server.server.address());
    server.url = `ws://127.0.0.1:${server.server.address().port}`;
    return server;
  }

  async accept() {
    await until(() => this.peers.length > 0, 'a connection');
    return this.peers.shift();
  }

  // A connection that is open for the client.
  async welcome(fields) {
    const peer = await this.accept();
    peer.hello(fields);
    return peer;
  }

  stop() {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }
}
