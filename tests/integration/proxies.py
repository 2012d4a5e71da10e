"""The real nginx and HAProxy with the configurations of deploy/, as processes of a test.

A configuration is used as it stands but for addresses, the place of the log, and what a test names:
each text to be replaced must be there. Programs run in a session of their own, so that none of their
workers is left behind, and never as the machine's service.
"""

import os
import random
import shutil
import signal
import socket

import rawhttp
from harness import DEADLINE_S, ROOT, Process, wait_until

STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise AssertionError(f"{name} is not installed; tests/run installs it")
    return path


def free_address():
    """An address to listen on for a program that cannot pick one and tell: one of the millions of
    127.0.0.0/8, below the ports that the kernel gives away, so that nobody takes it meanwhile."""
    while True:
        host = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
        address = host, random.randint(10000, 32000)
        with socket.socket() as trial:
            try:
                trial.bind(address)
                return address
            except OSError:
                continue


def rendered(name, changes):
    with open(os.path.join(ROOT, "deploy", name), encoding="utf-8") as f:
        text = f.read()
    for old, new in changes.items():
        if old not in text:
            raise AssertionError(f"{old!r} is not in deploy/{name}")
        text = text.replace(old, new)
    return text


def endpoint(address):
    return "%s:%d" % address


class Proxy(Process):
    """Listens on `address` and, once wait_until_open() returns, has a way to an edge."""

    exit_codes = (0,)

    def __init__(self, cluster, name, argv, address):
        self.address = address
        super().__init__(cluster.folder, name, ["setsid", *argv], wrap=False)
        cluster.processes.append(self)

    def get(self, target, **how):
        """On a connection of its own: a proxy would keep it for another request."""
        return rawhttp.get(self.address, target, [("Connection", "close")], **how)

    def is_open(self):
        try:
            return self.get("/ready", timeout=DEADLINE_S / 4).status == 200
        except (OSError, rawhttp.EndOfStream):
            return False

    def wait_until_open(self):
        wait_until(lambda: not self.running() or self.is_open(), f"{self.name} is open")
        if not self.running():
            raise AssertionError(f"{self.name} ended: {self.text()}")
        return self

    def stop(self, timeout=DEADLINE_S):
        try:
            if self.running():
                self.signal(signal.SIGTERM)
            code = self.wait(timeout)
        finally:
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if code not in self.exit_codes:
            raise AssertionError(f"{self.name} ended with {code}: {self.text()}")


class Nginx(Proxy):
    """deploy/nginx/NAME within the context it is for."""

    def __init__(self, cluster, edges, stream=False, changes=None):
        address = free_address()
        name = "nginx/weir-stream.conf" if stream else "nginx/weir.conf"
        folder = os.path.join(cluster.folder, "nginx")
        os.mkdir(folder)
        changes = {"listen 80;": f"listen {endpoint(address)};",
                   "127.0.0.1:8081": endpoint(edges[0].address),
                   "127.0.0.1:8082": endpoint(edges[1].address), **(changes or {})}
        if not stream:
            changes["/var/log/nginx/"] = folder + "/"
        self.log = os.path.join(folder, "weir.log")
        cluster.write("weir.conf", rendered(name, changes))
        main = cluster.write("nginx.conf", self.main(folder, stream))
        argv = [find_program("nginx"), "-e", "stderr", "-p", folder, "-c", main]
        super().__init__(cluster, "nginx", argv, address)

    @staticmethod
    def main(folder, stream):
        """What is around the deployed file on every machine, with all paths in `folder`."""
        temporary = "" if stream else "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        context = "stream" if stream else "http"
        return (f"load_module {STREAM_MODULE};\n" if stream else "") + (
            ("user root;\n" if os.geteuid() == 0 else "")
            + "daemon off;\nworker_processes 2;\nerror_log stderr notice;\n"
            + f"pid {folder}/nginx.pid;\nevents {{ worker_connections 256; }}\n"
            + f"{context} {{\n{temporary}include {os.path.dirname(folder)}/weir.conf;\n}}\n")

    def reload(self):
        """Returns when the workers that new clients meet are new ones."""
        mark = self.mark()
        self.signal(signal.SIGHUP)
        self.wait_for_line(r"gracefully shutting down", after=mark)


class Haproxy(Proxy):
    """deploy/haproxy/NAME, with a master, as the service of the distribution runs it."""

    exit_codes = (0, 143, -signal.SIGTERM)  # its master hands SIGTERM on, and says so by the code

    def __init__(self, cluster, edges, name, changes=None):
        address = free_address()
        text = rendered(f"haproxy/{name}", {
            "maxconn 20000": "maxconn 200",  # as many descriptors as every machine has
            "bind *:80": f"bind {endpoint(address)}",
            "127.0.0.1:8081": endpoint(edges[0].address),
            "127.0.0.1:8082": endpoint(edges[1].address), **(changes or {})})
        conf = cluster.write("haproxy.cfg", text)
        self.master = os.path.join(cluster.folder, "master.sock")
        argv = [find_program("haproxy"), "-W", "-S", self.master, "-f", conf]
        super().__init__(cluster, "haproxy", argv, address)

    def master_answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            try:
                s.connect(self.master)
                s.sendall(b"show proc\n")
                return b"worker" in s.recv(4096)
            except OSError:
                return False

    def wait_for_master(self):
        """It starts itself anew once its workers run, and a signal that meets it then is lost."""
        wait_until(self.master_answers, "HAProxy's master answers")

    def wait_until_open(self):
        super().wait_until_open()
        self.wait_for_master()
        return self

    def reload(self):
        mark = self.mark()
        self.signal(signal.SIGUSR2)
        self.wait_for_line(r"Loading success", after=mark)
        self.wait_for_master()
