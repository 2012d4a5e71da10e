// What all codecs share: the words of the client protocol. Codes and texts of errors, what the
// reserved types mean and which of them a client may send, the text of epochs, the labels of the
// message counters. Tables, so that each word stands in the source once.
//
// Epochs are random 64-bit numbers inside. Outside they are opaque text, here the shortest
// hexadecimal form; parsing accepts exactly what formatting makes, so that two texts never mean one
// epoch and text that some other engine made is simply another epoch.
#include "edge/codec.h"

static const struct {
	const char *code;
	const char *message;
} errors[] = {
	[ERROR_NONE] = { "", "" },
	[ERROR_INVALID_MESSAGE] = { "invalid_message", "Invalid message format" },
	[ERROR_UNKNOWN_TYPE] = { "unknown_type", "Unknown message type" },
	[ERROR_BAD_ROOM] = { "bad_room", "Invalid room name" },
	[ERROR_NOT_MEMBER] = { "not_member", "Not a member of this room" },
	[ERROR_FORBIDDEN] = { "forbidden", "Insufficient permissions" },
	[ERROR_LIMIT] = { "limit", "Limit reached" },
	[ERROR_RATE_LIMITED] = { "rate_limited", "Too many messages" },
	[ERROR_UNAVAILABLE] = { "unavailable", "Service temporarily unavailable" },
};

const char *client_error_code(enum client_error error)
{
	CHECK(error < ARRAY_LEN(errors));
	return errors[error].code;
}

const char *client_error_message(enum client_error error)
{
	CHECK(error < ARRAY_LEN(errors));
	return errors[error].message;
}

// The names of the protocol. Their order is that of the labels.
static const struct {
	const char *name;
	bool sendable; // by a client, as `kind`
	enum command_kind kind;
} types[] = {
	{ "other", true, COMMAND_PUBLISH }, // as a label: all that is in no list
	{ "typing", true, COMMAND_PUBLISH },
	{ "join", true, COMMAND_JOIN },
	{ "leave", true, COMMAND_LEAVE },
	{ "direct", true, COMMAND_DIRECT },
	{ "history", true, COMMAND_HISTORY },
	{ "presence", true, COMMAND_PRESENCE },
	{ "auth", true, COMMAND_AUTH },
	{ "ping", true, COMMAND_PING },
	{ "admin:broadcast", true, COMMAND_BROADCAST },
	{ "connected", false },
	{ "joined", false },
	{ "left", false },
	{ "ack", false },
	{ "member:join", false },
	{ "member:leave", false },
	{ "token:expiring", false },
	{ "gap", false },
	{ "pong", false },
	{ "error", false },
};

static const char *const default_message_types[] = { "chat" };

// Where `name` is in the list, or `n`.
static size_t list_find(const char *const *list, size_t n, struct bytes name)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes_equal_str(name, list[i])) {
			return i;
		}
	}
	return n;
}

static size_t type_find(struct bytes type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (bytes_equal_str(type, types[i].name)) {
			return i;
		}
	}
	return ARRAY_LEN(types);
}

bool codec_type_is_ephemeral(const struct codec_options *options, struct bytes type)
{
	size_t n = options->n_ephemeral_types;
	return bytes_equal_str(type, "typing") || list_find(options->ephemeral_types, n, type) < n;
}

static enum client_error check_publish(const struct codec_options *options, struct bytes type)
{
	if (bytes_has_prefix(type, "admin:") || bytes_has_prefix(type, "weir:")) {
		return ERROR_INVALID_MESSAGE;
	}
	size_t n = options->n_message_types;
	bool known = n == 0 || list_find(options->message_types, n, type) < n ||
		codec_type_is_ephemeral(options, type);
	return known ? ERROR_NONE : ERROR_UNKNOWN_TYPE;
}

enum client_error codec_type_check(const struct codec_options *options, struct bytes type,
	enum command_kind *kind)
{
	*kind = COMMAND_PUBLISH;
	size_t i = type_find(type);
	if (i < ARRAY_LEN(types)) {
		if (!types[i].sendable) {
			return ERROR_INVALID_MESSAGE;
		}
		*kind = types[i].kind;
	}
	return *kind == COMMAND_PUBLISH ? check_publish(options, type) : ERROR_NONE;
}

// The labels behind the protocol's own.
static const char *const *label_list(const struct codec_options *options, size_t *n)
{
	bool given = options->n_message_types > 0;
	*n = given ? options->n_message_types : ARRAY_LEN(default_message_types);
	return given ? options->message_types : default_message_types;
}

size_t codec_type_count(const struct codec_options *options)
{
	size_t n;
	label_list(options, &n);
	return ARRAY_LEN(types) + n;
}

const char *codec_type_label(const struct codec_options *options, size_t i)
{
	size_t n;
	const char *const *list = label_list(options, &n);
	CHECK(i < ARRAY_LEN(types) + n);
	return i < ARRAY_LEN(types) ? types[i].name : list[i - ARRAY_LEN(types)];
}

size_t codec_type_index(const struct codec_options *options, struct bytes type)
{
	size_t i = type_find(type);
	if (i < ARRAY_LEN(types)) {
		return i;
	}
	size_t n;
	const char *const *list = label_list(options, &n);
	size_t at = list_find(list, n, type);
	return at < n ? ARRAY_LEN(types) + at : 0;
}

static const char hex_digits[] = "0123456789abcdef";

size_t epoch_format(uint64_t epoch, char out[EPOCH_TEXT_MAX])
{
	size_t len = 1;
	while (len < EPOCH_TEXT_MAX && epoch >> 4 * len != 0) {
		len++;
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = hex_digits[epoch >> 4 * (len - 1 - i) & 0xf];
	}
	return len;
}

uint64_t epoch_parse(struct bytes text)
{
	if (text.len == 0 || text.len > EPOCH_TEXT_MAX || text.data[0] == '0') {
		return 0;
	}
	uint64_t epoch = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = memchr(hex_digits, text.data[i], sizeof(hex_digits) - 1);
		if (digit == NULL) {
			return 0;
		}
		epoch = epoch << 4 | (uint64_t)(digit - hex_digits);
	}
	return epoch;
}
