// Whatever a client offers, the answer keeps to what this server can do, and is itself an offer
// that would be taken in the same words; and whether a list is one does not depend on who reads it.
// The first byte chooses the windows.

#include "common/check.h"
#include "edge/ws/ws_offer.h"
#include "tests/fuzz/fuzz.h"

static const struct ws_offer_policy policies[] = {
	{ WS_WINDOW_BITS_MIN, WS_WINDOW_BITS_MAX },
	{ 12, 12 },
	{ 0, 0 },
};

// False if the list is malformed, whatever the policy.
static bool choose(struct bytes value, struct ws_offer_policy policy,
	struct ws_agreement *agreement)
{
	static const char name[] = "Sec-WebSocket-Extensions";
	struct http_head head = { .n_fields = 1 };
	struct ws_agreement other;
	head.fields[0] = (struct http_field){ .name = bytes_str(name), .value = value };
	bool well_formed = ws_offer_choose(&head, policy, agreement);
	CHECK(well_formed || !agreement->compressed);
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		CHECK(ws_offer_choose(&head, policies[i], &other) == well_formed);
	}
	return well_formed;
}

// With one more element at its end a list says what it said, or nothing at all.
static void check_longer(struct bytes value, struct ws_offer_policy policy,
	const struct ws_agreement *agreement)
{
	struct buf longer = { 0 };
	struct ws_agreement again;
	buf_append_bytes(&longer, value);
	buf_append_str(&longer, ",x ; y = \"\\1\"");
	CHECK(choose(buf_bytes(&longer), policy, &again));
	CHECK(again.compressed == agreement->compressed);
	CHECK(again.window_bits == agreement->window_bits);
	buf_append_byte(&longer, ';');
	CHECK(!choose(buf_bytes(&longer), policy, &again));
	buf_fini(&longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct ws_offer_policy policy = policies[fuzz_take_byte(&input) % ARRAY_LEN(policies)];
	struct ws_agreement agreement;
	if (choose(input, policy, &agreement)) {
		check_longer(input, policy, &agreement);
	}
	if (!agreement.compressed) {
		return 0;
	}
	CHECK(agreement.window_bits >= policy.window_bits_min);
	CHECK(agreement.window_bits <= policy.window_bits_max);
	struct buf answer = { 0 };
	struct ws_agreement again;
	ws_offer_answer(&answer, &agreement);
	CHECK(choose(buf_bytes(&answer), policy, &again));
	CHECK(again.compressed && again.window_bits == agreement.window_bits);
	CHECK(again.names_window == agreement.names_window);
	buf_fini(&answer);
	return 0;
}
