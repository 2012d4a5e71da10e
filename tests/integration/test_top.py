"""weirctl top: what is on the screen of a terminal, what keys do, and how it ends."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import rawhttp
from harness import WEIRCTL_BIN, ClusterTestCase, environment, wait_until


class Screen:
    """A terminal that understands what top writes, and no more."""

    def __init__(self, rows, columns, argv, env):
        self.ours, its = pty.openpty()
        self.resize(rows, columns, its)
        self.before = termios.tcgetattr(its)
        self.its = its
        self.process = subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, env=env,
                                        start_new_session=True)
        self.text = ""

    def resize(self, rows, columns, its=None):
        self.rows, self.columns = rows, columns
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.its if its is None else its, termios.TIOCSWINSZ, size)

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def read(self):
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.text += os.read(self.ours, 65536).decode()
            except OSError:
                break
        return self.text

    def lines(self):
        """The last whole screen."""
        pieces = self.read().split("\x1b[H")
        whole = [piece for piece in pieces[1:] if "\x1b[m\x1b[K" in piece]
        if not whole:
            return []
        clean = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", whole[-1])
        return clean.split("\r\n")

    def wait_for(self, pattern):
        wait_until(lambda: any(re.search(pattern, line) for line in self.lines()),
                   f"{pattern} on {self.lines()}")
        return self.lines()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.its)


class Top(ClusterTestCase):
    expected_seconds = 5
    router_options = {"name": "test-router"}

    def top(self, rows=24, columns=80, **variables):
        screen = Screen(rows, columns, [WEIRCTL_BIN, "--admin", self.cluster.router.admin_url, "top"],
                        {**environment(self.cluster.folder), **variables})
        self.addCleanup(screen.close)
        return screen

    def fill(self):
        for i in range(30):
            self.connect(i % 2, f"user-{i}").join(f"{self.room}-{i:02}")

    def assert_fits(self, screen):
        lines = screen.lines()
        self.assertLessEqual(len(lines), screen.rows)
        for line in lines:
            self.assertLessEqual(len(line), screen.columns, lines)

    def test_it_shows_router_edges_rooms_and_connections(self):
        self.fill()
        screen = self.top()
        lines = screen.wait_for("CONNECTIONS THAT WAIT")
        self.assertRegex(lines[0], r"^test-router \S+  up \d+ s  edges 2  rooms \d+  members \d+$")
        self.assertRegex(lines[1], r"^published \d+/s  deliveries \d+/s$")
        self.assertTrue(any(line.startswith("edge-1") for line in lines), lines)
        self.assertIn("ROOMS", lines)
        self.assertRegex(lines[-1], "^q quit  s sort: members  f filter: \\*  p pause  h help")
        self.assert_fits(screen)

    def test_it_counts_messages_a_second(self):
        client = self.connect(0)
        client.join(self.room)
        screen = self.top()
        screen.wait_for("q quit")
        def counted():
            client.publish(self.room)
            return re.match(r"published [1-9]", screen.lines()[1])
        wait_until(counted, "messages are counted")

    def test_small_and_resized_terminals(self):
        self.fill()
        screen = self.top(10, 40)
        screen.wait_for("q quit")
        self.assert_fits(screen)
        screen.text = ""
        screen.resize(50, 120)
        os.kill(screen.process.pid, signal.SIGWINCH)
        wait_until(lambda: len(screen.lines()) > 24, "it uses the larger screen")
        self.assert_fits(screen)

    def test_keys(self):
        self.fill()
        screen = self.top()
        screen.wait_for("sort: members")
        screen.press("s")
        screen.wait_for("sort: rate")
        screen.press("h")
        screen.wait_for("^q       quit")
        screen.press("h")
        screen.press("f" + self.room + "-07\r")
        screen.wait_for(f"filter: {self.room}-07")
        rooms = [line for line in screen.lines() if line.startswith(self.room[:5])]
        self.assertLessEqual(len(rooms), 1)
        screen.press("p")
        screen.wait_for("p go on")
        screen.press("x")
        screen.press("q")
        self.assertEqual(screen.process.wait(5 * rawhttp.SLOW), 0)

    def test_the_terminal_is_given_back(self):
        for end in ("key", signal.SIGINT, signal.SIGTERM):
            with self.subTest(end=end):
                screen = self.top(TERM="dumb")
                screen.wait_for("q quit")
                self.assertNotEqual(termios.tcgetattr(screen.its)[3], screen.before[3])
                if end == "key":
                    screen.press("q")
                else:
                    screen.process.send_signal(end)
                self.assertEqual(screen.process.wait(5 * rawhttp.SLOW), 0)
                self.assertEqual(termios.tcgetattr(screen.its)[3], screen.before[3])
                self.assertTrue(screen.read().endswith("\x1b[?25h\x1b[?1049l"))

    def test_no_colours(self):
        screen = self.top()
        screen.wait_for("q quit")
        self.assertEqual(set(re.findall(r"\x1b\[([0-9;]*)m", screen.read())), {"7", ""})

    def test_one_screen_without_a_terminal(self):
        code, out, _ = self.cluster.weirctl("top")
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", out)
        self.assertIn("EDGES\n", out)

    def test_clients_by_what_waits(self):
        self.fill()
        rows = self.cluster.rows("clients", "--sort", "queue", "--limit", "5")
        self.assertEqual(len(rows), 5)
        waiting = [row["queueBytes"] for row in rows]
        self.assertEqual(waiting, sorted(waiting, reverse=True))
        self.assertEqual(self.cluster.weirctl("clients", "--sort", "name")[0], 2)


if __name__ == "__main__":
    unittest.main()
