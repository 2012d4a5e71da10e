#!/usr/bin/env python3
"""Two clients in a room of their own, one on each edge, who talk while others attack.

    bystander.py TOKEN@HOST:PORT TOKEN@HOST:PORT

They publish in turn. Each word on stdin is answered by one line: `mark` by what has been measured since
the last one, {"ms": [time until ack and the other's receipt...], "lost": n, "closed": reason or null}.
A process of its own, so that it does not wait for the attacker's interpreter.
"""

import json
import os
import select
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import rawhttp  # noqa: E402
import ws  # noqa: E402

ROOM = "bystanders"
PAUSE_S = 0.02  # between two messages
LOST_S = 5 * rawhttp.SLOW  # a message that takes longer counts as lost


def connect(who):
    token, _, address = who.partition("@")
    host, _, port = address.rpartition(":")
    client = ws.Client((host, int(port)), "/?autojoin=0", token)
    client.expect("connected")
    client.join(ROOM)
    return client


def talk(sender, receiver, n):
    """How long it takes until the sender has its ack and the other one the message; None: lost."""
    begun = time.monotonic()
    try:
        sender.send(type="chat", room=ROOM, id=n, n=n)
        receiver.wait_for("chat", LOST_S, n=n)
        sender.wait_for("ack", LOST_S, id=n)
    except TimeoutError:
        return None
    return (time.monotonic() - begun) * 1000


def main():
    pair = [connect(who) for who in sys.argv[1:]]
    print("ready", flush=True)
    seen, n = {"ms": [], "lost": 0, "closed": None}, 0
    while True:
        if select.select([sys.stdin], [], [], PAUSE_S if seen["closed"] is None else None)[0]:
            if sys.stdin.readline() != "mark\n":
                return
            print(json.dumps(seen), flush=True)
            seen = {"ms": [], "lost": 0, "closed": seen["closed"]}
        if seen["closed"] is None:
            n += 1
            try:
                took = talk(pair[n % 2], pair[1 - n % 2], n)
            except (ws.Closed, rawhttp.EndOfStream) as e:
                seen["closed"] = str(e)
                continue
            seen["lost"] += took is None
            seen["ms"] += [] if took is None else [took]


main()
