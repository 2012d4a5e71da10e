#!/usr/bin/env python3
"""Rules for every text file: no notes to self, no path of somebody's machine, clean whitespace,
no idioms in what ships,
C lines of 100 columns at most, executable exactly if it is a script, and nothing unexpected at the top of the tree."""

import os
import re
import stat
import sys

import tree

TOP_LEVEL = {
    ".ci", ".clang-format", ".clang-tidy", ".editorconfig", ".gitignore", "CHANGELOG.md",
    "CONTRIBUTING.md", "LICENSE", "README.md", "common", "deploy", "edge", "meson.build",
    "meson_options.txt", "proto", "router", "tests",
}

# Written so that this file does not match itself.
FORBIDDEN = {
    re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"): "a note to self",
    re.compile(r"(?<![\w.~-])/(home|Users|root|work|mnt)" r"/\w"): "a path of somebody's machine",
    re.compile(r"\b[A-Z]:\\" r"\w"): "a path of somebody's machine",
}

# What the glossary of CONTRIBUTING.md has standard terms for: "unauthenticated peer", "conforming
# edge", "bulk list", "deferred", "notified". What ships is read by those who do not know our idioms.
SHIPPED = ("common/", "deploy/", "edge/", "proto/", "router/")
IDIOM = re.compile(r"\b(strangers?|honest|crowds?|agenda|graves|told)\b", re.IGNORECASE)

# clang-format keeps code to that but leaves comments alone.
COLUMNS = 100

BINARY_SUFFIXES = (".png", ".ico", ".woff2", ".der")


def is_corpus(name):
    return "/corpus/" in "/" + name


def check_content(name, data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return [f"{name}: is not UTF-8"]
    complaints = []
    if text and not text.endswith("\n"):
        complaints.append(f"{name}: no newline at the end")
    if text.endswith("\n\n"):
        complaints.append(f"{name}: empty lines at the end")
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{name}:{number}"
        if line != line.rstrip():
            complaints.append(f"{where}: white space at the end of the line")
        if name.endswith((".c", ".h")) and len(line.expandtabs(8)) > COLUMNS:
            complaints.append(f"{where}: longer than {COLUMNS} columns")
        for pattern, what in FORBIDDEN.items():
            if pattern.search(line):
                complaints.append(f"{where}: {what}: {line.strip()[:80]}")
        if idiom := name.startswith(SHIPPED) and IDIOM.search(line):
            complaints.append(f"{where}: an idiom, see the glossary: {idiom[0]}")
    return complaints


def check_mode(name, mode, data):
    executable = bool(mode & stat.S_IXUSR)
    script = data.startswith(b"#!")
    if executable and not script:
        return [f"{name}: executable, but no script"]
    if script and not executable:
        return [f"{name}: begins with #! but is not executable"]
    return []


def check(root):
    complaints = []
    names = tree.all_files(root)
    for top in sorted({n.split("/")[0] for n in names} - TOP_LEVEL):
        complaints.append(f"{top}: not expected at the top of the tree")
    for name in names:
        path = os.path.join(root, name)
        with open(path, "rb") as f:
            data = f.read()
        complaints += check_mode(name, os.stat(path).st_mode, data)
        if not is_corpus(name) and not name.endswith(BINARY_SUFFIXES):
            complaints += check_content(name, data)
    return complaints


if __name__ == "__main__":
    found = check(tree.repository_root())
    print("\n".join(found) or "ok")
    sys.exit(1 if found else 0)
