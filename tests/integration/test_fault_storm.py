"""What a storm of faults deals, with programs and a clock of paper."""

import os
import random
import sys
import unittest
from unittest import mock

from harness import ROOT

sys.path.append(os.path.join(ROOT, "tests", "faults"))
import storm  # noqa: E402

SHORT_S = 40
N = 100


class PaperClock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def blow(seed):
    """A storm of that seed: it, and how long it took."""
    gateway = mock.MagicMock()
    gateway.edges, gateway.proxies = [mock.MagicMock()] * 3, [mock.MagicMock()] * 3
    gateway.rooms, gateway.link_address = ["room"], ("127.0.0.1", 1)
    clock = PaperClock()
    with mock.patch.object(storm, "time", clock), mock.patch.object(
            storm.socket, "create_connection", side_effect=OSError):
        dealt = storm.Storm(gateway, random.Random(seed), lambda text: None)
        dealt.blow(SHORT_S)
    return dealt, clock.now


class Storms(unittest.TestCase):
    def test_a_short_storm_deals_every_kind_of_fault(self):
        took = []
        for seed in range(N):
            with self.subTest(seed=seed):
                dealt, seconds = blow(seed)
                self.assertEqual(dealt.seen, set(storm.Storm.kinds()))
                self.assertEqual(dealt.taken, {}, "all is mended")
                took.append(seconds)
        self.assertLess(sum(took) / N, 1.5 * SHORT_S)
        self.assertLess(max(took), 3 * SHORT_S)

    def test_what_cannot_happen_now_happens_later(self):
        dealt, _ = blow(1)
        dealt.taken["router"] = True
        before = dealt.count
        self.assertFalse(dealt.fault_kill_router())
        self.assertEqual(dealt.count, before)


if __name__ == "__main__":
    unittest.main()
