#include "router/link/ingress.h"
#include "tests/unit/test.h"

static void count(void *arg)
{
	int *calls = arg;
	(*calls)++;
}

static void put_frame(struct ingress *in, uint64_t peer, const char *body)
{
	const struct ingress_event event = {
		.kind = INGRESS_FRAME,
		.peer = peer,
		.frame = { .type = LINK_BATCH, .seq = 7, .body = bytes_str(body) },
	};
	ingress_put(in, &event);
}

static void gives_back_what_was_put_in_order(void **state)
{
	(void)state;
	int calls = 0;
	struct loop *loop = loop_new();
	struct ingress *in = ingress_new(loop, count, &calls);
	struct ingress_event event;
	const struct ingress_event closed = { .kind = INGRESS_CLOSED, .peer = 2 };
	put_frame(in, 1, "first");
	ingress_put(in, &closed);
	put_frame(in, 3, "");
	assert_false(ingress_next(in, &event)); // not taken yet
	ingress_take(in);
	put_frame(in, 4, "later");
	assert_true(ingress_next(in, &event));
	assert_int_equal(event.peer, 1);
	assert_int_equal(event.frame.seq, 7);
	assert_bytes_equal(event.frame.body, "first");
	assert_true(ingress_next(in, &event));
	assert_int_equal(event.kind, INGRESS_CLOSED);
	assert_true(ingress_next(in, &event));
	assert_int_equal(event.frame.body.len, 0);
	assert_false(ingress_next(in, &event));
	ingress_take(in);
	assert_true(ingress_next(in, &event));
	assert_bytes_equal(event.frame.body, "later");
	ingress_free(in);
	loop_free(loop);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void wakes_its_loop(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct ingress *in = ingress_new(loop, stop, loop);
	put_frame(in, 1, "x");
	loop_run(loop); // ends by the wake
	ingress_free(in);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_put_in_order),
		cmocka_unit_test(wakes_its_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
