"""The client library and the demo page, as an edge serves them."""

import gzip
import http.client
import os
import re
import unittest

from harness import ROOT, ClusterTestCase, TestCase

DEMO = {"/demo": ("demo.html", "text/html; charset=utf-8"),
        "/demo.js": ("demo.js", "text/javascript; charset=utf-8"),
        "/demo.css": ("demo.css", "text/css; charset=utf-8"),
        "/demo.svg": ("demo.svg", "image/svg+xml")}
LIBRARY = {"/weir.js": ("weir.js", "text/javascript; charset=utf-8")}


def source(name):
    with open(os.path.join(ROOT, "edge/web", name), "rb") as f:
        return f.read()


def ask(edge, path, method="GET", **fields):
    """(status, body, headers); every answer ends its connection."""
    connection = http.client.HTTPConnection(*edge.address, timeout=20)
    try:
        connection.request(method, path,
                           headers={name.replace("_", "-"): value for name, value in fields.items()})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


class WebFiles(ClusterTestCase):
    n_edges = 1
    edge_options = {"demo": True}

    def test_each_file_is_what_the_repository_has(self):
        for path, (name, kind) in {**LIBRARY, **DEMO}.items():
            with self.subTest(path=path):
                status, body, headers = ask(self.cluster.edges[0], path)
                self.assertEqual((status, headers["Content-Type"]), (200, kind))
                self.assertEqual(body, source(name))
                self.assertNotIn("Content-Encoding", headers)
                self.assertNotIn("unsafe", headers["Content-Security-Policy"])
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_gzip_is_for_those_who_take_it(self):
        edge = self.cluster.edges[0]
        status, body, headers = ask(edge, "/weir.js", Accept_Encoding="br, gzip")
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        self.assertTrue(len(body) <= 8192)
        self.assertEqual(gzip.decompress(body), source("weir.js"))
        self.assertNotIn("Content-Encoding", ask(edge, "/weir.js", Accept_Encoding="gzip;q=0")[2])

    def test_who_has_it_is_told_so(self):
        edge = self.cluster.edges[0]
        tag = ask(edge, "/weir.js")[2]["ETag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            with self.subTest(known=known):
                status, body, headers = ask(edge, "/weir.js", If_None_Match=known)
                self.assertEqual((status, body, headers["ETag"]), (304, b"", tag))
        self.assertEqual(ask(edge, "/weir.js", If_None_Match='"other"')[0], 200)

    def test_methods(self):
        edge = self.cluster.edges[0]
        status, body, headers = ask(edge, "/weir.js", "HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(int(headers["Content-Length"]), len(source("weir.js")))
        status, _, headers = ask(edge, "/weir.js", "POST")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))

    def test_nothing_else_can_be_had(self):
        for path in ("/demo/", "/demo.html", "/README.md", "/weir.js/", "/weir.d.ts", "/../weir.js"):
            with self.subTest(path=path):
                self.assertIn(ask(self.cluster.edges[0], path)[0], (400, 404))

    def test_the_page_names_only_what_is_served(self):
        page = source("demo.html").decode()
        named = re.findall(r'(?:src|href)="([^"#]+)"', page)
        self.assertTrue(named)
        for name in named:
            with self.subTest(name=name):
                self.assertEqual(ask(self.cluster.edges[0], "/" + name.lstrip("./"))[0], 200)


class WithoutDemo(TestCase):
    def test_the_demo_is_served_only_where_it_is_wanted(self):
        edge = self.start_cluster(edges=1).edges[0]
        for path in DEMO:
            with self.subTest(path=path):
                self.assertEqual(ask(edge, path)[0], 404)
        self.assertEqual(ask(edge, "/weir.js")[0], 200)


if __name__ == "__main__":
    unittest.main()
