"""Work for the router that looks small: nobody may have its thread for long."""

import time
import unittest

from attack import Attack
from linkwire import BATCH, data, frame, varint

ROOMS, USERS = 60, 100
RIGHTS = 200
BATCHES, ITEMS = 2, 90


class Routing(Attack):
    def test_a_batch_of_slow_items_holds_nobody_up(self):
        """Clients of one edge get new rights all the time, patterns that take long to match."""
        crowd = self.population(USERS, ROOMS, prefix="a" * 60)
        pattern = "*a" * 12 + "b"
        rights = varint(7, 1) + b"".join(
            data(8, varint(1, 1) + data(2, f"{pattern}{i}")) for i in range(RIGHTS))
        rights += data(8, varint(1, 15) + data(2, "*"))
        first = crowd.link.next_up
        frames = [frame(BATCH, b"".join(crowd.client_up(1 + i * ITEMS % USERS + n, rights)
                                        for n in range(ITEMS)), seq=first + i)
                  for i in range(BATCHES)]
        self.quiet()
        begun = time.monotonic()
        crowd.link.socket.sendall(b"".join(frames))
        time.sleep(1.5)
        self.judge()
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIn("population", [edge["edge"] for edge in self.cluster.rows("edges")])


if __name__ == "__main__":
    unittest.main()
