"""Rooms in a folder: they survive the router, and a folder that cannot be used is refused."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import TestCase, ROUTER_BIN, metrics_of, option_words, wait_until


class StoreCase(TestCase):
    router_options = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-store-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = os.path.join(self.folder, "store")

    def start(self, edges=1):
        self.cluster = self.start_cluster(
            edges=edges, edge={"lobby": ""},
            router={"store": f"file:{self.store}", "link_timeout": "3s", **self.router_options})
        return self.cluster

    def restart(self, number):
        self.cluster.router.signal(number)
        code = self.cluster.router.wait()
        self.assertEqual(code, -number if number == signal.SIGKILL else 0)
        self.cluster.restart_router()


class Survives(StoreCase):
    def check(self, number):
        self.start()
        client = self.cluster.connect()
        epoch = client.join("tea")["epoch"]
        quiet = client.join("quiet")["epoch"]
        for n in range(3):
            client.publish("tea", f"text {n}")
            client.expect("chat", text=f"text {n}", seq=n + 1)
        client.send(type="chat", room="tea", text="keyed", key="k", id="k1")
        client.wait_for("ack", id="k1")
        self.restart(number)
        ack = client.publish("tea", "after")
        self.assertEqual((ack["seq"], ack["epoch"]), (5, epoch))
        client.send(type="chat", room="tea", text="keyed", key="k", id="k2")
        repeat = client.wait_for("ack", id="k2")
        self.assertEqual((repeat["seq"], repeat["duplicate"]), (4, True))
        history = client.ask(type="history", room="tea")
        self.assertEqual([m["seq"] for m in history["messages"]], [1, 2, 3, 4, 5])
        self.assertEqual(client.join("quiet")["epoch"], quiet)
        other = self.cluster.connect(user="bob")
        joined = other.ask(type="join", room="tea", since={"epoch": epoch, "seq": 2})
        self.assertTrue(joined["recovered"])
        self.assertEqual([m["seq"] for m in joined["messages"]], [3, 4, 5])

    def test_a_killed_router(self):
        self.check(signal.SIGKILL)

    def test_a_stopped_router(self):
        self.check(signal.SIGTERM)


class SurvivesSynced(Survives):
    router_options = {"store_fsync": "commit"}


class Weirctl(StoreCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.client = self.cluster.connect()
        self.epoch = self.client.join("tea")["epoch"]
        for n in range(3):
            self.client.publish("tea", f"text {n}")

    def test_stats_and_check(self):
        stats = self.cluster.rows("store", "stats")[0]
        self.assertEqual((stats["store"], stats["up"]), (f"file:{self.store}", True))
        self.assertGreater(stats["fileBytes"], 4096)
        check = self.cluster.rows("store", "check")[0]
        self.assertEqual((check["turns"], check["records"], check["damaged"]), (stats["turns"], 3, 0))

    def test_compact(self):
        for n in range(200):
            self.client.publish("tea", f"{n} " + "x" * 2000)
        before = self.cluster.rows("store", "stats")[0]
        after = self.cluster.rows("store", "compact")[0]
        self.assertLess(after["logBytes"], before["logBytes"])
        self.cluster.router.signal(signal.SIGKILL)
        self.cluster.router.wait()
        self.cluster.restart_router()
        joined = self.cluster.connect(user="bob").join("tea")
        self.assertEqual((joined["epoch"], joined["seq"]), (self.epoch, 203))

    def back_up(self):
        backup = os.path.join(self.folder, "backup")
        self.assertEqual(self.cluster.rows("store", "backup", backup), [{"folder": backup}])
        self.client.publish("tea", "after the backup")
        return backup

    def restore(self, backup):
        self.cluster.router.signal(signal.SIGKILL)
        self.cluster.router.wait()
        self.cluster.router_options["store"] = f"file:{backup}"
        self.cluster.restart_router()
        return self.cluster.connect(user="bob").ask(type="history", room="tea")

    def test_a_backup_is_a_store_of_its_own(self):
        backup = self.back_up()
        self.client.close()
        history = self.restore(backup)
        self.assertEqual([m["text"] for m in history["messages"]], ["text 0", "text 1", "text 2"])
        self.assertEqual(history["epoch"], self.epoch)

    def test_members_that_have_seen_more_than_a_backup_are_told(self):
        history = self.restore(self.back_up())
        self.client.wait_for("joined", room="tea", recovered=False, epoch=history["epoch"], seq=0)
        self.assertNotEqual(history["epoch"], self.epoch)

    def test_a_backup_takes_a_new_folder(self):
        for folder in (self.store, "relative", f"{self.folder}/a/b"):
            code, _, err = self.cluster.weirctl("store", "backup", folder)
            self.assertNotEqual((code, err), (0, ""))


class StoreCheck(StoreCase):
    """--store-check, of a folder that no router uses."""

    def setUp(self):
        super().setUp()
        self.start()
        client = self.cluster.connect()
        for n in range(50):
            client.publish("tea", f"{n} " + "x" * 5000)
        self.cluster.router.signal(signal.SIGKILL)
        self.cluster.router.wait()

    def check(self):
        return subprocess.run([ROUTER_BIN, "--store-check", "--store", f"file:{self.store}"],
                              capture_output=True, text=True, timeout=20, check=False)

    def database(self):
        return os.path.join(self.store, "data.mdb")

    def test_a_store_that_is_whole(self):
        done = self.check()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^turns=\d+ records=50 damaged=0\n$")
        self.cluster.restart_router()
        self.assertEqual(self.cluster.connect().join("tea")["seq"], 50)

    def test_a_flipped_byte(self):
        with open(self.database(), "r+b") as f:
            at = f.read().index(b"7 xxxxxxxx") + 1000
            f.seek(at)
            f.write(b"y")
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "damaged=1\n$")
        router = self.cluster.restart_router()
        router.wait_for_line("store_damaged places=1")
        self.assertEqual(self.cluster.connect().join("tea")["seq"], 0)

    def test_a_file_that_was_cut(self):
        os.truncate(self.database(), os.path.getsize(self.database()) - 4096)
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertIn("store: ", done.stderr)


class Refusals(StoreCase):
    def refused(self, what, **options):
        full = {"listen": "tcp://127.0.0.1:0", "ops_listen": "127.0.0.1:0",
                "admin": f"ipc://{self.folder}/other.sock", "store": f"file:{self.store}", **options}
        done = subprocess.run([ROUTER_BIN, *option_words(full)], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, f"error: command line: store: .*{what}")

    def test_a_folder_that_another_router_uses(self):
        self.start(edges=0)
        self.refused("in use by another process")

    def test_a_folder_that_is_none(self):
        with open(self.store, "w", encoding="utf-8"):
            pass
        self.refused("Not a directory")

    def test_a_folder_in_a_folder_that_is_missing(self):
        self.refused("No such file or directory", store=f"file:{self.folder}/a/b")

    def test_a_folder_without_rights(self):
        os.mkdir(self.store, mode=0o500)
        self.refused("Permission denied", **({"user": "nobody"} if os.geteuid() == 0 else {}))

    def test_a_database_that_is_not_ours(self):
        os.mkdir(self.store)
        with open(os.path.join(self.store, "data.mdb"), "w", encoding="utf-8"):
            pass
        self.refused("not a store of weir-router")

    def test_another_schema(self):
        os.mkdir(self.store)
        with open(os.path.join(self.store, "weir-store"), "w", encoding="utf-8") as f:
            f.write("weir-store 99\nhash " + "0" * 32 + "\nboot b\nsync 1\nclean 1\n")
        self.refused("of schema 99")


class PowerCut(StoreCase):
    def other_boot(self, **lines):
        """As if the machine had been down since."""
        path = os.path.join(self.store, "weir-store")
        with open(path, encoding="utf-8") as f:
            text = f.read().splitlines()
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(("boot another" if line.startswith("boot") else line) + "\n" for line in text)

    def epoch_after_power_cut(self, number):
        self.start()
        client = self.cluster.connect()
        before = client.join("tea")["epoch"]
        client.publish("tea", "text")
        self.cluster.router.signal(number)
        self.cluster.router.wait()
        self.other_boot()
        self.cluster.restart_router()
        after = client.join("tea")
        return before, after

    def test_what_was_not_synced_is_given_up(self):
        before, after = self.epoch_after_power_cut(signal.SIGKILL)
        self.assertNotEqual(after["epoch"], before)
        self.assertEqual(after["seq"], 0)
        self.cluster.router.wait_for_line("store_lost")

    def test_a_store_that_was_closed_is_trusted(self):
        before, after = self.epoch_after_power_cut(signal.SIGTERM)
        self.assertEqual((after["epoch"], after["seq"]), (before, 1))


class PowerCutSynced(StoreCase):
    router_options = {"store_fsync": "commit"}
    other_boot = PowerCut.other_boot

    def test_what_was_synced_is_trusted(self):
        before, after = PowerCut.epoch_after_power_cut(self, signal.SIGKILL)
        self.assertEqual((after["epoch"], after["seq"]), (before, 1))


@unittest.skipUnless(os.geteuid() == 0, "only root mounts")
class FullDisk(StoreCase):
    def setUp(self):
        super().setUp()
        os.mkdir(self.store)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", self.store],
                              capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", self.store], check=False)

    @staticmethod
    def has_room(f):
        try:
            return f.write(b"x" * 4096) == 4096
        except OSError:
            return False

    def test_nothing_is_acked_that_was_not_kept(self):
        self.start()
        client = self.cluster.connect()
        client.join("tea")
        filler = os.path.join(self.store, "filler")
        with open(filler, "wb", buffering=0) as f:
            while self.has_room(f):
                pass
        for n in range(100):
            answer = client.ask(type="chat", room="tea", text="x" * 20000)
            if answer["type"] == "error":
                break
        self.assertEqual((answer["code"], answer["outcome"]), ("unavailable", "none"))
        self.assertEqual(client.join("tea")["seq"], n)
        router = self.cluster.router
        self.assertEqual(metrics_of(router.ops)["weir_store_up"], 0)
        os.unlink(filler)
        wait_until(lambda: metrics_of(router.ops)["weir_store_up"] == 1, "the store takes turns again")
        self.assertEqual(client.publish("tea", "after")["seq"], n + 1)


if __name__ == "__main__":
    unittest.main()
