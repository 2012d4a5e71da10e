"""What an edge bears, and what it does when it cannot."""

import os
import resource
import shutil
import socket
import statistics
import threading
import time
import unittest

import rawhttp
import ws
from harness import DEADLINE_S, SLOW, TestCase, metrics_of, wait_until
from rawhttp import request
from ws import handshake_fields

TICKS_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Rates(TestCase):
    def test_bytes_of_a_connection_are_limited_but_a_large_message_passes(self):
        cluster = self.start_cluster(edges=1, edge={"rate_bytes": "2000/s burst 4000"})
        alice, bob = cluster.connect(), cluster.connect(user="bob")
        for client in (alice, bob):
            client.join("room")
        # More than may ever be saved up, so it passes when nothing is used; then nothing for long.
        wait_until(lambda: alice.ask(type="chat", room="room", text="x" * 20000)["type"] == "ack",
                   "the bytes of the join are paid for")
        refusal = alice.ask_for("error", type="chat", room="room", text="y")
        self.assertEqual(refusal["code"], "rate_limited")
        self.assertEqual(bob.publish("room", "mine is another")["type"], "ack")
        self.assertEqual(bob.expect("chat")["text"], "x" * 20000)
        self.assertEqual(bob.expect("chat")["text"], "mine is another")

    def test_weirctl_says_what_users_have_used_and_were_refused(self):
        cluster = self.start_cluster(router={"rate_rooms": "1/s burst 5", "max_rooms": "50"})
        clients = [cluster.connect(edge) for edge in (0, 1)]
        refused = 0
        for i in range(10):
            answer = clients[i % 2].ask(type="join", room=f"room-{i}")
            refused += answer["type"] == "error"
        self.assertGreater(refused, 0)
        own = {row["limit"]: row for row in cluster.rows("limits", "--user", "alice")}
        self.assertEqual((own["rate-rooms"]["user"], own["rate-rooms"]["allowed"],
                          own["rate-rooms"]["perSecond"], own["rate-rooms"]["refused"]),
                         ("alice", 5, 1, refused))
        self.assertGreater(own["rate-rooms"]["used"], 0)
        self.assertIsNone(own["rate-answers"]["allowed"])
        rows = {row["limit"]: row for row in cluster.rows("limits")}
        self.assertEqual(rows["rate-rooms"]["refused"], refused)
        self.assertEqual((rows["max-rooms"]["user"], rows["max-rooms"]["allowed"]), (None, 50))
        self.assertEqual(cluster.weirctl("limits", "--user", "nobody")[0], 1)


class Addresses(TestCase):
    def try_upgrade(self, cluster, source="127.0.0.1", fields=()):
        """The status of an upgrade from that address; the connection is closed again."""
        edge = cluster.edges[0]
        target = f"/?token={cluster.token()}"
        with socket.create_connection(edge.address, source_address=(source, 0)) as peer:
            peer.sendall(request(target, fields=handshake_fields(extra=fields)))
            peer.settimeout(DEADLINE_S)
            return int(peer.recv(4096).split()[1])

    def test_an_address_has_so_many_connections(self):
        cluster = self.start_cluster(edges=1, edge={"max_connections_per_ip": "2"})
        first, second = cluster.connect(), cluster.connect()
        self.assertEqual(self.try_upgrade(cluster), 503)
        self.assertEqual(self.try_upgrade(cluster, "127.0.0.2"), 101)
        first.close()
        wait_until(lambda: self.try_upgrade(cluster) == 101, "one has left")
        second.ask_for("pong", type="ping")
        self.assertEqual(rawhttp.get(cluster.edges[0].address, "/health").status, 200)

    def test_who_only_connects_holds_a_bounded_number(self):
        cluster = self.start_cluster(edges=1, edge={"max_connections_per_ip": "1"})
        edge = cluster.edges[0]
        sockets = [socket.create_connection(edge.address) for _ in range(100)]
        self.addCleanup(lambda: [one.close() for one in sockets])
        name = 'weir_edge_handshakes_total{result="503"}'
        wait_until(lambda: metrics_of(edge.ops).get(name, 0) >= 100 - 18, "most are cut off")
        cluster.connect(source="127.0.0.2")

    def test_new_connections_of_an_address_come_at_a_rate(self):
        cluster = self.start_cluster(edges=1, edge={"accept_rate": "1/s burst 3"})
        statuses = [self.try_upgrade(cluster) for _ in range(50)]
        self.assertEqual(statuses[:3], [101, 101, 101])
        self.assertEqual(set(statuses), {101, 429})
        self.assertEqual(self.try_upgrade(cluster, "127.0.0.2"), 101)

    def test_behind_a_proxy_the_client_counts_and_not_the_proxy(self):
        cluster = self.start_cluster(edges=1, edge={"max_connections_per_ip": "1",
                                                    "trusted_proxies": "127.0.0.1"})
        there = [cluster.open(token=cluster.token(), fields=[("X-Forwarded-For", f"192.0.2.{i}")])
                 for i in range(5)]
        for client in there:
            client.expect("connected")
        self.assertEqual(self.try_upgrade(cluster, fields=[("X-Forwarded-For", "192.0.2.1")]), 503)
        self.assertEqual(self.try_upgrade(cluster, fields=[("X-Forwarded-For", "192.0.2.9")]), 101)


class Everybody(TestCase):
    def test_a_full_edge_takes_nobody_and_keeps_who_is_in(self):
        cluster = self.start_cluster(edges=1, edge={"max_connections": "2"})
        edge = cluster.edges[0]
        clients = [cluster.connect(user=user) for user in ("alice", "bob")]
        for client in clients:
            client.join("room")
        for _ in range(20):
            with self.assertRaises(ws.Refused) as refused:
                cluster.connect(user="carol")
            self.assertEqual(refused.exception.response.status, 503)
            self.assertIsNotNone(refused.exception.response.one("Retry-After"))
        self.assertEqual(clients[0].publish("room")["members"], 2)
        clients[1].close()
        self.assertEqual(rawhttp.get(edge.address, "/ready").status, 200)
        wait_until(lambda: metrics_of(edge.ops)["websocket_active_connections"] == 1, "one left")
        cluster.connect(user="carol")


class ForgedTokens(TestCase):
    """One address sends tokens with wrong signatures as fast as it can."""

    N = 1000

    def forge(self, address, token):
        head = request(f"/?token={token}", fields=handshake_fields())
        for _ in range(self.N):
            try:
                with socket.create_connection(address, source_address=("127.0.0.9", 0)) as peer:
                    peer.sendall(head)
                    peer.settimeout(DEADLINE_S)
                    peer.recv(4096)
            except OSError:
                pass  # a flood is not answered

    def test_forged_tokens_of_one_address_cost_the_others_nothing(self):
        cluster = self.start_cluster(edges=1, edge={"accept_rate": "5/s burst 100",
                                                    "threads": 1})
        edge = cluster.edges[0]
        good = cluster.token("mallory")
        forged = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB")
        alice, bob = cluster.connect(user="alice"), cluster.connect(user="bob")
        for client in (alice, bob):
            client.join("room")
        thread = threading.Thread(target=self.forge, args=(edge.address, forged))
        started = time.monotonic()
        thread.start()
        trips = []
        while thread.is_alive():
            sent = time.monotonic()
            alice.publish("room", str(len(trips)))
            self.assertEqual(bob.expect("chat")["text"], str(len(trips)))
            trips.append(time.monotonic() - sent)
        thread.join()
        took = time.monotonic() - started
        # Usual are 0.3 ms, and 30 ms for the slowest.
        self.assertLess(statistics.median(trips), 0.01 * SLOW)
        self.assertLess(max(trips), 0.5 * SLOW)
        cluster.connect(user="carol").ask_for("pong", type="ping")

        def counted(result):
            return metrics_of(edge.ops)[f'weir_edge_handshakes_total{{result="{result}"}}']

        results = ("invalid_token", "429", "503", "peer_gone")
        wait_until(lambda: sum(map(counted, results)) == self.N, "all are counted")
        # As many signatures are checked as the rate allows; all others are sent away before.
        self.assertGreaterEqual(counted("invalid_token"), 100)
        self.assertLessEqual(counted("invalid_token"), 100 + 5 * took + 1)
        self.assertEqual(counted("ok"), 3)


class Users(TestCase):
    def test_beyond_its_connections_a_user_is_refused_on_every_edge(self):
        cluster = self.start_cluster(router={"max_connections_per_user": "2 reject"})
        first, second = cluster.connect(0), cluster.connect(1)
        for client in (first, second):
            client.join("room")
        late = cluster.open(1, cluster.token())
        said = late.expect_close(1013, "overloaded")
        self.assertTrue(said["reconnect"])
        cluster.connect(1, "bob")
        first.close()
        wait_until(lambda: cluster.rows("status")[0]["members"] == 1, "it has left")
        again = cluster.connect(1)
        self.assertEqual(again.join("room")["members"], 2)

    def test_the_newest_connection_wins_where_that_is_asked_for(self):
        cluster = self.start_cluster(router={"max_connections_per_user": "1 newest-wins"})
        first = cluster.connect(0)
        first.join("room")
        second = cluster.connect(1)
        said = first.expect_close(4005, "replaced")
        self.assertFalse(said["reconnect"])
        second.join("room")

    def test_a_user_publishes_at_a_rate_over_all_connections(self):
        cluster = self.start_cluster(router={"rate_user": "1/s burst 3"})
        clients = [cluster.connect(i % 2) for i in range(2)]
        answers = [clients[i % 2].ask(type="chat", room="room", text="x")["type"]
                   for i in range(30)]
        self.assertEqual(answers[:3], ["ack"] * 3)
        self.assertIn("error", answers)
        self.assertEqual(cluster.connect(0, "bob").publish("room")["type"], "ack")


class Descriptors(TestCase):
    expected_seconds = 5

    def test_without_descriptors_it_serves_who_is_in_and_does_not_spin(self):
        cluster = self.start_cluster(edges=1, edge={"threads": 1})
        edge = cluster.edges[0]
        alice, bob = cluster.connect(), cluster.connect(user="bob")
        for client in (alice, bob):
            client.join("room")
        pid = edge.popen.pid
        was = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid), was[1]))
        waiting = [socket.create_connection(edge.address) for _ in range(20)]
        self.addCleanup(lambda: [one.close() for one in waiting])
        edge.wait_for_line(" accept_failed ")
        started, cpu = time.monotonic(), cpu_s(pid)
        while time.monotonic() - started < 2:
            alice.publish("room", "still here")
            self.assertEqual(bob.expect("chat")["text"], "still here")
            time.sleep(0.1)
        spent = cpu_s(pid) - cpu
        # The messages take a part of it; that it spins would be all of a core.
        self.assertLess(spent, 0.05 * (time.monotonic() - started) * SLOW + 0.05)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, was)
        carol = cluster.connect(user="carol")
        carol.join("room")
        self.assertEqual(carol.publish("room")["members"], 3)


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
class User(TestCase):
    def ids(self, process):
        with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as f:
            fields = dict(line.split(":", 1) for line in f)
        return set(fields["Uid"].split()), set(fields["Gid"].split()), fields["Groups"].split()

    def test_both_programs_become_another_user_for_good(self):
        cluster = self.start_cluster(edges=0)
        os.chmod(cluster.folder, 0o711)
        run = os.path.join(cluster.folder, "run")
        os.mkdir(run, 0o700)
        shutil.chown(run, "nobody")
        router = cluster.start_router(listen="tcp://127.0.0.1:0", user="nobody",
                                      admin=f"ipc://{run}/admin.sock")
        edge = cluster.spawn_edge("edge", router=[router.link_url], user="nobody").wait_ready()
        edge.wait_until_ready()
        for process in (router, edge):
            users, groups, others = self.ids(process)
            self.assertEqual(len(users), 1)
            self.assertNotIn("0", users | groups | set(others))
            self.assertNotIn("running_as_root", process.text())
        alice = cluster.connect(edge)
        alice.join("room")
        alice.publish("room")


if __name__ == "__main__":
    unittest.main()
