"""The HTTP API of an application's backend: publish, ask, disconnect, and what each answers."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

import rawhttp
from harness import ROOT, Cluster, ClusterTestCase, TestCase, metrics_of, wait_until

with open(os.path.join(ROOT, "edge/http/openapi.json"), encoding="utf-8") as f:
    OPENAPI = json.load(f)


def resolve(schema):
    """What a $ref names, or the schema itself."""
    while "$ref" in schema:
        found = OPENAPI
        for name in schema["$ref"].split("/")[1:]:
            found = found[name]
        schema = found
    return schema


def misfit(value, schema, where="$"):
    """Why the value does not fit the schema; None if it does. Knows what the document uses."""
    schema = resolve(schema)
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if type(value) is not types[schema["type"]]:
        return f"{where}: {value!r} is no {schema['type']}"
    if value not in schema.get("enum", [value]):
        return f"{where}: {value!r} is none of {schema['enum']}"
    children = []
    if isinstance(value, dict):
        missing = set(schema.get("required", [])) - set(value)
        if missing:
            return f"{where}: without {missing}"
        rest = schema.get("additionalProperties", True)
        for name, member in value.items():
            known = schema.get("properties", {}).get(name, rest)
            if known is False:
                return f"{where}: {name} is not described"
            if known is not True:
                children.append((member, known, f"{where}.{name}"))
    elif isinstance(value, list):
        children = [(item, schema["items"], f"{where}[]") for item in value]
    return next((why for child in children if (why := misfit(*child))), None)


def against_the_document(method, path, status, body):
    """Why an answer is not the one that openapi.json describes; None if it is."""
    for template, methods in OPENAPI["paths"].items():
        pattern = re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path.partition("?")[0]) and method.lower() in methods:
            responses = methods[method.lower()]["responses"]
            if str(status) not in responses:
                return f"{method} {template}: {status} is not described"
            schema = next(iter(resolve(responses[str(status)])["content"].values()))["schema"]
            return misfit(body, schema)
    return None if status in (404, 405) or method in ("HEAD", "OPTIONS") else f"no {method} {path}"


class Backend:
    """A keep-alive connection to an edge, with a token."""

    def __init__(self, cluster, edge=0, user="backend", token=None, **claims):
        self.token = token if token is not None else cluster.token(user, **claims)
        self.connection = http.client.HTTPConnection(*cluster.edges[edge].address, timeout=20)

    def ask(self, method, path, body=None, raw=None, **fields):
        """(status, JSON, headers)."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None or raw is not None:
            headers.setdefault("Content-Type", "application/json")
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        text = response.read()
        answer = json.loads(text) if text else None
        why = against_the_document(method, path, response.status, answer)
        if why:
            raise AssertionError(why)
        return response.status, answer, response.headers

    def publish(self, room, message, **fields):
        return self.ask("POST", f"/v1/rooms/{quote(room, safe='')}/messages", message, **fields)


class ApiTestCase(ClusterTestCase):
    edge_options = {"api_rate": "0", "allowed_origins": ["https://app.example"]}

    def backend(self, *where, **how):
        backend = Backend(self.cluster, *where, **how)
        self.addCleanup(backend.connection.close)
        return backend

    def assert_problem(self, answer, status, code):
        got, problem, headers = answer
        self.assertEqual((got, problem.get("code")), (status, code), problem)
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertEqual(problem["status"], status)


class Needs(ApiTestCase):
    def test_a_refusal_names_the_right_or_the_role_that_is_missing(self):
        backend = self.backend(weir={"publish": ["x"]})
        for method, path, body, needs in (
                ("POST", "/v1/rooms/user%3Abob/messages", {"type": "x"}, "publish on user:bob"),
                ("GET", "/v1/rooms/tea/messages", None, "history on tea"),
                ("GET", "/v1/rooms/tea/presence", None, "presence on tea"),
                ("GET", "/v1/rooms/tea/events", None, "join on tea"),
                ("POST", "/v1/broadcast", {"type": "x"}, "role admin"),
                ("DELETE", "/v1/users/bob/connections", None, "role admin")):
            with self.subTest(path=path):
                answer = backend.ask(method, path, body)
                self.assert_problem(answer, 403, "forbidden")
                self.assertEqual(answer[1]["needs"], needs)


class Publishing(ApiTestCase):
    def test_a_message_reaches_members_on_every_edge_with_the_user_and_without_from(self):
        members = [self.connect(i, f"member-{i}") for i in range(2)]
        for member in members:
            epoch = member.join(self.room)["epoch"]
        status, ack, headers = self.backend(username="The app").publish(
            self.room, {"type": "news", "price": 1.50})
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual({**ack, "timestamp": 0}, {"room": self.room, "epoch": epoch, "seq": 1,
                                                   "timestamp": 0, "members": 2})
        for member in members:
            message = member.expect("news", seq=1, user="backend", username="The app", price=1.5)
            self.assertNotIn("from", message)

    def test_one_connection_serves_many_requests_and_users(self):
        backend = self.backend()
        for n in range(5):
            self.assertEqual(backend.publish(self.room, {"type": "chat"})[1]["seq"], n + 1)
        backend.token = self.cluster.token("other")
        self.assertEqual(backend.ask("GET", "/v1/whoami")[1]["user"], "other")
        self.assertEqual(backend.publish(self.room, {"type": "chat"})[0], 200)
        page = backend.ask("GET", f"/v1/rooms/{self.room}/messages")[1]
        self.assertEqual([m["user"] for m in page["messages"]], ["backend"] * 5 + ["other"])

    def test_a_room_is_percent_decoded(self):
        room = f"a/b ü {self.room}"
        member = self.connect()
        member.join(room)
        self.assertEqual(self.backend().publish(room, {"type": "chat"})[1]["room"], room)
        member.expect("chat", room=room)

    def test_a_key_is_published_once_across_edges_and_protocols(self):
        first = self.backend(0).publish(self.room, {"type": "chat"}, Idempotency_Key="k")[1]
        again = self.backend(1).publish(self.room, {"type": "chat", "key": "k"})[1]
        self.assertTrue(again["duplicate"])
        self.assertEqual((again["seq"], again["epoch"]), (first["seq"], first["epoch"]))
        socket_one = self.connect(0, "backend")
        self.assertTrue(socket_one.publish(self.room, key="k")["duplicate"])
        self.assert_problem(self.backend().publish(
            self.room, {"type": "chat", "key": "a"}, Idempotency_Key="b"), 422, "invalid_message")

    def test_ephemeral_messages_have_no_seq(self):
        member = self.connect()
        member.join(self.room)
        ack = self.backend().publish(self.room, {"type": "cursor", "ephemeral": True})[1]
        self.assertNotIn("seq", ack)
        self.assertNotIn("seq", member.expect("cursor"))

    def test_a_batch_answers_each_message_in_order(self):
        member = self.connect()
        member.join(self.room)
        backend = self.backend(weir={"publish": [self.room]})
        status, results, _ = backend.ask("POST", "/v1/messages", [
            {"room": self.room, "message": {"type": "chat", "n": 1}},
            {"room": "other", "message": {"type": "chat"}},
            {"room": self.room, "message": {"type": "chat", "n": 2}, "key": "x"},
            {"room": self.room, "message": {"type": "join"}},
            {"room": self.room, "message": {"type": "chat", "n": "[,]{\"}"}},
            {"room": self.room},
        ])
        self.assertEqual(status, 200)
        self.assertEqual([r["status"] for r in results], [200, 403, 200, 422, 200, 422])
        self.assertEqual([r.get("seq") for r in results], [1, None, 2, None, 3, None])
        self.assertEqual((results[1]["code"], results[1]["needs"]),
                         ("forbidden", "publish on other"))
        self.assertEqual([member.expect("chat")["n"] for _ in range(3)], [1, 2, '[,]{"}'])
        self.assertEqual(backend.ask("POST", "/v1/messages", [])[:2], (200, []))

    def test_broadcast_is_for_admins(self):
        listener = self.connect(1, "listener")
        self.assert_problem(self.backend().ask("POST", "/v1/broadcast", {"type": "x"}), 403,
                            "forbidden")
        status, ack, _ = self.backend(roles=["admin"]).ask(
            "POST", "/v1/broadcast", {"type": "admin:broadcast", "text": "hello"})
        self.assertEqual((status, set(ack)), (200, {"timestamp", "members"}))
        self.assertNotIn("from", listener.wait_for("admin:broadcast", text="hello"))


class Asking(ApiTestCase):
    def test_history_pages_as_a_client_gets_it(self):
        backend = self.backend()
        for n in range(5):
            backend.publish(self.room, {"type": "chat", "n": n})
        path = f"/v1/rooms/{self.room}/messages"
        page = backend.ask("GET", path + "?before=5&limit=2")[1]
        self.assertEqual([m["n"] for m in page["messages"]], [2, 3])
        self.assertEqual((page["room"], page["seq"]), (self.room, 5))
        self.assert_problem(backend.ask("GET", path + "?limit=0"), 422, "invalid_message")
        self.assert_problem(backend.ask("GET", path + "?before=x"), 422, "invalid_message")

    def test_an_unknown_room_is_empty(self):
        backend = self.backend()
        self.assertEqual(backend.ask("GET", "/v1/rooms/nobody/messages")[1],
                         {"room": "nobody", "messages": []})
        self.assertEqual(backend.ask("GET", "/v1/rooms/nobody/presence")[1],
                         {"room": "nobody", "users": 0, "connections": 0, "members": []})

    def test_presence_lists_users(self):
        for _ in range(2):
            self.connect(1, "bob").join(self.room)
        presence = self.backend().ask("GET", f"/v1/rooms/{self.room}/presence")[1]
        self.assertEqual((presence["users"], presence["connections"]), (1, 2))
        self.assertEqual(presence["members"][0]["user"], "bob")

    def test_whoami_says_what_the_token_says(self):
        who = self.backend(username="B", roles=["writer"], weir={"publish": ["a*"]}).ask(
            "GET", "/v1/whoami")[1]
        self.assertEqual((who["user"], who["username"], who["roles"]), ("backend", "B", ["writer"]))
        self.assertEqual(who["rights"], {"join": [], "publish": ["a*"], "presence": [],
                                         "history": []})

    def test_an_admin_closes_the_connections_of_a_user(self):
        clients = [self.connect(i, "leaver") for i in range(2)]
        self.assert_problem(self.backend().ask("DELETE", "/v1/users/leaver/connections"), 403,
                            "forbidden")
        admin = self.backend(roles=["admin"])
        self.assertEqual(admin.ask("DELETE", "/v1/users/leaver/connections")[1], {"closed": 2})
        for client in clients:
            client.expect_close(4004, "revoked")
        wait_until(lambda: admin.ask("DELETE", "/v1/users/leaver/connections")[1] == {"closed": 0},
                   "the edges have told that they are gone")

    def test_weirctl_shows_the_connection(self):
        self.backend(user="shown").publish(self.room, {"type": "chat"})
        rows = self.cluster.rows("clients", "--user", "shown")
        self.assertEqual([row["codec"] for row in rows], ["http"])


class Refusals(ApiTestCase):
    def test_each_has_its_status(self):
        backend = self.backend()
        path = f"/v1/rooms/{self.room}/messages"
        rows = (
            (401, "missing_token", dict(token="")),
            (401, "invalid_token", dict(token="rubbish")),
            (404, "not_found", dict(path="/v1/nothing")),
            (404, "not_found", dict(path="/v1/rooms/a/b/messages")),
            (405, "method_not_allowed", dict(method="PUT")),
            (405, "method_not_allowed", dict(method="DELETE")),
            (413, "too_big", dict(raw=b'{"type":"chat","x":"' + b"y" * 200000 + b'"}')),
            (415, "unsupported_media_type", dict(content_type="text/plain")),
            (422, "invalid_message", dict(raw=b"{")),
            (422, "invalid_message", dict(raw=b'{"type":"ping"}')),
            (422, "invalid_message", dict(raw=b'{"type":"chat","room":"other"}')),
            (422, "bad_room", dict(path="/v1/rooms/a%07b/messages")),
            (422, "bad_room", dict(path="/v1/rooms/a%2A/messages")),
            (403, "forbidden", dict(path="/v1/rooms/user%3Abob/messages")),
        )
        for status, code, how in rows:
            with self.subTest(status=status, code=code, how=str(how)[:60]):
                backend.token = how.get("token", self.cluster.token("backend"))
                fields = {"Content_Type": how["content_type"]} if "content_type" in how else {}
                self.assert_problem(backend.ask(
                    how.get("method", "POST"), how.get("path", path),
                    raw=how.get("raw", b'{"type":"chat"}'), **fields), status, code)
        self.assertEqual(backend.publish(self.room, {"type": "chat"})[1]["seq"], 1)

    def test_a_405_names_the_methods(self):
        _, _, headers = self.backend().ask("PUT", f"/v1/rooms/{self.room}/messages")
        self.assertEqual(headers["Allow"], "GET, HEAD, POST, OPTIONS")

    def test_a_body_of_unknown_length_is_refused(self):
        for field in ("Transfer-Encoding: chunked\r\n", ""):
            answer = self.raw(f"POST /v1/messages HTTP/1.1\r\nHost: a\r\n{field}\r\n")
            self.assertIn(b" 411 ", answer.split(b"\r\n")[0])

    def raw(self, text):
        """All that comes back until the end."""
        with socket.create_connection(self.cluster.edges[0].address, timeout=20) as sock:
            sock.sendall(text.encode())
            sock.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
            return data

    def test_the_api_rate_of_a_user_holds_over_its_connections(self):
        cluster = self.start_cluster(edges=1, edge={"api_rate": "1/s burst 3"})
        backends = [Backend(cluster, user="busy") for _ in range(2)]
        statuses = [backends[i % 2].publish("r", {"type": "chat"})[0] for i in range(6)]
        self.assertEqual((statuses[:3], statuses.count(429) >= 2), ([200] * 3, True), statuses)
        other = Backend(cluster, user="calm")
        self.assertEqual(other.publish("r", {"type": "chat"})[0], 200)
        limited = backends[0].publish("r", {"type": "chat"})
        self.assertEqual((limited[0], limited[1]["code"]), (429, "rate_limited"))
        self.assertTrue(int(limited[2]["Retry-After"]) > 0)


def pairs_of(status):
    """(method, path) of every answer of that status that the document describes."""
    return [(method.upper(), path) for path, methods in OPENAPI["paths"].items()
            for method, operation in methods.items()
            if method in ("get", "post", "delete") and str(status) in operation["responses"]]


GOOD_BODIES = {
    "/v1/rooms/{room}/messages": {"type": "chat"},
    "/v1/messages": [{"room": "r", "message": {"type": "chat"}}],
    "/v1/broadcast": {"type": "chat"},
}


class EveryDescribedAnswer(TestCase):
    """Each path of openapi.json with each status that it names there, provoked one by one."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(edges=1, edge={"api_rate": "0", "handshake_timeout": "400ms"})
        cls.addClassCleanup(cls.cluster.stop)

    def answer(self, method, path, target=None, cluster=None, version="1.1", fields="",
               user="backend", claims=None, authorized=True, body=None, length=None):
        """The status line's code, after it is held against the document."""
        cluster = cluster or self.cluster
        target = target or path.format(room="r", user="nobody")
        if path == "/v1/events" and target == path:
            target += "?room=r"
        if authorized:
            token = cluster.token(user, **({"roles": ["admin"]} if claims is None else claims))
            fields += f"Authorization: Bearer {token}\r\n"
        if method == "POST":
            body = json.dumps(GOOD_BODIES[path]) if body is None else body
            length = len(body) if length is None else length
            fields += f"Content-Length: {length}\r\n" if length >= 0 else ""
            fields += "" if "Content-Type" in fields else "Content-Type: application/json\r\n"
        with socket.create_connection(cluster.edges[0].address, timeout=20) as sock:
            sock.sendall(f"{method} {target} HTTP/{version}\r\nHost: a\r\n{fields}\r\n{body or ''}"
                         .encode())
            with sock.makefile("rb") as stream:
                status = int(stream.readline().split()[1])
                headers = http.client.parse_headers(stream)
                described = OPENAPI["paths"][path][method.lower()]["responses"][str(status)]
                media = headers["Content-Type"].partition(";")[0]
                schema = resolve(described)["content"][media]["schema"]
                if media != "text/event-stream":
                    text = stream.read(int(headers["Content-Length"])).decode()
                    document = json.loads(text) if media.endswith("json") else text
                    self.assertIsNone(misfit(document, schema), (method, path, status))
        return status

    def provoke(self, status, **how):
        for method, path in pairs_of(status):
            with self.subTest(method=method, path=path):
                self.assertEqual(self.answer(method, path, **how), status)

    def test_200(self):
        self.provoke(200)

    def test_400_a_field_is_no_field(self):
        self.provoke(400, fields="no field\r\n")

    def test_401_there_is_no_token(self):
        self.provoke(401, authorized=False)

    def test_403_the_token_has_no_right(self):
        self.provoke(403, claims={"weir": {}})

    def test_408_the_body_does_not_come(self):
        self.provoke(408, body="", length=10)

    def test_411_the_body_has_no_length(self):
        self.provoke(411, length=-1)

    def test_413_the_body_is_too_large(self):
        self.provoke(413, body="", length=10000000)

    def test_414_the_target_is_too_long(self):
        for method, path in pairs_of(414):
            with self.subTest(method=method, path=path):
                target = path.format(room="r", user="nobody") + "?x=" + "y" * 20000
                self.assertEqual(self.answer(method, path, target=target), 414)

    def test_415_the_body_is_of_another_type(self):
        self.provoke(415, fields="Content-Type: text/plain\r\n")

    def test_422_what_is_asked_makes_no_sense(self):
        bad = {"/v1/rooms/{room}/events": "/v1/rooms/a%07b/events", "/v1/events": "/v1/events?room=",
               "/v1/rooms/{room}/messages": "/v1/rooms/a%07b/messages",
               "/v1/rooms/{room}/presence": "/v1/rooms/a%07b/presence",
               "/v1/users/{user}/connections": "/v1/users/a%07b/connections"}
        for method, path in pairs_of(422):
            with self.subTest(method=method, path=path):
                self.assertEqual(self.answer(method, path, target=bad.get(path), body="{"), 422)

    def test_429_the_user_asks_too_often(self):
        cluster = self.start_cluster(edges=1, edge={"api_rate": "1/s burst 1"})
        for method, path in pairs_of(429):
            with self.subTest(method=method, path=path):
                self.answer("GET", "/v1/whoami", cluster=cluster)
                self.assertEqual(self.answer(method, path, cluster=cluster), 429)

    def test_431_a_field_is_too_long(self):
        self.provoke(431, fields=f"X: {'y' * 20000}\r\n")

    def test_503_there_is_no_router(self):
        cluster = self.start_cluster(edges=1, edge={"publish_timeout": "100ms", "router_grace": "100ms"})
        cluster.router.stop()
        wait_until(lambda: not cluster.edges[0].is_ready(), "the grace is over")
        self.provoke(503, cluster=cluster)

    def test_505_the_version_is_another(self):
        self.provoke(505, version="2.0")

    def test_no_status_is_left_out(self):
        described = {status for methods in OPENAPI["paths"].values()
                     for operation in methods.values() if "responses" in operation
                     for status in operation["responses"]}
        tested = {name.split("_")[1] for name in dir(self) if re.match(r"test_\d{3}", name)}
        self.assertEqual(tested, described)


class Manners(ApiTestCase):
    def test_the_request_id_is_the_callers_or_ours(self):
        backend = self.backend()
        headers = backend.ask("GET", "/v1/whoami", X_Request_Id="order-17")[2]
        self.assertEqual(headers["X-Request-Id"], "order-17")
        ids = {backend.ask("GET", "/v1/whoami", X_Request_Id="x" * 65)[2]["X-Request-Id"]
               for _ in range(3)}
        self.assertEqual(len(ids), 3)

    def test_head_is_get_without_a_body(self):
        backend = self.backend()
        status, body, headers = backend.ask("HEAD", "/v1/whoami")
        self.assertEqual((status, body), (200, None))
        self.assertTrue(int(headers["Content-Length"]) > 0)
        self.assertEqual(backend.ask("GET", "/v1/whoami")[0], 200)

    def test_pages_of_allowed_origins_may_ask(self):
        backend = self.backend()
        path = f"/v1/rooms/{self.room}/messages"
        status, _, headers = backend.ask("OPTIONS", path, Origin="https://app.example",
                                         Access_Control_Request_Headers="authorization")
        self.assertEqual(status, 204)
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://app.example")
        self.assertIn("POST", headers["Access-Control-Allow-Methods"])
        self.assertEqual(headers["Access-Control-Allow-Headers"], "authorization")
        headers = backend.ask("GET", path, Origin="https://evil.example")[2]
        self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_expect_is_answered_before_the_body(self):
        body = b'{"type":"chat"}'
        with socket.create_connection(self.cluster.edges[0].address, timeout=20) as sock:
            sock.sendall(f"POST /v1/rooms/{self.room}/messages HTTP/1.1\r\nHost: a\r\n"
                         f"Authorization: Bearer {self.cluster.token('b')}\r\n"
                         f"Content-Type: application/json; charset=utf-8\r\n"
                         f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            self.assertEqual(sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            sock.sendall(body[:5])
            time.sleep(0.05)
            sock.sendall(body[5:])
            self.assertIn(b"HTTP/1.1 200 OK", sock.recv(10000))

    def test_requests_sent_at_once_are_answered_in_order(self):
        token = self.cluster.token("b")
        one = (f"POST /v1/rooms/{self.room}/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
               f"{token}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
               '{"type":"chat"}')
        with socket.create_connection(self.cluster.edges[0].address, timeout=20) as sock:
            sock.sendall((one * 20).encode())
            data = b""
            while data.count(b"HTTP/1.1 200 OK") < 20 or not data.endswith(b"}"):
                data += sock.recv(65536)
        seqs = [json.loads(part.split(b"\r\n\r\n")[1])["seq"]
                for part in data.split(b"HTTP/1.1 200 OK")[1:]]
        self.assertEqual(seqs, list(range(1, 21)))

    def test_the_metrics_count_requests(self):
        backend = self.backend()
        backend.publish(self.room, {"type": "chat"})
        backend.ask("GET", "/v1/nothing")
        metrics = metrics_of(self.cluster.edges[0].ops)
        self.assertTrue(metrics['weir_edge_api_requests_total{route="publish",status="200"}'] >= 1)
        self.assertTrue(metrics['weir_edge_api_requests_total{route="none",status="404"}'] >= 1)

    def test_the_document_is_served_without_a_token(self):
        self.assertEqual(self.backend(token="").ask("GET", "/v1/openapi.json")[1], OPENAPI)


class Examples(ApiTestCase):
    def test_the_commands_of_the_document_work(self):
        with open(os.path.join(ROOT, "proto/http.md"), encoding="utf-8") as f:
            text = f.read()
        commands = [command for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
                    for command in re.split(r"\n(?=curl)", block.strip())]
        host, port = self.cluster.edges[0].address
        environment = {**os.environ, "TOKEN": self.cluster.token("reader"),
                       "EDGE": f"http://{host}:{port}"}
        self.assertEqual(len(commands), 6)
        for command in commands:
            with self.subTest(command=command):
                answer = subprocess.run(["sh", "-c", command], env=environment, timeout=20,
                                        capture_output=True, text=True, check=False).stdout
                if "/events" in command:
                    self.assertIn("event: joined\n", answer)
                else:
                    self.assertNotIn("code", json.loads(answer), answer)


class SlowBodies(TestCase):
    def test_a_body_that_does_not_arrive_is_cut(self):
        cluster = self.start_cluster(edges=1, edge={"handshake_timeout": "500ms"})
        with socket.create_connection(cluster.edges[0].address, timeout=20) as sock:
            sock.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n[")
            self.assertIn(b" 408 ", sock.recv(10000))
            self.assertEqual(sock.recv(10000), b"")


class Restarts(TestCase):
    expected_seconds = 2

    def test_a_publish_waits_for_the_next_router(self):
        cluster = self.start_cluster(edges=1)
        backend = Backend(cluster)
        backend.publish("r", {"type": "chat"})
        cluster.router.signal(signal.SIGTERM)
        cluster.router.wait()
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(backend.publish("r", {"type": "chat"})))
        thread.start()
        cluster.restart_router()
        thread.join()
        self.assertEqual((answers[0][0], answers[0][1]["seq"]), (200, 1))

    def test_without_a_router_the_outcome_is_said(self):
        cluster = self.start_cluster(edges=1, edge={"publish_timeout": "300ms"})
        backend = Backend(cluster)
        backend.publish("r", {"type": "chat"})
        cluster.router.signal(signal.SIGTERM)
        cluster.router.wait()
        status, problem, headers = backend.publish("r", {"type": "chat"})
        self.assertEqual((status, problem["code"], problem["outcome"]),
                         (503, "unavailable", "none"))
        self.assertTrue(headers["Retry-After"])


class Events:
    """Reads a stream of server-sent events."""

    def __init__(self, cluster, path, edge=0, user="reader", token=None, **fields):
        self.sock = socket.create_connection(cluster.edges[edge].address, timeout=20)
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n"
                          f"Authorization: Bearer {token or cluster.token(user)}\r\n{head}\r\n".encode())
        self.file = self.sock.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().rstrip()) != b"":
            name, _, value = line.decode().partition(": ")
            self.headers[name] = value

    def next(self):
        """{"event": .., "data": .., "id": ..}; None at the end. Comments are passed over."""
        event = {}
        for line in self.file:
            line = line.decode().rstrip("\n")
            if line == "" and event:
                return event
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = json.loads(value) if name == "data" else value
        return None


class Streams(ApiTestCase):
    def events(self, *where, **how):
        events = Events(self.cluster, *where, **how)
        self.addCleanup(events.sock.close)
        return events

    def path(self, query=""):
        return f"/v1/rooms/{self.room}/events{query}"

    def test_a_reader_hears_its_room(self):
        events = self.events(self.path())
        self.assertEqual((events.status, events.headers["Content-Type"]),
                         (200, "text/event-stream"))
        joined = events.next()
        self.assertEqual((joined["event"], joined["data"]["room"]), ("joined", self.room))
        ack = self.connect(1).publish(self.room, "hi")
        event = events.next()
        self.assertEqual((event["event"], event["id"]), ("chat", f"{ack['epoch']}:{ack['seq']}"))
        self.assertEqual((event["data"]["text"], event["data"]["seq"]), ("hi", 1))

    def test_a_reader_is_a_member_and_shown(self):
        self.events(self.path(), user="ear").next()
        self.assertEqual([row["user"] for row in self.cluster.rows("members", self.room)], ["ear"])
        self.assertEqual(self.cluster.rows("clients", "--user", "ear")[0]["codec"], "sse")

    def test_what_was_missed_comes_with_joined(self):
        first = self.events(self.path())
        first.next()
        publisher = self.connect()
        publisher.publish(self.room, "1")
        last = first.next()["id"]
        first.sock.close()
        publisher.publish(self.room, "2")
        again = self.events(self.path(), edge=1, Last_Event_ID=last)
        joined = again.next()["data"]
        self.assertTrue(joined["recovered"])
        self.assertEqual([m["text"] for m in joined["messages"]], ["2"])
        by_query = self.events(self.path(f"?since={last}")).next()["data"]
        self.assertEqual(by_query["messages"], joined["messages"])

    def test_several_rooms_keep_their_places_apart(self):
        rooms = [f"{self.room}-{i}" for i in range(2)]
        query = "&".join(f"room={room}" for room in rooms)
        events = self.events(f"/v1/events?{query}")
        self.assertEqual({events.next()["data"]["room"] for _ in range(2)}, set(rooms))
        publisher = self.connect()
        for room in rooms:
            publisher.publish(room, room)
        last = [events.next() for _ in range(2)][1]["id"]
        self.assertEqual(len(last.split(",")), 2)
        events.sock.close()
        publisher.publish(rooms[0], "missed")
        again = self.events(f"/v1/events?{query}", Last_Event_ID=last)
        missed = [again.next()["data"]["messages"] for _ in range(2)]
        self.assertEqual(sorted(len(m) for m in missed), [0, 1])

    def test_one_needs_the_right_to_join(self):
        events = self.events("/v1/rooms/user%3Abob/events")
        self.assertEqual(events.status, 403)

    def test_a_kick_is_an_event_and_the_end(self):
        events = self.events(self.path(), user="kicked")
        events.next()
        self.cluster.rows("kick", "--user", "kicked")
        closed = events.next()
        self.assertEqual((closed["event"], closed["data"]["reason"]), ("close", "revoked"))
        self.assertIsNone(events.next())

    def test_pings_are_comments(self):
        cluster = self.start_cluster(edges=1, edge={"heartbeat_interval": "200ms",
                                                    "heartbeat_timeout": "400ms"})
        events = Events(cluster, "/v1/rooms/r/events")
        self.addCleanup(events.sock.close)
        events.next()
        time.sleep(1)  # longer than a client may be silent
        cluster.connect().publish("r", "still there")
        self.assertEqual(events.next()["data"]["text"], "still there")

    def test_a_drain_says_how_long_to_wait(self):
        cluster = self.start_cluster(edges=1)
        events = Events(cluster, "/v1/rooms/r/events")
        self.addCleanup(events.sock.close)
        events.next()
        cluster.edges[0].signal(signal.SIGTERM)
        closed = events.next()
        self.assertEqual((closed["event"], closed["data"]["reason"]), ("close", "restart"))
        self.assertTrue(100 <= int(closed["retry"]) <= 5000)
        wait_until(lambda: not cluster.edges[0].running(), "the edge has ended")


if __name__ == "__main__":
    unittest.main()
