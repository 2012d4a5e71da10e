"""What an edge bears, and what it does when it cannot."""

import os
import resource
import shutil
import socket
import time
import unittest

from harness import TestCase

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
        # More than may ever be saved up, so it passes alone; then nothing does for long.
        self.assertEqual(alice.publish("room", "x" * 20000)["type"], "ack")
        refusal = alice.ask_for("error", type="chat", room="room", text="y")
        self.assertEqual(refusal["code"], "rate_limited")
        self.assertEqual(bob.publish("room", "mine is another")["type"], "ack")
        self.assertEqual(bob.expect("chat")["text"], "x" * 20000)
        self.assertEqual(bob.expect("chat")["text"], "mine is another")


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
        self.assertLess(cpu_s(pid) - cpu, 1.0)
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
