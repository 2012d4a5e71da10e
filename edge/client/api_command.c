// What a request asks goes the way of a client's message (conn_command): same rights, same limits,
// same keys, same answers. A message of a batch has its place in the batch as its id.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jscan.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/client/api_parts.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/codec/codec_json.h"
#include "edge/state/settings.h"

enum {
	BATCH_MAX = 100,
	INDEX_MAX = 3, // digits of a message's place in a batch
};

// ---- messages

// Decodes `body` as a client's publish to `room`; `key` is of the header, or of the batch.
static enum client_error take_message(struct conn *c, struct bytes room, struct bytes body,
	struct bytes key, struct command *command)
{
	struct turn *t = turn_of(c);
	struct codec_options options = t->edge->codec;
	options.lobby = room; // where a message goes that names no room
	enum client_error error = codec_room_check(room);
	if (error != ERROR_NONE) {
		return error;
	}
	error = codec_json.decode(&options, body, &t->decoded, command);
	if (error != ERROR_NONE) {
		return error;
	}
	bool other_key = key.len > 0 && command->key.len > 0 && !bytes_equal(key, command->key);
	if (command->kind != COMMAND_PUBLISH || !bytes_equal(command->room, room) || other_key ||
		key.len > KEY_MAX || (key.len > 0 && command->ephemeral)) {
		return ERROR_INVALID_MESSAGE;
	}
	command->key = key.len > 0 ? key : command->key;
	return ERROR_NONE;
}

static void refuse_message(struct conn *c, enum client_error error, struct bytes id)
{
	conn_send_error(c, error, OUTCOME_NOT_SAID, id, bytes_make(NULL, 0));
}

static void publish_one(struct conn *c, struct bytes room, struct bytes body, struct bytes key,
	struct bytes id)
{
	struct command command = { 0 };
	enum client_error error = take_message(c, room, body, key, &command);
	if (error != ERROR_NONE) {
		refuse_message(c, error, id);
		return;
	}
	command.id = id;
	if (command.trace.len == 0) {
		command.trace = c->api->manner.request_id;
	}
	conn_run_command(c, &command);
}

static const struct bytes one = { (const uint8_t *)"1", 1 }; // the id of a lone command

static void run_publish(struct conn *c, const struct http_head *head,
	const struct api_target *target, struct bytes body)
{
	struct bytes key = { 0 };
	if (http_head_find(head, "idempotency-key", &key) > 1) {
		refuse_message(c, ERROR_INVALID_MESSAGE, one);
		return;
	}
	publish_one(c, target->name, body, key, one);
}

static void run_broadcast(struct conn *c, struct bytes body)
{
	struct turn *t = turn_of(c);
	struct command command = { 0 };
	struct codec_options options = t->edge->codec;
	options.lobby = bytes_str("-"); // a room is not needed
	enum client_error error = codec_json.decode(&options, body, &t->decoded, &command);
	if (error == ERROR_NONE && command.kind != COMMAND_PUBLISH &&
		command.kind != COMMAND_BROADCAST) {
		error = ERROR_INVALID_MESSAGE;
	}
	if (error != ERROR_NONE) {
		refuse_message(c, error, one);
		return;
	}
	command.kind = COMMAND_BROADCAST;
	command.type = bytes_str("admin:broadcast");
	command.room = bytes_make(NULL, 0);
	command.id = one;
	conn_run_command(c, &command);
}

// ---- a batch

struct entry {
	struct bytes room; // decoded
	struct bytes message;
	struct bytes key; // decoded
	bool valid;
};

static struct entry take_entry(struct bytes text, struct buf *scratch)
{
	struct entry entry = { .valid = true };
	struct jscan scan;
	struct jscan_member member;
	int more;
	jscan_init(&scan, text);
	while ((more = jscan_next(&scan, &member)) > 0) {
		struct bytes name = jscan_string_decode(member.raw_name, scratch);
		if (bytes_equal_str(name, "room") && member.kind == JSCAN_STRING) {
			entry.room = jscan_string_decode(member.raw_value, scratch);
		} else if (bytes_equal_str(name, "key") && member.kind == JSCAN_STRING) {
			entry.key = jscan_string_decode(member.raw_value, scratch);
		} else if (bytes_equal_str(name, "message") && member.kind == JSCAN_OBJECT) {
			entry.message = member.raw_value;
		} else {
			entry.valid = false;
		}
	}
	entry.valid = entry.valid && more == 0 && entry.message.len > 0;
	return entry;
}

// The elements of an array that is valid JSON, as they are; `max` of them at most. Returns how many
// there are.
static size_t split_array(struct bytes array, struct bytes *elements, size_t max)
{
	size_t n = 0;
	size_t depth = 0;
	size_t start = 1;
	bool in_string = false;
	for (size_t i = 1; i < array.len; i++) {
		uint8_t byte = array.data[i];
		if (in_string) {
			i += byte == '\\' ? 1 : 0;
			in_string = byte != '"';
			continue;
		}
		bool ends = depth == 0 && (byte == ',' || byte == ']');
		if (ends) {
			struct bytes element = bytes_make(array.data + start, i - start);
			if (byte == ',' || n > 0 ||
				memchr(element.data, '{', element.len) != NULL) {
				if (n < max) {
					elements[n] = element;
				}
				n++;
			}
			start = i + 1;
		}
		in_string = byte == '"';
		depth += byte == '{' || byte == '[' ? 1 : 0;
		depth -= (byte == '}' || byte == ']') && depth > 0 ? 1 : 0;
	}
	return n;
}

// The array in the body, valid as a whole; false if it is none.
static bool find_array(struct bytes body, struct buf *wrapped, struct bytes *array)
{
	struct jscan scan;
	struct jscan_member member;
	buf_append_str(wrapped, "{\"a\":");
	buf_append_bytes(wrapped, body);
	buf_append_byte(wrapped, '}');
	jscan_init(&scan, buf_bytes(wrapped));
	if (jscan_next(&scan, &member) != 1 || member.kind != JSCAN_ARRAY) {
		return false;
	}
	*array = member.raw_value;
	return jscan_next(&scan, &member) == 0;
}

static void run_entries(struct conn *c, const struct bytes *elements, size_t n)
{
	struct buf scratch = { 0 };
	struct buf message = { 0 };
	struct api *api = c->api;
	api->results = xcalloc(n, sizeof(api->results[0]));
	api->n_results = n;
	api->n_open = n + 1; // this function's own, so that no result ends the request too early
	for (size_t i = 0; i < n; i++) {
		char id[INDEX_MAX + 1];
		int len = snprintf(id, sizeof(id), "%zu", i);
		buf_reset(&scratch, SIZE_MAX);
		buf_reserve(&scratch, elements[i].len + 1); // spans into it must not move
		struct entry entry = take_entry(elements[i], &scratch);
		struct bytes place = bytes_make(id, (size_t)len);
		if (entry.valid) {
			publish_one(c, entry.room, entry.message, entry.key, place);
		} else {
			refuse_message(c, ERROR_INVALID_MESSAGE, place);
		}
	}
	buf_fini(&scratch);
	buf_fini(&message);
	if (--api->n_open == 0) {
		api_answer_batch(c);
	}
}

static void run_batch(struct conn *c, struct bytes body)
{
	struct bytes elements[BATCH_MAX];
	struct bytes array;
	struct buf wrapped = { 0 };
	size_t n = 0;
	bool valid = find_array(body, &wrapped, &array);
	if (valid) {
		n = split_array(array, elements, BATCH_MAX);
	}
	if (!valid) {
		api_problem(c, API_NO_BATCH, "The body is no array of messages", "");
	} else if (n > BATCH_MAX) {
		api_problem(c, API_TOO_MANY, "More than 100 messages", "");
	} else {
		run_entries(c, elements, n);
	}
	buf_fini(&wrapped);
}

// ---- questions

static void run_history(struct conn *c, const struct http_head *head,
	const struct api_target *target)
{
	struct command command = {
		.kind = COMMAND_HISTORY,
		.id = one,
		.room = target->name,
		.limit = HISTORY_LIMIT_DEFAULT,
	};
	uint64_t limit;
	int has_limit = api_query_uint(head->query, "limit", &limit);
	int has_before = api_query_uint(head->query, "before", &command.before);
	enum client_error error = codec_room_check(target->name);
	if (error != ERROR_NONE) {
		refuse_message(c, error, one);
		return;
	}
	if (has_limit < 0 || has_before < 0 || (has_limit == 1 && limit < 1)) {
		refuse_message(c, ERROR_INVALID_MESSAGE, one);
		return;
	}
	if (has_limit == 1) {
		command.limit = limit < HISTORY_LIMIT_MAX ? (uint32_t)limit : HISTORY_LIMIT_MAX;
	}
	command.has_before = has_before == 1;
	conn_run_command(c, &command);
}

static void run_presence(struct conn *c, const struct api_target *target)
{
	const struct command command = {
		.kind = COMMAND_PRESENCE,
		.id = one,
		.room = target->name,
	};
	enum client_error error = codec_room_check(target->name);
	if (error == ERROR_NONE) {
		conn_run_command(c, &command);
	} else {
		refuse_message(c, error, one);
	}
}

static void append_rights(struct buf *out, const struct rights *rights)
{
	static const enum right all[] = { RIGHT_JOIN, RIGHT_PUBLISH, RIGHT_PRESENCE,
		RIGHT_HISTORY };
	for (size_t r = 0; r < ARRAY_LEN(all); r++) {
		bool first = true;
		buf_printf(out, "%s\"%s\":[", r == 0 ? "{" : ",", right_name(all[r]));
		for (size_t i = 0; rights != NULL && i < rights_count(rights); i++) {
			unsigned mask;
			struct bytes pattern = rights_at(rights, i, &mask);
			if ((mask & all[r]) != 0) {
				buf_append_str(out, first ? "" : ",");
				jscan_append_string(out, pattern);
				first = false;
			}
		}
		buf_append_byte(out, ']');
	}
	buf_append_byte(out, '}');
}

static void run_whoami(struct conn *c)
{
	const struct identity *who = &c->identity;
	const struct rights *rights =
		who->rights != NULL ? who->rights : turn_of(c)->edge->policy.defaults;
	struct buf body = { 0 };
	buf_append_str(&body, "{\"user\":");
	jscan_append_string(&body, bytes_str(who->user));
	if (who->username != NULL) {
		buf_append_str(&body, ",\"username\":");
		jscan_append_string(&body, bytes_str(who->username));
	}
	buf_append_str(&body, ",\"roles\":[");
	for (size_t i = 0; i < who->n_roles; i++) {
		buf_append_str(&body, i > 0 ? "," : "");
		jscan_append_string(&body, bytes_str(who->roles[i]));
	}
	buf_append_byte(&body, ']');
	if (who->expires_s != 0) {
		buf_printf(&body, ",\"expires\":%lld", (long long)who->expires_s);
	}
	buf_append_str(&body, ",\"rights\":");
	append_rights(&body, rights);
	buf_append_byte(&body, '}');
	api_answer(c, 200, "application/json", buf_bytes(&body));
	buf_fini(&body);
}

static void run_disconnect(struct conn *c, const struct api_target *target)
{
	const struct command command = {
		.kind = COMMAND_DISCONNECT,
		.id = one,
		.room = target->name, // the user
	};
	if (user_name_valid(target->name)) {
		log_info("disconnect", LOG_STR("by", c->identity.user),
			LOG_BYTES("user", target->name),
			LOG_BYTES("request", c->api->manner.request_id));
		conn_run_command(c, &command);
	} else {
		refuse_message(c, ERROR_INVALID_MESSAGE, one);
	}
}

// ---- all of them

void api_run_command(struct conn *c, const struct http_head *head, const struct api_target *target,
	struct bytes body)
{
	switch (target->route) {
	case API_PUBLISH:
		run_publish(c, head, target, body);
		break;
	case API_BATCH:
		run_batch(c, body);
		break;
	case API_BROADCAST:
		run_broadcast(c, body);
		break;
	case API_HISTORY:
		run_history(c, head, target);
		break;
	case API_PRESENCE:
		run_presence(c, target);
		break;
	case API_DISCONNECT:
		run_disconnect(c, target);
		break;
	case API_WHOAMI:
		run_whoami(c);
		break;
	case API_EVENTS: // HEAD
	case API_EVENTS_MANY:
		api_answer(c, 200, "text/event-stream", bytes_make(NULL, 0));
		break;
	default:
		CHECK(false); // answered before
	}
}
