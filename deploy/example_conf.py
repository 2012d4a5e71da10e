#!/usr/bin/env python3
"""Prints the configuration file of a program with each option as a comment: what --help says.

    example_conf.py PROGRAM
"""

import os
import re
import subprocess
import sys
import textwrap

OPTION = re.compile(r"  --([\w-]+)(?: (.*?))? {2,}(.*)$")
VALUE = re.compile(r"[\w./:+*={}-]+( burst \d+)?$")
DEFAULT = re.compile(r"(.*) \(default: (.*)\)$")


def options(text):
    """(name, what it takes, help, default) of each option that may stand in a file."""
    for line in text.split("\n\n", 3)[3].splitlines():
        name, takes, said = OPTION.match(line).groups()
        default = DEFAULT.match(said)
        if default:
            yield name, takes or "", default[1], default[2]


def is_value(takes, default):
    """Whether the default is written as a value, and no description of one."""
    return VALUE.match(default) and default != "none" and (takes != "N" or default.isdigit())


def example(program):
    name = os.path.basename(program)
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    print(f"# Configuration of {name}, with the default of each option. Lines are `name = value`; a list\n"
          f"# repeats its line. `{name} --check-config --config FILE` looks for mistakes.")
    for option, takes, said, default in options(text):
        usual = "" if default == "none" else f" (default: {default})"
        print()
        for line in textwrap.wrap(f"{option}: {said}{usual}; {takes or 'yes|no'}", 98):
            print(f"# {line}")
        print(f"#{option} = {default}" if is_value(takes, default) else f"#{option} =")


if __name__ == "__main__":
    example(sys.argv[1])
