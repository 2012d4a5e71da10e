"""Large answers, asked for by somebody who does not read them."""

import time
import unittest

from attack import Attack, flood
from harness import memory_kib, sanitized

CONNECTIONS = 150
HELD_MAX_KIB = 64 << 10


class Answers(Attack):
    expected_seconds = 10

    def test_answers_that_nobody_reads_hold_a_bounded_part_of_an_edge(self):
        if sanitized():
            self.skipTest("memory is another with a sanitizer")
        admin = self.cluster.connect(token=self.cluster.token("admin", roles=["admin"]))
        for _ in range(5):
            admin.publish("large", "x" * 50_000)
        mallory = [self.cluster.connect(0, "mallory", receive_buffer=4096)
                   for _ in range(CONNECTIONS)]
        self.quiet()
        before = memory_kib(self.cluster.edges[0])
        for client in mallory:
            flood(client, [{"type": "history", "room": "large", "id": i} for i in range(10)])
        time.sleep(2)
        held = memory_kib(self.cluster.edges[0]) - before
        self.judge()
        self.assertLess(held, HELD_MAX_KIB)


if __name__ == "__main__":
    unittest.main()
