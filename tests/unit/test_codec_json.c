#include <stdlib.h>

#include "common/mem.h"
#include "edge/codec/codec.h"
#include "proto/names.h"
#include "proto/policy/rights.h"
#include "tests/unit/command_text.h"
#include "tests/unit/json_text.h"
#include "tests/unit/test.h"

static const struct codec_options with_lobby = {
	.lobby = { .data = (const uint8_t *)"lobby", .len = 5 },
};
static const struct codec_options without_lobby = { 0 };

static const char *const some_types[] = { "note" };
static const char *const some_ephemeral[] = { "cursor" };
static const struct codec_options restricted = {
	.lobby = { .data = (const uint8_t *)"lobby", .len = 5 },
	.message_types = some_types,
	.n_message_types = 1,
	.ephemeral_types = some_ephemeral,
	.n_ephemeral_types = 1,
};

// Decodes a copy in a block of its own size, so that a sanitizer sees a read past the end.
static void describe_message(struct buf *out, const struct codec_options *options,
	struct bytes message, struct buf *scratch)
{
	uint8_t *copy = xmemdup(message.data, message.len);
	struct command command;
	out->len = 0;
	enum client_error error =
		codec_json.decode(options, bytes_make(copy, message.len), scratch, &command);
	if (error == ERROR_NONE) {
		command_describe(out, &command);
	} else {
		buf_append_str(out, client_error_code(error));
		describe_span(out, "id", command.id);
		assert_true(command.room.data == NULL && command.type.data == NULL &&
			command.body.data == NULL && command.key.data == NULL &&
			command.token.data == NULL && !command.has_since);
	}
	buf_append_byte(out, '\0');
	free(copy);
}

struct row {
	const char *message;
	const char *expected;
};

static void check_rows(const struct codec_options *options, const struct row *rows, size_t n)
{
	struct buf scratch = { 0 };
	struct buf got = { 0 };
	for (size_t i = 0; i < n; i++) {
		describe_message(&got, options, bytes_str(rows[i].message), &scratch);
		if (strcmp((const char *)got.data, rows[i].expected) != 0) {
			fail_msg("%s\n  is: %s\n  should be: %s", rows[i].message,
				(const char *)got.data, rows[i].expected);
		}
	}
	buf_fini(&got);
	buf_fini(&scratch);
}

static void decodes_a_publish(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"text\":\"hi\"}",
			"publish room=lobby type=chat body={\"text\":\"hi\"}" },
		{ "{\"type\":\"chat\"}", "publish room=lobby type=chat body={}" },
		{ "{\"room\":\"a\",\"text\":\"hi\",\"type\":\"chat\",\"id\":\"x\"}",
			"publish id=\"x\" room=a type=chat body={\"text\":\"hi\"}" },
		{ "{\"type\":\"chat\",\"echo\":false,\"key\":\"k1\"}",
			"publish room=lobby type=chat body={} key=k1 no_echo" },
		{ "{\"type\":\"chat\",\"echo\":true,\"ephemeral\":false}",
			"publish room=lobby type=chat body={}" },
		{ "{\"type\":\"chat\",\"ephemeral\":true}",
			"publish room=lobby type=chat body={} ephemeral" },
		{ "{\"type\":\"typing\"}", "publish room=lobby type=typing body={} ephemeral" },
		{ "{\"type\":\"typing\",\"ephemeral\":false}",
			"publish room=lobby type=typing body={} ephemeral" },
		{ "{\"type\":\"ch\\u0061t\",\"room\":\"r\\u00e4um\",\"key\":\"\\n\"}",
			"publish room=r\xc3\xa4um type=chat body={} key=\n" },
		{ "{\"typ\\u0065\":\"chat\",\"\\u0072oom\":\"a\",\"\\u0069d\":1}",
			"publish id=1 room=a type=chat body={}" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void keeps_the_senders_fields_byte_for_byte(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ " { \"a\" : 1.10 , \"type\" : \"t\" , \"b\" :\t[ 1, {\"x\" : 1e400} ]\n} ",
			"publish room=lobby type=t body={\"a\":1.10,\"b\":[ 1, {\"x\" : 1e400} "
			"]}" },
		{ "{\"type\":\"t\",\"n\":123456789012345678901234567890,\"z\":-0,\"n\\u0061me\":"
		  "\"\\u0041\"}",
			"publish room=lobby type=t "
			"body={\"n\":123456789012345678901234567890,\"z\":-0,\"n\\u0061me\":"
			"\"\\u0041\"}" },
		{ "{\"z\":null,\"a\":true,\"type\":\"t\",\"\":0,\"Tipe\":1,\"ID\":2}",
			"publish room=lobby type=t "
			"body={\"z\":null,\"a\":true,\"\":0,\"Tipe\":1,\"ID\":2}" },
		// what only control messages use is the sender's own here
		{ "{\"type\":\"t\",\"to\":1,\"since\":2,\"presence\":3,\"before\":4,\"limit\":5,"
		  "\"token\":6}",
			"publish room=lobby type=t "
			"body={\"to\":1,\"since\":2,\"presence\":3,\"before\":4,"
			"\"limit\":5,\"token\":6}" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void drops_what_is_the_servers_to_say(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"from\":\"x\",\"user\":\"admin\",\"a\":1,\"username\":{},\"seq\":9,\"epoch\":["
		  "],"
		  "\"timestamp\":\"now\",\"type\":\"t\",\"us\\u0065r\\u006eame2\":2}",
			"publish room=lobby type=t body={\"a\":1,\"us\\u0065r\\u006eame2\":2}" },
		{ "{\"type\":\"t\",\"us\\u0065r\":\"admin\",\"f\\u0072om\":1}",
			"publish room=lobby type=t body={}" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void needs_a_room_or_a_lobby(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"chat\",\"room\":\"\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"chat\",\"room\":\"a\"}", "publish room=a type=chat body={}" },
		{ "{\"type\":\"join\"}", "bad_room" },
	};
	check_rows(&without_lobby, rows, ARRAY_LEN(rows));
}

static void checks_room_names(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"room\":\"\"}", "bad_room" },
		{ "{\"type\":\"chat\",\"room\":\"a\\nb\",\"id\":3}", "bad_room id=3" },
		{ "{\"type\":\"chat\",\"room\":\"\\u202e\"}", "bad_room" },
		{ "{\"type\":\"chat\",\"room\":\"\\u007f\"}", "bad_room" },
		{ "{\"type\":\"chat\",\"room\":null}", "invalid_message" },
		{ "{\"type\":\"chat\",\"room\":7}", "invalid_message" },
		{ "{\"type\":\"chat\",\"room\":\"a*\",\"id\":3}", "bad_room id=3" },
		{ "{\"type\":\"direct\",\"to\":\"a*\"}", "bad_room" },
		{ "{\"type\":\"join\",\"pattern\":\"\"}", "bad_room" },
		{ "{\"type\":\"join\",\"pattern\":\"a*\",\"room\":\"a\"}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":{}}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"\"}", "bad_room" },
		{ "{\"type\":\"leave\"}", "bad_room" },
		{ "{\"type\":\"leave\",\"room\":\"\\u0001\"}", "bad_room" },
		{ "{\"type\":\"history\"}", "bad_room" },
		{ "{\"type\":\"presence\"}", "bad_room" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

// Inputs of growing length: a string as `field` of a message of `type`.
static void describe_length(struct buf *out, const char *type, const char *field, size_t len)
{
	struct buf message = { 0 };
	struct buf scratch = { 0 };
	buf_printf(&message, "{\"type\":\"%s\",\"%s\":\"", type, field);
	for (size_t i = 0; i < len; i++) {
		buf_append_str(&message, i % 2 == 0 ? "x" : "\\u0078");
	}
	buf_append_str(&message, "\"}");
	describe_message(out, &with_lobby, buf_bytes(&message), &scratch);
	buf_fini(&message);
	buf_fini(&scratch);
}

static void measures_strings_after_decoding(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		const char *field;
		size_t max;
		const char *error;
	} rows[] = {
		{ "chat", "room", ROOM_NAME_MAX, "bad_room" },
		{ "chat", "key", KEY_MAX, "invalid_message" },
		{ "chat", "id", 64, "invalid_message" },
		{ "direct", "to", USER_NAME_MAX, "invalid_message" },
	};
	struct buf got = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		describe_length(&got, rows[i].type, rows[i].field, rows[i].max);
		assert_null(strstr((const char *)got.data, rows[i].error));
		describe_length(&got, rows[i].type, rows[i].field, 1);
		assert_null(strstr((const char *)got.data, rows[i].error));
		describe_length(&got, rows[i].type, rows[i].field, rows[i].max + 1);
		assert_string_equal((const char *)got.data, rows[i].error);
		describe_length(&got, rows[i].type, rows[i].field, 0);
		assert_string_equal((const char *)got.data, rows[i].error);
	}
	buf_fini(&got);
}

static void measures_the_type(void **state)
{
	(void)state;
	struct row rows[] = {
		{ "{\"type\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
			"publish room=lobby "
			"type=0123456789012345678901234567890123456789012345678901234567890123 "
			"body={}" },
		{ "{\"type\":"
		  "\"01234567890123456789012345678901234567890123456789012345678901234\"}",
			"invalid_message" },
		{ "{\"type\":\"\"}", "invalid_message" },
		{ "{}", "invalid_message" },
		{ "{\"id\":5}", "invalid_message id=5" },
		{ "{\"type\":null}", "invalid_message" },
		{ "{\"type\":1,\"id\":5}", "invalid_message id=5" },
		{ "{\"type\":[\"chat\"]}", "invalid_message" },
		{ "{\"Type\":\"chat\"}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void keeps_the_id_as_sent(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"ping\",\"id\":0}", "ping id=0 type=ping" },
		{ "{\"type\":\"ping\",\"id\": -12 }", "ping id=-12 type=ping" },
		{ "{\"type\":\"ping\",\"id\":123456789012345678901234567890}",
			"ping id=123456789012345678901234567890 type=ping" },
		{ "{\"type\":\"ping\",\"id\":\"\\u0061\\/\\\"\"}",
			"ping id=\"\\u0061\\/\\\"\" type=ping" },
		{ "{\"type\":\"ping\",\"id\":\"\"}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":null}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":true}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":{}}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":[1]}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":1.0}", "invalid_message" },
		{ "{\"type\":\"ping\",\"id\":1e2}", "invalid_message" },
		{ "{\"type\":\"ping\","
		  "\"id\":12345678901234567890123456789012345678901234567890123456789012345}",
			"invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void finds_the_id_on_either_side_of_a_fault(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"id\":\"a\",\"type\":\"chat\",\"echo\":1}", "invalid_message id=\"a\"" },
		{ "{\"echo\":1,\"type\":\"chat\",\"id\":\"a\"}", "invalid_message id=\"a\"" },
		{ "{\"type\":\"error\",\"id\":7}", "invalid_message id=7" },
		{ "{\"x\":1,\"x\":2,\"type\":\"chat\",\"id\":7}", "invalid_message id=7" },
		{ "{\"id\":7,\"type\":\"chat\",\"x\":tru}", "invalid_message id=7" },
		{ "{\"id\":7,\"type\":\"chat\"} x", "invalid_message id=7" },
		{ "{\"type\":\"chat\",\"x\":tru,\"id\":7}", "invalid_message id=7" },
		{ "{\"id\":7,\"type\":\"chat\",\"id\":7}", "invalid_message" },
		{ "{\"id\":7,\"type\":\"chat\",\"\\u0069d\":\"8\"}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

// Each is where a member should be.
static const char *const defects[] = {
	"\"x\":tru",
	"\"x\":NaN",
	"\"x\":-Infinity",
	"\"x\":undefined",
	"\"x\":01",
	"\"x\":1.",
	"\"x\":.5",
	"\"x\":+1",
	"\"x\":0x10",
	"\"x\":1e",
	"\"x\":",
	"\"x\"",
	"\"x\" 1",
	"\"x\"=1",
	"\"x\":1 2",
	"x:1",
	"1:2",
	"'x':'y'",
	"null",
	"",
	"/* x */",
	"\"x\":\"\\ud800\"",
	"\"x\":\"\\udc00\\ud800\"",
	"\"\\ud800\":1",
	"\"x\":\"\\x41\"",
	"\"x\":\"\\u12\"",
	"\"x\":\"a \\\\\\\" b\\q\"",
	"\"x\":\"line\nfeed\"",
	"\"x\":\"id\":1",
	"\"x\":[1,]",
	"\"x\":[,1]",
	"\"x\":[1}",
	"\"x\":{1]",
	"\"x\":{\"id\":}",
	"\"x\":{\"id\":2,\"id\" 3}",
	"\"x\":[\"id\":2]",
	"\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
	"\"x\":[{\"\":[{\"\":[{\"\":[{\"\":[{\"\":[{\"\":[{\"\":[{\"id\":2}]}]}]}]}]}]}]}]",
	// valid JSON, and no message all the same
	"\"x\":1,\"\\u0078\":2",
	"\"x\\u0000\":1",
	"\"echo\":1",
	"\"key\":\"\"",
	"\"room\":7",
	"\"type\":\"chat\"",
};

static void finds_the_id_wherever_it_stands_and_whatever_is_wrong(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"{\"id\":\"n1\",\"type\":\"chat\",%}",
		"{\"type\":\"chat\",\"id\":\"n1\",%}",
		"{\"type\":\"chat\",%,\"id\":\"n1\"}",
		"{%,\"type\":\"chat\",\"id\":\"n1\"}",
		" { % , \"type\" : \"chat\" ,\n\"\\u0069d\" : \"n1\" } ",
		"{\"type\":\"chat\",%,\"id\":\"n1\"",
		"{\"type\":\"chat\",%,\"id\":\"n1\",\"y\":\"cut",
		"{\"type\":\"chat\",%,\"id\":\"n1\"}{\"id\":2}",
	};
	struct buf message = { 0 };
	struct buf scratch = { 0 };
	struct buf got = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(defects) * ARRAY_LEN(forms); i++) {
		struct bytes before;
		struct bytes behind;
		bytes_cut(bytes_str(forms[i % ARRAY_LEN(forms)]), '%', &before, &behind);
		message.len = 0;
		buf_append_bytes(&message, before);
		buf_append_str(&message, defects[i / ARRAY_LEN(forms)]);
		buf_append_bytes(&message, behind);
		describe_message(&got, &with_lobby, buf_bytes(&message), &scratch);
		if (strcmp((const char *)got.data, "invalid_message id=\"n1\"") != 0) {
			fail_msg("%.*s\n  is: %s", (int)message.len, (const char *)message.data,
				(const char *)got.data);
		}
	}
	buf_fini(&got);
	buf_fini(&scratch);
	buf_fini(&message);
}

static void repeats_no_id_that_cannot_be_read(void **state)
{
	(void)state;
	static const struct row rows[] = {
		// two, or none of its own
		{ "{\"id\":1,\"x\":tru,\"id\":2}", "invalid_message" },
		{ "{\"id\":1,\"x\":tru,\"\\u0069\\u0064\":1}", "invalid_message" },
		{ "{\"id\":,\"id\":2}", "invalid_message" },
		{ "{\"x\":{\"id\":1},\"y\":tru}", "invalid_message" },
		{ "{\"x\":[\"id\":1}", "invalid_message" },
		{ "[{\"id\":1}]", "invalid_message" },
		{ "{}{\"id\":1}", "invalid_message" },
		{ "\"id\":1", "invalid_message" },
		{ "x{\"id\":1}", "invalid_message" },
		{ "\xef\xbb\xbf{\"id\":1}", "invalid_message" },
		// inside a string that should have ended
		{ "{\"x\":\"C:\\\",\"id\":1}", "invalid_message" },
		{ "{\"x\":\"y,\"id\":\"1\"}", "invalid_message" },
		// no id
		{ "{\"id\":01,\"x\":1}", "invalid_message" },
		{ "{\"id\":1x}", "invalid_message" },
		{ "{\"id\":1\"x\"}", "invalid_message" },
		{ "{\"id\":1.0,\"x\":tru}", "invalid_message" },
		{ "{\"id\":tru}", "invalid_message" },
		{ "{\"id\":true,\"x\":tru}", "invalid_message" },
		{ "{\"id\":[1],\"x\":tru}", "invalid_message" },
		{ "{\"id\":\"\",\"x\":tru}", "invalid_message" },
		{ "{\"id\":\"\\ud800\"}", "invalid_message" },
		{ "{\"id\":\"a\nb\"}", "invalid_message" },
		{ "{\"id\":\"a", "invalid_message" },
		{ "{\"id\":\"a\\\"", "invalid_message" },
		{ "{\"id\":", "invalid_message" },
		{ "{\"id\"", "invalid_message" },
		{ "{\"x\":tru,\"id\":\"012345678901234567890123456789012345678901234567890123456789"
		  "01234\"}",
			"invalid_message" },
		{ "{\"x\":tru,\"id\":\"012345678901234567890123456789012345678901234567890123456789"
		  "\\u0061\\u0062cd\"}",
			"invalid_message "
			"id=\"01234567890123456789012345678901234567890123456789012345678"
			"9\\u0061\\u0062cd\"" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void lets_an_escaped_nul_travel_in_values(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"text\":\"a\\u0000b\",\"o\":{\"\\u0000\":[\"\\u0000\"]}}",
			"publish room=lobby type=chat "
			"body={\"text\":\"a\\u0000b\",\"o\":{\"\\u0000\":[\"\\u0000\"]}}" },
		{ "{\"type\":\"ping\",\"id\":\"\\u0000\"}", "ping id=\"\\u0000\" type=ping" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"x\":\"\\u0000\"}", "join room=a type=join" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
	struct buf scratch = { 0 };
	struct command command;
	struct bytes message = bytes_str("{\"type\":\"chat\",\"key\":\"k\\u0000\"}");
	assert_int_equal(codec_json.decode(&with_lobby, message, &scratch, &command), ERROR_NONE);
	assert_true(bytes_equal(command.key, bytes_make("k\0", 2)));
	buf_fini(&scratch);
}

// A receiver that ends text at the first NUL would take them for names that are the gateway's.
static void refuses_an_escaped_nul_in_names(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"user\\u0000\":\"root\",\"id\":1}", "invalid_message id=1" },
		{ "{\"id\":1,\"type\":\"chat\",\"\\u0000\":1}", "invalid_message id=1" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"x\\u0000\":1}", "invalid_message" },
		{ "{\"type\":\"error\\u0000\",\"id\":1}", "invalid_message id=1" },
		{ "{\"type\":\"chat\",\"room\":\"a\\u0000\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"join\",\"room\":\"\\u0000\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"leave\",\"room\":\"a\\u0000b\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"history\",\"room\":\"a\\u0000b\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"presence\",\"room\":\"a\\u0000b\",\"id\":1}", "bad_room id=1" },
		{ "{\"type\":\"direct\",\"to\":\"u\\u0000\",\"id\":1}", "invalid_message id=1" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void refuses_names_that_decode_alike(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"type\":\"chat\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"\\u0074ype\":\"chat\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"room\":\"a\",\"room\":\"b\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"user\":1,\"user\":2}", "invalid_message" },
		{ "{\"type\":\"chat\",\"to\":1,\"to\":1}", "invalid_message" },
		{ "{\"type\":\"chat\",\"text\":1,\"te\\u0078t\":1}", "invalid_message" },
		{ "{\"type\":\"chat\",\"\":1,\"\":1}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"x\":1,\"x\":1}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"1\",\"seq\":1,\"seq\":"
		  "1}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\","
		  "\"since\":{\"epoch\":\"1\",\"seq\":1,\"x\":1,\"\\u0078\":1}}",
			"invalid_message" },
		// inside the sender's fields we do not look
		{ "{\"type\":\"chat\",\"o\":{\"a\":1,\"a\":2}}",
			"publish room=lobby type=chat body={\"o\":{\"a\":1,\"a\":2}}" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void compares_the_names_of_large_messages(void **state)
{
	(void)state;
	struct buf message = { 0 };
	struct buf scratch = { 0 };
	struct buf got = { 0 };
	for (int n = 10; n < 30; n++) {
		message.len = 0;
		buf_append_str(&message, "{\"type\":\"chat\"");
		for (int i = 0; i < n; i++) {
			buf_printf(&message, ",\"f%d\":%d", i, i);
		}
		size_t len = message.len;
		buf_append_str(&message, ",\"g\":0}");
		describe_message(&got, &with_lobby, buf_bytes(&message), &scratch);
		assert_memory_equal(got.data, "publish", 7);
		for (int i = 0; i < n; i++) {
			message.len = len;
			buf_printf(&message, ",\"\\u0066%d\":0}", i);
			describe_message(&got, &with_lobby, buf_bytes(&message), &scratch);
			assert_string_equal((const char *)got.data, "invalid_message");
		}
	}
	buf_fini(&got);
	buf_fini(&scratch);
	buf_fini(&message);
}

static void refuses_what_is_not_one_object(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "invalid_message" },
		{ "hello", "invalid_message" },
		{ "null", "invalid_message" },
		{ "[]", "invalid_message" },
		{ "[{\"type\":\"ping\"}]", "invalid_message" },
		{ "{\"type\":\"ping\"}{\"type\":\"ping\"}", "invalid_message" },
		{ "{\"type\":\"ping\"},", "invalid_message" },
		{ "\xef\xbb\xbf{\"type\":\"ping\"}", "invalid_message" },
		{ "{\"type\":\"ping\",\"x\":NaN}", "invalid_message" },
		{ "{\"type\":\"ping\",\"x\":\"\\ud800\"}", "invalid_message" },
		{ "{\"type\":\"ping\",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "invalid_message" },
		{ "{\"type\":\"ping\",\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", "ping type=ping" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void refuses_every_prefix(void **state)
{
	(void)state;
	const char *message =
		"{\"type\":\"chat\",\"room\":\"a\\u0062\",\"key\":\"k\",\"echo\":false,"
		"\"te\\u0078t\":\"hi\",\"o\":{\"x\":[1,2.5e3,null]}}";
	struct buf scratch = { 0 };
	struct buf got = { 0 };
	for (size_t len = 0; len < strlen(message); len++) {
		describe_message(&got, &with_lobby, bytes_make(message, len), &scratch);
		assert_string_equal((const char *)got.data, "invalid_message");
	}
	describe_message(&got, &with_lobby, bytes_str(message), &scratch);
	assert_string_equal((const char *)got.data,
		"publish room=ab type=chat "
		"body={\"te\\u0078t\":\"hi\",\"o\":{\"x\":[1,2.5e3,null]}} "
		"key=k no_echo");
	buf_fini(&got);
	buf_fini(&scratch);
}

static void checks_publish_options(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"chat\",\"echo\":\"false\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"echo\":null}", "invalid_message" },
		{ "{\"type\":\"chat\",\"echo\":0}", "invalid_message" },
		{ "{\"type\":\"chat\",\"ephemeral\":\"true\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"ephemeral\":1}", "invalid_message" },
		{ "{\"type\":\"chat\",\"key\":1}", "invalid_message" },
		{ "{\"type\":\"chat\",\"key\":null}", "invalid_message" },
		{ "{\"type\":\"chat\",\"key\":\"\"}", "invalid_message" },
		{ "{\"type\":\"chat\",\"key\":\"k\",\"ephemeral\":true}", "invalid_message" },
		{ "{\"type\":\"typing\",\"key\":\"k\"}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":\"u\",\"key\":\"k\",\"ephemeral\":true}",
			"invalid_message" },
		{ "{\"type\":\"admin:broadcast\",\"key\":1}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":\"u\",\"echo\":1}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void holds_to_the_types_that_options_name(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"note\"}", "publish room=lobby type=note body={}" },
		{ "{\"type\":\"chat\",\"id\":1}", "unknown_type id=1" },
		{ "{\"type\":\"cursor\"}", "publish room=lobby type=cursor body={} ephemeral" },
		{ "{\"type\":\"cursor\",\"key\":\"k\"}", "invalid_message" },
		{ "{\"type\":\"typing\"}", "publish room=lobby type=typing body={} ephemeral" },
		{ "{\"type\":\"ping\"}", "ping type=ping" },
		{ "{\"type\":\"ack\"}", "invalid_message" },
	};
	check_rows(&restricted, rows, ARRAY_LEN(rows));
}

static void decodes_direct_messages(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"direct\",\"to\":\"anna\",\"text\":\"hi\"}",
			"direct room=user:anna type=direct body={\"text\":\"hi\"}" },
		{ "{\"a\":1,\"to\":\"anna\",\"b\":2,\"type\":\"direct\",\"room\":5}",
			"direct room=user:anna type=direct body={\"a\":1,\"b\":2}" },
		{ "{\"a\":1,\"type\":\"direct\",\"to\":\"\\u00e4\",\"id\":1}",
			"direct id=1 room=user:\xc3\xa4 type=direct body={\"a\":1}" },
		{ "{\"to\":\"u\",\"type\":\"direct\",\"key\":\"k\",\"echo\":false}",
			"direct room=user:u type=direct body={} key=k no_echo" },
		{ "{\"to\":\"u\",\"type\":\"direct\",\"ephemeral\":true}",
			"direct room=user:u type=direct body={} ephemeral" },
		{ "{\"type\":\"direct\"}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":\"\"}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":17,\"a\":1}",
			"direct room=user:17 type=direct body={\"a\":1}" },
		{ "{\"type\":\"direct\",\"to\":1.5}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":true}", "invalid_message" },
		{ "{\"type\":\"direct\",\"to\":\"a\\u0009\"}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void decodes_broadcasts(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"admin:broadcast\",\"text\":\"hi\",\"id\":\"b\",\"room\":1,\"to\":"
		  "\"x\"}",
			"broadcast id=\"b\" type=admin:broadcast "
			"body={\"text\":\"hi\",\"to\":\"x\"}" },
		{ "{\"type\":\"admin:broadcast\",\"key\":\"k\",\"echo\":false,\"ephemeral\":true}",
			"broadcast type=admin:broadcast body={}" },
		{ "{\"type\":\"admin:kick\"}", "invalid_message" },
		{ "{\"type\":\"weir:x\"}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void decodes_joins(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"join\",\"room\":\"a\"}", "join room=a type=join" },
		{ "{\"type\":\"join\",\"pattern\":\"a*\",\"presence\":false}",
			"join pattern=a* type=join" },
		{ "{\"type\":\"leave\",\"pattern\":\"*\"}", "leave pattern=* type=leave" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"presence\":true,\"id\":1}",
			"join id=1 room=a type=join presence" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"presence\":false}",
			"join room=a type=join" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"e1\",\"seq\":0}}",
			"join room=a type=join epoch=e1 seq=0" },
		{ "{\"type\":\"join\",\"since\":{ \"s\\u0065q\":9007199254740991,\"x\":{},"
		  "\"epoch\":\"\\u0065\"},\"room\":\"a\"}",
			"join room=a type=join epoch=e seq=9007199254740991" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"\",\"seq\":1}}",
			"join room=a type=join epoch= seq=1" },
		// unknown fields, and those of a publish
		{ "{\"type\":\"join\",\"room\":\"a\",\"text\":[],\"key\":1,\"echo\":2,"
		  "\"ephemeral\":3,"
		  "\"to\":4,\"limit\":5,\"user\":6}",
			"join room=a type=join" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"presence\":1}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"presence\":null}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":null}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":7}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":[]}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{}}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"seq\":1}}", "invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"e\"}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":1,\"seq\":1}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"e\",\"seq\":\"1\"}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"e\",\"seq\":-1}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\",\"since\":{\"epoch\":\"e\",\"seq\":1.0}}",
			"invalid_message" },
		{ "{\"type\":\"join\",\"room\":\"a\","
		  "\"since\":{\"epoch\":\"e\",\"seq\":9007199254740992}}",
			"invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void decodes_history_requests(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"history\",\"room\":\"a\"}", "history room=a type=history limit=50" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":10,\"limit\":1,\"id\":2}",
			"history id=2 room=a type=history before=10 limit=1" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":0,\"limit\":100}",
			"history room=a type=history before=0 limit=100" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":101}",
			"history room=a type=history limit=100" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":99999999999999999999}",
			"history room=a type=history limit=100" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":0}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":-0}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":-5}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":1.5}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":1e1}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":\"5\"}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"limit\":null}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":-1}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":1.0}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":1e400}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":9223372036854775808}",
			"invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":\"1\"}", "invalid_message" },
		{ "{\"type\":\"history\",\"room\":\"a\",\"before\":null}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void decodes_the_other_commands(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"type\":\"leave\",\"room\":\"a\",\"id\":\"l\"}",
			"leave id=\"l\" room=a type=leave" },
		{ "{\"type\":\"presence\",\"room\":\"a\"}", "presence room=a type=presence" },
		{ "{\"type\":\"ping\"}", "ping type=ping" },
		{ "{\"type\":\"ping\",\"room\":7,\"key\":[]}", "ping type=ping" },
		{ "{\"type\":\"auth\",\"token\":\"a.b.c\"}", "auth type=auth token=a.b.c" },
		{ "{\"type\":\"auth\",\"token\":\"\\u0061\"}", "auth type=auth token=a" },
		{ "{\"type\":\"auth\"}", "invalid_message" },
		{ "{\"type\":\"auth\",\"token\":\"\"}", "invalid_message" },
		{ "{\"type\":\"auth\",\"token\":1}", "invalid_message" },
	};
	check_rows(&with_lobby, rows, ARRAY_LEN(rows));
}

static void check_event(const struct client_event *event, const char *expected)
{
	struct buf out = { 0 };
	enum jscan_kind kind;
	codec_json.encode(&out, event);
	assert_bytes_equal(buf_bytes(&out), expected);
	assert_true(json_text_valid(buf_bytes(&out), &kind));
	assert_int_equal(kind, JSCAN_OBJECT);
	buf_fini(&out);
}

#define S(text)                                                                                    \
	{                                                                                          \
		.data = (const uint8_t *)(text), .len = sizeof(text) - 1                           \
	}

static void encodes_a_message(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = S("lobby"),
		.type = S("chat"),
		.from = S("c1"),
		.user = S("u\"1"),
		.username = S("\xc3\x84nna"),
		.epoch = 0xabc,
		.seq = 7,
		.timestamp_ms = 1700000000000,
		.body = S("{\"text\":\"hi\",\"n\":1.10}"),
	};
	check_event(&event,
		"{\"type\":\"chat\",\"room\":\"lobby\",\"from\":\"c1\",\"user\":\"u\\\"1\","
		"\"username\":\"\xc3\x84nna\",\"epoch\":\"abc\",\"seq\":7,"
		"\"timestamp\":1700000000000,\"text\":\"hi\",\"n\":1.10}");
	event.from = (struct bytes){ 0 }; // published by HTTP, by someone without a name
	event.username = (struct bytes){ 0 };
	check_event(&event,
		"{\"type\":\"chat\",\"room\":\"lobby\",\"user\":\"u\\\"1\",\"epoch\":\"abc\","
		"\"seq\":7,\"timestamp\":1700000000000,\"text\":\"hi\",\"n\":1.10}");
	event.seq = 0; // ephemeral
	event.body = (struct bytes)S("{}");
	check_event(&event,
		"{\"type\":\"chat\",\"room\":\"lobby\",\"user\":\"u\\\"1\","
		"\"timestamp\":1700000000000}");
}

static void encodes_a_broadcast(void **state)
{
	(void)state;
	const struct client_event event = {
		.kind = EVENT_MESSAGE,
		.type = S("admin:broadcast"),
		.from = S("c1"),
		.user = S("root"),
		.timestamp_ms = 5,
		.body = S("{\"text\":\"hi\"}"),
	};
	check_event(&event,
		"{\"type\":\"admin:broadcast\",\"from\":\"c1\",\"user\":\"root\","
		"\"timestamp\":5,\"text\":\"hi\"}");
}

static void takes_the_body_as_it_is(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "{\"type\":\"t\"}" },
		{ "{}", "{\"type\":\"t\"}" },
		{ " { \t\n} ", "{\"type\":\"t\"}" },
		{ " { \"a\" : {} } ", "{\"type\":\"t\",\"a\" : {}}" },
		{ "{\"a\":{\"b\":{}}}", "{\"type\":\"t\",\"a\":{\"b\":{}}}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct client_event event = {
			.kind = EVENT_MESSAGE,
			.type = S("t"),
			.body = bytes_str(rows[i].message),
		};
		check_event(&event, rows[i].expected);
	}
}

static void encodes_acks(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_ACK,
		.id = S("\"a\\u0062\""),
		.room = S("lobby"),
		.epoch = 1,
		.seq = 9,
		.timestamp_ms = 5,
		.members = 3,
		.has_members = true,
	};
	check_event(&event,
		"{\"type\":\"ack\",\"id\":\"a\\u0062\",\"room\":\"lobby\",\"epoch\":\"1\","
		"\"seq\":9,\"timestamp\":5,\"members\":3}");
	event.duplicate = true;
	event.id = (struct bytes)S("-7");
	check_event(&event,
		"{\"type\":\"ack\",\"id\":-7,\"room\":\"lobby\",\"epoch\":\"1\","
		"\"seq\":9,\"timestamp\":5,\"members\":3,\"duplicate\":true}");
	event.duplicate = false;
	event.seq = 0;
	check_event(&event,
		"{\"type\":\"ack\",\"id\":-7,\"room\":\"lobby\",\"timestamp\":5,"
		"\"members\":3}");
	const struct client_event of_auth = { .kind = EVENT_ACK };
	check_event(&of_auth, "{\"type\":\"ack\"}");
	const struct client_event of_broadcast = {
		.kind = EVENT_ACK,
		.id = S("1"),
		.timestamp_ms = 5,
		.members = 0,
		.has_members = true,
	};
	check_event(&of_broadcast, "{\"type\":\"ack\",\"id\":1,\"timestamp\":5,\"members\":0}");
}

static void encodes_connected(void **state)
{
	(void)state;
	static const char *const roles[] = { "admin", "a\"b" };
	struct client_event event = {
		.kind = EVENT_CONNECTED,
		.from = S("c1"),
		.user = S("u1"),
		.username = S("Anna"),
		.roles = roles,
		.n_roles = ARRAY_LEN(roles),
		.timestamp_ms = 5,
		.heartbeat_interval_s = 30,
		.heartbeat_timeout_s = 35,
		.expires_s = 1700000000,
		.max_message = 102400,
	};
	check_event(&event,
		"{\"type\":\"connected\",\"clientId\":\"c1\",\"user\":\"u1\","
		"\"username\":\"Anna\",\"roles\":[\"admin\",\"a\\\"b\"],\"timestamp\":5,"
		"\"heartbeat\":{\"interval\":30,\"timeout\":35},"
		"\"session\":{\"expires\":1700000000},\"maxMessage\":102400}");
	event.username = (struct bytes){ 0 };
	event.n_roles = 0;
	event.expires_s = 0;
	check_event(&event,
		"{\"type\":\"connected\",\"clientId\":\"c1\",\"user\":\"u1\",\"roles\":[],"
		"\"timestamp\":5,\"heartbeat\":{\"interval\":30,\"timeout\":35},"
		"\"session\":{},\"maxMessage\":102400}");
}

static const struct event_message two_messages[] = {
	{
		.type = S("chat"),
		.from = S("c1"),
		.user = S("u1"),
		.username = S("Anna"),
		.body = S("{\"text\":\"hi\"}"),
		.seq = 8,
		.timestamp_ms = 5,
	},
	{ .type = S("note"), .user = S("u2"), .body = S("{}"), .seq = 9, .timestamp_ms = 6 },
};
#define TWO_MESSAGES                                                                               \
	"\"messages\":[{\"type\":\"chat\",\"room\":\"lobby\",\"from\":\"c1\",\"user\":\"u1\","     \
	"\"username\":\"Anna\",\"epoch\":\"e\",\"seq\":8,\"timestamp\":5,\"text\":\"hi\"},"        \
	"{\"type\":\"note\",\"room\":\"lobby\",\"user\":\"u2\",\"epoch\":\"e\",\"seq\":9,"         \
	"\"timestamp\":6}]"

static void encodes_joined(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_JOINED,
		.room = S("lobby"),
		.epoch = 14,
		.seq = 0, // a room in which nothing was said yet
		.members = 2,
		.has_members = true,
	};
	check_event(&event,
		"{\"type\":\"joined\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":0,"
		"\"members\":2}");
	event.seq = 9;
	event.id = (struct bytes)S("1");
	event.has_recovered = true;
	check_event(&event,
		"{\"type\":\"joined\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":9,"
		"\"recovered\":false,\"members\":2,\"id\":1}");
	event.recovered = true;
	event.has_messages = true;
	check_event(&event,
		"{\"type\":\"joined\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":9,"
		"\"recovered\":true,\"members\":2,\"messages\":[],\"id\":1}");
	event.messages = two_messages;
	event.n_messages = 2;
	check_event(&event,
		"{\"type\":\"joined\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":9,"
		"\"recovered\":true,\"members\":2," TWO_MESSAGES ",\"id\":1}");
}

static void encodes_history(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_HISTORY,
		.has_messages = true,
		.id = S("\"h\""),
		.room = S("lobby"),
		.epoch = 14,
		.seq = 9,
		.messages = two_messages,
		.n_messages = 2,
	};
	check_event(&event,
		"{\"type\":\"history\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":9," TWO_MESSAGES
		",\"id\":\"h\"}");
	event.n_messages = 0;
	event.id = (struct bytes){ 0 };
	check_event(&event,
		"{\"type\":\"history\",\"room\":\"lobby\",\"epoch\":\"e\",\"seq\":9,"
		"\"messages\":[]}");
}

static void encodes_presence(void **state)
{
	(void)state;
	static const struct event_user users[] = {
		{ .user = S("u1"), .username = S("Anna"), .clients = 2 },
		{ .user = S("u2"), .clients = 1 },
	};
	struct client_event event = {
		.kind = EVENT_PRESENCE,
		.id = S("4"),
		.room = S("lobby"),
		.users = 2,
		.connections = 3,
		.present = users,
		.n_present = 2,
	};
	check_event(&event,
		"{\"type\":\"presence\",\"room\":\"lobby\",\"users\":2,\"connections\":3,"
		"\"members\":[{\"user\":\"u1\",\"username\":\"Anna\",\"clients\":2},"
		"{\"user\":\"u2\",\"username\":\"\",\"clients\":1}],\"id\":4}");
	event.n_present = 0;
	event.id = (struct bytes){ 0 };
	check_event(&event,
		"{\"type\":\"presence\",\"room\":\"lobby\",\"users\":2,\"connections\":3,"
		"\"members\":[]}");
}

static void encodes_short_events(void **state)
{
	(void)state;
	static const struct {
		struct client_event event;
		const char *expected;
	} rows[] = {
		{ { .kind = EVENT_LEFT, .room = S("a"), .id = S("1") },
			"{\"type\":\"left\",\"room\":\"a\",\"id\":1}" },
		{ { .kind = EVENT_LEFT, .room = S("a*"), .is_pattern = true, .id = S("1") },
			"{\"type\":\"left\",\"pattern\":\"a*\",\"id\":1}" },
		{ { .kind = EVENT_LEFT, .room = S("a"), .reason = S("forbidden") },
			"{\"type\":\"left\",\"room\":\"a\",\"reason\":\"forbidden\"}" },
		{ { .kind = EVENT_MEMBER_JOIN, .room = S("a"), .user = S("u"), .username = S("U") },
			"{\"type\":\"member:join\",\"room\":\"a\",\"user\":\"u\","
			"\"username\":\"U\"}" },
		{ { .kind = EVENT_MEMBER_LEAVE, .room = S("a"), .user = S("u") },
			"{\"type\":\"member:leave\",\"room\":\"a\",\"user\":\"u\"}" },
		{ { .kind = EVENT_TOKEN_EXPIRING, .expires_s = 30 },
			"{\"type\":\"token:expiring\",\"in\":30}" },
		{ { .kind = EVENT_TOKEN_EXPIRING }, "{\"type\":\"token:expiring\",\"in\":0}" },
		{ { .kind = EVENT_GAP,
			  .room = S("a"),
			  .epoch = 14,
			  .from_seq = 3,
			  .to_seq = 5,
			  .reason = S("link") },
			"{\"type\":\"gap\",\"room\":\"a\",\"epoch\":\"e\",\"from\":3,\"to\":5,"
			"\"reason\":\"link\"}" },
		{ { .kind = EVENT_PONG, .timestamp_ms = 5 },
			"{\"type\":\"pong\",\"timestamp\":5}" },
		{ { .kind = EVENT_PONG, .timestamp_ms = 5, .id = S("\"p\"") },
			"{\"type\":\"pong\",\"timestamp\":5,\"id\":\"p\"}" },
		{ { .kind = EVENT_ERROR, .error = ERROR_INVALID_MESSAGE },
			"{\"type\":\"error\",\"code\":\"invalid_message\","
			"\"message\":\"Invalid message format\"}" },
		{ { .kind = EVENT_ERROR, .error = ERROR_FORBIDDEN, .id = S("1"), .room = S("a") },
			"{\"type\":\"error\",\"code\":\"forbidden\","
			"\"message\":\"Insufficient permissions\",\"id\":1,\"room\":\"a\"}" },
		{ { .kind = EVENT_ERROR,
			  .error = ERROR_UNAVAILABLE,
			  .outcome = OUTCOME_NONE,
			  .room = S("a") },
			"{\"type\":\"error\",\"code\":\"unavailable\","
			"\"message\":\"Service temporarily unavailable\",\"room\":\"a\","
			"\"outcome\":\"none\"}" },
		{ { .kind = EVENT_ERROR,
			  .error = ERROR_FORBIDDEN,
			  .room = S("user:\"b\""),
			  .needs_right = RIGHT_PUBLISH },
			"{\"type\":\"error\",\"code\":\"forbidden\","
			"\"message\":\"Insufficient permissions\",\"room\":\"user:\\\"b\\\"\","
			"\"needs\":\"publish on user:\\\"b\\\"\"}" },
		{ { .kind = EVENT_ERROR, .error = ERROR_FORBIDDEN, .needs_role = "admin" },
			"{\"type\":\"error\",\"code\":\"forbidden\","
			"\"message\":\"Insufficient permissions\",\"needs\":\"role admin\"}" },
		{ { .kind = EVENT_ERROR, .error = ERROR_UNAVAILABLE, .outcome = OUTCOME_UNKNOWN },
			"{\"type\":\"error\",\"code\":\"unavailable\","
			"\"message\":\"Service temporarily unavailable\","
			"\"outcome\":\"unknown\"}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_event(&rows[i].event, rows[i].expected);
	}
}

// What a client publishes comes out as it went in, with our fields before it.
static void renders_what_it_decoded(void **state)
{
	(void)state;
	const char *message = "{\"user\":\"forged\",\"n\":1.10,\"type\":\"ch\\u0061t\",\"seq\":1,"
			      "\"text\":\"\\u0041\",\"to\":\"x\"}";
	struct buf scratch = { 0 };
	struct command command;
	assert_int_equal(codec_json.decode(&with_lobby, bytes_str(message), &scratch, &command),
		ERROR_NONE);
	const struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = command.room,
		.type = command.type,
		.user = S("u1"),
		.epoch = 1,
		.seq = 2,
		.body = command.body,
	};
	check_event(&event,
		"{\"type\":\"chat\",\"room\":\"lobby\",\"user\":\"u1\",\"epoch\":\"1\","
		"\"seq\":2,\"n\":1.10,\"text\":\"\\u0041\",\"to\":\"x\"}");
	buf_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_a_publish),
		cmocka_unit_test(keeps_the_senders_fields_byte_for_byte),
		cmocka_unit_test(drops_what_is_the_servers_to_say),
		cmocka_unit_test(needs_a_room_or_a_lobby),
		cmocka_unit_test(checks_room_names),
		cmocka_unit_test(measures_strings_after_decoding),
		cmocka_unit_test(measures_the_type),
		cmocka_unit_test(keeps_the_id_as_sent),
		cmocka_unit_test(finds_the_id_on_either_side_of_a_fault),
		cmocka_unit_test(finds_the_id_wherever_it_stands_and_whatever_is_wrong),
		cmocka_unit_test(repeats_no_id_that_cannot_be_read),
		cmocka_unit_test(lets_an_escaped_nul_travel_in_values),
		cmocka_unit_test(refuses_an_escaped_nul_in_names),
		cmocka_unit_test(refuses_names_that_decode_alike),
		cmocka_unit_test(compares_the_names_of_large_messages),
		cmocka_unit_test(refuses_what_is_not_one_object),
		cmocka_unit_test(refuses_every_prefix),
		cmocka_unit_test(checks_publish_options),
		cmocka_unit_test(holds_to_the_types_that_options_name),
		cmocka_unit_test(decodes_direct_messages),
		cmocka_unit_test(decodes_broadcasts),
		cmocka_unit_test(decodes_joins),
		cmocka_unit_test(decodes_history_requests),
		cmocka_unit_test(decodes_the_other_commands),
		cmocka_unit_test(encodes_a_message),
		cmocka_unit_test(encodes_a_broadcast),
		cmocka_unit_test(takes_the_body_as_it_is),
		cmocka_unit_test(encodes_acks),
		cmocka_unit_test(encodes_connected),
		cmocka_unit_test(encodes_joined),
		cmocka_unit_test(encodes_history),
		cmocka_unit_test(encodes_presence),
		cmocka_unit_test(encodes_short_events),
		cmocka_unit_test(renders_what_it_decoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
