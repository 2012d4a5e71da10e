"""Who is there? Asked too often, or made to change all the time."""

import unittest

from attack import Attack, answers, flood
from harness import wait_until

USERS, ROOMS = 1000, 60


class Presence(Attack):
    expected_seconds = 12

    def test_questions_about_large_rooms_hold_nobody_up(self):
        self.population(USERS, ROOMS)
        mallory = [self.cluster.connect(i % 2, "mallory") for i in range(20)]
        # The population's link has its share of each turn, so it is not all there at once.
        wait_until(lambda: mallory[0].ask(type="presence", room="room-0")["users"] == USERS,
                   "all are there")
        first = mallory[0].ask(type="presence", room="room-0")
        self.assertEqual(len(first["members"]), USERS)
        self.quiet()
        for client in mallory:
            flood(client, [{"type": "presence", "room": f"room-{i % ROOMS}", "id": i}
                           for i in range(100)])
        came = [answer for client in mallory for answer in answers(client, 100)]
        self.judge()
        self.assertTrue(all(edge["connections"] for edge in self.cluster.rows("edges")))
        refused = [a for a in came if a["type"] == "error"]
        self.assertGreater(len(refused), 1000)
        self.assertEqual({(a["code"], a["limit"]) for a in refused},
                         {("rate_limited", "rate-answers")})


if __name__ == "__main__":
    unittest.main()
