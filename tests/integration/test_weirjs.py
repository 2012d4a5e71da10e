"""The JavaScript client: its own tests under node's runner."""

import glob
import os
import re
import subprocess
import unittest

from harness import ROOT, SLOW, TestCase
from test_node_clients import MODULES, missing

TESTS = os.path.join(ROOT, "tests", "client", "weirjs")
MODULES_NEEDED = ("ws", "protobufjs")


def not_here():
    if missing():
        return missing()
    for name in MODULES_NEEDED:
        if not os.path.isdir(os.path.join(MODULES, name)):
            return f"node's {name} is not installed (tests/run fetches it)"
    return None


class Own(unittest.TestCase):
    """Its tests under node's own runner: one here for each file of theirs."""

    expected_seconds = 20

    def run_file(self, path):
        if not_here():
            self.skipTest(not_here())
        done = subprocess.run(["node", "--test", "--test-reporter=tap", path], capture_output=True,
                              text=True, check=False, timeout=60 * SLOW,
                              env={**os.environ, "NODE_PATH": MODULES})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1]), 0)


def add_own_tests():
    for path in glob.glob(os.path.join(TESTS, "*.test.mjs")):
        name = "test_" + os.path.basename(path).split(".")[0]
        setattr(Own, name, lambda self, path=path: self.run_file(path))


add_own_tests()


if __name__ == "__main__":
    unittest.main()
