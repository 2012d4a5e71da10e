"""Speaks the edge-router link (proto/link.md) from either end, and can lie in all it says.

Frames, the signed opening, and as much of protobuf as that takes: `varint(3, 7)`, `data(1, b"x")` and
`fixed64(1, 5)` write a field, `fields(body)` reads a message as {number: [values]}.
"""

import hashlib
import hmac
import os
import socket
import struct

import rawhttp

CHALLENGE, HELLO, HELLO_ACK, BATCH, ACK, PING, PONG, GOAWAY = range(1, 9)
HEAD = struct.Struct("<IBBHQQ")
MAJOR, MINOR = 1, 2
WINDOW = 1 << 20


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(text):
    crc = 0xFFFFFFFF
    for byte in text:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def number(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(field, value):
    return number(field << 3) + number(value)


def fixed64(field, value):
    return number(field << 3 | 1) + struct.pack("<Q", value)


def data(field, value):
    text = value.encode() if isinstance(value, str) else value
    return number(field << 3 | 2) + number(len(text)) + text


def read_number(text, at):
    value = shift = 0
    while True:
        value |= (text[at] & 0x7F) << shift
        shift += 7
        at += 1
        if text[at - 1] < 0x80:
            return value, at


def fields(text):
    found, at = {}, 0
    while at < len(text):
        key, at = read_number(text, at)
        if key & 7 == 0:
            value, at = read_number(text, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from("<Q", text, at)[0], at + 8
        else:
            size, at = read_number(text, at)
            value, at = text[at:at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def frame(kind, body=b"", seq=0, ack=0):
    head = HEAD.pack(len(body), kind, 0, 0, seq, ack)
    return head + struct.pack("<I", crc32c(head + body)) + body


def item(kind, body):
    """One element of a BATCH: an item of that kind (its field in Item)."""
    return data(1, data(kind, body))


class Closed(Exception):
    """The other end has closed the connection."""


class Link:
    """One connection. `next_up` is the seq of the next BATCH to be sent; what comes is acknowledged
    by the next frame that goes."""

    def __init__(self, sock):
        self.socket = sock
        self.socket.settimeout(rawhttp.DEADLINE_S)
        self.next_up = 1
        self.seen = 1
        self.hello = None  # what an edge said first
        self.check = True  # the checksum of what comes; costs a second for each few megabytes
        self._buffer = b""
        self._items = []  # of the BATCH that came last, not looked at yet

    def close(self):
        self.socket.close()

    def send(self, kind, body=b"", **head):
        self.socket.sendall(frame(kind, body, **{"ack": self.seen, **head}))

    def batch(self, *items):
        self.send(BATCH, b"".join(items), seq=self.next_up)
        self.next_up += 1

    def _exactly(self, size):
        while len(self._buffer) < size:
            try:
                got = self.socket.recv(1 << 16)
            except ConnectionError:
                got = b""
            if not got:
                raise Closed
            self._buffer += got
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def receive(self):
        """(type, body) of the next frame."""
        head = self._exactly(HEAD.size)
        size, kind, _, _, seq, _ = HEAD.unpack(head)
        crc, = struct.unpack("<I", self._exactly(4))
        body = self._exactly(size)
        if self.check and crc32c(head + body) != crc:
            raise AssertionError("a frame with a wrong checksum")
        if kind == BATCH:
            self.seen = seq + 1
        return kind, body

    def expect(self, kind):
        """The body of the next frame of that type; others that may come at any time are passed over."""
        while True:
            got, body = self.receive()
            if got == PING and kind != PING:
                self.send(PONG, body)
            if got == kind:
                return body
            if got not in (ACK, PING, PONG, BATCH):
                raise AssertionError(f"frame {got} {body!r} instead of {kind}")

    def expect_item(self, kind):
        """The fields of the next item of that kind."""
        while True:
            while not self._items:
                self._items = fields(self.expect(BATCH)).get(1, [])
            got = fields(self._items.pop(0))
            if kind in got:
                return fields(got[kind][0])

    def expect_end(self, goaway=None):
        """The connection ends, and what a GOAWAY said of it is `goaway`, if one came: last words are lost
        when a write is still under way."""
        try:
            while True:
                kind, body = self.receive()
                if kind == HELLO_ACK:
                    raise AssertionError("admitted")
                if kind == GOAWAY and fields(body)[1] != [(goaway or "").encode()]:
                    raise AssertionError(f"ended with {body}, not {goaway}")
        except Closed:
            pass


def _mac(key, label, router_nonce, edge_nonce, body):
    return hmac.new(key, label + b"\0" + router_nonce + edge_nonce + body, hashlib.sha256).digest()


def edge(address, key, name="peer", minor=MINOR, hello=b"", admitted=True, before_hello=None,
         boot=None):
    """A connection to the router as an edge, with `hello` behind what HELLO holds; READY if
    `admitted`. `before_hello` is called when the router waits for it. Edges of one name are taken for
    one if their `boot` (16 bytes) is the same."""
    link = Link(socket.create_connection(address, timeout=rawhttp.DEADLINE_S))
    router_nonce = fields(link.expect(CHALLENGE))[4][0]
    nonce = os.urandom(32)
    body = (varint(1, MAJOR) + varint(2, minor) + data(3, name) + data(4, boot or os.urandom(16))
            + varint(6, 1) + varint(7, 1) + varint(8, 1) + varint(9, WINDOW)
            + data(10, "test") + data(11, varint(1, 15) + data(2, "*")) + hello)
    mac = _mac(key, b"weir-edge", router_nonce, nonce, body)
    link.hello = data(1, body) + data(2, nonce) + data(3, mac)
    if before_hello is not None:
        before_hello()
    link.send(HELLO, link.hello, ack=0)
    if admitted:
        link.expect(HELLO_ACK)
    return link


class Router:
    """Listens where an edge dials."""

    def __init__(self, key):
        self.key = key
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(rawhttp.DEADLINE_S)
        self.url = "tcp://127.0.0.1:{}".format(self.listener.getsockname()[1])

    def close(self):
        self.listener.close()

    def accept(self, minor=MINOR, ack=b""):
        """The next connection of an edge, opened as a new session, with `ack` behind what HELLO_ACK
        holds."""
        link = Link(self.listener.accept()[0])
        nonce = os.urandom(32)
        link.send(CHALLENGE, varint(1, MAJOR) + varint(2, minor) + data(3, "peer")
                  + data(4, nonce) + varint(5, 1), ack=0)
        edge_nonce = fields(link.expect(HELLO))[2][0]
        body = (varint(1, MAJOR) + varint(2, minor) + data(3, "peer")
                + fixed64(4, 1 + int.from_bytes(os.urandom(7), "little")) + varint(6, 1)
                + varint(7, 1) + varint(8, WINDOW) + varint(9, 6000) + data(10, "test") + ack)
        mac = _mac(self.key, b"weir-router", nonce, edge_nonce, body)
        link.send(HELLO_ACK, data(1, body) + data(3, mac), ack=0)
        return link
