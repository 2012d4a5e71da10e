"""weirctl: what it prints, field by field, and how it exits."""

import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import unittest
from json import loads

import rawhttp
from harness import WEIRCTL_BIN, ClusterTestCase, TestCase, wait_until
from linkwire import data, fixed64
from rawhttp import SLOW

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3

EDGE = {"edge", "connections", "members", "rooms", "queueBytes", "inflightBytes", "rttMs",
        "draining", "silent", "since", "version"}
ROOM = {"room", "members", "users", "edges", "epoch", "seq", "historyMessages", "historyBytes"}
CLIENT = {"client", "user", "username", "edge", "address", "since", "rooms", "queueBytes", "codec",
          "compressed"}
STATUS = {"name", "version", "uptime", "edges", "rooms", "members", "published", "deliveries",
          "store"}


class ByItself(unittest.TestCase):
    """What weirctl says by itself."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.socket = os.path.join(self.folder, "router.sock")

    def weirctl(self, *words, **how):
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": self.folder}
        environment.update(how.pop("variables", {}))
        done = subprocess.run([WEIRCTL_BIN, *words], capture_output=True, text=True, check=False,
                              timeout=10 * SLOW, env=environment, **how)
        return done.returncode, done.stdout, done.stderr

    def assert_unreachable(self, why, *words, **how):
        code, out, err = self.weirctl(*words, **how)
        self.assertEqual((code, out), (UNREACHABLE, ""))
        self.assertRegex(err, f"^weirctl: no router answers at ipc://{self.socket}: {why}")
        self.assertEqual(len(err.splitlines()), 1)

    def test_help_explains_a_command(self):
        explained = self.weirctl("help", "kick")
        self.assertEqual(explained, (OK, "usage: weirctl kick (--user U | --client C) "
                                     "[--reason TEXT] [--revoke]\n  close connections; "
                                     "--revoke: and refuse their tokens\n", ""))
        for words in (["kick", "--help"], ["kick", "-h"], ["kick", "--user", "x", "-h"]):
            self.assertEqual(self.weirctl(*words), explained)

    def test_help_lists_all_commands(self):
        code, out, _ = self.weirctl("help")
        self.assertEqual(code, OK)
        for line in out.splitlines():
            name = line.split()[0]
            with self.subTest(command=name):
                self.assertTrue(self.weirctl("help", name)[1].startswith(f"usage: weirctl {name}"))

    def test_help_of_its_own(self):
        self.assertEqual(self.weirctl("-h"), self.weirctl("--help"))

    def test_a_socket_that_is_not_there(self):
        self.assert_unreachable("no such socket; start weir-router", "--admin", self.socket, "status")

    def test_the_environment_names_the_socket(self):
        for given in (self.socket, "ipc://" + self.socket):
            self.assert_unreachable("no such socket", "status", variables={"WEIR_ADMIN": given})

    def test_the_command_line_counts_more_than_the_environment(self):
        self.assert_unreachable("no such socket", "--admin", self.socket, "status",
                                variables={"WEIR_ADMIN": "/elsewhere"})

    def test_a_socket_that_was_left_behind(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.socket)
        self.assert_unreachable("refused; the socket exists but no process listens", "--admin", self.socket,
                                "status")

    def test_a_socket_of_somebody_else(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.socket)
            s.listen()
            how = {}
            if os.geteuid() == 0:
                os.chmod(self.folder, 0o755)
                how["user"] = "nobody"
            os.chmod(self.socket, 0)
            self.assert_unreachable("forbidden; the socket is its owner's: ask as that user",
                                    "--admin", self.socket, "status", **how)

    def test_another_kind_of_url(self):
        code, _, err = self.weirctl("--admin", "tcp://127.0.0.1:1", "status")
        self.assertEqual((code, err), (USAGE, "weirctl: --admin takes PATH or ipc://PATH\n"))


class SeveralRouters(TestCase):
    """One command for several routers: what they answer is one answer."""
    expected_seconds = 15

    def setUp(self):
        self.clusters = [self.start_cluster(edges=1, router={"name": name})
                         for name in ("north", "south")]
        self.urls = [cluster.router.admin_url for cluster in self.clusters]

    def weirctl(self, *words, urls=None, json=True):
        admin = [word for url in urls or self.urls for word in ("--admin", url)]
        done = subprocess.run([WEIRCTL_BIN, *admin, *(["--json"] if json else []), *words],
                              capture_output=True, text=True, check=False, timeout=20 * SLOW)
        return done.returncode, done.stdout, done.stderr

    def rows(self, *words):
        code, out, err = self.weirctl(*words)
        self.assertEqual((code, err), (OK, ""))
        return [loads(line) for line in out.splitlines()]

    def test_one_answer_says_which_router_each_row_is_of(self):
        for cluster, room in zip(self.clusters, ("tea", "coffee")):
            client = cluster.connect(0, "alice")
            client.join(room)
        self.assertEqual([(row["router"], row["name"]) for row in self.rows("status")],
                         list(zip(self.urls, ("north", "south"))))
        rooms = {(row["router"], row["room"]) for row in self.rows("rooms")}
        self.assertLessEqual(set(zip(self.urls, ("tea", "coffee"))), rooms)
        self.assertEqual(len(self.rows("edges")), 2)
        code, out, _ = self.weirctl("edges", json=False)
        self.assertEqual(code, OK)
        self.assertEqual(len(out.splitlines()), 3, out)  # one table
        self.assertRegex(out, "^router +edge ")

    def test_pages_of_each_router_are_fetched(self):
        for cluster in self.clusters:
            for room in range(3):
                cluster.connect(0, "alice").join(f"room-{room}")
        self.assertEqual(len(self.rows("rooms", "room-*", "--limit", "2")), 4)

    def test_what_one_router_has_is_an_answer(self):
        self.clusters[1].connect(0, "alice").join("coffee")
        code, out, err = self.weirctl("room", "coffee")
        self.assertEqual((code, loads(out)["router"]), (OK, self.urls[1]))
        self.assertIn(f"weirctl: {self.urls[0]}: ", err)
        self.assertEqual(self.weirctl("room", "water")[0], REFUSED)
        self.assertEqual(self.weirctl("rooms", "--sort", "colour")[0], USAGE)

    def test_what_changes_something_is_done_by_all(self):
        clients = [cluster.connect(0, "alice") for cluster in self.clusters]
        self.assertEqual([row["closed"] for row in self.rows("kick", "--user", "alice")], [1, 1])
        for client in clients:
            client.expect_close(4004, "revoked")
        code, out, _ = self.weirctl("drain", "no-such-edge")
        self.assertEqual((code, out), (REFUSED, ""))

    def test_a_router_that_does_not_answer_is_named(self):
        self.clusters[0].router.kill()
        code, out, err = self.weirctl("status")
        self.assertEqual(code, UNREACHABLE)
        rows = [loads(line) for line in out.splitlines()]
        self.assertEqual(rows[0], {"router": self.urls[0], "partial": True})
        self.assertEqual(rows[1]["name"], "south")
        self.assertRegex(err, f"^weirctl: no router answers at {self.urls[0]}: ")
        code, out, err = self.weirctl("status", json=False)
        self.assertEqual(code, UNREACHABLE)
        self.assertIn("south", out)
        self.assertRegex(err, f"^weirctl: no router answers at {self.urls[0]}: ")

    def test_a_router_that_hangs_does_not_delay_the_others_for_ever(self):
        os.kill(self.clusters[0].router.popen.pid, signal.SIGSTOP)
        try:
            code, out, _ = self.weirctl("status")
        finally:
            os.kill(self.clusters[0].router.popen.pid, signal.SIGCONT)
        rows = [loads(line) for line in out.splitlines()]
        self.assertEqual((code, rows[0]), (UNREACHABLE, {"router": self.urls[0], "partial": True}))
        self.assertEqual(rows[1]["name"], "south")

    def test_watch_shows_events_of_all_as_they_come(self):
        argv = [word for url in self.urls for word in ("--admin", url)]
        watch = subprocess.Popen([WEIRCTL_BIN, *argv, "--json", "watch"], text=True,
                                 stdout=subprocess.PIPE)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        seen = set()
        deadline = time.monotonic() + 20 * SLOW
        while len(seen) < 2 and time.monotonic() < deadline:
            for cluster in self.clusters:
                cluster.connect(0, "alice").close()
            while select.select([watch.stdout], [], [], 0.2)[0] and len(seen) < 2:
                seen.add(loads(watch.stdout.readline())["router"])
        self.assertEqual(seen, set(self.urls))
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(10 * SLOW), OK)

    def test_what_is_for_one_router_says_so(self):
        for words in (["top"], ["publish", "tea", '{"type":"chat"}'], ["rebalance"]):
            code, out, err = self.weirctl(*words)
            self.assertEqual((code, out), (USAGE, ""))
            self.assertEqual(err, f"weirctl: {words[0]} is for one router: give one --admin\n")


class Weirctl(ClusterTestCase):
    expected_seconds = 2
    router_options = {"name": "test-router"}

    def rows(self, *words):
        return self.cluster.rows(*words)

    def one(self, *words):
        rows = self.rows(*words)
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def assert_exit(self, code, *words):
        got, out, err = self.cluster.weirctl(*words)
        self.assertEqual(got, code, (words, out, err))
        return out, err

    def test_memory_of_router_and_edges(self):
        for i in range(20):
            self.connect(i % 2, f"user-{i}").join(self.room)
        rows = {(row["process"], row["pool"]): row for row in self.rows("memory")}
        self.assertEqual({process for process, _ in rows}, {"test-router", "edge-1", "edge-2"})
        for process in ("test-router", "edge-1", "edge-2"):
            told = sum(row["bytes"] for (name, pool), row in rows.items()
                       if name == process and pool not in ("resident", "unaccounted"))
            self.assertEqual(rows[process, "unaccounted"]["bytes"],
                             max(0, rows[process, "resident"]["bytes"] - told))
        self.assertGreaterEqual(rows["edge-1", "connections"]["objects"], 10)
        self.assertEqual(rows["edge-1", "recorder"]["limit"], 4 << 20)
        self.assertEqual(rows["test-router", "recorder"]["limit"], 16 << 20)
        self.assertGreaterEqual(rows["test-router", "members"]["objects"], 20)

    def test_the_reason_of_a_kick_reaches_the_client(self):
        client = self.connect(1, "spammer")
        self.one("kick", "--user", "spammer", "--reason", 'no "spam", bitte: ' + "ä" * 100)
        said = client.expect_close(4004, "revoked")
        self.assertTrue(said["message"].startswith('no "spam", bitte: ää'), said)

    def test_status(self):
        row = self.one("status")
        self.assertEqual(set(row), STATUS)
        self.assertEqual((row["name"], row["edges"], row["store"]), ("test-router", 2, "memory"))

    def test_status_counts(self):
        alice = self.connect()
        alice.join(self.room)
        before = self.one("status")
        alice.publish(self.room)
        after = self.one("status")
        self.assertEqual(after["published"] - before["published"], 1)
        self.assertEqual(after["deliveries"] - before["deliveries"], 1)

    def test_ready(self):
        self.assert_exit(OK, "ready")

    def test_edges(self):
        self.connect(1).join(self.room)
        rows = {row["edge"]: row for row in self.rows("edges")}
        self.assertEqual(set(rows), {"edge-1", "edge-2"})
        for row in rows.values():
            self.assertEqual(set(row), EDGE)
            self.assertIs(row["draining"], False)
        self.assertEqual((rows["edge-2"]["members"], rows["edge-2"]["connections"]), (1, 1))

    def test_edge(self):
        self.assertEqual(self.one("edge", "edge-1")["edge"], "edge-1")

    def test_rooms_and_room(self):
        clients = [self.connect(0, "alice"), self.connect(1, "alice"), self.connect(1, "bob")]
        for client in clients:
            joined = client.join(self.room)
        clients[0].publish(self.room, "x")
        row = self.one("rooms", self.room)
        self.assertEqual(set(row), ROOM)
        self.assertEqual(
            (row["room"], row["members"], row["users"], row["edges"], row["epoch"], row["seq"],
             row["historyMessages"]), (self.room, 3, 2, 2, joined["epoch"], 1, 1))
        self.assertGreater(row["historyBytes"], 0)
        self.assertEqual(self.one("room", self.room)["members"], 3)

    def test_rooms_takes_a_pattern_a_limit_and_an_order(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        for n in range(3):
            alice.join(f"{self.room}-{n}")
        bob.join(f"{self.room}-1")
        names = [row["room"] for row in self.rows("rooms", f"{self.room}-*", "--sort", "members")]
        self.assertEqual(len(names), 3)
        self.assertEqual(names[0], f"{self.room}-1")
        self.assertEqual(len(self.rows("rooms", f"{self.room}-*", "--limit", "2")), 2)

    def test_members(self):
        alice = self.connect(1, token=self.cluster.token("alice", username="Alice"))
        alice.join(self.room)
        row = self.one("members", self.room)
        self.assertEqual(set(row), CLIENT)
        self.assertEqual(
            (row["client"], row["user"], row["username"], row["edge"], row["codec"]),
            (alice.connected["clientId"], "alice", "Alice", "edge-2", "json"))
        self.assertIs(row["compressed"], False)
        self.assertTrue(row["address"].startswith("127.0.0.1"))

    def test_clients_and_client(self):
        alice, bob = self.connect(0, "alice"), self.connect(1, "bob")
        ids = {client.connected["clientId"] for client in (alice, bob)}

        def listed(*words):
            return {row["client"] for row in self.rows("clients", *words)}

        self.assertEqual(listed() & ids, ids)
        self.assertEqual(listed("--user", "bob"), {bob.connected["clientId"]})
        self.assertEqual(listed("--edge", "edge-1") & ids, {alice.connected["clientId"]})
        row = self.one("client", alice.connected["clientId"])
        self.assertLessEqual(CLIENT, set(row))
        self.assertEqual(row["user"], "alice")

    def test_publish_answers_like_an_ack(self):
        alice = self.connect()
        joined = alice.join(self.room)
        row = self.one("publish", self.room, '{"type":"notice","n":1.50}')
        self.assertEqual((row["room"], row["epoch"], row["seq"], row["members"]),
                         (self.room, joined["epoch"], 1, 1))
        message = alice.expect("notice", room=self.room, seq=1)
        self.assertNotIn("from", message)
        self.assertNotIn("user", message)
        self.assertIn('"n":1.50', alice.raw)

    def test_a_trace_is_recorded_and_in_the_line_of_the_log(self):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        bob = self.connect(0, "bob")
        bob.join(self.room)
        self.one("publish", self.room, f'{{"type":"notice","traceparent":"{trace}"}}')
        self.assertEqual(bob.expect("notice")["traceparent"], trace)
        row = self.one("explain", "--trace", trace, "--user", "bob")
        self.assertEqual((row["room"], row["seq"], row["verdict"]), (self.room, 1, "delivered"))
        line = rf'info admin command=publish status=0 request=\d+ did="room={self.room} seq=1 ' \
            rf'trace={trace}"'
        wait_until(lambda: any(re.search(line, said) for said in self.cluster.router.lines),
                   f"{line} is logged")

    def test_broadcast(self):
        clients = [self.connect(i, f"user-{i}") for i in range(2)]
        row = self.one("broadcast", '{"text":"all hands"}')
        self.assertEqual(row["members"], 2)
        for client in clients:
            self.assertNotIn("from", client.expect("admin:broadcast", text="all hands"))
        self.assertEqual(self.one("broadcast", '{"type":"admin:broadcast"}')["members"], 2)

    def test_a_broadcast_of_another_type_is_refused(self):
        client = self.connect()
        out, err = self.assert_exit(USAGE, "broadcast", '{"type":"hello"}')
        self.assertEqual(out, "")
        self.assertIn("a broadcast has the type admin:broadcast", err)
        client.expect_nothing()

    def test_kick_closes_and_says_how_many(self):
        clients = [self.connect(i % 2, "eve") for i in range(3)]
        other = self.connect(0, "alice")
        self.assertEqual(self.one("kick", "--user", "eve")["closed"], 3)
        for client in clients:
            said = client.expect_close(4004, "revoked")
            self.assertFalse(said["reconnect"])
        self.connect(0, "eve")  # the same token is still good
        other.ask_for("pong", type="ping")
        self.assertEqual(self.one("kick", "--client", other.connected["clientId"])["closed"], 1)
        other.expect_close(4004, "revoked")

    def test_route_tells_whom_a_message_would_reach(self):
        alice = self.connect(0, "alice")
        for client in (alice, self.connect(1, "bob")):
            client.join(self.room)
        row = self.one("route", self.room)
        self.assertEqual((row["room"], row["members"]), (self.room, 2))
        self.assertEqual({e["edge"]: e["connections"] for e in row["edges"]},
                         {"edge-1": 1, "edge-2": 1})
        allowed = self.one("route", self.room, "--as", "alice")
        self.assertIs(allowed["allowed"], True)
        self.assertEqual(allowed["pattern"], "*")
        refused = self.one("route", "user:bob", "--as", "alice")
        self.assertIs(refused["allowed"], False)
        self.assertIsInstance(refused["reason"], str)

    def test_route_asks_for_what_a_token_claims(self):
        token = self.cluster.token("carol", weir={"publish": ["team-*"]})
        path = self.cluster.write("carol.token", token)
        self.assertIs(self.one("route", "team-1", "--token", path)["allowed"], True)
        self.assertIs(self.one("route", "other", "--token", path)["allowed"], False)
        self.assert_exit(USAGE, "route", "other", "--token", self.cluster.write("empty", ""))

    def test_a_peer_that_only_connects_stops_nobody(self):
        path = self.cluster.router.admin_url.removeprefix("ipc://")
        for said in (b"", b"\0SP", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(path)
                peer.send(said)
        self.assert_exit(OK, "ready")

    def test_version(self):
        row = self.one("version")
        self.assertEqual(set(row), {"name", "version"})

    def test_help_lists_the_commands(self):
        out, _ = self.assert_exit(OK, "help")
        for command in ("status", "ready", "edges", "rooms", "room", "members", "clients", "kick",
                        "publish", "route", "version"):
            self.assertIn(command, out)
        self.assertIn("--user", self.assert_exit(OK, "help", "kick")[0])

    def test_what_is_unknown_exits_with_1(self):
        for words in (("edge", "no-such"), ("room", "no-such"), ("members", "no-such"),
                      ("client", "no-such"), ("kick", "--client", "no-such"),
                      ("drain", "no-such"), ("undrain", "no-such")):
            with self.subTest(words=words):
                out, err = self.assert_exit(REFUSED, *words)
                self.assertNotEqual(out + err, "")

    def test_bad_arguments_exit_with_2(self):
        for words in ((), ("no-such",), ("room",), ("room", "a", "b"), ("publish", "room"),
                      ("publish", "room", "{"), ("publish", "room", "[]"), ("kick",),
                      ("rooms", "--limit", "x"), ("drain",), ("drain", "edge-1", "--rate", "0"),
                      ("drain", "edge-1", "--rate", "1/m"), ("drain", "edge-1", "--rate", "9/s burst 90"),
                      ("rooms", "--sort", "x"), ("help", "no-such"),
                      ("status", "--no-such")):
            with self.subTest(words=words):
                code, out, err = self.cluster.weirctl(*words)
                self.assertEqual(code, USAGE, (words, out, err))
                self.assertNotEqual(err, "")

    def test_a_bad_room_or_message_is_refused(self):
        for words in (("publish", "", '{"type":"x"}'), ("publish", "x" * 129, '{"type":"x"}'),
                      ("publish", "chat:*", '{"type":"x"}'),
                      ("publish", "room", '{"text":"no type"}')):
            with self.subTest(words=words):
                self.assertIn(self.cluster.weirctl(*words)[0], (REFUSED, USAGE))

    def test_no_router_exits_with_3(self):
        code, out, err = self.cluster.weirctl(
            "status", admin=f"ipc://{self.cluster.folder}/nobody.sock")
        self.assertEqual((code, out), (UNREACHABLE, ""))
        self.assertEqual(len(err.splitlines()), 1)

    def fill_tables(self):
        """A room with long names everywhere; its name."""
        room = (self.room + "/" + "r" * 128)[:128]
        token = self.cluster.token("u" * 123, username="n" * 100)
        for client in (self.connect(0, token=token), self.connect(1, "bob")):
            client.join(room)
            client.publish(room, "x" * 3000)
        self.one("revoke", "--user", "v" * 123)
        self.one("revoke", "--jti", "j" * 64, "--issued-before", "2026-01-31T12:00:00Z")
        return room

    def test_every_table_fits_80_columns_in_a_pipe(self):
        room = self.fill_tables()
        tables = {"edges": (), "rooms": (), "clients": (), "members": (room,), "revocations": ()}
        others = {"status", "ready", "edge", "room", "client", "route", "publish", "broadcast", "kick",
                  "revoke", "drain", "undrain", "restart-prepare", "memory", "store", "version", "help",
                  "explain", "watch", "rebalance", "top", "unrevoke", "limits"}
        self.assertEqual({line.split()[0] for line in self.assert_exit(OK, "help")[0].splitlines()},
                         others | set(tables))
        for command, words in tables.items():
            out, _ = self.assert_exit(OK, command, *words)
            self.assertGreaterEqual(len(out.splitlines()), 3, out)
            for line in out.splitlines():
                self.assertLessEqual(len(line), 80, out)

    def test_help_fits_80_columns(self):
        out, _ = self.assert_exit(OK, "help")
        for command in [line.split()[0] for line in out.splitlines()]:
            out += self.assert_exit(OK, "help", command)[0]
        for line in out.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_a_pipe_may_be_as_wide_as_columns_says(self):
        room = self.fill_tables()
        _, out, _ = self.cluster.weirctl("rooms", room, COLUMNS="400")
        self.assertIn(room, out)
        for columns in ("120", "79"):
            out = self.cluster.weirctl("clients", COLUMNS=columns)[1]
            self.assertLessEqual(max(map(len, out.splitlines())), int(columns), out)
        for columns in ("", "0", "-1", "wide", "99999999999999999999"):
            out = self.cluster.weirctl("rooms", COLUMNS=columns)[1]
            self.assertLessEqual(max(map(len, out.splitlines())), 80, columns)

    def test_a_table_is_as_wide_as_its_terminal(self):
        room = self.fill_tables()
        for columns in (90, 300):
            out = self.cluster.weirctl_on_terminal(columns, "rooms", room)
            widest = max(map(len, out.splitlines()))
            self.assertLessEqual(widest, columns, out)
            self.assertEqual(room in out, columns == 300, out)

    def test_long_lists_are_complete(self):
        alice = [self.connect(i % 2, f"user-{i}") for i in range(10)]
        for i, client in enumerate(alice):
            for n in range(90):
                client.send(type="join", room=f"{self.room}-{i}-{n}")
            for n in range(90):
                client.expect("joined")
        rows = self.rows("rooms", f"{self.room}-*")
        self.assertEqual(len({row["room"] for row in rows}), 900)

    def test_the_admin_socket_is_for_its_owner_only(self):
        path = self.cluster.router.admin_url.removeprefix("ipc://")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o077, 0)

    @unittest.skipIf(os.geteuid() != 0, "becoming another user takes root")
    def test_another_user_is_refused_even_where_the_socket_is_open(self):
        cluster = self.start_cluster(edges=0)
        path = cluster.router.admin_url.removeprefix("ipc://")
        os.chmod(cluster.folder, 0o711)
        os.chmod(path, 0o777)
        done = subprocess.run([WEIRCTL_BIN, "--admin", path, "status"], user="nobody",
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (REFUSED, ""))
        self.assertIn("not permitted", done.stderr)
        cluster.router.wait_for_line("admin_refused reason=peer_uid")

    def ask(self, number, *words):
        """A request as weirctl makes it, over a connection of its own."""
        path = self.cluster.router.admin_url.removeprefix("ipc://")
        body = b"\x80\0\0\1" + fixed64(1, number) + b"".join(data(2, w) for w in words)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(rawhttp.DEADLINE_S)
            s.connect(path)
            s.sendall(b"\0SP\0\0\x30\0\0" + struct.pack(">BQ", 1, len(body)) + body)
            answer = s.makefile("rb")
            self.assertEqual(answer.read(8), b"\0SP\0\0\x31\0\0")
            _, size = struct.unpack(">BQ", answer.read(9))
            return answer.read(size)

    def test_a_request_that_is_repeated_runs_once(self):
        alice = self.connect()
        alice.join(self.room)
        words = ("publish", self.room, '{"type":"notice"}')
        first = self.ask(1, *words)
        self.assertEqual(self.ask(1, *words), first)
        self.assertNotEqual(self.ask(2, *words), first)
        self.assertEqual([alice.expect("notice")["seq"] for _ in range(2)], [1, 2])
        alice.expect_nothing()


class WithoutARouter(TestCase):
    expected_seconds = 12

    def test_a_router_that_stands_still_is_unreachable_in_time(self):
        cluster = self.start_cluster(edges=0)
        cluster.router.signal(signal.SIGSTOP)
        code, out, err = cluster.weirctl("status")
        self.assertEqual((code, out), (UNREACHABLE, ""))
        self.assertEqual(len(err.splitlines()), 1)

    def test_a_router_that_stood_still_answers_again(self):
        cluster = self.start_cluster(edges=0)
        cluster.router.signal(signal.SIGSTOP)
        self.assertEqual(cluster.weirctl("status")[0], UNREACHABLE)
        cluster.router.signal(signal.SIGCONT)
        self.assertEqual(cluster.weirctl("status")[0], OK)

    def test_a_router_without_edges_is_ready_for_them(self):
        cluster = self.start_cluster(edges=0)
        self.assertEqual(cluster.weirctl("ready")[0], OK)
        self.assertEqual(cluster.rows("ready"), [{"ready": True}])
        for path in ("/health", "/ready"):
            self.assertEqual(rawhttp.get(cluster.router.ops, path).status, 200, path)


if __name__ == "__main__":
    unittest.main()
