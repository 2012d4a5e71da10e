#include "edge/codec/codec.h"
#include "tests/unit/test.h"

static const struct codec_options defaults = { 0 };

static const char *const two_types[] = { "note", "cursor" };
static const char *const ephemeral_types[] = { "cursor", "blink" };
static const struct codec_options restricted = {
	.message_types = two_types,
	.n_message_types = ARRAY_LEN(two_types),
	.ephemeral_types = ephemeral_types,
	.n_ephemeral_types = ARRAY_LEN(ephemeral_types),
};

static void names_every_error(void **state)
{
	(void)state;
	static const struct {
		enum client_error error;
		const char *code;
	} rows[] = {
		{ ERROR_INVALID_MESSAGE, "invalid_message" },
		{ ERROR_UNKNOWN_TYPE, "unknown_type" },
		{ ERROR_BAD_ROOM, "bad_room" },
		{ ERROR_NOT_MEMBER, "not_member" },
		{ ERROR_FORBIDDEN, "forbidden" },
		{ ERROR_LIMIT, "limit" },
		{ ERROR_RATE_LIMITED, "rate_limited" },
		{ ERROR_UNAVAILABLE, "unavailable" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(client_error_code(rows[i].error), rows[i].code);
		assert_true(strlen(client_error_message(rows[i].error)) > 0);
	}
	assert_string_equal(client_error_message(ERROR_INVALID_MESSAGE), "Invalid message format");
	assert_string_equal(client_error_message(ERROR_FORBIDDEN), "Insufficient permissions");
}

static void takes_commands_for_what_they_are(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		enum command_kind kind;
	} rows[] = {
		{ "join", COMMAND_JOIN },
		{ "leave", COMMAND_LEAVE },
		{ "direct", COMMAND_DIRECT },
		{ "history", COMMAND_HISTORY },
		{ "presence", COMMAND_PRESENCE },
		{ "auth", COMMAND_AUTH },
		{ "ping", COMMAND_PING },
		{ "admin:broadcast", COMMAND_BROADCAST },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum command_kind kind;
		assert_int_equal(codec_type_check(&defaults, bytes_str(rows[i].type), &kind),
			ERROR_NONE);
		assert_int_equal(kind, rows[i].kind);
		assert_int_equal(codec_type_check(&restricted, bytes_str(rows[i].type), &kind),
			ERROR_NONE);
		assert_int_equal(kind, rows[i].kind);
	}
}

static void publishes_what_is_not_reserved(void **state)
{
	(void)state;
	static const char *const names[] = { "chat", "typing", "other", "message", "Join", "joins",
		"admin", "weir", "admi:x", "member:joined", "token", " join", "x\n" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		enum command_kind kind = COMMAND_JOIN;
		assert_int_equal(codec_type_check(&defaults, bytes_str(names[i]), &kind),
			ERROR_NONE);
		assert_int_equal(kind, COMMAND_PUBLISH);
	}
}

static void refuses_reserved_types(void **state)
{
	(void)state;
	static const char *const names[] = { "connected", "joined", "left", "ack", "member:join",
		"member:leave", "token:expiring", "gap", "pong", "error", "admin:", "admin:kick",
		"admin:broadcasts", "weir:", "weir:anything" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		enum command_kind kind;
		assert_int_equal(codec_type_check(&defaults, bytes_str(names[i]), &kind),
			ERROR_INVALID_MESSAGE);
		assert_int_equal(codec_type_check(&restricted, bytes_str(names[i]), &kind),
			ERROR_INVALID_MESSAGE);
	}
}

static void knows_only_the_types_that_are_listed(void **state)
{
	(void)state;
	static const char *const known[] = { "note", "cursor", "blink", "typing" };
	static const char *const unknown[] = { "chat", "other", "notes", "not" };
	enum command_kind kind;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		assert_int_equal(codec_type_check(&restricted, bytes_str(known[i]), &kind),
			ERROR_NONE);
		assert_int_equal(kind, COMMAND_PUBLISH);
	}
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_int_equal(codec_type_check(&restricted, bytes_str(unknown[i]), &kind),
			ERROR_UNKNOWN_TYPE);
	}
}

static void knows_ephemeral_types(void **state)
{
	(void)state;
	assert_true(codec_type_is_ephemeral(&defaults, bytes_str("typing")));
	assert_true(codec_type_is_ephemeral(&restricted, bytes_str("typing")));
	assert_true(codec_type_is_ephemeral(&restricted, bytes_str("blink")));
	assert_false(codec_type_is_ephemeral(&defaults, bytes_str("blink")));
	assert_false(codec_type_is_ephemeral(&restricted, bytes_str("note")));
}

static void labels_types_from_a_fixed_set(void **state)
{
	(void)state;
	assert_string_equal(codec_type_label(&defaults, 0), "other");
	const struct codec_options *const both[] = { &defaults, &restricted };
	for (size_t o = 0; o < ARRAY_LEN(both); o++) {
		for (size_t i = 0; i < codec_type_count(both[o]); i++) {
			struct bytes label = bytes_str(codec_type_label(both[o], i));
			assert_int_equal(codec_type_index(both[o], label), i);
		}
	}
	static const char *const names[] = { "chat", "typing", "join", "leave", "direct", "history",
		"presence", "auth", "ping", "admin:broadcast", "connected", "joined", "left", "ack",
		"member:join", "member:leave", "token:expiring", "gap", "pong", "error" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t index = codec_type_index(&defaults, bytes_str(names[i]));
		assert_true(index > 0);
		assert_string_equal(codec_type_label(&defaults, index), names[i]);
	}
	assert_int_equal(codec_type_count(&defaults), ARRAY_LEN(names) + 1);
}

static void labels_the_rest_as_other(void **state)
{
	(void)state;
	assert_int_equal(codec_type_index(&defaults, bytes_str("note")), 0);
	assert_int_equal(codec_type_index(&defaults, bytes_str("")), 0);
	assert_int_equal(codec_type_index(&restricted, bytes_str("chat")), 0);
	assert_int_equal(codec_type_index(&restricted, bytes_str("blink")), 0);
}

static void tells_repeated_labels(void **state)
{
	(void)state;
	static const char *const repeating[] = { "typing", "note", "note", "other" };
	const struct codec_options options = { .message_types = repeating, .n_message_types = 4 };
	size_t n = codec_type_count(&options);
	size_t own = 0;
	for (size_t i = 0; i < n; i++) {
		own += codec_type_index(&options, bytes_str(codec_type_label(&options, i))) == i;
	}
	assert_int_equal(own, n - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_every_error),
		cmocka_unit_test(takes_commands_for_what_they_are),
		cmocka_unit_test(publishes_what_is_not_reserved),
		cmocka_unit_test(refuses_reserved_types),
		cmocka_unit_test(knows_only_the_types_that_are_listed),
		cmocka_unit_test(knows_ephemeral_types),
		cmocka_unit_test(labels_types_from_a_fixed_set),
		cmocka_unit_test(labels_the_rest_as_other),
		cmocka_unit_test(tells_repeated_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
