"""What scanners that others wrote find at the TLS port."""

import json
import os
import shutil
import subprocess
import unittest
from xml.etree import ElementTree

from harness import SLOW
from test_tls import TlsTestCase

# A scanner forks hundreds of times: 15 s on an idle machine. What takes longer than this hangs.
PATIENCE_S = 120 * SLOW
CIPHERS = {
    "TLSv1.2": {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                "ECDHE-ECDSA-CHACHA20-POLY1305"},
    "TLSv1.3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                "TLS_CHACHA20_POLY1305_SHA256"},
}


class Scanners(TlsTestCase):
    expected_seconds = 60
    n_edges = 1

    def scan(self, program, *words):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")
        try:
            return subprocess.run([program, *words], capture_output=True, text=True, check=False,
                                  timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return self.fail(f"{program} was not done in {PATIENCE_S:.0f} s")

    def target(self):
        return "{}:{}".format(*self.cluster.edges[0].tls_address)

    def test_sslscan_finds_two_versions_and_six_ciphers(self):
        done = self.scan("sslscan", "--no-colour", "--xml=-", self.target())
        found = ElementTree.fromstring(done.stdout).find("ssltest")
        self.assertIsNotNone(found, done.stdout)
        versions = {f"{p.get('type')}{p.get('version')}": p.get("enabled")
                    for p in found.iter("protocol")}
        self.assertEqual(versions, {"ssl2": "0", "ssl3": "0", "tls1.0": "0", "tls1.1": "0",
                                    "tls1.2": "1", "tls1.3": "1"})
        ciphers = {}
        for cipher in found.iter("cipher"):
            ciphers.setdefault(cipher.get("sslversion"), set()).add(cipher.get("cipher"))
        self.assertEqual(ciphers, CIPHERS)
        groups = {group.get("name") for group in found.iter("group")}
        self.assertTrue(any("25519" in name for name in groups), groups)
        self.assertFalse(groups - {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"})
        self.assertEqual(found.find("renegotiation").get("supported"), "0")
        self.assertEqual({h.get("vulnerable") for h in found.iter("heartbleed")}, {"0"})

    @unittest.skipIf(SLOW > 1, "settings are the same in a slower build")
    def test_testssl_finds_nothing_to_complain_about(self):
        report = os.path.join(self.files.folder, "testssl.json")
        self.scan("testssl", "--quiet", "--color", "0", "--warnings", "off", "-n", "none", "--ip",
                  "127.0.0.1", "--assume-http", "--connect-timeout", "10", "--openssl-timeout", "10",
                  "--protocols", "--renegotiation", "--jsonfile", report,
                  "https://" + self.target())
        with open(report, encoding="utf-8") as f:
            findings = {row["id"]: row for row in json.load(f)}
        for version, said in (("SSLv2", "not offered"), ("SSLv3", "not offered"),
                              ("TLS1", "not offered"), ("TLS1_1", "not offered"),
                              ("TLS1_2", "offered"), ("TLS1_3", "offered with final")):
            self.assertEqual(findings[version]["finding"], said, version)
        self.assertEqual(findings["secure_client_renego"]["severity"], "OK", findings)
        bad = [row for row in findings.values()
               if row["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")]
        self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()
