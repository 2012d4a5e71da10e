"""A way to several edges: each connection goes to the first of them that takes it."""

import socket
import threading


class Balancer:
    """Bytes pass as they are, so a page and its WebSocket have one origin."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.origin = "http://%s:%d" % self.address
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        for address in self.addresses:
            try:
                edge = socket.create_connection(address, timeout=2)
            except OSError:
                continue
            edge.settimeout(None)
            threading.Thread(target=_carry, args=(edge, client), daemon=True).start()
            _carry(client, edge)
            return
        client.close()


def _carry(source, sink):
    """Until one end is gone; then both are."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # gone before
        end.close()
