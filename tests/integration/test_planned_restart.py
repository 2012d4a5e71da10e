"""A router that is asked to stop: no client is closed, and no publish is lost, twice or uncertain."""

import os
import signal
import time
import unittest

import rawhttp
from harness import TestCase, wait_until

ROOM = "room"


class PlannedRestart(TestCase):
    expected_seconds = 8

    def setUp(self):
        # The edge that is back first may publish much before the other one is: history bridges it.
        self.cluster = self.start_cluster(edges=2, router={"history_messages": "5000",
                                                           "history_bytes": "4MiB"},
                                          edge={"lobby": "", "publish_timeout": "60s"})
        self.clients = [self.cluster.connect(i % 2, f"user-{i}") for i in range(4)]
        for client in self.clients:
            self.epoch = client.join(ROOM)["epoch"]
        self.sent = 0

    def publish_from_all(self, count):
        for _ in range(count):
            for client in self.clients:
                client.send(type="chat", room=ROOM, n=self.sent, id=self.sent)
                self.sent += 1

    def read_all(self, client):
        """({n: (epoch, seq)} as heard, answers) of one client, when all is there."""
        heard, acks = {}, {}
        epoch, seq = self.epoch, 0
        while len(heard) < self.sent or len(acks) < self.sent / len(self.clients):
            message = client.next()
            if message["type"] == "ack":
                acks[message["id"]] = (message["epoch"], message["seq"])
            elif message["type"] == "joined":
                self.assertEqual((message["recovered"], message["seq"]), (False, 0))
                epoch, seq = message["epoch"], 0
            else:
                self.assertEqual(message["type"], "chat", message)
                self.assertEqual((message["epoch"], message["seq"]), (epoch, seq + 1))
                self.assertNotIn(message["n"], heard)
                seq += 1
                heard[message["n"]] = (epoch, seq)
        self.assertNotEqual(epoch, self.epoch)
        self.assertEqual(acks, {n: heard[n] for n in acks})
        return heard

    def assert_all_heard_all(self):
        everything = [self.read_all(client) for client in self.clients]
        for heard in everything[1:]:
            self.assertEqual(heard, everything[0])
        for client in self.clients:
            client.expect_nothing()

    def stopped_edge(self):
        """One that answers nothing any more: all its threads stand still."""
        edge = self.cluster.edges[1]
        edge.signal(signal.SIGSTOP)
        tasks = f"/proc/{edge.popen.pid}/task"

        def stands_still():
            states = []
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/stat", encoding="ascii") as f:
                    states.append(f.read().rpartition(")")[2].split()[0])
            return set(states) == {"T"}

        wait_until(stands_still, f"all threads of {edge.name} are stopped")
        return edge

    def end_router(self):
        self.cluster.router.signal(signal.SIGTERM)
        self.assertEqual(self.cluster.router.wait(), 0)

    def test_publishes_around_a_sigterm_all_arrive_once(self):
        router = self.cluster.router
        self.publish_from_all(200)
        router.signal(signal.SIGTERM)
        self.publish_from_all(200)
        self.assertEqual(router.wait(), 0)
        self.publish_from_all(20)
        self.cluster.restart_router()
        self.publish_from_all(20)
        self.assert_all_heard_all()
        self.assertIn("quiet=1", router.text())

    def test_restart_prepare_answers_when_nothing_is_under_way(self):
        self.publish_from_all(200)
        self.assertEqual(self.cluster.rows("restart-prepare"), [{"safe": True}])
        edges = self.cluster.rows("edges")
        self.assertEqual([row["queueBytes"] + row["inflightBytes"] for row in edges], [0, 0])
        self.publish_from_all(20)
        self.assertEqual(self.cluster.rows("restart-prepare"), [{"safe": True}])
        self.end_router()
        self.cluster.restart_router()
        self.assert_all_heard_all()

    def test_restart_prepare_is_given_up_when_an_edge_does_not_hold_still(self):
        edge = self.stopped_edge()
        code, _, err = self.cluster.weirctl("restart-prepare")
        edge.signal(signal.SIGCONT)
        self.assertEqual((code, "hold still" in err), (1, True), err)
        self.clients[0].publish(ROOM, "all goes on")
        for client in self.clients:
            client.wait_for("chat", text="all goes on")

    def test_an_edge_that_stands_still_does_not_keep_the_router_from_ending(self):
        edge = self.stopped_edge()
        started = time.monotonic()
        self.end_router()
        self.assertLess(time.monotonic() - started, 10 * rawhttp.SLOW)
        edge.signal(signal.SIGCONT)
        self.cluster.restart_router()
        wait_until(edge.is_ready, "the edge is back")

    def test_a_second_signal_does_not_wait(self):
        """A machine that is busy for two seconds lets the first one do; it is not always so busy."""
        edge = self.stopped_edge()
        for _ in range(5):
            router = self.cluster.router
            router.signal(signal.SIGTERM)
            router.wait_for_line("stopping")
            router.signal(signal.SIGTERM)
            self.assertEqual(router.wait(), 0)
            if "quiet=" not in router.text():
                break
            edge.signal(signal.SIGCONT)
            self.cluster.restart_router()
            wait_until(lambda: len(self.cluster.rows("edges")) == 2, "both edges are back")
            edge = self.stopped_edge()
        edge.signal(signal.SIGCONT)
        self.assertNotIn("quiet=", router.text())


if __name__ == "__main__":
    unittest.main()
