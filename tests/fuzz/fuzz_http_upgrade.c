// Any head that parses is answered by one of the statuses of the handshake, with the reason beside
// a refusal, twice the same; and the answer does not depend on the token, nor on the form of the
// target. The first byte chooses the policy.

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "edge/http/http_upgrade.h"
#include "tests/fuzz/fuzz.h"

static const char *const origins[] = { "https://good.example" };

static struct buf answer(int status, const struct upgrade_request *request)
{
	struct buf out = { 0 };
	if (status == 101) {
		http_upgrade_accept(&out, request);
	} else {
		http_refuse(&out, status, request->why, 0);
	}
	return out;
}

static void check_answer(int status, const struct upgrade_request *request)
{
	struct upgrade_request without = *request;
	without.token = bytes_make(NULL, 0);
	struct buf given = answer(status, request);
	struct buf expected = answer(status, &without);
	CHECK(bytes_equal(buf_bytes(&given), buf_bytes(&expected)));
	buf_fini(&given);
	buf_fini(&expected);
}

// The same request, its target in absolute form.
static void check_absolute_form(const struct http_head *head, struct bytes text,
	const struct upgrade_policy *policy, int status)
{
	struct buf absolute = { 0 };
	struct buf scratch = { 0 };
	struct http_head again;
	struct upgrade_request request;
	buf_append_bytes(&absolute, head->method);
	buf_append_str(&absolute, " http://");
	buf_append_bytes(&absolute, head->authority);
	buf_append_bytes(&absolute, bytes_from(text, head->method.len + 1));
	int parsed = http_head_parse(buf_bytes(&absolute), &again);
	CHECK(parsed == 0 || parsed == 414 || parsed == 431);
	if (parsed == 0) {
		CHECK(bytes_equal(again.path, head->path) && bytes_equal(again.query, head->query));
		CHECK(bytes_equal(again.authority, head->authority));
		CHECK(http_upgrade_check(&again, policy, &request, &scratch) == status);
	}
	buf_fini(&scratch);
	buf_fini(&absolute);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct upgrade_policy policy = {
		.allowed_origins = origins,
		.n_allowed_origins = ARRAY_LEN(origins),
		.tls = fuzz_take_byte(&input) % 2 == 1,
	};
	struct http_head head;
	struct upgrade_request request;
	struct upgrade_request again;
	struct buf scratch = { 0 };
	if (http_head_parse(input, &head) != 0) {
		return 0;
	}
	int status = http_upgrade_check(&head, &policy, &request, &scratch);
	CHECK(status == 101 || status == 400 || status == 403 || status == 404 || status == 405 ||
		status == 426);
	CHECK((status == 101) == (request.why == NULL));
	CHECK(status != 101 || strlen(request.accept) == sizeof(request.accept) - 1);
	check_answer(status, &request);
	CHECK(http_upgrade_check(&head, &policy, &again, &scratch) == status);
	CHECK(strcmp(again.accept, request.accept) == 0);
	if (head.authority.len > 0 && bytes_has_prefix(head.target, "/")) {
		check_absolute_form(&head, input, &policy, status);
	}
	CHECK(again.token.len == request.token.len && again.subprotocol == request.subprotocol);
	buf_fini(&scratch);
	return 0;
}
