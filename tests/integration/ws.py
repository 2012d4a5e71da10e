"""A WebSocket client (RFC 6455) that can lie.

It does what a test says, also when that is wrong: frames without a mask, lengths that do not match,
any bytes at all. On top of the frames sits a small layer for the gateway's JSON messages.
"""

import base64
import hashlib
import json
import os
import struct
import time
import zlib
from typing import NamedTuple
from urllib.parse import quote

from rawhttp import DEADLINE_S, EndOfStream, Response, Stream, request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, response):
        super().__init__(f"refused: {response.status} {response.phrase} {response.body!r}")
        self.response = response


class Closed(Exception):
    """A close frame came where a message was expected."""

    def __init__(self, code, reason):
        super().__init__(f"closed: {code} {reason}")
        self.code = code
        self.reason = reason


class Frame(NamedTuple):
    fin: bool
    rsv: int
    opcode: int
    payload: bytes


def apply_mask(payload, key):
    stretched = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")
    return masked.to_bytes(len(payload), "big")


def encode_frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None, length_bytes=None):
    """One frame. `mask`: True for a random key, False for none, or four bytes. `length` is declared
    instead of the payload's own; `length_bytes` (0, 2 or 8) forces a form of the length."""
    declared = len(payload) if length is None else length
    if length_bytes is None:
        length_bytes = 0 if declared < 126 else 2 if declared < 65536 else 8
    short = {0: declared, 2: 126, 8: 127}[length_bytes]
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | short])
    head += {0: b"", 2: struct.pack(">H", declared & 0xFFFF), 8: struct.pack(">Q", declared)}[
        length_bytes]
    if not mask:
        return head + payload
    key = os.urandom(4) if mask is True else mask
    return head + key + apply_mask(payload, key)


def deflate(message, level=6, window_bits=15, flush=zlib.Z_SYNC_FLUSH):
    """A message as permessage-deflate has it (RFC 7692), without memory of any other."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    packed = packer.compress(message) + packer.flush(flush)
    return packed[:-4] if flush == zlib.Z_SYNC_FLUSH else packed + b"\0"


def inflate(packed, window_bits=15):
    unpacker = zlib.decompressobj(-window_bits)
    return unpacker.decompress(packed + b"\0\0\xff\xff")


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


def accept_for(key):
    digest = hashlib.sha1(key.encode("ascii") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode("ascii")


def handshake_fields(key="dGhlIHNhbXBsZSBub25jZQ==", subprotocols=(), extra=()):
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ]
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    return fields + list(extra)


class Client:
    """One connection, open once the constructor returns; raises Refused if the handshake fails.

    `early` is sent in the same segment as the head of the handshake, behind it; `before` is sent
    before anything else. `offer` is a list of extensions; what is sent compressed then, if anything
    is, must fit a window of `window_bits`."""

    def __init__(self, address, target="/", token=None, subprotocols=(), fields=(),
                 receive_buffer=None, early=b"", before=b"", source=None, tls=None, session=None,
                 offer=None, window_bits=15):
        if token is not None:
            target += ("&" if "?" in target else "?") + "token=" + quote(token, safe="")
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        self.stream = Stream(address, receive_buffer, source, tls, session, before)
        if tls is not None:
            before = b""
        self.auto_pong = True
        self.extension = None  # what was agreed on, as the server says it
        self.window_bits = window_bits
        self.packed_frames = 0  # of those received
        if offer is not None:
            fields = [*fields, ("Sec-WebSocket-Extensions", offer)]
        self.inbox = []  # messages that came while an answer was waited for
        self.raw = None  # text of the last message read
        self.connected = None  # the greeting, once somebody has read it
        self.next_id = 1
        self.fence_room = None
        try:
            head = request(target, fields=handshake_fields(key, subprotocols, fields),
                           host=f"{address[0]}:{address[1]}")
            self.stream.send(before + head + early)
            self.response = Response(self.stream.take_until(b"\r\n\r\n")[:-2])
            if self.response.status != 101:
                self.response.body = self.stream.take_all()
                raise Refused(self.response)
            if self.response.one("Sec-WebSocket-Accept") != accept_for(key):
                raise AssertionError(f"wrong accept: {self.response.head!r}")
            self.extension = self.response.one("Sec-WebSocket-Extensions")
            if self.extension is not None and offer is None:
                raise AssertionError(f"nobody offered {self.extension}")
        except BaseException:
            self.stream.close()
            raise

    # ---- bytes and frames

    def close_socket(self):
        self.stream.close()

    def send_bytes(self, data):
        self.stream.send(data)

    def send_frame(self, opcode, payload=b"", **how):
        self.stream.send(encode_frame(opcode, payload, **how))

    def recv_frame(self, timeout=DEADLINE_S):
        """The next frame as it came. A server that masks or leaves out bits is an error."""
        first, second = self.stream.take(2, timeout)
        if second & 0x80:
            raise AssertionError("the server masked a frame")
        length = second & 0x7F
        if length == 126:
            length, = struct.unpack(">H", self.stream.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.stream.take(8))
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, self.stream.take(length))

    def recv_message(self, timeout=DEADLINE_S):
        """(opcode, payload) of the next data message; pings are answered, pongs skipped. Raises
        Closed at a close frame."""
        deadline = time.monotonic() + timeout
        opcode, parts, packed = None, [], False
        while True:
            frame = self.recv_frame(max(deadline - time.monotonic(), 0.001))
            starts = frame.opcode in (TEXT, BINARY)
            if frame.rsv and not (frame.rsv == 4 and starts and self.extension):
                raise AssertionError(f"reserved bits without an extension: {frame}")
            if starts:
                packed = frame.rsv == 4
                self.packed_frames += packed
            if frame.opcode == PING:
                if self.auto_pong:
                    self.send_frame(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                raise Closed(*parse_close(frame.payload))
            elif frame.opcode != PONG:
                opcode = frame.opcode if opcode is None else opcode
                parts.append(frame.payload)
                if frame.fin:
                    message = b"".join(parts)
                    return opcode, inflate(message, self.window_bits) if packed else message

    def read_close(self, timeout=DEADLINE_S):
        """Reads up to the close frame, whatever comes before: (code, reason)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.recv_message(max(deadline - time.monotonic(), 0.001))
            except Closed as closed:
                return closed.code, closed.reason
            except EndOfStream as e:
                raise AssertionError(f"no close frame, but {e}") from e

    def expect_close(self, code, reason=None, timeout=DEADLINE_S, end=True):
        """Reads up to the close frame and checks it: the code, the word of its reason, compact JSON
        of at most 123 bytes. Answers it; the server then ends the connection. Returns the reason's
        object (None if no reason was asked for)."""
        got, text = self.read_close(timeout)
        if got != code:
            raise AssertionError(f"closed with {got} {text!r}, not {code}")
        said = check_reason(text) if reason is not None else None
        if reason is not None and said["reason"] != reason:
            raise AssertionError(f"closed for {said}, not {reason}")
        if end:
            try:
                self.send_frame(CLOSE, close_payload(1000))
            except EndOfStream:
                pass  # it did not wait for us
            self.expect_end()
        return said

    def expect_end(self, timeout=DEADLINE_S):
        """The server ends the connection; what it still sends is thrown away."""
        self.stream.take_all(timeout)
        self.stream.close()

    def close(self):
        """An orderly close from this side: 1000 both ways, then the server ends the stream."""
        self.send_frame(CLOSE, close_payload(1000))
        self.expect_close(1000, end=False)
        self.expect_end()

    # ---- JSON messages

    def send_text(self, text):
        self.send_frame(TEXT, text.encode("utf-8"))

    def send_packed(self, opcode, message, **how):
        """A message in one compressed frame; `how` as in deflate()."""
        self.send_frame(opcode, deflate(message, **how), rsv=4)

    def send(self, message=None, **fields):
        self.send_text(json.dumps(message if message is not None else fields))

    def next(self, timeout=DEADLINE_S):
        """The next message, decoded; its text stays in `raw`."""
        if self.inbox:
            self.raw, message = self.inbox.pop(0)
            return message
        opcode, payload = self.recv_message(timeout)
        if opcode != TEXT:
            raise AssertionError(f"a message of opcode {opcode}: {payload[:100]!r}")
        self.raw = payload.decode("utf-8")
        return json.loads(self.raw)

    def expect(self, message_type, timeout=DEADLINE_S, **fields):
        """The very next message has this type and these fields; a field given as None is absent."""
        message = self.next(timeout)
        wanted = {"type": message_type, **fields}
        for name, value in wanted.items():
            if message.get(name) != value:
                raise AssertionError(f"{name}={value!r} expected in {self.raw[:500]}")
        return message

    def wait_for(self, message_type, timeout=DEADLINE_S, **fields):
        """Skips messages until one fits."""
        deadline = time.monotonic() + timeout
        skipped = []
        while True:
            try:
                message = self.next(max(deadline - time.monotonic(), 0.001))
            except TimeoutError as e:
                raise TimeoutError(f"no {message_type} {fields}; skipped {skipped[-5:]}") from e
            wanted = {"type": message_type, **fields}
            if all(message.get(name) == value for name, value in wanted.items()):
                return message
            skipped.append(self.raw[:200])

    def ask(self, message=None, timeout=DEADLINE_S, **fields):
        """Sends a message with an `id` and returns its answer. What comes before it stays for
        next()."""
        question = dict(message if message is not None else fields)
        question.setdefault("id", f"q{self.next_id}")
        self.next_id += 1
        self.send(question)
        deadline = time.monotonic() + timeout
        before = []
        while True:
            answer = self.next(max(deadline - time.monotonic(), 0.001))
            if answer.get("id") == question["id"]:
                self.inbox = before + self.inbox
                return answer
            before.append((self.raw, answer))

    def ask_for(self, answer_type, message=None, **fields):
        """ask(), and the answer has that type."""
        answer = self.ask(message, **fields)
        if answer["type"] != answer_type:
            raise AssertionError(f"{answer_type} expected, not {answer}")
        return answer

    def join(self, room, **fields):
        return self.ask_for("joined", type="join", room=room, **fields)

    def publish(self, room, text="", **fields):
        """Publishes a chat message and returns the ack; its own delivery stays for next()."""
        return self.ask_for("ack", {"type": "chat", "room": room, "text": text, **fields})

    def fence(self):
        """Everything that was on its way to this client, as a list. A marker is published to a room
        of our own; messages take one way through the router, so what had been acknowledged to
        anybody before comes before the marker."""
        if self.fence_room is None:
            self.fence_room = "fence-" + os.urandom(6).hex()
            self.join(self.fence_room)
        ack = self.ask_for("ack", type="fence", room=self.fence_room)
        came = []
        while True:
            message = self.next()
            if message.get("room") == self.fence_room:
                if message.get("seq") != ack["seq"]:
                    raise AssertionError(f"not the fence {ack}: {self.raw}")
                return came
            came.append(message)

    def expect_nothing(self):
        came = self.fence()
        if came:
            raise AssertionError(f"nothing was expected, but {came}")


def parse_close(payload):
    if not payload:
        return 1005, b""
    if len(payload) == 1:
        raise AssertionError("a close frame with one byte")
    return struct.unpack(">H", payload[:2])[0], payload[2:]


def check_reason(reason):
    """The object a close reason holds: compact JSON of at most 123 bytes with the three fields."""
    if len(reason) > 123:
        raise AssertionError(f"a reason of {len(reason)} bytes: {reason!r}")
    said = json.loads(reason.decode("utf-8"))
    if json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() != reason:
        raise AssertionError(f"not compact: {reason!r}")
    if not isinstance(said.get("reason"), str) or not isinstance(said.get("reconnect"), bool):
        raise AssertionError(f"reason and reconnect are missing: {reason!r}")
    if "after" in said:
        low, high = said["after"]
        if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high):
            raise AssertionError(f"not a delay: {reason!r}")
    return said
