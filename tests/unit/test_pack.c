#include <stdlib.h>

#include "common/mem.h"
#include "edge/send/pack.h"
#include "edge/ws/ws_deflate.h"
#include "tests/unit/test.h"

enum {
	THRESHOLD = 100,
};

#define TEXT_50  "01234567890123456789012345678901234567890123456789"
#define TEXT_100 TEXT_50 TEXT_50

struct fixture {
	struct pack_locks locks;
	struct packer packer;
	struct ws_inflater *inflater;
};

static const struct packer_options options = {
	.level = 3,
	.mem_level = 7,
	.threshold = THRESHOLD,
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	pack_locks_init(&f->locks);
	packer_init(&f->packer, &options, &f->locks);
	f->inflater = ws_inflater_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	packer_fini(&f->packer);
	pack_locks_fini(&f->locks);
	ws_inflater_free(f->inflater);
	free(f);
	return 0;
}

static void packs_a_message_under_its_opcode_and_type(void **state)
{
	struct fixture *f = *state;
	const struct ws_inflate_limits limits = { .text = true };
	struct bytes message;
	struct frame *plain = frame_new(WS_TEXT, bytes_str(TEXT_100));
	plain->type = 7;
	struct frame *packed = packer_run(&f->packer, plain);
	assert_ptr_not_equal(packed, plain);
	assert_int_equal(packed->data[0], 0xc1);
	assert_int_equal(packed->type, 7);
	assert_true(packed->len < plain->len);
	assert_int_equal(ws_inflater_run(f->inflater, frame_payload(packed), &limits, &message), 0);
	assert_bytes_equal(message, TEXT_100);
	frame_unref(plain); // what is queued outlives it
	assert_int_equal(packed->data[0], 0xc1);
	frame_unref(packed);
}

static void packs_a_message_once_for_all_who_ask(void **state)
{
	struct fixture *f = *state;
	struct packer other;
	packer_init(&other, &options, &f->locks);
	struct frame *plain = frame_new(WS_TEXT, bytes_str(TEXT_100));
	struct frame *first = packer_run(&f->packer, plain);
	struct frame *second = packer_run(&f->packer, plain);
	struct frame *third = packer_run(&other, plain);
	assert_ptr_equal(first, second);
	assert_ptr_equal(first, third);
	frame_unref(first);
	frame_unref(second);
	frame_unref(third);
	frame_unref(plain);
	packer_fini(&other);
}

static void leaves_a_message_below_the_threshold_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct frame *plain = frame_new(WS_TEXT, bytes_make(TEXT_100, THRESHOLD - 1));
	struct frame *same = packer_run(&f->packer, plain);
	assert_ptr_equal(same, plain);
	frame_unref(same);
	frame_unref(plain);
}

static void leaves_a_message_that_gets_no_smaller_as_it_is(void **state)
{
	struct fixture *f = *state;
	uint8_t noise[300];
	uint32_t seed = 9;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (uint8_t)(seed >> 24);
	}
	struct frame *plain = frame_new(WS_BINARY, bytes_make(noise, sizeof(noise)));
	for (int i = 0; i < 2; i++) {
		struct frame *same = packer_run(&f->packer, plain);
		assert_ptr_equal(same, plain);
		frame_unref(same);
	}
	frame_unref(plain);
}

static void packs_nothing_when_it_is_zeroed(void **state)
{
	(void)state;
	struct packer packer = { 0 };
	struct frame *plain = frame_new(WS_TEXT, bytes_str(TEXT_100));
	struct frame *same = packer_run(&packer, plain);
	assert_ptr_equal(same, plain);
	frame_unref(same);
	frame_unref(plain);
	packer_fini(&packer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packs_a_message_under_its_opcode_and_type),
		cmocka_unit_test(packs_a_message_once_for_all_who_ask),
		cmocka_unit_test(leaves_a_message_below_the_threshold_as_it_is),
		cmocka_unit_test(leaves_a_message_that_gets_no_smaller_as_it_is),
		cmocka_unit_test(packs_nothing_when_it_is_zeroed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
