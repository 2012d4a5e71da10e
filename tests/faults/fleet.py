"""The clients of the fault suite: one process, one thread, hundreds of WebSocket clients.

Each client behaves as a good program would: it connects to any edge, joins its rooms with `since`,
publishes with ids and sometimes with keys, tries keyed messages again until it knows what became of
them, asks for history, leaves, comes back. Everything it asks and hears is written to a recording
(checker.py lists the events) at the moment it is sent or read; nothing is judged here.

Orders come as JSON lines on standard input, and some are answered on standard output:

  {"do": "run", "rate": N}               act, N times a second in all
  {"do": "talk", "rate": N}              the same, but all that they do is to publish
  {"do": "slow", "count": N, "seconds": S, "room": R}   N clients do not read, and R is flooded
  {"do": "wake"}                         they read again, and nothing is flooded
  {"do": "drop", "share": X}             this part of all clients breaks off
  {"do": "quiet", "within": S}           stop acting; answers {"quiet": ""} when all is answered,
                                         joined and delivered, else what is missing
  {"do": "burst", "count": N, "within": S}   N messages in each room, all delivered: as above
  {"do": "end"}                          close the recording

What the clients do is drawn from the seed; when they do it is not, because they wait for answers.
A client may have an `edge` to connect to at first, `away`: how many seconds (two bounds) it is gone
after its first connection, and be `patient`: then it waits for as long as a Close tells it to.
One with a `pattern` does nothing but join it, as an administrator, and hear what matches.
With `codec` "proto" it speaks the binary codec; what it hears is recorded as the text that others
get, so that they can be compared byte for byte. With `tls` it comes to the TLS port of an edge, and
with `deflate` it compresses all that it sends and must be able to read what is compressed.
"""

import json
import os
import random
import selectors
import socket
import ssl
import struct
import sys
import time
import zlib
from collections import deque

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
import protowire

TICK_S = 0.01
READ_MAX = 65536
RSV1 = 0x40  # this message is compressed
TYPE = "chat"
DEFLATE = "permessage-deflate; client_no_context_takeover"
LARGE = "x" * 16000
SLUGGISH_BUFFER = 8192  # of the kernel, of clients that may be told not to read
PENDING_MAX = 40  # requests of a client
AWAY_S = (0.05, 0.6)
PADS = (0, 0, 0, 0, 50, 200, 2000)  # bytes, of which one is drawn
decoder = json.JSONDecoder()


def now_us():
    return time.monotonic_ns() // 1000


class Tls:
    """TLS between a session and its socket; does no I/O."""

    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.sealed = bytearray()

    def seal(self, plain):
        """Takes what can be sealed out of `plain`; returns all that is to be sent, for the caller to
        shorten."""
        try:
            while plain:
                del plain[:self.object.write(plain)]
        except ssl.SSLWantReadError:
            pass  # the handshake is not over
        self.sealed += self.outgoing.read()
        return self.sealed

    def open(self, data):
        self.incoming.write(data)
        plain = b""
        try:
            while more := self.object.read(READ_MAX):
                plain += more
        except ssl.SSLWantReadError:
            pass
        return plain


def deflated(payload):
    """As a message that needs none before it (RFC 7692, 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def client_frame(payload, opcode=1):
    """Masked with zeros: allowed, and nothing to compute."""
    n = len(payload)
    if n < 126:
        return bytes((0x80 | opcode, 0x80 | n)) + b"\0\0\0\0" + payload
    return struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, n) + b"\0\0\0\0" + payload


def server_frames(data):
    """[(opcode, payload), ...] of the whole frames at the front, and how long these are; RSV1 stays
    in the opcode."""
    found, at = [], 0
    while len(data) - at >= 2:
        head, n = 2, data[at + 1]
        if n == 126:
            head = 4
        elif n == 127:
            head = 10
        if len(data) - at < head:
            break
        if head > 2:
            n = int.from_bytes(data[at + 2:at + head], "big")
        if len(data) - at < head + n:
            break
        found.append((data[at] & (15 | RSV1), bytes(data[at + head:at + head + n])))
        at += head + n
    return found, at


def digest_of(text):
    return f"{len(text)}/{zlib.crc32(text):08x}"


def json_of(payload):
    """A binary message as JSON clients get it: the message, the text if it was published, and
    [[seq, n, digest], ...] of its list."""
    values = protowire.decode("ServerMessage", payload)
    message = protowire.server_message(values)
    if "id" in message:
        message["id"] = int(message["id"]) if message["id"].isdigit() else message["id"]
    if "message" in values:
        return message, protowire.text_of(values["message"]).encode(), None
    missed = message.get("messages")
    if missed is not None:
        (answer,) = (value for name, value in values.items() if name != "id")
        texts = (protowire.text_of(one) for one in answer.get("messages", []))
        missed = [[one["seq"], one["n"], digest_of(text.encode())]
                  for one, text in zip(missed, texts)]
    return message, payload, missed


def messages_in(text):
    """[[seq, n, digest], ...] of the list in an answer; the digest is of the bytes as they came."""
    mark = '"messages":['
    at = text.find(mark)
    if at < 0:
        return None
    at += len(mark)
    found = []
    while text[at] != "]":
        message, end = decoder.raw_decode(text, at)
        found.append([message["seq"], message["n"], digest_of(text[at:end].encode())])
        at = end + (text[end] == ",")
    return found


class Session:
    """One connection, from the handshake to its end."""

    def __init__(self, fleet, client, address):
        self.fleet = fleet
        self.client = client
        self.number = fleet.next_session()
        self.state = "shaking"  # then "greeting", "open"
        self.received = bytearray()
        self.unsent = bytearray()
        self.tls = Tls(fleet.tls_context) if client.tls else None
        self.inflater = zlib.decompressobj(-15) if client.deflate else None
        self.pending = {}  # id: what was asked
        self.next_id = 1
        self.interest = 0
        self.sock = socket.socket()
        if client.sluggish:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLUGGISH_BUFFER)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.sock.connect_ex(address)
        offer = f"Sec-WebSocket-Extensions: {DEFLATE}\r\n" if client.deflate else ""
        self.unsent += (
            f"GET /?autojoin=0 HTTP/1.1\r\nHost: fleet\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Protocol: weir.v1.{client.codec}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{offer}Authorization: Bearer {client.token}\r\n\r\n").encode()
        if self.tls:
            self.tls.seal(self.unsent)
        self.watch()

    # ---- bytes

    def watch(self):
        wanted = selectors.EVENT_READ if not self.client.paused else 0
        if self.tls.sealed if self.tls else self.unsent:
            wanted |= selectors.EVENT_WRITE
        if wanted == self.interest:
            return
        if self.interest and wanted:
            self.fleet.selector.modify(self.sock, wanted, self)
        elif wanted:
            self.fleet.selector.register(self.sock, wanted, self)
        else:
            self.fleet.selector.unregister(self.sock)
        self.interest = wanted

    def on_ready(self, events):
        try:
            if events & selectors.EVENT_WRITE:
                self.flush()
            if events & selectors.EVENT_READ:
                data = self.sock.recv(READ_MAX)
                if not data:
                    self.end(None)
                    return
                if self.tls:
                    data = self.tls.open(data)
                    self.flush()
                self.received += data
                self.take()
        except BlockingIOError:
            pass
        except OSError:
            self.end(None)

    def flush(self):
        ready = self.tls.seal(self.unsent) if self.tls else self.unsent
        if ready:
            try:
                del ready[:self.sock.send(ready)]
            except BlockingIOError:
                pass
        self.watch()

    def take(self):
        if self.state == "shaking":
            head, mark, rest = self.received.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.end(None)
                return
            if (b"permessage-deflate" in head) != self.client.deflate:
                raise AssertionError(f"compression was not agreed on as asked: {bytes(head)}")
            self.received = bytearray(rest)
            self.state = "greeting"
        frames, used = server_frames(self.received)
        del self.received[:used]
        for opcode, payload in frames:
            if self.state == "over":
                return
            if opcode & RSV1:
                payload = self.inflater.decompress(payload + b"\0\0\xff\xff")
                opcode &= 15
            if opcode == 1:
                message = json.loads(payload)
                has_list = message["type"] in ("joined", "history")
                self.on_message(message, payload,
                                messages_in(payload.decode()) if has_list else None)
            elif opcode == 2:
                self.on_message(*json_of(payload))
            elif opcode == 9:
                self.unsent += client_frame(payload, 10)
                self.flush()
            elif opcode == 8:
                self.on_close(payload)
                return

    def on_close(self, payload):
        reason = payload[2:].decode()
        if reason:
            self.client.on_reason(json.loads(reason))
        self.end(struct.unpack(">H", payload[:2])[0] if payload else 1005, reason)

    def end(self, code, reason=""):
        """It is over; what was not answered is known to be unknown."""
        if self.state == "over":
            return
        if self.state == "open":
            self.fleet.record("close", self.number, code, reason)
        self.state = "over"
        if self.interest:
            self.fleet.selector.unregister(self.sock)
            self.interest = 0
        self.sock.close()
        self.client.on_end(self)

    # ---- asking

    def ask(self, kind, room, message, record, **about):
        if self.state == "over":
            return
        ident = self.next_id
        self.next_id += 1
        self.pending[ident] = {"kind": kind, "room": room, **about}
        self.fleet.record(kind, self.number, ident, room, *record)
        message = {"type": kind if kind != "hist" else "history", "room": room, "id": ident,
                   **message}
        self.say(message)

    def say(self, message):
        if self.client.codec == "proto":
            values = protowire.client_message(message)
            payload, opcode = protowire.encode("ClientMessage", values), 2
        else:
            payload, opcode = json.dumps(message).encode(), 1
        if self.client.deflate:
            payload, opcode = deflated(payload), opcode | RSV1
        self.unsent += client_frame(payload, opcode)
        try:
            self.flush()
        except OSError:
            self.end(None)

    def join(self, room, since=None):
        extra = {"since": {"epoch": since[0], "seq": since[1]}} if since else {}
        self.ask("join", room, extra, [since])

    def leave(self, room):
        self.ask("leave", room, {}, [])

    def history(self, room, before, limit):
        extra = {} if before is None else {"before": before}
        self.ask("hist", room, {**extra, "limit": limit}, [before, limit])

    def publish(self, room, n, key=None, echo=True, pad=""):
        message = {"type": TYPE, "n": n}
        if pad:
            message["pad"] = pad
        if key is not None:
            message["key"] = key
        if not echo:
            message["echo"] = False
        self.ask("pub", room, message, [n, key, echo], n=n, key=key, echo=echo, pad=pad)

    def ping(self):
        self.pending["ping"] = {"kind": "ping", "room": None}
        self.say({"type": "ping", "id": "ping"})

    # ---- hearing

    def on_message(self, message, payload, missed):
        """`missed` is the list of messages in it, as it is recorded."""
        kind = message["type"]
        record, number = self.fleet.record, self.number
        room = message.get("room")
        if kind == TYPE:
            record("heard" if self.client.pattern else "msg", number, room, message["epoch"], message["seq"], message["n"],
                   digest_of(payload))
            self.client.stands(room, message["epoch"], message["seq"])
        elif kind == "attack" and self.client.pattern:
            pass  # of fault_attacks, in rooms of its own
        elif kind == "connected":
            self.state = "open"
            record("open", number, message["clientId"], message["user"], self.client.allowed)
            self.client.on_open(self)
        elif kind == "gap":
            record("gap", number, room, message["epoch"], message["from"], message["to"])
            self.client.stands(room, message["epoch"], message["to"])
        elif kind == "joined" and "pattern" in message:
            record("watch", number)
            self.pending.pop(message.get("id"), None)
        elif kind == "joined" and "id" not in message:
            record("joined", number, None, room, message["epoch"], message["seq"],
                   message.get("recovered"), missed)
            self.client.on_joined(message)
        elif kind == "left" and "id" not in message:
            record("left", number, None, room)
            self.client.on_left(self, room)
        else:
            self.on_answer(kind, message, missed)

    def on_answer(self, kind, message, missed):
        record, number = self.fleet.record, self.number
        room, ident = message.get("room"), message.get("id")
        if kind == "pong":
            pass
        elif kind == "ack":
            record("ack", number, ident, room, message["epoch"], message["seq"],
                   message.get("duplicate", False))
        elif kind == "joined":
            record("joined", number, ident, room, message["epoch"], message["seq"],
                   message.get("recovered"), missed)
        elif kind == "left":
            record("left", number, ident, room)
        elif kind == "history":
            # A room that nobody has spoken of yet has no epoch.
            record("history", number, ident, room, message.get("epoch"), message.get("seq", 0),
                   missed or [])
        elif kind == "error" and "pattern" in message:
            pass
        elif kind == "error":
            record("error", number, ident, message["code"], message.get("outcome"))
        else:
            raise AssertionError(f"unexpected: {message}")
        asked = self.pending.pop(ident, None)
        if asked is not None:
            self.client.on_answer(self, kind, message, asked)


class Client:
    """One user with a token: what it wants to be in, where it stands, what it must try again."""

    def __init__(self, fleet, who):
        self.fleet = fleet
        self.user = who["user"]
        self.token = who["token"]
        self.allowed = who["allowed"]
        self.home = who["home"]
        self.sluggish = who.get("sluggish", False)
        self.codec = who.get("codec", "json")
        self.tls = who.get("tls", False)
        self.deflate = who.get("deflate", False)
        self.edge = who.get("edge")
        self.wait_s = who.get("away", AWAY_S)
        self.patient = who.get("patient", False)
        self.pattern = who.get("pattern")
        self.paused = False
        self.session = None
        self.connect_at = 0.0
        self.rooms = set()
        self.cursors = {}  # room: (epoch, seq), kept over sessions
        self.again = deque()  # keyed publishes whose outcome is not known
        self.again_at = 0.0
        self.rejoins = {}  # room, None is the pattern: when it is asked for again, refused for a time

    def is_home(self):
        s = self.session
        return (s is not None and s.state == "open" and not s.pending and not self.again
                and not self.paused and self.rooms == set(self.home))

    def may_ask(self):
        s = self.session
        return (s is not None and s.state == "open" and not self.paused
                and len(s.pending) <= self.fleet.pending_max)

    def pick_edge(self):
        """The first time its own, if it has one."""
        number, self.edge = self.edge, None
        edges = self.fleet.tls_edges if self.tls else self.fleet.edges
        return edges[number] if number is not None else self.fleet.rng.choice(edges)

    def stands(self, room, epoch, seq):
        known = self.cursors.get(room)
        if known is None or known[0] != epoch or known[1] < seq:
            self.cursors[room] = (epoch, seq)

    def on_tick(self, now):
        if self.session is None:
            if now >= self.connect_at:
                self.connect_at = now + 15
                self.session = Session(self.fleet, self, self.pick_edge())
            return
        if self.session.state != "open":
            if now >= self.connect_at:  # no greeting for 15 s
                self.session.end(None)
            return
        for room in [room for room, when in self.rejoins.items() if now >= when]:
            del self.rejoins[room]
            if room is None:
                self.watch(self.session)
            elif room not in self.rooms:
                self.session.join(room, self.cursors.get(room))
        if self.again and now >= self.again_at and self.rooms:
            asked = self.again.popleft()
            self.session.publish(asked["room"], asked["n"], asked["key"], asked["echo"],
                                 asked["pad"])

    def on_open(self, session):
        for room in self.home:
            session.join(room, self.cursors.get(room))
        if self.pattern is not None:
            self.cursors = {}  # nothing is recovered
            self.watch(session)

    def watch(self, session):
        session.pending["watch"] = {"kind": "watch", "room": None}
        session.say({"type": "join", "pattern": self.pattern, "id": "watch"})

    def on_reason(self, reason):
        if self.patient and "after" in reason:
            self.wait_s = [ms / 1000 for ms in reason["after"]]

    def on_end(self, session):
        self.session = None
        self.rooms = set()
        self.rejoins = {}
        self.connect_at = time.monotonic() + self.fleet.rng.uniform(*self.wait_s)
        self.wait_s = AWAY_S
        for asked in session.pending.values():
            if asked.get("key") is not None:
                self.again.append(asked)

    def on_answer(self, session, kind, message, asked):
        room = asked["room"]
        if kind == "joined":
            self.on_joined(message)
        elif kind == "left":
            self.on_left(session, room)
        elif kind == "error" and message["code"] in ("unavailable", "rate_limited"):
            later = time.monotonic() + self.fleet.rng.uniform(0.1, 1)
            if asked.get("key") is not None:
                self.again.append(asked)
                self.again_at = later
            elif asked["kind"] == "watch":
                self.rejoins[None] = later
            elif asked["kind"] == "join" and room in self.home:
                self.rejoins[room] = later  # at once it would be refused for its rate as well

    def on_joined(self, message):
        self.rooms.add(message["room"])
        self.cursors[message["room"]] = (message["epoch"], message["seq"])

    def on_left(self, session, room):
        """Nobody leaves for good here."""
        self.rooms.discard(room)
        missed = self.fleet.rng.random() < 0.7
        session.join(room, self.cursors.get(room) if missed else None)

    def pause(self, paused):
        self.paused = paused
        if self.session is not None:
            self.session.watch()


class Fleet:
    def __init__(self, setup, out):
        self.rng = random.Random(setup["seed"])
        self.edges = [tuple(address) for address in setup["edges"]]
        self.tls_edges = [tuple(address) for address in setup["tls_edges"]]
        self.tls_context = None
        if self.tls_edges:
            self.tls_context = ssl.create_default_context(cafile=setup["authority"])
        self.rooms = setup["rooms"]
        self.out = out
        self.selector = selectors.DefaultSelector()
        self.sessions = 0
        self.n_messages = 0
        self.rate = 0
        self.deed = self.act
        self.pads = setup.get("pads", PADS)
        self.pending_max = setup.get("pending", PENDING_MAX)
        self.owed = 0.0
        self.last = time.monotonic()
        self.floods = []  # (until, room, sender)
        self.wakes = []  # (time, client)
        clients = [Client(self, who) for who in setup["clients"]]
        self.clients = [client for client in clients if client.pattern is None]
        self.watchers = [client for client in clients if client.pattern is not None]
        self.watching = {}  # watcher: its session, when the last messages for all were published

    def record(self, kind, *words):
        self.out.write(json.dumps([now_us(), kind, *words], separators=(",", ":")) + "\n")

    def next_session(self):
        self.sessions += 1
        return self.sessions

    def name_message(self, session):
        self.n_messages += 1
        return f"{session.number}.{self.n_messages}"

    # ---- what clients do

    def act(self):
        client = self.rng.choice(self.clients)
        if not client.may_ask():
            return
        s = client.session
        dice = self.rng.random()
        mine = sorted(client.rooms)
        if dice < 0.82:
            room = self.rng.choice(mine if mine and dice < 0.76 else client.allowed)
            keyed = self.rng.random() < 0.3
            n = self.name_message(s)
            s.publish(room, n, "k" + n if keyed else None, self.rng.random() >= 0.1, self.pad())
        elif dice < 0.88:
            before = self.rng.choice([None, None, self.rng.randint(1, 300)])
            s.history(self.rng.choice(client.allowed), before, self.rng.choice([1, 10, 50, 100]))
        elif dice < 0.92 and mine:
            s.leave(self.rng.choice(mine))
        elif dice < 0.94 and mine:
            room = self.rng.choice(mine)
            s.join(room, self.rng.choice([None, client.cursors[room]]))
        elif dice < 0.96:
            s.end(None)
        else:
            self.act_forbidden(client, s)

    def pad(self):
        return "y" * self.rng.choice(self.pads)

    def talk(self):
        """One who can speak does, so that the rate is kept while others are away."""
        able = [client for client in self.clients if client.may_ask() and client.rooms]
        if able:
            client = self.rng.choice(able)
            room = self.rng.choice(sorted(client.rooms))
            client.session.publish(room, self.name_message(client.session), pad=self.pad())

    def act_forbidden(self, client, s):
        room = self.rng.choice([r for r in self.rooms if r not in client.allowed])
        what = self.rng.randrange(3)
        if what == 0:
            s.join(room, self.rng.choice([None, ["0123456789abcdef", 1]]))
        elif what == 1:
            s.history(room, None, 10)
        else:
            s.publish(room, self.name_message(s))

    def flood(self, now):
        self.floods = [one for one in self.floods if one[0] > now]
        for _, room, client in self.floods:
            s = client.session
            if s is not None and s.state == "open" and len(s.pending) < 10:
                s.publish(room, self.name_message(s), pad=LARGE)

    def tick(self):
        now = time.monotonic()
        self.owed = min(self.owed + self.rate * (now - self.last), self.rate)
        self.last = now
        while self.owed >= 1:
            self.owed -= 1
            self.deed()
        self.flood(now)
        for client in [*self.clients, *self.watchers]:
            client.on_tick(now)
        for when, client in self.wakes:
            if when <= now:
                client.pause(False)
        self.wakes = [one for one in self.wakes if one[0] > now]

    def turn(self):
        for key, events in self.selector.select(TICK_S):
            key.data.on_ready(events)
        self.tick()

    def turn_until(self, condition, deadline):
        while not condition() and time.monotonic() < deadline:
            self.turn()
        return condition()

    # ---- orders

    def do_run(self, rate):
        self.rate = rate
        self.deed = self.act

    def do_talk(self, rate):
        self.rate = rate
        self.deed = self.talk

    def do_slow(self, count, seconds, room):
        sluggish = [c for c in self.clients if c.sluggish and room in c.home]
        for client in self.rng.sample(sluggish, min(count, len(sluggish))):
            client.pause(True)
            self.wakes.append((time.monotonic() + seconds, client))
        senders = [c for c in self.clients if room in c.home and not c.sluggish]
        self.floods.append((time.monotonic() + seconds / 2, room, self.rng.choice(senders)))

    def do_wake(self):
        for _, client in self.wakes:
            client.pause(False)
        self.wakes = []
        self.floods = []

    def do_drop(self, share):
        able = [*self.clients, *self.watchers]
        for client in self.rng.sample(able, int(len(able) * share)):
            if client.session is not None:
                client.session.end(None)

    def at_home_in(self, room):
        return [c for c in self.clients if room in c.home]

    def missing(self):
        """What keeps the fleet from being quiet, "" for nothing."""
        for client in self.clients:
            if not client.is_home():
                s = client.session
                return (f"{client.user}: " + (f"session {s.number} is {s.state}, waits for "
                        f"{list(s.pending.values())[:3]}, in {sorted(client.rooms)}" if s else
                                              "not connected"))
        for room in self.rooms:
            places = {c.cursors[room] for c in self.at_home_in(room)}
            if len(places) > 1:
                return f"{room}: members stand at {sorted(places)}"
            for watcher, session in self.watching.items():
                heard = watcher.cursors.get(room)
                if watcher.session is session and heard not in places:
                    return f"{room}: {watcher.user} stands at {heard}, members at {sorted(places)}"
        return ""

    def publish_everywhere(self, count, deadline):
        """`count` messages to each room, heard by all; then each connection is asked for a sign of
        life, which comes after everything its edge counted before. A connection may still end
        meanwhile, as that of one who did not read; it is not asked, and missed until it is back."""
        self.watching = {w: w.session for w in self.watchers if w.is_home()}
        for room in self.rooms:
            for i in range(count):
                senders = [c.session for c in self.at_home_in(room) if c.session is not None]
                if not senders:
                    return f"{room}: nobody is connected"
                s = senders[i % len(senders)]
                s.publish(room, self.name_message(s))
        if self.turn_until(lambda: not self.missing(), deadline):
            for client in self.clients:
                if client.session is not None:
                    client.session.ping()
            self.turn_until(lambda: not self.missing(), deadline)
        return self.missing()

    def do_quiet(self, within):
        self.rate = 0
        self.floods = []
        deadline = time.monotonic() + within
        everybody = [*self.clients, *self.watchers]
        why = ""
        if not self.turn_until(lambda: all(c.is_home() for c in everybody), deadline):
            why = self.missing()
        return {"quiet": why or self.publish_everywhere(1, deadline)}

    def do_burst(self, count, within):
        return {"quiet": self.publish_everywhere(count, time.monotonic() + within)}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        setup = json.load(f)
    with open(setup["recording"], "w", encoding="utf-8") as out:
        fleet = Fleet(setup, out)
        os.set_blocking(0, False)
        orders = bytearray()
        fleet.selector.register(0, selectors.EVENT_READ, Orders(orders))
        while True:
            fleet.turn()
            while b"\n" in orders:
                line, _, rest = bytes(orders).partition(b"\n")
                orders[:] = rest
                order = json.loads(line)
                what = order.pop("do")
                if what == "end":
                    return
                answer = getattr(fleet, "do_" + what)(**order)
                out.flush()
                if answer is not None:
                    print(json.dumps(answer), flush=True)


class Orders:
    """Standard input, in the place of a session."""

    def __init__(self, into):
        self.into = into

    def on_ready(self, _events):
        data = os.read(0, READ_MAX)
        if not data:
            sys.exit("nobody gives orders any more")
        self.into += data


if __name__ == "__main__":
    main()
