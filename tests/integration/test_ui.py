"""The operators' page (ui-listen): whom it answers, what it says, and how it looks in browsers."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import unittest

import rawhttp
from harness import BUILD, ROOT, ClusterTestCase, parse_address
from rawhttp import SLOW
from test_demo import AXE, lacks_modules
from test_node_clients import MODULES

PROGRAM = os.path.join(ROOT, "tests", "client", "ui.mjs")
SHOTS = os.path.join(BUILD, "demo")
ODD = "<b>tea</b> & co/é?"  # a room's name


class UiTestCase(ClusterTestCase):
    router_options = {"ui_listen": "127.0.0.1:0"}

    @property
    def ui(self):
        return parse_address(self.cluster.router.ready["ui"][0])

    def get(self, target, host="localhost", **fields):
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return rawhttp.exchange(self.ui, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())

    def json(self, target, status=200):
        answer = self.get(target)
        self.assertEqual(answer.status, status, answer.body)
        return json.loads(answer.body)


class Ui(UiTestCase):
    expected_seconds = 5

    def test_the_page_may_load_nothing_from_elsewhere(self):
        for target, kind in (("/", "text/html"), ("/ui.js", "text/javascript"), ("/ui.css", "text/css")):
            answer = self.get(target)
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.one("content-type").startswith(kind))
            self.assertIn("default-src 'none'", answer.one("content-security-policy"))
            self.assertNotIn("unsafe", answer.one("content-security-policy"))
            self.assertEqual(answer.one("x-content-type-options"), "nosniff")
            self.assertNotIn(b"https://", answer.body)
        self.assertEqual(self.get("/passwd").status, 404)

    def test_only_names_of_this_machine_are_answered(self):
        for host in ("localhost", "localhost:8099", "127.0.0.1", "127.0.0.9:1", "[::1]", "[::1]:99"):
            self.assertEqual(self.get("/api/status", host).status, 200, host)
        for host in ("evil.example", "localhost.evil.example", "192.0.2.1", "127.0.0.1.evil.example:80",
                     "[2001:db8::1]", "localhost:x"):
            for target in ("/", "/api/status", "/api/events"):
                self.assertIn(self.get(target, host).status, (400, 403), (host, target))

    def test_another_page_is_refused(self):
        self.assertEqual(self.get("/api/status", "localhost:1", Origin="http://localhost:1").status, 200)
        for origin in ("http://evil.example", "http://localhost:2", "https://localhost:1", "null"):
            self.assertEqual(self.get("/api/status", "localhost:1", Origin=origin).status, 403, origin)
        self.assertEqual(self.get("/api/status", Sec_Fetch_Site="cross-site").status, 403)
        self.assertEqual(self.get("/", Sec_Fetch_Site="cross-site").status, 200)  # a link to it

    def test_only_get(self):
        request = "{} /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(rawhttp.exchange(self.ui, request.format(method).encode()).status, 405, method)

    def test_the_same_objects_as_weirctl(self):
        client = self.connect(0, "alice")
        client.join(ODD)
        self.assertEqual(self.json("/api/status").keys(), self.cluster.rows("status")[0].keys())
        rooms = self.json("/api/rooms")
        self.assertEqual([set(room) for room in rooms if room["room"] == ODD],
                         [set(self.cluster.rows("room", ODD)[0]) - {"options"} & set(rooms[0])])
        path = "%3Cb%3Etea%3C%2Fb%3E%20%26%20co%2F%C3%A9%3F"
        self.assertEqual(self.json(f"/api/room/{path}"), self.cluster.rows("room", ODD)[0])
        self.assertEqual(self.json(f"/api/members/{path}")[0]["client"], client.connected["clientId"])
        self.assertEqual(len(self.json("/api/clients?user=alice&limit=1")), 1)
        self.assertEqual({row["process"] for row in self.json("/api/memory")},
                         {row["process"] for row in self.cluster.rows("memory")})

    def test_explain_waits_for_the_edges(self):
        client = self.connect(0, "bob")
        client.join(self.room)
        seq = client.publish(self.room)["seq"]
        row, = self.json(f"/api/explain/{self.room}/{seq}?user=bob")
        self.assertEqual((row["verdict"], row["reason"]), ("delivered", "written"))

    def test_what_is_wrong_is_said(self):
        self.assertIn("error", self.json("/api/room/no-such-room", 404))
        self.assertIn("error", self.json("/api/explain", 400))
        self.assertIn("error", self.json("/api/rooms?sort=colour", 400))
        self.assertIn("error", self.json("/api/rooms/%zz", 400))
        self.assertIn("error", self.json("/api/room/" + "a/" * 100, 400))

    def test_nothing_changes_anything(self):
        client = self.connect(0, "carol")
        for command in ("kick?user=carol", "revoke?user=carol", "publish/tea/%7B%22type%22%3A%22a%22%7D",
                        "drain/edge-1", "restart-prepare", "store/backup/%2Ftmp%2Fx", "top", "watch"):
            self.assertEqual(self.get(f"/api/{command}").status, 404, command)
        client.publish(self.room)

    def events(self, target, **fields):
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        s = socket.create_connection(self.ui, timeout=10 * SLOW)
        self.addCleanup(s.close)
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        stream = s.makefile("r", encoding="utf-8", newline="\n")
        self.addCleanup(stream.close)
        self.assertIn(" 200 ", stream.readline())
        while stream.readline().strip():
            pass
        self.assertEqual(stream.readline(), "retry: 1000\n")
        return stream

    def next_event(self, stream):
        last = None
        for line in stream:
            if line.startswith("id: "):
                last = line[4:].strip()
            if line.startswith("data: "):
                return json.loads(line[6:]), last
        self.fail("the stream has ended")
        return None

    def test_events_as_they_happen_and_after_a_pause(self):
        stream = self.events(f"/api/events/{self.room}")
        time.sleep(0.1)
        client = self.connect(0, "dave")
        client.join(self.room)
        event, last = self.next_event(stream)
        self.assertEqual((event["event"], event["user"]), ("joined", "dave"))
        stream.close()
        client.publish(self.room)
        event, _ = self.next_event(self.events(f"/api/events/{self.room}", Last_Event_ID=last))
        self.assertEqual(event["event"], "published")

    def test_a_stream_outlives_the_deadline_of_answers(self):
        stream = self.events(f"/api/events/{self.room}")
        seen = []
        reader = threading.Thread(target=lambda: seen.append(self.next_event(stream)[0]["event"]))
        reader.start()
        time.sleep(6)
        self.connect(0, "erin").join(self.room)
        reader.join(10 * SLOW)
        self.assertEqual(seen, ["joined"])


class InChromium(UiTestCase):
    expected_seconds = 20

    def test_the_page(self):
        why = lacks_modules("playwright-core", "axe-core")
        if why is None and not shutil.which("chromium"):
            why = "chromium is not installed (tests/run installs it)"
        if why is not None:
            self.skipTest(why)
        os.makedirs(SHOTS, exist_ok=True)
        client = self.connect(0, "alice")
        client.join(ODD)
        seq = client.publish(ODD)["seq"]
        done = threading.Event()
        chatter = threading.Thread(target=self.chatter, args=(done,))
        chatter.start()
        arguments = {"origin": f"http://localhost:{self.ui[1]}", "room": ODD, "seq": seq,
                     "user": "alice", "shots": SHOTS}
        try:
            run = subprocess.run(["node", PROGRAM, json.dumps(arguments)], text=True, check=False,
                                 capture_output=True, timeout=100 * SLOW,
                                 env={**os.environ, "NODE_PATH": MODULES,
                                      "CHROMIUM": shutil.which("chromium")})
        finally:
            done.set()
            chatter.join()
        self.assertEqual((run.stdout.strip(), run.returncode), ('{"event":"done"}', 0), run.stderr)

    def chatter(self, done):
        """Something to show in the list of events."""
        talker = self.cluster.connect(1, "talker")
        talker.join("talk")
        while not done.wait(0.2):
            talker.publish("talk")
        talker.close_socket()


@unittest.skipUnless(shutil.which("firefox-esr"),
                     "firefox-esr is not installed (tests/run installs it)")
class InFirefox(UiTestCase):
    expected_seconds = 20

    def test_the_page(self):
        why = lacks_modules("axe-core")
        if why is not None:
            self.skipTest(why)
        from marionette import Firefox
        self.connect(0, "alice").join(ODD)
        firefox = Firefox()
        self.addCleanup(firefox.close)
        page = firefox.window(f"http://localhost:{self.ui[1]}/", width=640)
        page.wait_for("return [...document.querySelectorAll('#rooms button')]"
                      ".some((one) => one.textContent === arguments[0])", ODD)
        self.connect(1, "bob").join("water")
        page.wait_for("return document.querySelectorAll('#events li').length > 0")
        with open(AXE, encoding="utf-8") as f:
            axe = f.read()
        found = page.run_async(axe + """
            const tell = arguments[arguments.length - 1];
            axe.run().then(({ violations }) => tell(violations.map(({ id }) => id)),
              (error) => tell([`${error}`]));
        """)
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
