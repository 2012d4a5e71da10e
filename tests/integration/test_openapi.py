"""The document of the HTTP API for programs, judged by programs of others."""

import copy
import json
import os
import shutil
import subprocess
import unittest
import urllib.request

from harness import ROOT, SLOW, ClusterTestCase

JUDGE = os.path.join(ROOT, "tests", "client", "openapi.mjs")
MODULES = os.path.join(ROOT, "build", "node_modules")
NEEDED = (os.path.join("@seriousme", "openapi-schema-validator"), "ajv")


def missing():
    if shutil.which("node") is None:
        return "node is not installed"
    absent = [name for name in NEEDED if not os.path.isdir(os.path.join(MODULES, name))]
    return f"node's {', '.join(absent)} are not installed (tests/run fetches them)" if absent else None


def faults(document):
    """What the judge finds wrong with it, a line each."""
    done = subprocess.run(["node", JUDGE, MODULES], input=json.dumps(document), text=True,
                          capture_output=True, timeout=60 * SLOW, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise AssertionError(done.stderr)
    if (done.returncode == 0) != (done.stdout == ""):
        raise AssertionError(done.stdout)
    return done.stdout.splitlines()


@unittest.skipIf(missing(), missing())
class OpenApi(ClusterTestCase):
    n_edges = 1
    expected_seconds = 4

    def served(self):
        host, port = self.cluster.edges[0].address
        with urllib.request.urlopen(f"http://{host}:{port}/v1/openapi.json") as answer:
            return json.load(answer)

    def test_what_an_edge_serves_is_openapi_3_1(self):
        document = self.served()
        self.assertTrue(document["openapi"].startswith("3.1."))
        self.assertEqual(faults(document), [])

    def test_the_judge_sees_what_is_wrong(self):
        """Else the sentence above would prove nothing."""
        def post(document):
            return document["paths"]["/v1/messages"]["post"]

        rows = {
            "a response without a description": lambda d: post(d)["responses"]["200"].pop("description"),
            "a parameter in no place": lambda d: d["paths"]["/v1/rooms/{room}/messages"]["parameters"][0]
                                                  .update({"in": "body"}),
            "a reference to nothing": lambda d: post(d)["responses"].update(
                {"401": {"$ref": "#/components/responses/Nothing"}}),
            "a misspelt keyword": lambda d: d["components"]["schemas"]["Ack"].update(require=["room"]),
            "a type that there is not": lambda d: d["components"]["schemas"]["Closed"]["properties"]
                                                   ["closed"].update(type="int"),
            "another version": lambda d: d.update(openapi="3.0.3"),
        }
        document = self.served()
        for what, plant in rows.items():
            with self.subTest(fault=what):
                broken = copy.deepcopy(document)
                plant(broken)
                self.assertNotEqual(faults(broken), [])


if __name__ == "__main__":
    unittest.main()
