// `explain`: what became of a message for a user or a client, to whom it went at all, or what
// happened of late in a room or to a user. It begins by asking the edges and holds its answer until
// they have said what they remember, or their time is over; an edge that did not answer is named.
//
// What the recorder no longer holds is said to be so, with the time of the oldest record: an
// operator must be able to tell "it did not happen" from "we do not remember".

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "router/admin/admin_verdict.h"
#include "router/admin/admin_words.h"

enum {
	EVENTS_MAX = 50, // in one answer without a message
};

struct explained {
	struct question q;
	struct record message; // its record; kind 0 and number 0: none
	bool has_seq;
	struct bytes trace;
};

// One row; what does not apply is null.
struct row {
	struct bytes user;
	struct bytes client;
	const char *edge; // NULL: none
	const char *verdict; // NULL: it is none, but an event
	const char *reason;
	struct bytes text;
	int64_t at_ms;
	struct bytes room;
	uint64_t epoch;
	uint64_t seq;
	bool counts;
	uint64_t connections;
	uint64_t written;
	bool has_written;
	struct bytes trace;
};

static void say_row(struct admin_call *call, const struct row *row)
{
	struct admin_reply *reply = call->reply;
	char epoch[EPOCH_TEXT_MAX];
	admin_text_field(reply, "room", row->room);
	admin_epoch_field(reply, row->epoch, epoch);
	admin_seq_field(reply, row->seq);
	admin_text_field(reply, "user", row->user);
	admin_text_field(reply, "client", row->client);
	admin_text_or_null(reply, "edge", row->edge);
	admin_text_or_null(reply, "verdict", row->verdict);
	admin_text_field(reply, "reason", bytes_str(row->reason));
	admin_reply_text(reply, "text", row->text);
	if (row->at_ms > 0) {
		admin_reply_time(reply, "at", row->at_ms);
	} else {
		admin_reply_null(reply, "at");
	}
	if (row->counts) {
		admin_reply_number(reply, "connections", row->connections);
	} else {
		admin_reply_null(reply, "connections");
	}
	if (row->has_written) {
		admin_reply_number(reply, "written", row->written);
	} else {
		admin_reply_null(reply, "written");
	}
	admin_text_field(reply, "trace", row->trace);
	admin_reply_end_row(reply);
}

// ---- what is asked

// The newest message that fits: of the room and seq, or of the trace.
static bool find_message(const struct explained *x, struct record_cursor *cursor,
	struct record *record)
{
	const struct question *q = &x->q;
	while (recorder_older(&q->route->recorder, cursor, record)) {
		if (record->kind != RECORD_PUBLISHED) {
			continue;
		}
		bool of_room = q->room.len == 0 || bytes_equal(record->room, q->room);
		bool fits = x->trace.len > 0 ? bytes_equal(record->detail, x->trace)
					     : record->seq == q->seq;
		if (of_room && fits) {
			return true;
		}
	}
	return false;
}

static bool take_words(struct admin_call *call, struct explained *x)
{
	*x = (struct explained){
		.q = {
			.route = call->ctx->route,
			.user = call->options[0],
			.client = call->options[1],
		},
		.trace = call->options[2],
	};
	struct question *q = &x->q;
	if (call->n_words > 0) {
		q->room = call->words[0];
	}
	if (call->n_words > 1 && (!ascii_uint(call->words[1], &q->seq) || q->seq == 0)) {
		admin_usage(call, "SEQ is a number from 1 on");
		return false;
	}
	if ((q->user.len > 0 && q->client.len > 0) || (x->trace.len > 0 && q->seq > 0)) {
		admin_usage(call, "takes one of --user, --client; a trace or a SEQ");
		return false;
	}
	if (q->room.len + q->user.len + q->client.len + x->trace.len == 0) {
		admin_usage(call, "needs a room, a user, a client or a trace");
		return false;
	}
	x->has_seq = q->seq > 0 || x->trace.len > 0;
	return true;
}

static void take_message(struct explained *x)
{
	struct question *q = &x->q;
	struct record_cursor cursor;
	record_ring_walk(&q->route->recorder.ring, &cursor);
	if (x->has_seq && find_message(x, &cursor, &x->message)) {
		q->message = &x->message;
		q->room = x->message.room;
		q->seq = x->message.seq;
		q->epoch = x->message.epoch;
		return;
	}
	const struct table_room *room = room_table_find(&q->route->table, q->room);
	q->epoch = room != NULL ? room->epoch : 0;
}

// ---- sentences that need the time

static void say_time(struct buf *out, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char text[32];
	if (gmtime_r(&seconds, &tm) != NULL &&
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
		buf_append_str(out, text);
	}
}

static void say_oldest(const struct recorder *rec, struct buf *out)
{
	int64_t oldest_ms = recorder_oldest_ms(rec);
	buf_append_str(out, "the recorder no longer reaches that far (oldest: ");
	if (oldest_ms > 0) {
		say_time(out, oldest_ms);
	} else {
		buf_append_str(out, "none");
	}
	buf_append_str(out, ")");
}

static struct row row_of(const struct explained *x)
{
	return (struct row){
		.room = x->q.room,
		.epoch = x->q.epoch,
		.seq = x->q.seq,
		.user = x->q.user,
		.client = x->q.client,
		.trace = x->q.message != NULL ? x->q.message->detail : bytes_make(NULL, 0),
	};
}

// ---- a message without its record

// True if that message cannot be: the room has not come so far.
static bool is_ahead(const struct explained *x)
{
	const struct table_room *room = room_table_find(&x->q.route->table, x->q.room);
	return room != NULL && x->q.seq > room->seq;
}

static void explain_nothing(struct admin_call *call, const struct explained *x)
{
	struct buf text = { 0 };
	struct row row = row_of(x);
	const struct table_room *room = room_table_find(&x->q.route->table, x->q.room);
	row.verdict = verdict_name(VERDICT_UNKNOWN);
	if (x->trace.len > 0) {
		row.reason = "no_such_trace";
		buf_append_str(&text, "no message with that trace is remembered; ");
		say_oldest(&x->q.route->recorder, &text);
	} else if (is_ahead(x)) {
		row.reason = "no_such_message";
		buf_printf(&text, "the room is at seq %" PRIu64 " of its epoch", room->seq);
	} else {
		row.reason = "forgotten";
		say_oldest(&x->q.route->recorder, &text);
	}
	row.text = buf_bytes(&text);
	say_row(call, &row);
	buf_fini(&text);
}

// ---- a message, for somebody

// The newest refusal to join that the router recorded, or an edge reported.
static bool find_refusal(const struct explained *x, const struct evidence *e, struct row *row,
	struct buf *text)
{
	for (size_t i = 0; i < e->n; i++) {
		const Weir__Link__V1__Testimony *t = e->answers[i].testimony;
		for (size_t j = 0; j < t->n_findings; j++) {
			const Weir__Link__V1__Finding *f = t->findings[j];
			struct bytes detail = pb_bytes(f->detail);
			if (f->kind != FINDING_REFUSED || !bytes_has_prefix(detail, "join")) {
				continue;
			}
			row->edge = recorder_edge_name(&x->q.route->recorder, e->answers[i].edge);
			row->reason = "forbidden";
			row->at_ms = f->at_ms;
			row->user = pb_bytes(f->user);
			row->client = pb_bytes(f->client);
			buf_printf(text, "join refused at edge %s: %.*s", row->edge,
				(int)f->reason.len, (const char *)f->reason.data);
			return true;
		}
	}
	return false;
}

static void explain_absence(struct admin_call *call, const struct explained *x,
	const struct evidence *e)
{
	const struct recorder *rec = &x->q.route->recorder;
	struct buf text = { 0 };
	struct row row = row_of(x);
	row.verdict = verdict_name(VERDICT_NOT_MEMBER);
	row.reason = "never_joined";
	if (find_refusal(x, e, &row, &text)) {
		row.verdict = verdict_name(VERDICT_REFUSED);
	} else if (x->q.message == NULL) {
		row.verdict = verdict_name(VERDICT_UNKNOWN);
		row.reason = "forgotten";
		say_oldest(rec, &text);
	} else {
		buf_append_str(&text, "not in the room since ");
		say_time(&text, recorder_oldest_ms(rec));
	}
	row.text = buf_bytes(&text);
	say_row(call, &row);
	buf_fini(&text);
}

static void explain_member(struct admin_call *call, const struct explained *x,
	const struct evidence *e)
{
	struct stay *stays = xcalloc(STAYS_MAX, sizeof(*stays));
	size_t n = stays_find(&x->q, stays);
	for (size_t i = 0; i < n; i++) {
		struct judgement j;
		struct row row = row_of(x);
		judge(&x->q, e, stays, n, i, &j);
		row.user = stays[i].user;
		row.client = stays[i].client;
		row.edge = recorder_edge_name(&x->q.route->recorder, stays[i].edge);
		row.verdict = verdict_name(j.verdict);
		row.reason = j.reason;
		row.at_ms = j.at_ms;
		row.text = buf_bytes(&j.text);
		say_row(call, &row);
		buf_fini(&j.text);
	}
	if (n == 0) {
		explain_absence(call, x, e);
	}
	free(stays);
}

// ---- a message, for all

static bool says_dropped(const struct explained *x, const Weir__Link__V1__Finding *f)
{
	return f->kind == FINDING_DROPPED && f->epoch == x->q.epoch && f->from <= x->q.seq &&
		x->q.seq <= f->seq && bytes_equal(pb_bytes(f->room), x->q.room);
}

// A drop that grows is recorded again and again, the newest first.
static bool is_repeated(const struct explained *x, const Weir__Link__V1__Testimony *t, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (says_dropped(x, t->findings[k]) &&
			bytes_equal(pb_bytes(t->findings[k]->client),
				pb_bytes(t->findings[i]->client))) {
			return true;
		}
	}
	return false;
}

// From the queues of how many connections that are still there the message was dropped.
static uint64_t count_dropped(struct admin_call *call, const struct explained *x,
	const Weir__Link__V1__Testimony *t)
{
	uint64_t n = 0;
	for (size_t i = 0; i < t->n_findings; i++) {
		const Weir__Link__V1__Finding *f = t->findings[i];
		n += says_dropped(x, f) && !is_repeated(x, t, i) &&
			admin_find_client(call, pb_bytes(f->client)) != NULL;
	}
	return n;
}

// An edge counts a connection by how far it has written to it, which is past what it dropped.
// Returns how many were left out so.
static uint64_t count_written(struct admin_call *call, const struct explained *x,
	const struct evidence *e, uint32_t edge, struct row *row)
{
	uint64_t members = 0;
	uint64_t dropped = 0;
	for (size_t i = 0; i < e->n; i++) {
		const Weir__Link__V1__Testimony *t = e->answers[i].testimony;
		if (e->answers[i].edge == edge) {
			members += t->members;
			row->written += t->written;
			dropped += count_dropped(call, x, t);
		}
	}
	dropped = dropped < row->written ? dropped : row->written;
	row->written -= dropped;
	row->has_written = true;
	bool all = row->written == members;
	bool rest_dropped = !all && row->written + dropped == members;
	row->verdict = verdict_name(all ? VERDICT_DELIVERED
			: rest_dropped  ? VERDICT_DROPPED
					: VERDICT_UNKNOWN);
	row->reason = all ? "written" : rest_dropped ? "slow" : "queued";
	return dropped;
}

static void explain_place(struct admin_call *call, const struct explained *x,
	const struct evidence *e, const struct record_place *place)
{
	struct buf text = { 0 };
	struct row row = row_of(x);
	row.edge = recorder_edge_name(&x->q.route->recorder, place->edge);
	row.counts = true;
	row.connections = place->n_members;
	row.at_ms = x->message.at_ms;
	buf_printf(&text, "edge %s: %u connections", row.edge, (unsigned)place->n_members);
	if (inquiry_answered(x->q.inquiry, place->edge)) {
		uint64_t dropped = count_written(call, x, e, place->edge, &row);
		buf_printf(&text, ", written to %" PRIu64 " that are still there", row.written);
		if (dropped > 0) {
			buf_printf(&text, ", dropped from the queues of %" PRIu64, dropped);
		}
	} else {
		row.verdict = verdict_name(VERDICT_UNKNOWN);
		row.reason = "edge_silent";
		buf_append_str(&text, ", but the edge does not answer");
	}
	buf_append_str(&text, place->is_later ? ", sent with what it had missed before" : "");
	row.text = buf_bytes(&text);
	say_row(call, &row);
	buf_fini(&text);
}

static void explain_fanout(struct admin_call *call, const struct explained *x,
	const struct evidence *e)
{
	for (unsigned i = 0; i < x->message.n_edges; i++) {
		explain_place(call, x, e, &x->message.places[i]);
	}
	if (x->message.n_edges == 0) {
		struct row row = row_of(x);
		row.verdict = verdict_name(VERDICT_NOT_MEMBER);
		row.reason = "nobody";
		row.at_ms = x->message.at_ms;
		row.text = bytes_str("no connection was in the room");
		row.counts = true;
		say_row(call, &row);
	}
}

// ---- no message: what happened of late

struct event {
	int64_t at_ms;
	struct record record; // of the router; else kind RECORD_KIND_COUNT and a finding
	const Weir__Link__V1__Finding *finding;
	uint32_t edge;
};

static const char *verdict_of(const struct record *record)
{
	switch ((enum record_kind)record->kind) {
	case RECORD_REFUSED:
		return verdict_name(VERDICT_REFUSED);
	case RECORD_GAP:
		return verdict_name(VERDICT_DROPPED);
	case RECORD_LEFT:
	case RECORD_KICKED:
	case RECORD_DISCONNECTED:
		return verdict_name(VERDICT_GONE);
	case RECORD_JOINED:
		return record->reason == RECORD_RECOVERED ? verdict_name(VERDICT_RECOVERED) : NULL;
	default:
		return NULL;
	}
}

static void say_record(struct admin_call *call, const struct explained *x,
	const struct record *record)
{
	const struct recorder *rec = &x->q.route->recorder;
	struct buf text = { 0 };
	struct bytes reason = record_reason(record);
	char word[64];
	record_say(rec, record, &text);
	snprintf(word, sizeof(word), "%.*s", (int)reason.len,
		reason.len > 0 ? (const char *)reason.data : "");
	const struct row row = {
		.room = record->room,
		.epoch = record->epoch,
		.seq = record->seq,
		.user = record->user,
		.client = record->client,
		.edge = record->edge > 0 ? recorder_edge_name(rec, record->edge) : NULL,
		.verdict = verdict_of(record),
		.reason = reason.len > 0 ? word : record_kind_name((enum record_kind)record->kind),
		.text = buf_bytes(&text),
		.at_ms = record->at_ms,
	};
	say_row(call, &row);
	buf_fini(&text);
}

// "publish refused at edge e2 to bob (c3): no pattern of the token's `publish` matches"
static void say_refusal(struct buf *text, const char *edge, const Weir__Link__V1__Finding *f)
{
	struct bytes asked;
	struct bytes why;
	bool forbidden = bytes_cut(pb_bytes(f->detail), ':', &asked, &why);
	asked = forbidden ? asked : pb_bytes(f->detail);
	buf_append_bytes(text, asked);
	buf_printf(text, " refused at edge %s to ", edge);
	buf_append_bytes(text, pb_bytes(f->user));
	buf_append_str(text, " (");
	buf_append_bytes(text, pb_bytes(f->client));
	buf_append_str(text, "): ");
	if (forbidden && bytes_equal_str(why, " no pattern")) {
		buf_printf(text, "no pattern of the token's `%.*s` matches", (int)asked.len,
			(const char *)asked.data);
	} else {
		buf_append_bytes(text, forbidden ? bytes_from(why, 1) : pb_bytes(f->reason));
	}
}

static void say_close(struct buf *text, const char *edge, const Weir__Link__V1__Finding *f)
{
	buf_append_bytes(text, pb_bytes(f->user));
	buf_append_str(text, " (");
	buf_append_bytes(text, pb_bytes(f->client));
	buf_printf(text, ") ended at edge %s: %.*s", edge, (int)f->reason.len,
		(const char *)f->reason.data);
	if (f->code > 0) {
		buf_printf(text, ", closed %" PRIu32, f->code);
	}
	if (f->queue_bytes > 0) {
		buf_printf(text, ", queue %" PRIu64 " bytes", f->queue_bytes);
	}
}

static void say_finding(struct admin_call *call, const struct explained *x, uint32_t number,
	const Weir__Link__V1__Finding *f)
{
	const char *edge = recorder_edge_name(&x->q.route->recorder, number);
	struct buf text = { 0 };
	char word[64];
	bool refused = f->kind == FINDING_REFUSED;
	snprintf(word, sizeof(word), "%.*s", (int)f->reason.len,
		f->reason.len > 0 ? (const char *)f->reason.data : "");
	if (refused) {
		say_refusal(&text, edge, f);
	} else if (f->kind == FINDING_CLOSED) {
		say_close(&text, edge, f);
	} else if (f->kind == FINDING_DROPPED) {
		buf_append_bytes(&text, pb_bytes(f->user));
		buf_printf(&text, ": slow, seq %" PRIu64 " to %" PRIu64 " were dropped", f->from,
			f->seq);
	} else {
		buf_append_bytes(&text, pb_bytes(f->user));
		buf_append_str(&text, ": what it had missed is more than its queue may hold");
	}
	const struct row row = {
		.room = pb_bytes(f->room),
		.epoch = f->epoch,
		.seq = f->seq,
		.user = pb_bytes(f->user),
		.client = pb_bytes(f->client),
		.edge = edge,
		.verdict = verdict_name(refused             ? VERDICT_REFUSED
				: f->kind == FINDING_CLOSED ? VERDICT_GONE
							    : VERDICT_DROPPED),
		.reason = f->kind == FINDING_NOT_RECOVERED ? "not_recovered" : word,
		.text = buf_bytes(&text),
		.at_ms = f->at_ms,
	};
	say_row(call, &row);
	buf_fini(&text);
}

static int by_time(const void *left, const void *right)
{
	const struct event *a = left;
	const struct event *b = right;
	if (a->at_ms != b->at_ms) {
		return a->at_ms > b->at_ms ? 1 : -1;
	}
	return (a->record.number > b->record.number) - (a->record.number < b->record.number);
}

static bool is_event(const struct explained *x, const struct record *record)
{
	const struct question *q = &x->q;
	return record->kind != RECORD_PUBLISHED &&
		(q->room.len == 0 || bytes_equal(record->room, q->room)) &&
		(q->user.len == 0 || bytes_equal(record->user, q->user)) &&
		(q->client.len == 0 || bytes_equal(record->client, q->client));
}

static size_t take_records(const struct explained *x, struct event *events)
{
	const struct recorder *rec = &x->q.route->recorder;
	struct record_cursor cursor;
	struct record record;
	size_t n = 0;
	record_ring_walk(&rec->ring, &cursor);
	while (n < EVENTS_MAX && recorder_older(rec, &cursor, &record)) {
		if (is_event(x, &record)) {
			events[n++] = (struct event){ .at_ms = record.at_ms, .record = record };
		}
	}
	return n;
}

static size_t take_findings(const struct evidence *e, struct event *events, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < e->n; i++) {
		const Weir__Link__V1__Testimony *t = e->answers[i].testimony;
		for (size_t j = 0; j < t->n_findings && n < max; j++) {
			uint32_t kind = t->findings[j]->kind;
			if (kind == FINDING_REFUSED || kind == FINDING_CLOSED ||
				kind == FINDING_NOT_RECOVERED || kind == FINDING_DROPPED) {
				events[n++] = (struct event){
					.at_ms = t->findings[j]->at_ms,
					.finding = t->findings[j],
					.edge = e->answers[i].edge,
				};
			}
		}
	}
	return n;
}

static void explain_events(struct admin_call *call, const struct explained *x,
	const struct evidence *e)
{
	size_t max = EVENTS_MAX + e->n * FINDINGS_MAX;
	struct event *events = xcalloc(max, sizeof(*events));
	size_t n = take_records(x, events);
	n += take_findings(e, events + n, max - n);
	qsort(events, n, sizeof(*events), by_time);
	for (size_t i = n > EVENTS_MAX ? n - EVENTS_MAX : 0; i < n; i++) {
		if (events[i].finding != NULL) {
			say_finding(call, x, events[i].edge, events[i].finding);
		} else {
			say_record(call, x, &events[i].record);
		}
	}
	free(events);
}

// ---- all of it

static void name_silent_edges(struct admin_call *call, const struct explained *x)
{
	const struct inquiry *q = x->q.inquiry;
	for (size_t i = 0; i < q->n_edges; i++) {
		if (q->edges[i].due > 0) {
			struct buf text = { 0 };
			struct row row = row_of(x);
			row.edge = recorder_edge_name(&x->q.route->recorder, q->edges[i].number);
			row.verdict = verdict_name(VERDICT_UNKNOWN);
			row.reason = "edge_silent";
			buf_printf(&text, "edge %s does not answer", row.edge);
			row.text = buf_bytes(&text);
			say_row(call, &row);
			buf_fini(&text);
		}
	}
}

static void explain_message(struct admin_call *call, struct explained *x, const struct evidence *e)
{
	bool somebody = x->q.user.len > 0 || x->q.client.len > 0;
	if (somebody && (x->q.message != NULL || (x->q.seq > 0 && !is_ahead(x)))) {
		explain_member(call, x, e);
	} else if (x->q.message != NULL) {
		explain_fanout(call, x, e);
	} else {
		explain_nothing(call, x);
	}
}

static void conclude(struct admin_call *call, struct explained *x)
{
	struct evidence e;
	evidence_gather(&e, x->q.inquiry);
	call->reply->sentences = true;
	if (x->has_seq) {
		explain_message(call, x, &e);
	} else {
		explain_events(call, x, &e);
	}
	name_silent_edges(call, x);
	evidence_fini(&e);
}

void admin_cmd_explain(struct admin_call *call)
{
	struct explained x;
	struct route *r = call->ctx->route;
	if (!take_words(call, &x)) {
		return;
	}
	if (call->state == NULL) {
		admin_refuse(call, "too many requests at once: try again");
		return;
	}
	bool first = *call->state == 0;
	if (first) {
		take_message(&x);
		const struct route_question question = {
			.room = x.q.room,
			.user = x.q.user,
			.client = x.q.client,
			.epoch = x.q.epoch,
			.seq = x.q.seq,
		};
		*call->state = route_inquire(r, &question, call->now_ms);
	}
	struct inquiry *q = inquiry_find(&r->inquiries, *call->state);
	if (q == NULL) {
		admin_refuse(call, "too many requests at once: try again");
	} else if (!inquiry_is_over(q, call->now_ms)) {
		call->reply->hold = true;
	} else {
		if (!first) {
			take_message(&x); // not each time it is looked whether all have answered
		}
		x.q.inquiry = q;
		conclude(call, &x);
		inquiry_close(q);
	}
}
