"""A TCP proxy in the middle of one edge's link to the router, that can do what networks do.

One thread accepts, two carry the bytes of each connection, one a direction ("up": to the router).
A thread that must not deliver waits in front of the delivery, so that the sender feels it as it
would in a network: its buffers fill, and nothing else happens. Nothing is known here of frames;
bytes are delayed, damaged or cut wherever they happen to be.
"""

import socket
import struct
import threading
import time

CHUNK = 16384
DIRECTIONS = ("up", "down")
BACKLOG = 128


class Proxy:
    def __init__(self, target):
        self.target = target  # (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.lock = threading.Lock()
        self.links = []  # (edge's socket, router's socket)
        self.refusing = False
        self.present = threading.Event()
        self.holding = threading.Event()  # one connection is accepted, and no more
        self.fillers = []
        self.gates = {direction: threading.Event() for direction in DIRECTIONS}
        self.bytes_per_s = None
        self.lifetime_s = None
        self.damage = {direction: None for direction in DIRECTIONS}
        self.open_gates()
        self.present.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"tcp://{self.address[0]}:{self.address[1]}"

    # ---- faults

    def cut(self, reset=False):
        """All connections end now; returns how many they were."""
        with self.lock:
            links, self.links = self.links, []
        for link in links:
            end(link, reset)
        return len(links)

    def refuse(self, refusing):
        self.refusing = refusing
        if refusing:
            self.cut()

    def stall(self, *directions):
        for direction in directions:
            self.gates[direction].clear()

    def vanish(self):
        """As when a cable is pulled: nothing passes, nobody is told, and who dials hears nothing, since
        the queue of connections is full."""
        self.stall(*DIRECTIONS)
        self.present.clear()
        self.listener.listen(0)
        self.fillers = [socket.create_connection(self.address)]
        self.holding.wait()
        self.fillers.append(socket.create_connection(self.address))

    def appear(self):
        for filler in self.fillers:
            filler.close()
        self.fillers = []
        self.listener.listen(BACKLOG)
        self.holding.clear()
        self.present.set()

    def open_gates(self):
        for gate in self.gates.values():
            gate.set()

    def slow_down(self, bytes_per_s):
        self.bytes_per_s = bytes_per_s

    def damage_next(self, direction, how):
        """"flip": one bit of the next bytes; "cut": the end after a part of them."""
        self.damage[direction] = how

    def flap(self, lifetime_s):
        """No connection lives for longer."""
        self.lifetime_s = lifetime_s
        self.cut()

    def heal(self):
        self.refusing = False
        self.bytes_per_s = None
        self.lifetime_s = None
        self.damage = {direction: None for direction in DIRECTIONS}
        self.open_gates()
        self.appear()

    # ---- threads

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            if not self.present.is_set():
                self.holding.set()
                self.present.wait()
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            link = (near, far)
            for sock in link:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.links.append(link)
            if self.lifetime_s is not None:
                threading.Timer(self.lifetime_s, end, [link]).start()
            for direction, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self._carry, args=(link, direction, source, sink),
                                 daemon=True).start()

    def _carry(self, link, direction, source, sink):
        try:
            while True:
                data = source.recv(CHUNK)
                self.gates[direction].wait()
                if not data or not self._deliver(direction, data, sink):
                    break
        except OSError:
            pass
        end(link)
        with self.lock:
            self.links = [one for one in self.links if one is not link]

    def _deliver(self, direction, data, sink):
        how, self.damage[direction] = self.damage[direction], None
        if how == "flip":
            at = len(data) * 2 // 3
            data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]
        elif how == "cut":
            sink.sendall(data[:len(data) * 2 // 3])
            return False
        rate = self.bytes_per_s
        if rate is None:
            sink.sendall(data)
            return True
        step = max(rate // 20, 1)
        for at in range(0, len(data), step):
            sink.sendall(data[at:at + step])
            if self.bytes_per_s is not None:
                time.sleep(1 / 20)
        return True


def end(link, reset=False):
    """Shut down, which wakes the threads that wait for it; or reset."""
    for sock in link:
        try:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if reset:
            sock.close()
