"""Many idle members, held by weir-bench: more than a client of Python could."""

import os
import subprocess
import time

from harness import BUILD, DEADLINE_S, environment, metrics_of, wait_until

BENCH_BIN = os.path.join(BUILD, "tests", "bench", "weir-bench")
POLL_S = 0.02
HELD_S = 3600  # unless stopped


def members_of(router):
    return metrics_of(router.ops)["weir_router_members"]


def wait_for_members(router, count, timeout=DEADLINE_S):
    """The seconds it took the router to know them all."""
    began = time.monotonic()

    def all_there():
        time.sleep(POLL_S)  # the page is made by the thread that is being waited for
        return members_of(router) == count

    wait_until(all_there, f"the router knows {count} members", timeout)
    return time.monotonic() - began


class Crowd:
    """`clients` connections over `edges` (all of the cluster), each in one of `rooms`, once the
    constructor returns. Rooms are named PREFIX-0, PREFIX-1..."""

    def __init__(self, cluster, clients, rooms, timeout, edges=None, prefix="crowd"):
        self.cluster = cluster
        self.clients = clients
        argv = [BENCH_BIN, "idle", "--clients", str(clients), "--rooms", str(rooms),
                "--key", os.path.join(cluster.folder, "jwt.key"), "--progress", "no",
                "--timeout", f"{timeout:g}s", "--duration", f"{HELD_S}s", "--prefix", prefix]
        for edge in edges or cluster.edges:
            argv += ["--edge", "{}:{}".format(*edge.address)]
        self.bench = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, env=environment(cluster.folder))
        try:
            wait_for_members(cluster.router, clients, timeout)
        except BaseException:
            self.stop()
            raise

    def connected(self):
        return sum(metrics_of(edge.ops)["websocket_active_connections"]
                   for edge in self.cluster.edges)

    def stop(self):
        self.bench.kill()
        self.bench.wait()
