"""The units: systemd understands every line, the sandbox is tight, and what they start is right."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import EDGE_BIN, LINK_KEY, ROOT, ROUTER_BIN, SLOW, TestCase, environment

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

    def check_config(self, unit, config, changes=()):
        """Runs what the unit starts, with --check-config, its credentials in a folder of ours."""
        told = settings(unit)
        for credential in told["LoadCredential"]:
            path = os.path.join(self.folder, credential.split(":")[0])
            with open(path, "wb") as f:
                f.write(LINK_KEY)
            os.chmod(path, 0o440)  # as a credential looks: its access list shows as the group's
        words = told["ExecStart"][0].split()
        assignments = [word.replace("%d", self.folder).split("=", 1)
                       for line in told["Environment"] for word in line.split()]
        self.assertEqual(words[1], "--config")
        self.assertRegex(words[2], r"^/etc/weir/[a-z%-]+\.conf$")
        return subprocess.run([INSTALLED[words[0]], "--config", os.path.join(UNITS, config),
                               *words[3:], *changes, "--check-config"],
                              env={**environment(self.folder), **dict(assignments)},
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
