"""TLS on the client port."""

import os
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

import certs
import rawhttp
import test_node_clients as node
import test_options as options
import ws
from harness import DEADLINE_S, SLOW, ClusterTestCase, TestCase, metrics_of, wait_until
from rawhttp import EndOfStream, Stream, exchange, request
from test_client_address import proxy_v2

TICKETS = "ticket-key-of-32-bytes-or-more-for-edges\n"
NEW_TICKETS = "another-ticket-key-that-replaces-the-one\n"
HALF_OPEN = 200


def client_context(authority, version=None, cert=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.path)
    if version is not None:
        # What we are to refuse must first be allowed here.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    if cert is not None:
        context.load_cert_chain(*cert)
    if alpn is not None:
        context.set_alpn_protocols(alpn)
    return context


class Files:
    """A folder with an authority, a server's certificate and ticket keys, and the options of an edge
    that uses them."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.folder = self.holder.name
        self.authority = certs.Authority(self.folder)
        self.cert, self.key = self.authority.issue("server")
        self.tickets = self.write("tickets", TICKETS)
        self.options = {"listen_tls": "127.0.0.1:0", "tls_cert": self.cert, "tls_key": self.key,
                        "tls_ticket_key_file": self.tickets}

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path


def client_hello(context):
    """The first bytes that a client of this context sends."""
    out = ssl.MemoryBIO()
    with_nobody = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        with_nobody.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


@unittest.skipIf(certs.missing(), certs.missing())
class TlsTestCase(ClusterTestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = Files()
        cls.addClassCleanup(cls.files.holder.cleanup)
        cls.edge_options = {**cls.files.options, **cls.edge_options}
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.context = client_context(self.files.authority)

    def counted(self, edge, name):
        return metrics_of(self.cluster.edges[edge].ops)[name]

    def wait_counted(self, edge, name, value):
        wait_until(lambda: self.counted(edge, name) >= value, f"{name} is {value}")


class Talking(TlsTestCase):
    expected_seconds = 5

    def test_clients_over_tls_and_without_share_rooms(self):
        alice = self.connect(0, "alice", tls=self.context)
        bob = self.connect(1, "bob", tls=self.context)
        carol = self.connect(1, "carol")
        for client in (alice, bob, carol):
            client.join(self.room)
        alice.publish(self.room, "sealed")
        carol.publish(self.room, "open")
        for client in (alice, bob, carol):
            client.expect("chat", text="sealed")
            client.expect("chat", text="open")

    def test_both_versions_carry_messages_of_all_sizes(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                room = f"{self.room}-{version.name}"
                context = client_context(self.files.authority, version)
                alice = self.connect(0, "alice", tls=context)
                bob = self.connect(1, "bob", tls=context)
                self.assertEqual(alice.stream.socket.version(), version.name.replace("_", "."))
                bob.join(room)
                for size in (0, 1, 16000, 16384, 16385, 32768, 90000):
                    alice.publish(room, "x" * size)
                    self.assertEqual(len(bob.expect("chat")["text"]), size)

    def test_many_small_messages_at_once_arrive_in_order(self):
        alice = self.connect(0, "alice", tls=self.context)
        bob = self.connect(1, "bob", tls=self.context)
        bob.join(self.room)
        frames = b"".join(
            ws.encode_frame(ws.TEXT, f'{{"type":"chat","room":"{self.room}","n":{n}}}'.encode())
            for n in range(2000))
        alice.send_bytes(frames)
        for n in range(2000):
            bob.expect("chat", n=n)

    def test_the_closing_handshake_ends_with_close_notify(self):
        client = self.connect(0, tls=self.context)
        client.send_frame(ws.CLOSE, ws.close_payload(1000))
        client.expect_close(1000, end=False)
        with self.assertRaisesRegex(EndOfStream, "end of file"):
            client.stream.take(1)

    def test_an_http_answer_ends_with_close_notify(self):
        stream = Stream(self.cluster.edges[0].tls_address, tls=self.context)
        self.addCleanup(stream.close)
        stream.send(request("/health"))
        self.assertEqual(rawhttp.read_response(stream).status, 200)
        with self.assertRaisesRegex(EndOfStream, "end of file"):
            while True:
                stream.take(1)

    def test_pages_are_served_and_wrong_paths_refused(self):
        address = self.cluster.edges[0].tls_address
        for path, status in (("/health", 200), ("/ready", 200), ("/nowhere", 404), ("/", 426)):
            response = exchange(address, request(path), tls=self.context)
            self.assertEqual(response.status, status, path)

    def test_the_own_origin_is_https(self):
        host, port = self.cluster.edges[0].tls_address
        for scheme, allowed in (("https", True), ("http", False)):
            with self.subTest(scheme=scheme):
                fields = [("Origin", f"{scheme}://{host}:{port}")]
                if allowed:
                    self.connect(0, tls=self.context, fields=fields)
                else:
                    with self.assertRaisesRegex(ws.Refused, "403"):
                        self.open(0, tls=self.context, fields=fields)

    def test_a_token_that_is_bad_is_told_by_code(self):
        client = self.open(0, "x.y.z", tls=self.context)
        client.expect_close(4002, "invalid_token")


    def test_clients_that_others_wrote_are_served(self):
        if node.missing():
            self.skipTest(node.missing())
        port = self.cluster.edges[0].tls_address[1]
        url = f"wss://localhost:{port}/?token=" + self.cluster.token("node")
        for program in ("doubling.js", "patient.js"):
            with self.subTest(program=program):
                client = node.NodeClient(program, url, NODE_EXTRA_CA_CERTS=self.files.authority.path)
                self.addCleanup(client.stop)
                client.expect("open")
                client.wait_for_message("connected")
                client.act(send={"type": "chat", "text": program})
                client.wait_for_message("chat", text=program)


class Handshakes(TlsTestCase):
    expected_seconds = 8
    n_edges = 2

    def stream(self, edge=0, context=None, session=None):
        stream = Stream(self.cluster.edges[edge].tls_address, tls=context or self.context,
                        session=session)
        self.addCleanup(stream.close)
        return stream

    def assert_refused(self, context, said):
        failed = 'weir_edge_handshakes_total{result="tls"}'
        before = self.counted(0, failed)
        with self.assertRaisesRegex(ssl.SSLError, said):
            self.stream(0, context)
        self.wait_counted(0, failed, before + 1)

    def test_old_versions_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.subTest(version=version):
                self.assert_refused(client_context(self.files.authority, version),
                                    "alert protocol version|ALERT_PROTOCOL_VERSION")

    def test_ciphers_without_forward_secrecy_are_refused(self):
        for ciphers in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-NULL-SHA"):
            with self.subTest(ciphers=ciphers):
                context = client_context(self.files.authority, ssl.TLSVersion.TLSv1_2)
                context.set_ciphers(ciphers + ":@SECLEVEL=0")
                self.assert_refused(context, "alert handshake failure|ALERT_HANDSHAKE_FAILURE")

    def test_http_1_1_is_agreed_on_by_alpn(self):
        for offer, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"),
                              (None, None)):
            with self.subTest(offer=offer):
                stream = self.stream(0, client_context(self.files.authority, alpn=offer))
                self.assertEqual(stream.socket.selected_alpn_protocol(), chosen)
        self.assert_refused(client_context(self.files.authority, alpn=["h2"]),
                            "(?i)no.application.protocol")

    def test_a_session_is_resumed_at_another_edge(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                context = client_context(self.files.authority, version)
                session = None
                for n, edge in enumerate((0, 1, 1, 0)):
                    stream = self.stream(edge, context, session)
                    stream.send(request("/health"))
                    rawhttp.read_response(stream)  # a TLS 1.3 ticket comes before it
                    self.assertEqual(stream.socket.session_reused, n > 0)
                    session = stream.socket.session

    def test_renegotiation_is_refused(self):
        host, port = self.cluster.edges[0].tls_address
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        said = []
        agreed = threading.Event()

        def read():
            for line in client.stdout:
                said.append(line)
                if "Verify return code" in line:
                    agreed.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.assertTrue(agreed.wait(DEADLINE_S), said)
        client.stdin.write("R\n")
        client.stdin.flush()
        client.wait(DEADLINE_S)
        reader.join(DEADLINE_S)
        client.stdin.close()
        client.stdout.close()
        self.assertIn("RENEGOTIATING", "".join(said))
        self.assertRegex("".join(said), "no renegotiation")

    def test_names_that_nobody_here_has_get_the_certificate(self):
        context = client_context(self.files.authority)
        context.check_hostname = False
        for name in (None, "nowhere.example", "a" * 63 + ".example"):
            with self.subTest(name=name):
                with socket.create_connection(self.cluster.edges[0].tls_address) as plain:
                    plain.settimeout(DEADLINE_S)
                    with context.wrap_socket(plain, server_hostname=name) as sock:
                        self.assertIsNotNone(sock.version())

    def test_plain_http_on_the_tls_port_is_ended(self):
        failed = 'weir_edge_handshakes_total{result="tls"}'
        before = self.counted(0, failed)
        stream = Stream(self.cluster.edges[0].tls_address)
        self.addCleanup(stream.close)
        stream.send(request("/health"))
        self.assertNotIn(b"HTTP", stream.take_all())
        self.wait_counted(0, failed, before + 1)

    def test_tls_on_the_plain_port_is_ended(self):
        with self.assertRaises((ssl.SSLError, EndOfStream, OSError)):
            Stream(self.cluster.edges[0].address, tls=self.context)

    def test_garbage_in_place_of_a_handshake_is_ended(self):
        hello = client_hello(self.context)
        for data in (b"\x16\x03\x01\xff\xff" + bytes(100), bytes(200), hello[:50] + b"\xff" * 400,
                     hello + hello, b"\x17\x03\x03\x00\x05hello"):
            stream = Stream(self.cluster.edges[0].tls_address)
            self.addCleanup(stream.close)
            stream.send(data)
            stream.half_close()
            stream.take_all()
        self.connect(0, tls=self.context)


class Endings(TlsTestCase):
    expected_seconds = 3
    n_edges = 1

    def gone(self):
        return self.counted(0, 'weir_edge_closes_total{reason="peer_gone"}')

    def assert_gone(self, before):
        self.wait_counted(0, 'weir_edge_closes_total{reason="peer_gone"}', before + 1)
        log = self.cluster.edges[0].text()
        self.assertNotRegex(log, " (error|warn) (?!running_as_root)")

    def test_close_notify_alone_ends_it_and_is_answered(self):
        before = self.gone()
        client = self.connect(0, tls=self.context)
        client.join(self.room)
        watcher = self.connect(0, "bob")
        self.assertEqual(watcher.ask(type="presence", room=self.room)["connections"], 1)
        client.stream.socket.unwrap().close()  # waits for the other side's
        self.assert_gone(before)
        wait_until(lambda: watcher.ask(type="presence", room=self.room)["connections"] == 0,
                   "it is no member any more")

    def test_the_end_of_tcp_alone_is_an_end(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                before = self.gone()
                client = self.connect(0, tls=client_context(self.files.authority, version))
                client.stream.half_close()
                self.assert_gone(before)

    def test_a_reset_is_an_end(self):
        before = self.gone()
        client = self.connect(0, tls=self.context)
        plain = socket.socket(fileno=client.stream.socket.detach())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
        self.assert_gone(before)

    def cut_record(self, damage):
        """Sends a record that is `damage`d, on a connection that is open."""
        before = self.gone()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        stream = Stream(self.cluster.edges[0].tls_address)
        self.addCleanup(stream.close)

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    stream.send(outgoing.read())
                    incoming.write(stream.take_some())

        until(tls.do_handshake)
        tls.write(request("/?token=" + self.cluster.token(), fields=ws.handshake_fields()))
        stream.send(outgoing.read())
        self.assertIn(b" 101 ", until(lambda: tls.read(65536)))
        tls.write(ws.encode_frame(ws.TEXT, b'{"type":"ping"}'))
        stream.send(damage(outgoing.read()))
        stream.half_close()
        stream.take_all()
        self.assert_gone(before)

    def test_a_record_that_is_cut_off_is_an_end(self):
        self.cut_record(lambda record: record[:-3])
        self.cut_record(lambda record: record[:4])

    def test_a_record_that_was_changed_is_an_end(self):
        self.cut_record(lambda record: record[:-1] + bytes([record[-1] ^ 1]))

    def test_who_does_not_read_is_closed_and_the_others_go_on(self):
        cluster = self.start_cluster(edges=1, edge={**self.files.options, "queue_limit": "64KiB",
                                                    "slow_timeout": "60s"})
        slow = cluster.connect(0, "slow", tls=self.context, receive_buffer=4096)
        alice = cluster.connect(0, "alice", tls=self.context)
        for client in (slow, alice):
            client.join("room")

        def closed():
            alice.publish("room", "x" * 50000)
            alice.expect("chat")
            name = 'weir_edge_closes_total{reason="slow_consumer"}'
            return metrics_of(cluster.edges[0].ops)[name] == 1

        wait_until(closed, "the slow one is closed", 3 * DEADLINE_S)
        alice.close()


class Slowness(TlsTestCase):
    expected_seconds = 5
    n_edges = 1
    edge_options = {"handshake_timeout": f"{int(3000 * SLOW)}ms"}

    def half_open(self, data):
        stream = Stream(self.cluster.edges[0].tls_address)
        self.addCleanup(stream.close)
        stream.send(data)
        return stream

    def test_handshakes_that_stop_half_way_are_ended_and_others_served_meanwhile(self):
        late = 'weir_edge_closes_total{reason="handshake_timeout"}'
        before = self.counted(0, late)
        hello = client_hello(self.context)
        streams = [self.half_open(hello[:n % len(hello)]) for n in range(HALF_OPEN // 2)]
        streams += [self.half_open(hello) for _ in range(HALF_OPEN // 2)]
        self.connect(0, tls=self.context).close()
        for stream in streams:
            stream.take_all()
        self.wait_counted(0, late, before + HALF_OPEN)

    def test_a_handshake_byte_by_byte_is_ended_too(self):
        stream = self.half_open(b"")
        ended = threading.Event()

        def trickle():
            for byte in client_hello(self.context):
                if ended.wait(0.2):
                    return
                try:
                    stream.send(bytes([byte]))
                except (EndOfStream, OSError):
                    return

        sender = threading.Thread(target=trickle, daemon=True)
        sender.start()
        try:
            stream.take_all()
        finally:
            ended.set()
            sender.join(DEADLINE_S)

    def test_a_handshake_that_is_done_must_be_followed_by_a_request(self):
        stream = Stream(self.cluster.edges[0].tls_address, tls=self.context)
        self.addCleanup(stream.close)
        self.assertIn(b" 408 ", stream.take_all())


class ClientCertificates(TlsTestCase):
    expected_seconds = 4
    n_edges = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trusted = certs.Authority(cls.files.folder, "clients-ca")
        cls.cluster.start_edge("edge-certs", **cls.files.options, tls_client_ca=cls.trusted.path)

    def assert_refused(self, context, said):
        """TLS 1.3 tells a client only when it reads."""
        with self.assertRaisesRegex(ssl.SSLError, said):
            stream = Stream(self.cluster.edges[1].tls_address, tls=context)
            self.addCleanup(stream.close)
            stream.send(request("/health"))
            stream.take(1)

    def test_one_of_the_authority_is_needed(self):
        cert = self.trusted.issue("client", "a client")
        stranger = self.files.authority.issue("stranger", "a stranger")
        expired = self.trusted.issue("late", "too late", days=0)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                def context(cert=None, version=version):
                    return client_context(self.files.authority, version, cert)

                self.connect(1, tls=context(cert)).close()
                self.assert_refused(context(), "(?i)certificate.required|handshake.failure")
                self.assert_refused(context(stranger), "(?i)unknown.ca")
                self.assert_refused(context(expired), "(?i)certificate.expired")


class BehindABalancer(TlsTestCase):
    n_edges = 1
    edge_options = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]}

    def test_the_address_comes_before_tls(self):
        client = self.connect(0, tls=self.context, before=proxy_v2("198.51.100.1"))
        row, = self.cluster.rows("client", client.connected["clientId"])
        self.assertEqual(row["address"], "198.51.100.1")

    def test_tls_without_an_address_is_ended(self):
        with self.assertRaises((ssl.SSLError, EndOfStream, OSError)):
            self.connect(0, tls=self.context)


@unittest.skipIf(certs.missing(), certs.missing())
class Startup(options.OptionsTestCase):
    expected_seconds = 3

    def test_what_is_wrong_with_the_files_is_told(self):
        authority = certs.Authority(self.folder)
        cert, key = authority.issue("server")
        late, late_key = authority.issue("late", days=0)
        other, _ = authority.issue("other")
        open_key = self.write("open.key", "", mode=0o644)
        for said, changed in (("tls-cert: required", {"tls_cert": ""}),
                              ("tls-key: required", {"tls_key": ""}),
                              ("tls-cert: .*No such file", {"tls_cert": "/no/such/file"}),
                              ("tls-cert: .*no PEM certificate", {"tls_cert": key}),
                              ("tls-cert: .*has expired", {"tls_cert": late, "tls_key": late_key}),
                              ("tls-key: .*does not belong", {"tls_cert": other}),
                              ("tls-key: .*others can touch it", {"tls_key": open_key}),
                              ("tls-client-ca: .*no PEM", {"tls_client_ca": key}),
                              ("tls-ticket-key-file: .*32 bytes",
                               {"tls_ticket_key_file": self.write("short", "short")}),
                              ("listen-tls: ", {"listen_tls": "x"})):
            with self.subTest(said=said):
                self.refused_edge(said, **{"listen_tls": "127.0.0.1:0", "tls_cert": cert,
                                           "tls_key": key, **changed})

    def test_without_tokens_it_listens_for_strangers_only_on_purpose(self):
        cert, key = certs.Authority(self.folder).issue("server")
        self.refused_edge("auth: ", auth="none", jwt_key=[], listen_tls="0.0.0.0:0", tls_cert=cert,
                          tls_key=key)


@unittest.skipIf(certs.missing(), certs.missing())
class Reload(TestCase):
    expected_seconds = 5

    def setUp(self):
        super().setUp()
        self.files = Files()
        self.addCleanup(self.files.holder.cleanup)
        self.cluster = self.start_cluster(edges=1, edge=self.files.options)
        self.edge = self.cluster.edges[0]
        self.context = client_context(self.files.authority)

    def reload(self, expected="reloaded"):
        mark = self.edge.mark()
        self.edge.signal(signal.SIGHUP)
        return self.edge.wait_for_line(f" {expected}( |$)", after=mark)

    def serial(self):
        stream = Stream(self.edge.tls_address, tls=self.context)
        try:
            return stream.socket.getpeercert()["serialNumber"]
        finally:
            stream.close()

    def resumes(self, session):
        stream = Stream(self.edge.tls_address, tls=self.context, session=session)
        try:
            return stream.socket.session_reused
        finally:
            stream.close()

    def session(self):
        stream = Stream(self.edge.tls_address, tls=self.context)
        try:
            stream.send(request("/health"))
            rawhttp.read_response(stream)
            return stream.socket.session
        finally:
            stream.close()

    def test_a_new_certificate_is_for_new_connections(self):
        alice = self.cluster.connect(0, tls=self.context)
        before = self.serial()
        self.files.authority.issue("server")
        self.reload()
        self.assertNotEqual(self.serial(), before)
        alice.ask_for("pong", type="ping")
        alice.close()

    def test_what_is_wrong_leaves_the_old_one(self):
        before = self.serial()
        with open(self.files.cert, "rb") as f:
            cert = f.read()
        other, _ = self.files.authority.issue("other")
        late, _ = self.files.authority.issue("late", days=0)
        for what, path, said in (("another's", other, "does not belong"),
                                 ("expired", late, "has expired"),
                                 ("none", self.files.key, "no PEM certificate")):
            with self.subTest(what=what):
                failed = metrics_of(self.edge.ops)["weir_reload_failed_total"]
                with open(path, "rb") as wrong, open(self.files.cert, "wb") as f:
                    f.write(wrong.read())
                self.assertIn(said, self.reload("reload_failed"))
                self.assertEqual(metrics_of(self.edge.ops)["weir_reload_failed_total"], failed + 1)
                self.assertEqual(self.serial(), before)
        with open(self.files.cert, "wb") as f:
            f.write(cert)
        self.reload()
        self.assertEqual(self.serial(), before)

    def test_ticket_keys_are_replaced_without_losing_sessions_at_once(self):
        session = self.session()
        self.files.write("tickets", NEW_TICKETS + TICKETS)
        self.reload()
        self.assertTrue(self.resumes(session))
        newer = self.session()
        session = self.session()
        self.files.write("tickets", NEW_TICKETS)
        self.reload()
        self.assertTrue(self.resumes(newer))
        self.files.write("tickets", TICKETS)
        self.reload()
        self.assertFalse(self.resumes(session))

    def test_a_drain_tells_clients_over_tls(self):
        alice = self.cluster.connect(0, tls=self.context)
        self.edge.signal(signal.SIGTERM)
        alice.expect_close(1012, "restart", end=False)
        alice.send_frame(ws.CLOSE, ws.close_payload(1012))
        with self.assertRaisesRegex(EndOfStream, "end of file"):
            alice.stream.take(1)
        self.assertEqual(self.edge.wait(), 0)


if __name__ == "__main__":
    unittest.main()
