#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/crc32c.h"
#include "common/mem.h"
#include "edge/http/proxy_header.h"
#include "tests/unit/test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
// 198.51.100.1:4711 to 203.0.113.7:443
#define TCP4 "\xc6\x33\x64\x01\xcb\x00\x71\x07\x12\x67\x01\xbb"
// [2001:db8::7]:4711 to [2001:db8::8]:443
#define TCP6                                                                                       \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                               \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x12\x67\x01\xbb"
#define NOOP  "\x04\x00\x02xy"
#define ALPN  "\x01\x00\x08http/1.1"
#define EMPTY "\x05\x00\x00"

enum {
	UNIX_LEN = 216
};

// The header that begins with `start` (16 bytes) and goes on with `rest`.
#define ROW(start, rest)                                                                           \
	{                                                                                          \
		(start rest), sizeof(start rest) - 1                                               \
	}

struct text {
	const char *data;
	size_t len;
};

static struct bytes of(struct text text)
{
	return bytes_make(text.data, text.len);
}

// Each shorter part of it is asked for more, or refused like the whole; more behind it changes
// nothing.
static enum proxy_header_result parse_at_every_split(struct bytes data, struct proxy_header *header)
{
	enum proxy_header_result whole = proxy_header_parse(data, header);
	for (size_t len = 0; len < data.len; len++) {
		struct proxy_header part;
		uint8_t *copy = xmemdup(data.data, len);
		enum proxy_header_result result = proxy_header_parse(bytes_make(copy, len), &part);
		free(copy);
		assert_true(result == PROXY_HEADER_MORE ||
			(result == whole && whole != PROXY_HEADER_OK));
	}
	struct buf more = { 0 };
	struct proxy_header again;
	buf_append_bytes(&more, data);
	buf_append_str(&more, "GET / HTTP/1.1\r\n");
	if (whole != PROXY_HEADER_MORE) {
		assert_int_equal(proxy_header_parse(buf_bytes(&more), &again), whole);
	}
	if (whole == PROXY_HEADER_OK) {
		assert_int_equal(header->len, data.len);
		assert_int_equal(again.len, data.len);
	}
	buf_fini(&more);
	return whole;
}

static void reads_the_source_address(void **state)
{
	(void)state;
	static const struct {
		struct text text;
		const char *source; // NULL: none
	} rows[] = {
		{ ROW(SIGNATURE "\x21\x11\x00\x0c", TCP4), "198.51.100.1" },
		{ ROW(SIGNATURE "\x21\x21\x00\x24", TCP6), "2001:db8::7" },
		{ ROW(SIGNATURE "\x21\x11\x00\x11", TCP4 NOOP), "198.51.100.1" },
		{ ROW(SIGNATURE "\x21\x11\x00\x1f", TCP4 ALPN EMPTY NOOP), "198.51.100.1" },
		{ ROW(SIGNATURE "\x21\x21\x00\x29", TCP6 NOOP), "2001:db8::7" },
		// nothing to tell: unknown families, and the balancer's own connections
		{ ROW(SIGNATURE "\x21\x00\x00\x00", ""), NULL },
		{ ROW(SIGNATURE "\x21\x00\x00\x03", "abc"), NULL },
		{ ROW(SIGNATURE "\x20\x00\x00\x00", ""), NULL },
		{ ROW(SIGNATURE "\x20\x11\x00\x0c", TCP4), NULL },
		{ ROW(SIGNATURE "\x20\x11\x00\x01", "a"), NULL },
		{ ROW(SIGNATURE "\x20\xff\x00\x05", NOOP), NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_header header;
		assert_int_equal(parse_at_every_split(of(rows[i].text), &header), PROXY_HEADER_OK);
		assert_int_equal(header.has_source, rows[i].source != NULL);
		if (rows[i].source != NULL) {
			char found[NET_IP_TEXT_MAX];
			net_ip_format(&header.source, found);
			assert_string_equal(found, rows[i].source);
		}
	}
}

static void an_address_of_ipv4_in_ipv6_is_ipv4(void **state)
{
	(void)state;
	static const struct text text = ROW(SIGNATURE "\x21\x21\x00\x24",
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x01"
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x07\x12\x67\x01\xbb");
	struct proxy_header header;
	char found[NET_IP_TEXT_MAX];
	assert_int_equal(parse_at_every_split(of(text), &header), PROXY_HEADER_OK);
	net_ip_format(&header.source, found);
	assert_string_equal(found, "198.51.100.1");
}

static void a_unix_socket_has_no_address_to_show(void **state)
{
	(void)state;
	struct buf b = { 0 };
	struct proxy_header header;
	buf_append(&b, SIGNATURE "\x21\x31\x00\xd8", 16);
	for (size_t i = 0; i < UNIX_LEN; i++) {
		buf_append_byte(&b, 'x');
	}
	assert_int_equal(parse_at_every_split(buf_bytes(&b), &header), PROXY_HEADER_OK);
	assert_false(header.has_source);
	b.data[15]--;
	assert_int_equal(proxy_header_parse(buf_bytes(&b), &header), PROXY_HEADER_SHORT);
	buf_fini(&b);
}

static void refuses_what_is_no_such_header(void **state)
{
	(void)state;
	static const struct {
		struct text text;
		enum proxy_header_result result;
	} rows[] = {
		{ ROW("GET / HTTP/1.1\r\n", ""), PROXY_HEADER_NONE },
		{ ROW("POST / HTTP/1.1\r\n", ""), PROXY_HEADER_NONE },
		{ ROW("PROXYTCP4 1.1.1.", ""), PROXY_HEADER_NONE },
		{ ROW("\x16\x03\x01", ""), PROXY_HEADER_NONE },
		{ ROW("\r\n\r\nGET / HTTP/1", ""), PROXY_HEADER_NONE },
		{ ROW("\r\n\r\n\0\r\nQUIT\r", "\x21\x11\x00\x0c"), PROXY_HEADER_NONE },
		{ ROW("PROXY TCP4 198.51.100.1 203.0.113.7 4711 443\r\n", ""), PROXY_HEADER_TEXT },
		{ ROW("PROXY UNKNOWN\r\n", ""), PROXY_HEADER_TEXT },
		{ ROW(SIGNATURE "\x11\x11\x00\x0c", TCP4), PROXY_HEADER_VERSION },
		{ ROW(SIGNATURE "\x31\x11\x00\x0c", TCP4), PROXY_HEADER_VERSION },
		{ ROW(SIGNATURE "\x01\x11\x00\x0c", TCP4), PROXY_HEADER_VERSION },
		{ ROW(SIGNATURE "\x22\x11\x00\x0c", TCP4), PROXY_HEADER_COMMAND },
		{ ROW(SIGNATURE "\x2f\x11\x00\x0c", TCP4), PROXY_HEADER_COMMAND },
		{ ROW(SIGNATURE "\x21\x01\x00\x0c", TCP4), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x10\x00\x0c", TCP4), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x12\x00\x0c", TCP4), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x22\x00\x24", TCP6), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x32\x00\xd8", ""), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x41\x00\x0c", TCP4), PROXY_HEADER_FAMILY },
		{ ROW(SIGNATURE "\x21\x11\x00\x0b", TCP4), PROXY_HEADER_SHORT },
		{ ROW(SIGNATURE "\x21\x11\x00\x00", ""), PROXY_HEADER_SHORT },
		{ ROW(SIGNATURE "\x21\x21\x00\x23", TCP6), PROXY_HEADER_SHORT },
		{ ROW(SIGNATURE "\x21\x11\x00\x0d", TCP4 "\x04"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x0e", TCP4 "\x04\x00"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x0f", TCP4 "\x04\x00\x01"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x13", TCP4 NOOP "xy"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x11", TCP4 "\x04\x01\x00zz"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x12", TCP4 "\x03\x00\x03zzz"), PROXY_HEADER_TLV },
		{ ROW(SIGNATURE "\x21\x11\x00\x13", TCP4 "\x03\x00\x04\0\0\0\0"),
			PROXY_HEADER_CHECKSUM },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_header header;
		enum proxy_header_result result = parse_at_every_split(of(rows[i].text), &header);
		if (result != rows[i].result) {
			fail_msg("row %zu: %s", i, proxy_header_text(result));
		}
	}
}

static void asks_for_no_byte_behind_the_header(void **state)
{
	(void)state;
	static const struct text text = ROW(SIGNATURE "\x21\x11\x00\x11", TCP4 NOOP);
	for (size_t len = 0; len < text.len; len++) {
		size_t missing = proxy_header_missing(bytes_make(text.data, len));
		assert_int_equal(missing, len < 16 ? 16 - len : text.len - len);
	}
	assert_int_equal(proxy_header_missing(of(text)), 0);
}

static void put_crc(struct buf *b, size_t at, uint32_t crc)
{
	for (size_t i = 0; i < 4; i++) {
		b->data[at + i] = (uint8_t)(crc >> (24 - 8 * i));
	}
}

// With the checksum first, between and last.
static void checks_the_checksum(void **state)
{
	(void)state;
	static const struct {
		struct text text;
		size_t at;
	} rows[] = {
		{ ROW(SIGNATURE "\x21\x11\x00\x13", TCP4 "\x03\x00\x04\0\0\0\0"), 31 },
		{ ROW(SIGNATURE "\x21\x11\x00\x18", TCP4 "\x03\x00\x04\0\0\0\0" NOOP), 31 },
		{ ROW(SIGNATURE "\x21\x11\x00\x1d", TCP4 NOOP "\x03\x00\x04\0\0\0\0" NOOP), 36 },
		{ ROW(SIGNATURE "\x21\x21\x00\x30", TCP6 NOOP "\x03\x00\x04\0\0\0\0"), 60 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_header header;
		struct buf b = { 0 };
		buf_append_bytes(&b, of(rows[i].text));
		put_crc(&b, rows[i].at, crc32c(0, b.data, b.len));
		assert_int_equal(parse_at_every_split(buf_bytes(&b), &header), PROXY_HEADER_OK);
		assert_true(header.has_source);
		// Wherever a bit has turned behind what says which kind of header it is.
		for (size_t at = 16; at < b.len; at++) {
			b.data[at] ^= 1;
			enum proxy_header_result result =
				proxy_header_parse(buf_bytes(&b), &header);
			b.data[at] ^= 1;
			assert_true(result == PROXY_HEADER_CHECKSUM || result == PROXY_HEADER_TLV ||
				at == rows[i].at - 3); // now it is no checksum
		}
		buf_fini(&b);
	}
}

// A second one could be right only if the first is wrong, or the other way round.
static void refuses_two_checksums(void **state)
{
	(void)state;
	static const struct text text = ROW(SIGNATURE "\x21\x11\x00\x1a",
		TCP4 "\x03\x00\x04\0\0\0\0"
		     "\x03\x00\x04\0\0\0\0");
	struct proxy_header header;
	struct buf b = { 0 };
	buf_append_bytes(&b, of(text));
	put_crc(&b, 31, crc32c(0, b.data, b.len));
	assert_int_equal(proxy_header_parse(buf_bytes(&b), &header), PROXY_HEADER_TLV);
	buf_fini(&b);
}

static void takes_the_longest_header_there_is(void **state)
{
	(void)state;
	struct buf b = { 0 };
	struct proxy_header header;
	buf_append(&b, SIGNATURE "\x21\x11\xff\xff" TCP4 "\xe0\xff\xf0", 16 + 12 + 3);
	memset(buf_reserve(&b, 65520), 'x', 65520);
	b.len += 65519;
	assert_int_equal(proxy_header_parse(buf_bytes(&b), &header), PROXY_HEADER_MORE);
	assert_int_equal(proxy_header_missing(buf_bytes(&b)), 1);
	b.len++;
	assert_int_equal(b.len, PROXY_HEADER_MAX);
	assert_int_equal(proxy_header_parse(buf_bytes(&b), &header), PROXY_HEADER_OK);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_source_address),
		cmocka_unit_test(an_address_of_ipv4_in_ipv6_is_ipv4),
		cmocka_unit_test(a_unix_socket_has_no_address_to_show),
		cmocka_unit_test(refuses_what_is_no_such_header),
		cmocka_unit_test(asks_for_no_byte_behind_the_header),
		cmocka_unit_test(checks_the_checksum),
		cmocka_unit_test(refuses_two_checksums),
		cmocka_unit_test(takes_the_longest_header_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
