"""Names in a message that cost others, or mean something else to some of them."""

import json
import socket
import time
import unittest

from attack import Attack, answers, flood, rawhttp, ws


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


class Rebinding(Attack):
    edge_options = {"auth": "none", "jwt_key": []}

    def status(self, host):
        port = self.cluster.edges[0].address[1]
        fields = ws.handshake_fields(extra=[("Origin", f"http://{host}:{port}")])
        with socket.create_connection(self.cluster.edges[0].address) as peer:
            peer.sendall(rawhttp.request("/", fields=fields, host=f"{host}:{port}"))
            return int(peer.recv(4096).split()[1])

    def test_a_page_whose_name_leads_here_is_not_of_this_host(self):
        self.assertEqual(self.status("rebound.example"), 403)
        for host in ("localhost", "127.0.0.1"):
            self.assertEqual(self.status(host), 101)


if __name__ == "__main__":
    unittest.main()
