#!/usr/bin/env python3
"""The checkers checked: each rule is broken once in a tree of its own and must be noticed."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import tempfile
import unittest

import check_calls
import check_includes
import check_text
import check_units
import run_tool

MUTATE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mutate")


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def plant(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)


class Includes(Planted):
    def setUp(self):
        super().setUp()
        for room in check_includes.MAY_INCLUDE:
            folder = "tests/unit" if room == "tests" else room
            self.plant(f"{folder}/x.h", "// Contract.\n#pragma once\n")

    def assert_complaint(self, text):
        found = check_includes.check(self.root)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_a_clean_tree_passes(self):
        self.plant("edge/x.c", '#include "edge/x.h"\n\n#include <stdio.h>\n\n'
                   '#include "common/x.h"\n#include "proto/x.h"\n#include "link.pb-c.h"\n')
        self.plant("tests/unit/test_x.c", '#include "edge/x.h"\n#include "router/x.h"\n'
                   '#include <jwt.h>\n')
        self.assertEqual(check_includes.check(self.root), [])

    def test_each_forbidden_edge_between_rooms_is_noticed(self):
        for folder, allowed in check_includes.MAY_INCLUDE.items():
            for other in set(check_includes.MAY_INCLUDE) - allowed - {folder}:
                with self.subTest(folder=folder, other=other):
                    target = "tests/unit/x.h" if other == "tests" else f"{other}/x.h"
                    self.plant(f"{folder}/bad.c", f'#include "{target}"\n')
                    self.assert_complaint(f"{folder}/bad.c:1: {folder}/ may not include")
                    os.unlink(os.path.join(self.root, folder, "bad.c"))

    def test_each_library_is_only_for_its_includers(self):
        for prefix in check_includes.ONLY_INCLUDERS:
            header = prefix + "x.h" if prefix.endswith("/") else prefix
            with self.subTest(header=header):
                self.plant("router/bad.c", f"#include <{header}>\n")
                self.assert_complaint(f"<{header}> is only for")

    def test_generated_headers_are_not_for_common(self):
        self.plant("common/bad.c", '#include "link.pb-c.h"\n')
        self.assert_complaint("may not include link.pb-c.h")

    def test_no_room_may_include_one_that_may_include_it(self):
        rows = check_includes.MAY_INCLUDE
        circles = [(a, b) for a in rows for b in rows[a] if a in rows[b]]
        self.assertEqual(circles, [])

    def test_a_file_of_a_room_inside_a_room_is_held_to_the_inner_one(self):
        self.plant("edge/ws/deep/x.c", '#include "edge/client/x.h"\n')
        self.assert_complaint("edge/ws/ may not include edge/client/x.h")

    def test_a_path_not_from_the_root_is_noticed(self):
        self.plant("edge/bad.c", '#include "x.h"\n')
        self.assert_complaint('"x.h" is no path of a header')

    def test_a_header_that_does_not_exist_is_noticed(self):
        self.plant("edge/bad.c", '#include "edge/none.h"\n')
        self.assert_complaint('"edge/none.h" is no path of a header')

    def test_an_indented_include_counts(self):
        self.plant("edge/bad.c", '  #  include "router/x.h"\n')
        self.assert_complaint("edge/ may not include router/x.h")

    def test_a_header_without_pragma_once_is_noticed(self):
        self.plant("edge/bad.h", "// Contract.\n#ifndef BAD_H\n#define BAD_H\n#endif\n")
        self.assert_complaint("edge/bad.h:1: does not begin with #pragma once")

    def test_a_source_that_includes_its_own_header_late_is_noticed(self):
        self.plant("edge/x.c", '#include <stdio.h>\n#include "edge/x.h"\n')
        self.assert_complaint('edge/x.c:1: does not include its own header "edge/x.h" first')


class Calls(unittest.TestCase):
    def circles(self, **files):
        """`a="x y > z"`: a.c defines x and y and needs z."""
        objects = {name: tuple(set(part.split()) for part in text.split(">"))
                   for name, text in files.items()}
        return check_calls.circles(check_calls.uses(objects))

    def test_layers_pass(self):
        self.assertEqual(self.circles(a="x > y z malloc", b="y > z", c="z >"), [])

    def test_two_that_use_each_other_are_noticed(self):
        self.assertEqual(self.circles(a="x > y", b="y > x", c="z > x"), [["a", "b"]])

    def test_a_test_in_place_of_the_product_is_noticed(self):
        tests = {"test_a.c": {"main", "helper"}, "test_b.c": {"main", "y"}}
        self.assertEqual(check_calls.replaced(tests, {"x", "y"}),
                         ["tests/unit/test_b.c: defines y, which is the product's"])

    def test_a_longer_circle_is_noticed_whole(self):
        self.assertEqual(self.circles(a="w > x", b="x > y", c="y > z", d="z > x", e="v > w"),
                         [["b", "c", "d"]])

    def test_a_file_that_uses_itself_is_none(self):
        self.assertEqual(self.circles(a="x > x"), [])


class Units(Planted):
    def setUp(self):
        super().setUp()
        for name in ("edge/a.c", "edge/a.h", "tests/unit/test_a.c", "edge/main.c",
                     "edge/deep/b.c", "edge/deep/b.h", "tests/integration/test_b.py"):
            self.plant(name, "")
        self.rows = {"edge/deep/b": "integration/test_b.py"}

    def check(self):
        return check_units.check(self.root, {"why": self.rows})

    def test_a_test_or_a_row_will_do(self):
        self.assertEqual(self.check(), [])

    def test_a_module_with_neither_is_noticed(self):
        self.rows.clear()
        self.assertEqual(self.check(), ["edge/deep/b.c: no unit test of its own (tests/unit/test_b.c)"])

    def test_a_row_that_is_not_needed_is_noticed(self):
        self.plant("tests/unit/test_b.c", "")
        self.assertEqual(self.check(), ["edge/deep/b: has a unit test, so its row in check_units.py goes"])

    def test_a_row_of_nothing_is_noticed(self):
        self.rows["edge/main"] = "integration/test_b.py"
        self.assertEqual(self.check(), ["edge/main: no module, but a row in check_units.py"])

    def test_a_row_that_names_no_test_is_noticed(self):
        self.rows["edge/deep/b"] = "integration/test_c.py"
        self.assertEqual(self.check(), [
            "edge/deep/b: tests/integration/test_c.py, which is to reach it, is no file"])


class Headers(Planted):
    def check(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            return run_tool.run("cc", self.root, os.path.join(self.root, "build")), printed

    def test_a_header_that_needs_another_before_it_is_noticed(self):
        self.plant("edge/x.h", "#pragma once\n#include <stddef.h>\n\nsize_t x_len(void);\n")
        self.assertEqual(self.check()[0], 0)
        self.plant("edge/y.h", "#pragma once\n\nsize_t y_len(void);\n")
        result, printed = self.check()
        self.assertEqual(result, 1)
        self.assertIn("edge/y.h:3", printed.getvalue())


class Text(Planted):
    def assert_complaint(self, text):
        found = check_text.check(self.root)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_a_clean_tree_passes(self):
        self.plant("README.md", "Hello\n\nmktemp -d /tmp/weir.XXXXXX, /usr/home/x\n")
        self.plant("tests/run", "#!/bin/bash\n", 0o755)
        self.plant("tests/fuzz/corpus/head/1", "GET / \r\n")
        self.assertEqual(check_text.check(self.root), [])

    def test_notes_to_self_are_noticed(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"):
            with self.subTest(word=word):
                self.plant("README.md", f"one\n{word}: two\n")
                self.assert_complaint("README.md:2: a note to self")

    def test_paths_of_a_machine_are_noticed(self):
        for path in ("/home" "/me/weir", "/Users" "/me", "/work" "/weir", "C:" "\\weir"):
            with self.subTest(path=path):
                self.plant("README.md", f"see {path}\n")
                self.assert_complaint("README.md:1: a path of somebody's machine")

    def test_white_space_faults_are_noticed(self):
        for text, what in (("a \n", "white space at the end of the line"),
                           ("a\r\n", "white space at the end of the line"),
                           ("a", "no newline at the end"),
                           ("a\n\n", "empty lines at the end")):
            with self.subTest(text=text):
                self.plant("README.md", text)
                self.assert_complaint(what)

    def test_long_lines_of_c_are_noticed(self):
        self.plant("common/x.c", "//" + "a" * 98 + "\n")
        self.assertEqual(check_text.check(self.root), [])
        self.plant("common/x.c", "\t//" + "a" * 91 + "\n")
        self.assert_complaint("common/x.c:1: longer than 100 columns")

    def test_idioms_are_for_nothing_that_ships(self):
        self.plant("tests/unit/test_x.c", "// nobody is told\n")
        self.plant("edge/x.c", "int untold;\n")
        self.assertEqual(check_text.check(self.root), [])
        self.plant("edge/x.c", "// Strangers are refused.\n")
        self.assert_complaint("edge/x.c:1: an idiom, see the glossary: Strangers")

    def test_executable_bits_are_checked_both_ways(self):
        self.plant("README.md", "text\n", 0o755)
        self.assert_complaint("executable, but no script")
        self.plant("README.md", "text\n")
        self.plant("tests/run", "#!/bin/bash\n")
        self.assert_complaint("tests/run: begins with #! but is not executable")

    def test_a_stray_file_at_the_top_is_noticed(self):
        self.plant("notes.txt", "text\n")
        self.assert_complaint("notes.txt: not expected at the top of the tree")


class Mutants(Planted):
    def setUp(self):
        super().setUp()
        loader = importlib.machinery.SourceFileLoader("mutate", MUTATE)
        self.mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", loader))
        loader.exec_module(self.mutate)

    def assert_complaint(self, patch, text):
        self.mutate.MUTANTS = os.path.join(self.root, "mutants")
        self.plant("mutants/x.patch", patch)
        found = self.mutate.check(self.root)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_every_planted_fault_can_still_be_planted(self):
        self.assertEqual(self.mutate.check(), [])

    def test_one_that_does_not_apply_any_more_is_noticed(self):
        self.plant("x.c", "one\n")
        change = "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-two\n+three\n"
        self.assert_complaint("Tests: unit/x::y\n\n" + change, "patch does not apply")

    def test_one_that_names_no_test_is_noticed(self):
        self.plant("x.c", "two\n")
        change = "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-two\n+three\n"
        self.assert_complaint("A fault.\n\n" + change, "names no tests")


if __name__ == "__main__":
    unittest.main()
