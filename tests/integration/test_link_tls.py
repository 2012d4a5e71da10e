"""The link over TLS, with certificates at both ends."""

import os
import shutil
import subprocess
import unittest

import rawhttp
from harness import SLOW, TestCase


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class LinkTls(TestCase):
    expected_seconds = 5

    def setUp(self):
        self.cluster = self.start_cluster(edges=0)
        self.cluster.router.stop()
        self.folder = self.cluster.folder
        self.authority("ca")
        self.authority("other-ca")
        self.certificate("router", "ca", "127.0.0.1")
        self.certificate("edge", "ca", "edge")
        self.cluster.router = self.cluster.start_router(
            listen="tls+tcp://127.0.0.1:0", **self.files("router", "ca"))

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True,
                       timeout=30 * SLOW)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                     "-days", "2")

    def certificate(self, name, authority, common_name):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={common_name}", "-keyout", f"{name}.key",
                     "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
                     f"{authority}.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem")
        os.chmod(os.path.join(self.folder, f"{name}.key"), 0o600)

    def files(self, name, authority):
        path = os.path.join(self.folder, "")
        return {"link_tls_cert": f"{path}{name}.pem", "link_tls_key": f"{path}{name}.key",
                "link_tls_ca": f"{path}{authority}.pem"}

    def test_edges_with_a_certificate_of_the_authority_serve(self):
        edges = [self.cluster.start_edge(f"edge-{i}", **self.files("edge", "ca")) for i in (1, 2)]
        alice, bob = [self.cluster.connect(edge, user) for edge, user in zip(edges, "ab")]
        bob.join("room")
        for n in range(200):
            alice.publish("room", "x" * 5000)
            bob.expect("chat", seq=n + 1)

    def test_other_certificates_are_refused_at_both_ends(self):
        self.certificate("stranger", "other-ca", "edge")
        for name, files in (("wrong-edge", self.files("stranger", "ca")),
                            ("wrong-router", self.files("edge", "other-ca"))):
            with self.subTest(name=name):
                edge = self.cluster.spawn_edge(name, **files).wait_ready()
                edge.wait_for_line("link_down")
                self.assertEqual(rawhttp.get(edge.ops, "/ready").status, 503)
        self.cluster.start_edge("right", **self.files("edge", "ca"))


if __name__ == "__main__":
    unittest.main()
