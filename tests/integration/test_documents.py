"""The documents say what the programs do."""

import base64
import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request

from harness import EDGE_BIN, ROOT, ROUTER_BIN, TestCase, metrics_of
from redis_server import RedisServer

LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
ATTACKS = 201  # the first of a second row of numbers: both lists grow


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


def documents():
    for folder in ("", "deploy", "proto", "tests"):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def listed_by_options(program):
    """Option -> default, from the table under the heading that names the program, and the names in
    the sentence after it."""
    section = read("deploy/options.md").split(f"## {program}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| `(.*?)` \|", section, re.MULTILINE)
    later = section.partition("Accepted, but not available yet: ")[2]
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


def case_rows():
    """(number, the cell with the tests) of each row of tests/CASES.md."""
    for number, cell in re.findall(r"^\| (\d+) \| .* \| (.*) \|$", read("tests/CASES.md"),
                                   re.MULTILINE):
        yield int(number), cell


def names_a_test(reference):
    """Whether there is a test that is called `file::name`."""
    file, name = reference.split("::")
    if file.startswith("unit/"):
        path, definition = f"tests/unit/test_{file[5:]}.c", f"static void {name}(void **state)"
    else:
        folder, _, file = file.rpartition("/")
        path = f"tests/{folder or 'integration'}/test_{file}.py"
        definition = f"    def test_{name}(self)"
    return os.path.exists(os.path.join(ROOT, path)) and definition in read(path)


def mutants():
    """(name, references to the tests that find it) of each planted fault of tests/mutants/."""
    for name in sorted(os.listdir(os.path.join(ROOT, "tests/mutants"))):
        tests = re.search(r"^Tests: (.*)$", read(f"tests/mutants/{name}"), re.MULTILINE)[1]
        yield name.removesuffix(".patch"), tests.split(", ")


class Documents(unittest.TestCase):
    maxDiff = None

    def test_option_tables_agree_with_help(self):
        for program, binary in (("weir-edge", EDGE_BIN), ("weir-router", ROUTER_BIN)):
            with self.subTest(program=program):
                self.assertEqual(listed_by_options(program), told_by_help(binary))

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

    def test_each_case_has_one_row(self):
        for first, last in ((1, ATTACKS), (ATTACKS, 1000)):
            numbers = sorted(n for n, _ in case_rows() if first <= n < last)
            self.assertEqual(numbers, list(range(first, first + len(numbers))))

    def test_the_tests_of_the_cases_exist(self):
        for number, cell in case_rows():
            for reference in re.findall(r"`([\w/]+::\w+)`", cell):
                with self.subTest(case=number, test=reference):
                    self.assertTrue(names_a_test(reference))

    def test_the_mutants_of_the_cases_exist(self):
        for number, cell in case_rows():
            for name in re.findall(r"`mutants/(\w+)`", cell):
                with self.subTest(case=number, mutant=name):
                    self.assertIn(name, dict(mutants()))

    def test_the_tests_of_the_mutants_exist(self):
        for name, tests in mutants():
            for reference in tests:
                with self.subTest(mutant=name, test=reference):
                    self.assertTrue(names_a_test(reference))

    def test_a_case_without_a_test_says_why(self):
        reasons = dict(case_rows())
        for number, cell in reasons.items():
            with self.subTest(case=number):
                other = re.fullmatch(r"as (\d+)", cell)
                if other:
                    cell = reasons[int(other[1])]
                self.assertTrue("`" in cell or len(cell) > 20, cell)

    def test_a_test_that_is_not_there_would_be_noticed(self):
        self.assertTrue(names_a_test("documents::each_case_has_one_row"))
        for reference in ("documents::no_such_test", "no_such_file::x", "unit/map::no_such_test"):
            self.assertFalse(names_a_test(reference))


class Metrics(TestCase):
    def test_metrics_that_documents_name_are_on_the_pages(self):
        figures = set()
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        key = os.path.join(folder.name, "hook.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write("whsec_" + base64.b64encode(os.urandom(32)).decode())
        cluster = self.start_cluster(edges=1, router={
            "store": f"file:{folder.name}/rooms", "webhook_key_file": [key],
            "webhook_url": "http://localhost:9/"})
        host, port = cluster.edges[0].address
        urllib.request.urlopen(f"http://{host}:{port}/v1/openapi.json").close()
        redis = RedisServer()
        self.addCleanup(redis.stop)
        with_redis = self.start_cluster(edges=0, router={"store": redis.url}).router
        for process in (cluster.router, cluster.edges[0], with_redis):
            figures |= {sample.split("{")[0] for sample in metrics_of(process.ops)}
        for name in documents():
            for metric in set(re.findall(r"\b(?:weir|websocket)_[a-z_]+", read(name))):
                with self.subTest(document=name, metric=metric):
                    self.assertIn(metric, figures)


if __name__ == "__main__":
    unittest.main()
