"""A TCP stream with deadlines, and HTTP/1.1 by hand: what is sent is exactly what the test says."""

import os
import socket
import ssl
import time

# Sanitizer and valgrind runs are slower by this factor; deadlines grow with it.
SLOW = float(os.environ.get("TEST_SLOW", "1"))
DEADLINE_S = 10 * SLOW


class EndOfStream(Exception):
    """The peer ended the connection (end of file or reset)."""


class Stream:
    """A connected socket with a read buffer. Every wait has a deadline. `source` is the address it
    comes from, any of 127.0.0.0/8. With `tls`, an SSLContext, it speaks TLS behind the bytes
    `before` (`session` is one to resume), and an end without close_notify is a reset."""

    def __init__(self, address, receive_buffer=None, source=None, tls=None, session=None,
                 before=b""):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            # Of small segments the sender's kernel keeps few bytes as well, else megabytes.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(DEADLINE_S)
        try:
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        if tls is not None:
            try:
                self.socket.sendall(before)
                self.socket = tls.wrap_socket(self.socket, suppress_ragged_eofs=False,
                                              server_hostname="localhost", session=session)
            except BaseException:
                self.socket.close()
                raise

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as e:
            raise EndOfStream(str(e)) from e

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"nothing came in time; unread: {bytes(self.buffer[:200])!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError) as e:
            raise EndOfStream("reset") from e
        except TimeoutError as e:
            raise TimeoutError(f"nothing came in time; unread: {bytes(self.buffer[:200])!r}") from e
        if not data:
            raise EndOfStream("end of file")
        self.buffer += data

    def take(self, n, timeout=DEADLINE_S):
        deadline = time.monotonic() + timeout
        while len(self.buffer) < n:
            self._fill(deadline)
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def take_some(self, timeout=DEADLINE_S):
        """Whatever comes next, at least a byte."""
        if not self.buffer:
            self._fill(time.monotonic() + timeout)
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def take_until(self, mark, timeout=DEADLINE_S):
        deadline = time.monotonic() + timeout
        while True:
            end = self.buffer.find(mark)
            if end >= 0:
                return self.take(end + len(mark))
            self._fill(deadline)

    def take_all(self, timeout=DEADLINE_S):
        """Everything up to the end of the stream."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self._fill(deadline)
        except EndOfStream:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data


class Response:
    """The head of a response; `body` is set by exchange()."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        version, status, self.phrase = (lines[0].split(" ", 2) + [""])[:3]
        if not version.startswith("HTTP/1."):
            raise AssertionError(f"not an HTTP response: {head[:200]!r}")
        self.status = int(status)
        self.fields = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.fields.append((name.lower(), value.strip()))
        self.head = head
        self.body = b""

    def all(self, name):
        return [value for field, value in self.fields if field == name.lower()]

    def one(self, name):
        """The value of a field that is there at most once."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} is there {len(values)} times: {self.head!r}")
        return values[0] if values else None


def request(target="/", method="GET", version="HTTP/1.1", fields=(), host="weir.test"):
    """The head of a request; `fields` are (name, value) pairs."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_response(stream, timeout=DEADLINE_S):
    return Response(stream.take_until(b"\r\n\r\n", timeout)[:-2])


def exchange(address, data, timeout=DEADLINE_S, half_close=False, tls=None):
    """Sends `data` (or each piece of a list, one segment a piece) and returns the one response; the
    server must then close, and what it sent is the head and exactly the body it announced."""
    stream = Stream(address, tls=tls)
    try:
        try:
            for piece in [data] if isinstance(data, bytes) else data:
                stream.send(piece)
            if half_close:
                stream.half_close()
        except (EndOfStream, OSError):
            pass  # refused before it had read everything; the answer is still to be read
        response = read_response(stream, timeout)
        response.body = stream.take_all(timeout)
    finally:
        stream.close()
    announced = response.one("Content-Length")
    if announced is not None and not data_is_head(data) and int(announced) != len(response.body):
        raise AssertionError(f"{announced} bytes announced, then {response.body!r}")
    return response


def data_is_head(data):
    first = data if isinstance(data, bytes) else b"".join(data)
    return first.startswith(b"HEAD ")


def get(address, target, fields=(), timeout=DEADLINE_S):
    return exchange(address, request(target, fields=fields), timeout)
