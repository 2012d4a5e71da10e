#!/usr/bin/env python3
"""All attacks at once, by one user with good tokens, from a process of its own.

    attacker.py SECONDS TOKEN@HOST:PORT TOKEN@HOST:PORT...

Each kind has connections on each edge that send as much as is taken, and come back when they are
closed: history and presence floods (with and without reading the answers), large messages to all,
one new room after the other, joins and leaves before many, thousands of names in a message, new
tokens, connections that only come and go, and heads that never end. Whoever refuses them, and
however, is right. Prints what came of it: {"sent": bytes, "read": bytes, "closed": n}.
"""

import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import rawhttp  # noqa: E402
import ws  # noqa: E402

EACH = 4  # connections of a kind and edge
BACK_S = 0.25  # until one that was closed comes back
TURN_S = 0.02
LARGE = "x" * 50_000
NAMES = {f"n{i:x}": 0 for i in range(5000)}


def frames(*messages):
    return b"".join(ws.encode_frame(ws.TEXT, json.dumps(m).encode(), mask=b"\0\0\0\0")
                    for m in messages)


def new_rooms(n):
    return frames(*({"type": "attack", "room": f"attack-{n}-{i}", "text": "x"} for i in range(50)))


# By kind: what a connection sends in its n-th turn, and whether it reads.
KINDS = {
    "history": (lambda n, _: frames(*[{"type": "history", "room": "lobby", "id": n}] * 20), True),
    "unread": (lambda n, _: frames(*[{"type": "history", "room": "lobby", "id": n}] * 20), False),
    "presence": (lambda n, _: frames(*[{"type": "presence", "room": "lobby", "id": n}] * 20), True),
    "large": (lambda n, _: frames({"type": "attack", "room": "lobby", "text": LARGE}), True),
    "rooms": (lambda n, _: new_rooms(n), True),
    "comes": (lambda n, _: frames(*[{"type": "join", "room": "lobby", "presence": True},
                                    {"type": "leave", "room": "lobby"}] * 20), True),
    "names": (lambda n, _: frames({"type": "attack", "room": "lobby", **NAMES}), True),
    "tokens": (lambda n, token: frames(*[{"type": "auth", "token": token}] * 20), True),
    "visits": (lambda n, _: None, True),
    "heads": (lambda n, _: b"X-Slow: 1\r\n", True),
}


class Attacker:
    def __init__(self, who, kind):
        self.token, _, address = who.partition("@")
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))
        self.make, self.reads = KINDS[kind]
        self.kind = kind
        self.socket = None
        self.back_at = 0
        self.turns = 0

    def come(self, now):
        if self.socket is not None or now < self.back_at:
            return
        self.back_at = now + BACK_S
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                               1 << 18 if self.reads else 4096)
        self.socket.setblocking(False)
        self.socket.connect_ex(self.address)
        if self.kind == "heads":
            self.left = b"GET /ws HTTP/1.1\r\nHost: x\r\n"
        else:
            self.left = rawhttp.request(f"/ws?token={self.token}", fields=ws.handshake_fields())

    def go(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            return True
        return False

    def act(self, now, seen):
        """A turn: reads, and sends what is taken."""
        self.come(now)
        if self.socket is None:
            return
        try:
            if self.reads:
                data = self.socket.recv(1 << 18)
                seen["read"] += len(data)
                if not data:
                    seen["closed"] += self.go()
                    return
        except BlockingIOError:
            pass
        except OSError:
            seen["closed"] += self.go()
            return
        self.send(seen)

    def send(self, seen):
        if not self.left:
            self.turns += 1
            self.left = self.make(self.turns, self.token)
            if self.left is None:
                self.go()
                return
        try:
            n = self.socket.send(self.left)
            seen["sent"] += n
            self.left = self.left[n:]
        except BlockingIOError:
            pass
        except OSError:
            seen["closed"] += self.go()


def main():
    end = time.monotonic() + float(sys.argv[1])
    seen = {"sent": 0, "read": 0, "closed": 0}
    all_of_them = [Attacker(who, kind) for who in sys.argv[2:] for kind in KINDS
                   for _ in range(EACH)]
    while time.monotonic() < end:
        begun = time.monotonic()
        for one in all_of_them:
            one.act(time.monotonic(), seen)
        time.sleep(max(0.0, TURN_S - (time.monotonic() - begun)))
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
