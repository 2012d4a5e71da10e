"""README, "What is promised, and what is lost when something dies": a sentence a test, under load.

Each class is a row of that table, and a scenario (scenario.py) with the fault of the row.
"""

import unittest

from harness import TestCase
from scenario import Scenario


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


if __name__ == "__main__":
    unittest.main()
