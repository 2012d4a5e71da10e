"""What the programs log when strangers talk to them, and what becomes of them when nobody reads it."""

import json
import os
import re
import subprocess
import unittest

import jwts
import rawhttp
from harness import (DEADLINE_S, EDGE_BIN, JWT_KEY, Edge, TestCase, environment, metrics_of, option_words,
                     wait_until)
from rawhttp import request
from ws import handshake_fields

PIPE_BYTES = 65536
NASTY = 'x\r\n\x1b[31mred\x07\x7f"\\'
QUOTED = 'the "quoted" \\ one'
SECRET = "not-for-the-log"


class EdgeWithStderr(Edge):
    """An edge whose standard error is what the test says, so nothing of it can be read here."""

    def __init__(self, cluster, name, stderr, **options):
        self.folder, self.name, self.lines = cluster.folder, name, []
        self.argv = [EDGE_BIN, *option_words({"name": name, "router": [cluster.router.link_url],
                                              **cluster.edge_options, **options})]
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stderr=stderr,
                                      stdout=subprocess.DEVNULL, env=environment(cluster.folder))

    def wait(self, timeout=DEADLINE_S):
        return self.popen.wait(timeout)


def listening(pid):
    """The ports of the TCP sockets on which a program listens, in no order."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                ports.add(int(fields[1].split(":")[1], 16))
    return ports


class NobodyReads(TestCase):
    expected_seconds = 6

    def start(self, stderr):
        cluster = self.start_cluster(edges=0, edge={"log_level": "debug", "threads": 1})
        edge = EdgeWithStderr(cluster, "edge", stderr)
        cluster.processes.append(edge)
        wait_until(lambda: len(listening(edge.popen.pid)) == 2, "it listens")
        ready = [("127.0.0.1", port) for port in listening(edge.popen.pid)]
        ops = [address for address in ready
               if rawhttp.get(address, "/metrics").status == 200]
        self.assertEqual(len(ops), 1)
        ready.remove(ops[0])
        edge.ready = {"listen": [f"127.0.0.1:{ready[0][1]}"], "ops": [f"127.0.0.1:{ops[0][1]}"]}
        edge.wait_until_ready()
        return cluster, edge

    def assert_serves(self, cluster, edge):
        """People talk, while each line is lost, until many are."""
        alice, bob = cluster.connect(edge, "alice"), cluster.connect(edge, "bob")
        for client in (alice, bob):
            client.join("room")

        def dropped():
            return metrics_of(edge.ops)["weir_log_dropped_total"]

        n = 0
        while dropped() < 100:
            n += 1
            self.assertLess(n, 2000, "nothing is ever lost")
            for _ in range(10):
                rawhttp.get(edge.address, "/nowhere")
            alice.publish("room", str(n))
            bob.expect("chat", text=str(n))
        self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 200)
        for client in (alice, bob):
            client.close()
        edge.stop()

    def test_a_full_disk_stops_nothing(self):
        with open("/dev/full", "wb") as full:
            cluster, edge = self.start(full)
        self.assert_serves(cluster, edge)

    def test_a_pipe_that_nobody_reads_stops_nothing(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        os.write(writer, b"x" * PIPE_BYTES)  # full from the start
        os.set_blocking(writer, True)
        with open(writer, "wb") as pipe:
            cluster, edge = self.start(pipe)
        # A megabyte of lines is kept for a reader; what comes then is lost.
        self.assert_serves(cluster, edge)


class Strangers(TestCase):
    expected_seconds = 3

    def lines_about_strangers(self, log_format):
        """Says what strangers can to an edge and returns all it has logged."""
        cluster = self.start_cluster(edges=1, edge={"log_format": log_format,
                                                    "log_level": "debug"})
        edge = cluster.edges[0]
        token = cluster.token(QUOTED)
        talker = cluster.connect(token=token)
        for claims in ({"sub": NASTY}, {"sub": "a", "username": NASTY}):
            cluster.open(token=jwts.make(JWT_KEY, claims)).expect_close(4002)
        cluster.open(token=SECRET + ".x.y").expect_close(4002)
        for target in (f"/?token={SECRET}&token=two", f"/nowhere?token={SECRET}",
                       f"/%0d%0a%1b?token={SECRET}"):
            rawhttp.exchange(edge.address, request(target, fields=handshake_fields()))
        talker.join("room")
        talker.publish("room", SECRET)
        talker.ask_for("error", type=NASTY, room=NASTY, text=SECRET)
        talker.close()
        edge.stop()
        self.assertGreater(len(edge.lines), 20)
        return edge.lines, token

    def test_what_strangers_send_is_escaped_and_no_token_is_told(self):
        for log_format in ("text", "json"):
            with self.subTest(log_format=log_format):
                lines, token = self.lines_about_strangers(log_format)
                for line in lines:
                    self.assertNotRegex(line, r"[\x00-\x1f\x7f]")
                    self.assertNotIn(SECRET, line)
                    for part in token.split("."):
                        self.assertNotIn(part, line)
                    if log_format == "json" and not line.startswith("ready "):
                        told = json.loads(line)
                        self.assertIn("event", told)
                        self.assertIn(told.get("user", ""), ("", QUOTED))

    def test_a_strangers_lines_come_at_a_rate(self):
        cluster = self.start_cluster(edges=1, edge={
            "proxy_protocol": True, "trusted_proxies": "192.0.2.1", "threads": 1})
        edge = cluster.edges[0]
        mark = edge.mark()
        name = 'weir_edge_handshakes_total{result="403"}'
        for _ in range(500):
            stream = rawhttp.Stream(edge.address)
            stream.send(b"GET / HTTP/1.1\r\n\r\n")
            stream.close()
        wait_until(lambda: metrics_of(edge.ops).get(name, 0) == 500, "all have been refused")
        edge.wait_for_line(" proxy_refused ", after=mark)
        lines = edge.lines[mark:]
        told = [line for line in lines if " proxy_refused " in line]
        stamps = {re.match(r"[^.]*", line)[0] for line in told}
        self.assertLessEqual(len(told), 5 * (len(stamps) + 1))
        self.assertLess(len(told), 250)


if __name__ == "__main__":
    unittest.main()
