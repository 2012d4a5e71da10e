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


def table_options(program):
    """Option -> default, from the table under the heading that names the program."""
    section = read("README.md").split(f"### {program}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", section, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def help_options(program):
    """Option -> default, from --help."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    options = {}
    for block in re.split(r"\n(?=  --)", text)[1:]:
        name = re.match(r"  --([a-z-]+)", block).group(1)
        default = re.search(r"\(default: (.*?)\)", " ".join(block.split()))
        options[name] = default.group(1) if default else ""
    return options


class Documents(unittest.TestCase):
    maxDiff = None

    def test_option_tables_agree_with_help(self):
        for program, binary in (("weir-edge", EDGE_BIN), ("weir-router", ROUTER_BIN)):
            with self.subTest(program=program):
                told = help_options(binary)
                for name in ("config", "check-config", "print-config", "probe", "help", "version"):
                    told.pop(name, None)
                self.assertEqual(table_options(program), told)

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
