"""Man pages and completion of shells are what the programs say of themselves, and work."""

import glob
import os
import re
import shutil
import subprocess
import unittest

from harness import BUILD, ROOT

MAN = os.path.join(ROOT, "deploy", "man")
BASH = os.path.join(ROOT, "deploy", "completion", "weir.bash")
ZSH = os.path.join(ROOT, "deploy", "completion", "_weir")


class Generated(unittest.TestCase):
    expected_seconds = 2

    def test_the_files_are_what_the_programs_say(self):
        done = subprocess.run([os.path.join(MAN, "generate"), "--check", BUILD],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_there_is_a_page_for_each_program(self):
        self.assertEqual(sorted(os.path.basename(path) for path in glob.glob(MAN + "/*.[18]")),
                         ["weir-bench.1", "weir-edge.8", "weir-router.8", "weir-token.1",
                          "weirctl.8"])

    @unittest.skipIf(shutil.which("groff") is None, "groff is not installed")
    def test_pages_are_set_without_a_warning(self):
        for path in glob.glob(MAN + "/*.[18]"):
            with self.subTest(page=os.path.basename(path)):
                done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", path],
                                      capture_output=True, text=True, check=True)
                self.assertEqual(done.stderr, "")

    def complete(self, line):
        """What bash offers for the last word."""
        script = (f"source {BASH}; COMP_WORDS=({line}); [[ '{line}' == *' ' ]] && COMP_WORDS+=('');"
                  "COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
                  "$(complete -p ${COMP_WORDS[0]} | sed 's/.*-F \\([^ ]*\\).*/\\1/') ${COMP_WORDS[0]};"
                  "printf '%s\\n' ${COMPREPLY[@]}")
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                              check=True).stdout.split()

    def test_bash_completes_commands_and_options(self):
        self.assertEqual(self.complete("weirctl exp"), ["explain"])
        self.assertEqual(self.complete("weirctl --json revo"), ["revoke", "revocations"])
        self.assertEqual(self.complete("weirctl kick --re"), ["--reason", "--revoke"])
        self.assertEqual(self.complete("weirctl help wat"), ["watch"])
        self.assertEqual(self.complete("weirctl --admin /tmp/x kick --us"), ["--user"])
        self.assertEqual(self.complete("weir-router --recorder"), ["--recorder-bytes"])
        self.assertIn("jwt", self.complete("weir-edge --auth "))
        self.assertEqual(self.complete("weir-token ins"), ["inspect"])

    def test_both_shells_know_every_command(self):
        weirctl = os.path.join(BUILD, "router", "weirctl")
        help_text = subprocess.run([weirctl, "help"], capture_output=True, text=True, check=True)
        names = [line.split()[0] for line in help_text.stdout.splitlines()]
        with open(ZSH, encoding="utf-8") as f:
            self.assertEqual(re.findall(r"^\t\t'([a-z-]+):", f.read(), re.MULTILINE), names)
        for name in names:
            self.assertIn(name, self.complete("weirctl "))


if __name__ == "__main__":
    unittest.main()
