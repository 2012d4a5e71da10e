// A head that grows: "more" up to some length, from there on one answer, whatever the cuts; and an
// accepted head's spans lie within it.

#include <stdlib.h>

#include "common/check.h"
#include "common/http_head.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

static bool inside(struct bytes span, struct bytes whole)
{
	return span.len == 0 ||
		(span.data >= whole.data && span.len <= whole.len &&
			span.data + span.len <= whole.data + whole.len);
}

static void check_list(const struct http_head *head, const char *name, struct bytes whole)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	size_t total = 0;
	while (http_head_list_next(head, name, &cursor, &element)) {
		CHECK(element.len > 0 && inside(element, whole));
		total += element.len;
	}
	CHECK(total <= whole.len);
}

static void check_accepted(const struct http_head *head, struct bytes whole)
{
	struct bytes head_bytes = bytes_make(whole.data, head->len);
	struct bytes host = { 0 };
	CHECK(head->len <= whole.len && head->len <= HTTP_HEAD_MAX);
	CHECK(head->target.len <= HTTP_LINE_MAX && head->n_fields <= HTTP_FIELDS_MAX);
	CHECK(inside(head->method, head_bytes) && head->method.len > 0);
	CHECK(inside(head->path, head->target) || bytes_equal_str(head->path, "/"));
	CHECK(head->path.len > 0 && inside(head->query, head->target));
	CHECK(inside(head->authority, head_bytes) && (head->authority.len > 0 || head->minor == 0));
	for (size_t i = 0; i < head->n_fields; i++) {
		CHECK(inside(head->fields[i].name, head_bytes) && head->fields[i].name.len > 0);
		CHECK(inside(head->fields[i].value, head_bytes));
	}
	CHECK(http_head_find(head, "host", &host) == 1 || head->minor == 0);
	CHECK(!(head->has_content_length && head->has_transfer_encoding));
	check_list(head, "connection", head_bytes);
	check_list(head, "sec-websocket-protocol", head_bytes);
}

// Parses a copy of exactly that length.
static int parse(struct bytes data)
{
	struct http_head head;
	uint8_t *copy = xmemdup(data.data, data.len);
	int status = http_head_parse(bytes_make(copy, data.len), &head);
	if (status == 0) {
		check_accepted(&head, bytes_make(copy, data.len));
	}
	free(copy);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct fuzz_chunks chunks = fuzz_take_chunks(&input);
	const int whole = parse(input);
	CHECK(whole == 0 || whole == 1 || whole == 400 || whole == 414 || whole == 431 ||
		whole == 505);
	for (size_t len = 0; len < input.len;) {
		len += fuzz_next_chunk(&chunks, input.len - len);
		int status = parse(bytes_make(input.data, len));
		CHECK(status == whole || status == 1);
		if (status != 1) {
			return 0; // the connection is answered; the rest is not looked at
		}
	}
	CHECK(whole == 1 || input.len == 0);
	return 0;
}
