"""A router, edges, a proxy in each link and the fleet of clients (fleet.py), as one thing to break."""

import json
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]

from harness import DEADLINE_S, SLOW, Cluster, metrics_of, parse_address, wait_until  # noqa: E402
from proxy import Proxy  # noqa: E402

N_EDGES = 3
N_ROOMS = 16
HISTORIES = (20, 500)  # messages of a room: with few there are gaps
THREADS = (1, 2, 4)  # of an edge
REST_S = 60 * SLOW  # at most, to come to rest
LINK_TIMEOUT_S = 3 * SLOW
ROUTER_OPTIONS = {"listen": "tcp://127.0.0.1:0", "link_timeout": f"{LINK_TIMEOUT_S:g}s",
                  "history_bytes": "256KiB", "history_age": "1h"}
EDGE_OPTIONS = {"lobby": "", "queue_limit": "256KiB", "publish_timeout": "5s",
                "router_grace": "30s", "drain_timeout": "2s", "log_level": "warn"}


def now_us():
    return time.monotonic_ns() // 1000


class Gateway:
    """The programs, the proxies and the fleet, as one thing to break."""

    def __init__(self, folder, seed, n_clients):
        self.folder = folder
        self.events = []
        rng = random.Random(f"{seed} gateway")
        self.history = rng.choice(HISTORIES)
        self.threads = rng.choice(THREADS)
        self.rooms = [f"room-{i}" for i in range(N_ROOMS)]
        self.cluster = Cluster(edges=0, edge={**EDGE_OPTIONS, "threads": self.threads},
                               router={**ROUTER_OPTIONS, "history_messages": self.history})
        self.link_address = parse_address(self.router.link_url.partition("//")[2])
        self.proxies = [Proxy(self.link_address) for _ in range(N_EDGES)]
        self.addresses = []
        for i in range(N_EDGES):
            self.cluster.start_edge(f"edge-{i}", router=[self.proxies[i].url])
            self.addresses.append(self.edges[i].address)
        self.fleet = self.start_fleet(seed, n_clients)

    @property
    def router(self):
        return self.cluster.router

    @property
    def edges(self):
        return self.cluster.edges

    def record(self, kind, *words):
        self.events.append([now_us(), kind, *words])

    # ---- the fleet

    def start_fleet(self, seed, n_clients):
        rng = random.Random(f"{seed} clients")
        clients = []
        for i in range(n_clients):
            allowed = sorted(rng.sample(self.rooms, N_ROOMS // 2))
            rights = {right: allowed for right in ("join", "publish", "history")}
            user = f"user-{i // 2}"  # two connections each
            clients.append({
                "user": user, "token": self.cluster.token(user, weir=rights), "allowed": allowed,
                "home": rng.sample(allowed, 3), "sluggish": i % 8 == 0})
        setup = os.path.join(self.folder, "setup.json")
        with open(setup, "w", encoding="utf-8") as f:
            json.dump({"seed": f"{seed} acts", "edges": self.addresses, "rooms": self.rooms,
                       "recording": self.fleet_recording, "clients": clients}, f)
        return subprocess.Popen([sys.executable, os.path.join(HERE, "fleet.py"), setup],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def fleet_recording(self):
        return os.path.join(self.folder, "fleet.jsonl")

    def order(self, **order):
        try:
            self.fleet.stdin.write(json.dumps(order).encode() + b"\n")
            self.fleet.stdin.flush()
        except OSError as e:
            raise AssertionError("the fleet has died") from e

    def order_and_wait(self, **order):
        """What keeps the clients from being quiet, "" if they are."""
        self.order(**order, within=REST_S)
        answer = self.fleet.stdout.readline()
        if not answer:
            raise AssertionError("the fleet has died")
        return json.loads(answer)["quiet"]

    # ---- programs

    def end_edge(self, i, number):
        self.edges[i].signal(number)
        if number == signal.SIGKILL:
            self.edges[i].wait()

    def start_edge(self, i):
        self.edges[i].wait(DEADLINE_S)
        host, port = self.addresses[i]
        self.edges[i] = self.cluster.spawn_edge(
            f"edge-{i}", router=[self.proxies[i].url], listen=f"{host}:{port}").wait_ready()

    def end_router(self, number):
        self.record("router", "down")
        self.router.signal(number)
        self.router.wait()

    def start_router(self):
        self.cluster.restart_router()
        self.record("router", "up")

    def write_recordings(self):
        """What the driver saw and what the programs said, beside what the clients saw."""
        with open(os.path.join(self.folder, "driver.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(event) + "\n" for event in self.events)
        with open(os.path.join(self.folder, "programs.log"), "w", encoding="utf-8") as f:
            for process in self.cluster.processes:
                print(f"---- {' '.join(process.argv)}", *process.lines, sep="\n", file=f)

    # ---- what they say

    def take_members(self):
        for room in self.rooms:
            began, clients = wait_until(lambda room=room: self.members_of(room),
                                        f"weirctl tells the members of {room}")
            self.record("members", began, room, clients)

    def members_of(self, room):
        """None if the admin socket is being listened on anew just now (weirctl says so and ends), or if
        an edge was away meanwhile: a machine that has no core for it for three seconds does that."""
        mark, began = self.router.mark(), now_us()
        if not self.all_edges_known():
            return None
        code, out, err = self.cluster.weirctl("--json", "members", room)
        if code not in (0, 3):
            raise AssertionError(f"weirctl members {room} exits with {code}: {out}{err}")
        clients = [json.loads(line)["client"] for line in out.splitlines()]
        lost = any(" edge_gone " in line for line in self.router.lines[mark:])
        return (began, clients) if code == 0 and not lost else None

    def all_edges_known(self):
        """Each has announced its clients, as its /ready says, and has not been given up since."""
        gone = set()
        for line in list(self.router.lines):
            words = line.split()
            if "edge_gone" in words or "edge_up" in words:
                edge = next(word for word in words if word.startswith("edge="))
                (gone.add if "edge_gone" in words else gone.discard)(edge)
        return not gone and all(edge.is_ready() for edge in self.edges)

    def sums(self):
        """Metrics beside what clients count."""
        edges = [metrics_of(edge.ops) for edge in self.edges]
        router = metrics_of(self.router.ops)

        def total(prefix):
            return sum(value for page in edges for name, value in page.items()
                       if name.startswith(prefix))

        return {
            "weir_router_published_total": ["acked", router["weir_router_published_total"]],
            "weir_router_deliveries_total":
                ["delivered", router["weir_router_deliveries_total"]],
            "websocket_messages_sent_total": [
                "delivered", total('websocket_messages_sent_total{type="chat"}')],
            "websocket_messages_received_total": [
                "received", total('websocket_messages_received_total{type="chat"}')],
            "weir_edge_rejected_total": ["rejected", total("weir_edge_rejected_total")],
            "weir_edge_dropped_total": ["nothing", total("weir_edge_dropped_total")],
        }

    def queued(self):
        names = ("weir_edge_queue_bytes", "weir_edge_link_inflight_bytes")
        edges = sum(metrics_of(edge.ops)[name] for edge in self.edges for name in names)
        return edges + metrics_of(self.router.ops)["weir_router_link_queue_bytes"]

    def take_memory(self, where):
        try:
            wait_until(lambda: self.queued() == 0, "all queues are empty")
        except AssertionError:
            pass  # the checker says so
        self.record("memory", "all queues", self.queued(), where)
        self.record("memory", "router fds", open_files(self.router), where)
        self.record("memory", "router rss", resident(self.router), where)
        clients = sum(metrics_of(edge.ops)["websocket_active_connections"] for edge in self.edges)
        files = sum(open_files(edge) for edge in self.edges)
        self.record("memory", "edges fds", files - int(clients), where)
        self.record("memory", "edges rss", sum(resident(edge) for edge in self.edges), where)


def open_files(process):
    return len(os.listdir(f"/proc/{process.popen.pid}/fd"))


def resident(process):
    with open(f"/proc/{process.popen.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
