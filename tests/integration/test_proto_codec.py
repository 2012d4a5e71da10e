"""The binary codec, weir.v1.proto: all that JSON clients have, and both in one room.

Besides its own tests, those of rooms, delivery and rights run again with clients that speak it, and
with every other one speaking it.
"""

import itertools
import json
import re
import unittest

import linkwire
import test_delivery
import test_edge_loss
import test_explain
import test_http_api
import test_rights
import test_rooms
import test_router_restart
import test_slow_consumer
import test_slow_policy
import ws
from harness import ClusterTestCase, metrics_of, wait_until
from protowire import SUBPROTOCOL, Client, decode, encode
from test_documents import read

INVALID = {"code": "invalid_message", "message": "Invalid message format"}


class SpeaksProto:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.client_class = Client

    def json(self, *where, **how):
        """A client that speaks JSON."""
        self.cluster.client_class = ws.Client
        try:
            return self.connect(*where, **how)
        finally:
            self.cluster.client_class = Client


class SpeaksBoth:
    """Every other client speaks the binary codec."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        classes = itertools.cycle((ws.Client, Client))
        cls.cluster.client_class = lambda *where, **how: next(classes)(*where, **how)


def own_text(values):
    """What a sender's own fields came as, in a decoded message."""
    return values["message"]["body"].decode("utf-8")


class Messages(SpeaksProto, ClusterTestCase):
    n_edges = 1

    def refused(self, client, payload, **fields):
        """Sends these bytes and expects the refusal, then that the connection lives."""
        client.send_frame(ws.BINARY, payload)
        self.assertEqual(client.read_values(), {"error": INVALID, **fields})
        client.ask_for("pong", type="ping")

    def test_connected_says_who_one_is(self):
        token = self.cluster.token("alice", username="Alice", roles=["a", "b"], exp=4000000000)
        connected = self.connect(token=token).connected
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("alice", "Alice", ["a", "b"]))
        self.assertEqual(connected["heartbeat"], {"interval": 30, "timeout": 35})
        self.assertEqual(connected["session"], {"expires": 4000000000})
        self.assertEqual(connected["maxMessage"], 102400)

    def test_the_first_subprotocol_that_is_known_is_spoken(self):
        for offered, spoken in (((SUBPROTOCOL, "weir.v1.json"), SUBPROTOCOL),
                                (("weir.v2.json", SUBPROTOCOL), SUBPROTOCOL),
                                (("weir.v1.json", SUBPROTOCOL), "weir.v1.json")):
            with self.subTest(offered=offered):
                self.cluster.client_class = ws.Client
                client = self.open(token=self.cluster.token(), subprotocols=offered)
                self.cluster.client_class = Client
                self.assertEqual(client.response.one("Sec-WebSocket-Protocol"), spoken)
                opcode, _ = client.recv_message()
                self.assertEqual(opcode, ws.BINARY if spoken == SUBPROTOCOL else ws.TEXT)

    def test_the_token_may_come_beside_it(self):
        bearer = "bearer." + self.cluster.token("bob")
        for offered in ((SUBPROTOCOL, bearer), (bearer, SUBPROTOCOL)):
            client = self.open(subprotocols=offered)
            self.assertEqual(client.expect("connected")["user"], "bob")
            self.assertNotIn(bearer.encode(), client.response.head)

    def test_ids_come_back_as_they_were_sent(self):
        alice = self.connect()
        for name in ("1", "é", "a\0b", "x" * 64):
            alice.send_values(id=name, ping={})
            self.assertEqual(alice.read_values()["id"], name)
        alice.send_values(ping={})
        self.assertNotIn("id", alice.read_values())

    def test_what_is_no_message_is_refused_and_the_connection_lives(self):
        alice = self.connect()
        join = encode("ClientMessage", {"join": {"room": self.room}})
        named = linkwire.data(1, "n1")
        for payload in (b"", b"{}", b"\xff" * 20, b"\x0b\x0c", join[:-1], join + b"\x80",
                        linkwire.data(1, "x" * 65) + join, linkwire.data(1, b"\xff") + join,
                        named + named + join, join + join, join + linkwire.data(9, b""),
                        linkwire.varint(2, 1), linkwire.data(3, linkwire.varint(1, 7)),
                        linkwire.data(2, linkwire.data(1, "a") + linkwire.data(1, "b")),
                        linkwire.data(2, linkwire.data(1, b"a\xff"))):
            with self.subTest(payload=payload):
                self.refused(alice, payload)

    def test_a_refusal_carries_the_id_that_can_be_read(self):
        alice = self.connect()
        named, bad = linkwire.data(1, "n1"), linkwire.data(2, b"\x0a\x05a")
        for payload in (named, named + bad, bad + named, named + b"\xff"):
            with self.subTest(payload=payload):
                self.refused(alice, payload, id="n1")

    def test_own_fields_are_one_json_object(self):
        alice = self.connect()
        deep = b'{"a":' + b"[" * 16 + b"]" * 16 + b"}"
        for body in (b" ", b"hello", b"[]", b"1", b"null", b"{", b"{}x", b'{"a":1,"a":2}', b'{"a":\xff}',
                     b'{"a":1,"\\u0061":2}', b'{"a\\u0000":1}', b'{"room":1,"room":2}', deep):
            for kind in ({"publish": {"room": self.room, "type": "chat", "body": body}},
                         {"direct": {"to": "alice", "body": body}}, {"broadcast": {"body": body}}):
                with self.subTest(body=body, kind=kind):
                    self.refused(alice, encode("ClientMessage", kind))

    def test_what_only_the_gateway_says_does_not_travel(self):
        admin = self.connect(token=self.cluster.token("root", roles=["admin"]))
        json_client = self.json(token=self.cluster.token("bob", roles=["admin"]))
        for client in (admin, json_client):
            client.join(self.room)
        json_client.join("user:bob")
        ours = ('"type":"x","id":1,"room":"r","key":"k","echo":false,"ephemeral":true,"from":"f",'
                '"user":"u","username":"n","seq":9,"epoch":"e","timestamp":1,')
        body = ("{" + ours + '"a": 1.50 ,"\\u0074o":[ 2 ]}').encode()
        admin.send_values(publish={"room": self.room, "type": "chat", "body": body})
        self.assertEqual(own_text(admin.read_values()), '{"a":1.50,"\\u0074o":[ 2 ]}')
        message = json_client.expect("chat", user="root", seq=1, a=1.5, to=[2])
        pairs = json.loads(json_client.raw, object_pairs_hook=list)
        self.assertEqual(len(pairs), len(message), json_client.raw)
        admin.send_values(direct={"to": "bob", "body": body})
        json_client.expect("direct", room="user:bob", user="root", a=1.5, to=None)

    def test_a_type_is_a_publishs_own(self):
        alice = self.connect()
        for name in ("", "x" * 65, "a\0b", "join", "direct", "chat:" + "é" * 30, "admin:x", "ack"):
            message = {"publish": {"room": self.room, "type": name}}
            if name == "chat:" + "é" * 30:
                message["publish"]["type"] = name.encode()[:64]  # half a character
            with self.subTest(name=name):
                self.refused(alice, encode("ClientMessage", message))
        alice.join(self.room)
        alice.send_values(publish={"room": self.room, "type": "x" * 64})
        self.assertEqual(own_text(alice.read_values()), "{}")

    def test_zero_is_absent(self):
        alice = self.connect()
        for n in range(60):
            alice.send(type="chat", room=self.room, n=n)
        history = alice.ask_for("history", type="history", room=self.room, limit=0, before=0)
        self.assertEqual(len(history["messages"]), 50)
        ack = alice.ask_for("ack", type="chat")
        self.assertEqual(ack["room"], "lobby")

    def test_a_text_frame_is_refused_as_a_binary_one_of_json_clients_is(self):
        alice, bob = self.connect(), self.json()
        alice.send_frame(ws.TEXT, encode("ClientMessage", {"ping": {}}))
        alice.expect_close(1003, "unsupported_data")
        bob.send_frame(ws.BINARY, b'{"type":"ping"}')
        bob.expect_close(1003, "unsupported_data")

    def test_twenty_bad_messages_in_a_row_close(self):
        alice = self.connect()
        for n in (19, 20):
            for _ in range(n):
                alice.send_frame(ws.BINARY, b"\xff")
            if n < 20:
                alice.send(type="ping", id="p")
                alice.wait_for("pong")
        alice.expect_close(1008, "policy")

    def test_a_message_may_be_as_long_as_max_message(self):
        alice = self.connect()
        alice.join(self.room)
        fields = {"room": self.room, "type": "chat"}
        rest = len(encode("ClientMessage", {"publish": {**fields, "body": b"x" * 102000}})) - 102000
        body = b'{"a":"' + b"x" * (102400 - rest - 8) + b'"}'
        payload = encode("ClientMessage", {"publish": {**fields, "body": body}})
        self.assertEqual(len(payload), 102400)
        alice.send_frame(ws.BINARY, payload)
        self.assertEqual(own_text(alice.read_values()), body.decode())
        alice.send_frame(ws.BINARY, payload + linkwire.varint(100, 1))
        alice.expect_close(1009, "too_big")

    def test_fields_of_a_later_schema_are_ignored(self):
        alice = self.connect()
        later = linkwire.varint(100, 7) + linkwire.data(101, "x") + linkwire.fixed64(102, 1)
        alice.send_frame(ws.BINARY, later + linkwire.data(1, "j") + linkwire.data(
            2, linkwire.data(1, self.room) + later))
        self.assertEqual(alice.read_values()["joined"]["room"], self.room)

    def test_it_is_shown_and_counted_like_the_other(self):
        alice = self.connect(user="pia")
        before = self.metrics()
        alice.join(self.room)
        alice.publish(self.room)
        alice.expect("chat")
        alice.send_frame(ws.BINARY, b"\xff")
        alice.expect("error")
        (row,) = self.cluster.rows("clients", "--user", "pia")
        self.assertEqual(row["codec"], "proto")

        def grew(name):
            return self.metrics().get(name, 0) - before.get(name, 0)

        for direction, kind in (("received", "join"), ("received", "chat"), ("received", "other"),
                                ("sent", "joined"), ("sent", "ack"), ("sent", "error"),
                                ("sent", "chat")):
            name = f'websocket_messages_{direction}_total{{type="{kind}"}}'
            wait_until(lambda name=name: grew(name) == 1, name)
        self.assertEqual(grew('weir_edge_rejected_total{code="invalid_message"}'), 1)

    def metrics(self):
        return metrics_of(self.cluster.edges[0].ops)

    def test_it_is_compressed_like_the_other(self):
        packed = self.connect(offer="permessage-deflate")
        plain, text = self.connect(user="bob"), self.json(offer="permessage-deflate")
        for client in (packed, plain, text):
            client.join(self.room)
        body = json.dumps({"text": "again and " * 200}).encode()
        packed.send_packed(ws.BINARY, encode("ClientMessage", {
            "publish": {"room": self.room, "type": "chat", "body": body}}))
        for client in (packed, plain):
            self.assertEqual(own_text(client.read_values()), body.decode())
        text.expect("chat", text="again and " * 200)
        self.assertEqual([c.packed_frames for c in (packed, plain, text)], [1, 0, 1])


class Limits(SpeaksProto, ClusterTestCase):
    n_edges = 1
    edge_options = {"rate_messages": "1/s burst 5"}

    def test_a_refusal_for_rate_says_which_and_when_again(self):
        alice = self.connect()
        for n in range(6):
            alice.send_values(id=str(n), ping={})
        for _ in range(5):
            self.assertIn("pong", alice.read_values())
        error = alice.read_values()["error"]
        self.assertEqual((error["code"], error["limit"]), ("rate_limited", "rate-messages"))
        self.assertGreater(error["after_ms"], 0)

    def test_a_hundred_in_a_row_close(self):
        alice = self.connect()
        for _ in range(110):
            alice.send_values(ping={})
        alice.expect_close(4009, "rate_limited")


class PageExamples(SpeaksProto, ClusterTestCase):
    """The bytes in proto/client.md."""

    VARYING = ("epoch", "timestamp_ms", "from")

    def examples(self):
        """(who speaks, bytes, message)"""
        page = read("proto/client.md").split("\n## In binary\n")[1].split("\n## ")[0]
        block = page.split("```\n")[1]
        for part in re.split(r"^(?=[<>])", block, flags=re.MULTILINE)[1:]:
            written, text = part[1:].split("{", 1)
            yield part[0], bytes.fromhex(written), json.loads("{" + text)

    def test_they_are_what_the_schema_says(self):
        for who, payload, message in self.examples():
            kind = "ClientMessage" if who == ">" else "ServerMessage"
            self.assertEqual(encode(kind, message), payload, message)

    def test_an_edge_takes_and_sends_them(self):
        alice = self.connect()
        for who, payload, message in self.examples():
            if who == ">":
                alice.send_frame(ws.BINARY, payload)
                continue
            opcode, came = alice.recv_message()
            got, (kind,) = decode("ServerMessage", came), message.keys() - {"id"}
            for name in self.VARYING:
                if name in message[kind]:
                    self.assertIn(name, got[kind])
                    got[kind][name] = message[kind][name]
            self.assertEqual((opcode, encode("ServerMessage", got)), (ws.BINARY, payload), got)


class AcrossCodecs(SpeaksProto, ClusterTestCase):
    def test_what_json_clients_send_arrives_byte_for_byte(self):
        alice, bob = self.json(), self.connect(1, "bob")
        bob.join(self.room)
        body = ('{"float":1.0e5,"big":12345678901234567890123,"escape":"\\u00e9\\/","é":"😀",'
                '"nested":{"b":[1, 2.50 ,{}]},"nul":"\\u0000"}')
        alice.send_text('{"type":"chat","room":"%s",%s' % (self.room, body[1:]))
        self.assertEqual(own_text(bob.read_values()), body)

    def test_and_the_other_way_round(self):
        alice, bob, carol = self.connect(), self.json(1, "bob"), self.connect(1, "carol")
        body = ' {"float" : 1.0e5,\n"é":[1, 2.50 ,{}] , "nul":"\\u0000","to":"x"}\n'
        for client in (bob, carol):
            client.join(self.room)
        alice.send_values(publish={"room": self.room, "type": "chat", "body": body.encode()})
        bob.expect("chat", float=1.0e5, to="x", seq=1)
        self.assertIn(body.strip()[1:-1], bob.raw)
        self.assertEqual(own_text(carol.read_values()), body.strip())
        history = bob.ask_for("history", type="history", room=self.room)
        self.assertEqual(history["messages"][0]["nul"], "\0")

    def test_what_the_command_line_publishes_has_no_sender(self):
        bob = self.connect()
        bob.join(self.room)
        code, _, err = self.cluster.weirctl("publish", self.room, '{"type":"note","n":1.50}')
        self.assertEqual((code, err), (0, ""))
        values = bob.read_values()
        self.assertEqual(own_text(values), '{"n":1.50}')
        self.assertEqual(values["message"]["type"], "note")
        self.assertNotIn("from", values["message"])

    def test_both_see_one_order(self):
        members = [self.connect(i % 2, f"p{i}") for i in range(3)]
        members += [self.json(i % 2, f"j{i}") for i in range(3)]
        for member in members:
            member.join(self.room)
        for n in range(50):
            for member in members:
                member.send(type="chat", room=self.room, n=n)
        texts = []
        for member in members:
            seen = []
            for _ in range(50 * len(members)):
                member.expect("chat")
                seen.append(member.raw)
            texts.append(seen)
        self.assertEqual(texts, texts[:1] * len(members))

    def test_a_key_is_one_whatever_is_spoken(self):
        alice, bob = self.connect(0, "alice"), self.json(1, "alice")
        first = alice.publish(self.room, key="k")
        again = bob.publish(self.room, key="k")
        self.assertEqual((again["seq"], again["duplicate"]), (first["seq"], True))

    def test_the_first_of_a_codec_hears_all_from_then_on(self):
        """An edge renders for codecs that somebody speaks; this one had no such client."""
        alice = self.json(0)
        for round_ in range(20):
            bob = self.connect(1, f"bob{round_}")
            position = bob.join(self.room)["seq"]
            for n in range(3):
                alice.send(type="chat", room=self.room, n=n)
            self.assertEqual([bob.expect("chat")["seq"] for _ in range(3)],
                             [position + 1, position + 2, position + 3])
            bob.close()


# ---- the same promises


class SpeaksBothInEach:
    def start_cluster(self, **how):
        cluster = super().start_cluster(**how)
        classes = itertools.cycle((Client, ws.Client))
        cluster.client_class = lambda *where, **how: next(classes)(*where, **how)
        return cluster


class Publishing(SpeaksProto, test_delivery.Publishing):
    pass


class PublishingByBoth(SpeaksBoth, test_delivery.Publishing):
    pass


class Recovery(SpeaksProto, test_delivery.Recovery):
    test_a_limit_below_one_is_refused = None  # zero is absent


class RecoveryByBoth(SpeaksBoth, test_delivery.Recovery):
    test_a_limit_below_one_is_refused = None


class JoiningAndLeaving(SpeaksProto, test_rooms.JoiningAndLeaving):
    test_ids_come_back_byte_for_byte = None  # as JSON
    test_room_names_are_checked = None  # empty is absent, so the lobby


class Autojoin(SpeaksProto, test_rooms.Autojoin):
    pass


class PresenceByBoth(SpeaksBoth, test_rooms.Presence):
    pass


class Rights(SpeaksProto, test_rights.Rights):
    pass


class Renewal(SpeaksProto, test_rights.Renewal):
    pass


class BroadcastByBoth(SpeaksBoth, test_rights.Broadcast):
    pass


class Streams(SpeaksProto, test_http_api.Streams):
    """Readers of events beside clients of the binary codec alone."""


class RouterRestart(SpeaksBothInEach, test_router_restart.RouterRestart):
    pass


class LongCut(SpeaksBothInEach, test_edge_loss.LongCut):
    pass


class RouterStandsStill(SpeaksBothInEach, test_router_restart.RouterStandsStill):
    pass


class SlowPolicies(SpeaksProto, test_slow_policy.Policies):
    pass


class QueueLimit(SpeaksProto, test_slow_consumer.QueueLimit):
    pass


class Traces(SpeaksProto, test_explain.Traces):
    pass


if __name__ == "__main__":
    unittest.main()
