#include <string.h>

#include "edge/ws/ws_offer.h"
#include "tests/unit/test.h"

// What a list of offers gets: the value of the answer, "" if all are declined, NULL if it is
// malformed.
struct row {
	const char *offers;
	const char *answer;
};

#define AGREED    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define AGREED_AT AGREED "; server_max_window_bits="

static const struct ws_offer_policy any_window = { WS_WINDOW_BITS_MIN, WS_WINDOW_BITS_MAX };
static const struct ws_offer_policy one_window = { 12, 12 };
static const struct ws_offer_policy no_window = { 0 };

static void check(const struct row *row, struct ws_offer_policy policy)
{
	struct http_head head;
	struct buf text = { 0 };
	struct buf answer = { 0 };
	buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
	buf_append_str(&text, row->offers);
	buf_append_str(&text, "\r\n");
	assert_int_equal(http_head_parse(buf_bytes(&text), &head), 0);
	struct ws_agreement agreement;
	bool well_formed = ws_offer_choose(&head, policy, &agreement);
	if (!well_formed) {
		assert_false(agreement.compressed);
	}
	if (agreement.compressed) {
		ws_offer_answer(&answer, &agreement);
		assert_in_range(agreement.window_bits, policy.window_bits_min,
			policy.window_bits_max);
	}
	if (well_formed != (row->answer != NULL) ||
		!bytes_equal_str(buf_bytes(&answer), row->answer)) {
		fail_msg("%s was %s by %.*s", row->offers, well_formed ? "answered" : "refused",
			(int)answer.len, (const char *)answer.data);
	}
	buf_fini(&answer);
	buf_fini(&text);
}

#define EXT         "Sec-WebSocket-Extensions: "
#define OFFER(text) EXT "permessage-deflate" text "\r\n"

static void takes_what_it_can_keep_to(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ OFFER(""), AGREED },
		{ OFFER("; client_max_window_bits"), AGREED },
		{ OFFER("; client_max_window_bits=8"), AGREED },
		{ OFFER("; client_max_window_bits=15"), AGREED },
		{ OFFER("; client_no_context_takeover"), AGREED },
		{ OFFER("; server_no_context_takeover"), AGREED },
		{ OFFER("; client_no_context_takeover; client_max_window_bits"), AGREED },
		{ OFFER("; server_max_window_bits=9"), AGREED_AT "9" },
		{ OFFER("; server_max_window_bits=10"), AGREED_AT "10" },
		{ OFFER("; server_max_window_bits=15"), AGREED_AT "15" },
		{ OFFER(";server_max_window_bits=12;client_max_window_bits=12"), AGREED_AT "12" },
		{ OFFER(" ;\tserver_no_context_takeover ; client_no_context_takeover ;"
			"server_max_window_bits=11 ; client_max_window_bits=9\t"),
			AGREED_AT "11" },
		{ "sec-websocket-extensions: Permessage-Deflate\r\n", AGREED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], any_window);
	}
}

static void declines_what_nobody_could_keep_to(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "" },
		{ EXT "x-webkit-deflate-frame\r\n", "" },
		{ EXT "permessage-bzip2\r\n", "" },
		{ EXT "permessage-deflate2\r\n", "" },
		{ EXT "a; b; c=d; e=\"f\"; b, !#$%&'*+-.^_`|~; ~=0\r\n", "" },
		{ OFFER("; unknown"), "" },
		{ OFFER("; unknown=1"), "" },
		{ OFFER("; unknown = \"1\""), "" },
		{ OFFER("; client_max_window_bits; client_max_window_bits"), "" },
		{ OFFER("; server_max_window_bits=10; server_max_window_bits=10"), "" },
		{ OFFER("; server_no_context_takeover; server_no_context_takeover"), "" },
		{ OFFER("; server_no_context_takeover=1"), "" },
		{ OFFER("; client_no_context_takeover=true"), "" },
		{ OFFER("; client_no_context_takeover=10"), "" },
		{ OFFER("; client_no_context_takeover=\"10\""), "" },
		{ OFFER("; server_max_window_bits"), "" },
		{ OFFER("; server_max_window_bits=0"), "" },
		{ OFFER("; server_max_window_bits=7"), "" },
		{ OFFER("; server_max_window_bits=08"), "" },
		{ OFFER("; server_max_window_bits=09"), "" },
		{ OFFER("; server_max_window_bits=16"), "" },
		{ OFFER("; server_max_window_bits=1f"), "" },
		{ OFFER("; server_max_window_bits=115"), "" },
		{ OFFER("; server_max_window_bits=\"115\""), "" },
		{ OFFER("; server_max_window_bits=1000000000000000000000000000000000010"), "" },
		{ OFFER("; server_max_window_bits=-9"), "" },
		{ OFFER("; server_max_window_bits=+9"), "" },
		{ OFFER("; server_max_window_bits='9'"), "" },
		{ OFFER("; client_max_window_bits=08"), "" },
		{ OFFER("; client_max_window_bits=16"), "" },
		{ OFFER("; a; b; c; d; e; f; g; h; i; j; k; l; m; n; o; p"), "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], any_window);
		check(&rows[i], no_window);
	}
}

// RFC 6455 section 9.1: spaces between tokens, and values in quotes that are tokens inside.
static void reads_spaces_and_quotes_as_the_grammar_has_them(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ OFFER("; server_max_window_bits=\"9\""), AGREED_AT "9" },
		{ OFFER("; server_max_window_bits=\"12\""), AGREED_AT "12" },
		{ OFFER("; server_max_window_bits=\"1\\2\""), AGREED_AT "12" },
		{ OFFER("; server_max_window_bits=\"\\1\\2\""), AGREED_AT "12" },
		{ OFFER("; server_max_window_bits= 9"), AGREED_AT "9" },
		{ OFFER("; server_max_window_bits =9"), AGREED_AT "9" },
		{ OFFER(" ;\tserver_max_window_bits \t = \t \"10\" ; client_max_window_bits "),
			AGREED_AT "10" },
		{ OFFER("; client_max_window_bits=\"10\""), AGREED },
		{ EXT "a ; b = \"1\" , permessage-deflate ; client_max_window_bits=\"12\"\r\n",
			AGREED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], any_window);
	}
}

// Also where something good stands beside it, and where compression is off.
static void refuses_what_is_malformed(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ EXT "\r\n", NULL },
		{ EXT ", ,\r\n", NULL },
		{ EXT ",\r\n" EXT "\r\n", NULL },
		{ EXT ";\r\n", NULL },
		{ EXT "=\r\n", NULL },
		{ EXT "a=b\r\n", NULL },
		{ EXT "a b\r\n", NULL },
		{ EXT "a/b\r\n", NULL },
		{ EXT "\xc3\xa4\r\n", NULL },
		{ EXT "; a\r\n", NULL },
		{ EXT "\"permessage-deflate\"\r\n", NULL },
		{ OFFER(";"), NULL },
		{ OFFER("; "), NULL },
		{ OFFER(";; client_max_window_bits"), NULL },
		{ OFFER("; client_max_window_bits;"), NULL },
		{ OFFER("; client_max_window_bits; , x"), NULL },
		{ OFFER("; server_no_context_takeover="), NULL },
		{ OFFER("; server_max_window_bits="), NULL },
		{ OFFER("; client_max_window_bits= "), NULL },
		{ OFFER("; client_max_window_bits=\"\""), NULL },
		{ OFFER("; client_max_window_bits=\""), NULL },
		{ OFFER("; client_max_window_bits=\"10"), NULL },
		{ OFFER("; client_max_window_bits=10\""), NULL },
		{ OFFER("; client_max_window_bits=\"10\"1"), NULL },
		{ OFFER("; client_max_window_bits=\"1\"0\""), NULL },
		{ OFFER("; client_max_window_bits=\" 10\""), NULL },
		{ OFFER("; client_max_window_bits=\"10\\\""), NULL },
		{ OFFER("; client_max_window_bits=1 0"), NULL },
		{ OFFER("; client_max_window_bits=10=10"), NULL },
		{ OFFER("; client_max_window_bits==10"), NULL },
		{ OFFER("; =10"), NULL },
		{ OFFER("; client max window bits"), NULL },
		{ OFFER("; x=a/b"), NULL },
		{ OFFER("; x=\"a b\""), NULL },
		{ OFFER("; x=\"a;b\""), NULL },
		{ OFFER("; x=\"\\\\\""), NULL },
		{ OFFER("; x=\"\\\"\""), NULL },
		{ OFFER("") OFFER("; x=\"a"), NULL },
		{ OFFER(", permessage-deflate;"), NULL },
		{ EXT "foo; x=\"a, permessage-deflate, b\"\r\n", NULL },
		{ EXT "foo; x=\"a\\\", permessage-deflate\"\r\n", NULL },
		{ EXT "foo; x=\"never closed, permessage-deflate\r\n", NULL },
		{ EXT "foo; x=\"\r\n" OFFER("\""), NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], any_window);
		check(&rows[i], no_window);
	}
}

// zlib cannot deflate with it, and a larger window would break the client's.
static void declines_a_window_of_8_bits(void **state)
{
	(void)state;
	check(&(struct row){ OFFER("; server_max_window_bits=8"), "" }, any_window);
	check(&(struct row){ OFFER("; client_max_window_bits=8"), AGREED }, any_window);
}

static void takes_the_first_offer_that_is_good(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ OFFER("; server_max_window_bits=8, permessage-deflate"), AGREED },
		{ OFFER("; unknown, permessage-deflate; server_max_window_bits=10"),
			AGREED_AT "10" },
		{ OFFER("; server_max_window_bits=9, permessage-deflate"), AGREED_AT "9" },
		{ EXT "foo; bar=1, permessage-deflate\r\n", AGREED },
		{ EXT "foo\r\n" OFFER("; server_max_window_bits=08") OFFER(""), AGREED },
		{ OFFER("; x=\"1\", permessage-deflate"), AGREED },
		{ EXT ", ,foo,,\r\n" EXT "\r\n" OFFER(" , "), AGREED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], any_window);
	}
}

static void with_one_window_declines_smaller_ones(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ OFFER(""), AGREED },
		{ OFFER("; server_max_window_bits=11"), "" },
		{ OFFER("; server_max_window_bits=12"), AGREED_AT "12" },
		{ OFFER("; server_max_window_bits=15"), AGREED_AT "12" },
		{ OFFER("; server_max_window_bits=9, permessage-deflate"), AGREED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(&rows[i], one_window);
	}
}

static void takes_nothing_when_it_may_not(void **state)
{
	(void)state;
	check(&(struct row){ OFFER(""), "" }, no_window);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_it_can_keep_to),
		cmocka_unit_test(declines_what_nobody_could_keep_to),
		cmocka_unit_test(reads_spaces_and_quotes_as_the_grammar_has_them),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(declines_a_window_of_8_bits),
		cmocka_unit_test(takes_the_first_offer_that_is_good),
		cmocka_unit_test(with_one_window_declines_smaller_ones),
		cmocka_unit_test(takes_nothing_when_it_may_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
