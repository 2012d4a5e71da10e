"""Options of rooms by their names: limits, presence, who may publish, and what a reload changes."""

import signal
import unittest

from harness import ClusterTestCase, TestCase

RULES = ["small:* max-members=1 history-messages=2",
         "quiet:* presence=no",
         "cursor:* ephemeral=yes",
         "news:* lobby-publish=admin",
         "* history-messages=5"]


class Rules(ClusterTestCase):
    router_options = {"room_options": RULES}
    expected_seconds = 3

    def test_limits_of_members_and_history(self):
        alice, bob = self.connect(0), self.connect(1, "bob")
        room = f"small:{self.room}"
        joined = alice.join(room)
        self.assertEqual(bob.ask(type="join", room=room)["code"], "limit")
        for n in range(4):
            bob.publish(room, str(n))
        self.assertEqual([m["seq"] for m in bob.ask(type="history", room=room)["messages"]], [3, 4])
        since = {"epoch": joined["epoch"], "seq": 0}
        self.assertFalse(alice.join(room, since=since)["recovered"])

    def test_presence_is_nobodys(self):
        admin = self.connect(0, token=self.cluster.token("root", roles=["admin"]))
        room = f"quiet:{self.room}"
        for question in ({"type": "join", "presence": True}, {"type": "presence"}):
            self.assertEqual(admin.ask(room=room, **question)["code"], "forbidden")
        self.assertEqual(admin.join(room)["members"], 1)

    def test_what_is_ephemeral_is_neither_numbered_nor_kept(self):
        alice, bob = self.connect(0), self.connect(1, "bob")
        room = f"cursor:{self.room}"
        for client in (alice, bob):
            client.join(room)
        self.assertNotIn("seq", alice.publish(room, "x"))
        self.assertNotIn("seq", bob.expect("chat", text="x"))
        alice.expect_nothing()
        self.assertEqual(alice.ask(type="history", room=room)["messages"], [])

    def test_only_admins_publish_where_a_rule_says_so(self):
        bob = self.connect(1, "bob")
        admin = self.connect(0, token=self.cluster.token("root", roles=["admin"]))
        room = f"news:{self.room}"
        bob.join(room)
        self.assertEqual(bob.ask(type="chat", room=room)["code"], "forbidden")
        admin.publish(room, "x")
        bob.expect("chat", text="x")

    def test_weirctl_shows_what_holds(self):
        self.connect().join(f"small:{self.room}")
        row, = self.cluster.rows("room", f"small:{self.room}")
        self.assertEqual((row["pattern"], row["membersMax"], row["historyMessagesMax"], row["slow"]),
                         ("small:*", 1, 2, "disconnect"))
        row, = self.cluster.rows("rooms", f"small:{self.room}", "--options")
        self.assertEqual((row["members"], row["pattern"]), (1, "small:*"))
        row, = self.cluster.rows("rooms", f"small:{self.room}")
        self.assertNotIn("pattern", row)


class Reload(TestCase):
    expected_seconds = 2

    def test_other_rules_hold_in_rooms_that_exist(self):
        cluster = self.start_cluster(edges=0)
        cluster.write("router.conf", "room-options = a* max-members=1\n")
        router = cluster.start_router(config=f"{cluster.folder}/router.conf",
                                      listen="tcp://127.0.0.1:0",
                                      admin=f"ipc://{cluster.folder}/other.sock")
        edge = cluster.start_edge("edge", router=[router.link_url])
        alice, bob = cluster.connect(edge), cluster.connect(edge, "bob")
        alice.join("a")
        self.assertEqual(bob.ask(type="join", room="a")["code"], "limit")
        cluster.write("router.conf", "room-options = a* max-members=2\nroom-options = b* presence=no\n")
        mark = router.mark()
        router.signal(signal.SIGHUP)
        router.wait_for_line(" reloaded( |$)", after=mark)
        self.assertEqual(bob.join("a")["members"], 2)
        self.assertEqual(bob.ask(type="presence", room="b")["code"], "forbidden")
        cluster.write("router.conf", "room-options = a* max-members=some\n")
        router.signal(signal.SIGHUP)
        router.wait_for_line("reload_failed .*room-options: max-members is not a number", after=mark)


if __name__ == "__main__":
    unittest.main()
