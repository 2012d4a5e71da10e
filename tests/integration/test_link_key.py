"""Who may connect to the router as an edge."""

import unittest

import rawhttp
import ws
from harness import TestCase, wait_until

OTHER_KEY = b"another-link-key-of-32-bytes-abc"


class LinkKey(TestCase):
    expected_seconds = 4

    def setUp(self):
        self.cluster = self.start_cluster(edges=2)
        self.clients = [self.cluster.connect(i, f"user-{i}") for i in range(2)]
        for client in self.clients:
            client.join("room")

    def assert_stays_out(self, edge, said):
        edge.wait_ready()
        self.cluster.router.wait_for_line(said)
        edge.wait_for_line(said)
        self.assertEqual(rawhttp.get(edge.ops, "/health").status, 200)
        self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 503)
        with self.assertRaises(ws.Refused) as caught:
            self.cluster.open(edge, self.cluster.token())
        self.assertEqual(caught.exception.response.status, 503)
        self.assertIsNotNone(caught.exception.response.one("Retry-After"))
        self.assertEqual({row["edge"] for row in self.cluster.rows("edges")}, {"edge-1", "edge-2"})
        for n in range(20):
            self.clients[0].publish("room", str(n))
            self.clients[1].expect("chat", text=str(n))

    def test_a_wrong_key_is_refused(self):
        path = self.cluster.write("other.key", OTHER_KEY)
        edge = self.cluster.spawn_edge("rogue", link_key_file=path)
        self.assert_stays_out(edge, "bad_key")
        for process in (edge, self.cluster.router):
            self.assertNotIn(OTHER_KEY.decode(), process.text())

    def test_no_key_is_refused(self):
        edge = self.cluster.spawn_edge("rogue", link_key_file="")
        self.assert_stays_out(edge, "bad_key")

    def test_an_edge_with_a_key_does_not_trust_a_router_without(self):
        router = self.start_cluster(edges=0, router={"link_key_file": ""})
        edge = router.spawn_edge("edge").wait_ready()
        edge.wait_for_line("bad_key")
        self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 503)

    def test_a_taken_name_is_refused_while_its_owner_lives(self):
        edge = self.cluster.spawn_edge("edge-1")
        self.assert_stays_out(edge, "duplicate_name")
        self.cluster.edges[0].stop()
        wait_until(edge.is_ready, "it gets the name once it is free")

    def test_a_key_of_its_own_binds_a_name(self):
        cluster = self.start_cluster(edges=0)
        own = cluster.write("own.key", OTHER_KEY)
        paths = [cluster.write("a.key", b"a" * 32), cluster.write("b.key", b"b" * 32)]
        cluster.router.stop()
        cluster.router = cluster.start_router(
            link_key_file=[f"a={paths[0]}", f"b={paths[1]}"])
        cluster.start_edge("a", link_key_file=paths[0])
        cluster.start_edge("b", link_key_file=paths[1])
        for name, key in (("a2", paths[0]), ("c", own)):
            edge = cluster.spawn_edge(name, link_key_file=key).wait_ready()
            edge.wait_for_line("bad_key")
            self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 503)


if __name__ == "__main__":
    unittest.main()
