"""Speaks weir.v1.proto, by what proto/client.proto says: the schema is read here, so that a test
holds the gateway against it and not against somebody's notes.

`encode("ClientMessage", {...})` and `decode("ServerMessage", payload)` are protobuf by the names of
the schema. `Client` is a ws.Client whose messages are written and read as if they were JSON.
"""

import json
import os
import re

import linkwire
import ws

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../proto/client.proto")
SUBPROTOCOL = "weir.v1.proto"
WORD = re.compile(r'"[^"]*"|[\w.]+|[{}=;]')


class Field:
    def __init__(self, kind, name, repeated):
        self.kind, self.name, self.repeated = kind, name, repeated


def _read_schema():
    """{message: {number: Field}}; the names of enums have no fields."""
    with open(SCHEMA, encoding="utf-8") as f:
        words = WORD.findall(re.sub("//.*", "", f.read()))
    messages, inside, at = {}, [], 0
    while at < len(words):
        word = words[at]
        if word in ("message", "enum", "oneof"):
            inside.append(words[at + 1] if word != "oneof" else inside[-1])
            messages.setdefault(inside[-1], {})
            at += 3
        elif word == "}":
            inside.pop()
            at += 1
        elif not inside:  # syntax, package
            at = words.index(";", at) + 1
        elif words[at + 1] == "=":  # a name of an enum
            at += 4
        else:
            repeated = word == "repeated"
            kind, name, _, number = words[at + repeated:at + repeated + 4]
            messages[inside[-1]][int(number)] = Field(kind, name, repeated)
            at += repeated + 5
    return messages


MESSAGES = _read_schema()


def encode(message, values):
    """`values` by their names in the schema; what is not there is left out, as is what is zero."""
    numbers = {field.name: number for number, field in MESSAGES[message].items()}
    out = b""
    for name, value in sorted(values.items(), key=lambda pair: numbers[pair[0]]):
        number, kind = numbers[name], MESSAGES[message][numbers[name]].kind
        for one in value if isinstance(value, list) else [value]:
            if MESSAGES.get(kind):
                out += linkwire.data(number, encode(kind, one))
            elif kind in MESSAGES and isinstance(one, dict):  # a message without fields
                out += linkwire.data(number, b"")
            elif isinstance(one, (str, bytes)):
                out += linkwire.data(number, one) if one else b""
            elif one:
                out += linkwire.varint(number, int(one))
    return out


def decode(message, payload):
    """{name: value} of what is there; a field that the schema does not have is an error."""
    values = {}
    for number, found in linkwire.fields(payload).items():
        field = MESSAGES[message][number]
        read = [_decode_one(field.kind, value) for value in found]
        if len(read) > 1 and not field.repeated:
            raise AssertionError(f"{message}.{field.name} comes {len(read)} times")
        values[field.name] = read if field.repeated else read[0]
    return values


def _decode_one(kind, value):
    if kind == "string":
        return value.decode("utf-8")
    if kind == "bool":
        return bool(value)
    if kind == "int64" and value >> 63:
        return value - (1 << 64)
    return decode(kind, value) if isinstance(value, bytes) and kind != "bytes" else value


# ---- the same as JSON

KINDS = {"join": "join", "leave": "leave", "direct": "direct", "history": "history",
         "presence": "presence", "auth": "auth", "ping": "ping", "admin:broadcast": "broadcast"}
RENAMED = {"client_id": "clientId", "timestamp_ms": "timestamp", "max_message": "maxMessage",
           "in_s": "in", "after_ms": "after"}
ALWAYS = {"joined": {"seq": 0, "members": 0}, "history": {"seq": 0, "messages": []},
          "presence": {"users": 0, "connections": 0, "members": []}, "token_expiring": {"in": 0}}


def client_message(message):
    """A JSON message of a client in the names of the schema."""
    rest = dict(message)
    kind = KINDS.get(rest.pop("type"), "publish")
    names = {field.name for field in MESSAGES[kind_message(kind)].values()}
    values = {name: rest.pop(name) for name in names & set(rest) - {"type", "body"}}
    if type(values.get("to")) is int:  # in the schema a user is a text
        values["to"] = str(values["to"])
    if kind == "publish":
        values["type"] = message["type"]
        values["no_echo"] = rest.pop("echo", True) is False
    out = {"id": str(rest.pop("id", "")), kind: values}
    if "body" in names:
        values["body"] = json.dumps(rest, ensure_ascii=False).encode("utf-8")
    return out


def kind_message(kind, of="ClientMessage"):
    return next(field.kind for field in MESSAGES[of].values() if field.name == kind)


def _plain(values):
    named = {RENAMED.get(name, name): value for name, value in values.items()}
    body = named.pop("body", b"{}")
    return {**named, **json.loads(body)}


def server_message(values):
    """What JSON clients get in place of it."""
    values = dict(values)
    answered = {"id": values.pop("id")} if "id" in values else {}
    (kind, inner), = values.items()
    if kind == "message":
        return _plain(inner)
    always = {"members": 0} if kind == "ack" and "room" in inner else ALWAYS.get(kind, {})
    plain = {**always, **_plain(inner)}
    if "messages" in plain:
        plain["messages"] = [_plain(message) for message in plain["messages"]]
    recovery = plain.pop("recovery", 0)
    if recovery:
        plain["recovered"] = recovery == 1
        if recovery == 1:
            plain.setdefault("messages", [])
    if kind == "connected":
        plain["heartbeat"] = {"interval": plain.pop("heartbeat_interval_s", 0),
                              "timeout": plain.pop("heartbeat_timeout_s", 0)}
        expires = plain.pop("session_expires_s", None)
        plain["session"] = {} if expires is None else {"expires": expires}
        plain.setdefault("roles", [])
    name = {"member_join": "member:join", "member_leave": "member:leave",
            "token_expiring": "token:expiring"}.get(kind, kind)
    return {"type": name, **plain, **answered}


def text_of(values):
    """A published message as JSON clients get its text, byte for byte."""
    values = dict(values)
    body = values.pop("body").decode("utf-8")
    order = ("type", "room", "from", "user", "username", "epoch", "seq", "timestamp_ms")
    fields = {RENAMED.get(name, name): values[name] for name in order if name in values}
    head = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return f"{head[:-1]}{',' if body != '{}' else ''}{body[1:-1]}}}"


class Client(ws.Client):
    """`raw` is the message as JSON. An id that was a number comes back as one."""

    codec = "proto"

    def __init__(self, *where, subprotocols=(SUBPROTOCOL,), **how):
        self.ids = {}  # as text: as it was
        super().__init__(*where, subprotocols=subprotocols, **how)
        if self.response.one("Sec-WebSocket-Protocol") != SUBPROTOCOL:
            raise AssertionError(f"not {SUBPROTOCOL}: {self.response.head!r}")

    def send_values(self, **values):
        """A ClientMessage in the names of the schema."""
        self.send_frame(ws.BINARY, encode("ClientMessage", values))

    def send(self, message=None, **fields):
        message = message if message is not None else fields
        if "id" in message:
            self.ids[str(message["id"])] = message["id"]
        self.send_values(**client_message(message))

    def read_values(self, timeout=ws.DEADLINE_S):
        """The next ServerMessage in the names of the schema."""
        opcode, payload = self.recv_message(timeout)
        if opcode != ws.BINARY:
            raise AssertionError(f"a message of opcode {opcode}: {payload[:100]!r}")
        return decode("ServerMessage", payload)

    def next(self, timeout=ws.DEADLINE_S):
        if self.inbox:
            self.raw, message = self.inbox.pop(0)
            return message
        values = self.read_values(timeout)
        message = server_message(values)
        if "message" in values:
            self.raw = text_of(values["message"])
        else:
            self.raw = json.dumps(message, ensure_ascii=False)
            if "id" in message:
                message["id"] = self.ids[message["id"]]
        return message
