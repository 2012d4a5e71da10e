"""Real browsers: a page written for any WebSocket server works unchanged."""

import http.server
import json
import os
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from urllib.parse import quote

import certs
from harness import DEADLINE_S, ROOT, TestCase

PAGES = os.path.join(ROOT, "tests", "client")
START_S = 30
STARTS = 3
NEXT_S = 1  # a page that asks for work waits so long


def reserve_port_pair():
    """A port that is free, as is the next one."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")


class PageServer:
    """Serves a page, gives it work if it asks for any, and takes what it reports. `scripts`: which
    file is served under which path beside it."""

    def __init__(self, page, scripts=None):
        self.work = queue.Queue()
        self.reports = queue.Queue()
        self.asked = threading.Event()  # the page has been loaded
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.startswith("/page"):
                    with open(os.path.join(PAGES, page), "rb") as f:
                        self.answer(200, f.read())
                    owner.asked.set()
                elif self.path in (scripts or {}):
                    with open(scripts[self.path], "rb") as f:
                        self.answer(200, f.read(), "text/javascript")
                elif self.path == "/next":
                    try:
                        self.answer(200, json.dumps(owner.work.get(timeout=NEXT_S)).encode())
                    except queue.Empty:
                        self.answer(204)
                else:
                    self.answer(404)

            def answer(self, status, body=b"", kind="text/html"):
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.reports.put(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Browser:
    """A browser that can be sent to a page."""

    certificates = ()  # (address, file) of servers that it trusts though it knows no authority

    def argv(self, profile, url):
        raise NotImplementedError

    def browse(self, url):
        profile = tempfile.mkdtemp(prefix="weir-browser-")
        self.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        popen = subprocess.Popen(self.argv(profile, url), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 start_new_session=True,
                                 env={**os.environ, "HOME": profile, "TMPDIR": profile})

        def end():
            try:
                os.killpg(popen.pid, 9)
            except ProcessLookupError:
                pass  # ended before
            popen.wait()

        self.addCleanup(end)
        return end

    def load(self, page, query=""):
        for _ in range(STARTS):  # a browser on a busy machine may hang before it loads anything
            end = self.browse(f"{page.origin}/page?{query}")
            if page.asked.wait(START_S):
                return
            end()
        self.fail("the browser does not load the page")


@unittest.skipUnless(shutil.which("chromium"), "chromium is not installed (tests/run installs it)")
class ChromiumBrowser(Browser):
    def argv(self, profile, url):
        trust = ["--ignore-certificate-errors"] if self.certificates else []
        return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}", *trust,
                url]


@unittest.skipUnless(shutil.which("firefox-esr"),
                     "firefox-esr is not installed (tests/run installs it)")
class FirefoxBrowser(Browser):
    def argv(self, profile, url):
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as f:
            f.write('user_pref("browser.aboutwelcome.enabled", false);\n'
                    'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
                    'user_pref("network.captive-portal-service.enabled", false);\n'
                    'user_pref("network.connectivity-service.enabled", false);\n'
                    'user_pref("app.normandy.enabled", false);\n')
        # The exceptions that somebody has clicked for, by the SHA-256 of the certificate.
        with open(os.path.join(profile, "cert_override.txt"), "w", encoding="ascii") as f:
            for (host, port), path in self.certificates:
                f.write(f"{host}:{port}:\tOID.2.16.840.1.101.3.4.2.1\t"
                        f"{certs.fingerprint(path)}\t\n")
        return ["firefox-esr", "--headless", "--no-remote", "--profile", profile, url]


class BrowserTestCase:
    """A page that connects as alice and as bob, and what it reports."""

    def setUp(self):
        super().setUp()
        self.page = PageServer("browser.html")
        self.addCleanup(self.page.close)

    def open_page(self, cluster, **parameters):
        words = {name: f"ws://127.0.0.1:{edge.address[1]}/?token={cluster.token(name)}"
                 for name, edge in zip(("alice", "bob"), cluster.edges)}
        self.load_pages(**{**words, **parameters})

    def load_pages(self, **words):
        self.load(self.page, "&".join(f"{name}={quote(value, safe='')}"
                                      for name, value in words.items()))

    def until(self, name, event):
        """All reports up to and with the first such."""
        seen = []
        while not seen or (seen[-1]["name"], seen[-1]["event"]) != (name, event):
            try:
                seen.append(self.page.reports.get(timeout=6 * DEADLINE_S))
            except queue.Empty:
                self.fail(f"no {event} of {name} after {seen}")
        return seen

    def messages(self, seen, name):
        return [r["message"] for r in seen if r["name"] == name and r["event"] == "message"]


class BrowserTests(BrowserTestCase):
    """What each browser is put through."""

    def test_a_page_talks_through_two_edges(self):
        cluster = self.start_cluster(edges=2, edge={"allowed_origins": [self.page.origin]})
        self.open_page(cluster)
        seen = self.until("bob", "close")
        self.assertEqual(seen[-1]["code"], 1000)
        self.assertTrue(seen[-1]["clean"])
        alice, bob = self.messages(seen, "alice"), self.messages(seen, "bob")
        self.assertEqual(alice[0]["type"], "connected")
        self.assertEqual(alice[0]["user"], "alice")
        chats = [m for m in bob if m["type"] == "chat"]
        self.assertEqual([m["text"][:8] for m in chats], ["Grüße, \U0001f30d", "long xxx"])
        self.assertEqual({m["from"] for m in chats}, {alice[0]["clientId"]})
        self.assertEqual(len(chats[1]["text"]), 70005)
        self.assertEqual([m["type"] for m in alice if m["type"] in ("chat", "typing", "error")][:3],
                         ["chat", "typing", "error"])
        self.assertNotIn("typing", [m["type"] for m in bob])
        errors = [m for m in alice if m["type"] == "error"]
        self.assertEqual(errors[0]["message"], "Invalid message format")

    def test_a_token_may_come_as_a_subprotocol(self):
        cluster = self.start_cluster(edges=2, edge={"allowed_origins": [self.page.origin]})
        self.open_page(cluster, bob=f"ws://127.0.0.1:{cluster.edges[1].address[1]}/",
                       bearer=cluster.token("bob"))
        opened = [r for r in self.until("bob", "close") if r["event"] == "open"]
        self.assertEqual({r["name"]: r["protocol"] for r in opened},
                         {"alice": "", "bob": "weir.v1.json"})

    def test_without_a_token_the_page_is_told(self):
        cluster = self.start_cluster(edges=2, edge={"allowed_origins": [self.page.origin]})
        self.open_page(cluster, bob=f"ws://127.0.0.1:{cluster.edges[1].address[1]}/")
        closed = self.until("bob", "close")[-1]
        self.assertEqual(closed["code"], 4001)
        self.assertEqual(json.loads(closed["reason"])["reason"], "missing_token")

    def test_a_page_on_any_port_gets_in_if_the_option_says_so(self):
        cluster = self.start_cluster(edges=2, edge={"allowed_origins": ["http://127.0.0.1:*"]})
        self.open_page(cluster)
        self.assertEqual(self.until("bob", "close")[-1]["code"], 1000)

    def test_a_page_of_another_origin_does_not_get_in(self):
        cluster = self.start_cluster(edges=2)
        self.open_page(cluster)
        seen = self.until("bob", "close")
        self.assertEqual(seen[-1]["code"], 1006)
        self.assertNotIn("open", [r["event"] for r in seen])


class Chromium(ChromiumBrowser, BrowserTests, TestCase):
    expected_seconds = 8


class Firefox(FirefoxBrowser, BrowserTests, TestCase):
    expected_seconds = 15


class Quickstart(ChromiumBrowser, BrowserTestCase, TestCase):
    """What deploy/quickstart prints, followed from a page on another port, as a developer has it."""
    expected_seconds = 15

    def start_quickstart(self):
        """The URLs of its two edges, with a token each."""
        port = reserve_port_pair()
        popen = subprocess.Popen([os.path.join(ROOT, "deploy", "quickstart"), "--port", str(port)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        self.addCleanup(popen.stdout.close)
        self.addCleanup(popen.wait)
        self.addCleanup(popen.terminate)
        text = ""
        for line in popen.stdout:
            text += line
            if "Ctrl-C stops everything" in line:
                break
        tokens = re.findall(r"/demo#token=([\w.-]+)", text)
        self.assertEqual(len(tokens), 2, text)
        return [f"ws://localhost:{port + i}?token={token}" for i, token in enumerate(tokens)]

    def test_a_page_on_another_port_talks_through_both_edges(self):
        alice, bob = self.start_quickstart()
        self.load_pages(alice=alice, bob=bob)
        seen = self.until("bob", "close")
        self.assertEqual(seen[-1]["code"], 1000)
        self.assertEqual(len([m for m in self.messages(seen, "bob") if m["type"] == "chat"]), 2)


if __name__ == "__main__":
    unittest.main()
