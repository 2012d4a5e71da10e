"""SIGHUP: what takes a new value takes it, what is wrong changes nothing."""

import signal
import unittest

import jwts
from harness import JWT_KEY, TestCase, metrics_of

NEW_KEY = b"another-key-of-64-bytes-another-key-of-64-bytes-another-key-of--"
SIGNALS = 200


class Edge(TestCase):
    expected_seconds = 4

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=0)
        self.new_key = self.cluster.write("new.key", NEW_KEY)
        self.old_line = f"jwt-key = HS256:{self.cluster.folder}/jwt.key"
        self.new_line = f"jwt-key = HS256:{self.new_key}"
        self.write_options(self.old_line)
        self.edge = self.cluster.start_edge("edge", config=self.file, jwt_key=[])

    def write_options(self, *lines):
        self.file = self.cluster.write("edge.conf", "\n".join(lines) + "\n")

    def reload(self, expected="reloaded"):
        mark = self.edge.mark()
        self.edge.signal(signal.SIGHUP)
        return self.edge.wait_for_line(f" {expected}( |$)", after=mark)

    def failures(self):
        return metrics_of(self.edge.ops)["weir_reload_failed_total"]

    def connect(self, key, user="alice"):
        return self.cluster.connect(self.edge, token=jwts.make(key, {"sub": user}))

    def assert_refused(self, key):
        client = self.cluster.open(self.edge, jwts.make(key, {"sub": "alice"}))
        client.expect_close(4002, "invalid_token")

    def test_a_key_is_added_and_the_old_one_taken_away(self):
        alice = self.connect(JWT_KEY)
        self.assert_refused(NEW_KEY)
        self.write_options(self.old_line, self.new_line)
        self.reload()
        for key in (JWT_KEY, NEW_KEY):
            self.connect(key).close()
        self.write_options(self.new_line)
        self.reload()
        self.connect(NEW_KEY).close()
        self.assert_refused(JWT_KEY)
        alice.ask_for("pong", type="ping")  # who is in stays in
        self.assertEqual(self.failures(), 0)

    def test_what_is_wrong_changes_nothing_and_is_counted(self):
        empty = self.cluster.write("empty.key", b"")
        for lines, said in (([f"jwt-key = HS256:{empty}"], "jwt-key"),
                            (["jwt-key = HS256:/no/such/file"], "jwt-key"),
                            ([self.new_line, "queue-limit = many"], "queue-limit"),
                            ([self.new_line, "no-such-option = 1"], "no-such-option"),
                            ([self.new_line, "max-connections = 100000000"], "max-connections")):
            with self.subTest(lines=lines):
                before = self.failures()
                self.write_options(*lines)
                line = self.reload("reload_failed")
                self.assertIn(said, line)
                self.assertNotIn(NEW_KEY.decode()[:12], line)
                self.assertEqual(self.failures(), before + 1)
                self.connect(JWT_KEY).close()
                self.assert_refused(NEW_KEY)

    def test_limits_and_the_log_level_hold_for_who_is_in(self):
        alice = self.connect(JWT_KEY)
        for room in ("one", "two"):
            alice.join(room)
        self.write_options(self.old_line, "max-rooms-per-connection = 2", "log-level = debug")
        self.reload()
        refusal = alice.ask_for("error", type="join", room="three")
        self.assertEqual(refusal["code"], "limit")
        mark = self.edge.mark()
        self.connect(JWT_KEY)
        self.edge.wait_for_line(" info opened", after=mark)

    def test_what_needs_a_restart_is_named_and_left_as_it_is(self):
        self.write_options(self.old_line, "max-message = 64", "lobby = hall")
        line = self.reload()
        self.assertIn("lobby", line)
        self.assertIn("max-message", line)
        alice = self.connect(JWT_KEY)
        self.assertEqual(alice.connected["maxMessage"], 102400)

    def test_a_storm_of_signals_loses_nothing(self):
        alice, bob = self.connect(JWT_KEY), self.connect(JWT_KEY, "bob")
        for client in (alice, bob):
            client.join("room")
        for n in range(SIGNALS):
            self.edge.signal(signal.SIGHUP)
            alice.publish("room", f"{n}")
            self.assertEqual(bob.expect("chat")["text"], f"{n}")
        self.reload()

    def test_while_it_drains_a_reload_does_no_harm(self):
        stuck = self.connect(JWT_KEY)  # never answers the close
        self.edge.signal(signal.SIGTERM)
        self.edge.wait_for_line(" stopping")
        for _ in range(10):
            self.edge.signal(signal.SIGHUP)
        stuck.expect_close(1012, "restart")
        self.assertEqual(self.edge.wait(), 0)


class Router(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=1)
        self.router = self.cluster.router

    def restart_with(self, *lines):
        self.router.stop()
        self.write_options(*lines)
        self.router = self.cluster.router = self.cluster.start_router(
            listen=self.router.link_url, config=self.file, link_key_file=[])
        self.cluster.edges[0].wait_until_ready()

    def write_options(self, *lines):
        self.file = self.cluster.write("router.conf", "\n".join(lines) + "\n")

    def reload(self, expected="reloaded"):
        mark = self.router.mark()
        self.router.signal(signal.SIGHUP)
        return self.router.wait_for_line(f" {expected}( |$)", after=mark)

    def test_keys_and_limits_take_new_values_and_links_stay(self):
        old_key = f"link-key-file = {self.cluster.folder}/link.key"
        self.restart_with(old_key)
        alice = self.cluster.connect()
        alice.join("one")
        new_file = self.cluster.write("new-link.key", NEW_KEY)
        self.write_options(f"link-key-file = {new_file}", "max-rooms = 1", "link-timeout = 60s")
        self.assertIn("link-timeout", self.reload())
        self.assertEqual(alice.ask_for("error", type="join", room="two")["code"], "limit")
        alice.publish("one")
        mark = self.router.mark()
        late = self.cluster.spawn_edge("late").wait_ready()
        self.router.wait_for_line("bad_key", after=mark)
        self.assertFalse(late.is_ready())
        self.cluster.start_edge("new", link_key_file=new_file)

    def test_what_is_wrong_changes_nothing_and_is_counted(self):
        old_key = f"link-key-file = {self.cluster.folder}/link.key"
        self.restart_with(old_key)
        for n, lines in enumerate((["link-key-file = /no/such/file"],
                                   [old_key, "max-rooms = some"])):
            self.write_options(*lines)
            self.reload("reload_failed")
            self.assertEqual(metrics_of(self.router.ops)["weir_reload_failed_total"], n + 1)
        self.cluster.start_edge("another")


if __name__ == "__main__":
    unittest.main()
