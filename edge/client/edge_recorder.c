// A position is found when somebody asks, or when a connection ends: the room knows the last
// message that was handed to its members, and what a connection has not been written yet lies in
// its queue, each frame with the message's place. So nothing is counted for each member of each
// message.

#include "edge/client/edge_recorder.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "edge/client/conn.h"
#include "edge/state/edge.h"
#include "proto/reasons.h"

enum {
	ROOMS_MAX = 100, // of a connection that ends
};

struct head {
	int64_t at_ms;
	uint64_t epoch;
	uint64_t from;
	uint64_t seq;
	uint64_t queue_bytes;
	const char *reason;
	uint16_t code;
	uint8_t kind;
	uint8_t user_len;
	uint8_t client_len;
	uint8_t room_len;
	uint8_t detail_len;
};

static uint8_t *put(uint8_t *at, struct bytes text, uint8_t len)
{
	if (len > 0) {
		memcpy(at, text.data, len);
	}
	return at + len;
}

static uint8_t text_len(struct bytes text)
{
	return (uint8_t)(text.len < UINT8_MAX ? text.len : UINT8_MAX);
}

// Who it is about is taken from the connection.
static void add(const struct conn *c, const struct edge_record *record)
{
	char id[CLIENT_ID_MAX];
	struct bytes client = conn_client_id(c, id);
	struct bytes user = bytes_str(c->identity.user);
	const struct head head = {
		.at_ms = clock_wall_ms(),
		.epoch = record->epoch,
		.from = record->from,
		.seq = record->seq,
		.queue_bytes = record->queue_bytes,
		.reason = record->reason,
		.code = record->code,
		.kind = (uint8_t)record->kind,
		.user_len = text_len(user),
		.client_len = text_len(client),
		.room_len = text_len(record->room),
		.detail_len = text_len(record->detail),
	};
	size_t len = (size_t)head.user_len + head.client_len + head.room_len + head.detail_len;
	uint8_t *at = record_ring_add(&turn_of(c)->recorder.ring, sizeof(head) + len);
	if (at == NULL) {
		return;
	}
	memcpy(at, &head, sizeof(head));
	at = put(at + sizeof(head), user, head.user_len);
	at = put(at, client, head.client_len);
	at = put(at, record->room, head.room_len);
	put(at, record->detail, head.detail_len);
}

uint64_t written_seq(const struct conn *c, const struct fib_member *member)
{
	const struct fib_room *room = member->room;
	uint64_t seq = room->last_seq > member->join_seq ? room->last_seq : member->join_seq;
	const struct out_queue *q = &c->stream.out;
	for (uint32_t i = 0; i < q->n; i++) {
		const struct frame *f = out_queue_at(q, i);
		if (f->epoch == room->epoch && f->seq > 0 && f->seq <= seq) {
			seq = f->seq - 1;
		}
	}
	return seq;
}

void record_closed(const struct conn *c)
{
	const struct close_rule *rule = close_reason_rule((enum close_reason)c->reason);
	const struct fib_member *member;
	unsigned n = 0;
	LIST_FOREACH (member, &c->account.rooms, in_conn) {
		if (n++ == ROOMS_MAX) {
			break;
		}
		add(c,
			&(struct edge_record){
				.kind = FINDING_STOOD,
				.room = fib_room_name(member->room),
				.epoch = member->room->epoch,
				.seq = written_seq(c, member),
				.reason = rule->name,
				.code = rule->code,
				.queue_bytes = c->stream.out.bytes,
			});
	}
	add(c,
		&(struct edge_record){
			.kind = FINDING_CLOSED,
			.reason = rule->name,
			.code = rule->code,
			.queue_bytes = c->stream.out.bytes,
		});
}

static const char *why_forbidden(const struct conn *c, const struct command *command)
{
	enum right right = command_row(command->kind)->right;
	if (right == 0 || (command->is_pattern && !c->identity.admin)) {
		return "not an admin";
	}
	if (command->is_pattern) {
		return "no pattern covers it";
	}
	struct rights_subject subject = conn_subject(c);
	struct rights_decision decision =
		rights_decide(&turn_of(c)->edge->policy, &subject, right, command->room);
	return decision.allowed ? "no right to presence" : decision.reason;
}

void record_refused(const struct conn *c, const struct command *command, enum client_error error)
{
	char detail[64];
	bool known = error != ERROR_INVALID_MESSAGE;
	int len = snprintf(detail, sizeof(detail), "%s%s%s",
		known ? command_row(command->kind)->name : "message",
		error == ERROR_FORBIDDEN ? ": " : "",
		error == ERROR_FORBIDDEN ? why_forbidden(c, command) : "");
	add(c,
		&(struct edge_record){
			.kind = FINDING_REFUSED,
			.room = command->room,
			.reason = client_error_code(error),
			.detail = bytes_make(detail, (size_t)len),
		});
}

void record_not_recovered(const struct conn *c, struct bytes room, uint64_t epoch, uint64_t seq)
{
	add(c,
		&(struct edge_record){
			.kind = FINDING_NOT_RECOVERED,
			.room = room,
			.epoch = epoch,
			.seq = seq,
		});
}

void record_dropped(const struct conn *c, struct bytes room, uint64_t epoch, uint64_t from,
	uint64_t to)
{
	add(c,
		&(struct edge_record){
			.kind = FINDING_DROPPED,
			.room = room,
			.epoch = epoch,
			.from = from,
			.seq = to,
			.reason = gap_reason_name(GAP_SLOW),
			.queue_bytes = c->stream.out.bytes,
		});
}

static struct bytes take(const uint8_t **at, uint8_t len)
{
	struct bytes text = bytes_make(*at, len);
	*at += len;
	return text;
}

bool edge_recorder_older(const struct edge_recorder *rec, struct record_cursor *cursor,
	struct edge_record *record)
{
	struct bytes bytes;
	if (!record_ring_older(&rec->ring, cursor, &bytes)) {
		return false;
	}
	const struct head *head = (const struct head *)(const void *)bytes.data;
	const uint8_t *at = bytes.data + sizeof(*head);
	*record = (struct edge_record){
		.kind = (enum finding_kind)head->kind,
		.code = head->code,
		.at_ms = head->at_ms,
		.epoch = head->epoch,
		.from = head->from,
		.seq = head->seq,
		.queue_bytes = head->queue_bytes,
		.reason = head->reason,
	};
	record->user = take(&at, head->user_len);
	record->client = take(&at, head->client_len);
	record->room = take(&at, head->room_len);
	record->detail = take(&at, head->detail_len);
	return true;
}
