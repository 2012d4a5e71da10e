"""A browser's EventSource, with nothing around it, loses no message when its edge is killed."""

import os
import queue
import sys
import unittest
from urllib.parse import urlencode

from harness import DEADLINE_S, ROOT, TestCase
from test_browsers import ChromiumBrowser, FirefoxBrowser, PageServer

sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
import proxy  # noqa: E402

COUNT = 30  # messages before the fault, while nobody reads, and after


class Readers:
    """The page reaches edge 0 through a balancer, which knows a moment later that it is gone."""

    expected_seconds = 15

    def setUp(self):
        super().setUp()
        self.page = PageServer("eventsource.html")
        self.addCleanup(self.page.close)
        self.cluster = self.start_cluster(edges=2, edge={"allowed_origins": [self.page.origin]},
                                          router={"history_messages": 1000})
        self.balancer = proxy.Proxy(self.cluster.edges[0].address)
        self.addCleanup(self.balancer.cut)
        self.publisher = self.cluster.connect(edge=1, user="writer")
        self.seen = []

    def open_page(self, path="/v1/rooms/tea/events?"):
        host, port = self.balancer.address
        url = f"http://{host}:{port}{path}token={self.cluster.token('reader')}"
        self.load(self.page, urlencode({"events": url}))

    def publish(self):
        for _ in range(COUNT):
            self.publisher.publish("tea", "x")

    def until(self, event, n_seen=0):
        """Takes reports until there is such a one and so many messages have come."""
        happened = False
        while not happened or len(self.seen) < n_seen:
            try:
                report = self.page.reports.get(timeout=6 * DEADLINE_S)
            except queue.Empty:
                self.fail(f"no {event} after messages {self.seen}")
            self.assertFalse(report["gaveUp"], report)
            self.seen += report.get("seqs", [])
            happened = happened or report["event"] == event
        return report

    def kill_its_edge(self):
        self.cluster.edges[0].kill()
        self.until("error")

    def assert_each_came_once(self, count):
        self.assertEqual(self.seen, list(range(1, count + 1)))

    def test_messages_of_the_time_between_come_with_the_next_edge(self):
        self.open_page()
        self.until("joined")
        self.publish()
        self.until("chat", COUNT)
        self.kill_its_edge()
        self.publish()
        self.balancer.target = self.cluster.edges[1].address
        joined = self.until("joined")
        self.assertTrue(joined["recovered"])
        self.publish()
        self.until("chat", 3 * COUNT)
        self.assert_each_came_once(3 * COUNT)

    def test_so_do_those_of_several_rooms(self):
        self.open_page("/v1/events?room=tea&room=milk&")
        self.until("joined")
        self.publish()
        self.until("chat", COUNT)
        self.kill_its_edge()
        self.publish()
        self.balancer.target = self.cluster.edges[1].address
        self.until("joined", 2 * COUNT)
        self.assert_each_came_once(2 * COUNT)

    def test_a_reader_that_has_heard_nothing_yet_misses_nothing(self):
        self.open_page()
        self.until("joined")
        self.kill_its_edge()
        self.publish()
        self.balancer.target = self.cluster.edges[1].address
        self.until("joined", COUNT)
        self.assert_each_came_once(COUNT)

    def test_what_came_with_joined_does_not_come_again(self):
        self.open_page()
        self.until("joined")
        self.publish()
        self.until("chat", COUNT)
        for n in (2, 3):
            self.balancer.refuse(True)
            self.until("error")
            self.publish()
            self.balancer.refuse(False)
            self.until("joined", n * COUNT)
        self.assert_each_came_once(3 * COUNT)

    def test_an_edge_that_refuses_ends_it_as_the_page_says(self):
        """So the HTML standard has it for every status but 200; proto/http.md tells who must know."""
        self.open_page()
        self.until("joined")
        lost = self.cluster.spawn_edge("lost", router="tcp://127.0.0.1:1",
                                       allowed_origins=[self.page.origin]).wait_ready()
        self.kill_its_edge()
        self.balancer.target = lost.address
        report = self.page.reports.get(timeout=6 * DEADLINE_S)
        while not report["gaveUp"]:
            report = self.page.reports.get(timeout=6 * DEADLINE_S)
        self.assertEqual(report["event"], "error")


class Chromium(ChromiumBrowser, Readers, TestCase):
    pass


class Firefox(FirefoxBrowser, Readers, TestCase):
    expected_seconds = 25


if __name__ == "__main__":
    unittest.main()
