// The order of the questions is the order in which things happen to a message: was the client a
// member when it was routed; was it left out on purpose; was it lost on the way to the edge; what
// does the edge say of the client's queue; and at last, did the client, or its user on another
// connection, fetch it afterwards. The first question with an answer ends it, but for the last one,
// which may repair what the others found.

#include "router/admin/admin_verdict.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"

enum {
	LOST_LATER_MS = 60000, // far more than it takes to notice that an edge is lost
};

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICT_COUNT] = {
		[VERDICT_DELIVERED] = "delivered",
		[VERDICT_RECOVERED] = "recovered",
		[VERDICT_DROPPED] = "dropped",
		[VERDICT_NOT_MEMBER] = "not_member",
		[VERDICT_REFUSED] = "refused",
		[VERDICT_GONE] = "gone",
		[VERDICT_UNKNOWN] = "unknown",
	};
	CHECK(verdict < VERDICT_COUNT);
	return names[verdict];
}

// ---- what the edges said

void evidence_gather(struct evidence *e, const struct inquiry *inquiry)
{
	size_t at = 0;
	uint32_t edge;
	struct bytes packed;
	*e = (struct evidence){ 0 };
	while (inquiry_next(inquiry, &at, &edge, &packed)) {
		Weir__Link__V1__Testimony *testimony =
			weir__link__v1__testimony__unpack(NULL, packed.len, packed.data);
		if (testimony != NULL) {
			e->answers = xrealloc(e->answers, (e->n + 1) * sizeof(*e->answers));
			e->answers[e->n].edge = edge;
			e->answers[e->n++].testimony = testimony;
		}
	}
}

void evidence_fini(struct evidence *e)
{
	for (size_t i = 0; i < e->n; i++) {
		weir__link__v1__testimony__free_unpacked(e->answers[i].testimony, NULL);
	}
	free(e->answers);
}

// The newest finding of that kind about the stay's client, in the room if the kind is of rooms.
static const Weir__Link__V1__Finding *find(const struct evidence *e, const struct question *q,
	const struct stay *stay, enum finding_kind kind)
{
	for (size_t i = 0; i < e->n; i++) {
		const Weir__Link__V1__Testimony *t = e->answers[i].testimony;
		for (size_t j = 0; j < t->n_findings; j++) {
			const Weir__Link__V1__Finding *f = t->findings[j];
			bool of_room = f->room.len == 0 ||
				(bytes_equal(pb_bytes(f->room), q->room) && f->epoch == q->epoch);
			if (f->kind == kind && of_room &&
				bytes_equal(pb_bytes(f->client), stay->client)) {
				return f;
			}
		}
	}
	return NULL;
}

// ---- stays

static bool is_asked_for(const struct question *q, struct bytes user, struct bytes client)
{
	return (q->user.len == 0 || bytes_equal(q->user, user)) &&
		(q->client.len == 0 || bytes_equal(q->client, client));
}

static void add_members(const struct question *q, struct stay *stays, size_t *n)
{
	const struct table_room *room = room_table_find(&q->route->table, q->room);
	const struct membership *m;
	if (room == NULL || room->epoch != q->epoch) {
		return;
	}
	TAILQ_FOREACH (m, &room->members, in_room) {
		struct bytes user = user_name(m->client->user);
		struct bytes client = bytes_str(m->client->id);
		if (*n < STAYS_MAX && is_asked_for(q, user, client)) {
			stays[(*n)++] = (struct stay){
				.client = client,
				.user = user,
				.edge = m->client->edge->number,
				.is_member = true,
				.is_known = true,
				.joined_seq = m->join_seq,
			};
		}
	}
}

static struct stay *newest_of(struct stay *stays, size_t n, struct bytes client)
{
	while (n-- > 0) {
		if (bytes_equal(stays[n].client, client)) {
			return &stays[n];
		}
	}
	return NULL;
}

static void take_join(const struct question *q, struct stay *stay, const struct record *record)
{
	bool brings =
		q->seq > 0 && record->from > 0 && record->from <= q->seq && record->seq >= q->seq;
	if (stay == NULL) {
		return;
	}
	if (brings && record->reason == RECORD_RECOVERED) {
		stay->recovered = true;
		stay->n_recovered = record->count;
	} else if (brings && record->reason == RECORD_NOT_RECOVERED) {
		stay->not_recovered = true;
	}
	stay->joined_ms = record->at_ms;
	if (!stay->is_member) {
		stay->joined_seq = record->seq; // the oldest of several counts
		stay->is_known = true;
	}
}

// Who was there when the message was routed has joined before it: when does not matter.
static bool is_enough(const struct question *q, const struct record *record, size_t n)
{
	return q->message != NULL && record->number < q->message->number && n > 0;
}

size_t stays_find(const struct question *q, struct stay stays[STAYS_MAX])
{
	const struct recorder *rec = &q->route->recorder;
	struct record_cursor cursor;
	struct record record;
	size_t n = 0;
	add_members(q, stays, &n);
	record_ring_walk(&rec->ring, &cursor);
	while (recorder_older(rec, &cursor, &record) && !is_enough(q, &record, n)) {
		bool moves = record.kind == RECORD_JOINED || record.kind == RECORD_LEFT;
		if (!moves || record.epoch != q->epoch || !bytes_equal(record.room, q->room) ||
			!is_asked_for(q, record.user, record.client)) {
			continue;
		}
		if (record.kind == RECORD_JOINED) {
			take_join(q, newest_of(stays, n, record.client), &record);
		} else if (n < STAYS_MAX) {
			stays[n++] = (struct stay){
				.client = record.client,
				.user = record.user,
				.edge = record.edge,
				.cause = record.reason,
				.left_seq = record.seq,
				.left_ms = record.at_ms,
			};
		}
	}
	return n;
}

// ---- the verdict

static void set(struct judgement *j, enum verdict verdict, const char *reason, int64_t at_ms)
{
	j->verdict = verdict;
	j->reason = reason;
	j->at_ms = at_ms;
}

static const char *edge_of(const struct question *q, const struct stay *stay)
{
	return recorder_edge_name(&q->route->recorder, stay->edge);
}

// It came, or came back, too late for the message to be sent to it.
static bool judge_late(const struct question *q, const struct stay *stay, struct judgement *j)
{
	if (stay->joined_seq < q->seq) {
		return false;
	}
	if (stay->recovered) {
		set(j, VERDICT_RECOVERED, "since", stay->joined_ms);
		buf_printf(&j->text, "recovered %" PRIu32 " messages when it joined at edge %s",
			stay->n_recovered, edge_of(q, stay));
		return true;
	}
	set(j, VERDICT_NOT_MEMBER, stay->not_recovered ? "not_recovered" : "joined_later",
		stay->joined_ms);
	if (q->message != NULL && stay->joined_ms > 0) {
		buf_printf(&j->text, "joined %" PRId64 " ms after seq %" PRIu64,
			stay->joined_ms - q->message->at_ms, q->seq);
	} else {
		buf_printf(&j->text, "joined after it, at seq %" PRIu64, stay->joined_seq);
	}
	buf_append_str(&j->text,
		stay->not_recovered ? "; what it asked for by since was not kept any more" : "");
	return true;
}

static bool judge_absent(const struct question *q, const struct stay *stay, struct judgement *j)
{
	if (stay->is_member || stay->left_seq >= q->seq) {
		return false;
	}
	set(j, VERDICT_NOT_MEMBER, "left_before", stay->left_ms);
	buf_printf(&j->text, "left before it, at seq %" PRIu64, stay->left_seq);
	return true;
}

static bool judge_echo(const struct question *q, const struct stay *stay, struct judgement *j)
{
	if (q->message == NULL || !q->message->no_echo ||
		!bytes_equal(q->message->client, stay->client)) {
		return false;
	}
	set(j, VERDICT_DROPPED, "echo", q->message->at_ms);
	buf_append_str(&j->text, "echo:false: not to the connection that published it");
	return true;
}

static bool judge_gap(const struct question *q, const struct stay *stay, struct judgement *j)
{
	const struct recorder *rec = &q->route->recorder;
	struct record_cursor cursor;
	struct record record;
	record_ring_walk(&rec->ring, &cursor);
	while (recorder_older(rec, &cursor, &record) && !is_enough(q, &record, 1)) {
		if (record.kind == RECORD_GAP && record.edge == stay->edge &&
			record.epoch == q->epoch && record.from <= q->seq && q->seq <= record.seq &&
			bytes_equal(record.room, q->room)) {
			set(j, VERDICT_DROPPED, "gap", record.at_ms);
			buf_printf(&j->text,
				"edge %s missed seq %" PRIu64 " to %" PRIu64
				" (%.*s), and its members were notified",
				edge_of(q, stay), record.from, record.seq, (int)record.detail.len,
				(const char *)record.detail.data);
			return true;
		}
	}
	return false;
}

static void say_size(struct buf *out, uint64_t bytes)
{
	enum {
		IN_MIB_FROM = 100 << 10
	};
	const double mib = 1 << 20;
	if (bytes >= IN_MIB_FROM) {
		buf_printf(out, "%.1f MiB", (double)bytes / mib);
	} else {
		buf_printf(out, "%" PRIu64 " bytes", bytes);
	}
}

// By the policy of its room, from the queue of a client that stayed.
static bool judge_dropped(const struct question *q, const struct evidence *e,
	const struct stay *stay, struct judgement *j)
{
	const Weir__Link__V1__Finding *f = find(e, q, stay, FINDING_DROPPED);
	if (f == NULL || f->from > q->seq || q->seq > f->seq) {
		return false;
	}
	j->queue_bytes = f->queue_bytes;
	set(j, VERDICT_DROPPED, "slow", f->at_ms);
	buf_printf(&j->text,
		"slow: seq %" PRIu64 " to %" PRIu64
		" were dropped from its queue at edge %s, and it was notified",
		f->from, f->seq, edge_of(q, stay));
	return true;
}

static bool judge_member(const struct question *q, const struct evidence *e,
	const struct stay *stay, struct judgement *j)
{
	const Weir__Link__V1__Finding *f = find(e, q, stay, FINDING_MEMBER);
	if (f == NULL) {
		return false;
	}
	j->queue_bytes = f->queue_bytes;
	if (f->seq >= q->seq) {
		set(j, VERDICT_DELIVERED, "written", q->message != NULL ? q->message->at_ms : 0);
		buf_printf(&j->text, "written to its socket at edge %s", edge_of(q, stay));
	} else {
		set(j, VERDICT_UNKNOWN, "queued", 0);
		buf_printf(&j->text, "on its way at edge %s: written up to seq %" PRIu64 ", queue ",
			edge_of(q, stay), f->seq);
		say_size(&j->text, f->queue_bytes);
	}
	return true;
}

static const char *close_reason_of(const Weir__Link__V1__Finding *f)
{
	static const char *const lost[] = { "slow_consumer", "heartbeat", "peer_gone" };
	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		if (bytes_equal_str(pb_bytes(f->reason), lost[i])) {
			return lost[i];
		}
	}
	return "closed";
}

static bool judge_closed(const struct question *q, const struct evidence *e,
	const struct stay *stay, struct judgement *j)
{
	const Weir__Link__V1__Finding *f = find(e, q, stay, FINDING_STOOD);
	if (f == NULL) {
		return false;
	}
	j->queue_bytes = f->queue_bytes;
	if (f->seq >= q->seq) {
		set(j, VERDICT_DELIVERED, "written", q->message != NULL ? q->message->at_ms : 0);
		buf_printf(&j->text,
			"written to its socket at edge %s before the connection ended (%.*s)",
			edge_of(q, stay), (int)f->reason.len, (const char *)f->reason.data);
		return true;
	}
	bool slow = bytes_equal_str(pb_bytes(f->reason), "slow_consumer");
	set(j, slow ? VERDICT_DROPPED : VERDICT_GONE, close_reason_of(f), f->at_ms);
	buf_append_str(&j->text, slow ? "slow: queue " : "its connection ended before it: queue ");
	say_size(&j->text, f->queue_bytes);
	if (f->code > 0) {
		buf_printf(&j->text, ", closed %" PRIu32, f->code);
	}
	buf_printf(&j->text, " (%.*s) at edge %s", (int)f->reason.len, (const char *)f->reason.data,
		edge_of(q, stay));
	return true;
}

// What an edge that is lost knew is lost with it. A message of long before has most likely been
// written, but nobody knows any more.
static void judge_lost(const struct question *q, const struct stay *stay, struct judgement *j)
{
	const char *edge = edge_of(q, stay);
	int64_t later_ms = q->message != NULL ? stay->left_ms - q->message->at_ms : 0;
	if (later_ms > LOST_LATER_MS) {
		set(j, VERDICT_UNKNOWN, "edge_lost", stay->left_ms);
		buf_printf(&j->text,
			"was on edge %s, which was lost %" PRId64
			" s later: whether it was written is not known any more",
			edge, later_ms / 1000);
	} else {
		set(j, VERDICT_GONE, "edge_lost", stay->left_ms);
		buf_printf(&j->text, "was on edge %s when that edge was lost", edge);
	}
}

// Nothing is known of its queue.
static void judge_rest(const struct question *q, const struct evidence *e, const struct stay *stay,
	struct judgement *j)
{
	const char *edge = edge_of(q, stay);
	if (!stay->is_member && stay->cause == CAUSE_EDGE_LOST) {
		judge_lost(q, stay, j);
	} else if (!inquiry_answered(q->inquiry, stay->edge)) {
		set(j, VERDICT_UNKNOWN, "edge_silent", 0);
		buf_printf(&j->text, "edge %s does not answer", edge);
	} else if (!stay->is_member && stay->cause != CAUSE_CLOSED &&
		find(e, q, stay, FINDING_CLOSED) == NULL) {
		set(j, VERDICT_DELIVERED, "before_left",
			q->message != NULL ? q->message->at_ms : 0);
		buf_printf(&j->text, "handed to its connection at edge %s before it left", edge);
	} else {
		set(j, VERDICT_UNKNOWN, "forgotten", 0);
		buf_printf(&j->text, "was a member at edge %s, which no longer remembers more",
			edge);
	}
}

// Whether the user got it after all, on this or another connection.
static void mend(const struct question *q, const struct stay *stays, size_t n, size_t i,
	struct judgement *j)
{
	const struct stay *back = NULL;
	for (size_t k = 0; k < n; k++) {
		bool later = stays[k].joined_seq >= q->seq && stays[k].is_known &&
			bytes_equal(stays[k].user, stays[i].user);
		if (later && (back == NULL || stays[k].recovered)) {
			back = &stays[k];
		}
	}
	if (stays[i].recovered) {
		back = &stays[i];
	}
	if (back != NULL && back->recovered) {
		j->verdict = VERDICT_RECOVERED;
		j->at_ms = back->joined_ms;
		buf_printf(&j->text,
			"; recovered %" PRIu32 " messages when it came back to edge %s",
			back->n_recovered, edge_of(q, back));
	} else if (back != NULL) {
		buf_printf(&j->text, "; came back to edge %s without it%s", edge_of(q, back),
			back->not_recovered ? ", as it was not kept any more" : "");
	} else if (!stays[i].is_member) {
		buf_append_str(&j->text, "; never came back");
	}
}

void judge(const struct question *q, const struct evidence *e, const struct stay *stays, size_t n,
	size_t i, struct judgement *j)
{
	const struct stay *stay = &stays[i];
	*j = (struct judgement){ .reason = "" };
	if (judge_late(q, stay, j) || judge_absent(q, stay, j) || judge_echo(q, stay, j) ||
		judge_gap(q, stay, j) || judge_dropped(q, e, stay, j) ||
		judge_member(q, e, stay, j)) {
		return;
	}
	if (!judge_closed(q, e, stay, j)) {
		judge_rest(q, e, stay, j);
	}
	if (j->verdict == VERDICT_GONE || j->verdict == VERDICT_DROPPED) {
		mend(q, stays, n, i, j);
	}
}
