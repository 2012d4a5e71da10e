"""Weir behind the nginx and HAProxy of the distribution, with the configurations of deploy/."""

import unittest

import rawhttp
import ws
from harness import DEADLINE_S, TestCase, wait_until
from proxies import Haproxy, Nginx

EDGES_ADDRESS = "127.0.0.1"  # the proxies connect from here
SOURCES = ("127.0.0.2", "127.0.0.3", "127.9.8.7")
TRUSTING = {"trusted_proxies": [EDGES_ADDRESS]}
BIG = "x" * 100000


class Setup:
    """One way to run a proxy: what the edges are told, and how it is started."""

    edge_options = {}
    tells_addresses = True
    timeouts = ()  # texts of the configuration
    sticky = {}  # what makes an address stay with its edge, as its comments say

    @staticmethod
    def start(cluster, edges, changes=None):
        raise NotImplementedError


class NginxHttp(Setup):
    edge_options = TRUSTING
    timeouts = ("proxy_read_timeout 7d", "proxy_send_timeout 7d")
    sticky = {"\tleast_conn;": "", "# ip_hash;": "ip_hash;"}

    @staticmethod
    def start(cluster, edges, changes=None):
        return Nginx(cluster, edges, changes=changes or {}).wait_until_open()


class NginxStream(Setup):
    tells_addresses = False
    timeouts = ("proxy_timeout 7d",)
    sticky = {"\tleast_conn;": "", "# hash ": "hash "}

    @staticmethod
    def start(cluster, edges, changes=None):
        return Nginx(cluster, edges, stream=True, changes=changes or {}).wait_until_open()


class HaproxyHttp(Setup):
    edge_options = TRUSTING
    timeouts = ("timeout tunnel 7d",)
    sticky = {"balance leastconn": "", "# balance source": "balance source"}

    @staticmethod
    def start(cluster, edges, changes=None):
        return Haproxy(cluster, edges, "weir-http.cfg", changes).wait_until_open()


class HaproxyTcp(Setup):
    edge_options = {**TRUSTING, "proxy_protocol": True}
    timeouts = ("timeout tunnel 7d",)
    sticky = HaproxyHttp.sticky

    @staticmethod
    def start(cluster, edges, changes=None):
        return Haproxy(cluster, edges, "weir-tcp.cfg", changes).wait_until_open()


class ProxyTestCase(TestCase):
    setup = None

    def start(self, changes=None, **edge_options):
        self.cluster = self.start_cluster(edges=2, edge={**self.setup.edge_options, **edge_options})
        self.proxy = self.setup.start(self.cluster, self.cluster.edges, changes)

    def connect(self, user="alice", **how):
        """A client through the proxy."""
        return self.cluster.connect(self.proxy, user, **how)

    def row_of(self, client):
        row, = self.cluster.rows("client", client.connected["clientId"])
        return row


class Cases:
    """What holds behind each of the proxies; a class within a class is not run by itself."""

    class Proxied(ProxyTestCase):
        expected_seconds = 12

        def setUp(self):
            super().setUp()
            self.start()

        def connect_to_both(self):
            """Clients through the proxy that are on both edges: {edge: [client]}."""
            on = {"edge-1": [], "edge-2": []}

            def connect_one():
                n = len(on["edge-1"] + on["edge-2"])
                client = self.connect(f"user-{n}", source=SOURCES[n % len(SOURCES)])
                client.join("room")
                on[self.row_of(client)["edge"]].append(client)
                return n >= 4 and all(on.values())

            wait_until(connect_one, "clients are on both edges")
            return on

        def test_messages_of_all_sizes_pass_between_clients_of_both_edges(self):
            on = self.connect_to_both()
            everybody = on["edge-1"] + on["edge-2"]
            for text in ("small", BIG):
                on["edge-1"][0].publish("room", text)
                for client in everybody:
                    client.wait_for("chat", text=text)
            self.assertEqual(self.proxy.get("/health").status, 200)
            self.assertEqual(self.proxy.get("/ws").status, 426)

        def test_the_address_is_the_clients_whatever_it_says(self):
            for n, source in enumerate(SOURCES):
                for fields in ((), [("X-Forwarded-For", "203.0.113.7"),
                                    ("X-Real-IP", "203.0.113.8")]):
                    client = self.connect(f"user-{n}", source=source, fields=fields)
                    client.join("room")
                    expected = source if self.setup.tells_addresses else EDGES_ADDRESS
                    self.assertEqual(self.row_of(client)["address"], expected)

        def test_a_reload_of_the_proxy_closes_nobody(self):
            before = self.connect("before")
            before.join("room")
            self.proxy.reload()
            after = self.connect("after")
            after.join("room")
            for sender, receiver in ((before, after), (after, before)):
                sender.publish("room", "still here")
                receiver.wait_for("chat", text="still here", **{"from": sender.connected["clientId"]})
            before.close()
            after.close()

        def test_clients_of_a_killed_edge_come_back_to_the_other_and_miss_nothing(self):
            on = self.connect_to_both()
            stays, lost = on["edge-2"][0], on["edge-1"]
            last = stays.publish("room", "before")
            for client in lost:
                client.wait_for("chat", text="before")
            self.cluster.edges[0].kill()
            for client in lost:
                with self.assertRaises(rawhttp.EndOfStream):
                    client.next()
            stays.publish("room", "meanwhile")
            for n in range(len(lost)):
                again = self.connect(f"again-{n}")
                joined = again.join("room", since={"epoch": last["epoch"], "seq": last["seq"]})
                self.assertEqual([m["text"] for m in joined["messages"]],
                                 ["meanwhile", *(f"on it goes {i}" for i in range(n))])
                self.assertEqual(self.row_of(again)["edge"], "edge-2")
                again.publish("room", f"on it goes {n}")
                stays.wait_for("chat", text=f"on it goes {n}")

        def test_a_stopping_edge_sends_its_clients_to_the_other(self):
            on = self.connect_to_both()
            self.cluster.edges[0].popen.terminate()
            for client in on["edge-1"]:
                client.expect_close(1012, "restart")
            for n in range(len(on["edge-1"])):
                again = self.connect(f"again-{n}")
                again.join("room")
                self.assertEqual(self.row_of(again)["edge"], "edge-2")

        def test_no_token_is_in_a_log_of_the_proxy(self):
            token = self.cluster.token("alice")
            self.connect(token=token).close()
            self.proxy.get("/health")
            self.assertNotIn(token[-20:], self.proxy.text() + self.access_log())

        def access_log(self):
            return ""

    class Idle(ProxyTestCase):
        """The timeouts as deployed are 7 days; here they are made short enough to be met."""

        expected_seconds = 14

        def start_with(self, timeout, **edge_options):
            self.start({text: text.replace("7d", timeout) for text in self.setup.timeouts},
                       **edge_options)

        def test_the_pings_of_an_edge_keep_the_shortest_timeout_from_passing(self):
            self.start_with("8s", heartbeat_interval="500ms", heartbeat_timeout="60s")
            client = self.connect()
            for _ in range(20):  # 10 s, in which nobody says anything
                frame = client.recv_frame()
                self.assertEqual(frame.opcode, ws.PING)
                client.send_frame(ws.PONG, frame.payload)
            client.ask_for("pong", type="ping")

        def test_without_pings_it_is_the_timeout_that_ends_a_connection(self):
            self.start_with("1s", heartbeat_interval="1h", heartbeat_timeout="2h")
            self.connect().expect_end()

    class Sticky(ProxyTestCase):
        def test_an_address_stays_with_its_edge_if_that_is_wanted(self):
            self.start(self.setup.sticky)
            on = set()
            for _ in range(6):
                client = self.connect(source=SOURCES[0])
                client.join("room")
                on.add(self.row_of(client)["edge"])
            self.assertEqual(len(on), 1)

    class Checked(ProxyTestCase):
        expected_seconds = 10

        def test_a_failed_check_ends_no_connection(self):
            self.start(router_grace="1s")
            client = self.connect()
            self.cluster.router.kill()
            for server in ("edge1", "edge2"):
                self.proxy.wait_for_line(rf"Server \S+/{server} is DOWN", 3 * DEADLINE_S)
            client.ask_for("pong", type="ping")

    class Readiness(ProxyTestCase):
        def connect_beside_one_that_is_not_ready(self, wait=lambda proxy: None):
            self.cluster = self.start_cluster(edges=1, edge=self.setup.edge_options)
            nowhere = f"ipc://{self.cluster.folder}/nowhere.sock"
            lost = self.cluster.spawn_edge("lost", router=[nowhere]).wait_ready()
            self.proxy = self.setup.start(self.cluster, [lost, self.cluster.edges[0]])
            wait(self.proxy)
            for n in range(6):
                self.connect(f"user-{n}")


class BehindNginxHttp(Cases.Proxied):
    setup = NginxHttp

    def access_log(self):
        def read():
            with open(self.proxy.log, encoding="utf-8") as f:
                return f.read()
        wait_until(lambda: '"GET /" 101' in read(), "the request is in the log")
        return read()


class BehindNginxStream(Cases.Proxied):
    setup = NginxStream


class BehindHaproxyHttp(Cases.Proxied):
    setup = HaproxyHttp

    def access_log(self):
        self.proxy.wait_for_line(r" GET / 101 ")
        return ""


class BehindHaproxyTcp(Cases.Proxied):
    setup = HaproxyTcp


class IdleBehindNginxHttp(Cases.Idle):
    setup = NginxHttp


class IdleBehindNginxStream(Cases.Idle):
    setup = NginxStream


class IdleBehindHaproxyHttp(Cases.Idle):
    setup = HaproxyHttp


class IdleBehindHaproxyTcp(Cases.Idle):
    setup = HaproxyTcp


class StickyBehindNginxHttp(Cases.Sticky):
    setup = NginxHttp


class StickyBehindNginxStream(Cases.Sticky):
    setup = NginxStream


class StickyBehindHaproxyHttp(Cases.Sticky):
    setup = HaproxyHttp


class StickyBehindHaproxyTcp(Cases.Sticky):
    setup = HaproxyTcp


class CheckedByHaproxyHttp(Cases.Checked):
    setup = HaproxyHttp


class CheckedByHaproxyTcp(Cases.Checked):
    setup = HaproxyTcp


class ReadinessBehindNginxHttp(Cases.Readiness):
    setup = NginxHttp

    def test_who_meets_an_edge_that_cannot_serve_is_sent_to_the_other(self):
        self.connect_beside_one_that_is_not_ready()


class ReadinessBehindHaproxyHttp(Cases.Readiness):
    setup = HaproxyHttp

    def test_who_meets_an_edge_that_cannot_serve_is_sent_to_the_other(self):
        self.connect_beside_one_that_is_not_ready()


class ReadinessBehindHaproxyTcp(Cases.Readiness):
    setup = HaproxyTcp

    def test_an_edge_that_fails_its_checks_gets_nobody(self):
        self.connect_beside_one_that_is_not_ready(
            lambda proxy: proxy.wait_for_line(r"Server weir/edge1 is DOWN"))


class Version1(ProxyTestCase):
    """Why weir-stream.conf has no `proxy_protocol on`."""

    setup = NginxStream

    def test_nginx_names_clients_by_a_version_that_edges_refuse(self):
        cluster = self.start_cluster(edges=2, edge={**TRUSTING, "proxy_protocol": True})
        proxy = Nginx(cluster, cluster.edges, stream=True,
                      changes={"proxy_timeout 7d;": "proxy_timeout 7d; proxy_protocol on;"})
        proxy.wait_for_line("start worker process ")
        stream = rawhttp.Stream(proxy.address)
        self.addCleanup(stream.close)
        stream.send(rawhttp.request("/health"))
        self.assertEqual(stream.take_all(), b"")
        wait_until(lambda: any("reason=\"a PROXY header of version 1, not 2\"" in edge.text()
                               for edge in cluster.edges), "an edge says why")


if __name__ == "__main__":
    unittest.main()
