"""Names in a message that cost others, or mean something else to some of them."""

import json
import time
import unittest

from attack import Attack, answers, flood


class Names(Attack):
    def test_a_field_that_looks_like_one_of_ours_is_refused(self):
        alice, bob = self.cluster.connect(), self.cluster.connect(1, "bob")
        for client in (alice, bob):
            client.join("names")
        for name in ("From", "User", "USERNAME", "u\u017fer", "Seq", "Epoch", "t\u0131mestamp", "Room"):
            refusal = alice.ask_for("error", {"type": "chat", "room": "names", name: "admin"})
            self.assertEqual(refusal["code"], "invalid_message", name)
        alice.publish("names", "end", Id=1, Text=2)
        self.assertEqual(bob.expect("chat")["Text"], 2)

    def test_many_names_cost_no_more_than_their_bytes(self):
        fields = {f"n{i:x}": 0 for i in range(11000)}
        self.assertLess(len(json.dumps(fields)), 2 * 100_000)
        mallory = self.cluster.connect(user="mallory")
        self.quiet()
        begun = time.monotonic()
        flood(mallory, [{"type": "chat", "room": "names", "id": i,
                         **dict(list(fields.items())[:7000])} for i in range(20)])
        self.assertEqual({a["code"] for a in answers(mallory, 20)},
                         {"invalid_message", "rate_limited"})
        self.assertLess(time.monotonic() - begun, 5)
        self.judge()


if __name__ == "__main__":
    unittest.main()
