"""Much, to many."""

import time
import unittest

from attack import Attack, answers, flood

READER_BYTES_S = 500_000  # 4 Mbit/s
LARGE = 100_000


class LargeMessages(Attack):
    def attack(self, clients, n):
        """Each sends n large messages; all answers."""
        for client in clients:
            flood(client, [{"type": "chat", "room": "lobby", "id": i, "text": "x" * LARGE}
                           for i in range(n)])
        return [answer for client in clients for answer in answers(client, n)]

    def setUp(self):
        super().setUp()
        for i in range(10):
            self.reader(READER_BYTES_S, i % 2, f"reader-{i}")

    def judge_all(self):
        time.sleep(2)
        self.judge()
        self.assertEqual(self.slow_closes(), 0)

    def test_a_burst_is_refused_and_closes_no_reader(self):
        mallory = self.cluster.connect(user="mallory")
        self.quiet()
        came = self.attack([mallory], 100)
        self.judge_all()
        refused = [a for a in came if a["type"] == "error"]
        self.assertGreater(len(refused), 80)
        for one in refused:
            self.assertEqual(one["code"], "rate_limited")
            self.assertGreater(one["after"], 0)
            self.assertEqual(one["limit"], "rate-bytes")

    def test_a_user_of_many_connections_closes_no_reader(self):
        mallory = [self.cluster.connect(i % 2, "mallory") for i in range(10)]
        self.quiet()
        came = self.attack(mallory, 5)
        self.judge_all()
        limits = {a["limit"] for a in came if a["type"] == "error"}
        self.assertEqual(limits, {"rate-user-bytes"})

    def test_a_user_that_comes_back_has_no_new_budget(self):
        self.quiet()
        for i in range(10):
            mallory = self.cluster.connect(i % 2, "mallory")
            self.attack([mallory], 5)
            mallory.close()
        self.judge_all()


class Backend(Attack):
    def test_500_quick_publishes_of_an_admin_are_no_attack(self):
        backend = self.cluster.connect(token=self.cluster.token("backend", roles=["admin"]))
        self.quiet()
        flood(backend, [{"type": "chat", "room": f"room-{i % 50}", "id": i, "text": "x" * 500}
                        for i in range(500)])
        self.assertEqual([a["type"] for a in answers(backend, 500)], ["ack"] * 500)
        self.judge()


if __name__ == "__main__":
    unittest.main()
