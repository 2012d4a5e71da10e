#!/usr/bin/env python3
"""Runs the integration tests: run.py [-j N] [-k PATTERN] [--quick] [--junit FILE] [FILE-OR-CLASS ...].

Each test class runs in a process of its own, several at a time; what a class prints is shown only
if one of its tests fails. A class that does not end, or dies, counts as one failure.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import unittest
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ATTACKS = os.path.join(os.path.dirname(HERE), "attacks")
QUICK_S = 1.5  # classes that expect to take longer are not for --quick
CLASS_TIMEOUT_S = 180 * float(os.environ.get("TEST_SLOW", "1"))


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def discover():
    return [test for folder in (HERE, ATTACKS)
            for test in flatten(unittest.TestLoader().discover(folder, "test_*.py", folder))]


def class_name(test):
    return f"{type(test).__module__}.{type(test).__qualname__}"


def chosen(tests, names, pattern):
    def fits(test):
        words = [os.path.basename(n).removesuffix(".py") for n in names]
        named = not words or any(test.id() == w or test.id().startswith(w + ".")
                                 or class_name(test).endswith("." + w) for w in words)
        return named and (pattern is None or pattern in test.id())

    return [test for test in tests if fits(test)]


class Recorder(unittest.TestResult):
    """Keeps one row a test: id, outcome, seconds, details."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def row(self, test, outcome, details=""):
        seconds = time.monotonic() - self.started
        self.rows.append({"id": test.id(), "outcome": outcome, "seconds": seconds,
                          "details": details})

    def addSuccess(self, test):
        self.row(test, "passed")

    def addSkip(self, test, reason):
        self.row(test, "skipped", reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.row(test, "failed", "".join(traceback.format_exception(*err)))

    def addError(self, test, err):
        super().addError(test, err)
        self.row(test, "failed", "".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.row(subtest, "failed", "".join(traceback.format_exception(*err)))

    def addExpectedFailure(self, test, err):
        self.row(test, "failed", "expected failures are not allowed here")


def run_class(name, pattern, result_path):
    """The inner half: the tests of one class, in this process."""
    tests = [t for t in chosen(discover(), [], pattern) if class_name(t) == name]
    recorder = Recorder()
    unittest.TestSuite(tests).run(recorder)
    with open(result_path, "w", encoding="utf-8") as f:
        json.dump(recorder.rows, f)


def start_class(name, pattern):
    """The outer half: rows, and what was printed."""
    handle, result_path = tempfile.mkstemp(prefix="weir-result-")
    os.close(handle)
    argv = [sys.executable, os.path.abspath(__file__), "--inner", name, "--result", result_path]
    argv += ["-k", pattern] if pattern else []
    printed = ""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=CLASS_TIMEOUT_S)
        printed = done.stdout.decode("utf-8", "replace")
        with open(result_path, encoding="utf-8") as f:
            rows = json.load(f)
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as e:
        rows = [{"id": name, "outcome": "failed", "seconds": 0.0, "details": f"{e}\n{printed}"}]
    finally:
        os.unlink(result_path)
    return rows, printed


def write_junit(path, rows):
    suite = ElementTree.Element("testsuite", name="integration", tests=str(len(rows)))
    for row in rows:
        test, space, subtest = row["id"].partition(" ")
        group, _, name = test.rpartition(".")
        case = ElementTree.SubElement(suite, "testcase", classname=group,
                                      name=name + space + subtest,
                                      time=f"{row['seconds']:.3f}")
        if row["outcome"] == "failed":
            ElementTree.SubElement(case, "failure").text = row["details"]
        elif row["outcome"] == "skipped":
            ElementTree.SubElement(case, "skipped").text = row["details"]
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def report(rows, printed):
    for row in rows:
        if row["outcome"] == "skipped":
            print(f"skipped {row['id']}: {row['details']}", flush=True)
        elif row["outcome"] == "failed":
            print(f"FAILED {row['id']}\n{row['details']}", flush=True)
        else:
            print(f"passed {row['id']} ({row['seconds']:.2f} s)", flush=True)
    if any(row["outcome"] == "failed" for row in rows) and printed:
        print(printed, flush=True)


def main():
    parser = argparse.ArgumentParser(description="run the integration tests")
    parser.add_argument("-j", type=int, default=2 * (os.cpu_count() or 1), help="processes")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose id contains this")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--junit", metavar="FILE", help="write results here")
    parser.add_argument("--inner", help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="test files or classes")
    args = parser.parse_args()
    if args.inner:
        run_class(args.inner, args.k, args.result)
        return 0

    weights = {}
    for test in chosen(discover(), args.names, args.k):
        weights[class_name(test)] = getattr(test, "expected_seconds", 1)
    if args.quick:
        weights = {name: seconds for name, seconds in weights.items() if seconds <= QUICK_S}
    everything = []
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        order = sorted(weights, key=lambda name: -weights[name])
        waiting = [pool.submit(start_class, name, args.k) for name in order]
        for future in concurrent.futures.as_completed(waiting):
            rows, printed = future.result()
            report(rows, printed)
            everything += rows
    if args.junit:
        write_junit(args.junit, everything)
    count = {word: sum(row["outcome"] == word for row in everything)
             for word in ("passed", "failed", "skipped")}
    print(", ".join(f"{count[word]} {word}" for word in count))
    return 1 if count["failed"] or not everything else 0


if __name__ == "__main__":
    sys.exit(main())
