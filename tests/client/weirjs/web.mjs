// Serves edge/web as an edge is to serve it, and hands everything else, WebSockets above all, to an
// edge: so a page and its WebSocket have one origin.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { ROOT } from './modules.mjs';

const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILES = {
  '/weir.js': ['weir.js', 'text/javascript; charset=utf-8'],
  '/demo': ['demo.html', 'text/html; charset=utf-8'],
  '/demo.js': ['demo.js', 'text/javascript; charset=utf-8'],
  '/demo.css': ['demo.css', 'text/css; charset=utf-8'],
  '/demo.svg': ['demo.svg', 'image/svg+xml'],
};

async function reach([edge, ...others]) {
  const { hostname, port } = new URL(edge);
  const tunnel = net.connect(port, hostname);
  return once(tunnel, 'connect').then(() => tunnel, (error) => {
    if (others.length === 0) throw error;
    return reach(others);
  });
}

// Of several edges the first that can be reached, as a balancer would.
export async function serve(...edges) {
  const tunnels = new Set();
  const server = http.createServer((request, response) => {
    const [name, type] = FILES[new URL(request.url, 'http://x').pathname] ?? [];
    if (!name) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': type, 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-cache',
    });
    response.end(readFileSync(join(ROOT, 'edge/web', name)));
  });
  server.on('upgrade', async (request, socket, head) => {
    socket.on('error', () => {});
    try {
      const tunnel = await reach(edges);
      tunnels.add(tunnel);
      const fields = request.rawHeaders.map((word, i) => word + (i % 2 ? '\r\n' : ': ')).join('');
      tunnel.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields}\r\n`);
      tunnel.write(head);
      tunnel.pipe(socket).pipe(tunnel);
      tunnel.on('error', () => {});
      tunnel.on('close', () => socket.destroy());
      socket.on('close', () => tunnel.destroy());
    } catch {
      socket.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      for (const tunnel of tunnels) tunnel.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}
