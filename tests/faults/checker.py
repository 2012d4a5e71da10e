"""Judges a recording of what clients did and saw: ten invariants, a verdict for each.

The checker computes and does nothing else: it is fed events in the order of their times and knows
no socket, no program and no fault. It trusts no client's opinion either: what a client should have
seen follows from what all of them saw and from what the protocol promises, and a fault excuses
nothing that the protocol does not excuse: a calm run and a stormy one are judged alike.

An event is a list that begins with a time in microseconds (one clock for all processes) and a kind:

  open     s client user allowed   a session has begun; `allowed`: its rooms, null for any
  close    s code reason           it has ended, whoever ended it (code null: without a Close frame)
  pub      s id room n key echo    asked to publish the text `n`, which names one message for good
  join     s id room since         since: null or [epoch, seq]
  leave    s id room
  hist     s id room before limit
  msg      s room epoch seq n digest     digest: "SIZE/SUM" of the message as it was sent
  ack      s id room epoch seq duplicate
  joined   s id room epoch seq recovered messages     id null: not asked for, or answered late
  left     s id room                                  the same
  gap      s room epoch from to
  watch    s                       it has joined a pattern; again: its edge has a new session
  heard    s room epoch seq n digest     as msg, by the pattern
  history  s id room epoch seq messages               messages: [[seq, n, digest], ...]
  error    s id code outcome
  router   what                    "down" or "up": the router's memory is gone, or a new one runs
  members  began room clients      who is in the room, as the router says, asked at time `began`
  memory   name size where         `where`: "baseline" or "after"; in units that fit the name
  burst    what sums               "begin" or "end" of a time without a fault;
                                   sums: {metric: [count, value]}, over all programs
  settled                          all faults are mended and all answers should be there

With limit `lossless` nothing may be lost, told or not: for faults of which the protocol promises that
(a planned restart of the router, a short cut of a link).

An invariant that no event touched is reported as not judged, so that a run that proves nothing
cannot look like one that does. The alternative, a model of the router that replays every input,
was rejected: it would have to guess the order in which the router read its links.
"""

import bisect
from collections import defaultdict

INVARIANTS = {
    "I1": "what is acked reaches every member, or the member is told",
    "I2": "nothing reaches a session twice",
    "I3": "one seq is one message everywhere, and they come without holes",
    "I4": "the messages of one sender keep their order",
    "I5": "history is a contiguous part of what was seen live",
    "I6": "the router's members are the clients that are there",
    "I7": "nobody hears a room that he is not in or not allowed",
    "I8": "a publish is answered once, and published once or not at all, as answered",
    "I9": "memory, descriptors and queues return to where they were",
    "I10": "the metrics add up",
}

BREACHES_MAX = 100  # kept of one invariant; the first ones tell
SECOND = 1_000_000


class Limits:
    """What the run was configured with."""

    def __init__(self, history_messages=100, kept_bytes=100_000, ghost_s=10, answer_s=20,
                 growth=0.1, slack=None, lossless=False):
        self.history_messages = history_messages  # a room's newest so many are kept,
        self.kept_bytes = kept_bytes  # if they come to no more than this
        self.ghost_s = ghost_s  # one who is gone may be listed for this long
        self.answer_s = answer_s  # a request may be unanswered for this long
        self.growth = growth  # the share by which memory may grow
        self.slack = slack or {}  # last word of a memory's name: what never counts as growth
        # No gap, no request that is `unavailable`; an epoch that ends was heard to its end by its
        # members, and the next one is heard from its beginning.
        self.lossless = lossless


class Place:
    """Where a session stands in a room: all up to `seq` has come, or was told of, or was before."""

    def __init__(self, epoch, seq, since):
        self.epoch = epoch
        self.seq = seq
        self.since = since  # time
        self.told = []  # (from, to) of gaps


class Session:
    def __init__(self, client, user, allowed):
        self.client = client
        self.user = user
        self.allowed = None if allowed is None else frozenset(allowed)
        self.closed = None  # time
        self.places = {}
        self.left = {}  # room: time
        self.pending = {}  # id: Request
        self.heard = {}  # room: (epoch, seq), by a pattern
        self.heard_since = {}  # room: how often it was told that it watches
        self.watched = 0
        self.late = []  # those that were answered with "unknown" and may still be carried out

    def may(self, room):
        return self.allowed is None or room in self.allowed

    def asks(self, kind, room):
        return any(r.kind == kind and r.room == room for r in self.pending.values())

    def take_late(self, kind, room, with_since=False, since=None):
        """The request that is carried out now; some of the older ones may never be. The answer to a
        join may tell what it was about: the one with that `since`, if there is one."""
        possible = [r for r in self.late if r.kind == kind and r.room == room
                    and (r.details is not None) == with_since]
        found = next((r for r in possible if since is not None and r.details == since),
                     possible[0] if possible else None)
        if found is not None:
            self.late.remove(found)
        return found


class Request:
    def __init__(self, kind, time, room, generation, details):
        self.kind = kind
        self.time = time
        self.room = room
        self.generation = generation  # of the router
        self.details = details


class Attempt:
    """One try to publish a message. One with a key may be tried again, in any session."""

    def __init__(self, s, n, room, key, echo):
        self.s = s
        self.n = n
        self.room = room
        self.key = key
        self.echo = echo
        self.fate = "open"  # then "acked", "duplicate", "unknown" or "refused"


class Acked:
    """The highest seq of one room and epoch that was acked to anybody, over time."""

    def __init__(self):
        self.times = []
        self.tops = []

    def add(self, time, seq):
        if not self.tops or seq > self.tops[-1]:
            self.times.append(time)
            self.tops.append(seq)

    def before(self, time):
        n = bisect.bisect_left(self.times, time)
        return self.tops[n - 1] if n > 0 else 0


class Checker:
    """feed() every event, then finish(); `breaches` is a list of (invariant, time, text)."""

    def __init__(self, limits=None):
        self.limits = limits or Limits()
        self.breaches = []
        self.judged = defaultdict(int)
        self.now = 0
        self.generation = 0  # of routers
        self.sessions = {}
        self.by_client = {}
        self.attempts = defaultdict(list)  # n: [Attempt]
        self.sent = defaultdict(list)  # (s, room): [Attempt], in the order of sending
        self.logs = defaultdict(dict)  # (room, epoch): {seq: (n, digest)}
        self.acks = {}  # (room, epoch, seq): n
        self.found = defaultdict(set)  # n: {(room, epoch, seq)}
        self.acked = defaultdict(Acked)  # (room, epoch)
        self.current = {}  # room: epoch of the newest ack
        self.holes = []  # (invariant, time, s, room, epoch, from, to)
        self.ends = []  # (time, s, room, epoch, seq): where a session stood when an epoch was over
        self.baseline = {}
        self.burst = None
        self.counts = defaultdict(int)

    # ---- reporting

    def require(self, condition, invariant, *words):
        self.judged[invariant] += 1
        if not condition and sum(b[0] == invariant for b in self.breaches) < BREACHES_MAX:
            self.breaches.append((invariant, self.now, " ".join(str(word) for word in words)))
        return condition

    def lose(self, invariant, *words):
        """What the protocol allows, if it is told; not here, if nothing may be lost."""
        if self.limits.lossless:
            self.require(False, invariant, *words)

    def feed(self, event):
        self.now = event[0]
        getattr(self, "on_" + event[1])(*event[2:])

    # ---- sessions and what they ask

    def on_open(self, s, client, user, allowed):
        self.sessions[s] = self.by_client[client] = Session(client, user, allowed)

    def on_close(self, s, _code, _reason=""):
        self.sessions[s].closed = self.now

    def ask(self, s, ident, kind, room, details=None):
        self.sessions[s].pending[ident] = Request(kind, self.now, room, self.generation, details)

    def on_pub(self, s, ident, room, n, key, echo):
        attempt = Attempt(s, n, room, key, echo)
        self.attempts[n].append(attempt)
        self.sent[s, room].append(attempt)
        self.counts["received"] += 1
        self.ask(s, ident, "pub", room, attempt)

    def on_join(self, s, ident, room, since):
        self.ask(s, ident, "join", room, since)

    def on_leave(self, s, ident, room):
        self.ask(s, ident, "leave", room)

    def on_hist(self, s, ident, room, before, limit):
        self.ask(s, ident, "hist", room, (before, limit))

    def answered(self, s, ident, kinds, room=None):
        """The request that this answer belongs to, which is answered now and not again."""
        request = self.sessions[s].pending.pop(ident, None)
        fits = (request is not None and request.kind in kinds
                and room in (None, request.room))
        self.require(fits, "I8", f"session {s}: an answer to {ident!r} that was not asked for, or "
                     "not again, or not so")
        return request if fits else None

    def entitled(self, s, room, what):
        session = self.sessions[s]
        return self.require(session.may(room), "I7", "session", s, "of", session.user, "gets", what,
                            "of", room)

    def place_of(self, s, room, what):
        """None, and a breach, if the session is not in the room."""
        place = self.sessions[s].places.get(room)
        self.require(place is not None, "I7", "session", s, "gets", what, "of", room,
                     "without being in it")
        return place

    # ---- messages

    def learn(self, room, epoch, seq, n, digest):
        """Everybody who sees this place of a room sees this message."""
        known = self.logs[room, epoch].setdefault(seq, (n, digest))
        self.require(known == (n, digest), "I3", room, epoch, seq, "is", known, "to one and",
                     (n, digest), "to another")
        self.found[n].add((room, epoch, seq))

    def kept(self, room, epoch, top, end):
        """How many messages up to `end` of a room that stands at `top` must still be kept."""
        log, size, n = self.logs[room, epoch], 0, 0
        for seq in range(top, max(top - self.limits.history_messages, 0), -1):
            size += int(log.get(seq, (None, f"{self.limits.kept_bytes}/"))[1].partition("/")[0])
            if size > self.limits.kept_bytes:
                break
            n += seq <= end
        return n

    def skip(self, invariant, s, room, place, to):
        """Nothing came between the session's place and `to`. finish() says whether that is right:
        what a session sends with echo:false does not come back to it."""
        if place.seq + 1 < to:
            self.holes.append((invariant, self.now, s, room, place.epoch, place.seq + 1, to - 1))

    def on_msg(self, s, room, epoch, seq, n, digest):
        self.counts["delivered"] += 1
        self.counts["written"] += 1
        self.learn(room, epoch, seq, n, digest)
        place = self.place_of(s, room, "a message") if self.entitled(s, room, "a message") else None
        if place is None:
            return
        if not self.require(epoch == place.epoch, "I3", "session", s, "gets", room, epoch, seq,
                            "but was never told that", place.epoch, "is over"):
            return
        given_up = any(low <= seq <= high for low, high in place.told)
        self.require(seq > place.seq or given_up, "I2", "session", s, "gets", room, epoch, seq,
                     "again, after", place.seq)
        self.require(seq > place.seq or not given_up, "I3", "session", s, "gets", room, epoch, seq,
                     "after it was told that this is lost")
        if seq > place.seq:
            self.skip("I3", s, room, place, seq)
            place.seq = seq

    # ---- patterns

    def on_watch(self, s):
        self.sessions[s].watched += 1

    def on_heard(self, s, room, epoch, seq, n, digest):
        """A message that came by a pattern. Between two sessions of an edge some may be missing, and
        the client is told that it watches anew."""
        self.counts["written"] += 1
        self.learn(room, epoch, seq, n, digest)
        session = self.sessions[s]
        self.require(session.watched > 0, "I7", "session", s, "hears of", room, "too early")
        last, when = session.heard.get(room), session.heard_since.get(room)
        if last is not None and last[0] == epoch:
            self.require(seq > last[1], "I2", "session", s, "hears", room, epoch, seq,
                         "again, after", last[1])
            self.require(seq == last[1] + 1 or when < session.watched, "I3", "session", s, "hears",
                         room, epoch, seq, "after", last[1], "without being told of a loss")
        session.heard[room] = (epoch, seq)
        session.heard_since[room] = session.watched

    def on_gap(self, s, room, epoch, low, high):
        self.lose("I1", "session", s, "is told of a gap of", room, epoch, low, high)
        place = self.place_of(s, room, "a gap")
        if place is None:
            return
        if self.require(epoch == place.epoch and place.seq < low <= high, "I3", "session", s, "at",
                        place.epoch, place.seq, "is told of a gap of", room, epoch, low, high):
            self.skip("I3", s, room, place, low)
            place.told.append((low, high))
            place.seq = high

    # ---- joining and leaving

    def on_joined(self, s, ident, room, epoch, seq, recovered, messages):
        if not self.entitled(s, room, "joined"):
            return
        for one_seq, n, digest in messages or ():
            self.learn(room, epoch, one_seq, n, digest)
        session = self.sessions[s]
        place = session.places.get(room)
        is_news = place is not None and place.epoch != epoch and recovered is False
        if ident is not None:
            request = self.answered(s, ident, ("join",), room)
            if request is None:
                return
        elif is_news and not messages:
            request = None
            self.judge_news(s, room, place, epoch, seq)
        else:
            since = [epoch, seq - len(messages or ())] if recovered else None
            request = session.take_late("join", room, recovered is not None, since)
            self.require(request is not None, "I3" if place else "I7", "session", s,
                         "is told without having asked that it is in", room, epoch, seq)
        if request is not None:
            self.judge_joined(s, request, epoch, seq, recovered, messages)
        if place is not None and place.epoch == epoch:
            self.require(place.seq <= seq, "I3", "session", s, "joins", room, "at", seq, "but had",
                         place.seq)
            if not recovered:
                self.skip("I1", s, room, place, seq + 1)
        session.places[room] = Place(epoch, seq, self.now)

    def judge_news(self, s, room, place, epoch, seq):
        """A new epoch ends the old one, of which finish() knows how far it went."""
        if self.limits.lossless:
            self.ends.append((self.now, s, room, place.epoch, place.seq))
        if seq > 0:
            self.lose("I1", "session", s, "hears of", room, epoch, "from", seq, "on only")

    def judge_joined(self, s, request, epoch, seq, recovered, messages):
        room, since = request.room, request.details
        least = self.acked[room, epoch].before(request.time)
        self.require(seq >= least, "I1", "session", s, "joins", room, epoch, "at", seq, "but",
                     least, "was acked before it asked")
        if recovered:
            got = [one[0] for one in messages or ()]
            self.require(since is not None and since[0] == epoch
                         and got == list(range(since[1] + 1, seq + 1)), "I1",
                         "session", s, "recovers", room, epoch, "from", since, "to", seq, "with",
                         got)
            return
        self.require(recovered is (None if since is None else False) and not messages, "I1",
                     "session", s, "joins", room, "since", since, "with", recovered, messages)
        possible = since is not None and since[0] == epoch and (
            0 <= seq - since[1] <= self.kept(room, epoch, seq, seq))
        self.require(not possible, "I1", "session", s, "does not recover", room, epoch, "from",
                     since, "to", seq, "though that is kept")

    def on_left(self, s, ident, room):
        session = self.sessions[s]
        if ident is None:
            request = session.take_late("leave", room)
            self.require(request is not None, "I8", "session", s, "left", room,
                         "without having asked")
        else:
            request = self.answered(s, ident, ("leave",), room)
        place = session.places.pop(room, None)
        session.left[room] = self.now
        if not self.require(place is not None, "I6", "session", s, "leaves", room,
                            "without having been in it"):
            return
        # What was acked before it asked has come by now, if it was the same router all the time.
        if request is not None and request.generation == self.generation:
            least = self.acked[room, place.epoch].before(request.time)
            self.skip("I1", s, room, place, least + 1)

    # ---- other answers

    def on_history(self, s, ident, room, epoch, seq, messages):
        request = self.answered(s, ident, ("hist",), room)
        if request is None or not self.entitled(s, room, "history"):
            return
        for one_seq, n, digest in messages:
            self.learn(room, epoch, one_seq, n, digest)
        before, limit = request.details
        end = seq if before is None else min(before - 1, seq)
        got = [one[0] for one in messages]
        self.require(min(self.kept(room, epoch, seq, end), limit) <= len(got) <= limit
                     and got == list(range(end - len(got) + 1, end + 1)), "I5",
                     "session", s, "asks for", limit, "of", room, epoch, "before", before, "of",
                     seq, "and gets", got)
        least = self.acked[room, epoch].before(request.time)
        self.require(seq >= least, "I5", "session", s, "gets history of", room, epoch, "up to", seq,
                     "but", least, "was acked before it asked")

    def on_ack(self, s, ident, room, epoch, seq, duplicate):
        self.counts["acked"] += 1
        request = self.answered(s, ident, ("pub",), room)
        if request is None:
            return
        self.entitled(s, room, "an ack")
        attempt = request.details
        attempt.fate = "duplicate" if duplicate else "acked"
        self.require(attempt.key is not None or not duplicate, "I8", "session", s, "is told that",
                     attempt.n, "is a duplicate, but it has no key")
        known = self.acks.setdefault((room, epoch, seq), attempt.n)
        self.require(known == attempt.n, "I8", room, epoch, seq, "is acked as", known, "and as",
                     attempt.n)
        self.found[attempt.n].add((room, epoch, seq))
        self.acked[room, epoch].add(self.now, seq)
        if not duplicate:
            self.current[room] = epoch
        place = self.sessions[s].places.get(room)
        if place is not None and place.epoch == epoch and attempt.echo:
            self.require(place.seq >= seq, "I1", "session", s, "gets the ack of", room, epoch, seq,
                         "before the message, at", place.seq)

    def on_error(self, s, ident, code, outcome):
        self.counts["rejected"] += 1
        request = self.answered(s, ident, ("pub", "join", "leave", "hist"))
        if request is None:
            return
        self.require(code != "forbidden" or not self.sessions[s].may(request.room), "I7",
                     "session", s, "may not", request.kind, request.room)
        if code == "unavailable":
            self.lose("I8", "session", s, "gets no answer to", request.kind, request.room, outcome)
        if outcome == "unknown":
            self.sessions[s].late.append(request)
        if request.kind == "pub":
            self.require(code != "unavailable" or outcome in ("none", "unknown"), "I8",
                         "session", s, "is told", code, "with outcome", outcome)
            request.details.fate = "unknown" if outcome == "unknown" else "refused"

    # ---- what the driver sees

    def on_router(self, what):
        if what == "down":
            self.generation += 1

    def on_members(self, began, room, clients):
        for client in clients:
            session = self.by_client.get(client)
            if not self.require(session is not None, "I6", client, "is in", room,
                                "but was never there"):
                continue
            gone = session.closed is not None and (
                session.closed < began - self.limits.ghost_s * SECOND)
            left = room not in session.places and not session.asks("join", room) and (
                session.left.get(room, -1) < began) and session.closed is None
            self.require(not gone and not left, "I6", client, "is a ghost in", room)
        there = set(clients)
        for session in self.sessions.values():
            place = session.places.get(room)
            if place is not None and place.since < began and session.closed is None and (
                    not session.asks("leave", room)):
                self.require(session.client in there, "I6", session.client, "of", session.user,
                             "is missing in", room)

    def on_memory(self, name, size, where):
        if where == "baseline":
            self.baseline[name] = size
            return
        most = self.baseline[name] * (1 + self.limits.growth) + (
            self.limits.slack.get(name.split()[-1], 0))
        self.require(size <= most, "I9", name, "is", size, "and was", self.baseline[name])

    def on_burst(self, what, sums):
        if what == "begin":
            self.burst = (sums, dict(self.counts))
            return
        sums_before, counts_before = self.burst
        for metric, (count, value) in sums.items():
            measured = value - sums_before[metric][1]
            seen = self.counts[count] - counts_before.get(count, 0)
            self.require(measured == seen, "I10", metric, "grew by", measured, "but clients saw",
                         seen, count)

    def on_settled(self):
        for s, session in self.sessions.items():
            if session.closed is not None:
                continue
            for ident, request in session.pending.items():
                self.require(request.time > self.now - self.limits.answer_s * SECOND, "I8",
                             "session", s, request.kind, ident, "in", request.room,
                             "was never answered")
            for room, place in session.places.items():
                epoch = self.current.get(room)
                if epoch is None:
                    continue
                if self.require(place.epoch == epoch, "I1", "session", s, "still is in", room,
                                place.epoch, "and was never told of", epoch):
                    self.skip("I1", s, room, place, self.acked[room, epoch].before(self.now) + 1)

    # ---- the end

    def finish(self):
        self.judge_ends()
        self.judge_holes()
        self.judge_orders()
        self.judge_publishes()
        return self.breaches

    def judge_ends(self):
        """Who was there when an epoch ended has heard all that anybody heard or was acked of it."""
        for time, s, room, epoch, seq in self.ends:
            last = max([*self.logs[room, epoch], self.acked[room, epoch].before(self.now + 1)])
            if seq < last:
                self.holes.append(("I1", time, s, room, epoch, seq + 1, last))

    def judge_holes(self):
        spent = defaultdict(int)  # (s, room): unseen messages assumed to be its own
        for invariant, self.now, s, room, epoch, low, high in self.holes:
            silent = [a for a in self.sent[s, room] if not a.echo]
            own = {a.n for a in silent}
            unanswered = sum(a.fate in ("open", "unknown") for a in silent)
            for seq in range(low, high + 1):
                n = self.logs[room, epoch].get(seq, (self.acks.get((room, epoch, seq)),))[0]
                if n is None and spent[s, room] < unanswered:
                    spent[s, room] += 1
                else:
                    self.require(n in own, invariant, "session", s, "never gets", room, epoch, seq)

    def judge_orders(self):
        for (s, room), attempts in self.sent.items():
            last = None
            over = set()  # epochs
            for attempt in attempts:
                places = [(e, q) for r, e, q in self.found[attempt.n] if r == room]
                again = len(self.attempts[attempt.n]) > 1 or attempt.fate == "duplicate"
                if again or len(places) != 1:
                    continue
                (epoch, seq), = places
                in_order = epoch not in over and (
                    last is None or epoch != last[0] or seq > last[1])
                self.require(in_order, "I4", "session", s, "sent", attempt.n, "to", room,
                             "later than what is at", last, "but it is at", epoch, seq)
                if last is not None and epoch != last[0]:
                    over.add(last[0])
                last = (epoch, seq)

    def judge_publishes(self):
        for n, places in self.found.items():
            attempts = self.attempts[n]
            possible = sum(a.fate in ("acked", "unknown", "open") for a in attempts)
            self.require(len(places) <= possible, "I8", n, "is at", sorted(places), "after",
                         [a.fate for a in attempts])
            self.require(len({(room, epoch) for room, epoch, _ in places}) == len(places), "I8", n,
                         "is twice in one epoch:", sorted(places))
            self.require(all(room == a.room for room, _, _ in places for a in attempts), "I8", n,
                         "is in another room:", sorted(places))
        for (room, epoch, seq), n in self.acks.items():
            known = self.logs[room, epoch].get(seq, (n,))[0]
            self.require(known == n, "I8", room, epoch, seq, "was acked as", n, "but is", known)


def report(checker):
    """The verdicts as lines, and whether all is well."""
    lines = []
    for invariant, sentence in INVARIANTS.items():
        breaches = [b for b in checker.breaches if b[0] == invariant]
        judged = checker.judged[invariant]
        verdict = f"BROKEN {len(breaches)}x" if breaches else "holds" if judged else "not judged"
        lines.append(f"{invariant:>4} {verdict}: {sentence} ({judged} judgements)")
        lines += [f"       {time / SECOND:.6f} {text}" for _, time, text in breaches[:10]]
    return lines, not checker.breaches
