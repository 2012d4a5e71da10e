#!/usr/bin/env python3
"""Runs clang-format, clang-tidy, cppcheck or cc over the tree: run_tool.py NAME BUILD_FOLDER.

Files are checked in parallel, and a file that passed is not checked again until it, any header,
the tool or its settings change (stamps under BUILD_FOLDER/lint). Exits 77 if the tool is missing.
"""

import concurrent.futures
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys

import tree

KEPT_FLAGS = ("-I", "-D", "-U", "-std")
# cppcheck reads no system header, so it must be told the macros of sys/queue.h whose uses would look
# like broken syntax or like uninitialized variables (a definition given to it cannot hold the
# semicolons of a `for`). Nor does it know __VA_OPT__.
CPPCHECK_MACROS = [
    "-D_GNU_SOURCE",
    "-D__VA_OPT__(...)=",
    "-DLIST_HEAD(name,type)=struct name{struct type *lh_first;}",
    *(f"-D{name}(var,head,link)=while(((var)=LIST_NEXT(head,link)))"
      for name in ("LIST_FOREACH", "TAILQ_FOREACH")),
]


def tool_version(tool):
    return subprocess.run([tool, "--version"], capture_output=True, check=True).stdout


def compile_flags(build):
    """Source file -> its preprocessor flags. The rest of a gcc command line (hardening, warnings)
    would only be noise to clang-tidy."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    flags = {}
    for entry in commands:
        words = shlex.split(entry["command"])
        kept = []
        for i, word in enumerate(words):
            if word.startswith("-isystem"):
                path = word[len("-isystem"):] or words[i + 1]
                kept.append("-isystem" + os.path.join(build, path))
            elif word.startswith("-I"):
                kept.append("-I" + os.path.join(build, word[2:]))
            elif word.startswith(KEPT_FLAGS):
                kept.append(word)
        path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        flags[path] = kept
    return flags


def format_jobs(root, _build):
    for name in tree.c_files(root):
        yield name, ["clang-format", "--dry-run", "-Werror", name]


def tidy_jobs(root, build):
    flags = compile_flags(build)
    for name in tree.c_files(root, (".c",)):
        own = flags.get(os.path.realpath(os.path.join(root, name)))
        if own is not None:  # else it is not part of this build
            yield name, ["clang-tidy", "--quiet", name, "--", *own]


def cppcheck_jobs(root, build):
    for name in tree.c_files(root, (".c",)):
        yield name, [
            "cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--inline-suppr",
            "--enable=warning,performance,portability", "--suppress=missingIncludeSystem",
            f"--cppcheck-build-dir={os.path.join(build, 'lint', 'cppcheck')}",
            *CPPCHECK_MACROS, "-I.", name,
        ]


def header_jobs(root, build):
    """Compiles each header alone, and so finds what its includers happen to include before it."""
    for name in tree.c_files(root, (".h",)):
        yield name, [
            "cc", "-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
            "-I.", f"-isystem{os.path.join(build, 'proto')}",
            "-include", name, "-x", "c", os.devnull,
        ]


# Name -> (jobs, files beside the sources that a verdict depends on).
TOOLS = {
    "clang-format": (format_jobs, [".clang-format"]),
    "clang-tidy": (tidy_jobs, [".clang-tidy"]),
    "cppcheck": (cppcheck_jobs, []),
    "cc": (header_jobs, []),
}


def common_digest(root, tool, settings):
    digest = hashlib.sha256(tool_version(tool))
    names = [os.path.relpath(os.path.abspath(__file__), root), *settings]
    # clang-format judges each file by itself, the others see headers through the sources.
    names += tree.c_files(root, (".h",)) if tool != "clang-format" else []
    names += [n for n in tree.all_files(root) if n.endswith(".proto")]
    for name in names:
        digest.update(name.encode() + b"\0" + tree.read(root, name).encode() + b"\0")
    return digest


def passed_before(stamp, digest):
    try:
        with open(stamp, encoding="ascii") as f:
            return f.read() == digest
    except FileNotFoundError:
        return False


def run(tool, root, build):
    jobs, settings = TOOLS[tool]
    stamps = os.path.join(build, "lint", tool)
    os.makedirs(stamps, exist_ok=True)
    os.makedirs(os.path.join(build, "lint", "cppcheck"), exist_ok=True)
    common = common_digest(root, tool, settings)

    def job(name, argv):
        digest = common.copy()
        digest.update("\0".join(argv).encode() + tree.read(root, name).encode())
        stamp = os.path.join(stamps, name.replace("/", "-"))
        if passed_before(stamp, digest.hexdigest()):
            return None
        done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"{name}:\n{done.stdout}{done.stderr}"
        with open(stamp, "w", encoding="ascii") as f:
            f.write(digest.hexdigest())
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda pair: job(*pair), jobs(root, build)))
    complaints = [v for v in verdicts if v]
    print("\n".join(complaints) or f"{tool}: {len(verdicts)} files, ok")
    return 1 if complaints else 0


def main():
    tool, build = sys.argv[1], os.path.abspath(sys.argv[2])
    if shutil.which(tool) is None:
        print(f"{tool} is not installed (tests/run installs it)")
        return tree.SKIPPED_EXIT_CODE
    return run(tool, tree.repository_root(), build)


if __name__ == "__main__":
    sys.exit(main())
