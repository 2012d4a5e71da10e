"""Starts and stops the real programs, and watches what they say.

Ports are 0 and learned from the `ready` line; nothing sleeps, everything waits for a condition with
a deadline. At the end of a test each program must stop at SIGTERM with exit code 0 and without a
sanitizer's report. The programs are those of build/, or what ROUTER_BIN, EDGE_BIN, WEIRCTL_BIN and
TOKEN_BIN name; TEST_WRAP is put before the servers (`valgrind -q --error-exitcode=99`), and
TEST_SLOW multiplies the deadlines.
"""

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

import jwts
import rawhttp
import ws

SLOW = rawhttp.SLOW
DEADLINE_S = rawhttp.DEADLINE_S

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD_DIR", os.path.join(ROOT, "build")))
ROUTER_BIN = os.environ.get("ROUTER_BIN", os.path.join(BUILD, "router", "weir-router"))
EDGE_BIN = os.environ.get("EDGE_BIN", os.path.join(BUILD, "edge", "weir-edge"))
WEIRCTL_BIN = os.environ.get("WEIRCTL_BIN", os.path.join(BUILD, "router", "weirctl"))
TOKEN_BIN = os.environ.get("TOKEN_BIN", os.path.join(BUILD, "edge", "weir-token"))
WRAP = shlex.split(os.environ.get("TEST_WRAP", ""))

JWT_KEY = b"integration-test-key-of-32-bytes"
LINK_KEY = b"integration-link-key-of-32-bytes"
SANITIZER_EXIT_CODE = 86
SANITIZER_REPORT = re.compile(r"Sanitizer|runtime error:|==\d+==")


def wait_until(condition, what, timeout=DEADLINE_S):
    """Returns the first true value of `condition()`; `what` says in the failure what was awaited."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout:.1f} s: {what}")
        time.sleep(0.01)


# What protects everybody from one user would be in the way of tests that are in a hurry.
WITHOUT_LIMITS = {
    "router": {"rate_user_bytes": "0", "rate_fanout_bytes": "0", "rate_answers": "0",
               "rate_rooms": "0"},
    "edge": {"rate_messages": "0", "rate_admin": "0", "rate_bytes": "0"},
}


def option_words(options):
    """{"link_timeout": "2s", "jwt_key": [..], "demo": True} as command line words; None: not given."""
    words = []
    for name, value in options.items():
        if value is None:
            continue
        option = "--" + name.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            words += [option] if one is True else [option, str(one)]
    return words


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def environment(folder):
    reports = os.path.join(folder, "sanitizer")
    suppressions = os.path.join(ROOT, "tests", "integration", "lsan.supp")
    return {
        **os.environ,
        "ASAN_OPTIONS": f"log_path='{reports}':exitcode={SANITIZER_EXIT_CODE}:detect_leaks=1:"
                        "allocator_may_return_null=1",
        "UBSAN_OPTIONS": f"log_path='{reports}':halt_on_error=1:print_stacktrace=1",
        "LSAN_OPTIONS": f"suppressions='{suppressions}':print_suppressions=0",
    }


_reserved = []  # the names of our ports, held until this process ends


def reserve_port():
    """A port for a program that will be started there again: not one that the system gives to others
    meanwhile, and not one of another test that runs at the same time."""
    for port in random.sample(range(20000, 30000), 1000):
        name, probe = socket.socket(socket.AF_UNIX), socket.socket()
        with contextlib.suppress(OSError), probe:
            name.bind(f"\0weir-test-port-{port}")
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _reserved.append(name)
            return port
        name.close()
    raise AssertionError("no free port")


class Process:
    """One running program; its stderr is collected line by line as it comes."""

    def __init__(self, folder, name, argv, wrap=True):
        self.folder = folder
        self.name = name
        self.argv = (WRAP if wrap else []) + [str(word) for word in argv]
        self.lines = []
        self.ready = None
        self._changed = threading.Condition()
        self._ended = False
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                      env=environment(folder))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.popen.stderr as pipe:
            for line in pipe:
                with self._changed:
                    self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def text(self):
        with self._changed:
            return "\n".join(self.lines)

    def mark(self):
        """A place in the log, for wait_for_line(after=...)."""
        with self._changed:
            return len(self.lines)

    def wait_for_line(self, pattern, timeout=DEADLINE_S, after=0):
        """The first line (from place `after` on) in which the pattern is found."""
        seen = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self.lines[after:]:
                    if seen.search(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    why = "it ended" if self._ended else f"not in {timeout:.1f} s"
                    raise AssertionError(f"{self.name} never said {pattern!r}: {why}")
                self._changed.wait(left)

    def wait_ready(self):
        """Reads `ready listen=A,B ops=C`; the values are lists of texts."""
        line = self.wait_for_line(r"^ready ")
        self.ready = {}
        for word in line.split()[1:]:
            name, _, value = word.partition("=")
            self.ready[name] = value.split(",")
        return self

    def signal(self, number):
        self.popen.send_signal(number)

    def running(self):
        return self.popen.poll() is None

    def wait(self, timeout=DEADLINE_S):
        """The exit code (negative: the signal that ended it)."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{self.name} did not end in {timeout:.1f} s") from e
        self._reader.join(DEADLINE_S)
        return code

    def kill(self):
        """kill -9."""
        self.popen.kill()
        self.wait()

    def stop(self, timeout=DEADLINE_S):
        """SIGTERM; it must exit with 0 and leave no report."""
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                code = self.wait(timeout)
            except AssertionError:
                self.kill()
                raise
        else:
            code = self.popen.returncode
            if code == -signal.SIGKILL:
                return
        if code != 0:
            raise AssertionError(f"{self.name} ended with {code}{self.reports()}")

    def reports(self):
        """What sanitizers and valgrind wrote, "" if nothing."""
        texts = [line for line in self.lines if SANITIZER_REPORT.search(line)]
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("sanitizer.") and name.endswith(f".{self.popen.pid}"):
                with open(os.path.join(self.folder, name), encoding="utf-8") as f:
                    texts.append(f.read())
        return "\n" + "\n".join(texts) if texts else ""


class Router(Process):
    @property
    def link_url(self):
        return self.ready["listen"][0]

    @property
    def admin_url(self):
        return self.ready["admin"][0]

    @property
    def ops(self):
        return parse_address(self.ready["ops"][0])


class Edge(Process):
    @property
    def address(self):
        return parse_address(self.ready["listen"][0])

    @property
    def tls_address(self):
        return parse_address(self.ready["listen-tls"][0])

    @property
    def ops(self):
        return parse_address(self.ready["ops"][0])

    def is_ready(self):
        return rawhttp.get(self.ops, "/ready").status == 200

    def wait_until_ready(self, timeout=DEADLINE_S):
        wait_until(self.is_ready, f"/ready of {self.name} is 200", timeout)
        return self


def sanitized():
    """Whether the router was built with a sanitizer that changes what memory costs."""
    with open(ROUTER_BIN, "rb") as f:
        return b"__asan_init" in f.read()


def memory_kib(process):
    """What a program has in memory."""
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def metrics_of(address):
    """{"name{label="value"}": number} of a /metrics page."""
    page = rawhttp.get(address, "/metrics").body.decode("utf-8")
    samples = (line.rsplit(" ", 1) for line in page.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, value in samples}


class Cluster:
    """A router and edges in a folder of their own, with keys. Options are keyword dictionaries."""

    client_class = ws.Client  # or one that speaks another codec, or what makes one

    def __init__(self, edges=2, router=None, edge=None, edge_wrap=()):
        """`edge_wrap`: words that come before the edges' program."""
        self.edge_wrap = edge_wrap
        self.folder = tempfile.mkdtemp(prefix="weir-test-")
        self.processes = []
        self.clients = []
        self.router_options = {
            "listen": f"tcp://127.0.0.1:{reserve_port()}",
            "link_key_file": self.write("link.key", LINK_KEY),
            "admin": f"ipc://{self.folder}/admin.sock",
            "ops_listen": "127.0.0.1:0",
            **WITHOUT_LIMITS["router"],
            **(router or {}),
        }
        # Of an ipc:// URL, which nobody can write who does not know the folder.
        self.router_options["listen"] = self.router_options["listen"].format(folder=self.folder)
        self.edge_options = {
            "listen": "127.0.0.1:0",
            "ops_listen": "127.0.0.1:0",
            "link_key_file": os.path.join(self.folder, "link.key"),
            "jwt_key": ["HS256:" + self.write("jwt.key", JWT_KEY)],
            **WITHOUT_LIMITS["edge"],
            **(edge or {}),
        }
        try:
            self.router = self.start_router()
            self.edges = [self.spawn_edge(f"edge-{i + 1}") for i in range(edges)]
            for one in self.edges:
                one.wait_ready()
            for one in self.edges:
                one.wait_until_ready()
        except BaseException:
            self.print_logs()
            self.kill_all()
            raise

    # ---- files and programs

    def write(self, name, data, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode("utf-8"))
        os.chmod(path, mode)
        return path

    def start_router(self, **options):
        router = Router(self.folder, "router",
                        [ROUTER_BIN, *option_words({**self.router_options, **options})])
        self.processes.append(router)
        return router.wait_ready()

    def restart_router(self):
        """A new router in the place of the old one, which has ended."""
        self.router = self.start_router(listen=self.router.link_url)
        return self.router

    def spawn_edge(self, name, **options):
        """Starts an edge without waiting for anything."""
        full = {"name": name, "router": [self.router.link_url], **self.edge_options, **options}
        edge = Edge(self.folder, name, [*self.edge_wrap, EDGE_BIN, *option_words(full)])
        self.processes.append(edge)
        return edge

    def start_edge(self, name, **options):
        edge = self.spawn_edge(name, **options).wait_ready().wait_until_ready()
        self.edges.append(edge)
        return edge

    def weirctl(self, *words, admin=None, **variables):
        """(exit code, stdout, stderr)."""
        done = subprocess.run([WEIRCTL_BIN, "--admin", admin or self.router.admin_url, *words],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                              env={**environment(self.folder), **variables})
        return done.returncode, done.stdout, done.stderr

    def weirctl_on_terminal(self, columns, *words):
        """What it prints on a terminal of that width."""
        ours, its = pty.openpty()
        with open(ours, "rb", buffering=0) as terminal, open(its, "wb", buffering=0) as stdout:
            fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            subprocess.run([WEIRCTL_BIN, "--admin", self.router.admin_url, *words], stdout=stdout,
                           timeout=DEADLINE_S, check=True, env=environment(self.folder))
            return terminal.read(65536).decode().replace("\r\n", "\n")

    def rows(self, *words):
        """The objects `weirctl --json` prints; it must exit with 0."""
        code, out, err = self.weirctl("--json", *words)
        if code != 0:
            raise AssertionError(f"weirctl {words} exits with {code}: {out}{err}")
        return [json.loads(line) for line in out.splitlines()]

    # ---- clients

    def token(self, user="alice", **claims):
        return jwts.make(JWT_KEY, {"sub": user, **claims})

    def connect(self, edge=0, user="alice", autojoin=False, token=None, target="/", **how):
        """A client that has read its `connected` (kept in client.connected)."""
        client = self.open(edge, token if token is not None else self.token(user),
                           target + ("" if autojoin else "?autojoin=0"), **how)
        client.connected = client.expect("connected")
        return client

    def open(self, edge=0, token=None, target="/", **how):
        """A client just after the handshake; with `tls`, over TLS."""
        chosen = self.edges[edge] if isinstance(edge, int) else edge
        address = chosen.address if how.get("tls") is None else chosen.tls_address
        client = self.client_class(address, target, token, **how)
        self.clients.append(client)
        return client

    # ---- the end

    def print_logs(self):
        for process in self.processes:
            print(f"---- {' '.join(process.argv)}", file=sys.stderr)
            print("\n".join(process.lines[-200:]), file=sys.stderr)

    def kill_all(self):
        for process in self.processes:
            process.popen.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """Closes the clients, stops edges and router, and says what was wrong with any of them."""
        for client in self.clients:
            client.close_socket()
        wrong = []
        for process in reversed(self.processes):
            try:
                process.signal(signal.SIGCONT)  # should a test have left it stopped
                process.stop()
            except AssertionError as e:
                wrong.append(str(e))
        reports = [p.name + p.reports() for p in self.processes if p.reports()]
        self.kill_all()
        if wrong or reports:
            raise AssertionError("; ".join(wrong + reports))


class TestCase(unittest.TestCase):
    """Prints the logs of the programs when a test fails."""

    expected_seconds = 1  # the runner begins with the slowest classes
    clusters = ()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self.clusters = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for cluster in [*self.clusters, getattr(type(self), "cluster", None)]:
                if isinstance(cluster, Cluster):
                    cluster.print_logs()
        return result

    def start_cluster(self, **how):
        """A cluster of this one test."""
        cluster = Cluster(**how)
        self.clusters.append(cluster)
        self.addCleanup(cluster.stop)
        return cluster

    def start_process(self, process):
        """Makes sure that a program started by hand ends with the test."""
        self.addCleanup(process.wait)
        self.addCleanup(process.popen.kill)
        return process


class ClusterTestCase(TestCase):
    """One cluster for all tests of the class, each of which keeps to rooms of its own."""

    n_edges = 2
    router_options = {}
    edge_options = {}
    edge_wrap = ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(edges=cls.n_edges, router=cls.router_options, edge=cls.edge_options,
                              edge_wrap=cls.edge_wrap)
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        self.room = self.id().rsplit(".", 1)[-1][:100]

    def connect(self, *where, **how):
        client = self.cluster.connect(*where, **how)
        self.addCleanup(client.close_socket)
        return client

    def open(self, *where, **how):
        client = self.cluster.open(*where, **how)
        self.addCleanup(client.close_socket)
        return client
