"""A router, edges, perhaps a proxy in each link, and the fleet of clients (fleet.py), as one thing to
break. Edges listen on ports that are reserved, so that clients who try a dead edge reach nobody."""

import heapq
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]

import certs  # noqa: E402
from harness import (DEADLINE_S, SLOW, Cluster, metrics_of, parse_address,  # noqa: E402
                     reserve_port, wait_until)
from proxy import Proxy  # noqa: E402

REST_S = 60 * SLOW  # at most, to come to rest


def now_us():
    return time.monotonic_ns() // 1000


class Gateway:
    """The programs, the proxies and the fleet, as one thing to break."""

    def __init__(self, folder, n_edges, rooms, router=None, edge=None, proxied=True,
                 tls=False):
        """`router`, `edge`: their options; `rooms`: those that are talked in; with `tls` edges listen
        for that too."""
        self.folder = folder
        self.events = []
        self.rooms = rooms
        self.fleet = None
        self.cluster = Cluster(edges=0, edge=edge, router=router)
        self.link_address = parse_address(self.router.link_url.partition("//")[2])
        self.proxies = [Proxy(self.link_address) for _ in range(n_edges if proxied else 0)]
        self.addresses = [("127.0.0.1", reserve_port()) for _ in range(n_edges)]
        self.tls_addresses = [("127.0.0.1", reserve_port()) for _ in range(n_edges if tls else 0)]
        self.authority = certs.Authority(folder) if tls else None
        self.cert, self.key = self.authority.issue("server") if tls else (None, None)
        try:
            for i in range(n_edges):
                self.cluster.start_edge(f"edge-{i}", **self.place_of(i))
        except BaseException:
            self.cluster.print_logs()
            self.cluster.kill_all()
            raise

    def place_of(self, i):
        """Where an edge listens, and where it finds the router."""
        host, port = self.addresses[i]
        url = self.proxies[i].url if self.proxies else self.router.link_url
        place = {"listen": f"{host}:{port}", "router": [url]}
        if self.tls_addresses:
            host, port = self.tls_addresses[i]
            place.update(listen_tls=f"{host}:{port}", tls_cert=self.cert, tls_key=self.key)
        return place

    @property
    def router(self):
        return self.cluster.router

    @property
    def edges(self):
        return self.cluster.edges

    def record(self, kind, *words):
        self.events.append([now_us(), kind, *words])

    # ---- the fleet

    def start_fleet(self, seed, clients, **setup):
        """`clients`: [{"user", "allowed" rooms, "home" rooms, ...}], as fleet.py takes them."""
        for client in clients:
            rights = {right: client["allowed"] for right in ("join", "publish", "history")}
            roles = ["admin"] if "pattern" in client else []
            client["token"] = self.cluster.token(client["user"], weir=rights, roles=roles)
        path = os.path.join(self.folder, "setup.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"seed": seed, "edges": self.addresses,
                       "tls_edges": self.tls_addresses,
                       "authority": self.authority and self.authority.path, "rooms": self.rooms,
                       "recording": self.fleet_recording, "clients": clients, **setup}, f)
        self.fleet = subprocess.Popen([sys.executable, os.path.join(HERE, "fleet.py"), path],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def fleet_recording(self):
        return os.path.join(self.folder, "fleet.jsonl")

    def attack(self, seconds):
        """All attacks at once by one user, for so long."""
        token = self.cluster.token("mallory")
        program = os.path.join(HERE, "..", "attacks", "attacker.py")
        where = [f"{token}@{host}:{port}" for host, port in self.addresses]
        return subprocess.Popen([sys.executable, program, str(seconds), *where],
                                stdout=subprocess.DEVNULL)

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

    def end_fleet(self):
        """Closes the recording; whatever happens, the process ends."""
        try:
            self.order(do="end")
            self.fleet.wait(DEADLINE_S)
        finally:
            self.kill_fleet()

    def kill_fleet(self):
        if self.fleet is not None:
            self.fleet.kill()
            self.fleet.communicate()
            self.fleet = None

    def recorded(self):
        """All events, those of the clients and those of the driver, in the order of their times."""
        with open(self.fleet_recording, encoding="utf-8") as f:
            yield from heapq.merge((json.loads(line) for line in f), self.events)

    # ---- programs

    def end_edge(self, i, number):
        self.edges[i].signal(number)
        if number == signal.SIGKILL:
            self.edges[i].wait()

    def start_edge(self, i):
        self.edges[i].wait(DEADLINE_S)
        self.edges[i] = self.cluster.spawn_edge(f"edge-{i}", **self.place_of(i)).wait_ready()

    def end_router(self, *numbers):
        """By one signal or several; returns the exit code."""
        self.record("router", "down")
        for number in numbers:
            self.router.signal(number)
        return self.router.wait()

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
        """Each that runs has announced its clients, as its /ready says, and has not been given up
        since."""
        gone = set()
        for line in list(self.router.lines):
            words = line.split()
            if "edge_gone" in words or "edge_up" in words:
                edge = next(word for word in words if word.startswith("edge="))
                (gone.add if "edge_gone" in words else gone.discard)(edge)
        return all(f"edge={edge.name}" not in gone and edge.is_ready()
                   for edge in self.edges if edge.running())

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
                "written", total('websocket_messages_sent_total{type="chat"}')],
            "websocket_messages_received_total": [
                "received", total('websocket_messages_received_total{type="chat"}')],
            "weir_edge_rejected_total": ["rejected", total("weir_edge_rejected_total")],
            "weir_edge_dropped_total": ["nothing", total("weir_edge_dropped_total")],
        }

    def queued(self):
        names = ("weir_edge_queue_bytes", "weir_edge_link_inflight_bytes")
        edges = sum(metrics_of(edge.ops)[name] for edge in self.edges for name in names)
        return edges + metrics_of(self.router.ops)["weir_router_link_queue_bytes"]

    def take_memory(self, where, resident_too=True):
        try:
            wait_until(lambda: self.queued() == 0, "all queues are empty")
        except AssertionError:
            pass  # the checker says so
        self.record("memory", "all queues", self.queued(), where)
        self.record("memory", "router fds", open_files(self.router), where)
        clients = sum(metrics_of(edge.ops)["websocket_active_connections"] for edge in self.edges)
        files = sum(open_files(edge) for edge in self.edges)
        self.record("memory", "edges fds", files - int(clients), where)
        if resident_too:
            self.record("memory", "router rss", resident(self.router), where)
            self.record("memory", "edges rss", sum(resident(e) for e in self.edges), where)


def open_files(process):
    return len(os.listdir(f"/proc/{process.popen.pid}/fd"))


def resident(process):
    with open(f"/proc/{process.popen.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
