#include "common/check.h"
#include "router/admin/admin_reply.h"
#include "router/ctl/weirctl_print.h"
#include "router/ctl/weirctl_value.h"
#include "tests/unit/test.h"

// Answers are made as the router makes them, and go through their packed form.

static Weir__Admin__V1__Reply *unpack(struct admin_reply *reply)
{
	struct buf packed = { 0 };
	admin_reply_pack(reply, &packed);
	Weir__Admin__V1__Reply *out = weir__admin__v1__reply__unpack(NULL, packed.len, packed.data);
	assert_non_null(out);
	buf_fini(&packed);
	admin_reply_fini(reply);
	*reply = (struct admin_reply){ 0 };
	return out;
}

static void assert_prints(struct printer *printer, struct admin_reply *reply, const char *expected)
{
	Weir__Admin__V1__Reply *answer = unpack(reply);
	struct buf out = { 0 };
	print_reply(printer, answer, &out);
	assert_bytes_equal(buf_bytes(&out), expected);
	buf_fini(&out);
	weir__admin__v1__reply__free_unpacked(answer, NULL);
}

static void add_row(struct admin_reply *reply, const char *name, uint64_t count, bool flag)
{
	admin_reply_text(reply, "name", bytes_str(name));
	admin_reply_number(reply, "count", count);
	admin_reply_flag(reply, "flag", flag);
	admin_reply_end_row(reply);
}

static void prints_one_json_object_a_line(void **state)
{
	(void)state;
	struct printer printer = { .json = true };
	struct admin_reply reply = { .table = true };
	admin_reply_text(&reply, "text", bytes_str("a\"b\n"));
	admin_reply_number(&reply, "number", UINT64_MAX);
	admin_reply_flag(&reply, "flag", true);
	admin_reply_json(&reply, "json", bytes_str("[1,{}]"));
	admin_reply_time(&reply, "time", 1700000000123);
	admin_reply_null(&reply, "none");
	admin_reply_end_row(&reply);
	add_row(&reply, "", 0, false);
	assert_prints(&printer, &reply,
		"{\"text\":\"a\\\"b\\n\",\"number\":18446744073709551615,\"flag\":true,"
		"\"json\":[1,{}],\"time\":1700000000123,\"none\":null}\n"
		"{\"name\":\"\",\"count\":0,\"flag\":false}\n");
}

static void prints_a_table_with_numbers_to_the_right(void **state)
{
	(void)state;
	struct printer printer = { 0 };
	struct admin_reply reply = { .table = true };
	add_row(&reply, "a", 12345678, true);
	add_row(&reply, "longer", 9, false);
	assert_prints(&printer, &reply,
		"name       count  flag\n"
		"a       12345678  yes\n"
		"longer         9  no\n");
}

static void prints_one_thing_as_lines(void **state)
{
	(void)state;
	struct printer printer = { 0 };
	struct admin_reply reply = { 0 };
	admin_reply_text(&reply, "name", bytes_str("x"));
	admin_reply_time(&reply, "since", 1700000000123);
	admin_reply_null(&reply, "username");
	admin_reply_end_row(&reply);
	assert_prints(&printer, &reply,
		"name:     x\n"
		"since:    2023-11-14T22:13:20Z\n"
		"username: -\n");
}

static void cuts_the_widest_columns_to_fit_a_terminal(void **state)
{
	(void)state;
	struct printer printer = { .table.width = 22 };
	struct admin_reply reply = { .table = true };
	add_row(&reply, "abcdefghijklmnopqrstuvwxyz", 7, true);
	assert_prints(&printer, &reply,
		"name       count  flag\n"
		"abcdefgh~      7  yes\n");
}

static void prints_the_head_once_for_all_pages(void **state)
{
	(void)state;
	struct printer printer = { 0 };
	struct admin_reply reply = { .table = true };
	add_row(&reply, "a", 1, true);
	assert_prints(&printer, &reply, "name  count  flag\na         1  yes\n");
	reply.table = true;
	add_row(&reply, "b", 2, true);
	assert_prints(&printer, &reply, "b         2  yes\n");
}

static void counts_characters_not_bytes(void **state)
{
	(void)state;
	struct printer printer = { 0 };
	struct admin_reply reply = { .table = true };
	add_row(&reply, "Zo\xc3\xab", 1, true);
	add_row(&reply, "Anna", 1, true);
	assert_prints(&printer, &reply,
		"name  count  flag\n"
		"Zo\xc3\xab       1  yes\n"
		"Anna      1  yes\n");
}

static void lets_no_stranger_command_the_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *printed;
	} rows[] = {
		{ "a\x1b[31mb", "a?[31mb" },
		{ "a\tb\nc\x7f", "a?b?c?" },
		{ "a\xc2\x9b\x62", "a?b" }, // U+009B
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "\xff\xc3\xab", "?\xc3\xab" },
		{ "\xc2", "?" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };
		struct bytes text = bytes_str(rows[i].text);
		print_text(&out, (ProtobufCBinaryData){ text.len, (uint8_t *)text.data });
		assert_bytes_equal(buf_bytes(&out), rows[i].printed);
		buf_fini(&out);
	}
}

static void prints_nothing_for_no_rows(void **state)
{
	(void)state;
	struct printer printer = { 0 };
	struct admin_reply reply = { .table = true };
	assert_prints(&printer, &reply, "");
}

static void drops_the_rows_of_what_failed(void **state)
{
	(void)state;
	struct admin_reply reply = { .table = true };
	add_row(&reply, "a", 1, true);
	admin_reply_text(&reply, "half", bytes_str("a row"));
	admin_reply_fail(&reply, WEIR__ADMIN__V1__STATUS__REFUSED, "no such %s", "thing");
	Weir__Admin__V1__Reply *answer = unpack(&reply);
	assert_int_equal(answer->n_rows, 0);
	assert_int_equal(answer->status, WEIR__ADMIN__V1__STATUS__REFUSED);
	assert_bytes_equal(bytes_make(answer->message.data, answer->message.len), "no such thing");
	weir__admin__v1__reply__free_unpacked(answer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_one_json_object_a_line),
		cmocka_unit_test(prints_a_table_with_numbers_to_the_right),
		cmocka_unit_test(prints_one_thing_as_lines),
		cmocka_unit_test(cuts_the_widest_columns_to_fit_a_terminal),
		cmocka_unit_test(prints_the_head_once_for_all_pages),
		cmocka_unit_test(counts_characters_not_bytes),
		cmocka_unit_test(lets_no_stranger_command_the_terminal),
		cmocka_unit_test(prints_nothing_for_no_rows),
		cmocka_unit_test(drops_the_rows_of_what_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
