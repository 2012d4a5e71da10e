"""A redis-server of a test's own: Debian's program, in a temporary folder, on a unix socket and no port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PROGRAM = shutil.which("redis-server")


class RedisServer:
    """`path` is its socket. Options are those of redis.conf."""

    def __init__(self, port=0, **options):
        self.folder = tempfile.mkdtemp(prefix="weir-redis-")
        self.path = os.path.join(self.folder, "redis.sock")
        self.port = port
        self.options = {"save": "", "appendonly": "no", **options}
        self.process = None
        self.start()

    @property
    def url(self):
        return f"redis+unix://{self.path}"

    def start(self, timeout_s=20):
        words = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path,
                 "--dir", self.folder, "--daemonize", "no"]
        for name, value in self.options.items():
            words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, list) else [str(value)])]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"redis-server does not start: {self.log()}")
            time.sleep(0.02)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def answers(self):
        try:
            return self.command("PING")[:5] in (b"+PONG", b"-NOAU")
        except OSError:
            return False

    def command(self, *words):
        """One command; the answer as it came, which is to be a short one."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.path)
            data = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            s.sendall(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in data))
            return s.recv(1 << 16)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
