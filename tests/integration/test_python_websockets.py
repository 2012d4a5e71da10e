"""The `websockets` package of Debian as a client: another implementation of RFC 6455."""

import subprocess
import sys
import unittest

from harness import DEADLINE_S, ClusterTestCase

PROGRAM = """
import asyncio, json, sys
import websockets

async def main(url, text):
    async with websockets.connect(url) as client:
        assert json.loads(await client.recv())["type"] == "connected"
        await client.send(json.dumps({"type": "chat", "room": "library", "text": text, "id": 1}))
        while True:
            message = json.loads(await client.recv())
            if message["type"] == "ack":
                print(message["seq"])
                return
    assert client.close_code == 1000

asyncio.run(main(*sys.argv[1:]))
"""


def interpreter():
    """A Python that has the package; Debian's, if ours has not."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", "import websockets"], capture_output=True,
                              check=False).returncode == 0:
                return python
        except OSError:
            pass
    return None


class PythonWebsockets(ClusterTestCase):
    n_edges = 1

    def test_it_connects_publishes_and_closes(self):
        python = interpreter()
        if python is None:
            self.skipTest("python3-websockets is not installed")
        alice = self.connect()
        alice.join("library")
        url = "ws://%s:%d/?token=%s" % (*self.cluster.edges[0].address, self.cluster.token("bob"))
        done = subprocess.run([python, "-c", PROGRAM, url, "x" * 60000], capture_output=True,
                              text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "1"), done.stderr)
        self.assertEqual(len(alice.expect("chat", user="bob")["text"]), 60000)


if __name__ == "__main__":
    unittest.main()
