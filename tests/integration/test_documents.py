"""The documents say what the programs do."""

import json
import os
import re
import subprocess
import unittest

from harness import EDGE_BIN, ROOT, ROUTER_BIN

LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


def documents():
    for folder in ("", "deploy", "proto", "tests"):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def told_by_readme(program):
    """Option -> default, from the table under the heading that names the program, and the names in
    the sentence after it."""
    section = read("README.md").split(f"### {program}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| `(.*?)` \|", section, re.MULTILINE)
    later = section.split("Accepted, but not available yet: ", 1)[1]
    return dict(rows), set(re.findall(r"`([a-z-]+)`", later))


def told_by_help(program):
    """The same from --help. What stands before the empty line is for the command line alone."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    options, later = {}, set()
    for line in text.rsplit("\n\n", 1)[1].splitlines():
        name, default = re.fullmatch(r"  --([a-z-]+) .*\(default: (.*)\)", line).groups()
        if "; not available yet (default:" in line:
            later.add(name)
        else:
            options[name] = default
    return options, later


class Documents(unittest.TestCase):
    maxDiff = None

    def test_option_tables_agree_with_help(self):
        for program, binary in (("weir-edge", EDGE_BIN), ("weir-router", ROUTER_BIN)):
            with self.subTest(program=program):
                self.assertEqual(told_by_readme(program), told_by_help(binary))

    def test_links_lead_somewhere(self):
        for name in documents():
            for target, _ in LINK.findall(read(name)):
                with self.subTest(document=name, target=target):
                    path = os.path.join(ROOT, os.path.dirname(name), target)
                    self.assertTrue(os.path.exists(path))

    def test_json_examples_are_json(self):
        for name in documents():
            for block in re.findall(r"```json\n(.*?)```", read(name), re.DOTALL):
                with self.subTest(document=name):
                    json.loads(block)
            for line in re.findall(r"^[<>] (\{.*\})$", read(name), re.MULTILINE):
                with self.subTest(document=name, line=line):
                    json.loads(line)

    def test_files_that_documents_name_exist(self):
        for name in documents():
            for path in re.findall(r"`((?:tests|deploy|proto|common|edge|router)/[\w./-]*\w)`",
                                   read(name)):
                with self.subTest(document=name, path=path):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, path)), path)


if __name__ == "__main__":
    unittest.main()
