"""History, asked for again and again by those who read every answer."""

import threading
import time
import unittest

from attack import Attack, flood

CONNECTIONS, EACH = 150, 20


class Drain:
    """Reads all that comes to many clients and looks at nothing."""

    def __init__(self, clients):
        self.sockets = [client.stream.socket for client in clients]
        self.bytes = 0
        self._stop = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for one in self.sockets:
            one.setblocking(False)
        while not self._stop:
            before = self.bytes
            for one in self.sockets:
                try:
                    self.bytes += len(one.recv(1 << 20))
                except OSError:
                    pass
            if self.bytes == before:
                time.sleep(0.002)

    def stop(self):
        self._stop = True
        self._thread.join()


class History(Attack):
    expected_seconds = 12

    def flood_by(self, users):
        admin = self.cluster.connect(token=self.cluster.token("admin", roles=["admin"]))
        for _ in range(5):
            admin.publish("large", "x" * 50_000)
        mallory = [self.cluster.connect(0, f"mallory-{i % users}") for i in range(CONNECTIONS)]
        self.quiet()
        for client in mallory:
            flood(client, [{"type": "history", "room": "large", "id": i} for i in range(EACH)])
        drain = Drain(mallory)
        time.sleep(3)
        drain.stop()
        print(f"{drain.bytes >> 20} MiB were read")
        self.judge()

    def test_answers_to_one_user_delay_nobody(self):
        self.flood_by(1)

    def test_answers_to_many_users_delay_nobody(self):
        self.flood_by(30)


if __name__ == "__main__":
    unittest.main()
