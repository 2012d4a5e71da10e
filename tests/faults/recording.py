"""What clients did and saw, by session and by request, for one who looks for something in it.

checker.py (which lists the events) says whether anything happened that must never happen. A test of
one promise also asks who was closed and how, what was answered and when, and who received what. This
answers; it does no I/O and judges nothing.
"""

from collections import defaultdict

MS = 1000


class Request:
    """What a client asked for; `answer` is the kind of the answer (None: there is none)."""

    def __init__(self, time, kind, room, n=None, since=None):
        self.time = time
        self.kind = kind
        self.room = room
        self.n = n  # of a publish
        self.since = since  # of a join: None or [epoch, seq]
        self.answer = None
        self.answered = None  # time
        self.epoch = None
        self.seq = None
        self.recovered = None
        self.code = None  # of an error
        self.outcome = None

    def delay_ms(self):
        return (self.answered - self.time) / MS


class Session:
    def __init__(self, number, user, time):
        self.number = number
        self.user = user
        self.opened = time
        self.closed = None  # time
        self.code = None
        self.reason = ""
        self.requests = {}  # by id
        self.received = defaultdict(list)  # room: [(time, epoch, seq, n)], live or with a join
        self.new_epochs = []  # (time, room, epoch, seq) of each `joined` that nobody asked for
        self.gaps = []  # (time, room, epoch, from, to)

    def was_open(self, time):
        return self.opened <= time and (self.closed is None or self.closed > time)


class Recording:
    def __init__(self, events):
        self.sessions = {}
        self.sent = {}  # n: time
        for time, kind, *words in events:
            take = getattr(self, "on_" + kind, None)
            if take is not None:
                take(time, *words)

    # ---- questions

    def open_at(self, time):
        return [s for s in self.sessions.values() if s.was_open(time)]

    def requests(self, kind, answer=None, sessions=None):
        """Of all sessions, or some; with any answer, or with that one."""
        for session in self.sessions.values() if sessions is None else sessions:
            for request in session.requests.values():
                if request.kind == kind and answer in (None, request.answer):
                    yield request

    def acks(self):
        return self.requests("pub", "ack")

    def errors(self):
        return [r for s in self.sessions.values() for r in s.requests.values()
                if r.answer == "error"]

    def ack_delays_ms(self, sessions, begin, end):
        return [r.delay_ms() for r in self.requests("pub", "ack", sessions)
                if begin <= r.time < end]

    def delivery_delays_ms(self, sessions, begin, end):
        """From the publish, by whomever, to its arrival at one of these sessions."""
        return [(time - self.sent[n]) / MS for s in sessions for received in s.received.values()
                for time, _, _, n in received if begin <= self.sent[n] < end]

    # ---- events

    def on_open(self, time, s, _client, user, _allowed):
        self.sessions[s] = Session(s, user, time)

    def on_close(self, time, s, code, reason):
        session = self.sessions[s]
        session.closed, session.code, session.reason = time, code, reason

    def on_pub(self, time, s, ident, room, n, _key, _echo):
        self.sent[n] = time
        self.sessions[s].requests[ident] = Request(time, "pub", room, n=n)

    def on_join(self, time, s, ident, room, since):
        self.sessions[s].requests[ident] = Request(time, "join", room, since=since)

    def answer(self, time, s, ident, kind):
        request = self.sessions[s].requests[ident]
        request.answer, request.answered = kind, time
        return request

    def on_ack(self, time, s, ident, _room, epoch, seq, _duplicate):
        request = self.answer(time, s, ident, "ack")
        request.epoch, request.seq = epoch, seq

    def on_error(self, time, s, ident, code, outcome):
        request = self.answer(time, s, ident, "error")
        request.code, request.outcome = code, outcome

    def on_joined(self, time, s, ident, room, epoch, seq, recovered, messages):
        session = self.sessions[s]
        if ident is None:
            session.new_epochs.append((time, room, epoch, seq))
            return
        request = self.answer(time, s, ident, "joined")
        request.epoch, request.seq, request.recovered = epoch, seq, recovered
        session.received[room] += [(time, epoch, one, n) for one, n, _ in messages or ()]

    def on_msg(self, time, s, room, epoch, seq, n, _digest):
        self.sessions[s].received[room].append((time, epoch, seq, n))

    def on_gap(self, time, s, room, epoch, low, high):
        self.sessions[s].gaps.append((time, room, epoch, low, high))


def quantile(values, share):
    """The value that this share of them does not exceed."""
    return sorted(values)[int((len(values) - 1) * share)]
