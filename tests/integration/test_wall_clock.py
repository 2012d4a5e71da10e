"""Somebody sets the clock of all machines by an hour, while everything runs. Tokens have dates and notice;
nothing else does."""

import glob
import os
import tempfile
import time
import unittest
from unittest import mock

import harness
import ws
from harness import SLOW, TestCase, metrics_of, wait_until

LIBRARY = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
HOUR_S = 3600
TIMEOUT_S = 20 * SLOW  # of links and of clients: an hour is more, a moment without a core is not
TALK_S = 2.5  # longer than it takes any timer to look


@unittest.skipIf(LIBRARY is None, "libfaketime is not installed")
@unittest.skipIf(harness.sanitized(), "a sanitizer has to be loaded first")
class WallClock(TestCase):
    expected_seconds = 14

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-clock-")
        self.addCleanup(folder.cleanup)
        self.offset_file = os.path.join(folder.name, "offset")
        self.set_clocks(0)
        words = ["env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={self.offset_file}",
                 "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
        patch = mock.patch.object(harness, "WRAP", words + harness.WRAP)
        patch.start()
        self.addCleanup(patch.stop)
        self.cluster = self.start_cluster(
            router={"link_timeout": f"{TIMEOUT_S:g}s", "history_age": "300s"},
            edge={"heartbeat_interval": "1s", "heartbeat_timeout": f"{TIMEOUT_S:g}s",
                  "jwt_leeway": "0", "lobby": ""})
        self.alice, self.bob = [self.cluster.connect(i, token=self.token(name, 24 * HOUR_S))
                                for i, name in enumerate(("alice", "bob"))]
        for client in (self.alice, self.bob):
            client.join("room", presence=True)
            client.join("talk")
        self.alice.wait_for("member:join", user="bob")
        for n in range(5):
            self.alice.publish("room", str(n), key=f"key-{n}")

    def token(self, user, exp_s, **claims):
        return self.cluster.token(user, exp=int(time.time()) + exp_s, **claims)

    def set_clocks(self, offset_s):
        with open(self.offset_file + ".new", "w", encoding="ascii") as f:
            f.write(f"{offset_s:+d}\n")
        os.rename(self.offset_file + ".new", self.offset_file)
        self.offset_s = offset_s

    def jump(self, offset_s):
        """All clocks are set, and the router and both edges are seen to know it."""
        self.set_clocks(offset_s)
        for client in (self.alice, self.bob):
            self.assert_far(client.publish(f"room-of-{offset_s}")["timestamp"])
            self.assert_far(client.ask_for("pong", type="ping")["timestamp"])

    def assert_far(self, timestamp):
        self.assertLess(abs(timestamp / 1000 - time.time() - self.offset_s), HOUR_S / 4)

    def talk(self):
        end = time.monotonic() + TALK_S
        while time.monotonic() < end:
            self.alice.publish("talk", "still here")
            self.bob.wait_for("chat", text="still here")
            self.alice.wait_for("chat", text="still here")
            time.sleep(0.05)

    def refused(self, token):
        try:
            self.cluster.connect(0, token=token).close_socket()
        except ws.Closed as closed:
            self.assertEqual(closed.code, 4002)
            return True
        return False

    def test_only_tokens_notice(self):
        marks = [(process, process.mark()) for process in self.cluster.processes]
        short = self.token("ann", HOUR_S // 2)
        future = self.token("ann", 24 * HOUR_S, nbf=int(time.time()) - 60)
        ann = self.cluster.connect(0, token=short)
        self.assertFalse(self.refused(future))
        for offset_s, is_late, is_early in ((HOUR_S, True, False), (-HOUR_S, False, True)):
            self.jump(offset_s)
            if is_late:
                self.assertEqual(ann.read_close()[0], 4003)
            self.talk()
            history = self.alice.ask_for("history", type="history", room="room")["messages"]
            self.assertEqual([m["text"] for m in history][:5], [str(n) for n in range(5)])
            again = self.alice.publish("room", "4", key="key-4")
            self.assertEqual((again["seq"], again["duplicate"]), (5, True))
            self.assertEqual(self.bob.publish("room")["members"], 2)
            self.assertEqual((self.refused(short), self.refused(future)), (is_late, is_early))
        self.assert_nobody_was_lost(marks)

    def assert_nobody_was_lost(self, marks):
        for process, mark in marks:
            said = [line for line in process.lines[mark:] if "link_" in line or "edge_gone" in line]
            self.assertEqual(said, [], process.name)
        for client in (self.alice, self.bob):
            client.fence()

    def test_a_connection_lasts_as_long_as_it_did(self):
        self.jump(HOUR_S)
        self.bob.close()
        name = "websocket_connection_duration_seconds"
        page = wait_until(lambda: self.page_with(name + "_count", 1), "the end is counted")
        self.assertEqual(page[name + '_bucket{le="3600"}'], 1)

    def page_with(self, name, value):
        page = metrics_of(self.cluster.edges[1].ops)
        return page if page.get(name) == value else None


if __name__ == "__main__":
    unittest.main()
