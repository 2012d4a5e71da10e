"""Options: where they come from, what is wrong with them, and what is never printed."""

import json
import os
import re
import resource
import socket
import subprocess
import tempfile
import time
import unittest

import rawhttp
from harness import EDGE_BIN, ROUTER_BIN, SLOW, Process, TestCase, environment, option_words

SECRET = "S3cret-key-that-must-never-be-printed-anywhere"


class OptionsTestCase(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.key = self.write("jwt.key", SECRET)
        self.link = self.write("link.key", SECRET)

    def write(self, name, data, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode("utf-8"))
        os.chmod(path, mode)
        return path

    def edge_options(self, **changed):
        return {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0",
                "jwt_key": f"HS256:{self.key}", "router": f"ipc://{self.folder}/link.sock",
                **changed}

    def router_options(self, **changed):
        return {"listen": f"ipc://{self.folder}/link.sock", "ops_listen": "127.0.0.1:0",
                "admin": f"ipc://{self.folder}/admin.sock", **changed}

    def run_program(self, program, words, env=None):
        return subprocess.run([program, *words], capture_output=True, text=True, check=False,
                              timeout=10 * SLOW, errors="replace",
                              env={**environment(self.folder), **(env or {})})

    def assert_refused(self, program, words, said, env=None):
        """It ends within 2 s with one line that fits, and prints no secret."""
        started = time.monotonic()
        done = self.run_program(program, words, env)
        self.assertLess(time.monotonic() - started, 2 * SLOW)
        self.assertGreater(done.returncode, 0, (words, done.stderr))
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(errors), 1, (words, done.stderr))
        self.assertRegex(errors[0], r"^error: .+?: " + said, words)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        self.assertNotIn("ready listen", done.stderr)
        return errors[0]

    def refused_edge(self, said, **changed):
        words = option_words(self.edge_options(**changed))
        self.assert_refused(EDGE_BIN, words, said)
        self.assert_refused(EDGE_BIN, [*words, "--check-config"], said)

    def refused_router(self, said, **changed):
        words = option_words(self.router_options(**changed))
        self.assert_refused(ROUTER_BIN, words, said)
        self.assert_refused(ROUTER_BIN, [*words, "--check-config"], said)


class CommandLine(OptionsTestCase):
    expected_seconds = 5

    def test_unknown_options_are_refused_with_a_suggestion(self):
        for program in (EDGE_BIN, ROUTER_BIN):
            line = self.assert_refused(program, ["--lisen", "127.0.0.1:0"], "")
            self.assertIn("lisen", line)
            self.assertIn("listen", line.replace("lisen", "", 1))

    def test_stray_words_and_missing_values_are_refused(self):
        for words in (["stray"], ["--listen"], ["--name"]):
            with self.subTest(words=words):
                self.assert_refused(EDGE_BIN, words, "")

    def test_values_of_the_wrong_kind_are_refused(self):
        for option, values in {
                "max_message": ["x", "", "-1", "1.5", "18446744073709551616", "100KB", "513KiB"],
                "heartbeat_interval": ["x", "-1s", "1y", "99999999999999999999"],
                "rate_messages": ["x", "50/m", "50/s burst", "-1/s"],
                "threads": ["-1", "x", "100000"], "auth": ["maybe", ""], "demo": ["perhaps"],
                "log_level": ["loud"], "log_format": ["xml"], "listen": ["x", "1.2.3:80", ":::"],
                "lobby_publish": ["some"], "default_rights": ["fly=*", "join", "=*"],
                "lobby": ["x" * 129, "a*"]}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    name = option.replace("_", "-")
                    self.refused_edge(f".*{name}", **{option: value})

    def test_router_values_of_the_wrong_kind_are_refused(self):
        for option, values in {
                "link_timeout": ["x", "-1s"], "history_messages": ["x", "-1"],
                "history_bytes": ["x", "1.5"], "admin": ["tcp://127.0.0.1:1", "x"],
                "store": ["paper"]}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refused_router(f".*{option.replace('_', '-')}", **{option: value})

    def test_an_unknown_user_is_refused(self):
        self.refused_edge("user: .*no such user", user="no-such-user")
        self.refused_router("user: .*no such user", user="no-such-user")

    def test_help_names_every_option_with_its_default(self):
        for program, some in ((EDGE_BIN, {"listen": "0.0.0.0:8080", "max-message": "102400",
                                          "queue-limit": "1048576", "lobby": "lobby"}),
                              (ROUTER_BIN, {"listen": "tcp://127.0.0.1:7070",
                                            "link-timeout": "6s", "history-messages": "100"})):
            done = self.run_program(program, ["--help"])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for name, default in some.items():
                lines = re.findall(rf"^.*--{name}\b(?!-).*(?:\n +.*)*", done.stdout, re.MULTILINE)
                self.assertEqual(len(lines), 1, (name, done.stdout))
                self.assertIn(default, lines[0])


class Sources(OptionsTestCase):
    def printed(self, *words, env=None):
        done = self.run_program(EDGE_BIN, [*words, "--print-config"], env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(SECRET, done.stdout)
        pairs = [re.split(r"\s*=\s*", line, maxsplit=1) for line in done.stdout.splitlines()
                 if "=" in line and not line.startswith("#")]
        options = {}
        for name, value in pairs:
            options.setdefault(name, []).append(value)
        return options

    def test_command_line_before_environment_before_file_before_default(self):
        base = ["--jwt-key", f"HS256:{self.key}"]
        config = self.write("edge.conf", "# a comment\n\nlobby = from-file\nname=file-name\n"
                            "  max-message = 2000  \n")
        file = ["--config", config]
        env = {"WEIR_EDGE_LOBBY": "from-env"}
        self.assertEqual(self.printed(*base)["lobby"], ["lobby"])
        self.assertEqual(self.printed(*base, *file)["lobby"], ["from-file"])
        self.assertEqual(self.printed(*base, *file)["max-message"], ["2000"])
        self.assertEqual(self.printed(*base, *file, env=env)["lobby"], ["from-env"])
        self.assertEqual(self.printed(*base, *file, "--lobby", "cli", env=env)["lobby"], ["cli"])
        self.assertEqual(self.printed(*base, *file, env=env)["name"], ["file-name"])

    def test_a_list_of_a_higher_source_replaces_the_whole_list(self):
        base = ["--jwt-key", f"HS256:{self.key}"]
        config = self.write("edge.conf", "allowed-origins = https://a\nallowed-origins = https://b\n")
        env = {"WEIR_EDGE_ALLOWED_ORIGINS": "https://c,https://d,https://e"}
        self.assertEqual(self.printed(*base, "--config", config)["allowed-origins"],
                         ["https://a", "https://b"])
        self.assertEqual(self.printed(*base, "--config", config, env=env)["allowed-origins"],
                         ["https://c", "https://d", "https://e"])
        self.assertEqual(self.printed(*base, "--config", config, "--allowed-origins", "https://f",
                                      env=env)["allowed-origins"], ["https://f"])

    def test_the_printed_configuration_can_be_read_again(self):
        base = ["--jwt-key", f"HS256:{self.key}", "--lobby", "x", "--rate-messages", "7/s burst 9",
                "--name", "n"]
        first = self.run_program(EDGE_BIN, [*base, "--print-config"]).stdout
        config = self.write("printed.conf", first)
        second = self.run_program(EDGE_BIN, ["--config", config, "--print-config"])
        self.assertEqual((second.returncode, second.stdout), (0, first), second.stderr)

    def test_check_config_of_a_good_file(self):
        config = self.write("edge.conf", f"jwt-key = HS256:{self.key}\nlisten = 127.0.0.1:0\n")
        done = self.run_program(EDGE_BIN, ["--config", config, "--check-config"])
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.run_program(ROUTER_BIN, [*option_words(self.router_options()), "--check-config"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_bad_files_are_refused(self):
        os.mkdir(os.path.join(self.folder, "folder"))
        for name, data, said in (
                ("typo", "lisen = x\n", "lisen"), ("no-sign", "listen\n", ""),
                ("value", "max-message = x\n", "max-message"), ("twice", "lobby = a\nlobby = b\n",
                                                                "lobby"),
                ("latin", b"lobby = \xff\n", ""), ("nul", b"lobby = a\0b\n", "")):
            with self.subTest(name=name):
                path = self.write(name, data)
                line = self.assert_refused(EDGE_BIN, ["--config", path, "--check-config"], "")
                self.assertIn(path, line)
                self.assertIn(said, line)
        for path in (os.path.join(self.folder, "missing"), os.path.join(self.folder, "folder")):
            with self.subTest(path=path):
                self.assertIn(path, self.assert_refused(EDGE_BIN, ["--config", path], ""))

    def test_a_file_with_dos_line_ends_is_read(self):
        path = self.write("dos", f"lobby = x\r\njwt-key = HS256:{self.key}\r\n")
        options = self.printed("--config", path)
        self.assertEqual((options["lobby"], options["jwt-key"]), (["x"], [f"HS256:{self.key}"]))

    def test_environment_errors_name_the_variable(self):
        line = self.assert_refused(EDGE_BIN, option_words(self.edge_options()), "",
                                   env={"WEIR_EDGE_MAX_MESSAGE": "x"})
        self.assertRegex(line, "WEIR_EDGE_MAX_MESSAGE|environment")


class Secrets(OptionsTestCase):
    expected_seconds = 3

    def test_keys_must_be_long_private_regular_files(self):
        os.mkfifo(os.path.join(self.folder, "fifo"), 0o600)
        os.symlink(self.write("open-target", SECRET, 0o644), os.path.join(self.folder, "link"))
        paths = {
            "missing": os.path.join(self.folder, "none"), "folder": self.folder,
            "fifo": os.path.join(self.folder, "fifo"), "empty": self.write("empty", b""),
            "short": self.write("short", b"x" * 31), "newline": self.write("nl", b"x" * 31 + b"\n"),
            "open": self.write("open", SECRET, 0o644), "group": self.write("group", SECRET, 0o660),
            "link to open": os.path.join(self.folder, "link"),
        }
        for what, path in paths.items():
            with self.subTest(what=what):
                self.refused_edge(".*jwt-key: ", jwt_key=f"HS256:{path}")
                self.refused_edge(".*link-key-file: ", link_key_file=path)
                self.refused_router(".*link-key-file: ", link_key_file=path)

    def test_key_specifications_are_checked(self):
        for value in ("", "HS256", f"hs256:{self.key}", f"none:{self.key}", f"HS999:{self.key}",
                      "HS256:", "HS256:kid=", f":{self.key}"):
            with self.subTest(value=value):
                self.refused_edge(".*jwt-key", jwt_key=value)

    def test_longer_hashes_need_longer_keys(self):
        path = self.write("k", b"x" * 40)
        for alg in ("HS384", "HS512"):
            self.refused_edge(".*jwt-key: ", jwt_key=f"{alg}:{path}")

    def test_allowed_modes(self):
        for mode in (0o600, 0o400, 0o640, 0o440):
            with self.subTest(mode=oct(mode)):
                path = self.write(f"key-{mode:o}", SECRET, mode)
                words = option_words(self.edge_options(jwt_key=f"HS256:{path}"))
                done = self.run_program(EDGE_BIN, [*words, "--check-config"])
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_key_is_needed(self):
        options = self.edge_options()
        del options["jwt_key"]
        self.assert_refused(EDGE_BIN, option_words(options), ".*jwt-key")


class Guards(OptionsTestCase):
    """What is open to the network must have a key or an explicit word."""

    def test_auth_none_is_for_loopback(self):
        options = {"listen": "0.0.0.0:0", "auth": "none", "ops_listen": "127.0.0.1:0",
                   "router": f"ipc://{self.folder}/link.sock"}
        self.assert_refused(EDGE_BIN, option_words(options), ".*(auth|listen|insecure)")
        for words in ({"listen": "127.0.0.1:0"}, {"insecure": True}):
            with self.subTest(words=words):
                done = self.run_program(EDGE_BIN, [*option_words({**options, **words}),
                                                   "--check-config"])
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_router_on_the_network_needs_a_link_key(self):
        self.refused_router(".*link-key-file", listen="tcp://0.0.0.0:0")
        words = option_words(self.router_options(listen="tcp://0.0.0.0:0",
                                                 link_key_file=self.link))
        done = self.run_program(ROUTER_BIN, [*words, "--check-config"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_taken_addresses_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for option in ("listen", "ops_listen"):
                words = option_words(self.edge_options(**{option: address}))
                line = self.assert_refused(EDGE_BIN, words, f".*{option.replace('_', '-')}")
                self.assertIn(address, line)
            for option, value in (("ops_listen", address), ("listen", f"tcp://{address}")):
                words = option_words(self.router_options(**{option: value}))
                line = self.assert_refused(ROUTER_BIN, words, f".*{option.replace('_', '-')}")
                self.assertIn(address, line)

    def test_an_admin_socket_in_use_is_refused(self):
        first = self.start_process(Process(self.folder, "first", [
            ROUTER_BIN, *option_words(self.router_options())])).wait_ready()
        words = option_words(self.router_options(listen=f"ipc://{self.folder}/other.sock"))
        self.assert_refused(ROUTER_BIN, words, ".*admin")
        self.assertTrue(first.running())

    def test_more_connections_than_descriptors_are_refused_or_raised(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        words = option_words(self.edge_options(max_connections=hard + 1000))
        line = self.assert_refused(EDGE_BIN, words, ".*max-connections")
        self.assertIn(str(hard + 1000), line)


class AuthNone(TestCase):
    def test_everybody_is_a_user_of_their_own(self):
        cluster = self.start_cluster(edges=0)
        edge = cluster.start_edge("open", auth="none", jwt_key=[])
        client = cluster.open(edge, target="/?autojoin=0")
        connected = client.expect("connected")
        self.assertEqual(connected["user"], connected["clientId"])
        self.assertEqual(connected["roles"], [])
        client.join("room")
        client.publish("room")


class Probe(TestCase):
    def test_probe_exits_by_the_status(self):
        cluster = self.start_cluster(edges=1)
        ops = "http://%s:%d" % cluster.edges[0].ops
        for program in (EDGE_BIN, ROUTER_BIN):
            for url, good in ((f"{ops}/health", True), (f"{ops}/ready", True),
                              (f"{ops}/none", False), ("http://127.0.0.1:1/health", False),
                              ("not a url", False)):
                with self.subTest(program=program, url=url):
                    code = subprocess.run([program, "--probe", url], timeout=10 * SLOW,
                                          capture_output=True, check=False,
                                          env=environment(cluster.folder)).returncode
                    self.assertEqual(code == 0, good)


class Ready(TestCase):
    def test_the_ready_line_is_the_same_in_both_log_formats(self):
        cluster = self.start_cluster(edges=0)
        for log_format in ("text", "json"):
            edge = cluster.spawn_edge(f"edge-{log_format}", log_format=log_format,
                                      listen=["127.0.0.1:0", "127.0.0.1:0"]).wait_ready()
            self.assertEqual(len(edge.ready["listen"]), 2)
            self.assertRegex(edge.text(), r"(?m)^ready listen=127\.0\.0\.1:\d+,127\.0\.0\.1:\d+ "
                                          r"ops=127\.0\.0\.1:\d+$")
        self.assertRegex(cluster.router.text(),
                         r"(?m)^ready listen=tcp://\S+:\d+ admin=ipc://\S+ ops=127\.0\.0\.1:\d+$")

    def test_json_logs_are_json(self):
        cluster = self.start_cluster(edges=1, router={"log_format": "json"},
                                     edge={"log_format": "json", "log_level": "debug"})
        client = cluster.connect()
        client.join("room")
        client.close()
        cluster.edges[0].stop()
        cluster.router.stop()
        for process in cluster.processes:
            for line in process.text().splitlines():
                if not line.startswith("ready "):
                    self.assertIsInstance(json.loads(line), dict, line)

    def test_both_listeners_serve(self):
        cluster = self.start_cluster(edges=0)
        edge = cluster.start_edge("edge", listen=["127.0.0.1:0", "127.0.0.1:0"])
        for text in edge.ready["listen"]:
            host, port = text.split(":")
            self.assertEqual(rawhttp.get((host, int(port)), "/health").status, 200)


if __name__ == "__main__":
    unittest.main()
