#include <stdlib.h>

#include "common/mem.h"
#include "edge/uplink/router_hello.h"
#include "edge/uplink/siblings.h"
#include "proto/link/crypto_mem.h"
#include "proto/link_items.h"
#include "proto/policy/rights.h"
#include "tests/unit/test.h"

#define KEY "an example key of thirty-two bytes"

static const uint8_t boot[LINK_BOOT_LEN] = { 7 };
static const uint8_t nonce[LINK_NONCE_LEN] = { 1, 2, 3 };

struct rig {
	struct siblings siblings;
	struct rights_policy policy;
	struct link_session session;
	struct link_nonces nonces;
	struct buf message;
	struct router_hello self;
};

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	siblings_init(&rig->siblings);
	link_session_init(&rig->session);
	rig->policy.defaults = rights_new();
	assert_true(rights_add(rig->policy.defaults, RIGHT_JOIN, bytes_str("lobby")));
	assert_true(rights_add(rig->policy.defaults, RIGHT_ALL, bytes_str("room-*")));
	rig->policy.lobby = bytes_str("lobby");
	rig->self = (struct router_hello){
		.key = bytes_str(KEY),
		.name = "edge-1",
		.boot = boot,
		.policy = &rig->policy,
		.siblings = &rig->siblings,
		.token_life_ms = 3600000,
		.n_workers = 3,
	};
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	siblings_fini(&rig->siblings);
	link_session_fini(&rig->session);
	rights_unref(rig->policy.defaults);
	buf_fini(&rig->message);
	free(rig);
	return 0;
}

static struct buf packed_challenge(uint32_t major, uint32_t minor, size_t nonce_len, bool key)
{
	struct buf out = { 0 };
	Weir__Link__V1__Challenge challenge = WEIR__LINK__V1__CHALLENGE__INIT;
	challenge.major = major;
	challenge.minor = minor;
	challenge.nonce = pb_data(bytes_make(nonce, nonce_len));
	challenge.key_required = key;
	uint8_t *at = buf_reserve(&out, weir__link__v1__challenge__get_packed_size(&challenge));
	out.len += weir__link__v1__challenge__pack(&challenge, at);
	return out;
}

// NULL, or why the router is refused; the CHALLENGE is freed.
static const char *answer(struct rig *rig, struct buf challenge)
{
	const char *why = router_hello_answer(&rig->self, buf_bytes(&challenge), &rig->session,
		&rig->nonces, &rig->message);
	buf_fini(&challenge);
	return why;
}

// The HELLO as a router with the same key reads it; the caller frees it.
static Weir__Link__V1__Hello *hello_of(struct rig *rig)
{
	struct buf body = { 0 };
	size_t key_index;
	struct bytes key = bytes_str(KEY);
	struct link_nonces nonces = { 0 };
	memcpy(nonces.router, nonce, sizeof(nonce));
	assert_true(link_verify(buf_bytes(&rig->message), LINK_ROLE_EDGE, &key, 1, &nonces,
		&key_index, &body));
	assert_memory_equal(nonces.edge, rig->nonces.edge, LINK_NONCE_LEN);
	Weir__Link__V1__Hello *hello = weir__link__v1__hello__unpack(NULL, body.len, body.data);
	assert_non_null(hello);
	buf_fini(&body);
	return hello;
}

static void answers_a_challenge_with_what_it_is_and_offers(void **state)
{
	struct rig *rig = *state;
	rig->session.id = 99;
	assert_null(answer(rig, packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, true)));
	Weir__Link__V1__Hello *hello = hello_of(rig);
	assert_bytes_equal(pb_bytes(hello->name), "edge-1");
	assert_int_equal(hello->boot.len, LINK_BOOT_LEN);
	assert_int_equal(hello->session, 99);
	assert_int_equal(hello->up_next, 1);
	assert_int_equal(hello->n_default_rights, 2);
	assert_bytes_equal(pb_bytes(hello->default_rights[1]->pattern), "room-*");
	assert_int_equal(hello->default_rights[1]->mask, RIGHT_ALL);
	assert_bytes_equal(pb_bytes(hello->lobby), "lobby");
	assert_int_equal(hello->jwt_max_lifetime_ms, 3600000);
	assert_int_equal(hello->workers, 3);
	assert_int_equal(hello->n_edges, 0);
	weir__link__v1__hello__free_unpacked(hello, NULL);
}

static void names_its_siblings(void **state)
{
	struct rig *rig = *state;
	ProtobufCBinaryData names[] = { pb_data(bytes_str("edge-1")), pb_data(bytes_str("b")) };
	Weir__Link__V1__EdgeList list = WEIR__LINK__V1__EDGE_LIST__INIT;
	list.n_names = 2;
	list.names = names;
	assert_true(siblings_take(&rig->siblings, &list));
	assert_null(answer(rig, packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, true)));
	Weir__Link__V1__Hello *hello = hello_of(rig);
	assert_int_equal(hello->n_edges, 2);
	assert_bytes_equal(pb_bytes(hello->edges[1]), "b");
	weir__link__v1__hello__free_unpacked(hello, NULL);
}

static void takes_a_new_nonce_each_time(void **state)
{
	struct rig *rig = *state;
	assert_null(answer(rig, packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, true)));
	struct link_nonces first = rig->nonces;
	assert_null(answer(rig, packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, true)));
	assert_memory_not_equal(first.edge, rig->nonces.edge, LINK_NONCE_LEN);
	assert_memory_equal(first.router, rig->nonces.router, LINK_NONCE_LEN);
}

static void refuses_a_challenge_that_no_router_of_its_own_sends(void **state)
{
	struct rig *rig = *state;
	struct buf garbage = { 0 };
	buf_append_str(&garbage, "\xff\xff\xff");
	const struct {
		struct buf challenge;
		const char *why;
	} cases[] = {
		{ garbage, "malformed challenge" },
		{ packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN - 1, true),
			"malformed challenge" },
		{ packed_challenge(LINK_MAJOR + 1, LINK_MINOR, LINK_NONCE_LEN, true),
			"version: mixed old and new programs?" },
		{ packed_challenge(LINK_MAJOR, LINK_MINOR + 2, LINK_NONCE_LEN, true),
			"version: mixed old and new programs?" },
		{ packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, false),
			"bad_key: the router has none" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_string_equal(answer(rig, cases[i].challenge), cases[i].why);
		assert_int_equal(rig->message.len, 0);
	}
	rig->self.key = bytes_make(NULL, 0); // asks for no proof
	assert_null(answer(rig, packed_challenge(LINK_MAJOR, LINK_MINOR, LINK_NONCE_LEN, false)));
}

static struct buf signed_ack(struct rig *rig, const char *key, uint32_t major)
{
	struct buf body = { 0 };
	struct buf out = { 0 };
	Weir__Link__V1__HelloAck ack = WEIR__LINK__V1__HELLO_ACK__INIT;
	ack.major = major;
	ack.minor = LINK_MINOR;
	ack.session = 5;
	uint8_t *at = buf_reserve(&body, weir__link__v1__hello_ack__get_packed_size(&ack));
	body.len += weir__link__v1__hello_ack__pack(&ack, at);
	link_sign(&out, LINK_ROLE_ROUTER, bytes_str(key), &rig->nonces, buf_bytes(&body));
	buf_fini(&body);
	return out;
}

static void takes_a_hello_ack_that_is_signed_with_its_key_for_this_hello(void **state)
{
	struct rig *rig = *state;
	const char *why = NULL;
	struct buf packed = signed_ack(rig, KEY, LINK_MAJOR);
	Weir__Link__V1__HelloAck *ack =
		router_hello_check_ack(&rig->self, buf_bytes(&packed), &rig->nonces, &why);
	assert_non_null(ack);
	assert_int_equal(ack->session, 5);
	weir__link__v1__hello_ack__free_unpacked(ack, NULL);
	rig->nonces.edge[0] ^= 1; // of another HELLO
	assert_null(router_hello_check_ack(&rig->self, buf_bytes(&packed), &rig->nonces, &why));
	assert_string_equal(why, "bad_key: the router does not have this edge's key");
	buf_fini(&packed);
}

static void refuses_a_hello_ack_of_another_key_or_version(void **state)
{
	struct rig *rig = *state;
	const char *why = NULL;
	struct buf packed = signed_ack(rig, "another key, that is also long enough", LINK_MAJOR);
	assert_null(router_hello_check_ack(&rig->self, buf_bytes(&packed), &rig->nonces, &why));
	assert_string_equal(why, "bad_key: the router does not have this edge's key");
	buf_fini(&packed);
	packed = signed_ack(rig, KEY, LINK_MAJOR + 1);
	assert_null(router_hello_check_ack(&rig->self, buf_bytes(&packed), &rig->nonces, &why));
	assert_string_equal(why, "version: mixed old and new programs?");
	buf_fini(&packed);
}

#define HELLO_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		HELLO_TEST(answers_a_challenge_with_what_it_is_and_offers),
		HELLO_TEST(names_its_siblings),
		HELLO_TEST(takes_a_new_nonce_each_time),
		HELLO_TEST(refuses_a_challenge_that_no_router_of_its_own_sends),
		HELLO_TEST(takes_a_hello_ack_that_is_signed_with_its_key_for_this_hello),
		HELLO_TEST(refuses_a_hello_ack_of_another_key_or_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
