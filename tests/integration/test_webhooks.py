"""Webhooks: what the router tells an endpoint of the application, and what becomes of it when the
endpoint is slow, broken or gone. The receiver is ours; the package `standardwebhooks` of npm checks
the same requests that our own check takes."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

import certs
import harness
from test_documents import read
from test_protocol_pages import sent_words

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(32, 64))
ALL = ["client.connected", "client.disconnected", "client.refused", "room.occupied",
       "room.vacated", "member.joined", "member.left", "message.published"]


def key_text(secret):
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret, headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


class Receiver:
    """An HTTP endpoint that keeps what it gets. `answer`: the status, or a function of the number
    of requests that came before; None hangs until the receiver ends."""

    def __init__(self, tls=None):
        self.answer = 200
        self.answer_body = b""
        self.requests = []  # (headers, body), whatever they were answered
        self.taken = []  # the same, of those that were answered 2xx
        self.redirected = 0
        self.ends = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.take(self)

            def do_GET(self):
                receiver.redirected += 1

            def log_message(self, *_args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        request = ({k.lower(): v for k, v in handler.headers.items()}, body)
        status = self.answer(len(self.requests)) if callable(self.answer) else self.answer
        self.requests.append(request)
        if status is None:
            self.ends.wait()
            return
        if status == "close":
            handler.close_connection = True
            return
        if 200 <= status < 300:
            self.taken.append(request)
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("Location", self.url + "/elsewhere")
        handler.send_header("Content-Length", str(len(self.answer_body)))
        handler.end_headers()
        with contextlib.suppress(OSError):  # it may be cut off
            handler.wfile.write(self.answer_body)

    def batches(self):
        return [json.loads(body)["data"] for _, body in list(self.taken)]

    def events(self):
        return [event for batch in self.batches() for event in batch["events"]]

    def of(self, *types):
        return [event for event in self.events() if event["type"] in types]

    def stop(self):
        self.ends.set()
        self.server.shutdown()
        self.server.server_close()


class WebhookTestCase(harness.TestCase):
    def receiver(self, **how):
        receiver = Receiver(**how)
        self.addCleanup(receiver.stop)
        return receiver

    def cluster(self, receiver, secrets=(SECRET,), edges=1, **router):
        folder = self.make_folder()
        keys = []
        for i, secret in enumerate(secrets):
            keys.append(os.path.join(folder, f"hook-{i}.key"))
            with open(os.open(keys[-1], os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(key_text(secret) + "\n")
        cluster = harness.Cluster(edges=edges, router={
            "webhook_url": receiver.url, "webhook_key_file": keys, **router})
        self.addCleanup(cluster.stop)
        self.keys = keys
        return cluster

    def make_folder(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def metric(self, cluster, name):
        return harness.metrics_of(cluster.router.ops)[name]

    def delivered(self, cluster):
        return self.metric(cluster, 'weir_router_webhook_events_total{result="delivered"}')

    def dropped(self, cluster):
        return self.metric(cluster, 'weir_router_webhook_events_total{result="dropped"}')


class Events(WebhookTestCase):
    def setUp(self):
        self.hook = self.receiver()
        self.weir = self.cluster(self.hook, edges=2, name="router-a", webhook_events=ALL,
                                 webhook_rooms=["*", "user:*"])

    def expect(self, n, *types):
        harness.wait_until(lambda: len(self.hook.of(*types)) >= n, f"{n} of {types}")
        return self.hook.of(*types)

    def test_tells_of_who_comes_and_goes(self):
        alice = self.weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        came, = self.expect(1, "client.connected")
        self.assertEqual((came["user"], came["client"], came["edge"]),
                         ("alice", alice.connected["clientId"], "edge-1"))
        occupied, = self.expect(1, "room.occupied")
        self.assertEqual(occupied["room"], "tea")
        joined, = self.expect(1, "member.joined")
        self.assertEqual((joined["room"], joined["user"]), ("tea", "alice"))
        second = self.weir.connect(user="alice", edge=1, autojoin=False)
        second.join("tea")
        second.close()
        self.expect(1, "client.disconnected")
        self.assertEqual(self.hook.of("member.left", "room.vacated"), [])
        alice.close()
        gone = self.expect(2, "client.disconnected")[1]
        self.assertEqual((gone["client"], gone["reason"]), (alice.connected["clientId"], "normal"))
        self.assertEqual(self.expect(1, "room.vacated")[0]["room"], "tea")
        self.assertEqual(len(self.expect(1, "member.left")), 1)
        self.assertEqual(len(self.hook.of("member.joined")), 1)

    def test_tells_what_was_published_as_clients_get_it(self):
        alice = self.weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        alice.send({"type": "chat", "room": "tea", "text": "é\u2028", "deep": {"a": [1, 2]}})
        live = alice.expect("chat")
        alice.send({"type": "typing", "room": "tea", "id": "t"})
        alice.expect("ack")
        event, = self.expect(1, "message.published")
        self.assertEqual(event["message"], live)
        self.assertEqual((event["room"], event["epoch"], event["seq"], event["client"]),
                         ("tea", live["epoch"], live["seq"], alice.connected["clientId"]))
        alice.send({"type": "chat", "room": "tea"})
        self.assertEqual(self.expect(2, "message.published")[1]["message"], alice.expect("chat"))

    def test_tells_of_connections_beyond_the_limit_of_a_user(self):
        weir = self.cluster(self.hook, webhook_events=["client.refused"],
                            max_connections_per_user="1 reject")
        weir.connect(user="carol")
        weir.open(token=weir.token("carol"))
        refused, = self.expect(1, "client.refused")
        self.assertEqual((refused["user"], refused["reason"]), ("carol", "overloaded"))

    def test_numbers_have_no_hole_and_the_form_is_as_documented(self):
        for i in range(5):
            self.weir.connect(user=f"user-{i}", autojoin=False).close()
        self.expect(5, "client.disconnected")
        self.assertEqual([event["n"] for event in self.hook.events()],
                         list(range(1, len(self.hook.events()) + 1)))
        for headers, body in self.hook.taken:
            request = json.loads(body)
            self.assertEqual(request["type"], "weir.events")
            self.assertRegex(request["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertEqual(request["data"]["router"], "router-a")
            self.assertEqual(request["data"]["first"], request["data"]["events"][0]["n"])
            self.assertNotIn("dropped", request["data"])
            self.assertLessEqual(len(request["data"]["events"]), 100)
            self.assertEqual(headers["content-type"], "application/json")
            self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 60)
            self.assertEqual(headers["webhook-signature"], signature(SECRET, headers, body))

    def test_one_who_joins_twice_came_once(self):
        alice = self.weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        alice.join("tea")
        alice.ask_for("left", type="leave", room="tea")
        left, = self.expect(1, "member.left")
        self.assertEqual(left["reason"], "asked")
        for kind in ("member.joined", "room.occupied", "room.vacated"):
            self.assertEqual(len(self.hook.of(kind)), 1, kind)

    def test_readers_of_events_are_clients_and_requests_are_not(self):
        address = self.weir.edges[0].address
        token = self.weir.token("reader")
        asked = http.client.HTTPConnection(*address, timeout=20)
        asked.request("POST", "/v1/rooms/tea/messages", b'{"type":"chat"}', {
            "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        self.assertEqual(asked.getresponse().status, 200)
        asked.close()
        self.expect(1, "message.published")
        self.assertEqual(self.hook.of("client.connected", "member.joined"), [])
        reader = http.client.HTTPConnection(*address, timeout=20)
        reader.request("GET", "/v1/rooms/tea/events", headers={
            "Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
        self.assertEqual(reader.getresponse().status, 200)
        came, = self.expect(1, "client.connected")
        joined, = self.expect(1, "member.joined")
        self.assertEqual((came["user"], joined["client"]), ("reader", came["client"]))
        reader.close()

    def test_a_lost_edge_takes_its_clients_with_it(self):
        weir = self.cluster(self.hook, edges=2, link_timeout="1s",
                            webhook_events=["client.disconnected", "room.vacated"])
        alice = weir.connect(user="alice", edge=1, autojoin=False)
        alice.join("lost")
        weir.edges[1].kill()
        vacated, = self.expect(1, "room.vacated")
        gone, = self.expect(1, "client.disconnected")
        self.assertEqual((vacated["reason"], gone["reason"], gone["edge"]),
                         ("edge_lost", "edge_lost", "edge-2"))

    def test_a_restarted_router_says_who_was_there_already(self):
        alice = self.weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        self.expect(1, "room.occupied")
        before = len(self.hook.events())
        self.weir.router.stop()
        self.weir.restart_router()
        harness.wait_until(lambda: len(self.hook.of("room.occupied")) == 2, "tea is told again")
        news = self.hook.events()[before:]
        self.assertEqual(news[0]["n"], 1)
        self.assertEqual({event["type"] for event in news},
                         {"client.connected", "room.occupied", "member.joined"})
        self.assertEqual({event["reason"] for event in news}, {"announced"})
        bob = self.weir.connect(user="bob", autojoin=False)
        came = self.expect(3, "client.connected")[2]
        self.assertEqual(came["client"], bob.connected["clientId"])
        self.assertNotIn("reason", came)


class Rooms(WebhookTestCase):
    def test_personal_rooms_are_told_only_if_they_are_named(self):
        hook = self.receiver()
        weir = self.cluster(hook)
        alice = weir.connect(user="alice", autojoin=True)
        for _ in ("user:alice", "lobby"):
            alice.expect("joined")
        alice.close()
        harness.wait_until(lambda: hook.of("client.disconnected"), "alice went")
        self.assertEqual({event["room"] for event in hook.of("room.occupied")}, {"lobby"})

    def test_patterns_choose(self):
        hook = self.receiver()
        weir = self.cluster(hook, webhook_rooms=["chat:*"])
        alice = weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        alice.join("chat:1")
        harness.wait_until(lambda: hook.of("room.occupied"), "a room")
        self.assertEqual([event["room"] for event in hook.of("room.occupied")], ["chat:1"])
        self.assertEqual(len(hook.of("client.connected")), 1)


class Signatures(WebhookTestCase):
    VERIFY = """
    const { Webhook } = require('standardwebhooks');
    const { headers, body, keys } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
    for (const key of keys) new Webhook(key).verify(body, headers);
    let refused = false;
    try { new Webhook(keys[0]).verify(body + ' ', headers); } catch { refused = true; }
    if (!refused) throw new Error('a changed body passes');
    console.log('verified');
    """

    def test_the_library_of_the_specification_verifies_each_key(self):
        hook = self.receiver()
        weir = self.cluster(hook, secrets=(SECRET, OTHER_SECRET))
        weir.connect(user="älice").close()
        harness.wait_until(lambda: hook.taken, "a request")
        headers, body = hook.taken[0]
        done = subprocess.run(
            ["node", "-e", self.VERIFY], capture_output=True, text=True, check=False, timeout=30,
            input=json.dumps({"headers": headers, "body": body.decode(),
                              "keys": [key_text(SECRET), key_text(OTHER_SECRET)]}),
            env={**os.environ, "NODE_PATH": os.path.join(harness.ROOT, "build", "node_modules")})
        self.assertEqual(done.stdout, "verified\n", done.stderr)

    def test_a_reload_takes_other_keys(self):
        hook = self.receiver()
        weir = self.cluster(hook)
        with open(self.keys[0], "w") as f:
            f.write(key_text(OTHER_SECRET))
        weir.router.signal(signal.SIGHUP)
        weir.router.wait_for_line("reloaded")
        weir.connect(user="alice").close()
        harness.wait_until(lambda: hook.taken, "a request")
        headers, body = hook.taken[0]
        self.assertEqual(headers["webhook-signature"], signature(OTHER_SECRET, headers, body))


class Failures(WebhookTestCase):
    def all_arrive(self, answer, **how):
        hook = self.receiver()
        hook.answer = answer
        weir = self.cluster(hook, **how)
        for i in range(3):
            weir.connect(user=f"user-{i}", autojoin=False).close()
        harness.wait_until(lambda: len(hook.of("client.disconnected")) >= 3, "all events",
                           timeout=40)
        self.assertEqual([event["n"] for event in hook.events()], list(range(1, 7)))
        return hook, weir

    def test_a_server_error_is_tried_again_with_the_same_id_and_body(self):
        hook, weir = self.all_arrive(lambda n: 500 if n < 3 else 200)
        self.assertEqual(len({headers["webhook-id"] for headers, _ in hook.requests[:4]}), 1)
        self.assertEqual(len({body for _, body in hook.requests[:4]}), 1)
        self.assertEqual(self.delivered(weir), 6)
        self.assertEqual(self.dropped(weir), 0)
        self.assertEqual(self.metric(weir, "weir_router_webhook_up"), 1)
        weir.router.wait_for_line("webhook_failed")

    def test_a_closed_connection_is_tried_again(self):
        self.all_arrive(lambda n: "close" if n < 2 else 204)

    def test_a_long_answer_is_cut_off_and_its_status_counts(self):
        hook = self.receiver()
        hook.answer_body = b"x" * 1000000
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        harness.wait_until(lambda: self.delivered(weir) == 2, "both, once")
        self.assertEqual([event["n"] for event in hook.events()], [1, 2])

    def test_a_redirection_is_not_followed(self):
        hook, _ = self.all_arrive(lambda n: 307 if n < 2 else 200)
        self.assertEqual(hook.redirected, 0)
        self.assertGreaterEqual(len(hook.requests), 3)

    def test_one_that_hangs_is_given_up(self):
        self.all_arrive(lambda n: None if n == 0 else 200)

    def test_a_dead_endpoint_disturbs_nobody_and_says_so(self):
        hook = self.receiver()
        hook.answer = None
        weir = self.cluster(hook, webhook_events=ALL, webhook_queue="1MiB")
        alice = weir.connect(user="alice", autojoin=False)
        alice.join("tea")
        for i in range(2000):
            alice.send({"type": "chat", "room": "tea", "id": i, "echo": False,
                        "text": "x" * 1000})
        for i in range(2000):
            self.assertEqual(alice.expect("ack")["id"], i)
        self.assertLessEqual(self.metric(weir, "weir_router_webhook_queue_bytes"), 1 << 20)
        dropped = self.dropped(weir)
        self.assertGreater(dropped, 500)
        hook.answer = 200
        hook.ends.set()
        harness.wait_until(lambda: self.metric(weir, "weir_router_webhook_queue_bytes") == 0,
                           "the queue is sent", timeout=40)
        alice.send({"type": "chat", "room": "tea", "text": "at the end"})
        harness.wait_until(lambda: [e for e in hook.of("message.published")
                                    if e["message"].get("text") == "at the end"], "the last one")
        following = 1
        for batch in hook.batches():
            self.assertEqual(batch["first"], following + batch.get("dropped", 0))
            following = batch["events"][-1]["n"] + 1
        self.assertEqual(sum(batch.get("dropped", 0) for batch in hook.batches()), dropped)

    def test_what_is_too_old_is_dropped_and_said(self):
        hook = self.receiver()
        hook.answer = 503
        weir = self.cluster(hook, webhook_max_age="1s")
        weir.connect(user="alice", autojoin=False).close()
        harness.wait_until(lambda: self.dropped(weir) == 2, "both events are too old", timeout=40)
        hook.answer = 200
        weir.connect(user="bob", autojoin=False).close()
        harness.wait_until(lambda: len(hook.events()) == 2, "bob", timeout=90)
        self.assertEqual((hook.batches()[0]["first"], hook.batches()[0]["dropped"]), (3, 2))

    def test_gone_means_no_more_until_a_reload(self):
        hook = self.receiver()
        hook.answer = 410
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        weir.router.wait_for_line("webhook_gone")
        hook.answer = 200
        weir.connect(user="bob", autojoin=False).close()
        harness.wait_until(lambda: self.dropped(weir) == 4, "nothing is kept")
        self.assertEqual(self.metric(weir, "weir_router_webhook_up"), 0)
        self.assertEqual(hook.taken, [])
        weir.router.signal(signal.SIGHUP)
        weir.router.wait_for_line("reloaded")
        weir.connect(user="carol", autojoin=False).close()
        harness.wait_until(lambda: len(hook.events()) == 2, "carol")
        self.assertEqual((hook.batches()[0]["first"], hook.batches()[0]["dropped"]), (5, 4))

    def test_a_killed_router_begins_again_at_one(self):
        hook = self.receiver()
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        harness.wait_until(lambda: len(hook.events()) == 2, "alice")
        weir.router.kill()
        weir.restart_router()
        bob = weir.connect(user="bob", autojoin=False)
        bob.join("tea")  # so the edge has met the new router
        bob.close()
        harness.wait_until(lambda: len(hook.events()) == 6, "bob")
        self.assertEqual([event["n"] for event in hook.events()], [1, 2, 1, 2, 3, 4])

    def test_what_waits_is_sent_when_the_router_ends(self):
        hook = self.receiver()
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        harness.wait_until(lambda: self.delivered(weir) == 2, "both")
        client = weir.connect(user="bob", autojoin=False)
        weir.router.stop()
        self.assertEqual(len(hook.of("client.connected")), 2)
        client.close_socket()


class Tls(WebhookTestCase):
    def test_a_certificate_is_checked_by_the_authority(self):
        folder = self.make_folder()
        good = certs.Authority(folder)
        hook = self.receiver(tls=good.issue("server"))
        weir = self.cluster(hook, webhook_ca=good.path)
        weir.connect(user="alice", autojoin=False).close()
        harness.wait_until(lambda: len(hook.events()) == 2, "alice, over TLS")

    def test_a_wrong_certificate_gets_nothing(self):
        folder = self.make_folder()
        hook = self.receiver(tls=certs.Authority(folder).issue("server"))
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        weir.router.wait_for_line("webhook_failed")
        self.assertEqual(hook.requests, [])
        self.assertEqual(self.metric(weir, "weir_router_webhook_up"), 0)


class Page(WebhookTestCase):
    """proto/webhooks.md: its words and its snippets."""

    def snippets(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```", read("proto/webhooks.md"), re.M | re.S)

    def test_it_names_the_events_that_there_are(self):
        page = read("proto/webhooks.md")
        named = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", page, re.M)
        self.assertEqual(sorted(named), sorted(sent_words()["notice"]))
        self.assertEqual(sorted(named), sorted(ALL))

    def run_snippet(self, words, **variables):
        popen = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={
            **os.environ, **variables,
            "NODE_PATH": os.path.join(harness.ROOT, "build", "node_modules")})

        def end():
            popen.kill()
            popen.wait()
            popen.stdout.close()
        self.addCleanup(end)
        return popen

    def receives(self, *words):
        port = harness.reserve_port()
        popen = self.run_snippet(words, PORT=str(port), WEBHOOK_KEY=key_text(SECRET))
        hook = types.SimpleNamespace(url=f"http://127.0.0.1:{port}/")
        weir = self.cluster(hook)
        weir.connect(user="alice", autojoin=False).close()
        self.assertEqual(popen.stdout.readline().split()[1:], ["client.connected", "alice"])
        harness.wait_until(lambda: self.delivered(weir) == 2, "204")

    def test_the_receiver_in_python(self):
        self.receives(sys.executable, "-c", self.snippets("python")[0])

    def test_the_receiver_in_node(self):
        self.receives("node", "-e", self.snippets("js")[0])

    def test_the_publishers(self):
        weir = harness.Cluster(edges=1)
        self.addCleanup(weir.stop)
        where = {"EDGE": f"http://{weir.edges[0].address[0]}:{weir.edges[0].address[1]}",
                 "TOKEN": weir.token("backend")}
        for seq, words in enumerate(((sys.executable, "-c", self.snippets("python")[1]),
                                     ("node", "-e", self.snippets("js")[1])), 1):
            out, _ = self.run_snippet(words, **where).communicate(timeout=30)
            self.assertEqual(out, f"{seq}\n")


class Options(harness.TestCase):
    def refused(self, *words):
        done = subprocess.run([harness.ROUTER_BIN, "--check-config", *words], capture_output=True,
                              text=True, check=False, timeout=10)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_what_can_never_work_is_refused_at_the_start(self):
        for url in ("ftp://localhost/", "http://", "localhost:80", "http://bob:pw@localhost/"):
            self.assertIn("webhook-url", self.refused("--webhook-url", url))
        self.assertIn("webhook-key-file: required", self.refused("--webhook-url", "http://localhost/"))
        self.assertIn("no such event", self.refused("--webhook-events", "client.came"))


if __name__ == "__main__":
    unittest.main()
