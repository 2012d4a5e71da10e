"""Tokens: which are accepted, and how the others end: WebSocket first, then a close code."""

import base64
import json
import os
import subprocess
import time
import unittest

import jwts
from harness import JWT_KEY, TOKEN_BIN, ClusterTestCase, TestCase, environment

HOUR = 3600


class TokenTestCase(ClusterTestCase):
    n_edges = 1

    def assert_accepted(self, token, user="alice"):
        client = self.open(token=token, target="/?autojoin=0")
        self.assertEqual(client.expect("connected")["user"], user)

    def assert_invalid(self, token, what=None):
        with self.subTest(what=what or token[:100]):
            client = self.open(target="/?token=" + token)
            said = client.expect_close(4002, "invalid_token")
            self.assertFalse(said["reconnect"])


class Tokens(TokenTestCase):
    def test_none_at_all_has_a_code_of_its_own(self):
        for target in ("/", "/ws", "/?autojoin=0", "/?token="):
            with self.subTest(target=target):
                said = self.open(target=target).expect_close(4001, "missing_token")
                self.assertFalse(said["reconnect"])

    def test_a_good_token_is_accepted(self):
        self.assert_accepted(self.cluster.token())

    def test_the_user_may_be_called_user_id(self):
        self.assert_accepted(self.cluster.token(None, userId="alice"))
        self.assert_accepted(self.cluster.token("alice", userId="bob"))
        self.assert_accepted(self.cluster.token(17), "17")
        self.assert_accepted(self.cluster.token("é" * 61), "é" * 61)

    def test_a_user_that_is_no_good_name_is_refused(self):
        for user in (None, "", "x" * 124, "a\nb", "a\0b", 1.5, True, ["a"], {"a": 1}):
            self.assert_invalid(self.cluster.token(user), user)

    def test_only_the_algorithm_of_the_key_is_accepted(self):
        claims = {"sub": "alice"}
        for alg in ("HS384", "HS512"):
            self.assert_invalid(jwts.make(JWT_KEY, claims, alg=alg), alg)
        for alg in ("hs256", "none", "None", "NONE", "RS256", "ES512", "", None, 5):
            token = jwts.make(JWT_KEY, claims, header={"alg": alg})
            self.assert_invalid(token, alg)
            self.assert_invalid(token.rsplit(".", 1)[0] + ".", f"{alg}, no signature")

    def test_headers_that_change_the_meaning_are_refused(self):
        for extra in ({"crit": ["exp"]}, {"crit": []}, {"b64": False}):
            self.assert_invalid(jwts.make(JWT_KEY, {"sub": "alice"}, header=extra), extra)

    def test_keys_within_the_token_are_ignored(self):
        for extra in ({"jku": "https://evil.example/"}, {"jwk": {"kty": "oct", "k": "AAAA"}},
                      {"x5u": "https://evil.example/"}):
            header = {**extra, "typ": "JWT"}
            self.assert_accepted(jwts.make(JWT_KEY, {"sub": "alice"}, header=header))
            self.assert_invalid(jwts.make(b"k" * 32, {"sub": "alice"}, header=header), extra)

    def test_an_unknown_key_id_is_refused(self):
        for kid in ("x", "../../etc/passwd", "x" * 5000, 5, "' OR 1=1", ""):
            self.assert_invalid(jwts.make(JWT_KEY, {"sub": "alice"}, header={"kid": kid}), kid)

    def test_the_signature_is_checked_bit_by_bit(self):
        head, _, signature = self.cluster.token().rpartition(".")
        for i in range(0, len(signature) - 1, 6):
            flipped = "A" if signature[i] != "A" else "B"
            self.assert_invalid(f"{head}.{signature[:i]}{flipped}{signature[i + 1:]}", i)
        for other in (signature[:-1], signature + "A", signature[:20], ""):
            self.assert_invalid(f"{head}.{other}", other)

    def test_another_key_is_refused(self):
        for key in (b"x" * 32, b"", JWT_KEY + b"x", JWT_KEY[:-1]):
            self.assert_invalid(jwts.make(key, {"sub": "alice"}), key)

    def test_expiry_is_strict_about_types(self):
        now = int(time.time())
        for exp in (None, now - 31, str(now + HOUR), "soon", -1, 0, True, [now + HOUR], 1e400,
                    2 ** 63, 2 ** 64):
            self.assert_invalid(self.cluster.token(exp=exp), f"exp {exp}")

    def test_the_leeway_counts(self):
        now = int(time.time())
        self.assert_accepted(self.cluster.token(exp=now - 20))
        self.assert_accepted(self.cluster.token(nbf=now + 20, iat=now + 20))

    def test_not_yet_valid_ones_are_refused(self):
        now = int(time.time())
        for claims in ({"nbf": now + 60}, {"iat": now + 60}, {"nbf": "x"}, {"iat": "x"}):
            self.assert_invalid(self.cluster.token(**claims), claims)

    def test_malformed_ones_are_refused(self):
        good = self.cluster.token()
        head, payload, signature = good.split(".")
        for token in ("x", ".", "..", "...", ".e30.x", "a..b", f"{head}.{payload}", good + ".x",
                      f"{head}..{signature}", f".{payload}.{signature}", f"{head}.{payload}.",
                      good + "%3D", good + "%20", "%20" + good, good + "%2B", good + "%C3%A9",
                      good.replace(".", "%2C", 1)):
            self.assert_invalid(token)

    def test_headers_and_payloads_are_json_objects_without_repetition(self):
        header = b'{"alg":"HS256"}'
        exp = int(time.time()) + HOUR
        for head, payload in (
                (header, b"[]"), (header, b'"x"'), (header, b""), (header, b"{"),
                (header, b'{"sub":"a","sub":"b","exp":%d}' % exp),
                (header, b'{"sub":"a","exp":1,"exp":%d}' % exp),
                (header, b'{"sub":"a","exp":%d} ' % exp + b"{}"),
                (b'{"alg":"HS256","alg":"HS256"}', b'{"sub":"a","exp":%d}' % exp),
                (b"[" * 2500 + b"]" * 2500, b'{"sub":"a","exp":%d}' % exp),
                (b'{"alg":"HS256","a":\xff}', b'{"sub":"a","exp":%d}' % exp)):
            self.assert_invalid(jwts.make_raw(JWT_KEY, head, payload), (head[:50], payload[:50]))

    def test_a_token_longer_than_8192_bytes_is_refused(self):
        def fields(n):
            base = len(self.cluster.token(pad=""))
            for pad in range((n - base) * 3 // 4 - 3, n):
                token = self.cluster.token(pad="x" * pad)
                if len(token) == n:
                    return [("Authorization", f"Bearer {token}")]
            raise AssertionError(f"no token of {n} bytes")

        self.open(fields=fields(8193)).expect_close(4002, "invalid_token")
        self.open(fields=fields(8192)).expect("connected")

    def test_names_roles_and_rights_of_another_form_are_refused(self):
        for claims in ({"username": 5}, {"username": "a\nb"}, {"username": "x" * 1000},
                       {"roles": "admin"}, {"roles": [1]}, {"roles": ["admin", 1]},
                       {"roles": {"admin": 1}}, {"weir": 5}, {"weir": []}, {"weir": {"join": "*"}},
                       {"weir": {"join": [5]}}):
            with self.subTest(claims=claims):
                token = self.cluster.token("alice", **claims)
                self.open(token=token).expect_close(4002, "invalid_token")

    def test_names_roles_and_rights_that_are_null_are_none(self):
        client = self.connect(token=self.cluster.token("alice", username=None, roles=None,
                                                       weir=None))
        self.assertEqual((client.connected.get("username"), client.connected["roles"]), (None, []))
        client.join(self.room)  # as default-rights allow


class ClaimChecks(TokenTestCase):
    edge_options = {"jwt_issuer": "https://issuer.example", "jwt_audience": "weir",
                    "jwt_max_lifetime": "1h"}

    def token(self, **claims):
        now = int(time.time())
        base = {"iss": "https://issuer.example", "aud": "weir", "iat": now, "exp": now + 600}
        return self.cluster.token("alice", **{**base, **claims})

    def test_good_ones(self):
        for claims in ({}, {"aud": ["x", "weir"]}):
            self.assert_accepted(self.token(**claims))

    def test_issuer_and_audience_are_exact(self):
        for claims in ({"iss": None}, {"iss": "https://issuer.example/"}, {"iss": ["x"]},
                       {"aud": None}, {"aud": "weird"}, {"aud": ["x"]}, {"aud": []},
                       {"aud": {"weir": 1}}, {"aud": 5}):
            self.assert_invalid(self.token(**claims), claims)

    def test_the_lifetime_is_limited(self):
        now = int(time.time())
        self.assert_invalid(self.token(exp=now + 3 * HOUR), "three hours")
        self.assert_invalid(self.token(iat=None), "no iat")


class SeveralKeys(TokenTestCase):
    def test_each_key_id_stands_for_one_key_and_algorithm(self):
        one, two = b"1" * 64, b"2" * 64
        cluster = self.start_cluster(edges=0)
        paths = [cluster.write("one", one), cluster.write("two", two + b"\n")]
        edge = cluster.start_edge("edge", jwt_key=[f"HS256:a={paths[0]}", f"HS512:b={paths[1]}"])
        claims = {"sub": "alice"}
        for token in (jwts.make(one, claims, header={"kid": "a"}),
                      jwts.make(two, claims, alg="HS512", header={"kid": "b"})):
            cluster.open(edge, token).expect("connected")
        for token in (jwts.make(one, claims, header={"kid": "b"}),
                      jwts.make(two, claims, header={"kid": "b"}),
                      jwts.make(two, claims, alg="HS512", header={"kid": "a"}),
                      jwts.make(one, claims, alg="HS512", header={"kid": "a"})):
            cluster.open(edge, token).expect_close(4002, "invalid_token")


class TokenTool(TestCase):
    """weir-token: what it makes is accepted, what it reads is told."""

    def setUp(self):
        self.cluster = self.start_cluster(edges=1)
        self.key = os.path.join(self.cluster.folder, "jwt.key")

    def run_tool(self, *words, stdin=""):
        return subprocess.run([TOKEN_BIN, *words], input=stdin, capture_output=True, text=True,
                              timeout=20, check=False, env=environment(self.cluster.folder))

    def make(self, *words):
        done = self.run_tool("make", "--key", f"HS256:{self.key}", "--sub", "alice", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_what_it_makes_is_accepted_with_all_claims(self):
        token = self.make("--name", "Alice", "--role", "a", "--role", "admin", "--ttl", "5m",
                          "--claim", 'weir={"join":["x"]}')
        client = self.cluster.connect(token=token)
        self.assertEqual((client.connected["user"], client.connected["username"],
                          client.connected["roles"]), ("alice", "Alice", ["a", "admin"]))
        self.assertAlmostEqual(client.connected["session"]["expires"], time.time() + 300, delta=5)

    def test_inspect_shows_a_token_without_its_signature(self):
        token = self.make()
        for words, stdin in ((["-"], token), ([self.cluster.write("t", token)], "")):
            done = self.run_tool("inspect", *words, stdin=stdin)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("alice", done.stdout)
            self.assertNotIn(token.rsplit(".", 1)[1], done.stdout + done.stderr)

    def test_check_says_what_an_edge_would(self):
        config = self.cluster.write("edge.conf", f"jwt-key = HS256:{self.key}\n")
        good = self.run_tool("check", "--config", config, "-", stdin=self.make())
        self.assertEqual(good.returncode, 0, good.stderr)
        bad = self.run_tool("check", "--config", config, "-",
                            stdin=jwts.make(b"x" * 32, {"sub": "alice"}))
        self.assertEqual(bad.returncode, 1)

    def test_check_names_the_claim_and_the_cause(self):
        config = self.cluster.write("edge.conf", f"jwt-key = HS256:{self.key}\n"
                                                 "jwt-audience = weir\n")
        for claims, said in (({"exp": None, "aud": "weir"}, "error: exp: no exp (no_exp)"),
                             ({"aud": "x"}, "error: aud: wrong audience (wrong_audience)"),
                             ({"aud": "weir", "sub": ""},
                              "error: sub: no usable user (bad_claim)"),
                             ({"aud": "weir", "roles": 1},
                              "error: roles: claim missing or of the wrong type (bad_claim)")):
            with self.subTest(claims=claims):
                token = jwts.make(JWT_KEY, {"sub": "alice", **claims})
                done = self.run_tool("check", "--config", config, "-", stdin=token)
                self.assertEqual((done.returncode, done.stderr.strip()), (1, said))

    def test_a_key_in_base64_is_decoded_where_it_says_so(self):
        path = self.cluster.write("jwt.b64", base64.b64encode(JWT_KEY) + b"\n")
        done = self.run_tool("make", "--key", f"HS256:base64={path}", "--sub", "alice")
        self.assertEqual(self.cluster.connect(token=done.stdout.strip()).connected["user"],
                         "alice")

    def test_a_weak_or_open_key_is_refused(self):
        for name, data, mode in (("short", b"x" * 31, 0o600), ("empty", b"", 0o600),
                                 ("open", b"x" * 32, 0o644)):
            with self.subTest(name=name):
                path = self.cluster.write(name, data, mode)
                done = self.run_tool("make", "--key", f"HS256:{path}", "--sub", "alice")
                self.assertEqual(done.returncode, 1)
                self.assertEqual(done.stdout, "")

    def test_usage_errors(self):
        for words in ([], ["make"], ["make", "--sub", "alice"], ["no-such"], ["inspect"]):
            with self.subTest(words=words):
                done = self.run_tool(*words)
                self.assertEqual(done.returncode, 2)
                self.assertNotEqual(done.stderr, "")

    def test_a_kid_is_put_into_the_header(self):
        head = self.make("--kid", "k1").split(".")[0]
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        self.assertEqual((header["kid"], header["alg"]), ("k1", "HS256"))


if __name__ == "__main__":
    unittest.main()
