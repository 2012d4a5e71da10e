"""The checker of the fault suite accepts a history in which all goes well, with and without faults,
and finds each kind of breach that is planted in it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))

from checker import INVARIANTS, SECOND, Checker, Limits, report  # noqa: E402

LIMITS = Limits(history_messages=5, ghost_s=10, answer_s=20, growth=0.1, slack={"rss": 100})
LOSSLESS = Limits(history_messages=5, lossless=True)


def published(seq, n, *listeners, epoch="E1", room="tea", sender=None, ident=None, key=None,
              echo=True):
    """Events of one publish: asked, heard by `listeners`, acked."""
    events = [["pub", sender, ident or f"p{n}", room, n, key, echo]]
    events += [["msg", s, room, epoch, seq, n, f"9/{n}"] for s in listeners]
    return events + [["ack", sender, ident or f"p{n}", room, epoch, seq, False]]


def joined(s, seq, epoch="E1", room="tea", ident="j", since=None, recovered=None, messages=None):
    return [["join", s, ident, room, since],
            ["joined", s, ident, room, epoch, seq, recovered, messages]]


def opened(*sessions):
    return [["open", s, f"client-{s}", f"user-{s}", ["tea", "milk"]] for s in sessions]


def kept(*seqs):
    """Messages of an answer, as published() makes them."""
    return [[seq, f"m{seq}", f"9/m{seq}"] for seq in seqs]


def conversation():
    """Two members of one room, who publish in turns: m1 to m4."""
    events = opened(1, 2) + joined(1, 0) + joined(2, 0)
    for seq in range(1, 5):
        events += published(seq, f"m{seq}", 1, 2, sender=1 + seq % 2)
    return events


def watched(*seqs):
    """The conversation, and one who has joined a pattern and hears these of it."""
    return conversation() + opened(9) + [["watch", 9]] + [
        ["heard", 9, "tea", "E1", seq, f"m{seq}", f"9/m{seq}"] for seq in seqs]


def new_router():
    """It dies and comes back; both members are told."""
    return [["router", "down"], ["router", "up"],
            ["joined", 1, None, "tea", "E2", 0, False, None],
            ["joined", 2, None, "tea", "E2", 0, False, None]]


def judge(events, pause=0.001, limits=LIMITS):
    """Feeds the events, `pause` seconds apart; one that is a number lets so many seconds pass."""
    checker = Checker(limits)
    now = 0.0
    for event in events:
        if isinstance(event, (int, float)):
            now += event
            continue
        now += pause
        checker.feed([int(now * SECOND), *event])
    checker.finish()
    return checker


class Good(unittest.TestCase):
    """Histories in which nothing is wrong, although much happens."""

    def assert_good(self, events):
        self.assertEqual(judge(events).breaches, [])

    def test_a_conversation(self):
        self.assert_good(conversation() + [["settled"]])

    def test_who_has_joined_a_pattern_hears_from_anywhere_on(self):
        self.assert_good(watched(3, 4))
        self.assert_good(watched(2) + [
            ["watch", 9], ["heard", 9, "tea", "E1", 4, "m4", "9/m4"]])  # told of a new session

    def test_history_whole_and_by_pages(self):
        self.assert_good(conversation() + [
            ["hist", 1, "h1", "tea", None, 50],
            ["history", 1, "h1", "tea", "E1", 4, kept(1, 2, 3, 4)],
            ["hist", 1, "h2", "tea", 3, 1], ["history", 1, "h2", "tea", "E1", 4, kept(2)],
            ["hist", 1, "h3", "tea", 9, 2], ["history", 1, "h3", "tea", "E1", 4, kept(3, 4)]])

    def test_history_of_which_the_oldest_is_trimmed(self):
        events = conversation()
        for seq in range(5, 8):
            events += published(seq, f"m{seq}", 1, 2, sender=1)
        self.assert_good(events + [["hist", 1, "h", "tea", None, 50],
                                   ["history", 1, "h", "tea", "E1", 7, kept(3, 4, 5, 6, 7)]])

    def test_a_session_that_breaks_and_recovers(self):
        events = conversation() + [["close", 2, None]]
        events += published(5, "m5", 1, sender=1) + opened(3)
        events += joined(3, 5, since=["E1", 4], recovered=True, messages=kept(5))
        self.assert_good(events + published(6, "m6", 1, 3, sender=3) + [["settled"]])

    def test_too_much_to_recover(self):
        events = conversation() + [["close", 2, None]]
        for seq in range(5, 11):
            events += published(seq, f"m{seq}", 1, sender=1)
        self.assert_good(events + opened(3)
                         + joined(3, 10, since=["E1", 4], recovered=False))

    def test_what_is_too_large_to_be_kept(self):
        events = conversation() + [["close", 2, None], ["pub", 1, "x", "tea", "x", None, True],
                                   ["msg", 1, "tea", "E1", 5, "x", "900000/x"],
                                   ["ack", 1, "x", "tea", "E1", 5, False]]
        events += opened(3) + joined(3, 5, since=["E1", 4], recovered=False)
        self.assert_good(events + [["hist", 1, "h", "tea", None, 5],
                                   ["history", 1, "h", "tea", "E1", 5, []]])

    def test_a_gap_that_is_told(self):
        events = conversation() + published(5, "m5", 1, sender=1)
        events += published(6, "m6", 1, sender=1) + [["gap", 2, "tea", "E1", 5, 6]]
        self.assert_good(events + published(7, "m7", 1, 2, sender=1) + [["settled"]])

    def test_the_router_takes_its_last_words_with_it(self):
        events = conversation() + [["pub", 1, "x", "tea", "x", None, True],
                                   ["msg", 1, "tea", "E1", 5, "x", "9/x"],
                                   ["ack", 1, "x", "tea", "E1", 5, False]]
        events += new_router()
        self.assert_good(events + published(1, "y", 1, 2, epoch="E2", sender=2) + [["settled"]])

    def test_an_unknown_outcome_either_way(self):
        events = conversation() + [["pub", 1, "a", "tea", "a", None, True],
                                   ["pub", 1, "b", "tea", "b", None, True],
                                   ["msg", 1, "tea", "E1", 5, "a", "9/a"],
                                   ["msg", 2, "tea", "E1", 5, "a", "9/a"],
                                   ["error", 1, "a", "unavailable", "unknown"],
                                   ["error", 1, "b", "unavailable", "unknown"]]
        self.assert_good(events + [["settled"]])

    def test_a_key_that_is_tried_again(self):
        events = conversation() + [["pub", 1, "a", "tea", "a", "k", True],
                                   ["msg", 1, "tea", "E1", 5, "a", "9/a"],
                                   ["msg", 2, "tea", "E1", 5, "a", "9/a"],
                                   ["close", 1, None], *opened(3),
                                   ["pub", 3, "a", "tea", "a", "k", True],
                                   ["ack", 3, "a", "tea", "E1", 5, True]]
        self.assert_good(events + [["settled"]])

    def test_a_key_that_is_tried_again_with_a_new_router(self):
        events = conversation() + [["pub", 1, "a", "tea", "a", "k", True],
                                   ["msg", 2, "tea", "E1", 5, "a", "9/a"]]
        events += new_router() + [["error", 1, "a", "unavailable", "unknown"]]
        events += published(1, "a", 1, 2, epoch="E2", sender=1, ident="again", key="k")
        self.assert_good(events + [["settled"]])

    def test_without_an_echo(self):
        events = conversation() + published(5, "m5", 2, sender=1, echo=False)
        events += published(6, "m6", 1, 2, sender=2) + published(7, "m7", 2, sender=1, echo=False)
        self.assert_good(events + [["settled"]])

    def test_without_an_echo_and_without_an_answer(self):
        events = conversation() + [["pub", 1, "x", "tea", "x", None, False]]
        events += published(6, "m6", 1, sender=1)
        self.assert_good(events)

    def test_leaving_and_joining_again(self):
        events = conversation() + [["leave", 2, "l", "tea"], ["left", 2, "l", "tea"]]
        events += published(5, "m5", 1, sender=1) + joined(2, 5, ident="j2")
        self.assert_good(events + published(6, "m6", 1, 2, sender=1) + [["settled"]])

    def test_a_join_and_a_leave_that_are_carried_out_late(self):
        events = conversation() + opened(3) + [
            ["join", 3, "j", "tea", None], ["error", 3, "j", "unavailable", "unknown"],
            ["leave", 2, "l", "tea"], ["error", 2, "l", "unavailable", "unknown"],
            ["joined", 3, None, "tea", "E1", 4, None, None], ["left", 2, None, "tea"]]
        self.assert_good(events + published(5, "m5", 1, 3, sender=1) + [["settled"]])

    def test_a_late_join_that_recovers_and_one_of_a_member(self):
        events = conversation() + opened(3) + [
            ["join", 3, "j", "tea", ["E1", 2]], ["error", 3, "j", "unavailable", "unknown"],
            ["join", 2, "k", "tea", None], ["error", 2, "k", "unavailable", "unknown"],
            ["joined", 3, None, "tea", "E1", 4, True, kept(3, 4)],
            ["joined", 2, None, "tea", "E1", 4, None, None]]
        self.assert_good(events + published(5, "m5", 1, 2, 3, sender=1) + [["settled"]])

    def test_of_two_late_joins_only_the_second_is_carried_out(self):
        self.assert_good(conversation() + opened(3) + [
            ["join", 3, "j", "tea", None], ["error", 3, "j", "unavailable", "unknown"],
            ["join", 3, "k", "tea", ["E0", 9]], ["error", 3, "k", "unavailable", "unknown"],
            ["joined", 3, None, "tea", "E1", 4, False, None]])

    def test_of_two_late_joins_only_the_second_is_carried_out_and_recovers(self):
        self.assert_good(conversation() + opened(3) + [
            ["join", 3, "j", "tea", ["E0", 9]], ["error", 3, "j", "unavailable", "unknown"],
            ["join", 3, "k", "tea", ["E1", 2]], ["error", 3, "k", "unavailable", "unknown"],
            ["joined", 3, None, "tea", "E1", 4, True, kept(3, 4)]])

    def test_joining_twice(self):
        events = conversation() + joined(2, 4, ident="j2")
        self.assert_good(events + joined(2, 4, ident="j3", since=["E1", 2], recovered=True,
                                         messages=kept(3, 4)))

    def test_what_is_forbidden_is_refused(self):
        self.assert_good(conversation() + [["join", 1, "f", "cellar", None],
                                           ["error", 1, "f", "forbidden", None],
                                           ["pub", 1, "g", "cellar", "g", None, True],
                                           ["error", 1, "g", "forbidden", None]])

    def test_members_and_those_who_left_lately(self):
        self.assert_good(conversation() + [
            ["close", 2, None], 5, ["members", 5_000_000, "tea", ["client-1", "client-2"]],
            20, ["members", 25_000_000, "tea", ["client-1"]]])

    def test_memory_that_grows_a_little(self):
        self.assert_good([["memory", "router rss", 1000, "baseline"],
                          ["memory", "router rss", 1200, "after"],
                          ["memory", "edge-1 fds", 100, "baseline"],
                          ["memory", "edge-1 fds", 110, "after"]])

    def test_metrics_that_add_up(self):
        sums = {"published": ["acked", 70], "reached": ["delivered", 700], "lost": ["nothing", 3]}
        more = {"published": ["acked", 71], "reached": ["delivered", 702], "lost": ["nothing", 3]}
        self.assert_good(conversation() + [["burst", "begin", sums]]
                         + published(5, "m5", 1, 2, sender=1) + [["burst", "end", more]])


class Planted(unittest.TestCase):
    """One breach each; the checker names the invariant, and no other."""

    def assert_found(self, invariant, events, pause=0.001):
        found = {one[0] for one in judge(events, pause).breaches}
        self.assertEqual(found, {invariant})

    # I1

    def test_i1_the_last_message_never_comes(self):
        self.assert_found("I1", conversation() + published(5, "m5", 1, sender=1) + [["settled"]])

    def test_i1_a_member_is_not_told_of_the_new_epoch(self):
        events = conversation() + new_router()[:-1]
        self.assert_found("I1", events + published(1, "y", 1, epoch="E2", sender=1) + [["settled"]])

    def test_i1_what_was_acked_before_the_leave_never_comes(self):
        events = conversation() + published(5, "m5", 1, sender=1)
        self.assert_found("I1", events + [["leave", 2, "l", "tea"], ["left", 2, "l", "tea"]])

    def test_i1_a_join_is_behind_an_earlier_ack(self):
        self.assert_found("I1", conversation() + opened(3) + joined(3, 3))

    def test_i1_a_recovery_leaves_one_out(self):
        self.assert_found("I1", conversation() + opened(3) + joined(
            3, 4, since=["E1", 1], recovered=True, messages=kept(2, 4)))

    def test_i1_a_recovery_of_another_epoch(self):
        self.assert_found("I1", conversation() + opened(3) + joined(
            3, 4, since=["E0", 3], recovered=True, messages=kept(4)))

    def test_i1_no_recovery_of_what_is_kept(self):
        self.assert_found("I1", conversation() + opened(3) + joined(
            3, 4, since=["E1", 1], recovered=False))

    def test_i1_joining_again_swallows_a_message(self):
        events = conversation() + published(5, "m5", 1, sender=1)
        self.assert_found("I1", events + joined(2, 5, ident="j2"))

    def test_i1_the_ack_comes_before_the_message(self):
        self.assert_found("I1", conversation() + [
            ["pub", 1, "x", "tea", "x", None, True], ["ack", 1, "x", "tea", "E1", 5, False],
            ["msg", 1, "tea", "E1", 5, "x", "9/x"], ["msg", 2, "tea", "E1", 5, "x", "9/x"]])

    # I2

    def test_i2_the_same_message_again(self):
        self.assert_found("I2", conversation() + [["msg", 2, "tea", "E1", 4, "m4", "9/m4"]])

    def test_i2_an_old_message_again(self):
        self.assert_found("I2", conversation() + [["msg", 2, "tea", "E1", 2, "m2", "9/m2"]])

    def test_i2_live_what_the_recovery_had(self):
        events = conversation() + opened(3) + joined(
            3, 4, since=["E1", 2], recovered=True, messages=kept(3, 4))
        self.assert_found("I2", events + [["msg", 3, "tea", "E1", 4, "m4", "9/m4"]])

    def test_i2_again_by_a_pattern(self):
        self.assert_found("I2", watched(2, 3) + [
            ["watch", 9], ["heard", 9, "tea", "E1", 3, "m3", "9/m3"]])

    # I3

    def test_i3_a_hole_in_what_comes_by_a_pattern(self):
        self.assert_found("I3", watched(2, 4))

    def test_i3_another_message_by_a_pattern(self):
        self.assert_found("I3", watched(2) + [["heard", 9, "tea", "E1", 3, "m3", "8/m3"]])

    def test_i3_two_messages_at_one_place(self):
        events = opened(1, 2) + joined(1, 0) + joined(2, 0) + [
            ["pub", 1, "a", "tea", "a", None, True], ["pub", 2, "b", "tea", "b", None, True],
            ["msg", 1, "tea", "E1", 1, "a", "9/a"], ["msg", 2, "tea", "E1", 1, "b", "9/b"]]
        self.assert_found("I3", events)

    def test_i3_other_bytes_for_another_member(self):
        events = opened(1, 2) + joined(1, 0) + joined(2, 0) + published(1, "a", 1, sender=1)
        self.assert_found("I3", events + [["msg", 2, "tea", "E1", 1, "a", "9/other"]])

    def test_i3_other_bytes_in_history(self):
        self.assert_found("I3", conversation() + [
            ["hist", 1, "h", "tea", None, 1],
            ["history", 1, "h", "tea", "E1", 4, [[4, "m4", "9/other"]]]])

    def test_i3_a_hole(self):
        events = conversation() + published(5, "m5", 1, sender=1)
        self.assert_found("I3", events + published(6, "m6", 1, 2, sender=1))

    def test_i3_a_hole_that_only_an_ack_shows(self):
        events = conversation() + [["pub", 1, "x", "tea", "x", None, True],
                                   ["msg", 1, "tea", "E1", 6, "x", "9/x"]]
        self.assert_found("I3", events)

    def test_i3_a_gap_that_leaves_some_out(self):
        events = conversation()
        for seq in (5, 6):
            events += published(seq, f"m{seq}", 1, sender=1)
        self.assert_found("I3", events + [["gap", 2, "tea", "E1", 6, 6]])

    def test_i3_a_gap_over_what_has_come(self):
        self.assert_found("I3", conversation() + [["gap", 2, "tea", "E1", 4, 4]])

    def test_i3_what_was_said_to_be_lost_comes_after_all(self):
        events = conversation() + published(5, "m5", 1, sender=1) + [["gap", 2, "tea", "E1", 5, 5]]
        self.assert_found("I3", events + [["msg", 2, "tea", "E1", 5, "m5", "9/m5"]])

    def test_i3_a_new_epoch_without_a_word(self):
        events = conversation() + new_router()[:-1]
        events += published(1, "y", 1, epoch="E2", sender=1)
        self.assert_found("I3", events + [["msg", 2, "tea", "E2", 1, "y", "9/y"]])

    def test_i3_the_new_epoch_is_told_twice(self):
        self.assert_found("I3", conversation() + new_router() + new_router()[-1:])

    def test_i3_another_senders_silence_explains_no_hole(self):
        events = conversation() + published(5, "m5", 1, sender=1, echo=False)
        self.assert_found("I3", events + published(6, "m6", 1, 2, sender=1))

    # I4

    def test_i4_two_messages_of_one_sender_change_places(self):
        events = opened(1, 2) + joined(2, 0) + [["pub", 1, "a", "tea", "a", None, True],
                                                ["pub", 1, "b", "tea", "b", None, True],
                                                ["msg", 2, "tea", "E1", 1, "b", "9/b"],
                                                ["msg", 2, "tea", "E1", 2, "a", "9/a"]]
        self.assert_found("I4", events)

    def test_i4_a_later_message_is_in_an_earlier_epoch(self):
        events = conversation() + [["pub", 1, "a", "tea", "a", None, True],
                                   ["pub", 1, "b", "tea", "b", None, True],
                                   ["pub", 1, "c", "tea", "c", None, True],
                                   ["msg", 1, "tea", "E1", 5, "a", "9/a"],
                                   ["msg", 2, "tea", "E1", 5, "a", "9/a"],
                                   ["msg", 1, "tea", "E1", 6, "c", "9/c"],
                                   ["msg", 2, "tea", "E1", 6, "c", "9/c"]]
        self.assert_found("I4", events + new_router() + [["msg", 1, "tea", "E2", 1, "b", "9/b"]])

    # I5

    def test_i5_history_with_a_hole(self):
        self.assert_found("I5", conversation() + [
            ["hist", 1, "h", "tea", None, 50], ["history", 1, "h", "tea", "E1", 4, kept(1, 3, 4)]])

    def test_i5_history_without_the_newest(self):
        self.assert_found("I5", conversation() + [
            ["hist", 1, "h", "tea", None, 50], ["history", 1, "h", "tea", "E1", 4, kept(1, 2, 3)]])

    def test_i5_history_without_what_is_kept(self):
        self.assert_found("I5", conversation() + [
            ["hist", 1, "h", "tea", None, 50], ["history", 1, "h", "tea", "E1", 4, kept(3, 4)]])

    def test_i5_more_than_was_asked_for(self):
        self.assert_found("I5", conversation() + [
            ["hist", 1, "h", "tea", None, 1], ["history", 1, "h", "tea", "E1", 4, kept(3, 4)]])

    def test_i5_history_behind_an_earlier_ack(self):
        self.assert_found("I5", conversation() + [
            ["hist", 1, "h", "tea", None, 50], ["history", 1, "h", "tea", "E1", 3, kept(1, 2, 3)]])

    # I6

    def test_i6_a_ghost(self):
        self.assert_found("I6", conversation() + [
            ["close", 2, None], 20, ["members", 20_000_000, "tea", ["client-1", "client-2"]]])

    def test_i6_one_who_left_is_still_there(self):
        self.assert_found("I6", conversation() + [
            ["leave", 2, "l", "tea"], ["left", 2, "l", "tea"], 1,
            ["members", 1_000_000, "tea", ["client-1", "client-2"]]])

    def test_i6_a_member_is_forgotten(self):
        self.assert_found("I6", conversation() + [1, ["members", 1_000_000, "tea", ["client-1"]]])

    def test_i6_somebody_who_never_was(self):
        self.assert_found("I6", conversation() + [
            1, ["members", 1_000_000, "tea", ["client-1", "client-2", "client-9"]]])

    def test_i6_a_leave_of_one_who_was_not_in(self):
        self.assert_found("I6", opened(1) + [["leave", 1, "l", "tea"], ["left", 1, "l", "tea"]])

    # I7

    def test_i7_a_message_after_left(self):
        events = conversation() + [["leave", 2, "l", "tea"], ["left", 2, "l", "tea"]]
        self.assert_found("I7", events + published(5, "m5", 1, 2, sender=1))

    def test_i7_a_message_before_joined(self):
        events = opened(1, 2) + joined(1, 0) + [["join", 2, "j", "tea", None]]
        self.assert_found("I7", events + published(1, "m1", 1, 2, sender=1))

    def test_i7_joined_without_having_asked(self):
        self.assert_found("I7", conversation() + opened(3) + [
            ["joined", 3, None, "tea", "E1", 4, None, None]])

    def test_i7_joined_though_the_outcome_was_none(self):
        self.assert_found("I7", conversation() + opened(3) + [
            ["join", 3, "j", "tea", None], ["error", 3, "j", "unavailable", "none"],
            ["joined", 3, None, "tea", "E1", 4, None, None]])

    def test_i7_a_forbidden_room_is_joined(self):
        self.assert_found("I7", opened(1) + joined(1, 0, room="cellar"))

    def test_i7_a_forbidden_room_is_heard(self):
        self.assert_found("I7", opened(1) + [["msg", 1, "cellar", "E1", 1, "x", "9/x"],
                                             ["pub", 1, "x", "cellar", "x", None, True]])

    def test_i7_a_forbidden_room_shows_its_history(self):
        self.assert_found("I7", opened(1) + [["hist", 1, "h", "cellar", None, 1],
                                             ["history", 1, "h", "cellar", "E1", 0, []]])

    def test_i7_a_forbidden_room_takes_a_message(self):
        self.assert_found("I7", opened(1) + published(1, "x", room="cellar", sender=1))

    def test_i7_an_allowed_room_is_refused(self):
        self.assert_found("I7", opened(1) + [["join", 1, "j", "tea", None],
                                             ["error", 1, "j", "forbidden", None]])

    def test_i7_by_a_pattern_that_was_not_joined(self):
        self.assert_found("I7", conversation() + opened(9) + [
            ["heard", 9, "tea", "E1", 4, "m4", "9/m4"]])

    # I8

    def test_i8_published_twice(self):
        events = conversation() + published(5, "m5", 1, 2, sender=1)
        self.assert_found("I8", events + [["msg", 1, "tea", "E1", 6, "m5", "9/again"],
                                          ["msg", 2, "tea", "E1", 6, "m5", "9/again"]])

    def test_i8_published_though_the_outcome_was_none(self):
        self.assert_found("I8", conversation() + [
            ["pub", 1, "a", "tea", "a", None, True], ["error", 1, "a", "unavailable", "none"],
            ["msg", 1, "tea", "E1", 5, "a", "9/a"], ["msg", 2, "tea", "E1", 5, "a", "9/a"]])

    def test_i8_one_key_published_twice_in_one_epoch(self):
        events = conversation() + published(5, "a", 1, 2, sender=1, key="k")
        self.assert_found("I8", events + published(6, "a", 1, 2, sender=1, ident="b", key="k"))

    def test_i8_one_unknown_outcome_comes_with_both_routers(self):
        events = conversation() + [["pub", 1, "a", "tea", "a", None, True],
                                   ["msg", 1, "tea", "E1", 5, "a", "9/a"],
                                   ["msg", 2, "tea", "E1", 5, "a", "9/a"], *new_router(),
                                   ["msg", 1, "tea", "E2", 1, "a", "9/a"],
                                   ["error", 1, "a", "unavailable", "unknown"]]
        self.assert_found("I8", events)

    def test_i8_answered_twice(self):
        self.assert_found("I8", conversation() + [["ack", 1, "pm4", "tea", "E1", 4, False]])

    def test_i8_answered_by_the_answer_to_something_else(self):
        self.assert_found("I8", opened(1) + [["join", 1, "j", "tea", None],
                                             ["ack", 1, "j", "tea", "E1", 0, False]])

    def test_i8_never_answered(self):
        self.assert_found("I8", conversation() + [
            ["pub", 1, "x", "tea", "x", None, True], 21, ["settled"]])

    def test_i8_left_without_having_asked(self):
        self.assert_found("I8", conversation() + [["left", 2, None, "tea"]])

    def test_i8_a_duplicate_of_nothing(self):
        self.assert_found("I8", conversation() + [["pub", 1, "x", "tea", "x", "k", True],
                                                  ["ack", 1, "x", "tea", "E1", 4, True]])

    def test_i8_unavailable_without_an_outcome(self):
        self.assert_found("I8", conversation() + [["pub", 1, "x", "tea", "x", None, True],
                                                  ["error", 1, "x", "unavailable", None]])

    def test_i8_a_message_that_nobody_sent(self):
        self.assert_found("I8", conversation() + [["msg", 1, "tea", "E1", 5, "?", "#?"],
                                                  ["msg", 2, "tea", "E1", 5, "?", "#?"]])

    def test_i8_a_message_in_another_room(self):
        self.assert_found("I8", conversation() + joined(1, 0, room="milk", ident="j2") + [
            ["pub", 1, "x", "tea", "x", None, True], ["msg", 1, "milk", "E1", 1, "x", "9/x"]])

    # I9, I10

    def test_i9_memory_that_stays(self):
        self.assert_found("I9", [["memory", "router rss", 1000, "baseline"],
                                 ["memory", "router rss", 1201, "after"]])

    def test_i9_descriptors_that_stay(self):
        self.assert_found("I9", [["memory", "edge-1 fds", 100, "baseline"],
                                 ["memory", "edge-1 fds", 111, "after"]])

    def test_i10_a_metric_that_does_not_add_up(self):
        for name, count in (("published", "acked"), ("reached", "delivered"), ("lost", "nothing"),
                            ("refused", "rejected"), ("taken", "received")):
            with self.subTest(name):
                same = {name: [count, 7]}
                events = conversation() + [["burst", "begin", same]]
                if count != "nothing":
                    events += published(5, "m5", 1, 2, sender=1)
                    events += [["pub", 1, "x", "cellar", "x", None, True],
                               ["error", 1, "x", "forbidden", None]]
                    self.assert_found("I10", events + [["burst", "end", same]])
                else:
                    self.assert_found("I10", events + [["burst", "end", {name: [count, 8]}]])


class Lossless(unittest.TestCase):
    """Of a fault that loses nothing, what else would be excused is a breach."""

    def assert_found(self, invariant, events):
        """It is a breach here, and none where something may be lost."""
        self.assertEqual(judge(events).breaches, [])
        found = {one[0] for one in judge(events, limits=LOSSLESS).breaches}
        self.assertEqual(found, {invariant})

    def acked_by(self, s, *listeners, echo=True):
        return conversation() + published(5, "m5", *listeners, sender=s, echo=echo)

    def after(self, events, seqs=(0, 0)):
        """A new router; each member is told where it begins, and hears the rest."""
        events = events + [["router", "down"], ["router", "up"]]
        events += [["joined", s, None, "tea", "E2", seq, False, None] for s, seq in zip((1, 2), seqs)]
        return events + published(max(seqs) + 1, "y", 1, 2, epoch="E2", sender=2) + [["settled"]]

    def test_a_new_epoch_when_all_of_the_old_one_was_heard(self):
        for events in (self.acked_by(1, 1, 2), self.acked_by(1, 2, echo=False)):
            checker = judge(self.after(events), limits=LOSSLESS)
            self.assertEqual(checker.breaches, [])

    def test_who_comes_later_or_has_gone_misses_nothing(self):
        events = self.acked_by(1, 1, 2) + [["close", 2, None, ""]] + opened(3) + joined(3, 5)
        events += [["router", "down"], ["router", "up"]]
        events += [["joined", s, None, "tea", "E2", 0, False, None] for s in (1, 3)]
        events += published(1, "y", 1, 3, epoch="E2", sender=1) + [["settled"]]
        self.assertEqual(judge(events, limits=LOSSLESS).breaches, [])

    def test_i1_the_old_epoch_was_acked_further_than_a_member_heard(self):
        for events in (self.acked_by(1, 1), self.acked_by(1, echo=False)):
            self.assert_found("I1", self.after(events))

    def test_i1_the_ack_comes_when_a_member_knows_of_the_new_epoch(self):
        *events, ack = self.acked_by(1, 1)
        events += [["router", "down"], ["router", "up"],
                   ["joined", 2, None, "tea", "E2", 0, False, None], ack,
                   ["joined", 1, None, "tea", "E2", 0, False, None]]
        events += published(1, "y", 1, 2, epoch="E2", sender=2)
        self.assert_found("I1", events + [["settled"]])

    def test_i1_the_old_epoch_was_heard_further_by_another_member(self):
        events = self.acked_by(1, 1)[:-1]
        self.assert_found("I1", self.after(events))

    def test_i1_a_new_epoch_does_not_begin_at_its_beginning(self):
        self.assert_found("I1", self.after(conversation(), seqs=(3, 3)))

    def test_i1_a_gap(self):
        events = self.acked_by(1, 1) + [["gap", 2, "tea", "E1", 5, 5], ["settled"]]
        self.assert_found("I1", events)

    def test_i8_a_request_that_is_unavailable(self):
        for outcome in ("none", "unknown"):
            self.assert_found("I8", conversation() + [["pub", 1, "x", "tea", "x", None, True],
                                                      ["error", 1, "x", "unavailable", outcome]])


class Report(unittest.TestCase):
    def test_one_verdict_for_each_invariant(self):
        lines, good = report(judge(conversation() + [["settled"]]))
        self.assertTrue(good)
        self.assertEqual([line.split()[0] for line in lines], list(INVARIANTS))
        self.assertIn("holds", lines[0])
        self.assertIn("not judged", lines[8])

    def test_a_breach_is_told_with_its_time(self):
        lines, good = report(judge(conversation() + [["msg", 2, "tea", "E1", 4, "m4", "9/m4"]]))
        self.assertFalse(good)
        self.assertIn("BROKEN 1x", lines[1])
        self.assertRegex(lines[2], r"^ +0\.\d{6} session 2 gets tea E1 4 again")

    def test_each_invariant_has_a_planted_breach(self):
        names = " ".join(dir(Planted)) + " "
        for invariant in INVARIANTS:
            self.assertIn(f"test_{invariant.lower()}_", names)


if __name__ == "__main__":
    unittest.main()
