"""weir-token by itself, against Python's own hmac both ways: it needs no router and no edge."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import jwts
from harness import DEADLINE_S, TOKEN_BIN, environment

KEY = b"a-secret-of-64-bytes-a-secret-of-64-bytes-a-secret-of-64-bytes--"
DONE, REFUSED, USAGE = 0, 1, 2


def decode_segment(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class ToolTestCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.key = self.write("secret.key", KEY)

    def write(self, name, data, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode("utf-8"))
        os.chmod(path, mode)
        return path

    def run_tool(self, *words, stdin=b"", stdout=subprocess.PIPE):
        return subprocess.run([TOKEN_BIN, *words], input=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False,
                              env={**environment(self.folder), "WEIR_EDGE_CONFIG": ""})

    def assert_fails(self, code, *words, says="", stdin=b""):
        """It exits with `code`, prints nothing, and says why in one line that holds no secret."""
        with self.subTest(words=words):
            done = self.run_tool(*words, stdin=stdin)
            said = done.stderr.decode()
            self.assertEqual((done.returncode, done.stdout), (code, b""), said)
            self.assertRegex(said, r"\Aerror: [^\n]+\n\Z")
            self.assertIn(says, said)
            self.assertNotIn(KEY.decode()[:10], said)
            self.assertNotIn("eyJ", said)

    def make(self, *words, alg="HS256"):
        done = self.run_tool("make", "--key", f"{alg}:{self.key}", "--sub", "alice", *words)
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        self.assertTrue(done.stdout.endswith(b"\n"))
        return done.stdout.decode().strip()

    def claims_of(self, *words):
        return json.loads(decode_segment(self.make(*words).split(".")[1]))


class Make(ToolTestCase):
    def test_signs_as_python_does(self):
        for alg in ("HS256", "HS384", "HS512"):
            with self.subTest(alg=alg):
                signed, _, signature = self.make(alg=alg).rpartition(".")
                mac = hmac.new(KEY, signed.encode(), getattr(hashlib, "sha" + alg[2:])).digest()
                self.assertEqual(decode_segment(signature), mac)
                self.assertEqual(json.loads(decode_segment(signed.split(".")[0])),
                                 {"alg": alg, "typ": "JWT"})

    def test_takes_one_newline_off_the_key(self):
        for data, key in ((KEY, KEY), (KEY + b"\n", KEY), (KEY + b"\n\n", KEY + b"\n")):
            self.write("secret.key", data)
            signed, _, signature = self.make().rpartition(".")
            self.assertEqual(signature, jwts.sign(key, signed, "HS256"))

    def test_says_what_it_was_told_to(self):
        claims = self.claims_of("--name", "Älice", "--role", "a", "--role", "admin", "--claim",
                                'weir={"join":["a*"]}', "--claim", "n=1", "--claim", "n=2")
        for name, value in (("sub", "alice"), ("username", "Älice"), ("roles", ["a", "admin"]),
                            ("weir", {"join": ["a*"]}), ("n", 2)):
            self.assertEqual(claims[name], value)

    def test_lasts_an_hour_unless_told_otherwise(self):
        for words, seconds in (((), 3600), (("--ttl", "5m"), 300), (("--ttl=90",), 90)):
            claims = self.claims_of(*words)
            self.assertEqual(claims["exp"] - claims["iat"], seconds)
            self.assertAlmostEqual(claims["iat"], time.time(), delta=60)

    def test_leaves_out_what_it_was_not_told(self):
        self.assertEqual(set(self.claims_of()), {"sub", "iat", "exp"})

    def test_a_claim_replaces_what_an_option_says(self):
        claims = self.claims_of("--claim", "exp=5", "--claim", 'sub="bob"', "--name", "A")
        self.assertEqual((claims["exp"], claims["sub"], claims["username"]), (5, "bob", "A"))

    def test_names_the_key(self):
        def kid(*words):
            return json.loads(decode_segment(self.make(*words).split(".")[0])).get("kid")

        self.assertIsNone(kid())
        self.assertEqual(kid("--kid", "k1"), "k1")
        self.assertEqual(kid("--key", f"HS256:k2={self.key}"), "k2")
        self.assertEqual(kid("--key", f"HS256:k2={self.key}", "--kid", "k1"), "k1")

    def test_refuses_keys_that_are_weak_or_open(self):
        for name, data, mode, says in (
                ("short", b"x" * 31, 0o600, "at least 32"), ("empty", b"", 0o600, "at least 32"),
                ("newline", b"x" * 31 + b"\n", 0o600, "at least 32"),
                ("world", KEY, 0o644, "others"), ("group", KEY, 0o660, "group")):
            path = self.write(name, data, mode)
            self.assert_fails(REFUSED, "make", "--key", f"HS256:{path}", "--sub", "alice", says=says)
        path = self.write("32", KEY[:32])
        self.assert_fails(REFUSED, "make", "--key", f"HS512:{path}", "--sub", "a", says="at least 64")
        for mode in (0o600, 0o400, 0o640, 0o440):
            os.chmod(self.key, mode)
            self.make()

    def test_refuses_keys_it_cannot_use(self):
        for spec, says in ((f"RS256:{self.key}", "not PEM"), (f"EdDSA:{self.key}", "not PEM"),
                           (f"none:{self.key}", "unknown algorithm"), ("HS256", "ALG:FILE"),
                           (f"HS256:{self.folder}", "is a directory"),
                           (f"HS256:{self.folder}/none", "No such file")):
            self.assert_fails(REFUSED, "make", "--key", spec, "--sub", "alice", says=says)

    def test_refuses_to_make_what_no_edge_would_take(self):
        self.assert_fails(REFUSED, "make", "--key", f"HS256:{self.key}", "--sub", "alice", "--claim",
                          'x="%s"' % ("x" * 8192), says="longer than 8192")


class Inspect(ToolTestCase):
    def test_shows_header_and_claims_and_says_that_it_believes_nothing(self):
        token = jwts.make(b"another key", {"sub": "alice\x1b\u009b", "n": [1]}, ttl=-5)
        path = self.write("token", token + "\n")
        for words, stdin in (("-", token.encode()), ("-", f"{token} \r\n\n".encode()), (path, b"")):
            done = self.run_tool("inspect", words, stdin=stdin)
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertEqual(done.stderr, b"signature not checked\n")
            shown = json.loads(done.stdout)
            self.assertEqual(shown["header"], {"typ": "JWT", "alg": "HS256"})
            self.assertEqual((shown["claims"]["sub"], shown["claims"]["n"]), ("alice\x1b\u009b", [1]))
            self.assertTrue(done.stdout.isascii() and b"\x1b" not in done.stdout)
            self.assertNotIn(token.rpartition(".")[2].encode(), done.stdout)

    def test_refuses_what_is_no_token(self):
        token = self.make()
        for text in ("", "x", token.rpartition(".")[0], token + ".AAAA", token + "=", "a b",
                     token + "A" * 9000, "\0"):
            self.assert_fails(REFUSED, "inspect", "-", stdin=text.encode(), says="malformed")

    def test_takes_no_token_from_the_command_line(self):
        token = self.make()
        self.assert_fails(REFUSED, "inspect", token, says="No such file")
        self.assert_fails(USAGE, "inspect", token, token)
        self.assert_fails(USAGE, "inspect", "-x" + token)
        self.assert_fails(USAGE, "inspect", "--token=" + token, says="--token: unknown")


class Check(ToolTestCase):
    def setUp(self):
        super().setUp()
        self.config = self.write("edge.conf", f"jwt-key = HS256:{self.key}\n"
                                 "default-rights = join+publish=room-*\n"
                                 "default-rights = history=room-1\n"
                                 "jwt-issuer = me\n")

    def check(self, token):
        done = self.run_tool("check", "--config", self.config, "-", stdin=token.encode())
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        return json.loads(done.stdout)

    def test_accepts_what_python_signs(self):
        token = jwts.make(KEY, {"sub": "alice", "iss": "me", "username": "Älice", "jti": "t1",
                                "roles": ["admin"], "exp": 4102444800})
        self.assertEqual(self.check(token), {
            "user": "alice", "username": "Älice", "roles": ["admin"], "admin": True,
            "rights": {"join": ["room-*"], "publish": ["room-*"], "presence": [],
                       "history": ["room-1"]},
            "rightsFrom": "default-rights", "expires": 4102444800, "jti": "t1"})

    def test_accepts_what_make_makes(self):
        shown = self.check(self.make("--claim", 'iss="me"', "--claim", 'weir={"join":["a"]}'))
        self.assertEqual((shown["user"], shown["roles"], shown["admin"]), ("alice", [], False))
        self.assertEqual((shown["rightsFrom"], shown["rights"]["join"], shown["rights"]["publish"]),
                         ("token", ["a"], []))

    def test_says_why_a_token_is_refused(self):
        claims = {"sub": "alice", "iss": "me"}
        for token, says in (
                (jwts.make(b"x" * 64, claims), "signature does not match"),
                (jwts.make(KEY, claims, ttl=-60), "expired"),
                (jwts.make(KEY, {**claims, "nbf": int(time.time()) + 600}), "not valid yet"),
                (jwts.make(KEY, {**claims, "iss": "you"}), "wrong issuer"),
                (jwts.make(KEY, {**claims, "sub": ""}), "no usable user"),
                (jwts.make(KEY, {**claims, "roles": "admin"}), "wrong type"),
                (jwts.make(KEY, claims, alg="HS512"), "algorithm"),
                (jwts.make(KEY, claims, header={"alg": "none"}), "algorithm"),
                (jwts.make(KEY, claims, header={"kid": "k"}), "unknown kid"),
                ("x.y.z", "malformed")):
            self.assert_fails(REFUSED, "check", "--config", self.config, "-", stdin=token.encode(),
                              says=says)

    def test_says_what_is_wrong_with_the_configuration(self):
        token = self.write("token", self.make())
        for text, says in ((f"jwt-key = HS256:{self.folder}/none\n", "edge.conf:1: jwt-key: "),
                           ("\n# no key\n", "jwt-key: "), ("no-such = 1\n", "no-such"),
                           (f"\njwt-key = RS256:{self.key}\n", "not PEM"),
                           ("auth = none\ninsecure = yes\n", "auth is none")):
            path = self.write("edge.conf", text)
            self.assert_fails(REFUSED, "check", "--config", path, token, says=says)
        self.assert_fails(REFUSED, "check", "--config", self.folder + "/none", token,
                          says="No such file")

    def test_refuses_a_key_that_others_can_read(self):
        os.chmod(self.key, 0o644)
        self.assert_fails(REFUSED, "check", "--config", self.config, "-", stdin=b"x", says="others")


class CommandLine(ToolTestCase):
    def test_wrong_usage_is_told_in_one_line(self):
        make = ("make", "--key", f"HS256:{self.key}", "--sub", "alice")
        for words, says in (
                ((), "make, inspect or check"), (("no-such",), "make, inspect or check"),
                (("make",), "--key"), (("make", "--sub", "alice"), "--key"), (make[:3], "--sub"),
                ((*make, "file"), "no files"), ((*make, "--no-such"), "--no-such: unknown"),
                ((*make, "--ttl"), "--ttl: a value is missing"), ((*make, "-t"), "one letter"),
                ((*make, "--ttl", "soon"), "--ttl"), ((*make, "--ttl", "0"), "--ttl"),
                ((*make, "--ttl", "-5"), "--ttl"), ((*make, "--sub", ""), "--sub"),
                ((*make, "--sub", "x" * 124), "--sub"), ((*make, "--sub", "a\nb"), "--sub"),
                ((*make, "--name", b"\xff"), "--name"), ((*make, "--role", b"\xff"), "--role"),
                ((*make, "--kid", b"\xff"), "--kid"), ((*make, "--claim", "x"), "--claim"),
                ((*make, "--claim", "x="), "--claim"), ((*make, "--claim", "=1"), "--claim"),
                ((*make, "--claim", "x=bare"), "--claim"),
                ((*make, "--claim", 'x={"a":1,"a":2}'), "--claim"),
                (("inspect",), "one file"), (("inspect", "-", "-"), "one file"),
                (("inspect", "--config", "x", "-"), "--config: unknown"),
                (("check", "-"), "--config"), (("check", "--config", "x"), "one file"),
                (("check", "--config"), "--config: a value is missing")):
            self.assert_fails(USAGE, *words, says=says)

    def test_help_names_every_command_and_option(self):
        for words in (("--help",), ("help",), ("make", "--help"), ("check", "--help")):
            done = self.run_tool(*words)
            self.assertEqual((done.returncode, done.stderr), (DONE, b""))
            for name in (b"make", b"inspect", b"check", b"--key", b"--sub", b"--name", b"--role",
                         b"--ttl", b"--kid", b"--claim", b"--config"):
                self.assertIn(name, done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = self.run_tool("make", "--key", f"HS256:{self.key}", "--sub", "a", stdout=full)
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn(b"standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()
