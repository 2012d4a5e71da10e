"""A load, a fault in its middle, and what the clients recorded of it: a scenario for tests to judge.

It runs once, before the tests of its class: two edges, clients in several rooms (tests/faults/fleet.py)
that publish RATE messages a second, the fault, then rest. Any such class also tests that none of the
checker's invariants was broken, and that the load was as high as it should be.
"""

import os
import shutil
import sys
import tempfile
import time

from harness import SLOW, metrics_of, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))

from checker import Checker, Limits, report  # noqa: E402
from gateway import Gateway, now_us  # noqa: E402
from recording import Recording, quantile  # noqa: E402

SECOND = 1_000_000
RATE = 600 / SLOW  # publishes a second, of all clients together
RATE_MIN = 500 / SLOW  # of which so many are answered; a sanitizer makes everything slower
N_CLIENTS = 24
MARGIN_US = 200_000 * SLOW  # until programs and clients know of what has happened
PENDING_MAX = 1000  # of a client: the load goes on while the answers wait for a fault to end
JUDGED = ("I1", "I2", "I3", "I4", "I6", "I7", "I8")  # nobody asks for history, nothing is measured


def rooms_of(count):
    return [f"room-{i}" for i in range(count)]


def number_of(session):
    """Of its client."""
    return int(session.user.rpartition("-")[2])


class Scenario:
    """The load and the fault. Clients with an even number begin at the first edge."""

    expected_seconds = 9
    rooms = rooms_of(12)
    after_s = 0.3
    router_options = {}
    edge_options = {}
    proxied = False
    lossless = False
    pads = (0, 0, 0, 50, 200)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="weir-promises-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.gateway = Gateway(cls.folder, 2, cls.rooms, proxied=cls.proxied,
                              router=cls.router_options,
                              edge={"lobby": "", "publish_timeout": f"{10 * SLOW:g}s",
                                    **cls.edge_options})
        cls.cluster = cls.gateway.cluster  # a failed test prints its logs
        try:
            cls.play()
            cls.gateway.end_fleet()
        except BaseException:
            cls.cluster.print_logs()
            raise
        finally:
            cls.gateway.kill_fleet()
            cls.cluster.stop()
        cls.judge()

    @classmethod
    def play(cls):
        gateway = cls.gateway
        gateway.start_fleet("promises", [cls.client(i) for i in range(N_CLIENTS)],
                            pads=cls.pads, pending=PENDING_MAX)
        cls.rest()
        gateway.order(do="talk", rate=RATE)
        cls.began, cls.broken = cls.wait_for_load()
        cls.break_it()
        time.sleep(cls.after_s)
        cls.mended, cls.ended = cls.wait_for_load()
        cls.rest()
        gateway.record("settled")
        gateway.take_members()

    @classmethod
    def wait_for_load(cls):
        """Times around one second and a little in which the router numbers enough messages."""
        def loaded():
            begin, n = now_us(), cls.published()
            time.sleep(1.2)
            n, end = cls.published() - n, now_us()
            return n * SECOND / (end - begin) > (RATE + RATE_MIN) / 2 and (begin, end)

        return wait_until(loaded, f"{RATE_MIN:g} messages a second", 20 * SLOW)

    @classmethod
    def published(cls):
        return metrics_of(cls.gateway.router.ops)["weir_router_published_total"]

    @classmethod
    def rest(cls):
        why = cls.gateway.order_and_wait(do="quiet")
        if why:
            raise AssertionError(f"the clients do not come to rest: {why}")

    @classmethod
    def client(cls, i):
        return {"user": f"user-{i}", "edge": i % 2, "allowed": cls.rooms, "home": cls.home(i),
                "codec": "proto" if i % 3 == 0 else "json"}

    @classmethod
    def home(cls, i):
        """Rooms of one client: eight members in each room, of both edges."""
        return [cls.rooms[(i + step) % len(cls.rooms)] for step in (0, 1, 5, 7)]

    @classmethod
    def judge(cls):
        limits = Limits(lossless=cls.lossless, ghost_s=6 + 5 * SLOW)
        cls.checker = Checker(limits)
        for event in cls.gateway.recorded():
            cls.checker.feed(event)
        cls.checker.finish()
        cls.recording = Recording(cls.gateway.recorded())

    @classmethod
    def break_it(cls):
        """The fault of the row, and all that belongs to it."""

    # ---- true of each scenario

    def test_500_messages_a_second_are_answered(self):
        """Before the fault and after it. Meanwhile they are asked, if the machine lets the clients."""
        for begin, end in ((self.began, self.broken), (self.mended, self.ended)):
            n = sum(begin <= ack.answered < end for ack in self.recording.acks())
            self.assertGreater(n * SECOND / (end - begin), RATE_MIN)
        n = sum(self.broken <= r.time < self.mended for r in self.recording.requests("pub"))
        self.assertGreater(n * SECOND / (self.mended - self.broken), RATE_MIN / 2)

    def test_no_invariant_is_broken(self):
        lines, good = report(self.checker)
        self.assertTrue(good, "\n".join(lines))
        for invariant in JUDGED:
            self.assertGreater(self.checker.judged[invariant], 0, invariant)

    # ---- helpers

    def members(self):
        """All sessions that were open when the fault began."""
        return self.recording.open_at(self.broken)

    def of_edge(self, i):
        return [s for s in self.members() if number_of(s) % 2 == i]

    def assert_not_delayed(self, sessions):
        """Answers, and messages of everybody, are about as fast as before the fault or after it. What a
        busy machine adds is seen in few of them."""
        for what in (self.recording.ack_delays_ms, self.recording.delivery_delays_ms):
            around = [what(sessions, self.began, self.broken),
                      what(sessions, self.mended, self.ended)]
            meanwhile = what(sessions, self.broken, self.mended)
            for share, noise_ms in ((0.5, 20 * SLOW), (0.99, 400 * SLOW)):
                usual_ms = max(quantile(one, share) for one in around)
                self.assertLess(quantile(meanwhile, share), 3 * usual_ms + noise_ms)

    def assert_none_closed(self, sessions=None):
        for session in sessions or self.recording.sessions.values():
            self.assertIsNone(session.closed, session.user)
