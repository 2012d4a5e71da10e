#!/usr/bin/env python3
"""What it costs when something stops.

    tests/bench/recovery.py [LANE...]      all of them if none is named

restart       10,000 members in 1,000 rooms: from the ready line of a new router until it knows them all
stopped-edge  one of four edges is stopped (SIGSTOP) for 2 and 20 s while clients of the other three
              exchange 1,000 messages a second, of which the stopped one should get a share: what these
              clients notice, and what the router keeps meanwhile
rtt           round trip of the link, as `weirctl edges` tells it, idle and under that load
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402
from crowd import BENCH_BIN, Crowd, wait_for_members  # noqa: E402

PATIENCE_S = 120
PREFIX = "recovery"
N_ROOMS = 100
ROUTER = {"listen": "tcp://127.0.0.1:0", "rate_fanout": "0"}
EDGE = {"threads": 1, "drain_timeout": "1s", "lobby": ""}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
RTT_SAMPLES = 10  # one comes each second


def cpu_s(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as f:
        words = f.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * TICK_S


def pss_mib(process):
    with open(f"/proc/{process.popen.pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:")) / 1024


def bench(cluster, edges, seconds):
    """weir-bench on those edges, about to load them."""
    argv = [BENCH_BIN, "rooms", "--rooms", str(N_ROOMS), "--members", "9", "--rate", "1000",
            "--warmup", "1s", "--duration", f"{seconds}s", "--prefix", PREFIX, "--json",
            "--key", os.path.join(cluster.folder, "jwt.key")]
    for edge in edges:
        argv += ["--edge", "{}:{}".format(*edge.address)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result_of(run):
    out, _ = run.communicate(timeout=PATIENCE_S)
    if run.returncode != 0:
        raise SystemExit(f"weir-bench exits with {run.returncode}\n{out.decode()}")
    latency = json.loads(out)["latencyUs"]
    return f"p50 {latency['p50'] / 1000:.2f} ms, p99 {latency['p99'] / 1000:.2f} ms"


def measure_restart():
    cluster = harness.Cluster(edges=2, router=ROUTER, edge=EDGE)
    try:
        crowd = Crowd(cluster, 10000, 1000, PATIENCE_S)
        try:
            for number in (signal.SIGKILL, signal.SIGTERM):
                cluster.router.signal(number)
                cluster.router.wait()
                took_s = wait_for_members(cluster.restart_router(), crowd.clients, PATIENCE_S)
                print(f"restart, {number.name}: all members known after {took_s:.2f} s, with "
                      f"{cpu_s(cluster.router):.2f} s of the router's CPU; "
                      f"{crowd.connected():.0f} clients connected", flush=True)
        finally:
            crowd.stop()
    finally:
        cluster.stop()


def measure_stop(cluster, crowd, seconds):
    router, stopped, healthy = cluster.router, cluster.edges[0], cluster.edges[1:]
    before = result_of(bench(cluster, healthy, 5))
    pss = [pss_mib(router)]
    run = bench(cluster, healthy, seconds)
    run.stderr.readline()  # the first second, which is the warm-up, is over
    stopped.signal(signal.SIGSTOP)
    most = pss_mib(router)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, pss_mib(router))
        time.sleep(0.1)
    stopped.signal(signal.SIGCONT)
    meanwhile = result_of(run)
    wait_for_members(router, crowd.clients, PATIENCE_S)
    pss += [most, pss_mib(router)]
    print(f"stopped-edge, {seconds} s: before {before}; meanwhile {meanwhile}; router before, at "
          f"most, after: {', '.join(f'{size:.1f}' for size in pss)} MiB", flush=True)


def measure_stopped_edge():
    for seconds in (2, 20):
        cluster = harness.Cluster(edges=4, router=ROUTER, edge=EDGE)
        try:
            crowd = Crowd(cluster, N_ROOMS, N_ROOMS, PATIENCE_S, cluster.edges[:1], PREFIX)
            try:
                measure_stop(cluster, crowd, seconds)
            finally:
                crowd.stop()
        finally:
            cluster.stop()


def print_rtt(cluster, what):
    samples = []
    for _ in range(RTT_SAMPLES):
        time.sleep(1)
        samples += [row["rttMs"] for row in cluster.rows("edges")]
    print(f"rtt, {what}: median {statistics.median(samples):.2f} ms, at most {max(samples):.2f} ms "
          f"({len(samples)} samples)", flush=True)


def measure_rtt():
    cluster = harness.Cluster(edges=4, router=ROUTER, edge=EDGE)
    try:
        print_rtt(cluster, "idle")
        run = bench(cluster, cluster.edges, RTT_SAMPLES + 2)
        reader = threading.Thread(target=run.communicate)  # or it would wait for us
        reader.start()
        print_rtt(cluster, "1,000 messages a second to nine members")
        reader.join(PATIENCE_S)
    finally:
        cluster.stop()


LANES = {"restart": measure_restart, "stopped-edge": measure_stopped_edge, "rtt": measure_rtt}


def main():
    names = sys.argv[1:] or list(LANES)
    for name in names:
        if name not in LANES:
            raise SystemExit(f"no lane {name}; there are {', '.join(LANES)}")
    for name in names:
        LANES[name]()


if __name__ == "__main__":
    main()
