#include "proto/link/crypto_mem.h"
#include "proto/link_frame.h"
#include "proto/link_hello.h"
#include "tests/unit/test.h"

static const char key_a[] = "0123456789abcdef0123456789abcdef";
static const char key_b[] = "fedcba9876543210fedcba9876543210";

static struct link_nonces some_nonces(void)
{
	struct link_nonces nonces;
	memset(nonces.router, 'r', sizeof(nonces.router));
	memset(nonces.edge, 'e', sizeof(nonces.edge));
	return nonces;
}

static bool verifies(const struct buf *message, enum link_role role, const char *key,
	const struct link_nonces *nonces)
{
	struct bytes keys[] = { bytes_str(key) };
	struct link_nonces used = *nonces;
	size_t index;
	struct buf body = { 0 };
	bool fits = link_verify(buf_bytes(message), role, keys, key != NULL ? 1 : 0, &used, &index,
		&body);
	if (fits) {
		assert_bytes_equal(buf_bytes(&body), "body");
	}
	buf_fini(&body);
	return fits;
}

static void accepts_only_the_key_it_was_signed_with(void **state)
{
	(void)state;
	struct link_nonces nonces = some_nonces();
	struct buf message = { 0 };
	link_sign(&message, LINK_ROLE_EDGE, bytes_str(key_a), &nonces, bytes_str("body"));
	assert_true(verifies(&message, LINK_ROLE_EDGE, key_a, &nonces));
	assert_false(verifies(&message, LINK_ROLE_EDGE, key_b, &nonces));
	assert_false(verifies(&message, LINK_ROLE_EDGE, NULL, &nonces));
	buf_fini(&message);
}

static void says_which_of_several_keys_fitted(void **state)
{
	(void)state;
	struct link_nonces nonces = some_nonces();
	struct bytes keys[] = { bytes_str(key_a), bytes_str(key_b) };
	struct buf message = { 0 };
	struct buf body = { 0 };
	size_t index;
	link_sign(&message, LINK_ROLE_ROUTER, keys[1], &nonces, bytes_str("body"));
	assert_true(link_verify(buf_bytes(&message), LINK_ROLE_ROUTER, keys, 2, &nonces, &index,
		&body));
	assert_int_equal(index, 1);
	buf_fini(&message);
	buf_fini(&body);
}

static void refuses_a_reflected_or_replayed_proof(void **state)
{
	(void)state;
	struct link_nonces nonces = some_nonces();
	struct buf message = { 0 };
	link_sign(&message, LINK_ROLE_EDGE, bytes_str(key_a), &nonces, bytes_str("body"));
	assert_false(verifies(&message, LINK_ROLE_ROUTER, key_a, &nonces));
	nonces.router[31] ^= 1;
	assert_false(verifies(&message, LINK_ROLE_EDGE, key_a, &nonces));
	buf_fini(&message);
}

static void refuses_every_flipped_bit(void **state)
{
	(void)state;
	struct link_nonces nonces = some_nonces();
	struct buf message = { 0 };
	link_sign(&message, LINK_ROLE_EDGE, bytes_str(key_a), &nonces, bytes_str("body"));
	for (size_t bit = 0; bit < message.len * 8; bit++) {
		message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(verifies(&message, LINK_ROLE_EDGE, key_a, &nonces));
		message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	buf_fini(&message);
}

static void needs_no_proof_only_where_there_is_no_key(void **state)
{
	(void)state;
	struct link_nonces nonces = some_nonces();
	struct buf message = { 0 };
	link_sign(&message, LINK_ROLE_EDGE, bytes_make(NULL, 0), &nonces, bytes_str("body"));
	assert_true(verifies(&message, LINK_ROLE_EDGE, NULL, &nonces));
	assert_false(verifies(&message, LINK_ROLE_EDGE, key_a, &nonces));
	buf_fini(&message);
}

static void works_with_neighbouring_minor_versions_only(void **state)
{
	(void)state;
	assert_true(link_version_fits(LINK_MAJOR, LINK_MINOR));
	assert_true(link_version_fits(LINK_MAJOR, LINK_MINOR + 1));
	assert_false(link_version_fits(LINK_MAJOR, LINK_MINOR + 2));
	assert_false(link_version_fits(LINK_MAJOR + 1, LINK_MINOR));
}

static void takes_plain_names_only(void **state)
{
	(void)state;
	assert_true(link_name_valid(bytes_str("edge-1.example:80_x")));
	assert_false(link_name_valid(bytes_str("")));
	assert_false(link_name_valid(bytes_str("a b")));
	assert_false(link_name_valid(bytes_str("a\n")));
	char longest[LINK_NAME_MAX + 2] = { 0 };
	memset(longest, 'x', LINK_NAME_MAX + 1);
	assert_false(link_name_valid(bytes_str(longest)));
	assert_true(link_name_valid(bytes_str(longest + 1)));
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_only_the_key_it_was_signed_with),
		cmocka_unit_test(says_which_of_several_keys_fitted),
		cmocka_unit_test(refuses_a_reflected_or_replayed_proof),
		cmocka_unit_test(refuses_every_flipped_bit),
		cmocka_unit_test(needs_no_proof_only_where_there_is_no_key),
		cmocka_unit_test(works_with_neighbouring_minor_versions_only),
		cmocka_unit_test(takes_plain_names_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
