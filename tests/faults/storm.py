"""What can break: one method a fault, drawn from a seed.

A fault takes what it needs (an edge, a link, the router, the clients), does its harm and says when
it must be mended, or that it could not, because what it needs is taken; a few may overlap, two
never take the same thing. The kinds come from a shuffled deck, and what could not happen goes back
into it: the seed decides the order, and no storm ends before it has dealt every kind. Nothing is
judged here, and no fault is too much: whatever happens, the protocol says what may follow.
"""

import heapq
import itertools
import os
import signal
import socket
import time

OVERLAP = 2
KILL_PAUSES_S = (0.05, 0.5, 2, 4)
STOPS_S = (1, 5)
LONG_STOPS_S = (1, 5, 20)
CUTS_S = (0.05, 0.5, 2, 8)
STALLS_S = (0.5, 2, 6)
SLOW_LINK_S = 5
SLOW_CLIENTS_S = 6
ATTACK_S = 6


class Storm:
    """`gateway` has the programs, proxies and clients; `say` is told each fault in words."""

    def __init__(self, gateway, rng, say, long=False):
        self.gateway = gateway
        self.rng = rng
        self.say = say
        self.stops = LONG_STOPS_S if long else STOPS_S
        self.deck = []
        self.taken = {}  # what: until when (None: until it is mended)
        self.mends = []  # heap of (time, number, what it frees, function)
        self.numbers = itertools.count()
        self.count = 0
        self.seen = set()  # kinds that have happened

    @staticmethod
    def kinds():
        return [name for name in dir(Storm) if name.startswith("fault_")]

    # ---- the time table

    def blow(self, seconds):
        """Faults for so long, and until each kind has happened, then all is mended."""
        end = time.monotonic() + seconds
        self.seen.clear()
        while time.monotonic() < end or len(self.seen) < len(self.kinds()):
            self.mend_due(time.monotonic())
            if len(self.taken) < OVERLAP:
                self.begin_one()
            time.sleep(self.rng.uniform(0.2, 1.5))
        while self.mends:
            self.mend_due(self.mends[0][0])

    def begin_one(self):
        if not self.deck:
            self.deck = self.kinds()
            self.rng.shuffle(self.deck)
        name = self.deck.pop()
        if getattr(self, name)():
            self.seen.add(name)
            self.count += 1
        else:
            self.deck.insert(0, name)

    def mend_due(self, now):
        while self.mends and self.mends[0][0] <= now:
            _, _, what, mend = heapq.heappop(self.mends)
            mend()
            self.taken.pop(what)

    def take(self, what, seconds, mend, text):
        self.say(f"{text}, for {seconds:g} s")
        self.taken[what] = True
        when = time.monotonic() + seconds
        heapq.heappush(self.mends, (when, next(self.numbers), what, mend))

    def free(self, kind, count):
        """The number of one to which nothing happens, or None. A link is its edge's."""
        numbers = [i for i in range(count) if f"{kind} {i}" not in self.taken]
        return self.rng.choice(numbers) if numbers else None

    def free_edge(self):
        i = self.free("edge", len(self.gateway.edges))
        return i, f"edge {i}"

    # ---- programs

    def fault_kill_edge(self):
        return self.end_edge(signal.SIGKILL)

    def fault_terminate_edge(self):
        return self.end_edge(signal.SIGTERM)

    def end_edge(self, number):
        i, what = self.free_edge()
        if i is not None:
            pause = self.rng.choice(KILL_PAUSES_S)
            self.gateway.end_edge(i, number)
            self.take(what, pause, lambda: self.gateway.start_edge(i),
                      f"{what} {number.name}")
        return i is not None

    def fault_kill_router(self):
        return self.end_router(signal.SIGKILL)

    def fault_terminate_router(self):
        return self.end_router(signal.SIGTERM)

    def end_router(self, number):
        if "router" in self.taken:
            return False
        self.gateway.end_router(number)
        self.take("router", self.rng.choice(KILL_PAUSES_S), self.gateway.start_router,
                  f"router {number.name}")
        return True

    def fault_stop_edge(self):
        i, what = self.free_edge()
        if i is not None:
            edge = self.gateway.edges[i]
            edge.signal(signal.SIGSTOP)
            self.take(what, self.rng.choice(self.stops), lambda: edge.signal(signal.SIGCONT),
                      f"{what} SIGSTOP")
        return i is not None

    def fault_stop_router(self):
        if "router" in self.taken:
            return False
        router = self.gateway.router
        router.signal(signal.SIGSTOP)
        self.take("router", self.rng.choice(self.stops),
                  lambda: router.signal(signal.SIGCONT), "router SIGSTOP")
        return True

    # ---- links

    def proxy_fault(self, seconds, text, harm):
        i, what = self.free_edge()
        if i is not None:
            proxy = self.gateway.proxies[i]
            harm(proxy)
            self.take(what, seconds, proxy.heal, f"link of {what} {text}")
        return i is not None

    def fault_cut_link(self):
        return self.proxy_fault(self.rng.choice(CUTS_S), "is cut",
                                lambda proxy: proxy.refuse(True))

    def fault_reset_link(self):
        return self.proxy_fault(0.5, "is reset", lambda proxy: proxy.cut(reset=True))

    def fault_stall_up(self):
        return self.proxy_fault(self.rng.choice(STALLS_S), "stalls up",
                                lambda proxy: proxy.stall("up"))

    def fault_stall_down(self):
        return self.proxy_fault(self.rng.choice(STALLS_S), "stalls down",
                                lambda proxy: proxy.stall("down"))

    def fault_partition(self):
        return self.proxy_fault(self.rng.choice(STALLS_S), "stalls both ways",
                                lambda proxy: proxy.stall("up", "down"))

    def fault_flapping_link(self):
        lifetime = self.rng.choice((0.02, 0.2))
        return self.proxy_fault(self.rng.choice((1, 5)), f"breaks every {lifetime:g} s",
                                lambda proxy: proxy.flap(lifetime))

    def fault_slow_link(self):
        rate = self.rng.choice((4000, 32000))
        return self.proxy_fault(SLOW_LINK_S, f"carries {rate} B/s",
                                lambda proxy: proxy.slow_down(rate))

    def fault_flipped_bit(self):
        return self.damage("flip")

    def fault_cut_frame(self):
        return self.damage("cut")

    def damage(self, how):
        direction = self.rng.choice(("up", "down"))
        return self.proxy_fault(1, f"is damaged {direction} ({how})",
                                lambda proxy: proxy.damage_next(direction, how))

    # ---- clients and strangers

    def fault_slow_clients(self):
        if "clients" in self.taken:
            return False
        room = self.rng.choice(self.gateway.rooms)
        self.gateway.order(do="slow", count=4, seconds=SLOW_CLIENTS_S, room=room)
        self.take("clients", SLOW_CLIENTS_S, lambda: None, f"4 in {room} do not read")
        return True

    def fault_drop_clients(self):
        share = self.rng.choice((0.1, 0.5))
        self.say(f"{share:.0%} of all clients break off")
        self.gateway.order(do="drop", share=share)
        return True

    def fault_attacks(self):
        """One user does all that tests/attacks does, at all edges; the others must not notice."""
        if "attack" in self.taken:
            return False
        attackers = self.gateway.attack(ATTACK_S)
        self.take("attack", ATTACK_S, attackers.wait, "all attacks of one user")
        return True

    def fault_strangers(self):
        """Who knows the router's port and nothing else: silence, rubbish, a huge length, half a
        frame and a reset."""
        if "router" in self.taken:
            return False
        self.say("strangers at the router's port")
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, os.urandom(200),
                     b"\x01\x00\x00\x00\x02\x00\x00\x00" + bytes(8)):
            try:
                with socket.create_connection(self.gateway.link_address, timeout=2) as sock:
                    sock.sendall(data)
            except OSError:
                pass
        return True
