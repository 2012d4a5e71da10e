#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/utf8.h"
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
	if (!bytes_equal_str(buf_bytes(&out), expected)) {
		fail_msg("printed:\n%.*sexpected:\n%s", (int)out.len, (const char *)out.data,
			expected);
	}
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
		"name        cou~  flag\n"
		"abcde~wxyz     7  yes\n");
}

// The rows of weirctl's listings, as wide as they come.
static void add_edge(struct admin_reply *reply, const char *name, uint64_t n, const char *rtt)
{
	admin_reply_text(reply, "edge", bytes_str(name));
	admin_reply_number(reply, "connections", n);
	admin_reply_number(reply, "members", 2 * n);
	admin_reply_number(reply, "rooms", n / 4);
	admin_reply_number(reply, "queueBytes", 1000 * n);
	admin_reply_number(reply, "inflightBytes", 10 * n);
	if (rtt != NULL) {
		admin_reply_json(reply, "rttMs", bytes_str(rtt));
	} else {
		admin_reply_null(reply, "rttMs");
	}
	admin_reply_flag(reply, "draining", n == 0);
	admin_reply_time(reply, "since", 1700000000000 - (int64_t)n * 1000);
	admin_reply_text(reply, "version", bytes_str("0.1.0"));
	admin_reply_end_row(reply);
}

static void add_room(struct admin_reply *reply, const char *name, uint64_t n)
{
	admin_reply_text(reply, "room", bytes_str(name));
	admin_reply_number(reply, "members", n);
	admin_reply_number(reply, "users", n / 2);
	admin_reply_number(reply, "edges", 2);
	admin_reply_text(reply, "epoch", bytes_str("51a518ac81642834"));
	admin_reply_number(reply, "seq", 100 * n);
	admin_reply_number(reply, "historyMessages", 100);
	admin_reply_number(reply, "historyBytes", 256 * n);
	admin_reply_end_row(reply);
}

static void add_client(struct admin_reply *reply, const char *id, const char *user, uint64_t n)
{
	admin_reply_text(reply, "client", bytes_str(id));
	admin_reply_text(reply, "user", bytes_str(user));
	admin_reply_null(reply, "username");
	admin_reply_text(reply, "edge", bytes_str("edge-1"));
	admin_reply_text(reply, "address", bytes_str("203.0.113.217:54321"));
	admin_reply_time(reply, "since", 1700000000000 - (int64_t)n * 1000);
	admin_reply_number(reply, "rooms", n);
	admin_reply_number(reply, "queueBytes", n * 1000);
	admin_reply_text(reply, "codec", bytes_str("json"));
	admin_reply_flag(reply, "compressed", true);
	admin_reply_end_row(reply);
}

static const struct printer narrow = { .table = { .width = 80, .now_ms = 1700000000000 } };

static void assert_lines_fit(struct bytes text, size_t max)
{
	size_t width = 0;
	for (size_t i = 0; i < text.len; i++) {
		bool ends = text.data[i] == '\n';
		width = ends ? 0 : width + ((text.data[i] & 0xc0) != 0x80);
		if (width > max) {
			fail_msg("a line is too long:\n%.*s", (int)text.len,
				(const char *)text.data);
		}
	}
	assert_true(utf8_valid(text));
}

static void cuts_long_names_first(void **state)
{
	(void)state;
	struct printer printer = narrow;
	struct admin_reply reply = { .table = true };
	add_room(&reply, "tea", 3);
	add_room(&reply, "lobby", 12);
	assert_prints(&printer, &reply,
		"room   members  users  edges  epoch              seq  historyMess~  historyBytes\n"
		"tea          3      1      2  51a518ac81642834   300           100           768\n"
		"lobby       12      6      2  51a518ac81642834  1200           100          "
		"3072\n");
}

static void cuts_text_in_the_middle_and_numbers_never(void **state)
{
	(void)state;
	struct printer printer = narrow;
	struct admin_reply reply = { .table = true };
	add_room(&reply, "conferences/2026/hall-3", 123456);
	add_room(&reply, "conferences/2026/hall-4", 9);
	assert_prints(&printer, &reply,
		"room            membe~  users  edges  epoch                seq  histo~  history~\n"
		"confere~hall-3  123456  61728      2  51a518a~642834  12345600     100  31604736\n"
		"confere~hall-4       9      4      2  51a518a~642834       900     100      "
		"2304\n");
}

static void says_ages_where_dates_do_not_fit(void **state)
{
	(void)state;
	struct printer printer = narrow;
	struct admin_reply reply = { .table = true };
	add_edge(&reply, "edge-1", 0, NULL);
	add_edge(&reply, "edge-2", 4000, "0.217");
	assert_prints(&printer, &reply,
		"edge    conne~  membe~  rooms  queueB~  infli~  rttMs  drain~  since  versi~\n"
		"edge-1       0       0      0        0       0      -  yes     0s     0.1.0\n"
		"edge-2    4000    8000   1000  4000000   40000  0.217  no      1h     0.1.0\n");
}

static void says_how_long_ago_or_how_far_ahead(void **state)
{
	(void)state;
	static const struct {
		int64_t ago_s;
		const char *age;
	} rows[] = { { 0, "0s" }, { 59, "59s" }, { 60, "1m" }, { 3599, "59m" }, { 3600, "1h" },
		{ 86399, "23h" }, { 86400, "1d" }, { 31535999, "364d" }, { 31536000, "1y" },
		{ -3599, "+59m" }, { -31535999, "+364d" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct printer printer = { .table = { .width = 1, .now_ms = 1700000000000 } };
		struct admin_reply reply = { .table = true };
		admin_reply_time(&reply, "at", 1700000000000 - 1000 * rows[i].ago_s);
		admin_reply_end_row(&reply);
		char *expected = xasprintf("at\n%s\n", rows[i].age);
		assert_prints(&printer, &reply, expected);
		free(expected);
	}
}

static void fits_in_80_columns_what_is_widest(void **state)
{
	(void)state;
	struct printer printer = narrow;
	struct admin_reply reply = { .table = true };
	add_client(&reply, "qdhridtda3t09-1", "alice", 5);
	add_client(&reply, "qdhridtda3t09-2217", "a-user-with-a-very-long-name", 123456789);
	assert_prints(&printer, &reply,
		"client      user        use~  edge    address      since  roo~  que~  cod~  com~\n"
		"qdhri~09-1  alice       -     edge-1  203.0~54321  5s        5  5000  json  yes\n"
		"qdhri~2217  a-use~name  -     edge-1  203.0~54321  3y     123M  123G  json  "
		"yes\n");
}

// Whatever the values are, ten columns fit, and each line is as long as the head or shorter.
static void fits_ten_columns_of_anything(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 6; kind++) {
		struct printer printer = narrow;
		struct admin_reply reply = { .table = true };
		for (unsigned i = 0; i < 30; i++) {
			char name[24];
			snprintf(name, sizeof(name), "aColumnWithANameOf%u", i % 10);
			switch (kind < 5 ? kind : i % 5) {
			case 0:
				admin_reply_text(&reply, name,
					bytes_str("some "
						  "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
						  " text"));
				break;
			case 1:
				admin_reply_number(&reply, name, UINT64_MAX - i);
				break;
			case 2:
				admin_reply_time(&reply, name, i % 3 == 0 ? INT64_MIN : INT64_MAX);
				break;
			case 3:
				admin_reply_json(&reply, name, bytes_str("1234567.891011"));
				break;
			case 4:
				admin_reply_json(&reply, name, bytes_str("[\"a long\",\"list\"]"));
				break;
			}
			if (i % 10 == 9) {
				admin_reply_end_row(&reply);
			}
		}
		Weir__Admin__V1__Reply *answer = unpack(&reply);
		struct buf out = { 0 };
		print_reply(&printer, answer, &out);
		weir__admin__v1__reply__free_unpacked(answer, NULL);
		assert_lines_fit(buf_bytes(&out), 80);
		buf_fini(&out);
	}
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
		cmocka_unit_test(cuts_long_names_first),
		cmocka_unit_test(cuts_text_in_the_middle_and_numbers_never),
		cmocka_unit_test(says_ages_where_dates_do_not_fit),
		cmocka_unit_test(says_how_long_ago_or_how_far_ahead),
		cmocka_unit_test(fits_in_80_columns_what_is_widest),
		cmocka_unit_test(fits_ten_columns_of_anything),
		cmocka_unit_test(prints_the_head_once_for_all_pages),
		cmocka_unit_test(counts_characters_not_bytes),
		cmocka_unit_test(lets_no_stranger_command_the_terminal),
		cmocka_unit_test(prints_nothing_for_no_rows),
		cmocka_unit_test(drops_the_rows_of_what_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
