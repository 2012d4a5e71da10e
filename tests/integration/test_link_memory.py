"""What a link may cost the router: at most 6 MiB an edge, whatever the edge does, and little when it is
quiet."""

import unittest

import linkwire
from harness import LINK_KEY, SLOW, TestCase, parse_address, sanitized, wait_until
from linkwire import data, fixed64, item, varint
from test_link_peer import CLIENT_UP, PUBLISH, PUBLISHED

HISTORY_REQUEST, HISTORY, DELIVERY = 8, 39, 32
N_EDGES = 16
MIB = 1 << 20
LINK_MAX = 6 * MIB
QUIET_MAX = MIB
BODY = "{" + " " * 2400 + "}"
N_KEPT = 100


def memory_of(process, name):
    """A line of /proc/PID/status in bytes: VmRSS now, VmHWM at its highest."""
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(name + ":"))


def publish(n):
    return b"".join(item(PUBLISH, fixed64(1, 1) + varint(2, i + 1) + data(3, "room")
                         + data(4, "chat") + data(5, BODY)) for i in range(n))


def ask_history(n):
    return b"".join(item(HISTORY_REQUEST, fixed64(1, 1) + varint(2, i + 1) + data(3, "room")
                         + varint(6, N_KEPT)) for i in range(n))


@unittest.skipIf(sanitized(), "a sanitizer keeps what was freed, so memory says nothing")
class LinkMemory(TestCase):
    """Every edge asks for a room's whole history again and again: a question of 24 bytes has an answer
    of a quarter of a mebibyte."""

    expected_seconds = 10

    def setUp(self):
        self.cluster = self.start_cluster(
            edges=0, router={"listen": "tcp://127.0.0.1:0", "link_timeout": f"{int(30 * SLOW)}s"})
        self.router = self.cluster.router

    def edge(self, name):
        address = parse_address(self.router.link_url.removeprefix("tcp://"))
        link = linkwire.edge(address, LINK_KEY, name=name)
        self.addCleanup(link.close)
        link.batch(item(CLIENT_UP, fixed64(1, 1) + data(2, "id") + data(3, "ann") + varint(6, 1)))
        return link

    def fill_room(self, link):
        link.batch(publish(N_KEPT))
        for _ in range(N_KEPT):
            link.expect_item(PUBLISHED)

    def test_edges_that_do_not_read_are_cut_off_before_they_cost_more(self):
        links = [self.edge(f"edge-{n}") for n in range(N_EDGES)]
        self.fill_room(links[0])
        before = memory_of(self.router, "VmRSS")
        questions = ask_history(100)
        for link in links:
            link.batch(questions)
        for n in range(N_EDGES):
            self.router.wait_for_line(f"edge_lagged edge=edge-{n}$")
        peak = memory_of(self.router, "VmHWM") - before
        self.assertLess(peak, N_EDGES * LINK_MAX)

    def test_an_edge_that_reads_gets_every_answer_in_its_own_time(self):
        link = self.edge("edge")
        self.fill_room(link)
        link.check = False
        before = memory_of(self.router, "VmRSS")
        link.batch(ask_history(60), *[item(PUBLISH, fixed64(1, 1) + varint(2, 61) + data(3, "r")
                                           + data(4, "chat") + data(5, "{}"))])
        for req in range(1, 61):
            answer = link.expect_item(HISTORY)
            self.assertEqual((answer[2], len(answer[6])), ([req], N_KEPT))
            link.send(linkwire.ACK)
        self.assertEqual(link.expect_item(PUBLISHED)[2], [61])
        link.send(linkwire.ACK)
        self.assertLess(memory_of(self.router, "VmHWM") - before, LINK_MAX)
        wait_until(lambda: memory_of(self.router, "VmRSS") - before < QUIET_MAX,
                   "a quiet link costs little")


if __name__ == "__main__":
    unittest.main()
