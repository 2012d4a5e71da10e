"""The link over TLS, with certificates at both ends."""

import unittest

import certs
import rawhttp
from harness import TestCase


@unittest.skipIf(certs.missing(), certs.missing())
class LinkTls(TestCase):
    expected_seconds = 5

    def setUp(self):
        self.cluster = self.start_cluster(edges=0)
        self.cluster.router.stop()
        self.folder = self.cluster.folder
        authority = certs.Authority(self.folder, "ca")
        self.other_authority = certs.Authority(self.folder, "other-ca")
        authority.issue("router", "127.0.0.1", names="")
        authority.issue("edge", "edge", names="")
        self.cluster.router = self.cluster.start_router(
            listen="tls+tcp://127.0.0.1:0", **self.files("router", "ca"))

    def files(self, name, authority):
        return certs.link_options(self.folder, name, authority)

    def test_edges_with_a_certificate_of_the_authority_serve(self):
        edges = [self.cluster.start_edge(f"edge-{i}", **self.files("edge", "ca")) for i in (1, 2)]
        alice, bob = [self.cluster.connect(edge, user) for edge, user in zip(edges, "ab")]
        bob.join("room")
        for n in range(200):
            alice.publish("room", "x" * 5000)
            bob.expect("chat", seq=n + 1)

    def test_other_certificates_are_refused_at_both_ends(self):
        self.other_authority.issue("stranger", "edge", names="")
        for name, files in (("wrong-edge", self.files("stranger", "ca")),
                            ("wrong-router", self.files("edge", "other-ca"))):
            with self.subTest(name=name):
                edge = self.cluster.spawn_edge(name, **files).wait_ready()
                edge.wait_for_line("link_down")
                self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 503)
        self.cluster.start_edge("right", **self.files("edge", "ca"))


if __name__ == "__main__":
    unittest.main()
