"""Rooms that nobody is in, one after the other."""

import unittest

from attack import Attack, answers, flood

CONNECTIONS, EACH = 20, 100


class RoomNames(Attack):
    expected_seconds = 6

    def n_rooms(self):
        return self.cluster.rows("status")[0]["rooms"]

    def attack(self, **message):
        mallory = [self.cluster.connect(i % 2, "mallory") for i in range(CONNECTIONS)]
        before = self.n_rooms()
        self.quiet()
        for c, client in enumerate(mallory):
            flood(client, [{**message, "room": f"{c}-{i}", "id": i} for i in range(EACH)])
        came = [answer for client in mallory for answer in answers(client, EACH)]
        self.judge()
        return came, self.n_rooms() - before

    def test_a_user_makes_so_many_by_publishing(self):
        came, made = self.attack(type="chat", text="x")
        self.assertLess(made, 1200)
        refused = [a for a in came if a["type"] == "error"]
        self.assertGreater(len(refused), 800)
        self.assertEqual({(a["code"], a["limit"]) for a in refused},
                         {("rate_limited", "rate-rooms")})

    def test_a_user_makes_so_many_by_joining(self):
        came, made = self.attack(type="join")
        self.assertLess(made, 1200)
        self.assertIn("rate-rooms", {a.get("limit") for a in came if a["type"] == "error"})

    def test_what_nobody_will_ever_see_makes_none(self):
        came, made = self.attack(type="typing")
        self.assertEqual({a["type"] for a in came}, {"ack"})
        self.assertEqual(made, 0)


if __name__ == "__main__":
    unittest.main()
