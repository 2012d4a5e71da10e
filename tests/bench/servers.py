"""The servers that run compares, each started anew for a run on free ports of the loopback and ended by
its process id. A server has `protocol` (of weir-bench), `addresses` for clients, and `pids`: all
processes whose CPU and memory count.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import certs  # noqa: E402
import harness  # noqa: E402
import pkeys  # noqa: E402, F401 (for `run`)

NO_IO_URING = os.path.join(HERE, "..", "integration", "no_io_uring.py")
NODE_FOLDER = os.path.join(harness.BUILD, "bench")
PATIENCE_S = 60
ATTEMPTS = 3


class NotListening(Exception):
    """A server ended, or took too long."""


def free_port():
    """Free just now: these servers do not tell which port they took. Should somebody be quicker, the
    server ends and is started again with another."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotListening(f"{process.args[0]} does not listen on {port}") from None
            time.sleep(0.05)


class Weir:
    """A router and two edges with one worker thread each."""

    protocol = "weir"

    def __init__(self, tls=False, key=None, io_uring=True, router=None, **options):
        """`options` are the edges', `router` the router's; with a jwt_key of their own, `key` is the file of the HMAC key.
        Without `io_uring` the kernel refuses it to the edges."""
        how = {"threads": 1, "drain_timeout": "1s", **options}
        self.cluster = harness.Cluster(
            edges=0 if tls else 2, router={"listen": "tcp://127.0.0.1:0", "rate_fanout": "0", **(router or {})},
            edge=how, edge_wrap=() if io_uring else (sys.executable, NO_IO_URING))
        if tls:
            files = self._certificate()
            for name in ("edge-1", "edge-2"):
                self.cluster.start_edge(name, listen_tls="127.0.0.1:0", **files)
        self.key = key or os.path.join(self.cluster.folder, "jwt.key")
        self.addresses = ["{}:{}".format(*(edge.tls_address if tls else edge.address))
                          for edge in self.cluster.edges]
        self.pids = [p.popen.pid for p in (self.cluster.router, *self.cluster.edges)]

    def _certificate(self):
        authority = certs.Authority(self.cluster.folder)
        cert, key = authority.issue("server")
        # So that a session of one edge is taken up by the other.
        tickets = self.cluster.write("tickets.key", os.urandom(32).hex())
        return {"tls_cert": cert, "tls_key": key, "tls_ticket_key_file": tickets}

    def token(self, user):
        return self.cluster.token(user)

    def stop(self):
        self.cluster.stop()


class Foreign:
    """Programs of others, in a folder of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="bench-")
        self.processes = []
        self.addresses = []
        self.key = os.path.join(self.folder, "jwt.key")
        with open(self.key, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(harness.JWT_KEY)
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        self.pids = [p.pid for p in self.processes]

    def token(self, user):
        return harness.jwts.make(harness.JWT_KEY, {"sub": user})

    def _start_all(self):
        for attempt in range(ATTEMPTS):
            try:
                self.start()
                return
            except NotListening:
                if attempt == ATTEMPTS - 1:
                    raise
                self._end_all()

    def spawn(self, *argv, **how):
        process = subprocess.Popen(argv, cwd=self.folder, stderr=subprocess.DEVNULL,
                                   **{"stdout": subprocess.DEVNULL, **how})
        self.processes.append(process)
        return process

    def _end_all(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes, self.addresses = [], []

    def stop(self):
        self._end_all()
        shutil.rmtree(self.folder)


class Nats(Foreign):
    """One nats-server, which has threads for all cores. It checks no token. Two of them in a cluster
    lose what is published before each knows of the other's subscriptions, and nobody tells when that
    is; one is also cheaper, so this is in its favour."""

    protocol = "nats"

    def start(self):
        port = free_port()
        conf = os.path.join(self.folder, "nats.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""host: 127.0.0.1
port: {free_port()}
ping_interval: "10m"
max_pending: 256MB
websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}
""")
        wait_for_port(port, self.spawn("nats-server", "-c", conf))
        self.addresses.append(f"127.0.0.1:{port}")


class Node(Foreign):
    """Two processes of node/server.mjs at one Redis."""

    protocol = "weir"

    def start(self):
        port = free_port()
        epoch = f"{time.time_ns():x}"
        wait_for_port(port, self.spawn("redis-server", "--bind", "127.0.0.1", "--port", str(port),
                                       "--save", "", "--appendonly", "no"))
        for _ in range(2):
            process = self.spawn("node", os.path.join(HERE, "node", "server.mjs"),
                                 os.path.join(NODE_FOLDER, "node_modules", "ws"), str(port),
                                 self.key, epoch, stdout=subprocess.PIPE)
            ready = re.fullmatch(rb"ready (\d+)\n", process.stdout.readline())
            if ready is None:
                raise NotListening("the node server does not start")
            self.addresses.append(f"127.0.0.1:{int(ready[1])}")


SERVERS = {"Weir": Weir, "NATS": Nats, "Node": Node}


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.MULTILINE)[1]) * 1024


def cpu_s(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def install():
    """Debian's packages without starting their services, and ws."""
    script = ('root=$1; . "$root/deploy/lib.sh"; packages=(nats-server redis-server); '
              'command -v node >/dev/null || packages+=(nodejs npm); '
              'require_packages "${packages[@]}"')
    subprocess.run(["bash", "-c", script, "bash", harness.ROOT], check=True)
    if not os.path.isdir(os.path.join(NODE_FOLDER, "node_modules", "ws")):
        os.makedirs(NODE_FOLDER, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", NODE_FOLDER, "--no-save", "--silent", "ws@8"],
                       check=True)


def version_of(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def versions():
    with open(os.path.join(NODE_FOLDER, "node_modules", "ws", "package.json"),
              encoding="utf-8") as f:
        ws = re.search(r'"version": "(.*?)"', f.read())[1]
    return ", ".join((version_of("nats-server", "--version"),
                      version_of("redis-server", "--version").split(" sha=")[0],
                      "node " + version_of("node", "--version"), f"ws {ws}"))
