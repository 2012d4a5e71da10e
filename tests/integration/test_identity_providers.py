"""Tokens of identity providers: key sets by HTTPS, and the examples of deploy/identity-providers.md with
tokens of the shape that each provider makes."""

import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time
import unittest

import certs
import rawhttp
import ws
from harness import ROOT, TOKEN_BIN, TestCase, environment, wait_until
from pkeys import Pair

with open(os.path.join(ROOT, "deploy", "identity-providers.md"), encoding="utf-8") as page:
    PAGE = page.read()


def example(provider):
    """{option: value} of the provider's lines."""
    lines = re.search(rf"^## {provider}\n\n```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)[1]
    return dict(line.split(" = ") for line in lines.splitlines())


class Provider:
    """An HTTPS server of a key set."""

    def __init__(self, authority, *pairs, port=0):
        self.fetched = 0
        self.status = 200
        self.held = threading.Event()  # answers wait for it
        self.held.set()
        self.keys = []
        self.publish(*pairs)
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.fetched += 1
                owner.held.wait(30)
                body = json.dumps({"keys": owner.keys}).encode()
                self.send_response(owner.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(f"provider-{id(self)}"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, *pairs):
        """As providers do: with the certificate and its print beside the key."""
        self.keys = [pair.jwk(kid=kid, use="sig", alg=pair.alg, x5t="abc", x5c=["MIIC"])
                     for kid, pair in pairs]

    def close(self):
        self.held.set()
        self.server.shutdown()
        self.server.server_close()


@unittest.skipIf(certs.missing(), certs.missing())
class ProviderTestCase(TestCase):
    def setUp(self):
        self.cluster = self.start_cluster(edges=0)
        self.folder = self.cluster.folder
        self.authority = certs.Authority(self.folder, "provider-ca")

    def start_provider(self, *pairs, **how):
        provider = Provider(self.authority, *pairs, **how)
        self.addCleanup(provider.close)
        return provider

    def spawn(self, provider, **options):
        return self.cluster.spawn_edge("edge", jwt_key=[], jwks_url=provider.url,
                                       jwks_ca=self.authority.path, **options).wait_ready()

    def ready(self, edge):
        answer = rawhttp.get(edge.ops, "/ready")
        return answer.status, answer.body.decode().strip()

    def connect(self, edge, pair, kid, **claims):
        token = pair.make({"sub": "alice", **claims}, header={"kid": kid})
        return self.cluster.connect(edge, token=token)


class KeySets(ProviderTestCase):
    expected_seconds = 30

    def test_a_set_is_fetched_at_the_start_and_again_when_it_is_old(self):
        one, two = (Pair(self.folder, name, "ES256") for name in ("one", "two"))
        provider = self.start_provider(("k1", one))
        edge = self.spawn(provider, jwks_refresh="1s").wait_until_ready()
        self.assertEqual(self.ready(edge), (200, "ok"))
        self.connect(edge, one, "k1")
        provider.publish(("k1", one), ("k2", two))
        edge.wait_for_line(" keys_fetched ", after=edge.mark())
        self.connect(edge, two, "k2")
        self.connect(edge, one, "k1")

    def test_an_unknown_kid_lets_the_set_be_fetched_but_seldom(self):
        one, two = (Pair(self.folder, name, "ES256") for name in ("one", "two"))
        provider = self.start_provider(("k1", one))
        edge = self.spawn(provider, jwks_refresh="1h").wait_until_ready()
        provider.publish(("k2", two))
        token = two.make({"sub": "alice"}, header={"kid": "k2"})
        mark = edge.mark()
        for _ in range(50):
            said = self.cluster.open(edge, token=token).expect_close(4002, "invalid_token")
            self.assertEqual(said["cause"], "unknown_kid")
        edge.wait_for_line(" keys_fetched ", after=mark, timeout=20)
        self.cluster.connect(edge, token=token)
        self.assertEqual(provider.fetched, 2)

    def test_old_keys_stay_while_the_server_is_down_and_ready_says_so(self):
        one = Pair(self.folder, "one", "ES256")
        provider = self.start_provider(("k1", one))
        edge = self.spawn(provider, jwks_refresh="1s").wait_until_ready()
        provider.status = 503
        edge.wait_for_line(' warn jwks_failed .*reason="the answer has status 503"')
        status, text = self.ready(edge)
        self.assertEqual(status, 200)
        self.assertIn("jwks-url cannot be fetched, older keys are in use", text)
        self.connect(edge, one, "k1")
        provider.status = 200
        provider.keys = []
        edge.wait_for_line(" error jwks_refused ")  # nor does an empty set take them away
        self.connect(edge, one, "k1")
        provider.publish(("k1", one))
        wait_until(lambda: self.ready(edge) == (200, "ok"), "all is well again", 20)

    def test_an_edge_that_has_no_keys_yet_runs_and_is_not_ready(self):
        one = Pair(self.folder, "one", "ES256")
        provider = self.start_provider(("k1", one))
        provider.status = 404
        edge = self.spawn(provider)
        edge.wait_for_line(" jwks_failed ")
        wait_until(lambda: "jwks" in self.ready(edge)[1], "it has met its router")
        self.assertEqual(self.ready(edge), (503, "no keys of jwks-url yet"))
        provider.status = 200
        edge.wait_until_ready()
        self.connect(edge, one, "k1")

    def test_a_server_that_nobody_vouches_for_is_not_believed(self):
        provider = self.start_provider(("k1", Pair(self.folder, "one", "ES256")))
        edge = self.cluster.spawn_edge("edge", jwt_key=[], jwks_url=provider.url).wait_ready()
        edge.wait_for_line(" warn jwks_failed .*certificate")
        self.assertEqual(provider.fetched, 0)


class UnknownKeys(ProviderTestCase):
    """A token comes before the key set that has its key."""

    expected_seconds = 50
    WAIT_S, EVERY_S = 5, 10  # KEY_WAIT_MS, JWKS_WANT_EVERY_MS
    MOST = 256  # KEY_WAITS_MAX

    def setUp(self):
        super().setUp()
        self.one, self.two = (Pair(self.folder, name, "ES256") for name in ("one", "two"))
        self.provider = self.start_provider(("k1", self.one))
        self.edge = self.spawn(self.provider, jwks_refresh="1h").wait_until_ready()
        self.old = self.connect(self.edge, self.one, "k1")
        self.allowed = time.monotonic() + self.EVERY_S
        self.provider.publish(("k1", self.one), ("k2", self.two))

    def token(self, **claims):
        return self.two.make({"sub": "alice", **claims}, header={"kid": "k2"})

    def begin(self):
        """A handshake that is not answered yet."""
        stream = rawhttp.Stream(self.edge.address)
        self.addCleanup(stream.close)
        stream.send(rawhttp.request(f"/?token={self.token()}", fields=ws.handshake_fields()))
        return stream

    def finish(self, stream):
        self.assertIn(b" 101 ", stream.take_until(b"\r\n\r\n"))
        self.assertIn(b'"connected"', stream.take_until(b"}"))

    def whoami(self):
        return rawhttp.get(self.edge.address, "/v1/whoami",
                           [("Authorization", f"Bearer {self.token()}"), ("Connection", "close")])

    def wait_until_allowed(self):
        time.sleep(max(self.allowed - time.monotonic(), 0))

    def test_handshakes_renewals_and_requests_wait_for_the_set(self):
        self.wait_until_allowed()
        self.provider.held.clear()
        handshakes = [self.begin() for _ in range(3)]
        self.old.send(type="auth", token=self.token(), id="new")
        self.old.send(type="ping", id="after")
        answers = []
        asker = threading.Thread(target=lambda: answers.append(self.whoami()))
        asker.start()
        bystander = self.connect(self.edge, self.one, "k1")
        bystander.ask_for("pong", type="ping")
        self.assertEqual(answers, [])
        self.provider.held.set()
        for handshake in handshakes:
            self.finish(handshake)
        self.old.expect("ack", id="new")
        self.old.expect("pong", id="after")
        asker.join(20)
        self.assertEqual(answers[0].status, 200)
        self.assertEqual(self.provider.fetched, 2)

    def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_that(self):
        self.wait_until_allowed()
        self.provider.held.clear()
        started = time.monotonic()
        said = self.cluster.open(self.edge, token=self.token()).expect_close(4002, "invalid_token")
        self.assertEqual(said["cause"], "unknown_kid")
        self.assertGreater(time.monotonic() - started, self.WAIT_S - 1)
        self.assertLess(time.monotonic() - started, self.WAIT_S + 5 * rawhttp.SLOW)

    def test_what_the_fetched_set_does_not_have_is_refused(self):
        self.provider.publish(("k1", self.one))
        self.wait_until_allowed()
        said = self.cluster.open(self.edge, token=self.token()).expect_close(4002, "invalid_token")
        self.assertEqual(said["cause"], "unknown_kid")
        self.assertEqual(self.provider.fetched, 2)
        started = time.monotonic()  # the next attempt is ten seconds away: nobody waits for it
        self.cluster.open(self.edge, token=self.token()).expect_close(4002, "invalid_token")
        self.assertLess(time.monotonic() - started, 2 * rawhttp.SLOW)

    def test_only_so_many_wait(self):
        self.wait_until_allowed()
        self.provider.held.clear()
        waiting = [self.begin() for _ in range(self.MOST)]
        bystander = self.connect(self.edge, self.one, "k1")  # came after them
        bystander.ask_for("pong", type="ping")
        started = time.monotonic()
        self.cluster.open(self.edge, token=self.token()).expect_close(4002, "invalid_token")
        self.assertLess(time.monotonic() - started, 2 * rawhttp.SLOW)
        for handshake in waiting[:100]:
            handshake.close()
        self.provider.held.set()
        for handshake in waiting[100:]:
            self.finish(handshake)


class Examples(ProviderTestCase):
    expected_seconds = 8

    def configuration(self, provider_name, alg="RS256"):
        """An edge's configuration by the page, with a provider of ours in place of theirs."""
        self.pair = Pair(self.folder, "signer", alg)
        provider = self.start_provider(("k1", self.pair))
        lines = {**example(provider_name), "jwks-url": provider.url,
                 "jwks-ca": self.authority.path}
        return lines

    def try_token(self, lines, claims, typ="JWT"):
        """What an edge and weir-token make of it."""
        now = int(time.time())
        claims = {"iss": lines["jwt-issuer"], "aud": lines["jwt-audience"], "iat": now,
                  "exp": now + 3600, **claims}
        options = {name.replace("-", "_"): value for name, value in lines.items()}
        edge = self.cluster.start_edge("edge", jwt_key=[], **options)
        token = self.pair.make(claims, header={"kid": "k1", "typ": typ})
        client = self.cluster.connect(edge, token=token)
        other = self.pair.make({**claims, "aud": "another"}, header={"kid": "k1", "typ": "JWT"})
        said = self.cluster.open(edge, token=other).expect_close(4002, "invalid_token")
        self.assertEqual(said["cause"], "wrong_audience")
        config = self.cluster.write("edge.conf", "".join(
            f"{name} = {value}\n" for name, value in lines.items()))
        done = subprocess.run([TOKEN_BIN, "check", "--config", config, "-"], input=token,
                              capture_output=True, text=True, timeout=30, check=False,
                              env=environment(self.folder))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["user"], client.connected["user"])
        return client.connected

    def test_keycloak(self):
        connected = self.try_token(self.configuration("Keycloak"), {
            "jti": "1c1d8a1e-6c0f-4f0c-9d3c-0f5b6a4b8f1e", "aud": ["weir", "account"],
            "sub": "f2a6c1de-0d9c-4b6e-8a55-0f6a6bfb7d10", "typ": "Bearer", "azp": "web",
            "acr": "1", "session_state": "b5", "allowed-origins": ["https://chat.example.org"],
            "realm_access": {"roles": ["offline_access", "admin", "default-roles-chat"]},
            "resource_access": {"account": {"roles": ["manage-account"]}},
            "scope": "openid profile email", "email_verified": True, "name": "Ann Example",
            "preferred_username": "ann"})
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("f2a6c1de-0d9c-4b6e-8a55-0f6a6bfb7d10", "ann",
                          ["offline_access", "admin", "default-roles-chat"]))

    def test_auth0(self):
        lines = self.configuration("Auth0")
        connected = self.try_token(lines, {
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": [lines["jwt-audience"], "https://example.eu.auth0.com/userinfo"],
            "azp": "my_client_id", "scope": "openid profile",
            "https://chat.example.org/name": "Ann", "https://chat.example.org/roles": ["editor"],
            "https://chat.example.org/weir": {"join": ["*"]}})
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("auth0|5f7c8ec7c33c6c004bbafe82", "Ann", ["editor"]))

    def test_auth0_with_the_profile_of_rfc_9068(self):
        lines = self.configuration("Auth0")
        connected = self.try_token(lines, {
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": [lines["jwt-audience"]],
            "client_id": "my_client_id", "jti": "aB3dE5", "scope": "openid profile",
            "https://chat.example.org/name": "Ann"}, typ="at+jwt")
        self.assertEqual(connected["username"], "Ann")

    def test_supabase(self):
        connected = self.try_token(self.configuration("Supabase", "ES256"), {
            "sub": "8f1b6d5c-94d1-4a6e-9b0a-0a8d0cbb1b57", "email": "ann@example.org",
            "phone": "", "app_metadata": {"provider": "email", "providers": ["email"],
                                          "roles": ["moderator"]},
            "user_metadata": {"name": "Ann"}, "role": "authenticated", "aal": "aal1",
            "amr": [{"method": "password", "timestamp": 1700000000}],
            "session_id": "f6", "is_anonymous": False})
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("8f1b6d5c-94d1-4a6e-9b0a-0a8d0cbb1b57", "Ann", ["moderator"]))

    def test_firebase(self):
        connected = self.try_token(self.configuration("Firebase"), {
            "name": "Ann", "picture": "https://example.org/a.png", "roles": ["admin"],
            "auth_time": 1700000000, "user_id": "aB3dE5", "sub": "aB3dE5",
            "email": "ann@example.org", "email_verified": True,
            "firebase": {"identities": {"email": ["ann@example.org"]},
                         "sign_in_provider": "password"}})
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("aB3dE5", "Ann", ["admin"]))


if __name__ == "__main__":
    unittest.main()
