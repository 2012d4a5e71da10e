"""Revocations: who is there goes, who comes with such a token stays out, and no restart forgets it."""

import signal
import time
import unittest

import jwts
import ws
from harness import JWT_KEY, TestCase, metrics_of, wait_until

OK, REFUSED, USAGE = 0, 1, 2


class RevocationTestCase(TestCase):
    expected_seconds = 5

    def token(self, user, age=0, **claims):
        """A token that was issued `age` seconds ago."""
        return jwts.make(JWT_KEY, {"sub": user, "iat": int(time.time()) - age, **claims})

    def welcomes(self, edge, token):
        """True if a client with the token may come in; else it was closed as revoked."""
        client = self.cluster.open(edge, token, target="/?autojoin=0")
        try:
            client.expect("connected")
            return True
        except ws.Closed as closed:
            self.assertEqual((closed.code, b'"revoked"' in closed.reason), (4004, True))
            return False
        finally:
            client.close_socket()

    def one(self, *words):
        row, = self.cluster.rows(*words)
        return row

    def wait_until_refused(self, token):
        for edge in self.cluster.edges:
            wait_until(lambda edge=edge: not self.welcomes(edge, token),
                       "the edge refuses the token")

    def revocations(self):
        return {(row["user"], row["jti"]) for row in self.cluster.rows("revocations")}


class Revocations(RevocationTestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=2)

    def test_a_revocation_can_be_lifted(self):
        old = self.token("eve", 60)
        self.one("revoke", "--user", "eve")
        self.one("revoke", "--jti", "t1")
        self.wait_until_refused(old)
        self.assertEqual(self.one("unrevoke", "--user", "eve"), {"user": "eve", "jti": None})
        for edge in self.cluster.edges:
            wait_until(lambda edge=edge: self.welcomes(edge, old), "the edge accepts the token")
        self.assertEqual(self.revocations(), {(None, "t1")})
        self.assertEqual(self.cluster.weirctl("unrevoke", "--user", "eve")[0], REFUSED)
        self.assertEqual(self.cluster.weirctl("unrevoke")[0], USAGE)
        # Neither does the next router bring it back, nor an edge that is new.
        self.cluster.router.stop()
        self.cluster.restart_router()
        for edge in self.cluster.edges:
            edge.wait_until_ready()
        wait_until(lambda: self.revocations() == {(None, "t1")}, "the edges have told the router")
        third = self.cluster.start_edge("edge-3")
        self.assertTrue(self.welcomes(third, old))
        self.one("revoke", "--user", "eve")
        self.wait_until_refused(old)

    def test_a_user_is_closed_on_every_edge_and_does_not_come_back(self):
        old = self.token("eve", 60)
        clients = [self.cluster.connect(edge, token=old) for edge in (0, 1)]
        other = self.cluster.connect(0, token=self.token("alice", 60))
        row = self.one("revoke", "--user", "eve")
        self.assertEqual((row["user"], row["jti"], row["closed"], row["expires"]),
                         ("eve", None, 2, None))
        for client in clients:
            self.assertFalse(client.expect_close(4004, "revoked")["reconnect"])
        self.wait_until_refused(old)
        # What is issued later is another matter (within the leeway an iat may lie ahead).
        for edge in (0, 1):
            self.assertTrue(self.welcomes(edge, self.token("eve", -10)))
            self.assertFalse(self.welcomes(edge, self.token("eve", 60, iat=None)))
        other.ask_for("pong", type="ping")
        self.assertEqual(self.revocations(), {("eve", None)})

    def test_nothing_is_delivered_to_who_was_revoked(self):
        eve = self.cluster.connect(0, token=self.token("eve", 60))
        alice = self.cluster.connect(1, token=self.token("alice", 60))
        eve.join("room")
        alice.join("room")
        alice.publish("room", "before")
        self.one("revoke", "--user", "eve")
        alice.publish("room", "after")
        eve.expect("chat", text="before")
        with self.assertRaises(ws.Closed) as caught:
            eve.next()
        self.assertEqual(caught.exception.code, 4004)
        eve.send_frame(ws.CLOSE, ws.close_payload(1000))
        self.assertEqual(eve.stream.take_all(), b"")
        wait_until(lambda: alice.publish("room")["members"] == 1, "eve is no member any more")

    def test_one_token_is_revoked_by_its_id(self):
        one, two = self.token("eve", 60, jti="t1"), self.token("eve", 60, jti="t2")
        clients = [self.cluster.connect(0, token=one), self.cluster.connect(1, token=two)]
        self.assertEqual(self.one("revoke", "--jti", "t1")["closed"], 1)
        clients[0].expect_close(4004, "revoked")
        self.wait_until_refused(one)
        self.assertTrue(self.welcomes(0, two))
        clients[1].ask_for("pong", type="ping")

    def test_a_time_says_which_tokens_are_meant(self):
        old, new = self.token("eve", 600), self.token("eve", 60)
        clients = [self.cluster.connect(0, token=old), self.cluster.connect(0, token=new)]
        before = int(time.time()) - 300
        row = self.one("revoke", "--user", "eve", "--issued-before", str(before))
        self.assertEqual((row["issuedBefore"], row["closed"]), (before * 1000, 1))
        clients[0].expect_close(4004, "revoked")
        self.wait_until_refused(old)
        self.assertTrue(self.welcomes(1, new))
        clients[1].ask_for("pong", type="ping")
        # The same day in words; what was wider stays as wide.
        self.one("revoke", "--user", "eve", "--issued-before", "2020-01-31T12:00:00Z")
        self.assertEqual(self.one("revocations")["issuedBefore"], before * 1000)

    def test_a_renewal_with_a_revoked_token_ends_the_connection(self):
        eve = self.cluster.connect(0, token=self.token("eve", 60, jti="good"))
        bad = self.token("eve", 60, jti="bad")
        self.one("revoke", "--jti", "bad")
        self.wait_until_refused(bad)
        # The edge sees it by itself; the router could not tell it.
        self.cluster.router.signal(signal.SIGSTOP)
        eve.send(type="auth", token=bad)
        eve.expect_close(4004, "revoked")

    def test_a_renewed_token_can_be_revoked(self):
        eve = self.cluster.connect(0, token=self.token("eve", 60, jti="first"))
        eve.ask_for("ack", type="auth", token=self.token("eve", 60, jti="second"))
        eve.join("room")  # the router has heard of the renewal
        self.assertEqual(self.one("revoke", "--jti", "first")["closed"], 0)
        self.assertEqual(self.one("revoke", "--jti", "second")["closed"], 1)
        eve.expect_close(4004, "revoked")

    def test_a_kick_may_revoke(self):
        token = self.token("eve", 60, jti="t1")
        eve = self.cluster.connect(0, token=token)
        self.assertEqual(
            self.one("kick", "--client", eve.connected["clientId"], "--revoke")["closed"], 1)
        eve.expect_close(4004, "revoked")
        self.wait_until_refused(token)
        self.assertTrue(self.welcomes(0, self.token("eve", 60, jti="t2")))
        mallory = self.token("mallory", 60)
        client = self.cluster.connect(1, token=mallory)
        self.assertEqual(self.one("kick", "--revoke", "--user", "mallory")["closed"], 1)
        client.expect_close(4004, "revoked")
        self.wait_until_refused(mallory)
        self.assertEqual(self.revocations(), {("mallory", None), (None, "t1")})

    def test_refusals_are_counted(self):
        token = self.token("eve", 60)
        self.one("revoke", "--user", "eve")
        self.wait_until_refused(token)
        name = 'weir_edge_handshakes_total{result="revoked"}'
        wait_until(lambda: metrics_of(self.cluster.edges[0].ops)[name] > 0, "it is counted")

    def test_wrong_words_are_told(self):
        for words, code in ((("revoke",), USAGE), (("revoke", "--user", "a", "--jti", "b"), USAGE),
                            (("revoke", "--user", ""), REFUSED), (("revoke", "--jti", ""), REFUSED),
                            (("revoke", "--user", "x" * 124), REFUSED),
                            (("revoke", "--user", "a", "--issued-before", "soon"), USAGE),
                            (("revoke", "--user", "a", "--issued-before", "0"), USAGE),
                            (("revoke", "--user", "a", "--issued-before", "2020-01-31"), USAGE),
                            (("kick", "--user", "a", "--revoke=yes"), USAGE),
                            (("revocations", "x"), USAGE)):
            with self.subTest(words=words):
                got, out, err = self.cluster.weirctl(*words)
                self.assertEqual(got, code, (out, err))
        self.assertEqual(self.revocations(), set())


class Restarts(RevocationTestCase):
    def test_an_edge_that_comes_later_knows_before_it_lets_anybody_in(self):
        self.cluster = self.start_cluster(edges=1)
        token = self.token("eve", 60)
        for n in range(300):  # more than one item holds
            self.one("revoke", "--jti", f"t{n}")
        self.one("revoke", "--user", "eve")
        late = self.cluster.start_edge("late")
        self.assertFalse(self.welcomes(late, token))
        self.assertFalse(self.welcomes(late, self.token("bob", 60, jti="t0")))
        self.assertFalse(self.welcomes(late, self.token("bob", 60, jti="t299")))
        self.assertTrue(self.welcomes(late, self.token("bob", 60, jti="t300")))

    def test_a_restarted_router_has_them_back_from_its_edges(self):
        self.cluster = self.start_cluster(edges=2)
        token = self.token("eve", 60)
        self.one("revoke", "--user", "eve")
        self.one("revoke", "--jti", "t1")
        self.wait_until_refused(token)
        self.cluster.router.kill()
        self.cluster.restart_router()
        wait_until(lambda: self.revocations() == {("eve", None), (None, "t1")},
                   "the new router knows them")
        late = self.cluster.start_edge("late")
        self.assertFalse(self.welcomes(late, token))

    def test_they_end_with_the_longest_token(self):
        self.cluster = self.start_cluster(
            edges=1, edge={"jwt_max_lifetime": "1s", "jwt_leeway": "1s"})
        row = self.one("revoke", "--jti", "t1")
        self.assertEqual(row["expires"] - row["since"], 3000)
        wait_until(lambda: self.revocations() == set(), "it is forgotten")


if __name__ == "__main__":
    unittest.main()
