// Sentences name who, where and why, in this order, and nothing that a field beside them does not
// say as well: programs read the fields.

#include "router/admin/admin_words.h"

#include <inttypes.h>

#include "proto/names.h"

// An operator's text is for people.
static struct bytes kick_word(struct bytes detail)
{
	static const char *const words[] = { "revoked", "replaced", "overloaded", "restart" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (bytes_equal_str(detail, words[i])) {
			return detail;
		}
	}
	return bytes_str("kicked");
}

struct bytes record_reason(const struct record *record)
{
	switch ((enum record_kind)record->kind) {
	case RECORD_LEFT:
		return bytes_str(record_cause_name((enum record_cause)record->reason));
	case RECORD_REFUSED:
		return bytes_str(refusal_name(record->reason));
	case RECORD_KICKED:
		return kick_word(record->detail);
	case RECORD_GAP:
		return record->detail;
	case RECORD_JOINED:
		return bytes_str(record->reason == RECORD_RECOVERED      ? "recovered"
				: record->reason == RECORD_NOT_RECOVERED ? "not_recovered"
									 : "");
	default:
		return bytes_make(NULL, 0);
	}
}

static void say(struct buf *out, struct bytes text)
{
	buf_append_bytes(out, text);
}

// "tea: "
static void say_room(const struct record *record, struct buf *out)
{
	say(out, record->room);
	buf_append_str(out, record->room.len > 0 ? ": " : "");
}

// "ann (c1 at edge e1)"
static void say_who(const struct recorder *rec, const struct record *record, struct buf *out)
{
	say(out, record->user);
	if (record->client.len > 0) {
		buf_append_str(out, " (");
		say(out, record->client);
		buf_printf(out, " at edge %s)", recorder_edge_name(rec, record->edge));
	}
}

static void say_message(const struct recorder *rec, const struct record *record, struct buf *out)
{
	buf_printf(out, "seq %" PRIu64 " of ", record->seq);
	if (record->user.len > 0) {
		say_who(rec, record, out);
	} else {
		buf_append_str(out, "weirctl");
	}
	buf_printf(out, " to %" PRIu32 " connections on %u edges", record->count, record->n_edges);
	if (record->no_echo) {
		buf_append_str(out, ", echo:false");
	}
	if (record->detail.len > 0) {
		buf_append_str(out, ", trace ");
		say(out, record->detail);
	}
}

static void say_join(const struct recorder *rec, const struct record *record, struct buf *out)
{
	say_who(rec, record, out);
	buf_printf(out, " joined at seq %" PRIu64, record->seq);
	if (record->reason == RECORD_RECOVERED) {
		buf_printf(out, " and recovered %" PRIu32 " messages from seq %" PRIu64 " on",
			record->count, record->from);
	} else if (record->reason == RECORD_NOT_RECOVERED) {
		buf_printf(out, "; what it asked for, from seq %" PRIu64 " on, is not kept",
			record->from);
	}
}

static void say_leave(const struct recorder *rec, const struct record *record, struct buf *out)
{
	static const char *const causes[CAUSE_COUNT] = {
		[CAUSE_ASKED] = "as it asked",
		[CAUSE_FORBIDDEN] = "as its new token does not allow the room",
		[CAUSE_CLOSED] = "as its connection ended",
		[CAUSE_EDGE_LOST] = "as its edge was lost",
	};
	say_who(rec, record, out);
	buf_printf(out, " left at seq %" PRIu64 ", %s", record->seq,
		record->reason < CAUSE_COUNT ? causes[record->reason] : "?");
}

void record_say(const struct recorder *rec, const struct record *record, struct buf *out)
{
	const char *edge = recorder_edge_name(rec, record->edge);
	say_room(record, out);
	switch ((enum record_kind)record->kind) {
	case RECORD_PUBLISHED:
		say_message(rec, record, out);
		break;
	case RECORD_JOINED:
		say_join(rec, record, out);
		break;
	case RECORD_REJOINED:
		say_who(rec, record, out);
		buf_printf(out, " is announced again and has missed what follows seq %" PRIu64,
			record->from - 1);
		break;
	case RECORD_LEFT:
		say_leave(rec, record, out);
		break;
	case RECORD_REFUSED:
		say(out, record->detail);
		buf_append_str(out, " refused to ");
		say_who(rec, record, out);
		buf_printf(out, ": %s", refusal_name(record->reason));
		break;
	case RECORD_KICKED:
		say_who(rec, record, out);
		buf_append_str(out, " is closed: ");
		say(out, record->detail);
		break;
	case RECORD_REVOKED:
		buf_append_str(out, record->user.len > 0 ? "tokens of user " : "token ");
		say(out, record->user.len > 0 ? record->user : record->detail);
		buf_printf(out, " revoked, %" PRIu32 " connections closed", record->count);
		break;
	case RECORD_GAP:
		buf_printf(out, "edge %s misses seq %" PRIu64 " to %" PRIu64 ": ", edge,
			record->from, record->seq);
		say(out, record->detail);
		break;
	case RECORD_REPLAYED:
		buf_printf(out, "edge %s was sent what it had missed, up to seq %" PRIu64, edge,
			record->seq);
		break;
	case RECORD_CONNECTED:
		say_who(rec, record, out);
		buf_append_str(out, " connected");
		break;
	case RECORD_DISCONNECTED:
		say_who(rec, record, out);
		buf_append_str(out, " disconnected");
		break;
	case RECORD_EDGE_UP:
		buf_printf(out, "edge %s is up", edge);
		break;
	case RECORD_EDGE_DOWN:
		buf_printf(out, "edge %s is down, with %" PRIu32 " connections", edge,
			record->count);
		break;
	case RECORD_DRAINING:
		buf_printf(out, record->count > 0 ? "edge %s drains" : "edge %s no longer drains",
			edge);
		break;
	case RECORD_KIND_COUNT:
		break;
	}
}

void admin_text_field(struct admin_reply *reply, const char *name, struct bytes text)
{
	if (text.len > 0) {
		admin_reply_text(reply, name, text);
	} else {
		admin_reply_null(reply, name);
	}
}

void admin_seq_field(struct admin_reply *reply, uint64_t seq)
{
	if (seq > 0) {
		admin_reply_number(reply, "seq", seq);
	} else {
		admin_reply_null(reply, "seq");
	}
}

void admin_epoch_field(struct admin_reply *reply, uint64_t epoch, char text[EPOCH_TEXT_MAX])
{
	admin_text_field(reply, "epoch",
		bytes_make(text, epoch != 0 ? epoch_format(epoch, text) : 0));
}
