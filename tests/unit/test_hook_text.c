#include "router/hooks/hook_text.h"
#include "tests/unit/test.h"

#define AT 1700000000123

static void expect(const struct notice *notice, const char *members)
{
	struct buf out = { 0 };
	hook_text_notice(&out, notice, AT);
	assert_true(bytes_equal_str(buf_bytes(&out), members));
	buf_fini(&out);
}

static void leaves_out_what_is_not_known(void **state)
{
	(void)state;
	expect(&(struct notice){ .kind = NOTICE_ROOM_VACATED, .room = bytes_str("tea") },
		",\"type\":\"room.vacated\",\"at\":1700000000123,\"room\":\"tea\"}");
}

static void escapes_what_json_demands(void **state)
{
	(void)state;
	expect(&(struct notice){ .kind = NOTICE_CLIENT_DISCONNECTED,
		       .client = bytes_str("c-1"),
		       .user = bytes_str("a\"b"),
		       .edge = bytes_str("e"),
		       .reason = bytes_str("normal") },
		",\"type\":\"client.disconnected\",\"at\":1700000000123,\"client\":\"c-1\","
		"\"user\":\"a\\\"b\",\"edge\":\"e\",\"reason\":\"normal\"}");
}

static void expect_message(const char *body, const char *own)
{
	const struct store_message message = {
		.type = bytes_str("chat"),
		.body = bytes_str(body),
		.timestamp_ms = 5,
	};
	struct buf wanted = { 0 };
	buf_printf(&wanted,
		",\"type\":\"message.published\",\"at\":1700000000123,\"room\":\"tea\","
		"\"epoch\":\"c5e64d82512dc468\",\"seq\":3,\"message\":{\"type\":\"chat\","
		"\"room\":\"tea\",\"epoch\":\"c5e64d82512dc468\",\"seq\":3,\"timestamp\":5%s}}",
		own);
	buf_append_byte(&wanted, '\0');
	expect(&(struct notice){ .kind = NOTICE_MESSAGE_PUBLISHED,
		       .room = bytes_str("tea"),
		       .epoch = UINT64_C(0xc5e64d82512dc468),
		       .seq = 3,
		       .message = &message },
		(const char *)wanted.data);
	buf_fini(&wanted);
}

static void carries_a_message_as_clients_get_it(void **state)
{
	(void)state;
	expect_message("{\"text\":\"x\"}", ",\"text\":\"x\"");
	expect_message("{ \"a\":1 }", ",\"a\":1");
	expect_message("{}", "");
	expect_message("{ \n}", "");
}

static void makes_the_body_of_a_request(void **state)
{
	(void)state;
	struct buf out = { 0 };
	hook_text_begin(&out,
		&(struct hook_batch){ .router = "r", .wall_ms = AT, .first = 4, .dropped = 2 });
	hook_text_add(&out, 4, bytes_str(",\"type\":\"x\"}"));
	hook_text_add(&out, 5, bytes_str(",\"type\":\"y\"}"));
	hook_text_end(&out);
	assert_true(bytes_equal_str(buf_bytes(&out),
		"{\"type\":\"weir.events\",\"timestamp\":\"2023-11-14T22:13:20.123Z\",\"data\":{"
		"\"router\":\"r\",\"first\":4,\"dropped\":2,\"events\":[{\"n\":4,\"type\":\"x\"},"
		"{\"n\":5,\"type\":\"y\"}]}}"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_what_is_not_known),
		cmocka_unit_test(escapes_what_json_demands),
		cmocka_unit_test(carries_a_message_as_clients_get_it),
		cmocka_unit_test(makes_the_body_of_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
