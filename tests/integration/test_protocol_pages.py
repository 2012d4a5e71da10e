"""The pages of proto/ name every word that the programs send, and no other: they are compared with
the tables in the code, which `wire-words` prints."""

import collections
import json
import os
import re
import subprocess
import unittest

from harness import BUILD, ROOT, ClusterTestCase, metrics_of
from test_documents import read

WORDS_BIN = os.environ.get("WORDS_BIN", os.path.join(BUILD, "tests", "wire-words"))


def sent_words():
    """Set -> what follows its name in each line."""
    lines = subprocess.run([WORDS_BIN], capture_output=True, text=True, check=True).stdout
    if "(null)" in lines:
        raise AssertionError(f"a table lacks a row: {lines}")
    words = collections.defaultdict(list)
    for line in lines.splitlines():
        name, _, rest = line.partition(" ")
        words[name].append(rest)
    return words


def section(page, title):
    return re.split(r"^## ", read(page).split(f"\n## {title}\n", 1)[1], 1, re.MULTILINE)[0]


def code_words(text):
    return re.findall(r"`([^`]+)`", text)


def table_rows(page, pattern):
    return re.findall(rf"^\| {pattern}", read(page), re.MULTILINE)


def statuses(page):
    return table_rows(page, r"(\d{3}) \|")


class PageTestCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.sent = sent_words()

    def assert_same(self, told, sent):
        """Each once, in any order."""
        self.assertEqual(sorted(told), sorted(sent))
        self.assertTrue(told)


class AdminPage(PageTestCase):
    page = "proto/admin.md"

    def test_names_every_command_with_its_arguments(self):
        rows = re.findall(r"^\| `([a-z-]+)` \| (`.*?`)? ?\|", section(self.page, "Commands"),
                          re.MULTILINE)
        told = [f"{name} {arguments.strip('`').replace(chr(92) + '|', '|')}"
                for name, arguments in rows]
        self.assert_same(told, self.sent["weirctl"])

    def test_names_every_verdict(self):
        self.assert_same(re.findall(r"^\| `(\w+)` \|", section(self.page, "explain"), re.MULTILINE),
                         self.sent["verdict"])

    def test_names_every_event(self):
        rows = re.findall(r"^\| (`.*?) \|", section(self.page, "watch"), re.MULTILINE)
        told = [word for row in rows for word in code_words(row)]
        self.assert_same(told, self.sent["record"] + ["skipped", "router_started"])

    def test_names_every_cause_of_leaving(self):
        row = re.search(r"reason of the latter: (.*) \|", read(self.page))[1]
        self.assert_same(code_words(row), self.sent["leave"])


class ClientPage(PageTestCase):
    page = "proto/client.md"

    def rows(self, pattern):
        return table_rows(self.page, pattern)

    def messages(self):
        """Type -> the members that a message of that type may have."""
        members = collections.defaultdict(set)
        for text in self.sent["message"]:
            message = json.loads(text)
            members[message["type"]].update(message)
        del members["w"]  # published by a client: any type
        del members["disconnected"]  # only its members are sent, by the HTTP API
        return members

    def test_closes(self):
        told = [(int(code), reason, tuple(map(int, re.findall(r"\d+", after)))) for
                code, reason, after in self.rows(r"(\d{4}) \| `(\w+)` \|.*\| ([^|]*)\|$")]
        sent = []
        for line in self.sent["close"]:
            code, text = line.split(" ", 1)
            said = json.loads(text)
            self.assertEqual("after" in said, said["reconnect"])
            # The client's own Close is answered with its code; of some ends TCP alone tells.
            if code != "0" and said["reason"] != "normal":
                sent.append((int(code), said["reason"], tuple(said.get("after", ()))))
        self.assert_same(told, sent)

    def test_causes(self):
        told = re.findall(r"^\| `(\w+)` \|", section(self.page, "Closing"), re.MULTILINE)
        self.assert_same(told, set(self.sent["cause"]))

    def test_statuses(self):
        self.assert_same({*statuses(self.page), *statuses("proto/http.md")}, self.sent["status"])

    def test_errors(self):
        told = self.rows(r"`(\w+)` \| `([A-Z][\w *:]+)` \|")
        self.assert_same([" ".join(row) for row in told], self.sent["error"])

    def test_outcomes(self):
        sent = {json.loads(text).get("outcome") for text in self.sent["message"]} - {None}
        told = set(re.findall(r'"outcome":"(\w+)"', section(self.page, "Hearing")))
        self.assert_same(told, sent)

    def test_reasons_of_left_and_gap(self):
        for message in ("left", "gap"):
            with self.subTest(message=message):
                self.assert_same(self.rows(rf"`{message}` \| `(\w+)` \|"), self.sent[message])

    def test_what_a_client_may_send(self):
        told = self.rows(r'`{"type":"([\w:]+)"')
        self.assert_same(set(told), self.sent["command"])

    def heard(self):
        """Type -> the words in code of the paragraph that begins with it."""
        example = re.search(r"```json\n(.*?)```", section(self.page, "Connecting"), re.DOTALL)[1]
        told = {"connected": set(json.loads(example))}
        for item in re.split(r"^- |\n\n", section(self.page, "Hearing"), flags=re.MULTILINE):
            beginning = re.match(r"(`[\w:]+( \{[^`]*\})?`(, )?)+", item)
            words = re.findall(r"\w+(?::\w+)*", " ".join(code_words(item)))
            for name in re.findall(r"`([\w:]+)", beginning[0] if beginning else ""):
                told[name] = set(words)
        return told

    def test_what_a_client_may_hear(self):
        names = [*self.sent["event"], "history", "presence"]  # answered by their own type
        self.assert_same(self.messages(), names)
        self.assert_same(self.heard(), names)

    def test_members_of_what_a_client_hears(self):
        told = self.heard()
        for name, members in self.messages().items():
            with self.subTest(message=name):
                # `type` is everywhere, and `id` in every answer.
                self.assertEqual(members - told[name] - {"type", "id"}, set())


class HttpPage(PageTestCase):
    page = "proto/http.md"

    def refusals(self):
        rows = re.findall(r"^\| (\d{3}) \| (`.*?) \|", section(self.page, "Refusals"), re.MULTILINE)
        return [(status, code) for status, codes in rows for code in code_words(codes)]

    def test_refusals(self):
        sent = set(self.sent["refusal"]) - {"422 not_member"}  # of `leave`, which the API has not
        self.assert_same([" ".join(row) for row in self.refusals()], sent)

    def test_each_status_is_counted_under_its_own_name(self):
        refusals = {status for status, _ in self.refusals()}
        self.assert_same(self.sent["counted"], {"200", "204", *refusals})

    def test_the_document_for_programs_has_the_same_statuses(self):
        document = json.loads(read("edge/http/openapi.json"))
        told = {status for methods in document["paths"].values() for name, method in methods.items()
                if name != "parameters" for status in method["responses"]}
        of_no_resource = {"404", "405"}
        self.assert_same(told | of_no_resource, {"200", *(status for status, _ in self.refusals())})


class LinkPage(PageTestCase):
    page = "proto/link.md"

    def test_reasons_of_goaway(self):
        rows = re.findall(r"^\| `(\w+)` \| (?:router|edge) \|", read(self.page), re.MULTILINE)
        self.assert_same(rows, self.sent["goaway"])

    def test_types_of_frames(self):
        listed = re.search(r"enum link_frame_type \{(.*?)\tLINK_TYPE_END",
                           read("proto/link_frame.h"), re.DOTALL)[1]
        names = re.findall(r"LINK_(\w+)(?: = 1)?,\n", listed)
        told = re.findall(r"^\| (\d+) \| (\w+) \|", read(self.page), re.MULTILINE)
        self.assert_same(told, [(str(i), name) for i, name in enumerate(names, 1)])

    def test_schemes_of_urls(self):
        known = re.findall(r'"([\w+]+)://"', read("common/conf/conf_check.c"))
        beginning = read(self.page).split("```", 1)[0]
        self.assert_same(re.findall(r"`([\w+]+)://`", beginning), known)


class Figures(ClusterTestCase):
    n_edges = 1

    def test_each_status_that_refuses_a_handshake_is_counted_under_its_own_name(self):
        figures = metrics_of(self.cluster.edges[0].ops)
        counted = re.findall(r'weir_edge_handshakes_total\{result="(\d+)"\}', "\n".join(figures))
        refusals = [status for status in statuses(ClientPage.page) if int(status) >= 400]
        self.assertEqual(sorted(refusals), sorted(counted))


if __name__ == "__main__":
    unittest.main()
