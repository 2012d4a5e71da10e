"""What a client may send as JSON, and how each mistake is answered: the connection lives on."""

import json
import unittest

from harness import ClusterTestCase

INVALID = ("invalid_message", "Invalid message format")


class Messages(ClusterTestCase):
    n_edges = 1

    def assert_invalid(self, client, text):
        client.send_text(text)
        error = client.expect("error")
        self.assertEqual((error["code"], error["message"]), INVALID, text[:100])
        return error

    def test_connected_says_who_one_is(self):
        token = self.cluster.token("alice", username="Alice", roles=["a", "b"], exp=4000000000)
        connected = self.connect(token=token).connected
        self.assertEqual(connected["heartbeat"], {"interval": 30, "timeout": 35})
        self.assertEqual(connected["session"], {"expires": 4000000000})
        self.assertEqual(connected["maxMessage"], 102400)
        self.assertEqual((connected["user"], connected["username"], connected["roles"]),
                         ("alice", "Alice", ["a", "b"]))
        self.assertIsInstance(connected["clientId"], str)
        self.assertIsInstance(connected["timestamp"], int)

    def test_client_ids_are_never_used_twice(self):
        ids = {self.connect().connected["clientId"] for _ in range(20)}
        self.assertEqual(len(ids), 20)

    def test_ping_is_answered(self):
        pong = self.connect().ask(type="ping")
        self.assertEqual(pong["type"], "pong")
        self.assertIsInstance(pong["timestamp"], int)
        alice = self.connect()
        alice.send(type="ping")
        alice.expect("pong", id=None)

    def test_what_is_no_json_object_is_refused(self):
        alice = self.connect()
        for text in ("hello", "", " ", "[]", '"x"', "1", "null", "{", "{}x", "{} {}", "\ufeff{}",
                     '{"type":"chat",}', "{'type':'chat'}", '{"type":"chat" "a":1}',
                     '{"type":"chat","a":NaN}', '{"type":"chat","a":01}', '{"type":"chat","a":.5}',
                     '{"type":"chat","a":1.}', '{"type":"chat","a":+1}', '{"type":"chat","a":"\t"}',
                     '{"type":"chat","a":"\\x"}', '{"type":"chat","a":"\\u12"}',
                     '{"type":"chat","a":tru}', '{"type":"chat","a":"\\ud800"}',
                     '{"type":"chat","a":"\\udc00\\ud800"}'):
            with self.subTest(text=text):
                self.assert_invalid(alice, text)
                alice.ask_for("pong", type="ping")  # bad ones in a row would close

    def test_the_type_is_a_string_of_1_to_64_bytes(self):
        alice = self.connect()
        for value in (None, 1, "", "x" * 65, "é" * 32 + "x", ["chat"], True):
            with self.subTest(value=value):
                self.assert_invalid(alice, json.dumps({"type": value, "id": "i"}))
                alice.ask_for("pong", type="ping")
        self.assert_invalid(alice, '{"id":"i"}')
        alice.ask_for("ack", type="x" * 64, room=self.room)

    def test_the_id_is_a_short_string_or_an_integer(self):
        alice = self.connect()
        for value in ('""', '"%s"' % ("x" * 65), "1.5", "null", "true", "[]", "{}", "1e3"):
            with self.subTest(value=value):
                error = self.assert_invalid(alice, '{"type":"ping","id":%s}' % value)
                self.assertNotIn("id", error)
                alice.ask_for("pong", type="ping")

    def test_an_error_carries_the_id_wherever_it_stands(self):
        alice = self.connect()
        deep = "[" * 20 + "]" * 20
        for fault in ('"since":5', '"x":NaN', '"x":"\\ud800"', '"x":"\\q"', f'"x":{deep}', '"x":[}',
                      '"x":"a\nb"', '"x":1,"x":2', '"x\\u0000":1', "x:1", ""):
            for text in ('{"type":"join","room":"r",%s,"id":"n1"}', '{%s,"id":"n1","type":"join"}',
                         '{"id":"n1","type":"join","room":"r",%s}', '{%s,"id":"n1"'):
                with self.subTest(text=text % fault):
                    self.assertEqual(self.assert_invalid(alice, text % fault)["id"], "n1")
                    alice.ask_for("pong", type="ping")

    def test_an_id_that_cannot_be_read_for_certain_is_not_repeated(self):
        alice = self.connect()
        for text in ('{"id":1,"x":NaN,"id":2}', '{"x":NaN,"y":{"id":1}}', '{"x":"C:\\","id":1}',
                     '[{"id":1}]', '{"id":"\\ud800"}', '{"id":01}'):
            with self.subTest(text=text):
                self.assertNotIn("id", self.assert_invalid(alice, text))

    def test_options_of_the_wrong_kind_are_refused(self):
        alice = self.connect()
        for fields in ({"type": "chat", "echo": "no"}, {"type": "chat", "ephemeral": 1},
                       {"type": "chat", "key": ""}, {"type": "chat", "key": "k" * 65},
                       {"type": "chat", "key": 5}, {"type": "join", "presence": "yes"},
                       {"type": "join", "since": {"epoch": 1, "seq": 0}},
                       {"type": "join", "since": {"epoch": "e"}},
                       {"type": "join", "since": {"epoch": "e", "seq": -1}},
                       {"type": "join", "since": {"epoch": "e", "seq": 1.5}},
                       {"type": "history", "limit": "5"}, {"type": "history", "before": "x"},
                       {"type": "auth"}, {"type": "auth", "token": 1},
                       {"type": "typing", "key": "k"},
                       {"type": "chat", "ephemeral": True, "key": "k"}):
            with self.subTest(fields=fields):
                error = alice.ask_for("error", {"room": self.room, **fields})
                self.assertEqual((error["code"], error["message"]), INVALID)
                alice.ask_for("pong", type="ping")

    def test_reserved_types_are_refused(self):
        alice = self.connect()
        for name in ("connected", "joined", "left", "ack", "error", "gap", "pong", "member:join",
                     "member:leave", "token:expiring", "admin:kick", "admin:", "weir:x"):
            with self.subTest(name=name):
                error = alice.ask_for("error", type=name, room=self.room)
                self.assertEqual((error["code"], error["message"]), INVALID)
                alice.ask_for("pong", type="ping")

    def test_a_name_that_comes_twice_is_refused(self):
        alice = self.connect()
        for text in ('{"type":"chat","type":"chat"}', '{"type":"chat","a":1,"a":1}',
                     '{"type":"chat","a":1,"\\u0061":2}', '{"type":"ping","x":1,"x":1}'):
            with self.subTest(text=text):
                self.assert_invalid(alice, text)

    def test_an_escaped_nul_is_refused_in_names(self):
        alice = self.connect()
        for text in ('{"type":"error\\u0000","id":1}', '{"type":"chat","user\\u0000":"root","id":1}',
                     '{"type":"direct","to":"bob\\u0000","id":1}'):
            with self.subTest(text=text):
                self.assertEqual(self.assert_invalid(alice, text)["id"], 1)

    def test_nesting_is_limited_to_16_levels(self):
        alice = self.connect()
        alice.join(self.room)
        for deep, good in ((15, True), (16, False), (5000, False)):
            for opening, closing in (("[", "]"), ('{"a":', "}")):
                with self.subTest(deep=deep, opening=opening):
                    inner = opening * deep + ("1" if opening != "[" else "") + closing * deep
                    text = '{"type":"chat","room":"%s","a":%s}' % (self.room, inner)
                    if good:
                        alice.send_text(text)
                        alice.expect("chat")
                    else:
                        self.assert_invalid(alice, text)
                        alice.ask_for("pong", type="ping")

    def test_unknown_fields_of_commands_are_ignored(self):
        self.connect().join(self.room, color="red", text=None)

    def test_twenty_bad_messages_in_a_row_close(self):
        alice = self.connect()
        for _ in range(19):
            self.assert_invalid(alice, "{")
        alice.ask_for("pong", type="ping")
        for _ in range(20):
            alice.send_text("{")
        alice.expect_close(1008, "policy")

    def test_a_message_may_be_as_long_as_max_message(self):
        alice = self.connect()
        alice.join(self.room)
        head, tail = '{"type":"chat","room":"%s","text":"' % self.room, '"}'
        text = head + "x" * (102400 - len(head) - len(tail)) + tail
        alice.send_text(text)
        alice.expect("chat")
        alice.send_text(text + " ")
        alice.expect_close(1009, "too_big")


class KnownTypes(ClusterTestCase):
    n_edges = 1
    edge_options = {"message_types": ["chat", "move"], "ephemeral_types": ["cursor"]}

    def test_only_listed_types_may_be_published(self):
        alice = self.connect()
        for name in ("chat", "move"):
            alice.ask_for("ack", type=name, room=self.room)
        error = alice.ask_for("error", type="other", room=self.room)
        self.assertEqual(error["code"], "unknown_type")

    def test_ephemeral_types_are_those_of_the_option(self):
        alice = self.connect()
        self.assertNotIn("seq", alice.ask_for("ack", type="cursor", room=self.room))


class RateLimits(ClusterTestCase):
    n_edges = 1
    edge_options = {"rate_messages": "5/s burst 5"}

    def test_too_many_messages_are_refused_each(self):
        alice = self.connect()
        for n in range(20):
            alice.send(type="chat", room=self.room, id=n)
        answers = [alice.next() for _ in range(20)]
        self.assertEqual(sorted(a["id"] for a in answers), list(range(20)))
        refused = [a for a in answers if a["type"] == "error"]
        self.assertEqual({a["code"] for a in refused}, {"rate_limited"})
        self.assertGreaterEqual(len(answers) - len(refused), 5)
        self.assertGreaterEqual(len(refused), 10)

    def test_a_hundred_refusals_in_a_row_close(self):
        alice = self.connect()
        for n in range(120):
            alice.send(type="chat", room=self.room)
        alice.expect_close(4009, "rate_limited")


if __name__ == "__main__":
    unittest.main()
