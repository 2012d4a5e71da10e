#!/usr/bin/env python3
"""Instructions for each operation of the hot paths, held against instructions.txt.

    tests/bench/instructions.py [--update] PROGRAM COMPILER

Unlike time, this count does not know how busy the machine is: it is the same in every run, to a
fraction of a percent. It is not the cost (a system call is not in it, a cache miss counts as
nothing), but what makes a path longer shows, in the commit that does it.

More than 5 % away from the table, in either direction, fails. A table that another compiler or C
library was taken with says nothing: exit 77, which meson calls a skip. PROGRAM is count-instructions.
"""

import concurrent.futures
import os
import platform
import re
import shutil
import subprocess
import sys

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.txt")
LIMIT = 0.05
SKIPPED = 77
# Enough for a table or buffer that grows once to weigh little; a multiple of the batches.
OPERATIONS = {
    "edge-delivery": 8000,
    "edge-publish": 1000,
    "edge-binary-delivery": 8000,
    "edge-binary-publish": 1000,
    "edge-handshake": 400,
    "router-publish": 2000,
    "router-join": 4000,
}
# The same code on every machine: libcrypto and the C library choose theirs by what the CPU has.
PLAIN_CPU = {
    "OPENSSL_ia32cap": "0:0",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-ERMS,-BMI2",
}


def count(program, operation, n):
    argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, operation,
            str(n)]
    env = {"PATH": os.environ["PATH"], **PLAIN_CPU}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{' '.join(argv)} exits with {done.returncode}\n{done.stderr}")
    return int(found[1])


def measure(program):
    """Operation -> instructions of one."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        counts = {(operation, times): pool.submit(count, program, operation, times * n)
                  for operation, n in OPERATIONS.items() for times in (1, 2)}
        return {operation: (counts[operation, 2].result() - counts[operation, 1].result()) / n
                for operation, n in OPERATIONS.items()}


def read_table():
    with open(TABLE, encoding="utf-8") as f:
        head, *lines = [line for line in f.read().splitlines() if not line.startswith("#")]
    return head, {name: float(value) for name, value in (line.split() for line in lines)}


def write_table(taken_with, measured):
    with open(TABLE, encoding="utf-8") as f:
        comments = [line for line in f.read().splitlines() if line.startswith("#")]
    rows = [f"{name} {value:.0f}" for name, value in measured.items()]
    with open(TABLE, "w", encoding="utf-8") as f:
        f.write("\n".join([*comments, taken_with, *rows]) + "\n")


def compare(expected, measured):
    """True if all is as expected."""
    fine = True
    for name, now in measured.items():
        change = now / expected[name] - 1
        within = abs(change) <= LIMIT
        fine = fine and within
        print(f"{name:16} {expected[name]:8.0f} {now:8.0f} {change:+8.2%}"
              f"{'' if within else '   <--'}")
    return fine


def main():
    words = [word for word in sys.argv[1:] if word != "--update"]
    if len(words) != 2:
        raise SystemExit(__doc__)
    taken_with = f"{words[1]}, {' '.join(platform.libc_ver())}, {platform.machine()}"
    if "--update" in sys.argv:
        write_table(taken_with, measure(words[0]))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (tests/run installs it)")
        return SKIPPED
    table_of, expected = read_table()
    if table_of != taken_with:
        print(f"the table was taken with {table_of}, this is {taken_with}")
        return SKIPPED
    if compare(expected, measure(words[0])):
        return 0
    print(f"Instructions of an operation, the table's and now: more than {LIMIT:.0%} apart. If the\n"
          "change is meant, take the table again in the commit that explains it:\n"
          f"    tests/bench/instructions.py --update {words[0]} '{words[1]}'")
    return 1


if __name__ == "__main__":
    sys.exit(main())
