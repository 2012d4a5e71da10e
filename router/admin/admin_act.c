// The commands that change something: messages of the operator's, a restart prepared.
// Each leaves a line in the log, by what it writes to the reply's `audit`.

#include <inttypes.h>
#include <string.h>

#include "proto/names.h"
#include "router/admin/admin_call.h"
#include "router/admin/admin_message.h"

// ---- messages

// `type` is a broadcast's; empty: the text must say it.
static bool parse_message(struct admin_call *call, struct bytes text, struct bytes type,
	struct buf *scratch, struct route_message *message)
{
	struct admin_message parsed;
	const char *why = admin_message_parse(text, type, scratch, &parsed);
	if (why != NULL) {
		admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__USAGE, "invalid_message: %s",
			why);
		return false;
	}
	*message = (struct route_message){
		.type = parsed.type,
		.body = parsed.body,
		.trace = parsed.trace,
		.ephemeral = parsed.ephemeral,
	};
	return true;
}

static void publish(struct admin_call *call, struct route_message *message)
{
	message->room = call->words[0];
	struct route_result result;
	if (!room_name_valid(message->room)) {
		admin_refuse(call,
			room_pattern_valid(message->room) ? "bad_room: no * in a room's name"
							  : "bad_room");
		return;
	}
	enum refusal refusal =
		route_publish(call->ctx->route, message, call->now_ms, call->wall_ms, &result);
	if (refusal == REFUSAL_UNAVAILABLE) {
		admin_refuse(call, "unavailable: the store refuses");
		return;
	}
	if (refusal != REFUSAL_NONE) {
		admin_refuse(call, "limit: as many rooms as max-rooms allows");
		return;
	}
	struct admin_reply *reply = call->reply;
	char epoch[EPOCH_TEXT_MAX];
	admin_reply_text(reply, "room", message->room);
	if (result.seq > 0) {
		admin_reply_text(reply, "epoch",
			bytes_make(epoch, epoch_format(result.epoch, epoch)));
		admin_reply_number(reply, "seq", result.seq);
	}
	admin_reply_time(reply, "timestamp", result.timestamp_ms);
	admin_reply_number(reply, "members", result.members);
	admin_reply_end_row(reply);
	buf_printf(&reply->audit, "room=%.*s seq=%" PRIu64, (int)message->room.len,
		(const char *)message->room.data, result.seq);
	if (message->trace.len > 0) {
		buf_append_str(&reply->audit, " trace=");
		buf_append_bytes(&reply->audit, message->trace);
	}
}

void admin_cmd_publish(struct admin_call *call)
{
	struct buf scratch = { 0 };
	struct route_message message;
	if (parse_message(call, call->words[1], bytes_make(NULL, 0), &scratch, &message)) {
		publish(call, &message);
	}
	buf_fini(&scratch);
}

void admin_cmd_broadcast(struct admin_call *call)
{
	struct buf scratch = { 0 };
	struct route_message message;
	if (parse_message(call, call->words[0], bytes_str("admin:broadcast"), &scratch, &message)) {
		struct route_result result;
		route_broadcast(call->ctx->route, &message, call->wall_ms, &result);
		admin_reply_time(call->reply, "timestamp", result.timestamp_ms);
		admin_reply_number(call->reply, "members", result.members);
		admin_reply_end_row(call->reply);
		buf_printf(&call->reply->audit, "members=%u", result.members);
	}
	buf_fini(&scratch);
}

// ---- the router

// The answer is held until there is one; the routing thread is free to do what is waited for. If
// too many are held already, weirctl comes back with the cursor.
void admin_cmd_restart_prepare(struct admin_call *call)
{
	switch (call->ctx->rest(call->ctx->arg)) {
	case ADMIN_REST_NOT_YET:
		call->reply->hold = call->state != NULL;
		if (!call->reply->hold) {
			buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX "again");
		}
		break;
	case ADMIN_REST_REACHED:
		admin_reply_flag(call->reply, "safe", true);
		admin_reply_end_row(call->reply);
		buf_append_str(&call->reply->audit, "safe=true");
		break;
	case ADMIN_REST_GIVEN_UP:
		admin_refuse(call, "not all edges have quiesced: see edges");
		break;
	}
}
