"""Rooms may say what becomes of their messages for a client that does not read: each policy against
readers that stop, or read slowly, on two edges."""

import collections
import concurrent.futures
import os
import time
import unittest

import rawhttp
import ws
from harness import ClusterTestCase, metrics_of
from test_http_api import Events
from test_tls import TlsTestCase

LARGE = "x" * 20000
LIMIT = 256 << 10
FREE = {"rate_messages": "0", "rate_bytes": "0"}
ROUTER = {"rate_user_bytes": "0", "rate_fanout": "0", "rate_fanout_bytes": "0",
          "history_messages": "1000", "history_bytes": "64MiB"}


def dropped(edge):
    return metrics_of(edge.ops)['weir_edge_dropped_total{reason="slow"}']


class Policies(ClusterTestCase):
    edge_options = {**FREE, "queue_limit": str(LIMIT), "slow_timeout": "600s"}
    router_options = {**ROUTER, "room_options": ["tick:* slow=conflate"],
                      "room_slow_policy": ["news:*=drop-oldest", "keep:*=disconnect"]}
    expected_seconds = 6

    def slow_reader(self, **how):
        return self.connect(1, "slow", receive_buffer=4096, **how)

    def read_room(self, reader, room, last, since=0):
        """Reads to message `last`; (seqs that came, ranges that were said to be missing)."""
        came, missing = [], []
        while since < last:
            message = reader.next()
            if message.get("room") != room:
                continue
            if message["type"] == "gap":
                self.assertEqual((message["from"], message["reason"]), (since + 1, "slow"))
                missing.append((message["from"], message["to"]))
                since = message["to"]
            else:
                self.assertEqual(message["seq"], since + 1)
                came.append(message["seq"])
                since = message["seq"]
        return came, missing

    def publish_until_dropped(self, sender, room, fields=lambda n: {}, more=50):
        """(last seq, what tells how many were dropped); others miss nothing. The last ones may be
        dropped a moment later."""
        reader = self.connect(1, "reader")
        reader.join(room)
        before, n, left = dropped(self.cluster.edges[1]), 0, more
        while left > 0:
            n += 1
            self.assertLess(n, 1500, "nothing was dropped of 30 MB")
            sender.publish(room, LARGE, **fields(n))
            reader.expect("chat", seq=n)
            if n % 10 == 0 and dropped(self.cluster.edges[1]) > before:
                left -= 10
        return n, lambda: dropped(self.cluster.edges[1]) - before

    def test_of_a_room_that_drops_the_oldest_a_reader_gets_the_newest(self):
        room = f"news:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        slow.join(room)
        last, lost = self.publish_until_dropped(sender, room)
        slow.send(type="ping", id="p")  # is answered although the queue is full
        came, missing = self.read_room(slow, room, last)
        self.assertEqual(sum(to - first + 1 for first, to in missing), lost())
        self.assertEqual(len(missing), 1)
        self.assertEqual(came[-1], last)
        slow.wait_for("pong", id="p")
        page = slow.ask(type="history", room=room, before=missing[0][1] + 1, limit=3)
        self.assertEqual([m["seq"] for m in page["messages"]],
                         list(range(missing[0][1] - 2, missing[0][1] + 1)))

    def test_explain_says_what_was_dropped(self):
        room = f"news:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        slow.join(room)
        last, _ = self.publish_until_dropped(sender, room)
        _, missing = self.read_room(slow, room, last)
        for seq, verdict in ((missing[0][0], ("dropped", "slow")), (missing[0][1], ("dropped", "slow")),
                             (last, ("delivered", "written"))):
            row, = self.cluster.rows("explain", room, str(seq), "--user", "slow")
            self.assertEqual((row["verdict"], row["reason"]), verdict)
            row, = self.cluster.rows("explain", room, str(seq))
            written = 1 if verdict[0] == "dropped" else 2  # the other reader got all
            self.assertEqual((row["verdict"], row["reason"], row["connections"], row["written"]),
                             (*verdict, 2, written))
        events = self.cluster.rows("explain", room, "--user", "slow")
        self.assertIn(("dropped", "slow"), [(row["verdict"], row["reason"]) for row in events])

    def test_compressed_messages_are_dropped_whole(self):
        room = f"news:{self.room}"
        sender = self.connect(0, "sender")
        slow = self.slow_reader(offer="permessage-deflate")
        slow.join(room)
        text = os.urandom(8000).hex()
        n, before = 0, dropped(self.cluster.edges[1])
        while dropped(self.cluster.edges[1]) == before:
            n += 1
            self.assertLess(n, 3000)
            sender.publish(room, f"{n}{text}")
        came, missing = self.read_room(slow, room, n)
        self.assertEqual((len(missing), came[-1]), (1, n))

    def test_what_has_no_policy_is_never_dropped(self):
        news, keep = f"news:{self.room}", f"keep:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        for room in (news, keep):
            slow.join(room)
        for n in range(5):
            sender.publish(keep, str(n))
        last, _ = self.publish_until_dropped(sender, news)
        for n in range(5):
            sender.publish(keep, str(n))
        slow.send(type="history", room=keep, id="h")
        seen = []
        while not seen or seen[-1].get("id") != "h":
            seen.append(slow.next())
        kept = [m["seq"] for m in seen if m.get("room") == keep and m["type"] == "chat"]
        self.assertEqual(kept, list(range(1, 11)))
        self.assertEqual([m["seq"] for m in seen
                          if m.get("room") == news and m["type"] == "chat"][-1], last)

    def test_a_room_that_disconnects_closes_whoever_else_is_patient(self):
        news, keep = f"news:{self.room}", f"keep:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        for room in (news, keep):
            slow.join(room)
        self.publish_until_dropped(sender, news)
        for _ in range(10 * LIMIT // len(LARGE)):  # the kernel may take some more
            sender.publish(keep, LARGE)
        slow.expect_close(4008, "slow_consumer")

    def test_of_a_room_that_conflates_the_last_of_each_key_is_enough(self):
        room = f"tick:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        slow.join(room)
        last, lost = self.publish_until_dropped(
            sender, room, lambda n: {"conflateKey": ("a", "b", 3)[n % 3]})
        newest, since, missed = {}, 0, 0
        while since < last:
            message = slow.next()
            if message["type"] == "gap":
                self.assertEqual((message["from"], message["reason"]), (since + 1, "slow"))
                missed += message["to"] - message["from"] + 1
                since = message["to"]
            elif message["type"] == "chat":
                self.assertEqual(message["seq"], since + 1)
                since = message["seq"]
                newest[message["conflateKey"]] = since
        self.assertEqual(lost(), missed)
        self.assertEqual(sorted(newest.values()), [last - 2, last - 1, last])

    def test_without_keys_a_room_that_conflates_closes(self):
        room = f"tick:{self.room}"
        sender, slow = self.connect(0, "sender"), self.slow_reader()
        slow.join(room)
        closes = 'weir_edge_closes_total{reason="slow_consumer"}'
        before = metrics_of(self.cluster.edges[1].ops)[closes]
        for n in range(1500):
            sender.publish(room, LARGE)
            if n % 20 == 0 and metrics_of(self.cluster.edges[1].ops)[closes] > before:
                break
        slow.expect_close(4008, "slow_consumer")


class PoliciesOverTls(TlsTestCase):
    edge_options = Policies.edge_options
    router_options = Policies.router_options
    expected_seconds = 3

    def connect(self, *where, **how):
        return super().connect(*where, tls=self.context, **how)

    slow_reader = Policies.slow_reader
    read_room = Policies.read_room
    publish_until_dropped = Policies.publish_until_dropped
    test_of_a_room_that_drops_the_oldest_a_reader_gets_the_newest = (
        Policies.test_of_a_room_that_drops_the_oldest_a_reader_gets_the_newest)


class PoliciesOfEventStreams(ClusterTestCase):
    edge_options = Policies.edge_options
    router_options = Policies.router_options
    expected_seconds = 2

    def test_a_reader_of_events_is_told_by_an_event(self):
        room = f"news:{self.room}"
        sender = self.connect(0, "sender")
        events = Events(self.cluster, f"/v1/rooms/{room}/events", edge=1)
        self.addCleanup(events.sock.close)
        events.next()
        n, before = 0, dropped(self.cluster.edges[1])
        while dropped(self.cluster.edges[1]) == before:
            n += 1
            self.assertLess(n, 1500)
            sender.publish(room, LARGE)
        since, missing = 0, 0
        while since < n:
            event = events.next()
            first = event["data"].get("from" if event["event"] == "gap" else "seq")
            self.assertEqual(first, since + 1)
            if event["event"] == "gap":
                self.assertEqual(event["data"]["reason"], "slow")
                missing += 1
            since = event["data"].get("to", first)
        self.assertEqual(missing, 1)


class Ticker(ClusterTestCase):
    """10,000 updates a second of 100 keys, and a reader of 1 Mbit/s."""

    KEYS, UPDATES_S, SECONDS = 100, 10000, 5
    BYTES_S = 1000000 // 8
    edge_options = {**FREE, "slow_timeout": "600s"}
    router_options = {**ROUTER, "room_options": ["tick:* slow=conflate history-messages=10"]}
    expected_seconds = 8

    def tick(self, sender, seconds):
        """Sends updates with the time of their making; returns how many."""
        n, started = 0, time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            due = int(passed * self.UPDATES_S) - n
            at = f"{time.monotonic():.4f}"
            sender.send_bytes(b"".join(
                ws.encode_frame(1, f'{{"type":"tick","room":"{self.ticks}","conflateKey":"k{i}",'
                                   f'"at":{at}}}'.encode())
                for i in (k % self.KEYS for k in range(n, n + due))))
            n += due
            time.sleep(0.005)
        return n

    def read(self, reader, seconds):
        """Reads as fast as it may: (age of each value as it came, its key), gaps, bytes."""
        values, gaps, taken, expected, started = [], 0, 0, 1, time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            if taken > passed * self.BYTES_S:
                time.sleep(0.001)
                continue
            data = reader.stream.socket.recv(1460)
            taken += len(data)
            reader.stream.buffer += data
            while self.has_frame(reader.stream.buffer):
                message = reader.next()
                self.assertEqual(message.get("from" if message["type"] == "gap" else "seq"), expected)
                expected = message.get("to", message.get("seq")) + 1
                gaps += message["type"] == "gap"
                if message["type"] == "tick":
                    values.append((time.monotonic() - message["at"], message["conflateKey"]))
        return values, gaps, taken

    def has_frame(self, buffer):
        if len(buffer) < 4:
            return False
        length = buffer[1] & 127
        need = 4 + int.from_bytes(buffer[2:4], "big") if length == 126 else 2 + length
        return len(buffer) >= need

    def test_a_reader_of_1_mbit_sees_every_key_soon(self):
        self.ticks = f"tick:{self.room}"[:40]
        sender = self.connect(0, "sender")
        reader = self.connect(1, "reader", receive_buffer=4096)
        reader.join(self.ticks)
        before = metrics_of(self.cluster.edges[1].ops)["process_cpu_seconds_total"]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            ticking = pool.submit(self.tick, sender, self.SECONDS)
            values, gaps, taken = self.read(reader, self.SECONDS)
            sent = ticking.result()
        cpu_s = metrics_of(self.cluster.edges[1].ops)["process_cpu_seconds_total"] - before
        ages = sorted(age for age, _ in values[len(values) // 2:])
        counts = collections.Counter(key for _, key in values[len(values) // 2:])
        p50, p99 = ages[len(ages) // 2], ages[len(ages) * 99 // 100]
        print(f"ticker: {sent / self.SECONDS:.0f} updates/s of {self.KEYS} keys, reader "
              f"{taken * 8 / self.SECONDS / 1e6:.2f} Mbit/s: {len(values) / self.SECONDS:.0f} values/s, "
              f"{gaps} gaps, age p50 {p50:.2f} s, p99 {p99:.2f} s, "
              f"values of a key {min(counts.values())} to {max(counts.values())}, "
              f"edge {cpu_s / sent * 1e6:.1f} us of CPU an update")
        self.assertEqual(len(counts), self.KEYS)
        self.assertLess(p99, 1.5 * rawhttp.SLOW)  # the kernel alone would hold more


if __name__ == "__main__":
    unittest.main()
