"""Which files the checks look at, and how they are read: shared by all of tests/lint."""

import os
import subprocess

SOURCE_FOLDERS = ("common", "proto", "edge", "router", "tests")
SKIPPED_EXIT_CODE = 77  # meson's word for "this test could not run here"


def repository_root():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(here))


def all_files(root):
    """Every file that belongs to the tree, relative to `root`, sorted. Git knows best what is
    ignored; a copy without git is walked."""
    try:
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True)
        top = subprocess.run(["git", "-C", root, "rev-parse", "--show-toplevel"],
            capture_output=True, check=True, text=True).stdout.rstrip("\n")
        if os.path.realpath(top) == os.path.realpath(root):
            names = set(listed.stdout.decode().split("\0")) - {""}
            return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "__pycache__", "node_modules")
                      and not (folder == root and (f == "build" or f.startswith("build-")))]
        for name in names:
            if not name.endswith(".pyc"):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


def c_files(root, suffixes=(".c", ".h")):
    return [n for n in all_files(root)
            if n.split(os.sep)[0] in SOURCE_FOLDERS and n.endswith(suffixes)]


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as f:
        return f.read()
