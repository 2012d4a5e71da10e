"""README, "What is promised": a sentence a test, under load.

Each class is a row of that table, and a scenario (scenario.py) with the fault of the row.
"""

import functools
import json
import shutil
import signal
import tempfile
import time
import unittest

from harness import SLOW, TestCase, metrics_of, wait_until
from scenario import MARGIN_US, RATE_MIN, SECOND, Scenario, now_us, number_of, rooms_of


class NothingBreaks(Scenario, TestCase):
    def test_every_member_of_a_room_sees_the_same_order_numbered_without_holes(self):
        for room in self.rooms:
            received = [[word[1:] for word in session.received[room]]
                     for session in self.members() if room in session.received]
            self.assertEqual(len(received), 8)
            for one in received:
                self.assertEqual(one, received[0])
                self.assertEqual([seq for _, seq, _ in one], list(range(1, len(one) + 1)))

    def test_what_is_acked_has_its_place_and_is_sent_to_every_member(self):
        places = {(r.room, r.epoch, r.seq, r.n) for r in self.recording.acks()}
        for session in self.members():
            for room, received in session.received.items():
                self.assertEqual({(room, *word[1:]) for word in received},
                                 {place for place in places if place[0] == room})

    def test_no_message_reaches_a_connection_twice(self):
        for session in self.members():
            names = [n for received in session.received.values() for _, _, _, n in received]
            self.assertEqual(len(names), len(set(names)))


class EdgeLost:
    """The clients of the second edge go elsewhere; those of the first one are the others."""

    def returned(self):
        """[join] with `since` of those who came back."""
        return [join for join in self.recording.requests("join", "joined") if join.since]

    def assert_others_do_not_notice(self):
        others = self.of_edge(0)
        self.assert_none_closed(others)
        self.assertEqual([s.new_epochs + s.gaps for s in others], [[]] * len(others))
        self.assertEqual([r.code for s in others for r in s.requests.values() if r.code], [])
        self.assert_not_delayed(others)

    def assert_none_lost_for_those_who_join_with_since(self):
        """One after the other without a hole, from the first message to the last, over both of a
        user's connections; but for the rooms where history did not reach back."""
        sessions = {session.user: [] for session in self.of_edge(1)}
        for session in self.recording.sessions.values():
            sessions.get(session.user, []).append(session)
        n_whole = 0
        for user, both in sessions.items():
            self.assertEqual(len(both), 2, user)
            for room in both[0].received:
                back = next(r for r in self.recording.requests("join", "joined", both[1:])
                            if r.room == room)
                if back.recovered:
                    seqs = [seq for s in both for _, _, seq, _ in s.received[room]]
                    self.assertEqual(seqs, list(range(1, len(seqs) + 1)), (user, room))
                    self.assertEqual(seqs[-1], self.last_seq(room), (user, room))
                    n_whole += 1
        self.assertGreater(n_whole, len(self.returned()) // 2)

    def last_seq(self, room):
        return max(ack.seq for ack in self.recording.acks() if ack.room == room)

    def assert_history_reaches_back_for_100_messages(self):
        for join in self.returned():
            missed = join.seq - join.since[1]
            self.assertEqual(join.recovered, missed <= 100, (join.room, missed))


class AnEdgeIsKilled(EdgeLost, Scenario, TestCase):
    after_s = 3.5 * SLOW

    @classmethod
    def client(cls, i):
        """Most of them are back at once, some when there are more messages than history keeps."""
        late = {"away": [3 * SLOW, 3.5 * SLOW]} if i in (1, 3, 5) else {}
        return {**super().client(i), **late}

    @classmethod
    def break_it(cls):
        cls.gateway.end_edge(1, signal.SIGKILL)

    def test_of_a_killed_edge_its_own_connections_break(self):
        for session in self.of_edge(1):
            self.assertIsNone(session.code)
            self.assertLess(session.closed, self.broken + SECOND * SLOW)

    def test_of_a_killed_edge_the_others_do_not_notice(self):
        self.assert_others_do_not_notice()

    def test_of_a_killed_edge_none_is_lost_for_those_who_join_elsewhere_with_since(self):
        self.assert_none_lost_for_those_who_join_with_since()

    def test_of_a_killed_edge_history_reaches_back_for_100_messages(self):
        self.assert_history_reaches_back_for_100_messages()
        self.assertEqual({join.recovered for join in self.returned()}, {True, False})


class AnEdgeGetsSigterm(EdgeLost, Scenario, TestCase):
    """So many rooms that history reaches back for as long as clients are told to wait."""

    expected_seconds = 12
    rooms = rooms_of(36)
    after_s = 5.5
    edge_options = {"drain_timeout": "2s"}

    @classmethod
    def home(cls, i):
        """Four members in each room, of both edges."""
        return [cls.rooms[(3 * i + 7 * step) % 36] for step in range(6)]

    @classmethod
    def client(cls, i):
        return {**super().client(i), "patient": True}

    @classmethod
    def break_it(cls):
        cls.gateway.end_edge(1, signal.SIGTERM)
        cls.exit_code = cls.gateway.edges[1].wait()

    def test_of_an_edge_with_sigterm_all_are_closed_with_1012_and_a_time_to_wait(self):
        self.assertEqual(self.exit_code, 0)
        for session in self.of_edge(1):
            self.assertEqual(session.code, 1012)
            reason = json.loads(session.reason)
            low, high = reason.pop("after")
            self.assertTrue(0 < low < high, session.reason)
            self.assertEqual(reason, {"reason": "restart", "reconnect": True})
        self.assert_none_closed(self.of_edge(0))

    def test_of_an_edge_with_sigterm_none_is_lost_for_those_who_join_elsewhere_with_since(self):
        self.assert_none_lost_for_those_who_join_with_since()

    def test_of_an_edge_with_sigterm_history_reaches_back_for_100_messages(self):
        self.assert_history_reaches_back_for_100_messages()


class RouterRestarts:
    """Ends and starts the router, and knows what a member must receive of that."""

    n_restarts = 0

    @classmethod
    def end_router(cls, *numbers):
        code = cls.gateway.end_router(*numbers)
        if code != (-signal.SIGKILL if signal.SIGKILL in numbers else 0):
            raise AssertionError(f"the router ends with {code}")

    @classmethod
    def start_router(cls):
        cls.gateway.start_router()
        cls.n_restarts += 1

    @classmethod
    def wait_for_edges(cls):
        for edge in cls.gateway.edges:
            cls.gateway.router.wait_for_line(f" edge_up edge={edge.name} ")

    @classmethod
    def prepare_restart(cls):
        rows = cls.cluster.rows("restart-prepare")
        if rows != [{"safe": True}]:
            raise AssertionError(f"restart-prepare: {rows}")

    def assert_one_joined_an_epoch(self, sessions):
        """With `recovered:false` and `seq` 0, for each room and each new router."""
        for session in sessions:
            for room in self.home(number_of(session)):
                new = [e for _, one, e, seq in session.new_epochs if (one, seq) == (room, 0)]
                epochs = list(dict.fromkeys(e for _, e, _, _ in session.received[room]))
                self.assertEqual(len(new), self.n_restarts, (session.user, room))
                self.assertEqual(epochs, [e for e in epochs if e not in new] + new)
            self.assertEqual(len(session.new_epochs), self.n_restarts * len(session.received))

    def assert_none_lost_none_twice(self, sessions):
        """All publishes are acked, and all members of a room receive the same: each message that
        was acked, numbered from 1 on in each epoch."""
        for room in self.rooms:
            acked = sorted((r.epoch, r.seq, r.n) for r in self.recording.acks() if r.room == room)
            received = [[word[1:] for word in session.received[room]]
                     for session in sessions if room in session.received]
            self.assertGreater(len(received), 0)
            for one in received:
                self.assertEqual(one, received[0])
            self.assertEqual(sorted(received[0]), acked)
            for epoch in {epoch for epoch, _, _ in acked}:
                seqs = [seq for one, seq, _ in received[0] if one == epoch]
                self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
        self.assertEqual([r.code for r in self.recording.errors()], [])


class TheRouterGetsSigterm(RouterRestarts, Scenario, TestCase):
    """Once while requests are on their way to it, once when restart-prepare has made it quiet."""

    lossless = True
    proxied = True

    @classmethod
    def break_it(cls):
        for proxy in cls.gateway.proxies:
            proxy.stall("up")
        time.sleep(0.1 * SLOW)
        cls.asked_by = now_us()
        time.sleep(0.2 * SLOW)
        cls.gateway.router.signal(signal.SIGTERM)
        time.sleep(0.2 * SLOW)
        for proxy in cls.gateway.proxies:
            proxy.heal()
        cls.end_router()
        time.sleep(0.5)
        cls.start_router()
        time.sleep(1)
        cls.prepare_restart()
        cls.end_router(signal.SIGTERM)
        time.sleep(0.5)
        cls.start_router()

    def test_of_a_router_with_sigterm_no_connection_is_closed(self):
        self.assert_none_closed()

    def test_of_a_router_with_sigterm_no_message_is_lost_and_none_comes_twice(self):
        self.assert_none_lost_none_twice(self.members())

    def test_of_a_router_with_sigterm_all_that_it_was_asked_is_answered_first(self):
        """By the router that was asked, as the epoch says."""
        old = {ack.epoch for ack in self.recording.acks() if ack.answered < self.broken}
        asked = [ack for ack in self.recording.acks() if self.broken < ack.time < self.asked_by]
        self.assertGreater(len(asked), 0)
        self.assertEqual({ack.epoch for ack in asked} - old, set())
        self.assertEqual(self.recording.errors(), [])

    def test_of_a_router_with_sigterm_members_are_told_once_of_the_new_epoch(self):
        self.assert_one_joined_an_epoch(self.members())


class AHotRoom(RouterRestarts, Scenario, TestCase):
    """All talk in one room, whose history keeps the last sixth of a second."""

    expected_seconds = 11
    rooms = rooms_of(1)
    lossless = True
    ROUNDS = 4  # of two edges each

    @classmethod
    def home(cls, i):
        return cls.rooms

    @classmethod
    def break_it(cls):
        for _ in range(cls.ROUNDS):
            cls.prepare_restart()
            cls.end_router(signal.SIGTERM)
            time.sleep(0.2)
            cls.start_router()
            time.sleep(1)

    def test_of_a_planned_restart_a_hot_room_loses_nothing(self):
        self.assert_none_closed()
        self.assert_none_lost_none_twice(self.members())

    def test_of_a_planned_restart_a_hot_room_is_told_once(self):
        self.assert_one_joined_an_epoch(self.members())


class AnEdgeIsLate(RouterRestarts, Scenario, TestCase):
    """One edge is stopped when the next router comes, first after a SIGTERM, then after a kill."""

    @classmethod
    def break_it(cls):
        cls.waits = []  # [begin, end]: no publish may be answered meanwhile
        for number in (signal.SIGTERM, signal.SIGKILL):
            stop = functools.partial(cls.gateway.edges[1].signal, signal.SIGSTOP)
            end = functools.partial(cls.end_router, number)
            # A router with SIGTERM waits for its edges; that of a kill is not even seen by one.
            for step in (end, stop) if number == signal.SIGTERM else (stop, end):
                step()
            time.sleep(0.2)
            begin = now_us()
            cls.start_router()
            time.sleep(1)
            cls.waits.append((begin, now_us()))
            cls.gateway.edges[1].signal(signal.SIGCONT)
            cls.wait_for_edges()
            cls.wait_for_load()  # what waited is answered before the next fault

    def test_after_a_restart_publishes_wait_until_every_edge_is_back(self):
        for begin, end in self.waits:
            asked = [r for r in self.recording.requests("pub") if begin < r.time < end]
            self.assertGreater(len(asked), RATE_MIN / 2)
            self.assertEqual([(r.n, r.answer, r.code, r.answered - begin, end - begin) for r in asked
                              if r.answered < end or r.answer != "ack"], [])

    def test_after_a_restart_members_at_a_late_edge_get_the_new_epoch_from_its_first_message(self):
        self.assert_none_closed()
        self.assert_one_joined_an_epoch(self.members())


class AnEdgeDoesNotComeBack(RouterRestarts, Scenario, TestCase):
    LINK_TIMEOUT_S = 2 * SLOW
    router_options = {"link_timeout": f"{LINK_TIMEOUT_S:g}s"}
    after_s = LINK_TIMEOUT_S + 0.3

    @classmethod
    def break_it(cls):
        cls.end_router(signal.SIGTERM)
        cls.gateway.end_edge(1, signal.SIGKILL)
        cls.start_router()
        cls.started = now_us()

    def test_after_a_restart_publishes_wait_for_link_timeout_at_most(self):
        """Those of the edge that is there."""
        sessions = self.of_edge(0)
        asked = [r for r in self.recording.requests("pub", sessions=sessions)
                 if self.broken < r.time < self.started + self.LINK_TIMEOUT_S * SECOND / 2]
        self.assertGreater(len(asked), RATE_MIN / 4)
        self.assertEqual({r.answer for r in asked}, {"ack"})
        waited_s = max(r.answered - self.started for r in asked) / SECOND
        self.assertLess(waited_s, self.LINK_TIMEOUT_S + 2 * SLOW)
        self.assert_none_closed(sessions)
        self.assert_one_joined_an_epoch(sessions)


class TheRouterIsKilled(RouterRestarts, Scenario, TestCase):
    """Once when one edge has not got all that is acked yet and much is asked, once as it is."""

    proxied = True

    @classmethod
    def break_it(cls):
        cls.kills = []  # times: of the last answer, when it was gone, when the next one ran
        for harm in (cls.delay_one_edge, lambda: None):
            last = now_us()
            harm()
            cls.end_router(signal.SIGKILL)
            gone = now_us()
            for proxy in cls.gateway.proxies:
                proxy.cut(reset=True)
                proxy.heal()
            time.sleep(0.4 * SLOW)
            cls.start_router()
            cls.kills.append((last, gone, now_us()))
            cls.wait_for_edges()
            time.sleep(1)

    @classmethod
    def delay_one_edge(cls):
        """The second edge gets nothing for a while, and at the end the router stands still."""
        cls.gateway.proxies[1].stall("down")
        time.sleep(0.2 * SLOW)
        cls.gateway.router.signal(signal.SIGSTOP)
        time.sleep(0.1 * SLOW)

    def test_of_a_killed_router_no_connection_is_closed(self):
        self.assert_none_closed()

    def test_of_a_killed_router_publishes_wait_for_the_next_one(self):
        for _, gone, up in self.kills:
            asked = [r for r in self.recording.requests("pub") if gone + MARGIN_US < r.time < up]
            self.assertGreater(len(asked), 0)
            self.assertEqual([r.n for r in asked if r.answer != "ack" or r.answered < up], [])

    def test_of_a_killed_router_what_it_may_have_taken_is_of_unknown_outcome(self):
        """That, and nothing else: all other publishes are acked."""
        errors = self.recording.errors()
        self.assertGreater(len(errors), 0)
        for error in errors:
            self.assertEqual((error.kind, error.code, error.outcome),
                             ("pub", "unavailable", "unknown"))
            in_flight = any(last - MARGIN_US < error.time < gone + MARGIN_US
                            for last, gone, _ in self.kills)
            self.assertTrue(in_flight, error.n)
        self.assertEqual([r.n for r in self.recording.requests("pub") if r.answer is None], [])

    def test_of_a_killed_router_what_it_had_acked_may_be_lost_and_the_new_epoch_says_so(self):
        """What a member misses is the end of an epoch, after which it received of another one."""
        n_lost = 0
        for session in self.members():
            for room in session.received:
                acked = [(r.epoch, r.seq) for r in self.recording.acks() if r.room == room]
                received = {(epoch, seq) for _, epoch, seq, _ in session.received[room]}
                for epoch, seq in set(acked) - received:
                    self.assertNotEqual(epoch, session.received[room][-1][1])
                    self.assertGreater(seq, max(one for e, one in received if e == epoch))
                    n_lost += 1
        self.assertGreater(n_lost, 0)

    def test_of_a_killed_router_members_are_told_once_of_the_new_epoch(self):
        self.assert_one_joined_an_epoch(self.members())


class TheRouterOfAFolderIsKilled(RouterRestarts, Scenario, TestCase):
    """Three times in the middle of the load, once when one edge has not got all that is acked."""

    expected_seconds = 14
    proxied = True
    lossless = True
    fsync = "never"

    @classmethod
    def setUpClass(cls):
        cls.store = tempfile.mkdtemp(prefix="weir-store-")
        cls.addClassCleanup(shutil.rmtree, cls.store, ignore_errors=True)
        cls.router_options = {"store": f"file:{cls.store}/rooms", "store_fsync": cls.fsync,
                              "history_messages": 2000}
        super().setUpClass()

    @classmethod
    def break_it(cls):
        for late in (False, True, False):
            if late:
                TheRouterIsKilled.delay_one_edge.__func__(cls)
            cls.end_router(signal.SIGKILL)
            for proxy in cls.gateway.proxies:
                proxy.cut(reset=True)
                proxy.heal()
            time.sleep(0.3 * SLOW)
            cls.start_router()
            cls.wait_for_edges()
            time.sleep(0.7)

    def test_of_a_killed_router_with_a_folder_no_connection_is_closed(self):
        self.assert_none_closed()

    def test_of_a_killed_router_with_a_folder_every_publish_is_acked(self):
        """What was under way as well: latency is all that there is."""
        self.assertEqual([(e.code, e.outcome) for e in self.recording.errors()], [])
        self.assertEqual([r.n for r in self.recording.requests("pub") if r.answer != "ack"], [])

    def test_of_a_killed_router_with_a_folder_rooms_keep_their_epochs(self):
        for room in self.rooms:
            epochs = {ack.epoch for ack in self.recording.acks() if ack.room == room}
            self.assertEqual(len(epochs), 1, room)

    def test_of_a_killed_router_with_a_folder_none_is_lost_and_none_comes_twice(self):
        self.assert_none_lost_none_twice(self.members())


class TheRouterOfASyncedFolderIsKilled(TheRouterOfAFolderIsKilled):
    fsync = "commit"


class AClientDoesNotRead(Scenario, TestCase):
    """Three of them, of both edges, also in a room that gets more than a megabyte a second."""

    rooms = rooms_of(13)
    BUSY = rooms[12]
    SLOW_CLIENTS = (0, 7, 14)
    SENDER = 1

    @classmethod
    def client(cls, i):
        return {**super().client(i), "sluggish": i in cls.SLOW_CLIENTS}

    @classmethod
    def home(cls, i):
        rooms = [cls.rooms[(i + step) % 12] for step in (0, 1, 5, 7)]
        return rooms + [cls.BUSY] if i in (*cls.SLOW_CLIENTS, cls.SENDER) else rooms

    @classmethod
    def break_it(cls):
        cls.gateway.order(do="slow", count=len(cls.SLOW_CLIENTS), seconds=3600, room=cls.BUSY)
        wait_until(lambda: cls.n_closed() >= len(cls.SLOW_CLIENTS), "they are closed")
        cls.gateway.order(do="wake")  # to see how

    @classmethod
    def n_closed(cls):
        sample = 'weir_edge_closes_total{reason="slow_consumer"}'
        return sum(metrics_of(edge.ops).get(sample, 0) for edge in cls.gateway.edges)

    def slow_clients(self):
        return [s for s in self.members() if s.user in [f"user-{i}" for i in self.SLOW_CLIENTS]]

    def others(self):
        return [s for s in self.members() if s not in self.slow_clients()]

    def test_a_client_that_does_not_read_is_closed_with_4008(self):
        for session in self.slow_clients():
            self.assertEqual((session.code, json.loads(session.reason)["reason"]),
                             (4008, "slow_consumer"))
        self.assert_none_closed(self.others())

    def test_when_a_client_does_not_read_the_others_are_not_delayed(self):
        self.assert_not_delayed(self.others())
        self.assertEqual([s.user for s in self.others() if s.gaps or s.new_epochs], [])
        self.assertEqual(self.recording.errors(), [])


class LinkCut:
    """Of the second edge."""

    proxied = True

    @classmethod
    def refuse(cls, seconds):
        """The connection is ended, and so is each new one."""
        cls.cut(seconds, lambda proxy: proxy.refuse(True))

    @classmethod
    def pull(cls, seconds):
        """As of a cable: nothing passes, and nothing answers."""
        cls.cut(seconds, lambda proxy: proxy.vanish())

    @classmethod
    def cut(cls, seconds, harm):
        """Returns when the edge has dialled again, which it does not after a short silence."""
        router, proxy = cls.gateway.router, cls.gateway.proxies[1]
        mark = router.mark()
        harm(proxy)
        time.sleep(seconds)
        proxy.heal()
        if seconds > cls.LINK_TIMEOUT_S / 2:
            router.wait_for_line(" edge_up edge=edge-1 ", after=mark)


class TheLinkIsCutForLess(LinkCut, RouterRestarts):
    """Than link-timeout, by a second."""

    LINK_TIMEOUT_S = 6 * SLOW
    router_options = {"link_timeout": f"{LINK_TIMEOUT_S:g}s"}
    lossless = True

    def assert_nothing_is_noticed(self):
        self.assert_none_closed()
        self.assert_none_lost_none_twice(self.members())
        self.assertEqual([s.new_epochs for s in self.members() if s.new_epochs], [])


class TheLinkIsRefused(TheLinkIsCutForLess, Scenario, TestCase):
    expected_seconds = 11

    @classmethod
    def break_it(cls):
        cls.refuse(0.8 * cls.LINK_TIMEOUT_S)

    def test_of_a_link_refused_for_less_than_link_timeout_none_is_closed_or_lost(self):
        self.assert_nothing_is_noticed()


class TheLinkIsSilent(TheLinkIsCutForLess, Scenario, TestCase):
    """First for less than half of link-timeout, after which an edge dials again."""

    expected_seconds = 13

    @classmethod
    def break_it(cls):
        cls.pull(0.2 * cls.LINK_TIMEOUT_S)
        time.sleep(1)
        cls.pull(0.75 * cls.LINK_TIMEOUT_S)

    def test_of_a_link_silent_for_less_than_link_timeout_none_is_closed_or_lost(self):
        self.assert_nothing_is_noticed()


class TheLinkIsCutForLonger(LinkCut, Scenario, TestCase):
    """Meanwhile three rooms get more messages than history keeps, the others fewer."""

    LINK_TIMEOUT_S = 2 * SLOW
    router_options = {"link_timeout": f"{LINK_TIMEOUT_S:g}s"}
    rooms = rooms_of(27)
    BUSY = rooms[:3]

    @classmethod
    def home(cls, i):
        """All are in the busy rooms; the others have four members each, of both edges."""
        return [*cls.BUSY, *(cls.rooms[3 + (i + 7 * step) % 24] for step in range(4))]

    @classmethod
    def break_it(cls):
        cls.refuse(2 * cls.LINK_TIMEOUT_S)

    def test_of_a_link_cut_for_longer_no_connection_is_closed(self):
        self.assert_none_closed()

    def test_of_a_link_cut_for_longer_what_history_holds_is_sent_again(self):
        """All messages of the quiet rooms, and the last hundred of the busy ones."""
        for session in self.of_edge(1):
            for room, received in session.received.items():
                gaps = [gap for gap in session.gaps if gap[1] == room]
                self.assertEqual(len(gaps), room in self.BUSY, (room, gaps))
                seqs = [seq for _, _, seq, _ in received]
                lost = [seq for _, _, _, low, high in gaps for seq in range(low, high + 1)]
                self.assertEqual(sorted(seqs + lost), list(range(1, len(seqs) + len(lost) + 1)))
                for told_at, _, epoch, _, high in gaps:
                    self.assertLessEqual(high, self.top(room, epoch, told_at) - 100)

    def top(self, room, epoch, when):
        """How far a room had come at a time; what was acked then may not have been received yet."""
        return max(ack.seq for ack in self.recording.acks()
                   if (ack.room, ack.epoch) == (room, epoch) and ack.answered < when + MARGIN_US)

    def test_of_a_link_cut_for_longer_the_rest_is_said_by_gap(self):
        for session in self.of_edge(1):
            self.assertEqual(sorted(room for _, room, _, _, _ in session.gaps), self.BUSY)
            self.assertEqual(session.new_epochs, [])
        for session in self.of_edge(0):
            self.assertEqual(session.new_epochs + session.gaps, [])


if __name__ == "__main__":
    unittest.main()
