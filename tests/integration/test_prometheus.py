"""Debian's Prometheus scrapes real programs with the configuration of deploy/, and the queries that
deploy/README.md recommends give what happened."""

import json
import os
import re
import shutil
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import DEADLINE_S, ROOT, Process, TestCase, metrics_of, parse_address, wait_until

FETCHED = os.path.join(ROOT, "build", "prometheus", "usr", "bin", "prometheus")
PROMETHEUS = FETCHED if os.path.exists(FETCHED) else shutil.which("prometheus")
CONFIG = os.path.join(ROOT, "deploy", "prometheus", "prometheus.yml")
PATIENCE_S = 3 * DEADLINE_S  # a scrape that takes too long is lost, and a later one counts
LISTENING = r'msg="Listening on" address=(\S+)'


def told_queries():
    """Title -> query, from the table of the document."""
    with open(os.path.join(ROOT, "deploy", "README.md"), encoding="utf-8") as f:
        section = f.read().split("## Prometheus\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", section, re.MULTILINE))


@unittest.skipIf(PROMETHEUS is None, "Prometheus is not installed (tests/run fetches it)")
class Prometheus(TestCase):
    expected_seconds = 8

    def setUp(self):
        self.cluster = self.start_cluster(edges=2)
        first, second = ("%s:%d" % edge.ops for edge in self.cluster.edges)
        config = self.config({"edge-1:9180": first, "edge-2:9180": second,
                              "router:9170": "%s:%d" % self.cluster.router.ops})
        self.server = self.start_process(Process(self.cluster.folder, "prometheus", [
            PROMETHEUS, f"--config.file={config}", "--web.listen-address=127.0.0.1:0",
            f"--storage.tsdb.path={self.cluster.folder}/prometheus"], wrap=False))
        line = self.server.wait_for_line(LISTENING)
        self.address = parse_address(re.search(LISTENING, line).group(1))
        wait_until(lambda: self.up() == 3, "all three are scraped", PATIENCE_S)

    def config(self, replaced):
        """That of deploy/, with addresses of ours, and in a hurry."""
        with open(CONFIG, encoding="utf-8") as f:
            text = f.read()
        for old, new in {**replaced, "scrape_interval: 15s": "scrape_interval: 1s",
                         "scrape_timeout: 10s": "scrape_timeout: 1s"}.items():
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        return self.cluster.write("prometheus.yml", text)

    def query(self, text):
        """The vector that the query gives: [({label: value}, number)]."""
        url = "http://%s:%d/api/v1/query?" % self.address
        try:
            with urllib.request.urlopen(url + urllib.parse.urlencode({"query": text}),
                                        timeout=DEADLINE_S) as reply:
                reply = json.load(reply)
        except urllib.error.HTTPError as e:
            if e.code == 503:
                return []  # it listens before it serves
            raise
        return [(row["metric"], float(row["value"][1])) for row in reply["data"]["result"]]

    def number(self, text):
        rows = self.query(text)
        return rows[0][1] if len(rows) == 1 else None

    def up(self):
        return sum(value for _, value in self.query("up"))

    def test_the_recommended_queries_give_what_happened(self):
        queries = told_queries()
        clients = [self.cluster.connect(i % 2, f"user-{i}") for i in range(5)]
        for client in clients:
            client.join("tea")
        wait_until(lambda: self.number(queries["connections"]) == 5, "five are seen",
                   PATIENCE_S)
        self.count_messages(clients, queries["messages received"])
        self.count_connections(clients, queries)

    def count_messages(self, clients, query):
        """A rate needs two samples of which the later is higher, so the sending goes on."""
        def seen():
            clients[0].publish("tea")
            return any(rate > 0 and labels["type"] == "chat" for labels, rate in self.query(query))

        wait_until(seen, "messages a second", PATIENCE_S)

    def count_connections(self, clients, queries):
        opened, closed = queries["opened a second"], queries["closed a second"]
        wait_until(lambda: self.number(opened), "connections were opened", PATIENCE_S)
        self.assertEqual(self.number(closed), 0)
        for client in clients[:3]:
            client.close()
        wait_until(lambda: self.number(queries["connections"]) == 2, "two are left",
                   PATIENCE_S)
        wait_until(lambda: self.number(closed), "connections were closed", PATIENCE_S)
        self.compare_duration(queries["average duration"])

    def compare_duration(self, query):
        """No connection had ended at the first sample, so the average is that of all so far."""
        def on_the_pages(what):
            name = "websocket_connection_duration_seconds_" + what
            return sum(metrics_of(edge.ops)[name] for edge in self.cluster.edges)

        wait_until(lambda: on_the_pages("count") == 3, "three durations are on the pages")
        expected = on_the_pages("sum") / 3

        def settled():
            average = self.number(query)
            return average is not None and abs(average - expected) < 0.01 * expected

        wait_until(settled, f"the average is {expected} s", PATIENCE_S)

    def test_a_program_that_is_gone_is_seen(self):
        self.cluster.edges[1].stop()
        wait_until(lambda: self.up() == 2, "one is missed", PATIENCE_S)


if __name__ == "__main__":
    unittest.main()
