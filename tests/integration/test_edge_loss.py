"""An edge dies or stands still: its members go after link-timeout, everybody else goes on."""

import os
import signal
import sys
import time
import unittest

import rawhttp
from harness import TestCase, parse_address, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))

from proxy import Proxy  # noqa: E402

LINK_TIMEOUT_S = 2


class EdgeLoss(TestCase):
    expected_seconds = 8

    def setUp(self):
        self.cluster = self.start_cluster(edges=3, router={"link_timeout": f"{LINK_TIMEOUT_S}s"})
        self.alice = self.cluster.connect(0, "alice")
        self.lost = [self.cluster.connect(1, name) for name in ("bob", "bob", "carol")]
        self.carol = self.cluster.connect(2, "carol")
        self.alice.join("room", presence=True)
        for client in [*self.lost, self.carol]:
            client.join("room")
        self.assertEqual({self.alice.expect("member:join")["user"] for _ in range(2)},
                         {"bob", "carol"})

    def edge_names(self):
        return {row["edge"] for row in self.cluster.rows("edges")}

    def test_its_members_leave_in_time_and_each_user_once(self):
        self.cluster.edges[1].kill()
        killed = time.monotonic()
        self.alice.expect("member:leave", user="bob", room="room")  # carol has another connection
        self.assertLess(time.monotonic() - killed, (LINK_TIMEOUT_S + 1) * rawhttp.SLOW)
        self.assertEqual(self.alice.publish("room")["members"], 2)
        self.assertEqual(self.edge_names(), {"edge-1", "edge-3"})
        self.alice.expect("chat")
        self.alice.expect_nothing()

    def test_the_others_do_not_wait(self):
        self.cluster.edges[1].kill()
        for n in range(50):
            started = time.monotonic()
            self.alice.publish("room", str(n))
            self.carol.wait_for("chat", text=str(n))
            self.assertLess(time.monotonic() - started, 1 * rawhttp.SLOW)

    def test_its_clients_come_back_elsewhere_and_miss_nothing(self):
        last = self.alice.publish("room", "before")
        bob = self.lost[0]
        bob.expect("chat", text="before")
        self.cluster.edges[1].kill()
        with self.assertRaises(rawhttp.EndOfStream):
            bob.next()
        self.alice.publish("room", "meanwhile")
        again = self.cluster.connect(2, "bob")
        joined = again.join("room", since={"epoch": last["epoch"], "seq": last["seq"]})
        self.assertTrue(joined["recovered"])
        self.assertEqual([m["text"] for m in joined["messages"]], ["meanwhile"])

    def test_the_same_name_may_come_back(self):
        self.cluster.edges[1].kill()
        again = self.cluster.start_edge("edge-2")
        bob = self.cluster.connect(again, "bob")
        bob.join("room")
        self.alice.publish("room", "welcome")
        bob.expect("chat", text="welcome")
        wait_until(lambda: self.alice.publish("room")["members"] == 3, "the old ones are purged")
        self.assertEqual(self.edge_names(), {"edge-1", "edge-2", "edge-3"})

    def test_a_short_stop_costs_nothing(self):
        edge = self.cluster.edges[1]
        edge.signal(signal.SIGSTOP)
        for n in range(20):
            self.alice.publish("room", str(n))
        time.sleep(0.3)
        edge.signal(signal.SIGCONT)
        for client in self.lost:
            for n in range(20):
                client.expect("chat", text=str(n), seq=n + 1)
        self.assertEqual(self.alice.publish("room")["members"], 5)

    def test_a_long_stop_is_a_leave_and_a_return(self):
        edge = self.cluster.edges[1]
        edge.signal(signal.SIGSTOP)
        self.alice.wait_for("member:leave", user="bob")
        self.alice.publish("room", "while away")
        edge.signal(signal.SIGCONT)
        wait_until(edge.is_ready, "the edge is back")
        for client in self.lost:  # replayed, or said to be missing
            message = client.next()
            self.assertIn(message["type"], ("chat", "gap"))
        self.alice.wait_for("member:join", user="bob")
        self.alice.publish("room", "again")
        for client in self.lost:
            client.wait_for("chat", text="again")


class LongCut(TestCase):
    """An edge is away for longer than link-timeout, and rooms have said more than history keeps."""

    expected_seconds = 8
    KEPT = 10

    def away(self, cluster, meanwhile):
        """What `meanwhile` does happens while the second edge is forgotten."""
        cluster.edges[1].signal(signal.SIGSTOP)
        wait_until(lambda: len(cluster.rows("edges")) == 1, "the edge is forgotten")
        meanwhile()
        cluster.edges[1].signal(signal.SIGCONT)

    def test_what_history_still_holds_is_sent_and_the_rest_is_said(self):
        cluster = self.start_cluster(edges=2, router={
            "link_timeout": f"{LINK_TIMEOUT_S}s", "history_messages": str(self.KEPT)})
        alice, bob = cluster.connect(0, "alice"), cluster.connect(1, "bob")
        alice.join("room")
        epoch = bob.join("room")["epoch"]
        for n in range(1, 4):
            alice.publish("room", str(n))
            bob.expect("chat", seq=n)

        def meanwhile():
            for n in range(4, 54):
                alice.publish("room", str(n))

        self.away(cluster, meanwhile)
        bob.expect("gap", room="room", epoch=epoch, **{"from": 4}, to=43, reason="trimmed")
        for n in range(44, 54):
            bob.expect("chat", text=str(n), epoch=epoch, seq=n)
        bob.expect_nothing()

    def test_an_edge_with_many_rooms_gets_all_that_is_held(self):
        """More than a megabyte in all; a room that is talked in during the replay keeps its order."""
        n_rooms, n_messages, text = 40, 20, "x" * 4000
        cluster = self.start_cluster(edges=2, router={"link_timeout": f"{LINK_TIMEOUT_S}s"},
                                     edge={"queue_limit": "16MiB"})
        alice, bob = cluster.connect(0, "alice"), cluster.connect(1, "bob")
        rooms = [f"room-{i}" for i in range(n_rooms)]
        for room in rooms:
            bob.join(room)

        def meanwhile():
            for room in rooms:
                for _ in range(n_messages):
                    alice.publish(room, text)

        self.away(cluster, meanwhile)
        for _ in range(5):
            for room in rooms:
                alice.publish(room, "live")
        seen = dict.fromkeys(rooms, 0)
        while sum(seen.values()) < n_rooms * (n_messages + 5):
            message = bob.expect("chat")
            seen[message["room"]] += 1
            self.assertEqual(message["seq"], seen[message["room"]])
        bob.expect_nothing()


class Silence(TestCase):
    """The router's address answers nothing at all, not even with a refusal."""

    expected_seconds = 4

    def test_while_a_session_can_be_resumed_an_edge_dials_again_each_second(self):
        """What the kernel tries by itself comes ever more rarely, and the session ends meanwhile."""
        cluster = self.start_cluster(edges=0)
        proxy = Proxy(parse_address(cluster.router.link_url.partition("//")[2]))
        cluster.start_edge("edge", router=[proxy.url])
        proxy.vanish()
        proxy.cut()
        dials = set()

        def third_dial():
            dials.update(dialling(proxy))
            return len(dials) >= 3

        wait_until(third_dial, "a third dial", 4 * rawhttp.SLOW)
        proxy.heal()
        wait_until(cluster.edges[0].is_ready, "the edge is back")


def dialling(proxy):
    """Ports from which it is dialled, and which have not been answered yet (SYN_SENT)."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            _, near, far, state = line.split()[:4]
            if state == "02" and int(far.rpartition(":")[2], 16) == proxy.address[1]:
                yield int(near.rpartition(":")[2], 16)


class Linger(TestCase):
    def test_a_user_who_reconnects_in_time_was_never_away(self):
        cluster = self.start_cluster(router={"presence_linger": "60s"})
        watcher = cluster.connect(0, "watcher")
        watcher.join("room", presence=True)
        bob = cluster.connect(1, "bob")
        bob.join("room")
        watcher.expect("member:join", user="bob")
        bob.close_socket()
        wait_until(lambda: len(cluster.rows("members", "room")) == 1, "bob is gone")
        back = cluster.connect(0, "bob")
        back.join("room")
        watcher.expect_nothing()


if __name__ == "__main__":
    unittest.main()
