"""The router ends and a new one begins: no client is closed, and each is told once."""

import signal
import time
import unittest

import rawhttp
import ws
from harness import TestCase, metrics_of, wait_until

ROOMS = ("one", "two")


class RouterRestart(TestCase):
    router_options = {}
    expected_seconds = 10

    def setUp(self):
        self.cluster = self.start_cluster(edges=2,
                                          router={"link_timeout": "3s", **self.router_options},
                                          edge={"publish_timeout": "8s", "lobby": ""})
        self.clients = [self.cluster.connect(i % 2, f"user-{i}") for i in range(4)]
        self.epochs = {}
        for client in self.clients:
            for room in ROOMS:
                self.epochs[room] = client.join(room)["epoch"]
        self.clients[0].publish("one", "before")
        for client in self.clients:
            client.expect("chat", text="before")

    def end_router(self, number):
        self.cluster.router.signal(number)
        code = self.cluster.router.wait()
        self.assertEqual(code, -number if number == signal.SIGKILL else 0)

    def expect_news(self, client):
        """`joined` once for each room, with a new epoch; nothing else may come before."""
        told = {}
        while len(told) < len(ROOMS):
            message = client.expect("joined", id=None, recovered=False, messages=None, seq=0)
            if not message["room"].startswith("fence-"):
                told[message["room"]] = message["epoch"]
        self.assertEqual(set(told), set(ROOMS))
        for room in ROOMS:
            self.assertNotEqual(told[room], self.epochs[room])

    def assert_talking(self):
        for n, client in enumerate(self.clients):
            ack = client.publish("one", f"after {n}")
            self.assertEqual((ack["seq"], ack["members"]), (n + 1, 4))
        for client in self.clients:
            for n in range(4):
                client.expect("chat", text=f"after {n}", seq=n + 1)
            client.expect_nothing()

    def check_restart(self, number):
        self.end_router(number)
        self.cluster.restart_router()
        for client in self.clients:
            self.expect_news(client)
        self.assert_talking()
        self.assertEqual({row["room"]: row["members"] for row in self.cluster.rows("rooms")
                          if row["room"] in ROOMS}, {"one": 4, "two": 4})

    def test_killed(self):
        self.check_restart(signal.SIGKILL)

    def test_stopped(self):
        self.check_restart(signal.SIGTERM)

    def test_twice(self):
        self.check_restart(signal.SIGKILL)
        self.epochs = {room: self.clients[0].join(room)["epoch"] for room in ROOMS}
        self.check_restart(signal.SIGKILL)

    def test_what_is_sent_while_it_is_away_waits_and_is_sent_once(self):
        self.end_router(signal.SIGTERM)
        self.wait_for_the_loss_to_be_noticed()
        for n in range(20):
            for client in self.clients:
                client.send(type="chat", room="two", text=f"{n}", id=n)
        self.cluster.restart_router()
        seen = {id(client): [] for client in self.clients}
        for client in self.clients:
            answers = []
            self.expect_news(client)
            while len(answers) < 20 or len(seen[id(client)]) < 80:
                message = client.next()
                if message["type"] == "ack":
                    answers.append(message["id"])
                else:
                    self.assertEqual(message["type"], "chat", message)
                    seen[id(client)].append(message["seq"])
            self.assertEqual(answers, list(range(20)))
            self.assertEqual(seen[id(client)], list(range(1, 81)))

    def test_each_publish_around_a_kill_is_answered_exactly_once(self):
        """Written ones may be lost and then say so; none is published twice."""
        sender, reader = self.clients[0], self.clients[1]
        total = 2000
        for n in range(total):
            if n == total // 2:
                self.cluster.router.signal(signal.SIGKILL)
            sender.send(type="chat", room="two", n=n, id=n)
        self.cluster.router.wait()
        self.cluster.restart_router()
        answers = {}
        while len(answers) < total:
            message = sender.next()
            if message["type"] in ("ack", "error"):
                self.assertNotIn(message["id"], answers)
                answers[message["id"]] = message
        self.assertEqual(set(answers), set(range(total)))
        for answer in answers.values():
            if answer["type"] == "error":
                self.assertEqual(answer["code"], "unavailable")
                self.assertIn(answer["outcome"], ("none", "unknown"))
        came = reader.fence()
        got = [m["n"] for m in came if m["type"] == "chat"]
        self.assertEqual(len(got), len(set(got)), "something came twice")
        self.assertEqual(got, sorted(got))
        news = [m for m in came if m["type"] == "joined" and m["room"] == "two"]
        self.assertEqual([m["recovered"] for m in news], [False])

        def was_told(ack):
            """The last words of the killed router may be acks whose deliveries it took with it; of
            the new one's, what came before this edge was back and history no longer holds is where
            the `joined` says to start over."""
            old = ack["epoch"] == self.epochs["two"]
            return old or ack["seq"] <= news[0]["seq"]

        acked = {n for n, answer in answers.items() if answer["type"] == "ack"}
        missing = acked - set(got)
        self.assertEqual({n for n in missing if not was_told(answers[n])}, set())
        old = [n for n in sorted(acked) if answers[n]["epoch"] == self.epochs["two"]]
        lost = [n for n in old if n in missing]
        self.assertEqual(lost, old[len(old) - len(lost):], "lost, but not at the end")
        unknown = {n for n, answer in answers.items()
                   if answer["type"] == "error" and answer["outcome"] == "unknown"}
        self.assertEqual(set(got) - acked - unknown, set(), "delivered, but said not to be")

    def test_joins_sent_while_it_is_away_are_answered(self):
        self.end_router(signal.SIGKILL)
        self.wait_for_the_loss_to_be_noticed()
        client = self.clients[0]
        client.send(type="join", room="three", id="j")
        self.cluster.restart_router()
        answer = client.wait_for("joined", id="j")
        self.assertEqual((answer["room"], answer["members"]), ("three", 1))

    def wait_for_the_loss_to_be_noticed(self):
        def noticed(edge):
            samples = metrics_of(edge.ops)
            return all(value == 0 for name, value in samples.items()
                       if name.startswith("weir_edge_router_up"))

        for edge in self.cluster.edges:
            wait_until(lambda edge=edge: noticed(edge), f"{edge.name} knows that it is alone")


class RouterRestartOverIpc(RouterRestart):
    router_options = {"listen": "ipc://{folder}/link.sock"}


class RouterAway(TestCase):
    """Nobody restarts it."""

    expected_seconds = 8

    def setUp(self):
        self.cluster = self.start_cluster(
            edges=1, router={"link_timeout": "2s"},
            edge={"publish_timeout": "1s", "router_grace": "2s", "lobby": ""})
        self.edge = self.cluster.edges[0]
        self.client = self.cluster.connect()
        self.client.join("room")
        self.cluster.router.kill()

    def test_publishes_are_answered_after_publish_timeout(self):
        started = time.monotonic()
        error = self.client.ask_for("error", type="chat", room="room")
        self.assertEqual((error["code"], error["room"]), ("unavailable", "room"))
        self.assertIn(error["outcome"], ("none", "unknown"))
        self.assertLess(time.monotonic() - started, 3 * rawhttp.SLOW)
        error = self.client.ask_for("error", type="chat", room="room")
        self.assertEqual((error["code"], error["outcome"]), ("unavailable", "none"))

    def test_after_the_grace_new_clients_are_refused_and_old_ones_stay(self):
        wait_until(lambda: rawhttp.get(self.edge.ops, "/ready").status == 503, "not ready")
        wait_until(self.refuses, "new clients are refused")
        self.client.ask_for("pong", type="ping")
        self.assertEqual(rawhttp.get(self.edge.ops, "/health").status, 200)

    def refuses(self):
        try:
            self.cluster.open(0, self.cluster.token()).close_socket()
        except ws.Refused as refused:
            self.assertEqual(refused.response.status, 503)
            self.assertIsNotNone(refused.response.one("Retry-After"))
            return True
        return False

    def test_pings_are_answered_without_a_router(self):
        self.client.ask_for("pong", type="ping")

    def test_within_the_grace_one_is_greeted_and_joins_wait(self):
        newcomer = self.cluster.connect(0, "bob")
        newcomer.send(type="join", room="room", id="j")
        self.cluster.restart_router()
        newcomer.wait_for("joined", id="j", room="room")


class LateEdge(TestCase):
    """One edge is away for longer than link-timeout while the router is replaced: it is not awaited."""

    KEPT = 10
    expected_seconds = 6

    def setUp(self):
        self.cluster = self.start_cluster(edges=2, edge={"lobby": ""}, router={
            "history_messages": str(self.KEPT), "link_timeout": "2s"})
        self.early, self.late = [self.cluster.connect(i, user)
                                 for i, user in enumerate(("early", "late"))]
        self.early.join("room")
        self.late.join("room")
        self.early.publish("room", "before")
        self.late.expect("chat", text="before")

    def talk_while_one_edge_is_away(self, count):
        """Returns the new epoch."""
        self.cluster.edges[1].signal(signal.SIGSTOP)
        self.cluster.router.kill()
        self.cluster.restart_router()
        epoch = self.early.wait_for("joined", room="room", recovered=False)["epoch"]
        for n in range(count):
            self.early.publish("room", str(n))
        self.cluster.edges[1].signal(signal.SIGCONT)
        return epoch

    def test_what_history_holds_is_brought_to_its_clients(self):
        epoch = self.talk_while_one_edge_is_away(self.KEPT)
        self.late.expect("joined", room="room", recovered=False, epoch=epoch, seq=0, id=None)
        for n in range(self.KEPT):
            self.late.expect("chat", text=str(n), epoch=epoch, seq=n + 1)
        self.late.expect_nothing()

    def test_where_it_holds_less_they_start_from_its_oldest_message(self):
        epoch = self.talk_while_one_edge_is_away(self.KEPT + 3)
        self.late.expect("joined", room="room", recovered=False, epoch=epoch, seq=3, id=None)
        for n in range(3, self.KEPT + 3):
            self.late.expect("chat", text=str(n), epoch=epoch, seq=n + 1)
        self.late.expect_nothing()


class RouterStandsStill(TestCase):
    """For longer than requests wait, and not long enough to lose the link."""

    expected_seconds = 4

    def setUp(self):
        self.cluster = self.start_cluster(edges=1, router={"link_timeout": "120s"},
                                          edge={"publish_timeout": "1s", "lobby": ""})
        self.client = self.cluster.connect()
        self.client.join("old")
        self.cluster.router.signal(signal.SIGSTOP)

    def ask_in_vain(self, **fields):
        error = self.client.ask_for("error", **fields)
        self.assertEqual((error["code"], error["outcome"]), ("unavailable", "unknown"))

    def test_a_join_of_unknown_outcome_is_told_when_it_is_carried_out(self):
        self.ask_in_vain(type="join", room="new")
        self.cluster.router.signal(signal.SIGCONT)
        self.client.expect("joined", room="new", id=None, recovered=None)
        self.client.publish("new", "in")
        self.client.expect("chat", room="new", text="in")

    def test_a_leave_of_unknown_outcome_is_told_when_it_is_carried_out(self):
        self.ask_in_vain(type="leave", room="old")
        self.cluster.router.signal(signal.SIGCONT)
        self.client.expect("left", room="old", id=None)
        self.client.publish("old", "out")
        self.client.expect_nothing()


class QueueFull(TestCase):
    def test_a_full_publish_queue_answers_at_once(self):
        cluster = self.start_cluster(edges=1, edge={"publish_queue": "64KiB", "lobby": "",
                                                    "publish_timeout": "30s"})
        client = cluster.connect()
        cluster.router.kill()
        for n in range(30):
            client.send(type="chat", room="room", text="x" * 10000, id=n)
        error = client.wait_for("error", timeout=5 * rawhttp.SLOW)
        self.assertEqual((error["code"], error["outcome"]), ("unavailable", "none"))


if __name__ == "__main__":
    unittest.main()
