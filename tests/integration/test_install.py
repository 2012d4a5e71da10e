"""What `meson install` installs: all that an operator needs, and nothing else."""

import os
import re
import subprocess
import tempfile
import unittest

from harness import BUILD, EDGE_BIN, ROUTER_BIN, SLOW

PROGRAMS = {"weir-edge", "weir-token", "weir-router", "weirctl", "weir-bench"}


class Installed(unittest.TestCase):
    expected_seconds = 5

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        cls.addClassCleanup(folder.cleanup)
        done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir",
                               folder.name], capture_output=True, text=True, timeout=60 * SLOW,
                              check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.root = folder.name
        cls.files = {}
        for where, _, names in os.walk(folder.name):
            cls.files.update({name: os.path.join(where, name) for name in names})
        cls.paths = [os.path.relpath(os.path.join(where, name), folder.name)
                     for where, _, names in os.walk(folder.name) for name in names]

    def test_programs(self):
        self.assertEqual({os.path.basename(path) for path in self.paths
                          if os.path.dirname(path).endswith("/bin")}, PROGRAMS)

    def test_units_configuration_and_documents(self):
        for end in ("lib/systemd/system/weir-edge@.service",
                    "lib/systemd/system/weir-router.service", "lib/sysusers.d/weir.conf",
                    "doc/weir/examples/edge.conf", "doc/weir/examples/router.conf",
                    "doc/weir/README.md", "doc/weir/deploy/README.md",
                    "doc/weir/deploy/security.md", "doc/weir/proto/client.md",
                    "doc/weir/LICENSE"):
            with self.subTest(end=end):
                self.assertTrue(any(path.endswith(end) for path in self.paths), self.paths)

    def test_man_pages_and_completion(self):
        pages = {os.path.basename(path).split(".")[0] for path in self.paths if "/man/" in path}
        self.assertEqual(pages, PROGRAMS)
        for end in (*(f"bash-completion/completions/{name}" for name in PROGRAMS),
                    "zsh/site-functions/_weir"):
            self.assertTrue(any(path.endswith(end) for path in self.paths), end)

    def test_links_of_the_documents_lead_somewhere(self):
        pages = [path for path in self.paths if path.endswith(".md")]
        self.assertGreater(len(pages), 8)
        for page in pages:
            with open(os.path.join(self.root, page), encoding="utf-8") as f:
                links = re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", f.read())
            for link in links:
                with self.subTest(page=page, link=link):
                    path = os.path.normpath(os.path.join(self.root, os.path.dirname(page), link))
                    self.assertTrue(os.path.exists(path), path)

    def test_no_tests(self):
        for path in self.paths:
            if "/doc/weir/tests/" in path:
                continue
            self.assertNotRegex(path, r"test|fuzz|\.a$|\.so$")

    def test_the_configuration_names_each_option_and_its_values_are_good(self):
        for program, name in ((EDGE_BIN, "edge"), (ROUTER_BIN, "router")):
            with self.subTest(program=name):
                path = next(path for path in self.paths
                            if path.endswith(f"examples/{name}.conf") and "systemd" not in path)
                with open(os.path.join(self.root, path), encoding="utf-8") as f:
                    text = f.read()
                told = subprocess.run([program, "--help"], capture_output=True, text=True,
                                      check=True).stdout.split("\n\n", 3)[3]
                self.assertEqual(re.findall(r"^#([\w-]+) =", text, re.MULTILINE),
                                 re.findall(r"^  --([\w-]+)", told, re.MULTILINE))
                good = re.sub(r"^#([\w-]+ = .+)$", r"\1", text, flags=re.MULTILINE)
                with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
                    used = os.path.join(folder, f"{name}.conf")
                    with open(used, "w", encoding="utf-8") as f:
                        f.write(good)
                    more = ["--auth", "none", "--listen", "127.0.0.1:0"] if name == "edge" else []
                    done = subprocess.run([program, "--config", used, *more, "--check-config"],
                                          capture_output=True, text=True, timeout=20 * SLOW,
                                          check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
