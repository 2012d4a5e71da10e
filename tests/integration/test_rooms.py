"""Joining and leaving: answers, errors, names, the rooms one is in without asking, who is there."""

import unittest

from harness import ClusterTestCase, TestCase


class JoiningAndLeaving(ClusterTestCase):
    def test_joined_says_where_the_room_stands(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        joined = alice.ask_for("joined", type="join", room=self.room, id=5)
        self.assertEqual((joined["room"], joined["seq"], joined["members"], joined["id"]),
                         (self.room, 0, 1, 5))
        self.assertLessEqual(len(joined["epoch"]), 32)
        for absent in ("recovered", "messages"):
            self.assertNotIn(absent, joined)
        alice.publish(self.room)
        second = bob.join(self.room)
        self.assertEqual((second["epoch"], second["seq"], second["members"]),
                         (joined["epoch"], 1, 2))

    def test_joining_again_is_answered_again(self):
        alice = self.connect()
        self.assertEqual(alice.join(self.room), {**alice.join(self.room), "id": "q1"})
        alice.publish(self.room)
        alice.expect("chat")
        alice.expect_nothing()

    def test_leave_is_answered_and_only_members_may(self):
        alice = self.connect()
        alice.join(self.room)
        self.assertEqual(alice.ask(type="leave", room=self.room, id="x"),
                         {"type": "left", "room": self.room, "id": "x"})
        error = alice.ask_for("error", type="leave", room=self.room)
        self.assertEqual((error["code"], error["room"]), ("not_member", self.room))

    def test_ids_come_back_byte_for_byte(self):
        alice = self.connect()
        for text in ('"a\\u0062c"', '"é"', "17", "-0", "123456789012345678"):
            with self.subTest(id=text):
                alice.send_text('{"type":"join","room":"%s","id":%s}' % (self.room, text))
                alice.expect("joined")
                self.assertIn(f'"id":{text}', alice.raw)

    def test_room_names_are_checked(self):
        alice = self.connect()
        for name in ("x" * 128, "é" * 64, "a/../b", "A.", " ", "日本"):
            with self.subTest(good=name):
                self.assertEqual(alice.join(name)["room"], name)
        for name in ("", "x" * 129, "é" * 64 + "x", "a\nb", "a\0", "\0", "\x7f", "\x85",
                     "*", "chat:*", "user:*"):
            for command in ("join", "leave", "chat", "history", "presence"):
                with self.subTest(bad=name, command=command):
                    error = alice.ask_for("error", type=command, room=name)
                    self.assertEqual(error["code"], "bad_room")
                    self.assertEqual("pattern" in error["message"], "*" in name)

    def test_names_are_compared_byte_by_byte(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        for name in ("Straße", "strasse", "STRASSE", "e\u0301", "\u00e9", "a", "a ", "a."):
            alice.join(self.room + name)
        for name in ("strasse", "\u00e9", "a"):
            bob.publish(self.room + name, name)
            alice.expect("chat", room=self.room + name, text=name)
        alice.expect_nothing()

    def test_an_error_comes_also_without_an_id(self):
        alice = self.connect()
        alice.send(type="leave", room=self.room)
        alice.expect("error", code="not_member", id=None)


class Autojoin(ClusterTestCase):
    def test_a_connection_is_in_its_own_room_and_the_lobby(self):
        alice = self.connect(0, "alice", autojoin=True)
        joined = [alice.expect("joined", id=None) for _ in range(2)]
        self.assertEqual({j["room"] for j in joined}, {"user:alice", "lobby"})

    def test_the_lobby_is_where_messages_without_a_room_go(self):
        alice, bob = self.connect(0, "alice", autojoin=True), self.connect(1, "bob", autojoin=True)
        bob.wait_for("joined", room="lobby")
        ack = alice.ask_for("ack", type="chat", text="hi all")
        self.assertEqual(ack["room"], "lobby")
        bob.wait_for("chat", room="lobby", text="hi all", user="alice")
        alice.wait_for("chat", room="lobby", text="hi all")

    def test_autojoin_0_joins_nothing(self):
        alice = self.connect(0, "alice", autojoin=False)
        self.connect(1, "bob").ask_for("ack", type="chat", text="hi all")
        alice.expect_nothing()

    def test_a_room_the_rights_do_not_allow_is_skipped_silently(self):
        token = self.cluster.token("dave", weir={"join": ["fence-*"], "publish": ["fence-*"]})
        dave = self.connect(0, token=token, autojoin=True)
        dave.expect("joined", room="user:dave")
        dave.expect_nothing()

    def test_a_direct_message_reaches_the_personal_room(self):
        bob = self.connect(1, "bob", autojoin=True)
        for _ in range(2):
            bob.expect("joined")
        admin = self.connect(token=self.cluster.token("root", roles=["admin"]))
        admin.ask_for("ack", type="direct", to="bob", text="psst")
        bob.expect("direct", room="user:bob", user="root", text="psst", to=None)

    def test_direct_messages_need_a_right(self):
        error = self.connect().ask_for("error", type="direct", to="bob", text="psst")
        self.assertEqual((error["code"], error["message"]),
                         ("forbidden", "Insufficient permissions"))


class WithoutALobby(ClusterTestCase):
    n_edges = 1
    edge_options = {"lobby": "", "max_rooms_per_connection": "3"}

    def test_only_the_personal_room_joins_by_itself(self):
        alice = self.connect(autojoin=True)
        alice.expect("joined", room="user:alice")
        alice.expect_nothing()

    def test_no_room_and_no_lobby_is_bad_room(self):
        self.assertEqual(self.connect().ask_for("error", type="chat")["code"], "bad_room")

    def test_rooms_per_connection_are_limited_and_leaving_makes_room(self):
        alice = self.connect()
        for n in range(3):
            alice.join(f"{self.room}-{n}")
        error = alice.ask_for("error", type="join", room=f"{self.room}-3")
        self.assertEqual((error["code"], error["room"]), ("limit", f"{self.room}-3"))
        alice.join(f"{self.room}-2")  # again is no more
        alice.ask_for("left", type="leave", room=f"{self.room}-0")
        alice.join(f"{self.room}-3")

    def test_the_rooms_joined_by_themselves_count(self):
        alice = self.connect(autojoin=True)
        alice.expect("joined", room="user:alice")
        for n in range(2):
            alice.join(f"{self.room}-{n}")
        self.assertEqual(alice.ask_for("error", type="join", room=self.room)["code"], "limit")


class AnotherLobby(ClusterTestCase):
    n_edges = 1
    edge_options = {"lobby": "hall", "lobby_publish": "admin"}

    def test_the_lobby_has_the_name_of_the_option(self):
        alice = self.connect(autojoin=True)
        self.assertEqual({alice.expect("joined")["room"] for _ in range(2)}, {"user:alice", "hall"})

    def test_only_admins_publish_to_it(self):
        alice = self.connect()
        self.assertEqual(alice.ask_for("error", type="chat", room="hall")["code"], "forbidden")
        self.assertEqual(alice.ask_for("error", type="chat")["code"], "forbidden")
        root = self.connect(token=self.cluster.token("root", roles=["admin"]))
        root.publish("hall")
        alice.publish(self.room)


class Presence(ClusterTestCase):
    def test_presence_lists_users_with_their_connections(self):
        clients = [self.connect(0, "alice"), self.connect(1, "alice"), self.connect(1, "bob")]
        for client in clients:
            client.join(self.room)
        presence = clients[0].ask_for("presence", type="presence", room=self.room)
        self.assertEqual((presence["room"], presence["users"], presence["connections"]),
                         (self.room, 2, 3))
        self.assertEqual({m["user"]: m["clients"] for m in presence["members"]},
                         {"alice": 2, "bob": 1})

    def test_the_first_and_last_connection_of_a_user_are_told(self):
        watcher = self.connect(0, "watcher")
        watcher.join(self.room, presence=True)
        named = self.cluster.token("alice", username="Alice")
        first, second = self.connect(1, token=named), self.connect(0, token=named)
        first.join(self.room)
        watcher.expect("member:join", room=self.room, user="alice", username="Alice", seq=None)
        second.join(self.room)
        first.close()
        watcher.expect_nothing()
        second.ask_for("left", type="leave", room=self.room)
        watcher.expect("member:leave", room=self.room, user="alice", username="Alice")

    def test_who_did_not_ask_for_it_is_told_nothing(self):
        plain = self.connect(0, "plain")
        plain.join(self.room)
        self.connect(1, "bob").join(self.room)
        plain.expect_nothing()

    def test_nobody_is_told_about_oneself(self):
        alice = self.connect()
        alice.join(self.room, presence=True)
        self.connect(1, "alice").join(self.room)
        alice.expect_nothing()

    def test_presence_of_an_unknown_room_is_empty(self):
        presence = self.connect().ask_for("presence", type="presence", room=self.room)
        self.assertEqual((presence["users"], presence["connections"], presence["members"]),
                         (0, 0, []))


class LargeRooms(TestCase):
    def test_above_presence_events_max_only_numbers_are_told(self):
        cluster = self.start_cluster(router={"presence_events_max": "3"}, edge={"lobby": ""})
        watcher = cluster.connect(0, "watcher")
        watcher.join("room", presence=True)
        others = [cluster.connect(i % 2, f"user-{i}") for i in range(4)]
        for client in others[:2]:
            client.join("room")
        self.assertEqual([watcher.expect("member:join")["user"] for _ in range(2)],
                         ["user-0", "user-1"])
        for n, client in enumerate(others[2:]):
            self.assertEqual(client.join("room")["members"], 4 + n)
        for client in others[:1:-1]:
            client.ask_for("left", type="leave", room="room")
        watcher.expect_nothing()
        answer = watcher.ask_for("presence", type="presence", room="room")
        self.assertEqual((answer["users"], answer["connections"]), (3, 3))
        others[1].ask_for("left", type="leave", room="room")
        watcher.expect("member:leave", user="user-1")


if __name__ == "__main__":
    unittest.main()
