"""Keys: every algorithm, several at once, sets in files, and what is too weak to start with."""

import base64
import json
import os
import signal
import subprocess
import unittest

import jwts
import ws
from harness import (DEADLINE_S, EDGE_BIN, JWT_KEY, TOKEN_BIN, TestCase, environment, metrics_of,
                     wait_until)
from pkeys import ALGORITHMS, Pair, openssl

REFUSED = 1


class KeyTestCase(TestCase):
    expected_seconds = 6

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=0)
        self.folder = self.cluster.folder

    def pair(self, name, alg="ES256", **how):
        return Pair(self.folder, name, alg, **how)

    def accepts(self, edge, token):
        """True if a client with the token is welcomed; else it was closed with 4002."""
        client = self.cluster.open(edge, token, target="/?autojoin=0")
        try:
            client.expect("connected")
            return True
        except ws.Closed as closed:
            self.assertEqual(closed.code, 4002)
            return False
        finally:
            client.close_socket()

    def run_program(self, *words, data=b""):
        return subprocess.run(words, input=data, capture_output=True, timeout=DEADLINE_S,
                              check=False, env=environment(self.folder))


class Algorithms(KeyTestCase):
    def test_each_accepts_what_openssl_signs_with_its_key_and_no_other(self):
        pairs = {alg: self.pair(alg, alg) for alg in ("RS256", "ES256", "ES384", "ES512", "EdDSA")}
        for alg in ("RS384", "RS512", "PS256", "PS384", "PS512"):
            pairs[alg] = pairs["RS256"]
        options = [pairs[alg].option(alg) for alg in ALGORITHMS]
        everything = self.cluster.start_edge("everything", jwt_key=options)
        for alg in ALGORITHMS:
            with self.subTest(alg=alg):
                self.assertTrue(self.accepts(everything, pairs[alg].make({"sub": "a"}, alg)))
        # Only one of them: the same tokens by the same pair are refused under every other name.
        only = self.cluster.start_edge("only", jwt_key=[pairs["RS256"].option("PS384")])
        for alg in ALGORITHMS:
            with self.subTest(only=alg):
                self.assertEqual(self.accepts(only, pairs[alg].make({"sub": "a"}, alg)),
                                 alg == "PS384")

    def test_an_hmac_made_with_the_public_key_is_refused(self):
        pair = self.pair("rsa", "RS256")
        edge = self.cluster.start_edge("edge", jwt_key=[pair.option()])
        with open(pair.public, "rb") as f:
            public = f.read()
        for key in (public, public.rstrip(b"\n")):
            for alg in ("HS256", "HS384", "HS512"):
                for header in ({}, {"alg": "RS256"}):
                    self.assertFalse(self.accepts(
                        edge, jwts.make(key, {"sub": "a"}, alg=alg, header=header)))
        for alg in ("none", "None", "NONE"):
            token = pair.make({"sub": "a"}, header={"alg": alg})
            self.assertFalse(self.accepts(edge, token))
        self.assertTrue(self.accepts(edge, pair.make({"sub": "a"})))

    def test_the_tool_signs_what_an_edge_takes(self):
        for alg in ("RS512", "PS256", "ES512", "EdDSA"):
            pair = self.pair("tool-" + alg, alg)
            edge = self.cluster.start_edge("edge-" + alg, jwt_key=[pair.option(kid="k")])
            done = self.run_program(TOKEN_BIN, "make", "--key", f"{alg}:k={pair.private}", "--sub",
                                    "alice", "--role", "admin")
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            client = self.cluster.connect(edge, token=done.stdout.decode().strip())
            self.assertEqual(client.connected["roles"], ["admin"])

    def test_openssl_verifies_what_the_tool_signs(self):
        pair = self.pair("rsa", "RS256")
        done = self.run_program(TOKEN_BIN, "make", "--key", f"RS256:{pair.private}", "--sub", "a")
        text, _, signature = done.stdout.decode().strip().rpartition(".")
        path = self.cluster.write("signature", base64.urlsafe_b64decode(signature + "=="))
        openssl("dgst", "-sha256", "-verify", pair.public, "-signature", path, data=text.encode())


class Rotation(KeyTestCase):
    def test_old_and_new_are_valid_until_the_old_one_is_taken_away(self):
        old, new = self.pair("old"), self.pair("new", "RS256")
        conf = self.cluster.write("edge.conf",
                                  f"jwt-key = {old.option(kid='1')}\njwt-key = {new.option()}\n")
        edge = self.cluster.start_edge("edge", config=conf, jwt_key=[])
        old_token = old.make({"sub": "alice"}, header={"kid": "1"})
        new_token = new.make({"sub": "bob"})
        alice = self.cluster.connect(edge, token=old_token)
        self.assertTrue(self.accepts(edge, new_token))
        self.cluster.write("edge.conf", f"jwt-key = {new.option()}\n")
        mark = edge.mark()
        edge.signal(signal.SIGHUP)
        edge.wait_for_line(" reloaded", after=mark)
        self.assertFalse(self.accepts(edge, old_token))
        self.assertTrue(self.accepts(edge, new_token))
        alice.ask_for("pong", type="ping")  # who is in stays in


class Sets(KeyTestCase):
    def write_set(self, *keys, name="jwks.json", mode=0o644):
        """Put in its place in one go, as whoever keeps such a file should."""
        path = self.cluster.write(name + ".new", json.dumps({"keys": keys}), mode)
        os.rename(path, os.path.join(self.folder, name))
        return os.path.join(self.folder, name)

    def test_a_set_is_used_and_followed(self):
        one, two = self.pair("one"), self.pair("two", "EdDSA")
        first = one.make({"sub": "a"}, header={"kid": "one"})
        second = two.make({"sub": "b"}, header={"kid": "two"})
        path = self.write_set(one.jwk(kid="one", use="sig"), {"kty": "new kind"},
                              one.jwk(kid="one", use="enc"))
        edge = self.cluster.start_edge("edge", jwt_key=[], jwks_file=path)
        self.assertTrue(self.accepts(edge, first))
        self.assertFalse(self.accepts(edge, second))
        alice = self.cluster.connect(edge, token=first)
        self.write_set(two.jwk(kid="two"))
        edge.wait_for_line(" keys_reloaded ")
        self.assertTrue(self.accepts(edge, second))
        self.assertFalse(self.accepts(edge, first))
        alice.ask_for("pong", type="ping")
        self.assertEqual(metrics_of(edge.ops)["weir_reload_failed_total"], 0)

    def test_a_set_that_is_wrong_changes_nothing(self):
        pair = self.pair("pair")
        token = pair.make({"sub": "a"})
        path = self.write_set(pair.jwk())
        edge = self.cluster.start_edge("edge", jwt_key=[], jwks_file=path)
        for n, text in enumerate(("{", '{"keys":[]}', '{"keys":[{"kty":"RSA"}]}')):
            mark = edge.mark()
            os.rename(self.cluster.write("jwks.json.new", text), path)
            line = edge.wait_for_line(" reload_failed ", after=mark)
            self.assertIn("jwks-file", line)
            self.assertTrue(self.accepts(edge, token))
            wait_until(lambda n=n: metrics_of(edge.ops)["weir_reload_failed_total"] == n + 1,
                       "the failure is counted")

    def test_a_set_and_single_keys_go_together(self):
        pair = self.pair("pair", "PS512")
        path = self.write_set(pair.jwk(alg="PS512", kid="p"))
        edge = self.cluster.start_edge("edge", jwks_file=path)
        self.assertTrue(self.accepts(edge, pair.make({"sub": "a"}, header={"kid": "p"})))
        self.assertTrue(self.accepts(edge, jwts.make(JWT_KEY, {"sub": "a"})))
        self.assertFalse(self.accepts(edge, pair.make({"sub": "a"}, header={"kid": "q"})))


class Startup(KeyTestCase):
    def assert_refused(self, *options, says):
        with self.subTest(says=says):
            done = self.run_program(EDGE_BIN, "--check-config", *options)
            said = done.stderr.decode()
            self.assertEqual((done.returncode, done.stdout), (REFUSED, b""), said)
            self.assertRegex(said, r"\Aerror: command line: [^\n]+\n\Z")
            self.assertIn(says, said)

    def test_weak_and_unfit_keys_do_not_start(self):
        weak = self.pair("weak", "RS256",
                         kind=["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"])
        curve = self.pair("curve", "ES256")
        rsa = self.pair("rsa", "RS256")
        empty = self.cluster.write("empty", b"")
        for option, says in (
                (weak.option(), "less than 2048 bits"), (weak.option("PS256"), "less than 2048"),
                (curve.option("ES512"), "curve"), (curve.option("RS256"), "not an RSA key"),
                (rsa.option("ES256"), "curve"), (rsa.option("EdDSA"), "Ed25519"),
                (f"RS256:{rsa.private}", "a private key"), (f"ES256:{empty}", "not PEM"),
                (f"HS256:{empty}", "needs at least 32"), (f"RS256:{self.folder}/none", "No such"),
                (f"XX256:{rsa.public}", "unknown algorithm")):
            self.assert_refused("--jwt-key", option, says="jwt-key: ")
            self.assert_refused("--jwt-key", option, says=says)

    def test_sets_that_cannot_be_used_do_not_start(self):
        secret = json.dumps({"keys": [{"kty": "oct", "k": "A" * 43}]})
        for text, says in (("{", "not JSON"), ("[]", "not a JWK set"), ('{"keys":[]}', "no key"),
                           (secret, "others can touch it")):
            path = self.cluster.write("jwks.json", text, 0o644)
            self.assert_refused("--jwks-file", path, says=f"jwks-file: {path}: {says}"
                                if says != "others can touch it" else says)
        self.assert_refused("--jwks-file", self.folder + "/none", says="No such file")
        self.assert_refused(says="jwt-key: required with auth=jwt, or jwks-file")


if __name__ == "__main__":
    unittest.main()
