#!/usr/bin/env python3
"""A client for a terminal: shows every message that comes, sends each line typed as a chat message.

    chat.py [--token-file FILE] [--room ROOM] ws://HOST:PORT[/PATH]
"""

import argparse
import os
import select
import sys
from urllib.parse import urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "integration"))

import rawhttp
import ws


def address_of(url):
    parts = urlsplit(url)
    if parts.scheme != "ws" or parts.hostname is None:
        raise SystemExit(f"error: not a ws:// URL: {url}")
    return (parts.hostname, parts.port or 80), parts.path or "/"


def connect(url, token_file=None):
    address, target = address_of(url)
    token = None
    if token_file is not None:
        with open(token_file, encoding="ascii") as f:
            token = f.read().strip()
    return ws.Client(address, target, token)


def show_what_came(client):
    """Shows at least one message, and all that came with it."""
    while True:
        client.next()
        print("<", client.raw, flush=True)
        if not client.stream.buffer:
            return


def talk(client, room):
    if room is not None:
        client.send(type="join", room=room)
    where = {} if room is None else {"room": room}
    while True:
        readable, _, _ = select.select([client.stream.socket, sys.stdin], [], [])
        if client.stream.socket in readable:
            show_what_came(client)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                client.close()
                return
            client.send(type="chat", text=line.rstrip("\n"), **where)


def main():
    parser = argparse.ArgumentParser(description="a chat client for a terminal")
    parser.add_argument("--token-file", metavar="FILE")
    parser.add_argument("--room", help="join this room; default: the lobby, which joins by itself")
    parser.add_argument("url", metavar="ws://HOST:PORT")
    args = parser.parse_args()
    try:
        talk(connect(args.url, args.token_file), args.room)
    except ws.Closed as closed:
        print(f"closed by the gateway: {closed.code} {closed.reason.decode()}", file=sys.stderr)
        return 1
    except (ws.Refused, rawhttp.EndOfStream, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
