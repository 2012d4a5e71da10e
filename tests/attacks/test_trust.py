"""An edge with a key of its own that is in other hands: what it cannot do to the clients of others.

`Rogue` speaks the link as such an edge would, and says whatever it likes.
"""

import os
import re
import unittest

import harness
import linkwire
import ws
from attack import BROADCAST, CLIENT_UP, HERE, JOIN, PUBLISH, SNAPSHOT_END, Attack
from linkwire import data, fixed64, item, varint

REFUSED, PUBLISHED, KICK, DISCONNECT, REVOCATIONS = 37, 36, 42, 14, 43
IDS_OF_BOOT = varint(21, 1)  # in HELLO

FORGED = {  # reason -> bodies in which it is found
    "json": (b'{"a":1},"from":"x","b":{}', b'{"a":1}}', b'{"a":}', b'{"a":1,}', b'{"a":"\n"}'),
    "utf8": (b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}'),
    "field": (b'{"from":"x"}', b'{"User":"ann"}', '{"uſer":"ann"}'.encode(), b'{"s\\u0065q":1}',
              b'{"type":"joined"}', b'{"epoch":"1"}'),
}
RESERVED = ("joined", "gap", "error", "connected", "member:join", "admin:broadcast", "weir:x",
            "direct", "a\0b")


class Rogue:
    """One connection to the router with a valid key, and clients of its own making."""

    def __init__(self, cluster, name="rogue", key=harness.LINK_KEY, boot=None, **how):
        address = harness.parse_address(cluster.router.link_url.removeprefix("tcp://"))
        self.boot = boot or os.urandom(16)
        self.link = linkwire.edge(address, key, name, boot=self.boot, **how)
        self.req = 0

    def up(self, handle=1, user="mallory", client_id="m", more=b""):
        self.link.batch(item(CLIENT_UP, fixed64(1, handle) + data(2, client_id) + data(3, user)
                             + more))

    def announced(self):
        self.link.batch(item(SNAPSHOT_END, varint(1, 0)))

    def request(self, kind, *fields, handle=1):
        self.req += 1
        self.link.batch(item(kind, fixed64(1, handle) + varint(2, self.req) + b"".join(fields)))
        return self.req

    def join(self, room, handle=1):
        return self.request(JOIN, data(3, room), handle=handle)

    def publish(self, room, body=b"{}", message_type="chat", handle=1):
        return self.request(PUBLISH, data(3, room), data(4, message_type), data(5, body),
                            handle=handle)

    def broadcast(self, body=b"{}", message_type="admin:broadcast"):
        return self.request(BROADCAST, data(3, message_type), data(4, body))

    def is_refused(self):
        """Whether the next request that is answered was refused."""
        while True:
            for packed in linkwire.fields(self.link.expect(linkwire.BATCH)).get(1, []):
                got = linkwire.fields(packed)
                if REFUSED in got or PUBLISHED in got:
                    return REFUSED in got


class Trust(Attack):
    def rogue(self, *what, **how):
        one = Rogue(self.cluster, *what, **how)
        self.addCleanup(one.link.close)
        return one

    def refused(self, reason):
        name = f'weir_router_edge_refused_total{{reason="{reason}"}}'
        return harness.metrics_of(self.cluster.router.ops)[name]


class Messages(Trust):
    def test_what_speaks_in_the_gateways_place_is_not_passed_on(self):
        readers = [self.cluster.connect(edge, "reader") for edge in (0, 1)]
        for reader in readers:
            reader.join("room")
        rogue = self.rogue()
        rogue.up(more=varint(6, 1))
        self.quiet()
        for reason, bodies in FORGED.items():
            for body in bodies:
                with self.subTest(reason=reason, body=body):
                    before = self.refused(reason)
                    rogue.publish("room", body)
                    self.assertTrue(rogue.is_refused())
                    rogue.broadcast(body)
                    self.assertTrue(rogue.is_refused())
                    self.assertEqual(self.refused(reason), before + 2)
        for message_type in RESERVED:
            with self.subTest(type=message_type):
                rogue.publish("room", message_type=message_type)
                self.assertTrue(rogue.is_refused())
        rogue.broadcast(message_type="joined")
        self.assertTrue(rogue.is_refused())
        rogue.publish("room", b'{"text":"good"}')
        self.assertFalse(rogue.is_refused())
        for reader in readers:
            self.assertEqual(reader.next()["text"], "good")
        line = self.cluster.router.wait_for_line("edge_distrusted edge=rogue")
        self.assertIn("reason=", line)
        self.assertLess(self.cluster.router.text().count("edge_distrusted"), 30)
        self.judge()


class Clients(Trust):
    def test_an_edge_cannot_speak_as_the_client_of_another(self):
        ann = self.cluster.connect(0, "ann")
        bob = self.cluster.connect(1, "bob")
        bob.join("room")
        ann_id = ann.connected["clientId"]
        self.quiet()
        for name, hello in (("old", b""), ("new", IDS_OF_BOOT)):
            with self.subTest(name=name):
                rogue = self.rogue(name, hello=hello)
                rogue.up(client_id=ann_id)
                self.assertEqual(rogue.link.expect_item(KICK)[1], [1])
                rogue.publish("room")
                rogue.up(2, client_id="id of its own")
                self.assertEqual(rogue.link.expect_item(KICK)[1], [2])
        rogue.up(3, client_id="own-1")  # not of its boot
        self.assertEqual(rogue.link.expect_item(KICK)[1], [3])
        self.assertEqual(self.refused("client_id"), 5)
        ann.publish("room", text="of ann")
        self.assertEqual(bob.expect("chat")["from"], ann_id)
        self.judge()

    def test_a_name_that_reads_as_another_is_left_out(self):
        bob = self.cluster.connect(1, "bob")
        bob.join("room")
        rogue = self.rogue()
        rogue.up(more=data(4, "nna\u202e"))
        rogue.publish("room")
        self.assertNotIn("username", bob.expect("chat"))
        self.assertEqual(self.refused("name"), 1)
        rogue.up(2, "eve", more=data(5, b"\xff"))
        self.assertEqual(rogue.link.expect_item(KICK)[1], [2])


class Rights(Trust):
    """The rogue has a key of its own, and is there for the users of the west."""

    KEY = b"k" * 32
    CARE = ["rogue users=west:* rooms=west:* rooms=lobby admin=no"]

    def setUp(self):
        super().setUp()
        folder = self.cluster.folder
        keys = [os.path.join(folder, "link.key"),
                "rogue=" + self.cluster.write("rogue.key", self.KEY)]
        self.cluster.router_options.update(link_key_file=keys, edge_options=self.CARE)
        self.cluster.router.stop()
        self.cluster.restart_router()
        self.wait_for_edges()

    def wait_for_edges(self):
        """What is revoked now is known to them, too."""
        for edge in self.cluster.edges:
            self.cluster.router.wait_for_line(f" edge_up edge={edge.name} ")

    def test_an_edge_serves_only_whom_its_key_is_for(self):
        ann = self.cluster.connect(0, "ann")
        for room in ("user:ann", "east:tea", "west:tea"):
            ann.join(room)
        rogue = self.rogue(key=self.KEY)
        self.quiet()
        rogue.up(user="ann")
        self.assertEqual(rogue.link.expect_item(KICK)[1], [1])
        rogue.up(2, "west:eve", more=varint(6, 1))
        refusals = (
            lambda: rogue.publish("user:ann", handle=2),
            lambda: rogue.publish("east:tea", handle=2),
            lambda: rogue.request(BROADCAST, data(3, "admin:broadcast"), data(4, b"{}"), handle=2),
            lambda: rogue.request(DISCONNECT, data(3, "ann"), handle=2),
            lambda: rogue.join("east:tea", handle=2),
            lambda: rogue.join("user:ann", handle=2),
        )
        for ask in refusals:
            ask()
            self.assertTrue(rogue.is_refused())
        rogue.publish("west:tea", handle=2)
        self.assertFalse(rogue.is_refused())
        self.assertEqual(ann.expect("chat")["room"], "west:tea")
        self.assertEqual((self.refused("user"), self.refused("admin")), (1, 1))
        self.judge()

    def test_an_edge_can_revoke_nobody(self):
        ann = self.cluster.connect(0, "ann")
        self.cluster.weirctl("revoke", "--user", "bob")
        revoked = [row["user"] for row in self.cluster.rows("revocations")]
        rogue = self.rogue(key=self.KEY)
        told = rogue.link.expect_item(REVOCATIONS)[1][0]
        self.quiet()
        since = varint(4, 1767225600000)
        forged = {
            "without a seal": data(1, data(1, "ann") + varint(3, (1 << 63) - 1) + since),
            "with another's": data(1, told.replace(b"bob", b"ann")),
            "wider": data(1, told + since),
            "a lift": data(3, data(1, "bob") + varint(4, 1 << 50)),
        }
        for n, (name, snapshot) in enumerate(forged.items()):
            with self.subTest(name=name):
                rogue.link.batch(item(REVOCATIONS, snapshot))
                harness.wait_until(lambda n=n: self.refused("revocation") == n + 1, "it is refused")
        ann.publish("room")
        self.assertEqual([row["user"] for row in self.cluster.rows("revocations")], revoked)
        self.judge()

    def test_a_router_has_its_revocations_back_from_edges(self):
        self.cluster.weirctl("revoke", "--user", "bob")
        self.cluster.router.stop()
        self.cluster.restart_router()
        harness.wait_until(lambda: self.cluster.rows("revocations"), "an edge brings it")
        self.assertEqual(self.refused("revocation"), 0)
        with self.assertRaises(ws.Closed):
            self.cluster.connect(0, "bob")

    def test_its_key_opens_for_no_other_name(self):
        self.rogue("edge-1", key=self.KEY, admitted=False).link.expect_end("bad_key")
        self.rogue("other", key=self.KEY, admitted=False).link.expect_end("bad_key")
        self.rogue("rogue", key=harness.LINK_KEY, admitted=False).link.expect_end("bad_key")


class Page(unittest.TestCase):
    """deploy/security.md says what such an edge cannot do; each line of it is a test above."""

    LINES = {
        "fields that": (Messages, "what_speaks_in_the_gateways_place_is_not_passed_on"),
        "the `clientId`": (Clients, "an_edge_cannot_speak_as_the_client_of_another"),
        "a username": (Clients, "a_name_that_reads_as_another_is_left_out"),
        "a user, an admin": (Rights, "an_edge_serves_only_whom_its_key_is_for"),
        "the name of": (Rights, "its_key_opens_for_no_other_name"),
        "a revocation": (Rights, "an_edge_can_revoke_nobody"),
    }

    def test_each_line_of_the_page_has_a_test(self):
        with open(os.path.join(HERE, "..", "..", "deploy", "security.md"), encoding="utf-8") as f:
            section = f.read().split("## A compromised edge")[1].split("\n## ")[0]
        lines = re.findall(r"^\| (?!attempt|---)(.*?) \|", section, re.MULTILINE)
        self.assertEqual(len(lines), len(self.LINES))
        for line, (begin, (case, test)) in zip(lines, self.LINES.items()):
            self.assertTrue(line.startswith(begin), line)
            self.assertTrue(hasattr(case, "test_" + test))


if __name__ == "__main__":
    unittest.main()
