"""Pattern membership: an administrator hears all rooms whose names match."""

import signal
import threading
import time
import unittest

import protowire
import rawhttp
from harness import ClusterTestCase, TestCase, wait_until
from rawhttp import SLOW
from test_http_api import ApiTestCase, Events


class PatternTestCase(ClusterTestCase):
    def setUp(self):
        super().setUp()
        self.prefix = f"{self.room}:"
        self.pattern = self.prefix + "*"

    def admin(self, edge=0, user="backend", **how):
        return self.connect(edge, token=self.cluster.token(user, roles=["admin"]), **how)

    def watcher(self, edge=0, pattern=None, **how):
        client = self.admin(edge, **how)
        client.ask_for("joined", type="join", pattern=pattern or self.pattern)
        return client

    def heard(self, client):
        """(room, seq) of everything on its way to the client."""
        return [(m["room"], m["seq"]) for m in client.fence() if m["type"] == "chat"]


class Patterns(PatternTestCase):
    def test_the_answer_names_the_pattern_and_no_room(self):
        answer = self.admin().ask_for("joined", type="join", pattern=self.pattern, id=7)
        self.assertEqual(answer, {"type": "joined", "pattern": self.pattern, "id": 7})

    def test_messages_of_all_matching_rooms_come_in_each_rooms_order(self):
        watchers = [self.watcher(0), self.watcher(1)]
        speakers = [self.connect(i % 2, f"user-{i}") for i in range(4)]
        for n in range(10):
            for speaker in speakers:
                for room in "abc":
                    speaker.send(type="chat", room=self.prefix + room, n=n)
                speaker.send(type="chat", room="elsewhere-" + self.room)
        for speaker in speakers:
            speaker.fence()
        for watcher in watchers:
            seen = {}
            for room, seq in self.heard(watcher):
                seen.setdefault(room, []).append(seq)
            self.assertEqual(seen, {self.prefix + room: list(range(1, 41)) for room in "abc"})

    def test_a_message_comes_once_whatever_matches(self):
        watcher = self.watcher()
        watcher.ask_for("joined", type="join", pattern=self.prefix + "a*")
        watcher.ask_for("joined", type="join", pattern=self.pattern)  # again
        watcher.join(self.prefix + "ab")
        speaker = self.connect(1, "bob")
        for room in ("a", "ab", "b"):
            speaker.publish(self.prefix + room)
        self.assertEqual(self.heard(watcher), [(self.prefix + room, 1) for room in ("a", "ab", "b")])

    def test_it_looks_like_the_members_message(self):
        watcher, member = self.watcher(), self.connect(0, "bob")
        member.join(self.prefix + "a")
        self.connect(1, "carol").publish(self.prefix + "a", "hi", extra=[1])
        member.expect("chat", text="hi")
        watcher.expect("chat", text="hi")
        self.assertEqual(watcher.raw, member.raw)

    def test_it_is_no_member(self):
        member = self.connect(1, "bob")
        member.join(self.prefix + "a", presence=True)
        watcher = self.watcher()
        self.assertEqual(member.publish(self.prefix + "a")["members"], 1)
        present = member.ask_for("presence", type="presence", room=self.prefix + "a")
        self.assertEqual((present["users"], present["connections"]), (1, 1))
        watcher.expect("chat")
        member.expect("chat")
        member.expect_nothing()

    def test_after_left_nothing_comes(self):
        watcher = self.watcher()
        left = watcher.ask_for("left", type="leave", pattern=self.pattern, id="x")
        self.assertEqual(left, {"type": "left", "pattern": self.pattern, "id": "x"})
        self.connect(1, "bob").publish(self.prefix + "a")
        watcher.expect_nothing()
        error = watcher.ask_for("error", type="leave", pattern=self.pattern)
        self.assertEqual((error["code"], error["pattern"]), ("not_member", self.pattern))

    def test_ephemeral_messages_come_but_not_to_who_sent_them(self):
        watcher, other = self.watcher(), self.watcher(1)
        watcher.ask_for("ack", type="typing", room=self.prefix + "a")
        other.expect("typing", room=self.prefix + "a")
        watcher.ask_for("ack", type="chat", room=self.prefix + "b", echo=False)
        other.expect("chat", room=self.prefix + "b", seq=1)
        watcher.expect_nothing()

    def test_the_error_names_what_is_missing(self):
        rows = ((self.connect(), "chat:*", "role admin"),
                (self.connect(token=self.cluster.token(weir={"join": ["chat:*"]})), "chat:*",
                 "role admin"),
                (self.admin(), "user:*", "join on user:*"),
                (self.admin(user="*"), "user:*", "join on user:*"))
        for client, pattern, needs in rows:
            error = client.ask_for("error", type="join", pattern=pattern, id=3)
            self.assertEqual(error, {"type": "error", "code": "forbidden", "id": 3,
                                     "message": "Insufficient permissions", "pattern": pattern,
                                     "needs": needs})

    def test_personal_rooms_take_a_right(self):
        token = self.cluster.token("backend", roles=["admin"], weir={"join": ["user:*"]})
        allowed = self.connect(token=token)
        allowed.ask_for("joined", type="join", pattern="user:dora*")
        everything = self.watcher(pattern="*")
        sender = self.admin(1)
        sender.ask_for("ack", type="direct", to="dora", n=1)
        allowed.expect("direct", room="user:dora", n=1)
        allowed.expect_nothing()
        self.assertNotIn("user:dora", [m["room"] for m in everything.fence()])

    def test_what_is_no_pattern_is_refused(self):
        client = self.admin()
        for code, fields in (("invalid_message", {"pattern": 7}),
                             ("invalid_message", {"pattern": "a*", "room": "b"}),
                             ("invalid_message", {"pattern": "a*", "presence": True}),
                             ("invalid_message", {"pattern": "a*",
                                                  "since": {"epoch": "1", "seq": 0}}),
                             ("bad_room", {"pattern": ""}), ("bad_room", {"pattern": "a\n*"}),
                             ("bad_room", {"pattern": "*" * 129})):
            with self.subTest(fields=fields):
                self.assertEqual(client.ask_for("error", type="join", **fields)["code"], code)

    def test_sixteen_are_the_most(self):
        client = self.admin()
        for i in range(16):
            client.ask_for("joined", type="join", pattern=f"{self.prefix}{i}*")
        self.assertEqual(client.ask_for("error", type="join", pattern="z*")["code"], "limit")
        client.ask_for("left", type="leave", pattern=f"{self.prefix}3*")
        client.ask_for("joined", type="join", pattern=f"{self.prefix}z*")

    def test_a_new_token_without_the_role_ends_it(self):
        watcher = self.watcher()
        watcher.ask_for("ack", type="auth", token=self.cluster.token("backend"))
        watcher.expect("left", pattern=self.pattern, reason="forbidden")
        self.connect(1, "bob").publish(self.prefix + "a")
        watcher.expect_nothing()

    def test_the_operator_sees_it(self):
        user = self.room[:60]
        watcher = self.watcher(user=user)
        shown = self.cluster.rows("client", watcher.connected["clientId"])[0]
        self.assertEqual((shown["patterns"], shown["roomNames"]), ([self.pattern], []))
        self.connect(0, f"{user}-2").ask_for("error", type="join", pattern=self.pattern)
        wait_until(lambda: "not an admin" in self.cluster.weirctl(
            "explain", "--user", f"{user}-2")[1], "the refusal is found")

    def test_a_field_of_that_name_travels_in_a_publish(self):
        member = self.connect()
        member.join(self.room)
        member.publish(self.room, pattern="[a-z]+")
        member.expect("chat", pattern="[a-z]+")

    def test_a_kick_and_a_revocation_end_it(self):
        for command in ("kick", "revoke"):
            watcher = self.watcher(user=f"{self.room}-{command}"[:60])
            self.assertEqual(self.cluster.weirctl(command, "--user",
                                                  f"{self.room}-{command}"[:60])[0], 0)
            watcher.expect_close(4004)
            self.connect(1, "bob").publish(self.prefix + "a")


class PatternsInBinary(PatternTestCase):
    def test_the_binary_codec_has_them(self):
        client = protowire.Client(self.cluster.edges[0].address, "/?autojoin=0",
                                  self.cluster.token("backend", roles=["admin"]))
        self.addCleanup(client.close_socket)
        client.expect("connected")
        joined = client.ask_for("joined", type="join", pattern=self.pattern)
        self.assertEqual(joined["pattern"], self.pattern)
        self.connect(1, "bob").publish(self.prefix + "a", "hi")
        client.expect("chat", room=self.prefix + "a", text="hi", seq=1)
        self.assertEqual(client.ask_for("left", type="leave", pattern=self.pattern)["pattern"],
                         self.pattern)
        error = client.ask_for("error", type="join", pattern="user:*")
        self.assertEqual((error["code"], error["pattern"], error["needs"]),
                         ("forbidden", "user:*", "join on user:*"))


class PatternsByEvents(ApiTestCase):
    def stream(self, query):
        stream = Events(self.cluster, f"/v1/events?{query}",
                        token=self.cluster.token("backend", roles=["admin"]))
        self.addCleanup(stream.sock.close)
        return stream

    def test_a_stream_takes_patterns(self):
        stream = self.stream(f"pattern={self.room}:*")
        joined = stream.next()
        self.assertEqual((joined["event"], joined["data"]["pattern"]), ("joined", f"{self.room}:*"))
        speaker = self.connect(1, "bob")
        for room in "ab":
            speaker.publish(f"{self.room}:{room}")
            event = stream.next()
            self.assertEqual((event["event"], event["data"]["room"]), ("chat", f"{self.room}:{room}"))
            self.assertNotIn("id", event)  # nothing is recovered

    def test_ids_beside_patterns_name_the_places_of_the_rooms(self):
        stream = self.stream(f"room={self.room}&pattern={self.room}:*")
        for _ in range(2):
            self.assertEqual(stream.next()["event"], "joined")
        speaker = self.connect(1, "bob")
        place = speaker.publish(self.room)
        speaker.publish(f"{self.room}:a")
        for _ in range(2):
            self.assertEqual(stream.next()["id"], f"{self.room}={place['epoch']}:{place['seq']}")

    def test_the_role_is_missing(self):
        answer = self.backend().ask("GET", "/v1/events?pattern=a*")
        self.assert_problem(answer, 403, "forbidden")
        self.assertEqual(answer[1]["needs"], "role admin")

    def test_seventeen_patterns_are_refused(self):
        query = "&".join(f"pattern={i}*" for i in range(17))
        self.assert_problem(self.backend().ask("GET", f"/v1/events?{query}"), 422, "bad_room")


class PatternsAndRestarts(TestCase):
    expected_seconds = 8

    def start(self, **router):
        self.cluster = self.start_cluster(edges=2, router={"link_timeout": "3s", **router},
                                          edge={"lobby": ""})
        self.watchers = [self.watcher(0), self.watcher(1)]
        self.bob = self.cluster.connect(0, "bob")

    def watcher(self, edge):
        client = self.cluster.connect(edge, token=self.cluster.token("backend", roles=["admin"]))
        client.ask_for("joined", type="join", pattern="chat:*")
        return client

    def assert_heard(self, watchers, n):
        epochs = {self.bob.publish("chat:1", f"{n}/{i}")["epoch"] for i in range(3)}
        self.assertEqual(len(epochs), 1)
        for watcher in watchers:
            for i in range(3):
                watcher.expect("chat", room="chat:1", text=f"{n}/{i}")
            watcher.expect_nothing()

    def expect_news(self, watcher):
        """A new session is told of. The room of its fences, where it is a member, is told of too."""
        watcher.wait_for("joined", pattern="chat:*", id=None)

    def check_restart(self, number):
        self.assert_heard(self.watchers, 1)
        self.cluster.router.signal(number)
        self.cluster.router.wait()
        self.cluster.restart_router()
        for watcher in self.watchers:
            self.expect_news(watcher)
        for watcher in self.watchers:
            watcher.fence()
        self.assert_heard(self.watchers, 2)

    def test_a_router_that_is_stopped(self):
        self.start()
        self.check_restart(signal.SIGTERM)

    def test_a_router_that_is_killed(self):
        self.start()
        self.check_restart(signal.SIGKILL)

    def test_what_waits_for_a_planned_restart_is_heard_once(self):
        self.start()
        self.cluster.router.signal(signal.SIGTERM)
        self.cluster.router.wait()
        for n in range(5):
            self.bob.send(type="chat", room="chat:1", n=n, id=n)
        self.cluster.restart_router()
        for watcher in self.watchers:
            self.expect_news(watcher)
            for n in range(5):
                watcher.expect("chat", n=n, seq=n + 1)
            watcher.expect_nothing()

    def test_an_edge_that_is_killed(self):
        self.start()
        self.cluster.edges[1].kill()
        self.assert_heard(self.watchers[:1], 1)
        self.cluster.edges[1] = self.cluster.start_edge("edge-2")
        again = self.watcher(1)
        self.assert_heard([self.watchers[0], again], 2)
        self.assertEqual(self.cluster.rows("edges")[1]["connections"], 1)

    def test_a_session_that_is_lost_repeats_nothing(self):
        """The edge stands still for so long that the router forgets it; then its members get a replay."""
        self.start()
        member = self.cluster.connect(1, "carol")
        member.join("chat:1")
        self.assert_heard(self.watchers, 1)
        for i in range(3):
            member.expect("chat", text=f"1/{i}")
        self.cluster.edges[1].signal(signal.SIGSTOP)
        wait_until(lambda: len(self.cluster.rows("members", "chat:1")) == 0, "carol is gone")
        self.bob.publish("chat:1", "missed")
        self.watchers[0].expect("chat", text="missed")
        self.cluster.edges[1].signal(signal.SIGCONT)
        self.expect_news(self.watchers[1])
        member.wait_for("chat", text="missed", seq=4)
        came = [m["type"] for m in self.watchers[1].fence()]
        self.assertNotIn("chat", came)  # "missed" is the member's alone
        self.assert_heard(self.watchers, 2)


class PatternsOfASlowReader(ClusterTestCase):
    edge_options = {"queue_limit": "65536"}

    def test_who_does_not_read_is_closed_and_others_hear_everything(self):
        token = self.cluster.token("backend", roles=["admin"])
        slow, good = (self.connect(1, token=token, receive_buffer=size) for size in (4096, None))
        for client in (slow, good):
            client.ask_for("joined", type="join", pattern=f"{self.room}:*")
        speaker = self.connect(0, "bob")
        n = 0
        while 'weir_edge_closes_total{reason="slow_consumer"} 0' in self.page():
            self.assertLess(n, 300, "15 MB later it is still there")
            n += 1
            speaker.publish(f"{self.room}:{n % 3}", "x" * 50000)
            good.expect("chat", room=f"{self.room}:{n % 3}")
        slow.expect_close(4008, "slow_consumer")
        good.expect_nothing()

    def page(self):
        return rawhttp.get(self.cluster.edges[1].ops, "/metrics").body.decode()


class PatternsOfManyRooms(TestCase):
    """A hundred thousand rooms are there before the pattern, as many messages go through it."""

    ROOMS = 100000
    expected_seconds = 30

    def test_a_hundred_thousand_rooms(self):
        cluster = self.start_cluster(edges=2, router={"max_rooms": "0"})
        n = self.ROOMS // (10 if SLOW > 2 else 1)
        speaker = cluster.connect(0, "bob")
        self.say_everywhere(speaker, n)
        token = cluster.token("backend", roles=["admin"])
        watcher, other = (cluster.connect(edge, token=token) for edge in (1, 0))
        started = time.monotonic()
        watcher.ask_for("joined", type="join", pattern="many:*")
        self.assertLess(time.monotonic() - started, 0.5 * SLOW)
        other.ask_for("joined", type="join", pattern="many:*7")
        heard = []
        reader = threading.Thread(target=lambda: heard.extend(
            (m["room"], m["seq"]) for m in (watcher.next() for _ in range(n))))
        reader.start()
        self.say_everywhere(speaker, n)
        reader.join(120 * SLOW)
        self.assertEqual(heard, [(f"many:{i}", 2) for i in range(n)])
        self.assertEqual([other.next()["room"] for _ in range(n // 10)],
                         [f"many:{i}" for i in range(7, n, 10)])
        watcher.expect_nothing()

    def say_everywhere(self, speaker, n):
        for i in range(n):
            speaker.send(type="chat", room=f"many:{i}", id=i)
            if i % 500 == 499:
                for _ in range(500):
                    speaker.expect("ack")


if __name__ == "__main__":
    unittest.main()
