"""/health, /ready and /metrics, of both programs, and what the numbers say."""

import time
import unittest

import rawhttp
from harness import DEADLINE_S, ClusterTestCase, TestCase, metrics_of, wait_until
from rawhttp import exchange, request

EDGE_METRICS = {
    "websocket_active_connections", "websocket_messages_received_total",
    "websocket_messages_sent_total", "websocket_connection_duration_seconds",
    "weir_edge_handshakes_total", "weir_edge_closes_total", "weir_edge_bytes_total",
    "weir_edge_queue_bytes", "weir_edge_delivery_seconds", "weir_edge_router_up",
    "weir_edge_link_inflight_bytes", "weir_edge_dropped_total", "weir_edge_rejected_total",
    "weir_edge_unknown_items_total", "weir_log_dropped_total", "weir_reload_failed_total",
    "weir_build_info",
}
ROUTER_METRICS = {
    "weir_router_edges", "weir_router_rooms", "weir_router_members", "weir_router_published_total",
    "weir_router_deliveries_total", "weir_router_rejected_total", "weir_router_history_bytes",
    "weir_router_ignored_items_total",
    "weir_router_link_queue_bytes", "weir_router_route_seconds", "weir_log_dropped_total",
    "weir_reload_failed_total", "weir_build_info",
}


class Pages(ClusterTestCase):
    n_edges = 1

    def addresses(self):
        return {"edge": self.cluster.edges[0].ops, "router": self.cluster.router.ops}

    def test_health_and_ready_are_200(self):
        for name, address in self.addresses().items():
            for path in ("/health", "/ready"):
                with self.subTest(program=name, path=path):
                    self.assertEqual(rawhttp.get(address, path).status, 200)

    def test_other_paths_and_methods_are_refused(self):
        for name, address in self.addresses().items():
            with self.subTest(program=name):
                for path in ("/", "/metricsx", "/metrics/", "//metrics", "/..%2fmetrics"):
                    self.assertEqual(rawhttp.get(address, path).status, 404, path)
                for method in ("POST", "PUT", "DELETE"):
                    response = exchange(address, request("/metrics", method=method))
                    self.assertEqual(response.status, 405, method)

    def test_head_has_no_body(self):
        for address in self.addresses().values():
            for path in ("/health", "/metrics"):
                response = exchange(address, request(path, method="HEAD"))
                self.assertEqual((response.status, response.body), (200, b""))
                self.assertGreater(int(response.one("Content-Length")), 0)

    def test_metrics_is_a_prometheus_page(self):
        response = rawhttp.get(self.cluster.edges[0].ops, "/metrics")
        self.assertTrue(response.one("Content-Type").startswith("text/plain"))
        typed, named = set(), set()
        for line in response.body.decode().splitlines():
            if line.startswith("# TYPE "):
                typed.add(line.split()[2])
            elif line and not line.startswith("#"):
                self.assertRegex(line, r'^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? '
                                       r'[-+0-9.eInfNa]+$')
                named.add(line.split("{")[0].split(" ")[0])
        for name in named:
            base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            self.assertTrue({name, base} & typed, name)

    def test_all_metrics_of_the_protocol_are_there(self):
        for address, names in ((self.cluster.edges[0].ops, EDGE_METRICS),
                               (self.cluster.router.ops, ROUTER_METRICS)):
            page = rawhttp.get(address, "/metrics").body.decode()
            typed = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
            self.assertEqual(names - typed, set())



class Idlers(ClusterTestCase):
    """As many connections as an ops port takes at once, each of which has 5 s."""

    n_edges = 1
    # For a page of metrics that is larger than what the kernel takes for one who does not read.
    edge_options = {"message_types": [f"type-{n}" for n in range(1500)]}
    expected_seconds = 12
    N = 64
    LIMIT_S = 5

    def occupy(self, data, **how):
        address = self.cluster.edges[0].ops
        for _ in range(self.N):
            stream = rawhttp.Stream(address, **how)
            self.addCleanup(stream.close)
            stream.send(data)
        return address

    def assert_answers_in_time(self, address):
        started = time.monotonic()
        self.assertEqual(rawhttp.get(address, "/health").status, 200)
        took = time.monotonic() - started
        self.assertGreater(took, self.LIMIT_S / 2, "nobody was in the way")
        self.assertLess(took, self.LIMIT_S + 2 * rawhttp.SLOW)

    def test_many_who_ask_for_nothing_block_it_for_their_time_only(self):
        self.assert_answers_in_time(self.occupy(b""))

    def test_many_who_do_not_read_block_it_for_their_time_only(self):
        self.assert_answers_in_time(self.occupy(request("/metrics"), receive_buffer=4096))


class Numbers(ClusterTestCase):
    def edge(self, i=0):
        return metrics_of(self.cluster.edges[i].ops)

    def router(self):
        return metrics_of(self.cluster.router.ops)

    def assert_counted(self, read, before, expected):
        """`read()` is `before` plus `expected`. A frame is counted after the write that sent it, so
        its reader may be ahead of the page by that much."""
        def counted():
            now = read()
            return {name: now.get(name, 0) - before.get(name, 0) for name in expected}

        deadline = time.monotonic() + DEADLINE_S
        while counted() != expected and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(counted(), expected)

    def test_messages_are_counted_by_type(self):
        alice, bob = self.connect(0, "alice"), self.connect(1, "bob")
        for client in (alice, bob):
            client.join(self.room)
        edges, router = [self.edge(0), self.edge(1)], self.router()
        for _ in range(3):
            alice.publish(self.room)
            bob.expect("chat")
        alice.ask_for("ack", type="very-own", room=self.room)
        bob.expect("very-own")
        received, sent = "websocket_messages_received_total", "websocket_messages_sent_total"
        self.assert_counted(lambda: self.edge(0), edges[0], {
            received + '{type="chat"}': 3, received + '{type="other"}': 1,
            sent + '{type="chat"}': 3, sent + '{type="ack"}': 4})
        self.assert_counted(lambda: self.edge(1), edges[1], {
            sent + '{type="chat"}': 3, sent + '{type="other"}': 1})
        self.assert_counted(self.router, router, {
            "weir_router_published_total": 4, "weir_router_deliveries_total": 8})

    def test_connections_members_and_rooms_are_counted(self):
        before, router = self.edge(), self.router()
        clients = [self.connect(0, f"user-{i}") for i in range(3)]
        for client in clients:
            client.join(self.room)
        self.assert_counted(self.edge, before, {"websocket_active_connections": 3})
        self.assert_counted(self.router, router, {"weir_router_members": 3})
        for client in clients:
            client.close()
        self.assert_counted(self.router, router, {"weir_router_members": 0})
        self.assert_counted(self.edge, before, {
            "websocket_connection_duration_seconds_count": 3,
            'weir_edge_closes_total{reason="normal"}': 3})

    def test_refusals_are_counted_by_code(self):
        before = self.edge()
        alice = self.connect()
        alice.ask_for("error", type="leave", room=self.room)
        alice.ask_for("error", type="chat", room="user:bob")
        self.assert_counted(self.edge, before, {
            f'weir_edge_rejected_total{{code="{code}"}}': 1
            for code in ("not_member", "forbidden")})

    def test_the_duration_histogram_has_the_buckets_of_the_protocol(self):
        buckets = {name for name in self.edge()
                   if name.startswith("websocket_connection_duration_seconds_bucket")}
        self.assertEqual({name.split('le="')[1][:-2] for name in buckets},
                         {"60", "300", "900", "1800", "3600", "7200", "+Inf"})

    def test_no_label_holds_what_clients_send(self):
        alice = self.connect(user="very-private-user")
        alice.join("very-private-room")
        alice.ask_for("ack", type="very-private-type", room="very-private-room")
        for address in (self.cluster.edges[0].ops, self.cluster.router.ops):
            self.assertNotIn(b"very-private", rawhttp.get(address, "/metrics").body)


class WithoutARouter(TestCase):
    def test_health_does_not_depend_on_the_router_but_ready_does(self):
        cluster = self.start_cluster(edges=0)
        cluster.router.kill()
        edge = cluster.spawn_edge("alone").wait_ready()
        for address in (edge.ops, edge.address):
            self.assertEqual(rawhttp.get(address, "/health").status, 200)
            ready = rawhttp.get(address, "/ready")
            self.assertEqual(ready.status, 503)
            self.assertNotEqual(ready.body.strip(), b"")
        self.assertEqual(metrics_of(edge.ops)["websocket_active_connections"], 0)


if __name__ == "__main__":
    unittest.main()
