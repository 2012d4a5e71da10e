"""Rooms in a Redis: they survive the router, and what a Redis can do to them loses nothing."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import TestCase, ROUTER_BIN, metrics_of, option_words, wait_until
from redis_server import PROGRAM, RedisServer


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipUnless(PROGRAM, "no redis-server")
class RedisCase(TestCase):
    router_options = {}
    redis_options = {}

    def setUp(self):
        self.redis = RedisServer(**self.redis_options)
        self.addCleanup(self.redis.stop)

    def start(self):
        self.cluster = self.start_cluster(
            edges=1, edge={"lobby": ""},
            router={"store": self.redis.url, "link_timeout": "3s", "store_timeout": "1s",
                    **self.router_options})
        return self.cluster

    def restart(self, number=signal.SIGKILL):
        self.cluster.router.signal(number)
        code = self.cluster.router.wait()
        self.assertEqual(code, -number if number == signal.SIGKILL else 0)
        self.cluster.restart_router()

    def metric(self, name):
        return metrics_of(self.cluster.router.ops)[name]

    def fill(self, n=3):
        client = self.cluster.connect()
        epoch = client.join("tea")["epoch"]
        for i in range(n):
            self.assertEqual(client.publish("tea", f"text {i}")["seq"], i + 1)
        return client, epoch

    def history(self, user="bob"):
        client = self.cluster.connect(user=user)
        return [m["seq"] for m in client.ask(type="history", room="tea", limit=100)["messages"]]


class Survives(RedisCase):
    def check(self, number):
        self.start()
        client, epoch = self.fill()
        quiet = client.join("quiet")["epoch"]
        client.send(type="chat", room="tea", text="keyed", key="k", id="k1")
        client.wait_for("ack", id="k1")
        self.restart(number)
        ack = client.publish("tea", "after")
        self.assertEqual((ack["seq"], ack["epoch"]), (5, epoch))
        client.send(type="chat", room="tea", text="keyed", key="k", id="k2")
        repeat = client.wait_for("ack", id="k2")
        self.assertEqual((repeat["seq"], repeat["duplicate"]), (4, True))
        self.assertEqual(self.history(), [1, 2, 3, 4, 5])
        self.assertEqual(client.join("quiet")["epoch"], quiet)

    def test_a_killed_router(self):
        self.check(signal.SIGKILL)

    def test_a_stopped_router(self):
        self.check(signal.SIGTERM)


class TheRedisFails(RedisCase):
    def test_killed_and_started_empty_it_is_filled_again(self):
        self.start()
        client, epoch = self.fill()
        self.redis.kill()
        client.send(type="chat", room="tea", text="meanwhile", id="m")
        self.redis.start()
        ack = client.wait_for("ack", id="m")
        self.assertEqual((ack["seq"], ack["epoch"]), (4, epoch))
        wait_until(lambda: self.metric("weir_store_repaired_total") > 0, "the logs are written again")
        self.restart()
        self.assertEqual(self.history(), [1, 2, 3, 4])
        self.assertEqual(client.publish("tea", "after")["epoch"], epoch)

    def test_flushed_by_somebody_it_is_filled_again(self):
        self.start()
        client, epoch = self.fill()
        self.redis.command("FLUSHALL")
        self.assertEqual(client.publish("tea", "after")["seq"], 4)
        self.restart()
        self.assertEqual(self.history(), [1, 2, 3, 4])
        ack = client.publish("tea", "last")
        self.assertEqual((ack["seq"], ack["epoch"]), (5, epoch))

    def test_frozen_it_refuses_what_is_new_and_the_rest_goes_on(self):
        self.start()
        client, _ = self.fill()
        self.redis.signal(signal.SIGSTOP)
        client.send(type="chat", room="tea", text="under way", id="u")
        wait_until(lambda: self.metric("weir_store_up") == 0, "the store is down")
        other = self.cluster.connect(user="bob")
        other.join("tea")
        refused = other.ask(type="chat", room="tea", text="no", id="n")
        self.assertEqual((refused["type"], refused["code"], refused["outcome"]),
                         ("error", "unavailable", "none"))
        self.assertEqual(self.history("carol"), [1, 2, 3])
        code, _, err = self.cluster.weirctl("publish", "tea", '{"type":"chat","text":"no"}')
        self.assertEqual((code, "unavailable" in err), (1, True))
        self.redis.signal(signal.SIGCONT)
        self.assertEqual(client.wait_for("ack", id="u")["seq"], 4)
        wait_until(lambda: self.metric("weir_store_up") == 1, "the store is up")
        self.assertEqual(other.publish("tea", "yes")["seq"], 5)

    def test_a_store_that_went_back_and_a_router_that_died_are_a_new_epoch(self):
        self.start()
        client, epoch = self.fill(2)
        keys = [f"{{w}}:l:{slot}" for slot in range(1024)]
        before = {key: self.value(key) for key in keys}
        self.assertEqual(client.publish("tea", "lost")["seq"], 3)
        self.cluster.router.signal(signal.SIGKILL)
        self.cluster.router.wait()
        for key, value in before.items():
            if value is not None and value != self.value(key):
                self.redis.command("SET", key, value)
        self.cluster.restart_router()
        joined = client.wait_for("joined", room="tea")
        self.assertNotEqual(joined["epoch"], epoch)
        self.assertFalse(joined["recovered"])
        self.assertEqual(client.publish("tea", "anew")["seq"], 1)

    def value(self, key):
        answer = self.redis.command("GET", key)
        return None if answer.startswith(b"$-1") else answer[answer.index(b"\n") + 1:-2]


class Weirctl(RedisCase):
    def test_stats_check_and_what_is_refused(self):
        self.start()
        self.fill()
        stats = self.cluster.rows("store", "stats")[0]
        self.assertEqual((stats["store"], stats["up"]), (self.redis.url, True))
        self.assertGreater(stats["redisBytes"], 100)
        check = self.cluster.rows("store", "check")[0]
        self.assertEqual((check["logs"], check["records"], check["damaged"]), (1, 3, 0))
        for words, tool in ((("compact",), "BGREWRITEAOF"), (("backup", "/tmp/x"), "redis-cli --rdb")):
            code, _, err = self.cluster.weirctl("store", *words)
            self.assertEqual((code, tool in err), (1, True))


class Refusals(RedisCase):
    def refused(self, what, **options):
        with tempfile.TemporaryDirectory(prefix="weir-store-") as folder:
            if "password" in options:
                path = os.path.join(folder, "password")
                with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600), encoding="utf-8") as f:
                    f.write(options.pop("password"))
                options["store_password_file"] = path
            options = {"listen": "tcp://127.0.0.1:0", "ops_listen": "", "store": self.redis.url,
                       "store_timeout": "200ms", "admin": f"ipc://{folder}/a.sock", **options}
            done = subprocess.run([ROUTER_BIN, *option_words(options)], capture_output=True, text=True,
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"error: command line: store: .*{what}")

    def test_a_redis_that_evicts(self):
        self.redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.refused("set it to noeviction")

    def test_one_that_is_not_there(self):
        self.redis.kill()
        self.refused("Connection refused|No such file")

    def test_one_that_wants_a_password(self):
        self.redis.command("CONFIG", "SET", "requirepass", "secret")
        self.refused("it wants a password: give store-password-file")
        self.refused("it refuses the password", password="wrong")

    def test_a_password_where_there_is_none(self):
        self.refused("leave out store-password-file", password="secret")

    def test_one_that_has_no_functions_for_us(self):
        self.redis.command("ACL", "SETUSER", "weir", "on", ">secret", "~*", "+@all", "-function")
        self.refused("NOPERM", store=self.redis.url.replace("//", "//weir@"), password="secret")

    def test_a_replica(self):
        self.redis.command("REPLICAOF", "127.0.0.1", "1")
        self.refused("a replica: name the primary")

    def test_one_that_another_router_has(self):
        self.start()
        self.refused("in use by router router-\\d+, which lives", store_timeout="2s")
        self.fill()

    def test_urls(self):
        self.refused("put it into store-password-file", store="redis://me:secret@127.0.0.1")
        self.refused("TLS to a Redis is not available", store="rediss://127.0.0.1")


class Cluster(Refusals):
    redis_options = {"cluster_enabled": "yes"}
    test_a_redis_that_evicts = test_one_that_is_not_there = test_one_that_wants_a_password = None
    test_a_password_where_there_is_none = test_one_that_has_no_functions_for_us = None
    test_a_replica = test_one_that_another_router_has = test_urls = None

    def test_a_cluster(self):
        self.refused("cluster mode, which is not supported")


class Taken(RedisCase):
    def test_a_router_whose_store_was_taken_ends(self):
        self.start()
        self.fill()
        first = self.cluster.router
        first.signal(signal.SIGSTOP)
        time.sleep(0.5)
        with tempfile.TemporaryDirectory(prefix="weir-store-") as folder:
            options = {"listen": "tcp://127.0.0.1:0", "ops_listen": "", "store": self.redis.url,
                       "admin": f"ipc://{folder}/a.sock"}
            with subprocess.Popen([ROUTER_BIN, *option_words(options)], stderr=subprocess.PIPE,
                                  text=True) as second:
                while "ready" not in second.stderr.readline():
                    self.assertIsNone(second.poll())
                first.signal(signal.SIGCONT)
                self.assertEqual(first.wait(), 1)
                self.cluster.processes.remove(first)  # else that it ended so is a fault
                second.terminate()
                second.stderr.read()
        self.cluster.restart_router()
        self.assertEqual(self.history(), [1, 2, 3])


class Replicas(RedisCase):
    router_options = {"store_replicas": "1"}

    def setUp(self):
        self.redis_options = {"repl_diskless_sync_delay": "0"}
        self.port = free_port()
        self.redis = RedisServer(port=self.port, **self.redis_options)
        self.addCleanup(self.redis.stop)

    def test_nothing_is_acknowledged_that_no_replica_has(self):
        self.start()
        client = self.cluster.connect()
        client.join("tea")
        client.send(type="chat", room="tea", text="alone", id="a")
        wait_until(lambda: self.metric("weir_store_up") == 0, "the store is down")
        self.assertEqual(self.history(), [])
        replica = RedisServer(replicaof=["127.0.0.1", str(self.port)])
        self.addCleanup(replica.stop)
        self.assertEqual(client.wait_for("ack", id="a")["seq"], 1)
        wait_until(lambda: self.metric("weir_store_up") == 1, "the store is up")


class Load(RedisCase):
    def test_a_killed_router_under_load_is_latency_only(self):
        self.start()
        client = self.cluster.connect()
        epoch = client.join("tea")["epoch"]
        for i in range(60):
            if i in (20, 40):
                self.cluster.router.signal(signal.SIGKILL)
            client.send(type="chat", room="tea", text=f"text {i}", key=f"k{i}", id=f"i{i}")
            if i in (25, 45):
                self.cluster.router.wait()
                self.cluster.restart_router()
        for i in range(60):
            self.assertEqual(client.wait_for("ack", id=f"i{i}")["epoch"], epoch)
        self.assertEqual(self.history(), list(range(1, 61)))


if __name__ == "__main__":
    unittest.main()
