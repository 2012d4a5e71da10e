"""The units: systemd understands every line, the sandbox is tight, and what they start is right."""

import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import jwts
from harness import EDGE_BIN, Edge, LINK_KEY, ROOT, ROUTER_BIN, SLOW, TestCase, environment

UNITS = os.path.join(ROOT, "deploy", "systemd")
INSTALLED = {"/usr/bin/weir-edge": EDGE_BIN, "/usr/bin/weir-router": ROUTER_BIN}
EXPOSURE_MAX = 15  # of 100; systemd calls up to 20 "OK"


def settings(unit):
    """Name -> values, of all sections."""
    found = {}
    with open(os.path.join(UNITS, unit), encoding="utf-8") as f:
        for name, value in re.findall(r"^(\w+)=(.*)$", f.read(), re.MULTILINE):
            found.setdefault(name, []).append(value)
    return found


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(s|min|m)?", duration).groups()
    return int(number) * (60 if unit in ("m", "min") else 1)


@unittest.skipIf(shutil.which("systemd-analyze") is None, "systemd is not installed")
class Units(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.units = os.path.join(self.root, "etc/systemd/system")
        shutil.copytree(UNITS, self.units)
        system = os.path.join(self.root, "lib/systemd/system")
        os.makedirs(system)
        for target in glob.glob("/lib/systemd/system/*.target"):
            shutil.copy(target, system)
        for program in [*INSTALLED, "/bin/kill"]:
            path = self.root + program
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb"):
                os.chmod(path, 0o755)

    def analyze(self, *words):
        done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True,
                              timeout=30 * SLOW, check=False)
        return done.returncode, done.stdout + done.stderr

    def verify(self, unit):
        return self.analyze("verify", f"--root={self.root}", unit)

    def change(self, unit, old, new):
        path = os.path.join(self.units, unit)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    def test_systemd_understands_every_line(self):
        for unit in ("weir-router.service", "weir-edge@one.service"):
            with self.subTest(unit=unit):
                self.assertEqual(self.verify(unit), (0, ""))

    def test_a_misspelt_setting_or_value_would_be_noticed(self):
        for old, new in (("ProtectHome=", "ProtectHomes="), ("WatchdogSec=30", "WatchdogSec=soon"),
                         ("@mount", "@mounts"), ("/usr/bin/weir-router", "/usr/bin/weir-rooter")):
            with self.subTest(new=new):
                self.change("weir-router.service", old, new)
                self.assertNotEqual(self.verify("weir-router.service")[1], "")
                self.change("weir-router.service", new, old)

    def test_little_is_left_to_a_program_that_was_broken_into(self):
        for unit in ("weir-router.service", "weir-edge@.service"):
            with self.subTest(unit=unit):
                path = os.path.join(self.units, unit)
                code, said = self.analyze("security", "--offline=yes",
                                          f"--threshold={EXPOSURE_MAX}", path)
                self.assertEqual(code, 0, said)

    def test_a_broken_sandbox_would_be_noticed(self):
        self.change("weir-edge@.service", "ProtectSystem=strict", "ProtectSystem=no")
        self.change("weir-edge@.service", "DynamicUser=yes", "DynamicUser=no")
        path = os.path.join(self.units, "weir-edge@.service")
        code, _ = self.analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", path)
        self.assertNotEqual(code, 0)


class Started(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def configuration(self, config):
        """The example file, with the keys in a folder of ours; returns its path."""
        with open(os.path.join(UNITS, config), encoding="utf-8") as f:
            text = f.read().replace("/etc/weir", self.folder)
        for key in set(re.findall(rf"^[^#].*{self.folder}/(\S+)$", text, re.MULTILINE)):
            self.write(key, LINK_KEY)
        return self.write(config, text.encode())

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o640)
        return path

    def check_config(self, unit, config, changes=()):
        """Runs what the unit starts, with --check-config."""
        told = settings(unit)
        self.assertEqual([name for name in told if name in ("Environment", "LoadCredential")], [])
        words = told["ExecStart"][0].split()
        self.assertEqual(words[1], "--config")
        self.assertRegex(words[2], r"^/etc/weir/[a-z%-]+\.conf$")
        return subprocess.run([INSTALLED[words[0]], "--config", self.configuration(config),
                               *words[3:], *changes, "--check-config"],
                              env=environment(self.folder),
                              capture_output=True, text=True, timeout=10 * SLOW, check=False)

    def test_the_programs_take_what_the_units_and_the_example_files_say(self):
        for unit, config in (("weir-router.service", "router.conf"),
                             ("weir-edge@.service", "edge.conf")):
            with self.subTest(unit=unit):
                done = self.check_config(unit, config)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_with_the_keys_of_the_unit_a_router_may_listen_to_the_network(self):
        done = self.check_config("weir-router.service", "router.conf",
                                 ["--listen", "tcp://0.0.0.0:7070"])
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "it takes root")
    def test_a_rotated_key_arrives_at_sighup_though_the_service_is_not_root(self):
        user, group = 61234, 61235  # of nobody; as DynamicUser and SupplementaryGroups give
        self.assertEqual(settings("weir-edge@.service")["SupplementaryGroups"], ["weir"])
        self.assertIn("g weir -", open(os.path.join(UNITS, "weir.sysusers")).read())
        os.chmod(self.folder, 0o755)
        config = self.configuration("edge.conf")
        for name in os.listdir(self.folder):
            os.chown(os.path.join(self.folder, name), 0, group)
        cluster = self.start_cluster(edges=0)
        edge = Edge(self.folder, "edge", [
            "setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={group}", "--",
            EDGE_BIN, "--config", config, "--listen", "127.0.0.1:0", "--ops-listen",
            "127.0.0.1:0", "--router", cluster.router.link_url])
        cluster.processes.append(edge)
        edge.wait_ready().wait_until_ready()
        cluster.connect(edge, token=jwts.make(LINK_KEY, {"sub": "alice"})).close()
        fresh = b"a key that was made by an operator"
        self.write("jwt.key", fresh)  # the group stays
        mark = edge.mark()
        edge.signal(signal.SIGHUP)
        edge.wait_for_line(" reloaded", after=mark)
        cluster.connect(edge, token=jwts.make(fresh, {"sub": "alice"})).close()
        stale = cluster.open(edge, token=jwts.make(LINK_KEY, {"sub": "alice"}))
        self.assertEqual(stale.expect_close(4002, "invalid_token")["cause"], "bad_signature")

    def test_an_edge_has_time_to_drain(self):
        with open(os.path.join(UNITS, "edge.conf"), encoding="utf-8") as f:
            drain = re.search(r"^drain-timeout = (\S+)$", f.read(), re.MULTILINE).group(1)
        printed = subprocess.run([EDGE_BIN, "--help"], capture_output=True, text=True, check=True)
        usual = re.search(r"--drain-timeout .*\(default: (\S+)\)", printed.stdout).group(1)
        stop = seconds(settings("weir-edge@.service")["TimeoutStopSec"][0])
        self.assertGreaterEqual(stop, seconds(drain) + 5)
        self.assertGreaterEqual(stop, seconds(usual) + 5)

    def test_supervision_is_asked_for_by_both(self):
        for unit in ("weir-router.service", "weir-edge@.service"):
            told = settings(unit)
            self.assertEqual(told["Type"], ["notify"])
            self.assertGreaterEqual(seconds(told["WatchdogSec"][0]), 10)


if __name__ == "__main__":
    unittest.main()
