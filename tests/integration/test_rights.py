"""Who may do what in which room: claims, patterns, defaults, admins, broadcast, renewal."""

import os
import re
import time
import unittest

from harness import ROOT, ClusterTestCase, TestCase

FORBIDDEN = ("forbidden", "Insufficient permissions")


class Rights(ClusterTestCase):
    def with_rights(self, user="dave", edge=0, **rights):
        return self.connect(edge, token=self.cluster.token(user, weir=rights))

    def assert_forbidden(self, client, **message):
        error = client.ask_for("error", message)
        self.assertEqual((error["code"], error["message"]), FORBIDDEN, message)
        return error

    def test_each_right_stands_for_itself(self):
        commands = {
            "join": {"type": "join", "room": "club"},
            "publish": {"type": "chat", "room": "club"},
            "presence": {"type": "presence", "room": "club"},
            "history": {"type": "history", "room": "club"},
        }
        for right in commands:
            client = self.with_rights(**{right: ["club"]})
            for other, command in commands.items():
                with self.subTest(right=right, command=other):
                    if other == right:
                        self.assertNotEqual(client.ask(command)["type"], "error")
                    else:
                        self.assert_forbidden(client, **command)

    def test_a_claim_replaces_the_defaults(self):
        self.assert_forbidden(self.with_rights(), type="join", room="lobby")

    def test_a_forbidden_room_looks_like_an_unknown_one(self):
        self.connect().join("secret")
        client = self.with_rights(join=["club"])
        known = self.assert_forbidden(client, type="join", room="secret", id=1)
        unknown = self.assert_forbidden(client, type="join", room="no-such", id=1)
        self.assertEqual(known, {**unknown, "room": "secret", "needs": "join on secret"})
        self.assertEqual(unknown["needs"], "join on no-such")

    def test_the_error_names_what_is_missing(self):
        client = self.with_rights(join=["club"])
        for message, needs in (
                ({"type": "chat", "room": "club"}, "publish on club"),
                ({"type": "direct", "to": "bob"}, "publish on user:bob"),
                ({"type": "direct", "to": 17}, "publish on user:17"),
                ({"type": "join", "room": "club", "presence": True}, "presence on club"),
                ({"type": "presence", "room": "club"}, "presence on club"),
                ({"type": "history", "room": "club"}, "history on club"),
                ({"type": "admin:broadcast"}, "role admin")):
            with self.subTest(message=message):
                self.assertEqual(self.assert_forbidden(client, **message)["needs"], needs)

    def test_a_user_who_is_a_number_gets_direct_messages(self):
        seven = self.connect(token=self.cluster.token(17), autojoin=True)
        seven.wait_for("joined", room="user:17")
        alice = self.with_rights("alice", publish=["user:*"])
        alice.ask_for("ack", type="direct", to=17, text="hi")
        self.assertEqual(seven.wait_for("direct")["user"], "alice")

    def test_patterns(self):
        client = self.with_rights(join=["team-*", "*-open", "x*y*z", "{user}/*", "exact"])
        for room in ("team-", "team-a", "a-open", "xyz", "x1y2z", "dave/1", "exact"):
            with self.subTest(allowed=room):
                client.join(room)
        for room in ("team", "Team-a", "a-opened", "xz", "xyzz1", "carol/1", "{user}/1", "exactly"):
            with self.subTest(refused=room):
                self.assert_forbidden(client, type="join", room=room)

    def test_a_user_called_star_is_taken_literally(self):
        client = self.with_rights("*", join=["{user}-room"])
        self.assert_forbidden(client, type="join", room="a-room")

    def test_a_user_with_a_star_has_no_personal_room(self):
        client = self.connect(token=self.cluster.token("a*"), autojoin=True)
        client.expect("joined", room="lobby")
        client.expect_nothing()
        root = self.connect(token=self.cluster.token("root", roles=["admin"]))
        error = root.ask_for("error", type="direct", to="a*")
        self.assertEqual((error["code"], "pattern" in error["message"]), ("bad_room", True))

    def test_reserved_prefixes_need_a_pattern_that_begins_with_them(self):
        client = self.with_rights(join=["*"], publish=["*"], history=["*"])
        for room in ("user:bob", "admin:x", "user:"):
            for command in ("join", "chat", "history"):
                with self.subTest(room=room, command=command):
                    self.assert_forbidden(client, type=command, room=room)
        self.with_rights(join=["user:b*"]).join("user:bob")

    def test_ones_own_room_needs_no_right_for_join_and_history(self):
        client = self.with_rights()
        client.join("user:dave")
        client.ask_for("history", type="history", room="user:dave")
        self.assert_forbidden(client, type="chat", room="user:dave")

    def test_admins_may_publish_anywhere_but_not_listen_to_others(self):
        root = self.connect(token=self.cluster.token("root", roles=["admin"], weir={}))
        for room in ("anywhere", "user:bob", "admin:x"):
            root.publish(room)
        root.join("anywhere")
        root.ask_for("presence", type="presence", room="user:bob")
        for command in ("join", "history"):
            self.assert_forbidden(root, type=command, room="user:bob")

    def test_presence_without_the_right_refuses_the_whole_join(self):
        client = self.with_rights(join=["club"])
        self.assert_forbidden(client, type="join", room="club", presence=True)
        error = client.ask_for("error", type="leave", room="club")
        self.assertEqual(error["code"], "not_member")

    def test_since_needs_no_more_than_join(self):
        epoch = self.connect().publish(self.room, "x")["epoch"]
        joined = self.with_rights(join=["*"]).join(self.room, since={"epoch": epoch, "seq": 0})
        self.assertEqual(len(joined["messages"]), 1)

    def test_a_refused_publish_reaches_nobody(self):
        member = self.connect(1, "bob")
        member.join(self.room)
        self.assert_forbidden(self.with_rights(join=["*"]), type="chat", room=self.room)
        member.expect_nothing()


class Broadcast(ClusterTestCase):
    def test_an_admins_broadcast_reaches_every_connection(self):
        clients = [self.connect(i % 2, f"user-{i}") for i in range(4)]
        root = self.connect(token=self.cluster.token("root", roles=["admin"], username="Root"))
        for client in [*clients, root]:
            client.fence()  # now the router knows of it
        ack = root.ask(type="admin:broadcast", text="all hands", id="b")
        self.assertEqual({name for name in ack}, {"type", "id", "timestamp", "members"})
        self.assertEqual((ack["type"], ack["members"]), ("ack", 5))
        for client in [*clients, root]:
            message = client.expect("admin:broadcast", text="all hands", user="root", room=None,
                                    seq=None, epoch=None)
            self.assertEqual(message["from"], root.connected["clientId"])

    def test_others_may_not(self):
        alice, bob = self.connect(), self.connect(1, "bob")
        for roles in ([], ["moderator"], ["Admin"]):
            client = self.connect(token=self.cluster.token("eve", roles=roles))
            error = client.ask_for("error", type="admin:broadcast", text="x")
            self.assertEqual((error["code"], error["message"]), FORBIDDEN)
        alice.expect_nothing()
        bob.expect_nothing()


class DefaultRights(ClusterTestCase):
    n_edges = 1
    edge_options = {
        "default_rights": ["join+history=read-*", "join+publish=open-*", "publish=fence-*",
                           "join=fence-*"],
        "admin_role": "boss",
    }

    def test_they_hold_for_tokens_without_the_claim(self):
        alice = self.connect()
        alice.join("read-1")
        alice.join("open-1")
        alice.publish("open-1")
        for message in ({"type": "chat", "room": "read-1"}, {"type": "join", "room": "other"},
                        {"type": "history", "room": "open-1"}):
            error = alice.ask_for("error", message)
            self.assertEqual((error["code"], error["message"]), FORBIDDEN)

    def test_the_admin_role_has_the_name_of_the_option(self):
        boss = self.connect(token=self.cluster.token("b", roles=["boss"]))
        boss.publish("read-1")
        admin = self.connect(token=self.cluster.token("a", roles=["admin"]))
        admin.ask_for("error", type="chat", room="read-1")


class Renewal(ClusterTestCase):
    n_edges = 1
    edge_options = {"jwt_leeway": "0"}
    expected_seconds = 6

    def test_rights_of_a_new_token_apply_at_once(self):
        alice = self.connect()
        for room in ("kept", "lost"):
            alice.join(room)
        token = self.cluster.token("alice", weir={"join": ["kept", "new"]})
        self.assertEqual(alice.ask(type="auth", token=token)["type"], "ack")
        alice.expect("left", room="lost", reason="forbidden")
        alice.join("new")
        alice.ask_for("error", type="chat", room="kept")

    def test_who_loses_the_right_to_presence_hears_no_more_of_others(self):
        alice = self.connect()
        alice.join(self.room, presence=True)
        bob = self.connect(user="bob")
        bob.join(self.room)
        alice.expect("member:join", user="bob")
        token = self.cluster.token("alice", weir={"join": ["*"], "publish": ["*"]})
        alice.ask_for("ack", type="auth", token=token)
        bob.ask_for("left", type="leave", room=self.room)
        bob.join(self.room)
        alice.expect_nothing()
        bob.publish(self.room, "still a member")
        alice.expect("chat", room=self.room)

    def test_without_an_id_it_is_acked_too(self):
        alice = self.connect()
        alice.send(type="auth", token=self.cluster.token("alice"))
        alice.expect("ack", id=None)

    def test_a_bad_token_or_one_of_another_user_closes(self):
        for token in (self.cluster.token("bob"), "x.y.z", self.cluster.token("alice", exp=1)):
            with self.subTest(token=token):
                alice = self.connect()
                alice.send(type="auth", token=token)
                alice.expect_close(4002, "invalid_token")

    def test_expiry_is_told_and_closes(self):
        expires = int(time.time()) + 4
        alice = self.open(token=self.cluster.token("alice", exp=expires), target="/?autojoin=0")
        connected = alice.expect("connected")
        self.assertEqual(connected["session"], {"expires": expires})
        self.assertIn(alice.expect("token:expiring")["in"], range(5))
        alice.expect_close(4003, "token_expired")
        self.assertGreaterEqual(time.time(), expires)
        self.assertLess(time.time(), expires + 2)

    def test_a_renewed_token_lives_on(self):
        expires = int(time.time()) + 4
        alice = self.connect(token=self.cluster.token("alice", exp=expires))
        alice.expect("token:expiring")
        alice.ask_for("ack", type="auth", token=self.cluster.token("alice"))
        while time.time() < expires + 1:
            alice.ask_for("pong", type="ping")
            time.sleep(0.1)


class SecurityPage(TestCase):
    """The lines for private rooms of deploy/security.md do what the page says."""

    def test_private_rooms(self):
        with open(os.path.join(ROOT, "deploy", "security.md"), encoding="utf-8") as f:
            lines = re.findall(r"^default-rights = (.*)$", f.read(), re.MULTILINE)
        self.assertEqual(len(lines), 2)
        cluster = self.start_cluster(edges=1)
        cluster.connect(user="alice").join("secret")  # as long as nothing is configured
        edge = cluster.start_edge("private", default_rights=lines)
        alice = cluster.connect(edge, "alice")
        for room in ("public:hall", "private:alice:notes"):
            alice.join(room)
        for room in ("secret", "private:bob:notes", "team:7"):
            self.assertEqual(alice.ask_for("error", type="join", room=room)["code"], "forbidden")
        member = cluster.connect(edge, token=cluster.token("bob", weir={"join": ["team:7"]}))
        member.join("team:7")


if __name__ == "__main__":
    unittest.main()
