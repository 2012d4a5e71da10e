#!/usr/bin/env python3
"""Two clients at two edges talk to each other, and the transcript is shown.

    smoke.py URL TOKEN_FILE URL TOKEN_FILE
"""

import sys

import chat


class Speaker:
    """A client that shows what it says and hears."""

    def __init__(self, name, url, token_file):
        self.name = name
        self.client = chat.connect(url, token_file)
        print(f"{name} connects to {url}")
        self.hear("connected")

    def say(self, message):
        print(f"{self.name} > {message}", flush=True)
        self.client.send_text(message)

    def hear(self, message_type, **fields):
        message = self.client.wait_for(message_type, **fields)
        print(f"{self.name} < {self.client.raw}", flush=True)
        return message


def converse(alice, bob):
    for speaker in (alice, bob):
        speaker.say('{"type":"join","room":"tea","id":"j"}')
        speaker.hear("joined", room="tea", id="j")
    alice.say('{"type":"chat","room":"tea","text":"milk?","id":"m"}')
    heard = [speaker.hear("chat", room="tea", text="milk?", user="alice")
             for speaker in (alice, bob)]
    alice.hear("ack", id="m", seq=heard[0]["seq"])
    bob.say('{"type":"chat","room":"tea","text":"please","id":"n"}')
    heard += [speaker.hear("chat", room="tea", text="please", user="bob")
              for speaker in (bob, alice)]
    alice.say('{"type":"direct","to":"bob","text":"thanks","id":"d"}')
    bob.hear("direct", room="user:bob", user="alice", text="thanks")
    alice.hear("ack", id="d")
    if heard[0] != heard[1] or heard[2] != heard[3]:
        raise AssertionError("the two did not hear the same")


def main():
    url_a, token_a, url_b, token_b = sys.argv[1:]
    try:
        alice = Speaker("alice", url_a, token_a)
        bob = Speaker("bob  ", url_b, token_b)
        converse(alice, bob)
        for speaker in (alice, bob):
            speaker.client.close()
    except Exception as e:  # whatever it is, the reader wants one line
        print(f"failed: {type(e).__name__}: {e}", file=sys.stderr)
        return 1
    print("ok: two clients at two edges heard the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
