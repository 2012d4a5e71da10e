"""Who is refused, why, and who comes and goes: what the log says of it, and the client."""

import json
import re
import time
import unittest

import jwts
import rawhttp
from harness import JWT_KEY, TestCase, metrics_of, wait_until
from rawhttp import request
from ws import handshake_fields

HOUR = 3600
ORIGIN = "http://localhost:3000"


def bad_tokens():
    """Cause -> (token, the claim at fault)."""
    now = int(time.time())
    good = {"sub": "alice", "iss": "us", "aud": "weir"}
    return {
        "malformed": ("x.y.z", None),
        "too_long": ("x" * 8193, None),
        "bad_signature": (jwts.make(b"k" * 32, good), None),
        "unknown_kid": (jwts.make(JWT_KEY, good, header={"kid": "other"}), None),
        "wrong_algorithm": (jwts.make(JWT_KEY, good, alg="HS512"), None),
        "no_exp": (jwts.make(JWT_KEY, {**good, "exp": None}), "exp"),
        "expired": (jwts.make(JWT_KEY, {**good, "exp": now - HOUR}), "exp"),
        "not_yet": (jwts.make(JWT_KEY, {**good, "nbf": now + HOUR}), "nbf"),
        "wrong_issuer": (jwts.make(JWT_KEY, {**good, "iss": "them"}), "iss"),
        "wrong_audience": (jwts.make(JWT_KEY, {**good, "aud": "them"}), "aud"),
        "bad_claim": (jwts.make(JWT_KEY, {**good, "roles": "admin"}), "roles"),
    }


class Refusals(TestCase):
    expected_seconds = 5

    def start(self, **options):
        cluster = self.start_cluster(edges=1, edge={"threads": 1, **options})
        return cluster, cluster.edges[0]

    def refuse_origin(self, edge, origin=ORIGIN):
        answer = rawhttp.exchange(edge.address, request(
            "/?token=secret", fields=[*handshake_fields(), ("Origin", origin)]))
        self.assertEqual(answer.status, 403)

    def test_a_refused_token_is_logged_with_its_cause_and_the_client_gets_the_word(self):
        cluster, edge = self.start(jwt_issuer="us", jwt_audience="weir")
        for cause, (token, claim) in bad_tokens().items():
            with self.subTest(cause=cause):
                mark = edge.mark()
                fields = [("Authorization", f"Bearer {token}")]
                said = cluster.open(fields=fields).expect_close(4002, "invalid_token")
                self.assertEqual((said["cause"], said["reconnect"]), (cause, False))
                line = edge.wait_for_line(rf" info token_refused .*reason={cause}\b", after=mark)
                self.assertEqual(re.findall(r" claim=(\w+)", line), [claim] if claim else [])
                self.assertIn("address=127.0.0.1", line)
                self.assertNotIn(token, edge.text())
                time.sleep(0.2)  # five lines a second

    def test_tokens_of_a_renewal_and_of_the_http_api_too(self):
        cluster, edge = self.start()
        stale = jwts.make(JWT_KEY, {"sub": "alice", "exp": 1})
        client = cluster.connect()
        client.send({"type": "auth", "token": stale})
        said = client.expect_close(4002, "invalid_token")
        self.assertEqual(said["cause"], "expired")
        edge.wait_for_line(" info token_refused .*user=alice .*reason=expired")
        mark = edge.mark()
        client = cluster.connect()
        client.send({"type": "auth", "token": cluster.token("bob")})
        self.assertEqual(client.expect_close(4002, "invalid_token")["cause"], "bad_claim")
        edge.wait_for_line(" info token_refused .*reason=bad_claim claim=sub", after=mark)
        mark = edge.mark()
        answer = rawhttp.exchange(edge.address, request(
            "/v1/whoami", fields=[("Authorization", f"Bearer {stale}"), ("Connection", "close")]))
        self.assertEqual(answer.status, 401)
        edge.wait_for_line(" info token_refused .*reason=expired", after=mark)

    def test_a_refused_origin_is_logged_with_the_origin(self):
        _, edge = self.start()
        self.refuse_origin(edge)
        line = edge.wait_for_line(" info handshake_refused ")
        self.assertIn("status=403", line)
        self.assertIn(f"origin={ORIGIN}", line)
        self.assertIn('reason="this origin is not allowed"', line)
        self.assertNotIn("secret", line)

    def test_the_lines_come_at_a_rate_with_a_count_of_what_was_left_out(self):
        cluster, edge = self.start()
        for _ in range(200):
            self.refuse_origin(edge)
        first = [line for line in edge.lines if " handshake_refused " in line]
        self.assertLess(len(first), 100)
        time.sleep(1.1)
        self.refuse_origin(edge)
        wait_until(lambda: sum(" handshake_refused " in line for line in edge.lines) > len(first),
                   "one more line")
        lines = [line for line in edge.lines if " handshake_refused " in line]
        left_out = sum(int(n) for line in lines for n in re.findall(r"suppressed=(\d+)", line))
        self.assertEqual(len(lines) + left_out, 201)
        self.assertEqual(metrics_of(edge.ops)['weir_edge_handshakes_total{result="403"}'], 201)
        cluster.open(token="x.y.z").expect_close(4002, "invalid_token")  # a count of its own
        edge.wait_for_line(" token_refused ")

    def test_who_is_closed_for_its_rate_is_logged(self):
        cluster, edge = self.start(rate_messages="1/s burst 1", log_connections="no")
        client = cluster.connect()
        for _ in range(110):
            client.send({"type": "ping"})
        client.expect_close(4009, "rate_limited")
        edge.wait_for_line(" info closed .*user=alice reason=rate_limited")


class Connections(TestCase):
    def start(self, **options):
        cluster = self.start_cluster(edges=1, edge={"threads": 1, **options})
        return cluster, cluster.edges[0]

    def test_connects_and_disconnects_are_logged(self):
        cluster, edge = self.start()
        client = cluster.connect()
        line = edge.wait_for_line(" info opened ")
        self.assertRegex(line, r"conn=\S+ address=127\.0\.0\.1 user=alice")
        client.close()
        line = edge.wait_for_line(" info closed ")
        self.assertRegex(line, r"conn=\S+ address=127\.0\.0\.1 user=alice reason=normal "
                               r"duration_ms=\d+")

    def test_the_option_switches_it_off(self):
        cluster, edge = self.start(log_connections="no", log_format="json")
        cluster.connect().close()
        edge.stop()
        events = [json.loads(line)["event"] for line in edge.lines
                  if not line.startswith("ready ")]
        self.assertFalse({"opened", "closed"} & set(events))

    def test_they_come_at_a_rate(self):
        cluster, edge = self.start()
        for _ in range(150):
            cluster.connect().close()
        time.sleep(1.1)
        cluster.connect().close()
        edge.stop()
        lines = [line for line in edge.lines if re.search(" (opened|closed) ", line)]
        left_out = sum(int(n) for line in lines for n in re.findall(r"suppressed=(\d+)", line))
        self.assertEqual(len(lines) + left_out, 2 * 151)
        seconds = {line.split(".")[0] for line in lines}
        self.assertLessEqual(len(lines), 50 * (len(seconds) + 1))


if __name__ == "__main__":
    unittest.main()
