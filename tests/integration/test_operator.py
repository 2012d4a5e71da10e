"""What an operator sees: figures of the processes, readiness, edges and routers that are away."""

import json
import os
import re
import signal
import time
import unittest

import rawhttp
from harness import TestCase, metrics_of, reserve_port, wait_until

LINK_TIMEOUT_S = 6


class Figures(TestCase):
    def test_both_programs_report_their_process_under_the_usual_names(self):
        cluster = self.start_cluster(edges=1)
        for program in (cluster.router, cluster.edges[0]):
            with self.subTest(program=program.name):
                figures = metrics_of(program.ops)
                self.assertGreater(figures["process_resident_memory_bytes"], 1 << 20)
                self.assertGreater(figures["process_virtual_memory_bytes"],
                                   figures["process_resident_memory_bytes"])
                self.assertGreater(figures["process_cpu_seconds_total"], 0)
                self.assertAlmostEqual(figures["process_start_time_seconds"], time.time(),
                                       delta=30)
                folder = f"/proc/{program.popen.pid}/fd"
                self.assertAlmostEqual(figures["process_open_fds"], len(os.listdir(folder)),
                                       delta=3)
                self.assertGreaterEqual(figures["process_max_fds"], figures["process_open_fds"])


class Readiness(TestCase):
    expected_seconds = 4

    def ready(self, address):
        answer = rawhttp.get(address, "/ready")
        return answer.status, answer.body.decode().strip()

    def test_an_edge_without_its_router_says_so_while_it_is_still_ready(self):
        cluster = self.start_cluster(edges=1)
        edge = cluster.edges[0]
        self.assertEqual(self.ready(edge.ops), (200, "ok"))
        cluster.router.kill()
        for address in (edge.ops, edge.address):
            wait_until(lambda: self.ready(address)[1] != "ok", "the loss is seen")
            status, text = self.ready(address)
            self.assertEqual(status, 200)
            self.assertRegex(text, r"^ok, router lost \d+ s ago$")
        cluster.restart_router()
        wait_until(lambda: self.ready(edge.ops) == (200, "ok"), "it is back")

    def test_after_router_grace_it_is_not_ready(self):
        cluster = self.start_cluster(edges=1, edge={"router_grace": "1s"})
        cluster.router.kill()
        wait_until(lambda: self.ready(cluster.edges[0].ops)[0] == 503, "the grace is over")


class Absence(TestCase):
    expected_seconds = 12

    def test_an_edge_that_cannot_reach_its_router_says_so_at_once_and_then_less_often(self):
        cluster = self.start_cluster(edges=0)
        url = f"tcp://127.0.0.1:{reserve_port()}"
        edge = cluster.spawn_edge("edge", router=[url]).wait_ready()
        line = edge.wait_for_line(" warn router_unreachable ", timeout=2)
        self.assertIn(f"router={url}", line)
        self.assertRegex(line, r'reason="?[\w ]+')
        time.sleep(5)
        lines = [one for one in edge.lines if " router_unreachable " in one]
        self.assertIn(len(lines), (2, 3))  # after 2 s, and 4 s after that

    def test_an_edge_that_lost_its_router_says_so_again(self):
        cluster = self.start_cluster(edges=1)
        mark = cluster.edges[0].mark()
        cluster.router.kill()
        cluster.edges[0].wait_for_line(" link_down ", after=mark)
        cluster.edges[0].wait_for_line(" router_unreachable ", after=mark)

    def test_a_killed_edge_is_silent_until_it_is_forgotten(self):
        cluster = self.start_cluster(edges=2)

        def silent():
            return {row["edge"]: row["silent"] for row in cluster.rows("edges")}

        self.assertEqual(silent(), {"edge-1": False, "edge-2": False})
        cluster.edges[1].kill()
        wait_until(lambda: silent() == {"edge-1": False, "edge-2": True}, "it is silent", 2)
        wait_until(lambda: silent() == {"edge-1": False}, "it is forgotten", 2 * LINK_TIMEOUT_S)

    def test_an_edge_that_stands_still_is_silent_too(self):
        cluster = self.start_cluster(edges=1, router={"link_timeout": "20s"})
        edge = cluster.edges[0]
        edge.signal(signal.SIGSTOP)
        wait_until(lambda: cluster.rows("edges")[0]["silent"], "it is silent", 6)
        edge.signal(signal.SIGCONT)
        wait_until(lambda: not cluster.rows("edges")[0]["silent"], "it is back")


class Ending(TestCase):
    def test_the_last_line_says_stopped_and_the_ready_line_is_plain_in_both_formats(self):
        for log_format in ("text", "json"):
            with self.subTest(log_format=log_format):
                options = {"log_format": log_format}
                cluster = self.start_cluster(edges=1, edge=options, router=options)
                for program in (cluster.edges[0], cluster.router):
                    program.stop()
                    ready = [line for line in program.lines if line.startswith("ready ")]
                    self.assertEqual(len(ready), 1)
                    last = program.lines[-1]
                    event = json.loads(last)["event"] if log_format == "json" else \
                        re.search(r" info (\w+)", last)[1]
                    self.assertEqual(event, "stopped")


if __name__ == "__main__":
    unittest.main()
