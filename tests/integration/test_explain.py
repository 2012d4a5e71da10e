"""weirctl explain and watch: each verdict and reason, caused and then asked for."""

import json
import os
import random
import signal
import subprocess
import time
import unittest

import rawhttp
from harness import (WEIRCTL_BIN, ClusterTestCase, TestCase, environment, metrics_of, wait_until)

LARGE = "x" * 50000
FIELDS = ["room", "epoch", "seq", "user", "client", "edge", "verdict", "reason", "text", "at",
          "connections", "written", "trace"]
VERDICTS = {"delivered", "recovered", "dropped", "not_member", "refused", "gone", "unknown"}


class ExplainTestCase:
    def two(self):
        """Alice at the first edge and bob at the second, both in the room."""
        alice, bob = self.connect(0, "alice"), self.connect(1, "bob")
        alice.join(self.room)
        bob.join(self.room)
        return alice, bob

    def explain(self, *words):
        rows = self.cluster.rows("explain", *(str(word) for word in words))
        for row in rows:
            self.assertEqual(list(row), FIELDS)
            self.assertIn(row["verdict"], VERDICTS | {None})
        return rows

    def verdict(self, *words):
        """(verdict, reason, text) of the one row that there must be."""
        rows = self.explain(*words)
        self.assertEqual(len(rows), 1, rows)
        return rows[0]["verdict"], rows[0]["reason"], rows[0]["text"]

    def assert_verdict(self, verdict, reason, text, *words):
        got = self.verdict(*words)
        self.assertEqual(got[:2], (verdict, reason), got)
        self.assertRegex(got[2], text)


class Explain(ExplainTestCase, ClusterTestCase):
    expected_seconds = 3

    def test_delivered(self):
        alice, bob = self.two()
        ack = alice.publish(self.room, "hi")
        bob.expect("chat")
        row, = self.explain(self.room, 1, "--user", "bob")
        self.assertEqual((row["room"], row["epoch"], row["seq"], row["user"], row["client"],
                          row["edge"], row["verdict"], row["reason"]),
                         (self.room, ack["epoch"], 1, "bob", bob.connected["clientId"], "edge-2",
                          "delivered", "written"))
        self.assertLess(abs(row["at"] - ack["timestamp"]), 1000)
        self.assertEqual(row["text"], "written to its socket at edge edge-2")
        self.assertEqual(self.explain(self.room, 1, "--client", bob.connected["clientId"]), [row])

    def test_fan_out_by_edge(self):
        alice, _ = self.two()
        self.connect(1, "carol").join(self.room)
        alice.publish(self.room)
        rows = {row["edge"]: row for row in self.explain(self.room, 1)}
        self.assertEqual({edge: (row["connections"], row["written"], row["verdict"])
                          for edge, row in rows.items()},
                         {"edge-1": (1, 1, "delivered"), "edge-2": (2, 2, "delivered")})

    def test_nobody_was_there(self):
        self.cluster.rows("publish", self.room, '{"type":"chat"}')
        self.assert_verdict("not_member", "nobody", "no connection was in the room", self.room, 1)

    def test_joined_later(self):
        alice, _ = self.two()
        alice.publish(self.room)
        self.connect(1, "late").join(self.room)
        self.assert_verdict("not_member", "joined_later", r"^joined \d+ ms after seq 1$", self.room,
                            1, "--user", "late")

    def test_left_before(self):
        alice, bob = self.two()
        bob.ask({"type": "leave", "room": self.room})
        alice.publish(self.room)
        self.assert_verdict("not_member", "left_before", "left before it, at seq 0", self.room, 1,
                            "--user", "bob")

    def test_left_afterwards(self):
        alice, bob = self.two()
        alice.publish(self.room)
        bob.expect("chat")
        bob.ask({"type": "leave", "room": self.room})
        self.assert_verdict("delivered", "before_left", "before it left", self.room, 1, "--user",
                            "bob")

    def test_closed_afterwards(self):
        alice, bob = self.two()
        alice.publish(self.room)
        bob.expect("chat")
        bob.close()
        wait_until(lambda: alice.publish(self.room)["members"] == 1, "bob is gone")
        self.assert_verdict("delivered", "written", "before the connection ended", self.room, 1,
                            "--user", "bob")

    def test_never_joined(self):
        alice, _ = self.two()
        alice.publish(self.room)
        self.assert_verdict("not_member", "never_joined", "not in the room since 2", self.room, 1,
                            "--user", "nobody")

    def test_a_join_that_was_refused(self):
        alice, _ = self.two()
        alice.publish(self.room)
        token = self.cluster.token("mallory", weir={"join": ["other"]})
        self.connect(1, token=token).ask({"type": "join", "room": self.room})
        self.assert_verdict("refused", "forbidden", "join refused at edge edge-2: forbidden",
                            self.room, 1, "--user", "mallory")

    def test_no_echo(self):
        alice, _ = self.two()
        alice.publish(self.room, echo=False)
        self.assert_verdict("dropped", "echo", "^echo:false", self.room, 1, "--user", "alice")
        self.assert_verdict("delivered", "written", ".", self.room, 1, "--user", "bob")

    def test_recovered_by_since(self):
        alice, bob = self.two()
        epoch = alice.publish(self.room)["epoch"]
        bob.close()
        wait_until(lambda: alice.publish(self.room)["members"] == 1, "bob is gone")
        missed = alice.publish(self.room)["seq"]
        again = self.connect(0, "bob")
        again.join(self.room, since={"epoch": epoch, "seq": 1})
        rows = {row["client"]: row for row in self.explain(self.room, missed, "--user", "bob")}
        back = rows[again.connected["clientId"]]
        self.assertEqual((back["verdict"], back["reason"], back["edge"]),
                         ("recovered", "since", "edge-1"))
        self.assertRegex(back["text"], r"^recovered \d+ messages when it joined at edge edge-1$")

    def test_what_does_not_exist_yet(self):
        self.two()[0].publish(self.room)
        self.assert_verdict("unknown", "no_such_message", "the room is at seq 1", self.room, 2)
        self.assert_verdict("unknown", "no_such_message", "the room is at seq 1", self.room, 2,
                            "--user", "bob")

    def test_an_unknown_room(self):
        self.assert_verdict("unknown", "forgotten", r"no longer reaches that far \(oldest: 2",
                            "never-heard-of", 7)

    def test_refusals_of_a_user(self):
        token = self.cluster.token("eve", weir={"join": ["*"]})
        eve = self.connect(1, token=token)
        eve.ask({"type": "chat", "room": self.room, "text": "x"})
        row, = [row for row in self.explain(self.room, "--user", "eve")
                if row["verdict"] == "refused"]
        self.assertEqual((row["edge"], row["reason"], row["room"], row["client"]),
                         ("edge-2", "forbidden", self.room, eve.connected["clientId"]))
        self.assertRegex(row["text"], r"^publish refused at edge edge-2 to eve \(.*\): "
                         r"no pattern of the token's `publish` matches$")

    def test_events_of_a_room(self):
        _, bob = self.two()
        bob.ask({"type": "leave", "room": self.room})
        rows = self.explain(self.room)
        self.assertEqual([(row["user"], row["reason"], row["verdict"]) for row in rows],
                         [("alice", "joined", None), ("bob", "joined", None),
                          ("bob", "asked", "gone")])

    def test_a_kick_is_an_event_of_its_user(self):
        token = self.cluster.token("kicked-" + self.room)
        client = self.connect(0, token=token)
        self.cluster.rows("kick", "--user", "kicked-" + self.room)
        client.expect_close(4004)
        def told():
            rows = self.explain("--user", "kicked-" + self.room)
            return {row["reason"] for row in rows} >= {"connected", "revoked", "disconnected"}
        wait_until(told, "the kick is told")

    def test_people_read_sentences(self):
        alice, bob = self.two()
        alice.publish(self.room)
        bob.expect("chat")
        _, out, _ = self.cluster.weirctl("explain", self.room, "1", "--user", "bob")
        self.assertRegex(out, r"^\d{4}-[^ ]*Z written to its socket at edge edge-2\n$")

    def test_wrong_words(self):
        for words in ([], ["tea", "x"], ["tea", "0"], ["tea", "1", "--user", "a", "--client", "b"],
                      ["tea", "1", "--trace", "t"]):
            with self.subTest(words=words):
                self.assertEqual(self.cluster.weirctl("explain", *words)[0], 2)

    def test_the_answer_is_there_at_once(self):
        self.two()[0].publish(self.room)
        started = time.monotonic()
        self.explain(self.room, 1)
        self.assertLess(time.monotonic() - started, 0.5 * rawhttp.SLOW)

    def test_many_may_ask_at_once(self):
        self.two()[0].publish(self.room)
        asking = [subprocess.Popen(
            [WEIRCTL_BIN, "--admin", self.cluster.router.admin_url, "explain", self.room, "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=environment(self.cluster.folder)) for _ in range(8)]
        for one in asking:
            self.assertIn((one.wait(10 * rawhttp.SLOW), one.stderr.read()), [
                (0, b""), (1, b"weirctl: too many requests at once: try again\n")])
            one.stderr.close()


class Traces(ExplainTestCase, ClusterTestCase):
    expected_seconds = 2

    TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def test_a_trace_of_a_message_is_kept_and_found(self):
        alice, bob = self.two()
        alice.publish(self.room, traceparent=self.TRACE)
        self.assertEqual(bob.expect("chat")["traceparent"], self.TRACE)
        row, = self.explain(self.room, 1, "--user", "bob")
        self.assertEqual(row["trace"], self.TRACE)
        found, = self.explain(self.room, "--trace", self.TRACE, "--user", "bob")
        self.assertEqual(found, row)
        self.assertEqual({row["seq"] for row in self.explain("--trace", self.TRACE)}, {1})

    def test_what_is_no_trace_travels_and_is_not_kept(self):
        alice, bob = self.two()
        for value in (7, "with space", "x" * 65, ""):
            alice.publish(self.room, traceparent=value)
            message = bob.expect("chat")
            self.assertEqual(message["traceparent"], value)
            self.assertIsNone(self.explain(self.room, message["seq"], "--user", "bob")[0]["trace"])

    def test_an_unknown_trace(self):
        self.assert_verdict("unknown", "no_such_trace", "no message with that trace", "--trace", "x")

    def test_the_id_of_an_http_request_is_a_trace(self):
        _, bob = self.two()
        body = b'{"type":"chat"}'
        head = rawhttp.request(
            f"/v1/rooms/{self.room}/messages", "POST",
            fields=[("Authorization", "Bearer " + self.cluster.token("backend")),
                    ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                    ("X-Request-Id", "order-77"), ("Connection", "close")])
        self.assertEqual(rawhttp.exchange(self.cluster.edges[0].address, head + body).status, 200)
        bob.expect("chat")
        row, = self.explain("--trace", "order-77", "--user", "bob")
        self.assertEqual((row["room"], row["verdict"], row["trace"]),
                         (self.room, "delivered", "order-77"))


class Oracle(ExplainTestCase, ClusterTestCase):
    """Random joins, leaves, ends, returns and messages: explain says of each message and connection
    what that connection saw."""

    STEPS = 120
    expected_seconds = 6

    def setUp(self):
        super().setUp()
        self.seed = random.randrange(1 << 32)
        self.dice = random.Random(self.seed)
        self.sender = self.connect(0, "sender")
        self.epoch, self.seq = None, 0
        self.present, self.seen, self.users = [], {}, {}

    def collect(self, client, messages):
        seen = self.seen[client.connected["clientId"]]
        for message in messages:
            if message.get("room") == self.room and message["type"] == "chat":
                seen[message["seq"]] = "delivered"

    def come(self, user):
        client = self.connect(self.dice.randrange(2), user)
        name = client.connected["clientId"]
        self.seen[name], self.users[name] = {}, user
        since = {"epoch": self.epoch, "seq": self.dice.randrange(self.seq + 1)} \
            if self.epoch and self.dice.random() < 0.5 else None
        joined = client.join(self.room, **({"since": since} if since else {}))
        self.epoch = joined["epoch"]
        for message in joined.get("messages", []):
            self.seen[name][message["seq"]] = "recovered"
        client.fence()  # makes its room, so that no later one has to join
        self.present.append(client)

    def go(self):
        client = self.present.pop(self.dice.randrange(len(self.present)))
        self.collect(client, client.fence())
        if self.dice.random() < 0.5:
            client.ask({"type": "leave", "room": self.room})
        else:
            client.close()
            wait_until(lambda: client.connected["clientId"] not in {
                row["client"] for row in self.cluster.rows("members", self.room)}, "it is gone")

    def step(self):
        number = self.dice.random()
        if number < 0.25 and len(self.present) < 6:
            self.come(f"user-{self.dice.randrange(4)}")
        elif number < 0.4 and self.present:
            self.go()
        else:
            self.seq = self.sender.publish(self.room)["seq"]

    def test_explain_agrees_with_what_clients_saw(self):
        self.cluster.rows("publish", self.room, '{"type":"first"}')
        self.seq = 1
        for _ in range(self.STEPS):
            self.step()
        for client in self.present:
            self.collect(client, client.fence())
        for seq in range(2, self.seq + 1):
            told = set()
            for user in sorted(set(self.users.values())):
                for row in self.explain(self.room, seq, "--user", user):
                    told.add(row["client"])
                    if row["client"] is None:
                        self.assertEqual(row["verdict"], "not_member")
                        continue
                    self.assertEqual(self.users[row["client"]], user)
                    saw = self.seen[row["client"]].get(seq, "not_member")
                    self.assertEqual(row["verdict"], saw, f"seed {self.seed}, {row}")
            self.assertLessEqual({name for name, seen in self.seen.items() if seq in seen}, told)


class Slow(ExplainTestCase, ClusterTestCase):
    expected_seconds = 2
    edge_options = {"queue_limit": "256KiB", "slow_timeout": "600s"}

    def closes(self):
        sample = 'weir_edge_closes_total{reason="slow_consumer"}'
        return metrics_of(self.cluster.edges[1].ops).get(sample, 0)

    def test_a_slow_consumer_that_came_back(self):
        sender, slow = self.connect(0, "sender"), self.connect(1, "slow", receive_buffer=4096)
        sender.join(self.room)
        slow.join(self.room)
        while self.closes() == 0:
            last = sender.publish(self.room, LARGE)
        waiting = self.explain(self.room, last["seq"], "--user", "slow")[0]
        self.assertEqual((waiting["verdict"], waiting["reason"]), ("dropped", "slow_consumer"))
        self.assertRegex(waiting["text"], r"^slow: queue 0.\d MiB, closed 4008 \(slow_consumer\) "
                         r"at edge edge-2; never came back$")
        again = self.connect(0, "slow")
        again.join(self.room, since={"epoch": last["epoch"], "seq": last["seq"] - 1})
        row = [row for row in self.explain(self.room, last["seq"], "--user", "slow")
               if row["client"] == slow.connected["clientId"]][0]
        self.assertEqual((row["verdict"], row["reason"]), ("recovered", "slow_consumer"))
        self.assertRegex(row["text"], "^slow: .*; recovered 1 messages when it came back to edge "
                         "edge-1$")

    def test_what_waits_in_a_queue_is_said_to_wait(self):
        sender, slow = self.connect(0, "sender"), self.connect(1, "slow", receive_buffer=4096)
        sender.join(self.room)
        slow.join(self.room)
        sender.publish(self.room)
        slow.expect("chat")
        ops = self.cluster.edges[1].ops
        while metrics_of(ops)["weir_edge_queue_bytes"] < 2 * len(LARGE):
            last = sender.publish(self.room, LARGE)
        self.assert_verdict("unknown", "queued", r"on its way at edge edge-2: written up to seq \d+",
                            self.room, last["seq"], "--user", "slow")
        self.assert_verdict("delivered", "written", ".", self.room, 1, "--user", "slow")
        rows = {row["edge"]: row["verdict"] for row in self.explain(self.room, last["seq"])}
        self.assertEqual(rows, {"edge-1": "delivered", "edge-2": "unknown"})


class BrokenEdges(ExplainTestCase, TestCase):
    expected_seconds = 4

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(router={"link_timeout": f"{rawhttp.SLOW * 1000:.0f}ms"})
        self.room = "tea"
        self.alice, self.bob = self.cluster.connect(0, "alice"), self.cluster.connect(1, "bob")
        self.alice.join("tea")
        self.bob.join("tea")

    def test_an_edge_that_died(self):
        self.alice.publish("tea")
        self.cluster.edges[1].kill()
        wait_until(lambda: len(self.cluster.rows("members", "tea")) == 1, "the edge is forgotten")
        rows = self.explain("tea", 1, "--user", "bob")
        self.assertEqual([(row["verdict"], row["reason"], row["text"]) for row in rows],
                         [("gone", "edge_lost", "was on edge edge-2 when that edge was lost; "
                           "never came back")])
        again = self.cluster.connect(0, "bob")
        again.join("tea", since={"epoch": self.alice.publish("tea")["epoch"], "seq": 0})
        row, = [row for row in self.explain("tea", 1, "--user", "bob") if row["edge"] == "edge-2"]
        self.assertEqual(row["verdict"], "recovered", row)
        self.assertRegex(row["text"], "; recovered .* when it came back to edge edge-1$")
        fanout = {row["edge"]: row["reason"] for row in self.explain("tea", 1)}
        self.assertEqual(fanout, {"edge-1": "written", "edge-2": "edge_silent"})

    def test_an_edge_that_does_not_answer_is_named(self):
        self.alice.publish("tea")
        edge = self.cluster.edges[1]
        edge.signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            rows = self.explain("tea", 1, "--user", "bob")
            self.assertLess(time.monotonic() - started, 2 * rawhttp.SLOW)
        finally:
            edge.signal(signal.SIGCONT)
        self.assertIn(("unknown", "edge_silent", "edge edge-2 does not answer"),
                      [(row["verdict"], row["reason"], row["text"]) for row in rows])

    def test_a_planned_restart_of_the_router(self):
        self.alice.publish("tea")
        self.bob.expect("chat")
        self.cluster.router.stop()
        self.cluster.restart_router()
        self.bob.wait_for("joined", recovered=False)
        self.alice.wait_for("joined", recovered=False)
        self.assert_verdict("unknown", "no_such_message", "the room is at seq 0", "tea", 1,
                            "--user", "bob")
        self.alice.publish("tea")
        self.bob.expect("chat")
        self.assert_verdict("delivered", "written", ".", "tea", 1, "--user", "bob")


class SmallRecorder(ExplainTestCase, TestCase):
    expected_seconds = 2

    def test_it_says_that_it_no_longer_reaches_that_far(self):
        self.cluster = self.start_cluster(edges=1, router={"recorder_bytes": "4KiB"})
        alice, bob = self.cluster.connect(0, "alice"), self.cluster.connect(0, "bob")
        alice.join("tea")
        bob.join("tea")
        for _ in range(100):
            alice.publish("tea")
        self.assert_verdict("unknown", "forgotten", r"no longer reaches that far \(oldest: 2", "tea",
                            1)
        # Who is still there is known anyhow.
        self.assert_verdict("delivered", "written", ".", "tea", 1, "--user", "bob")

    def test_without_a_recorder(self):
        self.cluster = self.start_cluster(edges=1, router={"recorder_bytes": "0"}, edge={"recorder_bytes": "0"})
        alice = self.cluster.connect(0, "alice")
        alice.join("tea")
        alice.publish("tea")
        self.assert_verdict("unknown", "forgotten", r"\(oldest: none\)", "tea", 1)
        self.assertEqual(self.cluster.weirctl("watch")[0], 1)


class Watch(ClusterTestCase):
    expected_seconds = 2

    def watch(self, *words):
        """Follows, from now on."""
        before = self.cluster.rows("status")
        self.assertEqual(len(before), 1)
        process = subprocess.Popen(
            [WEIRCTL_BIN, "--admin", self.cluster.router.admin_url, "--json", "watch", *words],
            stdout=subprocess.PIPE, env=environment(self.cluster.folder))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def started(self, process, room):
        """Joins again and again until the watch tells of it: then it is under way."""
        client = self.connect(0, "probe")
        os.set_blocking(process.stdout.fileno(), False)
        def seen():
            client.join(room)
            client.ask({"type": "leave", "room": room})
            return process.stdout.readline() != b""
        wait_until(seen, "the watch has begun")
        os.set_blocking(process.stdout.fileno(), True)

    def events(self, process, user):
        while True:
            row = json.loads(process.stdout.readline())
            if row["user"] == user:
                return row

    def test_joins_messages_and_leaves(self):
        process = self.watch(self.room)
        self.started(process, self.room)
        bob = self.connect(1, "bob")
        bob.join(self.room)
        bob.publish(self.room)
        bob.ask({"type": "leave", "room": self.room})
        rows = [self.events(process, "bob") for _ in range(3)]
        self.assertEqual([row["event"] for row in rows], ["joined", "published", "left"])
        self.assertEqual((rows[1]["seq"], rows[1]["count"], rows[1]["edge"]), (1, 1, "edge-2"))

    def test_it_ends_clean(self):
        process = self.watch(self.room)
        self.started(process, self.room)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(5 * rawhttp.SLOW), 0)

    def test_of_one_user(self):
        process = self.watch("--user", "dora")
        def seen():
            client = self.connect(0, "dora")
            client.close()
            return process.stdout.readline() != b""
        os.set_blocking(process.stdout.fileno(), False)
        self.connect(1, "bob").join(self.room)
        wait_until(seen, "the watch has begun")
        os.set_blocking(process.stdout.fileno(), True)
        self.connect(1, "bob").join(self.room)
        dora = self.connect(1, "dora")
        dora.join(self.room)
        while True:
            row = json.loads(process.stdout.readline())
            self.assertEqual(row["user"], "dora")
            if row["room"] == self.room:
                break


class WatchTooSlowly(TestCase):
    expected_seconds = 1

    def test_it_says_how_many_events_were_skipped(self):
        self.cluster = self.start_cluster(edges=1, router={"recorder_bytes": "4KiB"})
        alice = self.cluster.connect(0, "alice")
        alice.join("tea")
        process = subprocess.Popen(
            [WEIRCTL_BIN, "--admin", self.cluster.router.admin_url, "--json", "watch"],
            stdout=subprocess.PIPE, env=environment(self.cluster.folder))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.set_blocking(process.stdout.fileno(), False)
        wait_until(lambda: alice.publish("tea") and process.stdout.readline() != b"", "it has begun")
        os.set_blocking(process.stdout.fileno(), True)
        process.send_signal(signal.SIGSTOP)
        for _ in range(200):
            alice.publish("tea")
        process.send_signal(signal.SIGCONT)
        while True:
            row = json.loads(process.stdout.readline())
            if row["event"] == "skipped" and row["count"] > 50:
                break


if __name__ == "__main__":
    unittest.main()
