#include <stdlib.h>

#include "common/base64url.h"
#include "common/mem.h"
#include "tests/unit/test.h"

// RFC 4648 section 10, and what only the URL alphabet has.
static const struct {
	const char *data;
	size_t len;
	const char *text;
} vectors[] = {
	{ "", 0, "" },
	{ "f", 1, "Zg" },
	{ "fo", 2, "Zm8" },
	{ "foo", 3, "Zm9v" },
	{ "foob", 4, "Zm9vYg" },
	{ "fooba", 5, "Zm9vYmE" },
	{ "foobar", 6, "Zm9vYmFy" },
	{ "\0", 1, "AA" },
	{ "\xff", 1, "_w" },
	{ "\xfb\xff\xbe", 3, "-_--" },
	{ "\0\0\0", 3, "AAAA" },
};

static void encodes_and_decodes_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct buf text = { 0 };
		buf_append_str(&text, "x");
		base64url_append(&text, bytes_make(vectors[i].data, vectors[i].len));
		assert_bytes_equal(bytes_from(buf_bytes(&text), 1), vectors[i].text);
		buf_fini(&text);

		uint8_t out[16];
		size_t len;
		assert_true(base64url_decode(bytes_str(vectors[i].text), out, &len));
		assert_int_equal(len, vectors[i].len);
		assert_memory_equal(out, vectors[i].data, len);
	}
}

static void brings_every_byte_back_in_every_place(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 4; len++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t data[4] = { 0xa5, 0x5a, 0xc3, 0x3c };
			data[len - 1] = (uint8_t)byte;
			struct buf text = { 0 };
			base64url_append(&text, bytes_make(data, len));
			uint8_t *out = xmalloc(base64url_decoded_max(text.len));
			size_t got;
			assert_true(base64url_decode(buf_bytes(&text), out, &got));
			assert_int_equal(got, len);
			assert_memory_equal(out, data, len);
			free(out);
			buf_fini(&text);
		}
	}
}

static void takes_exactly_64_of_the_256_bytes_for_digits(void **state)
{
	(void)state;
	unsigned n = 0;
	for (unsigned byte = 0; byte < 256; byte++) {
		const uint8_t text[4] = { 'A', 'A', 'A', (uint8_t)byte };
		uint8_t out[4];
		size_t len;
		n += base64url_decode(bytes_make(text, 4), out, &len) ? 1 : 0;
	}
	assert_int_equal(n, 64);
}

static void refuses_a_second_text_for_the_same_bytes(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"A", // six bits are no byte
		"AAAAA",
		"AB", // bits that belong to no byte
		"AAB", "Zh",
		"AA==", // padding
		"AAA=", "AA\n", " AA", "AA A",
		"+/AA", // the other alphabet
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		uint8_t out[8];
		size_t len;
		if (base64url_decode(bytes_str(wrong[i]), out, &len)) {
			fail_msg("took \"%s\"", wrong[i]);
		}
	}
}

static void decodes_no_further_than_it_says(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 9; len++) {
		uint8_t *out = xmalloc(base64url_decoded_max(len));
		uint8_t *text = xmemdup("AAAAAAAAA", len);
		size_t got;
		if (base64url_decode(bytes_make(text, len), out, &got)) {
			assert_true(got <= base64url_decoded_max(len));
		}
		free(text);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_and_decodes_the_vectors),
		cmocka_unit_test(brings_every_byte_back_in_every_place),
		cmocka_unit_test(takes_exactly_64_of_the_256_bytes_for_digits),
		cmocka_unit_test(refuses_a_second_text_for_the_same_bytes),
		cmocka_unit_test(decodes_no_further_than_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
