#!/usr/bin/env python3
"""Takes the figures of RESULTS.md: one router and two edges on the loopback, each shape several times.

    tests/bench/measure.py [--repeat N] [--duration TIME] [SHAPE...]

Servers are started anew for each run, so that no run inherits the memory of another. Of the runs of
a shape the one with the median server CPU is printed whole: medians taken of each column would
describe a run that never was. With --load it waits until the machine is about as quiet as that. A
run that lost, repeated or reordered anything ends the script.

The programs are those of build/, or of BUILD_DIR.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402

BENCH_BIN = os.path.join(harness.BUILD, "tests", "bench", "weir-bench")
LINK_BENCH_BIN = os.path.join(harness.BUILD, "tests", "bench", "link-bench")
LOAD_PATIENCE_S = 300
RUN_TIMEOUT_S = 120

SHAPES = {
    # Four messages on their way to each member, and 64.
    "fanout": ["fanout", "--members", "1000", "--window", "4000"],
    "fanout-deep": ["fanout", "--members", "1000", "--window", "64000"],
    "rooms": ["rooms", "--rooms", "100", "--members", "10", "--window", "2560"],
    # 2000 messages a second to ten members each.
    "rooms-rate": ["rooms", "--rooms", "100", "--members", "10", "--rate", "2000"],
    "idle": ["idle", "--clients", "10000"],
    "churn": ["churn", "--clients", "50"],
}
LINK_SHAPES = [(mode, edges, batch)
               for mode in ("up", "down") for edges in (1, 4, 16) for batch in (1, 64)]


def wait_for_quiet(load):
    deadline = time.monotonic() + LOAD_PATIENCE_S
    while os.getloadavg()[0] > load and time.monotonic() < deadline:
        time.sleep(1)


def run_shape(words, duration):
    cluster = harness.Cluster(router={"listen": "tcp://127.0.0.1:0", "rate_fanout": "0"},
                              edge={"threads": 1, "drain_timeout": "1s"})
    try:
        argv = [BENCH_BIN, *words, "--json", "--progress", "no", "--duration", duration,
                "--key", os.path.join(cluster.folder, "jwt.key")]
        for edge in cluster.edges:
            argv += ["--edge", "{}:{}".format(*edge.address)]
        for server in (cluster.router, *cluster.edges):
            argv += ["--pid", str(server.popen.pid)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, timeout=RUN_TIMEOUT_S)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(argv)} exits with {done.returncode}\n"
                             f"{done.stdout.decode()}")
        return json.loads(done.stdout)
    finally:
        cluster.stop()


def row_of(shape, result):
    rate = result["cyclesPerS"] if shape == "churn" else result["deliveriesPerS"]
    latency = result["joiningUs" if shape in ("idle", "churn") else "latencyUs"]
    router, *edges = [server["cpuUsEach"] for server in result["servers"]]
    return [shape, f"{rate:.0f}", f"{result['serverCpuUsEach']:.2f}", f"{router:.2f}",
            f"{sum(edges):.2f}", f"{latency['p50'] / 1000:.2f}", f"{latency['p99'] / 1000:.2f}",
            f"{result['serverPssPerConnection']:.0f}"]


def measure_shape(shape, args):
    results = []
    for _ in range(args.repeat):
        wait_for_quiet(args.load)
        results.append(run_shape(SHAPES[shape], args.duration))
    key = "serverPssPerConnection" if shape == "idle" else "serverCpuUsEach"
    results.sort(key=lambda result: result[key])
    print("| " + " | ".join(row_of(shape, results[len(results) // 2])) + " |", flush=True)


def measure_link(args):
    for mode, edges, batch in LINK_SHAPES:
        lines = []
        for _ in range(args.repeat):
            wait_for_quiet(args.load)
            argv = [LINK_BENCH_BIN, mode, str(edges), str(batch), "2"]
            done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True,
                                  timeout=RUN_TIMEOUT_S)
            lines.append(done.stdout.strip())
        lines.sort(key=lambda line: float(re.search(r"router_us/item=([0-9.]+)", line)[1]))
        print(lines[len(lines) // 2], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--duration", default="5s")
    parser.add_argument("--load", type=float, default=1000, help="load average to wait for")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE",
                        help=f"{', '.join(SHAPES)} or link; all of them if none is given")
    args = parser.parse_args()
    shapes = args.shapes or [*SHAPES, "link"]
    for shape in shapes:
        if shape != "link" and shape not in SHAPES:
            parser.error(f"no shape {shape}")
    if shapes != ["link"]:
        print("| shape | /s | CPU us | router | edges | p50 ms | p99 ms | PSS a connection |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for shape in shapes:
        if shape == "link":
            measure_link(args)
        else:
            measure_shape(shape, args)


if __name__ == "__main__":
    main()
