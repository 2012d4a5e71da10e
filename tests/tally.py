#!/usr/bin/env python3
"""Counts results: tally.py [--broken N] JUNIT-FILE..., and prints the one line that matters.

Meson's JUnit file lists the assertions of a TAP program but not that the program died between two
of them; the log beside it does. So a program that failed counts at least once.
"""

import json
import os
import sys
from xml.etree import ElementTree


def cases(path):
    """The test cases of a JUnit file, by suite."""
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        yield suite.get("name", ""), suite.findall("testcase")


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def programs_that_failed(junit_path):
    """Names of the meson tests that were not ok, however their assertions ended."""
    log = os.path.join(os.path.dirname(junit_path), "testlog.json")
    if os.path.basename(junit_path) != "testlog.junit.xml" or not os.path.exists(log):
        return []
    with open(log, encoding="utf-8") as f:
        results = [json.loads(line) for line in f if line.strip()]
    return [r["name"] for r in results if r["result"] not in ("OK", "SKIP")]


def count(path):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    failed_in = set()
    for suite, found in cases(path):
        for case in found:
            total[outcome(case)] += 1
            if outcome(case) == "failed":
                # A TAP program is a suite, "project.name"; any other program is a case.
                failed_in |= {suite.partition(".")[2], case.get("name")}
    for program in programs_that_failed(path):
        if program not in failed_in:
            total["failed"] += 1
    return total


def main(arguments):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    if arguments[:1] == ["--broken"]:
        total["failed"] += int(arguments[1])
        arguments = arguments[2:]
    for path in arguments:
        for word, number in count(path).items():
            total[word] += number
    line = f"{total['passed']} passed, {total['failed']} failed"
    print(line + (f", {total['skipped']} skipped" if total["skipped"] else ""))
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
