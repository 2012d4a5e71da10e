"""Whose address a connection has, when proxies say so and when they may not."""

import socket
import struct
import unittest

import rawhttp
import ws
from harness import ClusterTestCase, metrics_of, wait_until

PROXY = "127.0.0.1"  # trusted
STRANGER = "127.0.0.2"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_v2(source="198.51.100.1", command=1, tlvs=b"", family=None):
    """A PROXY v2 header of a client that comes from `source`."""
    v6 = ":" in source
    kind = socket.AF_INET6 if v6 else socket.AF_INET
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, "::1" if v6 else "127.0.0.9")
    block = addresses + struct.pack(">HH", 4711, 443) + tlvs
    family = family if family is not None else 0x21 if v6 else 0x11
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(block)) + block


class AddressTestCase(ClusterTestCase):
    n_edges = 1

    def address_of(self, client):
        """As the router tells operators."""
        client.join(self.room)
        row, = self.cluster.rows("client", client.connected["clientId"])
        in_list, = [one["address"] for one in self.cluster.rows("clients")
                    if one["client"] == row["client"]]
        self.assertEqual(row["address"], in_list)
        return row["address"]


class Fields(AddressTestCase):
    edge_options = {"trusted_proxies": [PROXY, "10.0.0.0/8"], "log_level": "debug"}

    def assert_address(self, fields, expected, source=PROXY):
        client = self.connect(fields=fields, source=source)
        self.assertEqual(self.address_of(client), expected)
        client.close()

    def test_the_right_most_address_that_is_no_proxys_is_the_clients(self):
        for value, expected in (("198.51.100.1", "198.51.100.1"),
                                ("203.0.113.7, 198.51.100.1", "198.51.100.1"),
                                ("203.0.113.7, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
                                ("2001:db8::7, 10.1.2.3", "2001:db8::7"),
                                ("::ffff:198.51.100.1", "198.51.100.1"),
                                ("203.0.113.7, nonsense", PROXY)):
            with self.subTest(value=value):
                self.assert_address([("X-Forwarded-For", value)], expected)

    def test_several_fields_are_one_list(self):
        self.assert_address([("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "198.51.100.1"),
                             ("X-Forwarded-For", "10.1.2.3")], "198.51.100.1")

    def test_the_real_ip_counts_without_a_list(self):
        self.assert_address([("X-Real-IP", "198.51.100.1")], "198.51.100.1")
        self.assert_address([("X-Real-IP", "203.0.113.7"), ("X-Forwarded-For", "198.51.100.1")],
                            "198.51.100.1")

    def test_a_stranger_is_not_believed(self):
        self.assert_address([("X-Forwarded-For", "198.51.100.1"), ("X-Real-IP", "198.51.100.1")],
                            STRANGER, source=STRANGER)

    def test_pages_of_the_same_host_are_its_own_also_if_tls_ends_at_the_proxy(self):
        page = ("Origin", "https://%s:%d" % self.cluster.edges[0].address)
        self.connect(fields=[page, ("X-Forwarded-Proto", "https")]).close()
        for source, fields in ((PROXY, [page]),
                               (STRANGER, [page, ("X-Forwarded-Proto", "https")])):
            with self.assertRaises(ws.Refused) as refused:
                self.connect(fields=fields, source=source)
            self.assertEqual(refused.exception.response.status, 403)

    def test_the_log_names_the_client(self):
        edge = self.cluster.edges[0]
        self.connect(user="logged", fields=[("X-Forwarded-For", "198.51.100.77")])
        line = edge.wait_for_line(r" info opened .*user=logged")
        self.assertIn(" address=198.51.100.77 ", line)


class ProxyTestCase(AddressTestCase):
    def refusals(self, result):
        name = f'weir_edge_handshakes_total{{result="{result}"}}'
        return metrics_of(self.cluster.edges[0].ops)[name]

    def assert_dropped(self, data, result, source=PROXY):
        before = self.refusals(result)
        stream = rawhttp.Stream(self.cluster.edges[0].address, source=source)
        self.addCleanup(stream.close)
        try:
            stream.send(data)
        except rawhttp.EndOfStream:
            pass  # it was not even read
        self.assertEqual(stream.take_all(), b"")
        wait_until(lambda: self.refusals(result) == before + 1, f"one more refusal {result}")


class ProxyProtocol(ProxyTestCase):
    edge_options = {"trusted_proxies": [PROXY], "proxy_protocol": True}

    def test_the_header_names_the_client(self):
        for source in ("198.51.100.1", "2001:db8::7"):
            for tlvs in (b"", b"\x04\x00\x03abc\x01\x00\x08http/1.1"):
                with self.subTest(source=source, tlvs=tlvs):
                    client = self.connect(before=proxy_v2(source, tlvs=tlvs))
                    self.assertEqual(self.address_of(client), source)
                    client.close()

    def test_a_balancer_may_connect_for_itself(self):
        client = self.connect(before=SIGNATURE + b"\x20\x00\x00\x00")
        self.assertEqual(self.address_of(client), PROXY)
        stream = rawhttp.Stream(self.cluster.edges[0].address)
        self.addCleanup(stream.close)
        stream.send(SIGNATURE + b"\x20\x00\x00\x00" + rawhttp.request("/ready"))
        self.assertTrue(stream.take_all().startswith(b"HTTP/1.1 200 "))

    def test_a_client_behind_the_header_is_no_proxy(self):
        client = self.connect(before=proxy_v2("198.51.100.1"),
                              fields=[("X-Forwarded-For", "203.0.113.7")])
        self.assertEqual(self.address_of(client), "198.51.100.1")

    def test_a_proxy_behind_the_header_is_believed(self):
        client = self.connect(before=proxy_v2(PROXY), fields=[("X-Forwarded-For", "203.0.113.7")])
        self.assertEqual(self.address_of(client), "203.0.113.7")

    def test_what_is_no_header_is_dropped_and_counted(self):
        for data in (rawhttp.request("/health"), b"PROXY TCP4 198.51.100.1 127.0.0.9 4711 443\r\n",
                     proxy_v2(family=0x12), proxy_v2(command=2),
                     proxy_v2(tlvs=b"\x03\x00\x04\0\0\0\0"), proxy_v2(tlvs=b"\x04\x00\x09")):
            with self.subTest(data=data):
                self.assert_dropped(data + rawhttp.request("/health"), "400")

    def test_a_stranger_is_dropped_whatever_he_sends(self):
        edge = self.cluster.edges[0]
        self.assert_dropped(proxy_v2() + rawhttp.request("/health"), "403", STRANGER)
        self.assert_dropped(rawhttp.request("/health"), "403", STRANGER)
        edge.wait_for_line(rf" proxy_refused address={STRANGER} reason=.*trusted-proxies")


class Deadline(ProxyTestCase):
    expected_seconds = 2
    edge_options = {**ProxyProtocol.edge_options, "handshake_timeout": "500ms"}

    def test_a_header_must_come_in_time(self):
        for start in (b"", SIGNATURE, proxy_v2()[:-1]):
            with self.subTest(start=start):
                self.assert_dropped(start, "408")


if __name__ == "__main__":
    unittest.main()
