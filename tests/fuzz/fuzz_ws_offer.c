// Whatever a client offers, the answer keeps to what this server can do, and is itself an offer that
// would be taken in the same words. The first byte chooses the windows.

#include "common/check.h"
#include "edge/ws/ws_offer.h"
#include "tests/fuzz/fuzz.h"

static const struct ws_offer_policy policies[] = {
	{ WS_WINDOW_BITS_MIN, WS_WINDOW_BITS_MAX },
	{ 12, 12 },
	{ 0, 0 },
};

static struct ws_agreement choose(struct bytes value, struct ws_offer_policy policy)
{
	static const char name[] = "Sec-WebSocket-Extensions";
	struct http_head head = { .n_fields = 1 };
	head.fields[0] = (struct http_field){ .name = bytes_str(name), .value = value };
	return ws_offer_choose(&head, policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct ws_offer_policy policy = policies[fuzz_take_byte(&input) % ARRAY_LEN(policies)];
	struct ws_agreement agreement = choose(input, policy);
	if (!agreement.compressed) {
		return 0;
	}
	CHECK(agreement.window_bits >= policy.window_bits_min);
	CHECK(agreement.window_bits <= policy.window_bits_max);
	struct buf answer = { 0 };
	ws_offer_answer(&answer, &agreement);
	struct ws_agreement again = choose(buf_bytes(&answer), policy);
	CHECK(again.compressed && again.window_bits == agreement.window_bits);
	CHECK(again.names_window == agreement.names_window);
	buf_fini(&answer);
	return 0;
}
