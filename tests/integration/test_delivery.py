"""How a published message travels: to whom, in which order, with which fields."""

import json
import os
import sys
import unittest

from harness import ClusterTestCase, wait_until

NO_IO_URING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no_io_uring.py")


def without_acks(client, n):
    """The raw texts of the next n messages that are no acks, and the acks among them."""
    texts, acks = [], []
    while len(texts) < n:
        message = client.next()
        if message["type"] == "ack":
            acks.append(message)
        else:
            texts.append((message["seq"], client.raw))
    return texts, acks


class Publishing(ClusterTestCase):
    def test_a_message_crosses_from_edge_to_edge(self):
        alice = self.connect(0, "alice", token=self.cluster.token("alice", username="Alice"))
        bob = self.connect(1, "bob")
        for client in (alice, bob):
            client.join(self.room)
        alice.send(type="chat", room=self.room, text="hello")
        message = bob.expect("chat", room=self.room, text="hello", user="alice", username="Alice",
                             seq=1)
        self.assertEqual(message["from"], alice.connected["clientId"])
        self.assertIsInstance(message["epoch"], str)
        self.assertLess(abs(message["timestamp"] - alice.connected["timestamp"]), 60000)
        alice.expect("chat", text="hello")
        self.assertEqual(alice.raw, bob.raw)

    def test_a_user_without_a_name_has_no_username(self):
        alice = self.connect()
        alice.join(self.room)
        alice.publish(self.room)
        alice.expect("chat", username=None)

    def test_everybody_sees_the_same_order_when_twenty_publish_at_once(self):
        publishers, each = 20, 25
        clients = [self.connect(i % 2, f"user-{i}") for i in range(publishers)]
        for client in clients:
            client.join(self.room)
        for n in range(each):
            for i, client in enumerate(clients):
                client.send(type="chat", room=self.room, text=f"{i}/{n}", id=n)
        seen = []
        for client in clients:
            texts, acks = without_acks(client, publishers * each)
            while len(acks) < each:
                acks.append(client.expect("ack"))
            self.assertEqual([ack["id"] for ack in acks], list(range(each)))
            seen.append(texts)
        self.assertEqual([seq for seq, _ in seen[0]], list(range(1, publishers * each + 1)))
        for other in seen[1:]:
            self.assertEqual(other, seen[0])

    def test_the_sender_gets_its_message_before_the_ack(self):
        alice = self.connect()
        joined = alice.join(self.room)
        for n in (1, 2):
            alice.send(type="chat", room=self.room, id=f"m{n}")
            alice.expect("chat", seq=n, id=None)
            ack = alice.expect("ack", id=f"m{n}", room=self.room, seq=n, epoch=joined["epoch"],
                               members=1, duplicate=None)
            self.assertIsInstance(ack["timestamp"], int)

    def test_one_may_publish_without_being_a_member(self):
        member = self.connect(1, "bob")
        member.join(self.room)
        stranger = self.connect(0, "alice")
        self.assertEqual(stranger.publish(self.room, "psst")["members"], 1)
        stranger.expect_nothing()
        member.expect("chat", text="psst")

    def test_a_publish_to_a_room_nobody_is_in_is_acked(self):
        self.assertEqual(self.connect().publish(self.room)["members"], 0)

    def test_without_an_id_there_is_no_ack(self):
        alice = self.connect()
        alice.send(type="chat", room=self.room)
        alice.expect_nothing()

    def test_members_in_the_ack_counts_connections_of_all_edges(self):
        clients = [self.connect(i % 2, "same-user") for i in range(3)]
        for client in clients:
            client.join(self.room)
        self.assertEqual(clients[0].publish(self.room)["members"], 3)

    def test_echo_false_keeps_it_from_this_connection_only(self):
        alice, again, bob = self.connect(), self.connect(), self.connect(1, "bob")
        for client in (alice, again, bob):
            client.join(self.room)
        alice.publish(self.room, "quiet", echo=False)
        alice.expect_nothing()
        for client in (again, bob):
            client.expect("chat", text="quiet", echo=None)
        alice.publish(self.room, "loud")
        alice.expect("chat", text="loud", seq=2)  # and no gap for the first one

    def test_typing_reaches_all_others_and_is_not_sequenced(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        joined = [client.join(self.room) for client in (alice, bob)]
        ack = alice.ask_for("ack", type="typing", room=self.room)
        self.assertNotIn("seq", ack)
        bob.expect("typing", user="alice", room=self.room, seq=None)
        alice.expect_nothing()
        self.assertEqual(alice.publish(self.room)["seq"], joined[0]["seq"] + 1)

    def test_any_message_can_be_ephemeral(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        for client in (alice, bob):
            client.join(self.room)
        alice.ask_for("ack", type="cursor", room=self.room, x=5, ephemeral=True, seq=None)
        bob.expect("cursor", x=5, seq=None, ephemeral=None)
        alice.expect_nothing()

    def test_the_same_key_is_published_once(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        bob.join(self.room)
        first = alice.publish(self.room, "once", key="k1")
        again = alice.publish(self.room, "once", key="k1")
        self.assertEqual((again["seq"], again["duplicate"]), (first["seq"], True))
        self.assertNotIn("duplicate", first)
        bob.expect("chat", text="once", key=None)
        bob.expect_nothing()
        other = self.connect(1, "carol").publish(self.room, "twice", key="k1")
        self.assertEqual(other["seq"], first["seq"] + 1)

    def test_leaving_ends_delivery(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        bob.join(self.room)
        bob.ask_for("left", type="leave", room=self.room)
        alice.publish(self.room, "too late")
        bob.expect_nothing()

    def test_one_who_leaves_by_closing_is_not_counted_any_more(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        alice.join(self.room)
        bob.join(self.room)
        bob.close()
        self.eventually_members(alice, 1)

    def test_one_who_is_cut_off_is_not_counted_any_more(self):
        for cut in ("reset", "close"):
            with self.subTest(cut=cut):
                alice, bob = self.connect(), self.connect(1, "bob")
                room = f"{self.room}-{cut}"
                alice.join(room)
                bob.join(room)
                getattr(bob.stream, cut)()
                self.eventually_members(alice, 1, room)

    def eventually_members(self, client, n, room=None):
        wait_until(lambda: client.publish(room or self.room)["members"] == n, f"{n} members")


class SendersOwnFields(ClusterTestCase):
    def deliver(self, text):
        """Publishes `text`, which has %ROOM% for the room; returns the raw delivery."""
        alice, bob = self.connect(), self.connect(1, "bob")
        bob.join(self.room)
        alice.send_text(text.replace("%ROOM%", self.room))
        alice.fence()
        bob.next()
        return bob.raw

    def test_values_travel_byte_for_byte(self):
        fields = ('"float":1.0e5', '"minus":-0', '"big":12345678901234567890123',
                  '"escape":"\\u00e9\\/\\ud83d\\ude00"', '"direct":"é😀"', '"precise":0.10',
                  '"null":null', '"nested":{"b":[1, 2.50 ,{}],"a":"\\u0041"}', '"empty":""',
                  '"nul":"\\u0000a\\u0000"', '"inside":{"\\u0000":["\\u0000"]}')
        raw = self.deliver('{"type":"chat","room":"%ROOM%",' + ",".join(fields) + "}")
        for field in fields:
            self.assertIn(field, raw)

    def test_what_only_the_gateway_says_is_overwritten(self):
        raw = self.deliver('{"type":"chat","room":"%ROOM%","from":"me","user":"root",'
                           '"username":"Root","seq":7,"epoch":"e","timestamp":1,"x":2}')
        pairs = json.loads(raw, object_pairs_hook=list)
        names = [name for name, _ in pairs]
        self.assertEqual(len(names), len(set(names)), raw)
        message = dict(pairs)
        self.assertEqual((message["user"], message["seq"], message["x"]), ("alice", 1, 2))
        self.assertNotIn("username", message)
        self.assertNotIn(message["from"], ("me", ""))
        self.assertNotEqual(message["epoch"], "e")
        self.assertGreater(message["timestamp"], 1)

    def test_what_the_gateway_consumes_does_not_travel(self):
        raw = self.deliver('{"type":"chat","room":"%ROOM%","id":"i","key":"k","echo":true,'
                           '"ephemeral":false,"x":1}')
        for name in ("id", "key", "echo", "ephemeral"):
            self.assertNotIn(f'"{name}"', raw)

    def test_names_are_compared_after_decoding(self):
        raw = self.deliver('{"\\u0074ype":"ch\\u0061t","r\\u006fom":"%ROOM%","x":1}')
        self.assertIn('"type":"chat"', raw)

    def test_white_space_around_is_allowed(self):
        self.assertIn('"x":1', self.deliver(' {\n"type" : "chat" ,\t"room":"%ROOM%", "x":1 } \r\n'))


class Recovery(ClusterTestCase):
    def test_join_since_brings_what_was_missed_and_then_what_is_new(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        epoch = alice.join(self.room)["epoch"]
        for n in range(1, 6):
            alice.publish(self.room, str(n))
        joined = bob.join(self.room, since={"epoch": epoch, "seq": 2})
        self.assertTrue(joined["recovered"])
        self.assertEqual([m["seq"] for m in joined["messages"]], [3, 4, 5])
        self.assertEqual([m["text"] for m in joined["messages"]], ["3", "4", "5"])
        self.assertEqual(joined["seq"], 5)
        alice.publish(self.room, "6")
        bob.expect("chat", seq=6)

    def test_join_since_the_last_one_brings_nothing(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        ack = alice.publish(self.room)
        joined = bob.join(self.room, since={"epoch": ack["epoch"], "seq": ack["seq"]})
        self.assertEqual((joined["recovered"], joined["messages"]), (True, []))

    def test_what_cannot_be_recovered_is_said(self):
        alice = self.connect()
        epoch = alice.publish(self.room)["epoch"]
        for since in ({"epoch": "another", "seq": 0}, {"epoch": epoch, "seq": 99}):
            with self.subTest(since=since):
                joined = self.connect(1, "bob").join(self.room, since=since)
                self.assertEqual((joined["recovered"], joined["seq"]), (False, 1))
                self.assertNotIn("messages", joined)

    def test_recovery_contains_what_echo_false_kept_back(self):
        alice = self.connect()
        epoch = alice.join(self.room)["epoch"]
        alice.publish(self.room, "quiet", echo=False)
        joined = alice.join(self.room, since={"epoch": epoch, "seq": 0})
        self.assertEqual([m["text"] for m in joined["messages"]], ["quiet"])

    def test_history_is_ascending_and_ends_before_before(self):
        alice = self.connect()
        for n in range(1, 8):
            alice.publish(self.room, str(n))

        def seqs(**how):
            history = alice.ask_for("history", type="history", room=self.room, **how)
            self.assertEqual(history["seq"], 7)
            return [m["seq"] for m in history["messages"]]

        self.assertEqual(seqs(), [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual(seqs(limit=2), [6, 7])
        self.assertEqual(seqs(before=4, limit=2), [2, 3])
        self.assertEqual(seqs(limit=1000), [1, 2, 3, 4, 5, 6, 7])

    def test_history_of_an_unknown_room_is_empty(self):
        history = self.connect().ask_for("history", type="history", room=self.room)
        self.assertEqual(history["messages"], [])

    def test_a_limit_below_one_is_refused(self):
        error = self.connect().ask_for("error", type="history", room=self.room, limit=0)
        self.assertEqual(error["code"], "invalid_message")

    def test_entries_have_the_fields_of_a_delivery(self):
        alice = self.connect()
        alice.join(self.room)
        alice.publish(self.room, "x")
        delivered = alice.expect("chat")
        history = alice.ask_for("history", type="history", room=self.room)
        entry = history["messages"][0]
        for name in ("type", "from", "user", "seq", "timestamp", "text"):
            self.assertEqual(entry[name], delivered[name])

    def test_more_than_the_ring_holds_is_not_recovered(self):
        alice = self.connect()
        epoch = alice.join(self.room)["epoch"]
        for n in range(150):  # history-messages is 100
            alice.send(type="chat", room=self.room, n=n)
        alice.fence()
        far = self.connect(1, "bob").join(self.room, since={"epoch": epoch, "seq": 10})
        self.assertEqual((far["recovered"], far["seq"]), (False, 150))
        near = self.connect(1, "bob").join(self.room, since={"epoch": epoch, "seq": 100})
        self.assertEqual([m["seq"] for m in near["messages"]], list(range(101, 151)))


class PublishingOverIpc(Publishing):
    router_options = {"listen": "ipc://{folder}/link.sock"}


class PublishingWithoutIoUring(Publishing):
    edge_wrap = (sys.executable, NO_IO_URING)


class PublishingWithOneThread(Publishing):
    edge_options = {"threads": 1}


if __name__ == "__main__":
    unittest.main()
