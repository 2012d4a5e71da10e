#include "proto/link_frame.h"
#include "proto/link_hello.h"
#include "proto/link_items.h"
#include "proto/names.h"
#include "router/link/edge_hello.h"
#include "tests/unit/test.h"

// What a conforming edge sends, for a test to spoil.
struct sample {
	Weir__Link__V1__Hello message;
	Weir__Link__V1__Right right;
	Weir__Link__V1__Right *rights[1];
};

static void sample_init(struct sample *s)
{
	weir__link__v1__right__init(&s->right);
	s->right.mask = RIGHT_JOIN | RIGHT_HISTORY;
	s->right.pattern = pb_data(bytes_str("room-*"));
	s->rights[0] = &s->right;
	weir__link__v1__hello__init(&s->message);
	s->message.name = pb_data(bytes_str("edge-1"));
	s->message.boot = pb_data(bytes_str("0123456789abcdef"));
	s->message.window_bytes = LINK_WINDOW_BYTES;
	s->message.version = pb_data(bytes_str("0.1.0"));
	s->message.default_rights = s->rights;
	s->message.n_default_rights = 1;
	s->message.lobby = pb_data(bytes_str("lobby"));
	s->message.lobby_publish = LOBBY_PUBLISH_ADMIN;
}

static bool unpacks(const struct sample *s, struct edge_hello *hello)
{
	struct buf packed = { 0 };
	uint8_t *at = buf_reserve(&packed, weir__link__v1__hello__get_packed_size(&s->message));
	packed.len = weir__link__v1__hello__pack(&s->message, at);
	bool fine = edge_hello_unpack(hello, buf_bytes(&packed));
	buf_fini(&packed);
	return fine;
}

static void assert_refused(const struct sample *s)
{
	struct edge_hello hello;
	assert_false(unpacks(s, &hello));
	assert_null(hello.message);
	assert_null(hello.policy.defaults);
}

static void gives_the_message_and_the_policy(void **state)
{
	(void)state;
	struct sample s;
	struct edge_hello hello;
	unsigned mask;
	sample_init(&s);
	assert_true(unpacks(&s, &hello));
	assert_bytes_equal(pb_bytes(hello.message->name), "edge-1");
	assert_bytes_equal(hello.policy.lobby, "lobby");
	assert_int_equal(hello.policy.lobby_publish, LOBBY_PUBLISH_ADMIN);
	assert_int_equal(rights_count(hello.policy.defaults), 1);
	assert_bytes_equal(rights_at(hello.policy.defaults, 0, &mask), "room-*");
	assert_int_equal(mask, RIGHT_JOIN | RIGHT_HISTORY);
	edge_hello_fini(&hello);
}

static void takes_one_that_leaves_out_what_it_may(void **state)
{
	(void)state;
	struct sample s;
	struct edge_hello hello;
	sample_init(&s);
	s.message.version = pb_data(bytes_make(NULL, 0));
	s.message.lobby = pb_data(bytes_make(NULL, 0));
	s.message.n_default_rights = 0;
	assert_true(unpacks(&s, &hello));
	assert_int_equal(hello.policy.lobby.len, 0);
	assert_int_equal(rights_count(hello.policy.defaults), 0);
	edge_hello_fini(&hello);
}

static void drops_rights_that_it_does_not_know(void **state)
{
	(void)state;
	struct sample s;
	struct edge_hello hello;
	unsigned mask;
	sample_init(&s);
	s.right.mask = RIGHT_ALL + 1 + RIGHT_JOIN;
	assert_true(unpacks(&s, &hello));
	rights_at(hello.policy.defaults, 0, &mask);
	assert_int_equal(mask, RIGHT_JOIN);
	edge_hello_fini(&hello);
}

static void refuses_what_no_honest_edge_says(void **state)
{
	(void)state;
	char long_text[LINK_NAME_MAX + ROOM_NAME_MAX];
	struct sample s;
	memset(long_text, 'a', sizeof(long_text));

	sample_init(&s);
	s.message.name = pb_data(bytes_make(NULL, 0));
	assert_refused(&s);
	sample_init(&s);
	s.message.name = pb_data(bytes_str("edge 1"));
	assert_refused(&s);
	sample_init(&s);
	s.message.boot = pb_data(bytes_str("0123456789abcde"));
	assert_refused(&s);
	sample_init(&s);
	s.message.window_bytes = LINK_HEAD_LEN + LINK_BODY_MAX - 1;
	assert_refused(&s);
	sample_init(&s);
	s.message.version = pb_data(bytes_make(long_text, LINK_NAME_MAX + 1));
	assert_refused(&s);
	sample_init(&s);
	s.message.version = pb_data(bytes_make("0.1\0", 4));
	assert_refused(&s);
	sample_init(&s);
	s.message.lobby = pb_data(bytes_make(long_text, ROOM_NAME_MAX + 1));
	assert_refused(&s);
	sample_init(&s);
	s.message.lobby_publish = LOBBY_PUBLISH_NONE + 1;
	assert_refused(&s);
	sample_init(&s);
	s.right.pattern = pb_data(bytes_make(NULL, 0));
	assert_refused(&s);
}

static void refuses_what_is_cut_off(void **state)
{
	(void)state;
	struct sample s;
	struct edge_hello hello;
	struct buf packed = { 0 };
	sample_init(&s);
	size_t len = weir__link__v1__hello__get_packed_size(&s.message);
	packed.len = weir__link__v1__hello__pack(&s.message, buf_reserve(&packed, len));
	for (size_t i = 0; i < len; i++) {
		// Where a field ends, a shorter message does: it lacks something, or is whole.
		if (edge_hello_unpack(&hello, bytes_make(packed.data, i))) {
			assert_true(hello.message->window_bytes >= LINK_HEAD_LEN + LINK_BODY_MAX);
		}
		edge_hello_fini(&hello);
	}
	buf_fini(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_message_and_the_policy),
		cmocka_unit_test(takes_one_that_leaves_out_what_it_may),
		cmocka_unit_test(drops_rights_that_it_does_not_know),
		cmocka_unit_test(refuses_what_no_honest_edge_says),
		cmocka_unit_test(refuses_what_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
