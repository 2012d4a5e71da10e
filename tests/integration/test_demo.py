"""The demo page as edges serve it, in Chromium and in Firefox: two people on two edges, one of which
is killed. Screenshots are kept in the build folder."""

import json
import os
import shutil
import subprocess
import unittest
from urllib.parse import urlencode

from balancer import Balancer
from harness import BUILD, ROOT, TestCase
from marionette import ENTER, Firefox
from test_node_clients import MODULES, missing

PROGRAM = os.path.join(ROOT, "tests", "client", "weirjs", "demo.mjs")
SHOTS = os.path.join(BUILD, "demo")
AXE = os.path.join(MODULES, "axe-core", "axe.min.js")
ROUND = 10  # messages before the edge is killed, and after


def lacks_modules(*names):
    if missing():
        return missing()
    for name in names:
        if not os.path.isdir(os.path.join(MODULES, name)):
            return f"node's {name} is not installed (tests/run fetches it)"
    return None


class DemoTestCase(TestCase):
    def setUp(self):
        os.makedirs(SHOTS, exist_ok=True)
        self.cluster = self.start_cluster(edges=2, edge={"demo": True})
        self.tokens = {user: self.cluster.token(user, username=user.capitalize())
                       for user in ("alice", "bob", "carol")}
        addresses = [edge.address for edge in self.cluster.edges]
        self.balancers = [Balancer(addresses), Balancer(addresses[::-1])]
        for balancer in self.balancers:
            self.addCleanup(balancer.close)


class InChromium(DemoTestCase):
    expected_seconds = 40

    def setUp(self):
        why = lacks_modules("playwright-core", "axe-core")
        if why is None and not shutil.which("chromium"):
            why = "chromium is not installed (tests/run installs it)"
        if why is not None:
            self.skipTest(why)
        super().setUp()

    def test_two_people_and_the_page(self):
        arguments = {"origins": [balancer.origin for balancer in self.balancers],
                     "tokens": self.tokens, "shots": SHOTS}
        program = subprocess.Popen(
            ["node", PROGRAM, json.dumps(arguments)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": MODULES, "CHROMIUM": shutil.which("chromium")})
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        seen = []
        for line in program.stdout:
            seen.append(json.loads(line)["event"])
            if seen[-1] == "kill":
                self.cluster.edges[0].kill()
                program.stdin.write("killed\n")
                program.stdin.flush()
        self.assertEqual(seen[-1:], ["done"], f"{seen} {program.stderr.read()}")


@unittest.skipUnless(shutil.which("firefox-esr"),
                     "firefox-esr is not installed (tests/run installs it)")
class InFirefox(DemoTestCase):
    expected_seconds = 30
    SAID = "return [...document.querySelectorAll('.message .said')].map((one) => one.textContent)"
    PENDING = "return document.querySelectorAll('.message.pending').length === 0"

    def setUp(self):
        why = lacks_modules("axe-core")
        if why is not None:
            self.skipTest(why)
        super().setUp()
        self.firefox = Firefox()
        self.addCleanup(self.firefox.close)

    def page(self, who, edge, **how):
        words = urlencode({"token": self.tokens[who]})
        page = self.firefox.window(f"{self.balancers[edge].origin}/demo#{words}", **how)
        page.wait_for("return document.querySelector('[data-state=open]') !== null")
        return page

    def say(self, page, text):
        page.type("#text", text + ENTER)

    def sees(self, page, text):
        page.wait_for("return [...document.querySelectorAll('.message .said')].some("
                      "(one) => one.textContent === arguments[0])", text)

    def assert_accessible(self, page, what):
        with open(AXE, encoding="utf-8") as f:
            axe = f.read()
        found, passes = page.run_async(axe + """
            const tell = arguments[arguments.length - 1];
            const told = ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`;
            const moving = document.getAnimations()
              .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
            Promise.allSettled(moving.map((one) => one.finished)) // what fades has no contrast
              .then(() => axe.run()).then(({ violations, passes }) =>
              tell([violations.map(told), passes.length]), (error) => tell([[`${error}`], 0]));
        """)
        self.assertEqual(found, [], what)
        self.assertGreater(passes, 20, what)

    def test_two_pages_lose_an_edge_and_no_message(self):
        alice, bob = self.page("alice", 0), self.page("bob", 1, width=640)
        for n in range(ROUND):
            self.say((alice, bob)[n % 2], f"before {n}")
        for page in (alice, bob):
            self.sees(page, f"before {ROUND - 1}")
        for name, page in (("alice", alice), ("bob", bob)):
            page.screenshot(os.path.join(SHOTS, f"firefox-1-{name}.png"))
            self.assert_accessible(page, name)
        self.cluster.edges[0].kill()
        for n in range(ROUND):
            self.say((alice, bob)[n % 2], f"after {n}")
        for page in (alice, bob):
            for n in range(ROUND):
                self.sees(page, f"after {n}")
            page.wait_for(self.PENDING)
        alice.screenshot(os.path.join(SHOTS, "firefox-2-another-edge.png"))
        self.assert_accessible(alice, "at another edge")
        said = alice.run(self.SAID)
        self.assertEqual(bob.run(self.SAID), said)
        wanted = [f"{when} {n}" for when in ("before", "after") for n in range(ROUND)]
        self.assertEqual(sorted(said), sorted(wanted))
        for when in ("before", "after"):
            for who in (0, 1):
                own = [f"{when} {n}" for n in range(who, ROUND, 2)]
                self.assertEqual([text for text in said if text in own], own)


if __name__ == "__main__":
    unittest.main()
