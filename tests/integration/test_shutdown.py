"""SIGTERM, and starting again at once."""

import os
import signal
import socket
import time
import unittest

import rawhttp
from harness import (BUILD, EDGE_BIN, ROUTER_BIN, Edge, Process, TestCase, metrics_of, option_words,
                     wait_until)

STUCK = os.path.join(BUILD, "tests", "stuck.so")


class Shutdown(TestCase):
    expected_seconds = 4

    def test_an_edge_tells_its_clients_to_go_elsewhere_and_exits(self):
        cluster = self.start_cluster(edges=2, edge={"drain_timeout": "3s"})
        clients = [cluster.connect(0, f"user-{i}") for i in range(5)]
        other = cluster.connect(1, "other")
        for client in [*clients, other]:
            client.join("room")
        edge = cluster.edges[0]
        edge.signal(signal.SIGTERM)
        for client in clients:
            said = client.expect_close(1012, "restart")
            self.assertTrue(said["reconnect"])
            low, high = said["after"]
            self.assertLess(low, high)
        self.assertEqual(edge.wait(), 0)
        wait_until(lambda: other.publish("room")["members"] == 1, "the members are gone")

    def test_an_edge_stops_listening_and_is_not_ready_while_it_drains(self):
        cluster = self.start_cluster(edges=1, edge={"drain_timeout": "2s"})
        stuck = cluster.connect()  # never answers the close
        edge = cluster.edges[0]
        edge.signal(signal.SIGTERM)

        def refused():
            try:
                return rawhttp.get(edge.address, "/ready").status == 503
            except (ConnectionRefusedError, ConnectionResetError, rawhttp.EndOfStream):
                return True

        wait_until(refused, "no longer ready")
        self.assertEqual(edge.wait(10 * rawhttp.SLOW), 0)
        stuck.close_socket()

    def test_a_second_sigterm_ends_an_edge_at_once(self):
        cluster = self.start_cluster(edges=1, edge={"drain_timeout": "60s"})
        stuck = cluster.connect(receive_buffer=4096)
        stuck.join("room")
        sender = cluster.connect(user="sender")
        for n in range(12):  # so that the close frame has to wait behind them
            sender.publish("room", "x" * 50000)
        edge = cluster.edges[0]
        started = time.monotonic()
        edge.signal(signal.SIGTERM)
        sender.expect_close(1012, "restart")
        edge.signal(signal.SIGTERM)
        edge.wait()
        self.assertLess(time.monotonic() - started, 5 * rawhttp.SLOW)

    def test_who_was_not_told_yet_when_an_edge_ends_at_once_is_told_then(self):
        cluster = self.start_cluster(edges=1, edge={"drain_timeout": "60s"})
        edge, client = cluster.edges[0], cluster.connect()
        cluster.router.signal(signal.SIGSTOP)  # a drain waits for the answers of the router
        client.send({"type": "chat", "room": "tea", "id": "m"})
        client.ask_for("pong", type="ping")
        edge.signal(signal.SIGTERM)
        edge.wait_for_line(" stopping ")
        edge.signal(signal.SIGTERM)
        said = client.expect_close(1001, "going_away")
        self.assertTrue(said["reconnect"])
        cluster.router.signal(signal.SIGCONT)
        self.assertEqual(edge.wait(), 0)

    def test_clients_that_do_not_read_do_not_keep_an_edge_from_ending(self):
        cluster = self.start_cluster(edges=1, edge={"drain_timeout": "2s"})
        edge = cluster.edges[0]
        stuck = [cluster.connect(user=f"stuck-{i}", receive_buffer=4096) for i in range(20)]
        for client in stuck:
            client.join("room")
        sender = cluster.connect(user="sender")
        for _ in range(12):  # so that nothing more can be written to them
            sender.publish("room", "x" * 50000)
        self.assertGreater(metrics_of(edge.ops)["weir_edge_queue_bytes"], 20 * 50000)
        started = time.monotonic()
        edge.signal(signal.SIGTERM)
        sender.expect_close(1012, "restart")
        edge.wait()
        self.assertLess(time.monotonic() - started, 10 * rawhttp.SLOW)
        edge.wait_for_line(" drain_timeout ")

    def test_sigint_does_the_same(self):
        cluster = self.start_cluster(edges=1, edge={"drain_timeout": "1s"})
        for process in (cluster.edges[0], cluster.router):
            process.signal(signal.SIGINT)
            self.assertEqual(process.wait(), 0)

    def test_ports_and_sockets_can_be_used_again_at_once(self):
        cluster = self.start_cluster(edges=1)
        client = cluster.connect()
        address = cluster.edges[0].address
        cluster.edges[0].kill()
        cluster.router.kill()
        cluster.restart_router()
        listen = f"{address[0]}:{address[1]}"
        cluster.connect(cluster.start_edge("edge-again", listen=listen)).close()
        client.close_socket()

    def test_a_taken_port_is_said(self):
        cluster = self.start_cluster(edges=0)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            edge = self.start_process(cluster.spawn_edge("edge", listen=f"127.0.0.1:{port}"))
            cluster.processes.remove(edge)
            self.assertEqual(edge.wait(2 * rawhttp.SLOW), 1)
        self.assertRegex(edge.text(), rf"(?m)^error: .*listen: .*{port}")
        self.assertNotIn("ready listen", edge.text())


@unittest.skipUnless(os.path.exists(STUCK), "not with a sanitizer, which has to be loaded first")
class StuckLibrary(TestCase):
    """NNG never comes back from closing; what was to be done has been done by then."""

    expected_seconds = 7

    def test_programs_end_all_the_same_and_well(self):
        cluster = self.start_cluster(edges=0)
        router_words = option_words({**cluster.router_options,
                                     "listen": f"ipc://{cluster.folder}/other.sock",
                                     "admin": f"ipc://{cluster.folder}/other-admin.sock"})
        router = self.start_stuck(cluster, "router", ROUTER_BIN, router_words).wait_ready()
        edge_words = option_words({**cluster.edge_options, "name": "edge",
                                   "router": router.ready["listen"]})
        edge = self.start_stuck(cluster, "edge", EDGE_BIN, edge_words, kind=Edge).wait_ready()
        edge.wait_until_ready()
        client = cluster.connect(edge)
        router.signal(signal.SIGTERM)
        edge.wait_for_line("link_down")
        edge.signal(signal.SIGTERM)
        client.expect_close(1012, "restart")
        for process in (router, edge):
            self.assertEqual(process.wait(30 * rawhttp.SLOW), 0)
            process.wait_for_line("stuck_at_exit")

    def start_stuck(self, cluster, name, program, words, kind=Process):
        argv = ["env", f"LD_PRELOAD={STUCK}", program, *words]
        return self.start_process(kind(cluster.folder, name, argv))


if __name__ == "__main__":
    unittest.main()
