// A chat server as one would write it with Node, ws and Redis: as many processes as one likes, each
// publishing to and subscribed at one Redis. It speaks as much of Weir's protocol as weir-bench does:
// join and publish, with an order per room and an ack behind the sender's own copy; and it publishes
// what comes by HTTP.
//
//     node server.mjs WS-MODULE REDIS-PORT KEY-FILE EPOCH
//
// The place in the order comes from Redis, which counts and publishes in one script, so that all
// processes see the same; a message is rendered once a process. What it leaves out is in its favour:
// rights, limits, history, presence, recovery. Prints `ready PORT`.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createConnection } from "node:net";

const [wsModule, redisPort, keyFile, epoch] = process.argv.slice(2);
const { WebSocketServer } = createRequire(import.meta.url)(wsModule);
const key = readFileSync(keyFile);
const rooms = new Map(); // name -> { members, seq, joining }

// ---- Redis, RESP2: arrays of strings out; what comes back is handed to `onReply` in order

function redis(onReply) {
  const socket = createConnection({ port: Number(redisPort), host: "127.0.0.1", noDelay: true });
  let rest = Buffer.alloc(0);

  // [value, where the next begins], or null if it is not all there.
  function read(at) {
    const end = rest.indexOf("\r\n", at);
    if (end < 0) {
      return null;
    }
    const text = rest.toString("latin1", at + 1, end);
    const next = end + 2;
    switch (String.fromCharCode(rest[at])) {
      case "$": {
        const size = Number(text);
        if (size < 0) {
          return [null, next];
        }
        return rest.length < next + size + 2
          ? null
          : [rest.subarray(next, next + size), next + size + 2];
      }
      case "*": {
        const items = [];
        let where = next;
        for (let i = 0; i < Number(text); i++) {
          const item = read(where);
          if (item === null) {
            return null;
          }
          items.push(item[0]);
          where = item[1];
        }
        return [items, where];
      }
      case "-":
        throw new Error(text);
      default:
        return [text, next];
    }
  }

  socket.on("data", (data) => {
    rest = rest.length > 0 ? Buffer.concat([rest, data]) : data;
    let at = 0;
    for (let found = read(0); found !== null; found = at < rest.length ? read(at) : null) {
      at = found[1];
      onReply(found[0]);
    }
    rest = rest.subarray(at);
  });
  return (...words) => {
    let text = `*${words.length}\r\n`;
    for (const word of words) {
      text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
    }
    socket.write(text);
  };
}

const SCRIPT = `local seq = redis.call('INCR', KEYS[1])
redis.call('PUBLISH', KEYS[1], seq .. ' ' .. ARGV[1])
return seq`;
const publish = redis(() => {});
const subscribe = redis(([kind, name, text]) => {
  const room = rooms.get(name.toString());
  if (kind.toString() === "subscribe") {
    room.joining.splice(0).forEach((tell) => tell());
  } else if (kind.toString() === "message" && room !== undefined) {
    deliver(room, text);
  }
});

// ---- rooms

// `SEQ CLIENT ID {message without seq}`
function deliver(room, text) {
  const body = text.indexOf("{");
  const [seq, from, id] = text.toString("latin1", 0, body).split(" ");
  const message = Buffer.concat([Buffer.from(`{"seq":${seq},`), text.subarray(body + 1)]);
  room.seq = Number(seq);
  for (const member of room.members) {
    member.send(message, { binary: false });
  }
  if (id !== "-") {
    clients.get(from)?.send(
      `{"type":"ack","id":${id},"room":"${room.name}","epoch":"${epoch}","seq":${seq}}`);
  }
}

function join(client, { room: name, id }) {
  let room = rooms.get(name);
  const answer = () => {
    room.members.add(client);
    client.send(`{"type":"joined","id":${id},"room":"${name}","epoch":"${epoch}","seq":${room.seq}}`);
  };
  client.rooms.add(name);
  if (room === undefined) {
    room = { name, members: new Set(), seq: 0, joining: [answer] };
    rooms.set(name, room);
    subscribe("SUBSCRIBE", name);
  } else if (room.joining.length > 0) {
    room.joining.push(answer);
  } else {
    answer();
  }
}

function leave(client) {
  clients.delete(client.id);
  for (const name of client.rooms) {
    rooms.get(name).members.delete(client);
  }
}

// ---- HTTP

const waiting = []; // for Redis, in order
const publishAndWait = redis((seq) => waiting.shift()(seq));

function onRequest(request, response) {
  const room = /^\/v1\/rooms\/([^/?]+)\/messages$/.exec(request.url)?.[1];
  const user = userOfToken((request.headers.authorization ?? "").replace("Bearer ", ""));
  if (request.method !== "POST" || room === undefined || user === null) {
    response.writeHead(user === null ? 401 : 404).end();
    return;
  }
  let body = "";
  request.setEncoding("utf8").on("data", (chunk) => (body += chunk)).on("end", () => {
    const { type, ...fields } = JSON.parse(body);
    const timestamp = Date.now();
    const out = JSON.stringify({ type, room, user, epoch, timestamp, ...fields });
    waiting.push((seq) => {
      const answer = JSON.stringify({ room, epoch, seq: Number(seq), timestamp });
      response.writeHead(200, { "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(answer) }).end(answer);
    });
    publishAndWait("EVAL", SCRIPT, "1", room, `- - ${out}`);
  });
}

// ---- clients

const clients = new Map();
let lastClient = 0;

function userOf(url) {
  return userOfToken(new URL(url, "http://localhost").searchParams.get("token") ?? "");
}

function userOfToken(token) {
  const [head, claims, signature] = token.split(".");
  const wanted = createHmac("sha256", key).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return null;
  }
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url"));
  return exp === undefined || exp * 1000 > Date.now() ? sub : null;
}

function onMessage(client, text) {
  const message = JSON.parse(text);
  if (message.type === "join") {
    join(client, message);
    return;
  }
  const { id, type, room, ...fields } = message;
  const out = JSON.stringify({ type, room, from: client.id, user: client.user, epoch,
    timestamp: Date.now(), ...fields });
  publish("EVAL", SCRIPT, "1", room, `${client.id} ${id ?? "-"} ${out}`);
}

const http = createServer(onRequest).listen(0, "127.0.0.1", () => {
  console.log(`ready ${http.address().port}`);
});
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (client, request) => {
  client.user = userOf(request.url);
  if (client.user === null) {
    client.close(4002, "invalid_token");
    return;
  }
  client.id = `${process.pid}-${++lastClient}`; // its messages come back to us alone
  client.rooms = new Set();
  clients.set(client.id, client);
  client.on("message", (text) => onMessage(client, text));
  client.on("close", () => leave(client));
  client.send(JSON.stringify({ type: "connected", clientId: client.id, user: client.user }));
});
process.on("SIGTERM", () => process.exit(0));
