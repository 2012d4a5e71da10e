"""All attacks at once."""

import json
import os
import subprocess
import sys
import time
import unittest

from attack import HERE, Attack
from harness import DEADLINE_S, wait_until
from rawhttp import SLOW

SECONDS = 6


class All(Attack):
    expected_seconds = 20

    def attackers(self, seconds):
        who = ["{}@{}:{}".format(self.cluster.token("mallory"), *edge.address)
               for edge in self.cluster.edges]
        popen = subprocess.Popen([sys.executable, os.path.join(HERE, "attacker.py"), str(seconds),
                                  *who], stdout=subprocess.PIPE)
        self.addCleanup(popen.stdout.close)
        self.addCleanup(popen.wait)
        self.addCleanup(popen.kill)
        return popen

    def test_all_at_once_delay_nobody(self):
        admin = self.cluster.connect(token=self.cluster.token("admin", roles=["admin"]))
        for _ in range(5):
            admin.publish("lobby", "x" * 50_000)
        self.quiet()
        came = json.loads(self.attackers(SECONDS).communicate(timeout=SECONDS + DEADLINE_S)[0])
        self.judge()
        self.assertGreater(came["sent"], 1 << 20)
        self.assertGreater(came["closed"], 0)

    def test_programs_end_under_it_when_they_are_told(self):
        """The router at once, an edge after its drain."""
        self.bystanders.stop()
        attackers = self.attackers(30)
        wait_until(lambda: self.cluster.rows("limits")[-1]["used"] > 50, "they make rooms")
        for program, seconds in ((self.cluster.router, 3 * SLOW), (self.cluster.edges[0], 25)):
            begun = time.monotonic()
            program.stop(seconds)  # which waits for its end, with 0
            print(f"{program.name} ended in {time.monotonic() - begun:.2f} s", file=sys.stderr)
        self.assertIsNone(attackers.poll())


if __name__ == "__main__":
    unittest.main()
