// A header that grows: "more" up to some length, from there on one answer, whatever the cuts. One
// that is read by exactly what it says is missing ends where the parser says it does. And whoever
// says "PROXY" with the address of a client gets that address, and no other.

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "edge/http/proxy_header.h"
#include "tests/fuzz/fuzz.h"

// Parses a copy of exactly that length.
static enum proxy_header_result parse(struct bytes data, struct proxy_header *header)
{
	uint8_t *copy = xmemdup(data.data, data.len);
	enum proxy_header_result result = proxy_header_parse(bytes_make(copy, data.len), header);
	free(copy);
	CHECK(result < PROXY_HEADER_RESULT_COUNT && proxy_header_text(result) != NULL);
	return result;
}

static void check_accepted(struct bytes input, const struct proxy_header *header)
{
	CHECK(header->len >= 16 && header->len <= PROXY_HEADER_MAX && header->len <= input.len);
	CHECK(input.data[12] == 0x20 || input.data[12] == 0x21);
	bool v4 = input.data[12] == 0x21 && input.data[13] == 0x11;
	bool v6 = input.data[12] == 0x21 && input.data[13] == 0x21;
	CHECK(header->has_source == (v4 || v6));
	if (header->has_source) {
		size_t len = v4 ? 4 : 16;
		CHECK(memcmp(header->source.bytes + NET_IP_LEN - len, input.data + 16, len) == 0);
	}
}

// As a connection reads it.
static void check_reading(struct bytes input, enum proxy_header_result whole)
{
	struct proxy_header header;
	size_t len = 0;
	enum proxy_header_result result = PROXY_HEADER_MORE;
	while (result == PROXY_HEADER_MORE) {
		size_t missing = proxy_header_missing(bytes_make(input.data, len));
		CHECK(missing > 0);
		if (missing > input.len - len) {
			return;
		}
		len += missing;
		result = parse(bytes_make(input.data, len), &header);
	}
	CHECK(result == whole);
	CHECK(result != PROXY_HEADER_OK || header.len == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct fuzz_chunks chunks = fuzz_take_chunks(&input);
	struct proxy_header header;
	const enum proxy_header_result whole = parse(input, &header);
	if (whole == PROXY_HEADER_OK) {
		check_accepted(input, &header);
	}
	check_reading(input, whole);
	for (size_t len = 0; len < input.len;) {
		struct proxy_header part;
		len += fuzz_next_chunk(&chunks, input.len - len);
		enum proxy_header_result result = parse(bytes_make(input.data, len), &part);
		CHECK(result == whole || result == PROXY_HEADER_MORE);
		CHECK(result != PROXY_HEADER_OK || part.len == header.len);
		if (result != PROXY_HEADER_MORE) {
			return 0;
		}
	}
	CHECK(whole == PROXY_HEADER_MORE);
	return 0;
}
