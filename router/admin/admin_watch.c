// `watch`: what the recorder gets, sent as it comes. The cursor is the number of the next record,
// with the time of the router's start, since numbers begin anew with it; whoever reads slower than
// things happen gets the number of lost ones. A look goes back from the newest record to the
// cursor, so it costs what is new, whatever is kept.

#include <inttypes.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "proto/names.h"
#include "router/admin/admin_words.h"

enum {
	WAIT_MS = 2000, // without an event; then who watches is asked whether he still does
	ROWS_MAX = 1000, // in one answer
};

struct watch {
	struct bytes room;
	struct bytes user;
};

static bool is_wanted(const struct watch *w, const struct record *record)
{
	return (w->room.len == 0 || bytes_equal(w->room, record->room)) &&
		(w->user.len == 0 || bytes_equal(w->user, record->user));
}

static void say_event(struct admin_call *call, const struct record *record)
{
	const struct recorder *rec = &call->ctx->route->recorder;
	struct admin_reply *reply = call->reply;
	struct buf text = { 0 };
	char epoch[EPOCH_TEXT_MAX];
	const char *edge = record->edge > 0 ? recorder_edge_name(rec, record->edge) : NULL;
	bool is_message = record->kind == RECORD_PUBLISHED;
	record_say(rec, record, &text);
	admin_reply_time(reply, "at", record->at_ms);
	admin_reply_text(reply, "event",
		bytes_str(record_kind_name((enum record_kind)record->kind)));
	admin_text_field(reply, "room", record->room);
	admin_epoch_field(reply, record->epoch, epoch);
	admin_seq_field(reply, record->seq);
	admin_text_field(reply, "user", record->user);
	admin_text_field(reply, "client", record->client);
	admin_text_or_null(reply, "edge", edge);
	admin_text_field(reply, "reason", record_reason(record));
	admin_reply_number(reply, "count", record->count);
	admin_text_field(reply, "trace", is_message ? record->detail : bytes_make(NULL, 0));
	admin_reply_text(reply, "text", buf_bytes(&text));
	admin_reply_end_row(reply);
	buf_fini(&text);
}

// An event of the watch's own.
static void say_note(struct admin_call *call, const char *event, uint64_t count, const char *text)
{
	struct admin_reply *reply = call->reply;
	static const char *const empty[] = { "room", "epoch", "seq", "user", "client", "edge",
		"reason" };
	admin_reply_time(reply, "at", call->wall_ms);
	admin_reply_text(reply, "event", bytes_str(event));
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		admin_reply_null(reply, empty[i]);
	}
	admin_reply_number(reply, "count", count);
	admin_reply_null(reply, "trace");
	admin_reply_text(reply, "text", bytes_str(text));
	admin_reply_end_row(reply);
}

// Where the watch goes on; false if the cursor is none.
static bool next_of(struct admin_call *call, uint64_t *next)
{
	const struct record_ring *ring = &call->ctx->route->recorder.ring;
	struct bytes started;
	struct bytes number;
	uint64_t started_ms;
	*next = ring->next;
	if (call->cursor.len == 0) {
		return true;
	}
	if (!bytes_cut(call->cursor, ',', &started, &number) || !ascii_uint(started, &started_ms) ||
		!ascii_uint(number, next)) {
		return false;
	}
	if (started_ms != (uint64_t)call->ctx->started_ms) {
		say_note(call, "router_started", 0, "another router answers; what it saw follows");
		*next = ring->first;
	}
	*next = *next < ring->next ? *next : ring->next;
	return true;
}

static void say_lost(struct admin_call *call, uint64_t lost)
{
	char text[80];
	snprintf(text, sizeof(text), "%" PRIu64 " events were overwritten before they were read",
		lost);
	say_note(call, "skipped", lost, text);
}

// The wanted ones from `*next` on, the oldest first, and moves it on.
static void say_new(struct admin_call *call, const struct watch *w, uint64_t *next)
{
	const struct recorder *rec = &call->ctx->route->recorder;
	struct record_cursor cursor;
	struct record record;
	if (*next == rec->ring.next) {
		return;
	}
	struct record_cursor *wanted = xcalloc(ROWS_MAX, sizeof(*wanted));
	size_t n = 0;
	record_ring_walk(&rec->ring, &cursor);
	struct record_cursor at = cursor;
	while (cursor.number > *next && recorder_older(rec, &cursor, &record)) {
		if (is_wanted(w, &record)) {
			wanted[n++ % ROWS_MAX] = at;
		}
		at = cursor;
	}
	*next = rec->ring.next;
	// More than fit: the oldest of them are sent now, the others with the next answer.
	size_t first = n > ROWS_MAX ? ROWS_MAX : n;
	for (size_t i = 0; i < first && !admin_reply_is_full(call->reply); i++) {
		at = wanted[(n - 1 - i) % ROWS_MAX];
		if (recorder_older(rec, &at, &record)) {
			say_event(call, &record);
			*next = record.number + 1;
		}
	}
	*next = n <= ROWS_MAX && !admin_reply_is_full(call->reply) ? rec->ring.next : *next;
	free(wanted);
}

void admin_cmd_watch(struct admin_call *call)
{
	const struct record_ring *ring = &call->ctx->route->recorder.ring;
	const struct watch w = {
		.room = call->n_words > 0 ? call->words[0] : bytes_make(NULL, 0),
		.user = call->options[0],
	};
	uint64_t next;
	if (record_ring_size(ring) == 0) {
		admin_refuse(call, "this router records nothing: recorder-bytes is 0");
		return;
	}
	if (call->state != NULL && *call->state != 0) {
		// It has waited: `next` was found when it began.
		next = *call->state >> 16;
	} else if (!next_of(call, &next)) {
		admin_usage(call, "bad cursor");
		return;
	}
	call->reply->sentences = true;
	call->reply->live = true;
	if (next < ring->first) {
		say_lost(call, ring->first - next);
		next = ring->first;
	}
	say_new(call, &w, &next);
	if (call->reply->n_rows == 0 && call->state != NULL) {
		uint64_t looks = (*call->state & UINT16_MAX) + 1;
		*call->state = next << 16 | looks;
		call->reply->hold = looks * ADMIN_HOLD_LOOK_MS < WAIT_MS;
	}
	buf_printf(&call->reply->cursor, ADMIN_CURSOR_PREFIX "%" PRId64 ",%" PRIu64,
		call->ctx->started_ms, next);
}
