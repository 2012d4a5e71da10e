#!/usr/bin/env python3
"""No file of edge/ or router/ uses one that uses it, directly or by way of others. And no unit test defines
a symbol of the product, which would then not be what is tested.

    tests/lint/check_calls.py BUILD

What a file uses is what its object leaves undefined and another object of the same program defines, as
nm(1) says: so a call through a table of functions, which is how a lower layer speaks to a higher one,
does not count, and nothing has to parse C. A circle means that none of its files can be read, tested
or replaced without the others.
"""

import glob
import os
import subprocess
import sys

LIBRARIES = ("edge", "router")
BELOW = ("common", "proto")


def uses(objects):
    """{file: files it uses} of {file: (symbols it defines, symbols it needs)}."""
    owner = {symbol: name for name, (defined, _) in objects.items() for symbol in defined}
    return {name: {owner[symbol] for symbol in needed if symbol in owner} - {name}
            for name, (_, needed) in objects.items()}


def circles(graph):
    """The sets of files that reach each other, each sorted (Tarjan's components of more than one)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while node not in component:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def symbols_of(paths):
    """{path: (defined, undefined) global symbols} of objects."""
    found = {path: (set(), set()) for path in paths}
    if paths:
        text = subprocess.run(["nm", "--extern-only", "--print-file-name", *paths], capture_output=True,
                              check=True, text=True).stdout
        for line in text.splitlines():
            path, _, rest = line.partition(":")
            *_, kind, symbol = rest.split()
            found[path][kind == "U"].add(symbol)
    return found


def objects_of(build, library):
    folder = os.path.join(build, library, f"lib{library}.a.p")
    objects = symbols_of(glob.glob(os.path.join(folder, "*.c.o")))
    return {os.path.basename(path)[:-len(".o")].replace("_", "/", 1): symbols
            for path, symbols in objects.items()}


def replaced(tests, product):
    """What tests ({file: symbols it defines}) define of what the product does, as complaints."""
    return [f"tests/unit/{name}: defines {symbol}, which is the product's"
            for name, defined in sorted(tests.items()) for symbol in sorted(defined & product)]


def tests_of(build):
    """{file: symbols it defines} of the unit tests; empty in a build without them."""
    objects = glob.glob(os.path.join(build, "tests", "unit", "test_*.p", "test_*.c.o"))
    return {os.path.basename(path)[:-len(".o")]: defined
            for path, (defined, _) in symbols_of(objects).items()}


def check(build):
    complaints = []
    product = {symbol for library in LIBRARIES + BELOW
               for defined, _ in objects_of(build, library).values() for symbol in defined}
    complaints += replaced(tests_of(build), product)
    for library in LIBRARIES:
        objects = objects_of(build, library)
        if not objects:
            complaints.append(f"{library}: no objects in {build}")
        for circle in circles(uses(objects)):
            complaints.append(f"{library}/: a circle of {', '.join(circle)}")
    return complaints


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = check(sys.argv[1])
    print("\n".join(found) or "ok")
    sys.exit(1 if found else 0)
