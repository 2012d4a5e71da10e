#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "common/check.h"
#include "edge/tls/tls_ticket.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"

#define SECRET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECRET_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct tls_ticket_keys parsed(const char *text)
{
	struct tls_ticket_keys keys;
	const char *why;
	assert_int_equal(tls_ticket_keys_parse(&keys, bytes_str(text), &why), 0);
	assert_null(why);
	return keys;
}

// What OpenSSL does with a ticket: the result of opening with `by` what `from` has sealed.
static int sealed_and_opened(const struct tls_ticket_keys *from, const struct tls_ticket_keys *by)
{
	unsigned char name[TLS_TICKET_NAME_LEN];
	unsigned char iv[TLS_TICKET_IV_LEN];
	unsigned char sealed[64];
	unsigned char opened[64];
	int len;
	int more;
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	assert_int_equal(tls_ticket_keys_use(from, name, iv, cipher, mac, 1), 1);
	assert_int_equal(EVP_EncryptUpdate(cipher, sealed, &len, (const unsigned char *)"hello", 5),
		1);
	assert_int_equal(EVP_EncryptFinal_ex(cipher, sealed + len, &more), 1);
	int sealed_len = len + more;
	int result = tls_ticket_keys_use(by, name, iv, cipher, mac, 0);
	if (result > 0) {
		assert_int_equal(EVP_DecryptUpdate(cipher, opened, &len, sealed, sealed_len), 1);
		assert_int_equal(EVP_DecryptFinal_ex(cipher, opened + len, &more), 1);
		assert_int_equal(len + more, 5);
		assert_memory_equal(opened, "hello", 5);
	}
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	EVP_CIPHER_CTX_free(cipher);
	return result;
}

static void the_same_file_gives_the_same_keys(void **state)
{
	(void)state;
	struct tls_ticket_keys a = parsed(SECRET_A);
	struct tls_ticket_keys again = parsed("\n" SECRET_A "\n\n");
	assert_int_equal(a.n, 1);
	assert_memory_equal(&a, &again, sizeof(a));
	assert_int_equal(sealed_and_opened(&a, &again), 1);
}

static void the_parts_of_a_key_have_nothing_in_common(void **state)
{
	(void)state;
	struct tls_ticket_keys a = parsed(SECRET_A);
	struct tls_ticket_keys b = parsed(SECRET_B);
	assert_memory_not_equal(a.keys[0].cipher_key, a.keys[0].mac_key, 32);
	assert_memory_not_equal(a.keys[0].name, b.keys[0].name, TLS_TICKET_NAME_LEN);
	assert_null(memmem(&a.keys[0], sizeof(a.keys[0]), "aaaa", 4));
}

static void the_first_key_seals_and_the_others_open(void **state)
{
	(void)state;
	struct tls_ticket_keys old = parsed(SECRET_A);
	struct tls_ticket_keys rotated = parsed(SECRET_B "\n" SECRET_A);
	struct tls_ticket_keys later = parsed(SECRET_B);
	assert_int_equal(sealed_and_opened(&old, &rotated), 2); // and is to be replaced
	assert_int_equal(sealed_and_opened(&rotated, &rotated), 1);
	assert_int_equal(sealed_and_opened(&rotated, &later), 1);
	assert_int_equal(sealed_and_opened(&old, &later), 0);
}

static void a_random_key_is_nobody_elses(void **state)
{
	(void)state;
	struct tls_ticket_keys a;
	struct tls_ticket_keys b;
	tls_ticket_keys_random(&a);
	tls_ticket_keys_random(&b);
	assert_int_equal(sealed_and_opened(&a, &a), 1);
	assert_int_equal(sealed_and_opened(&a, &b), 0);
	tls_ticket_keys_wipe(&a);
	const struct tls_ticket_keys zero = { 0 };
	assert_memory_equal(&a, &zero, sizeof(a));
}

static void tells_what_is_wrong_with_a_file(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{ "", "no key in it" },
		{ "\n\n", "no key in it" },
		{ "short", "a key is shorter than 32 bytes" },
		{ SECRET_A "\nshort", "a key is shorter than 32 bytes" },
		{ "aaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaa", "a key is not printable text" },
		{ "aaaaaaaaaaaaaaaa\x80"
		  "aaaaaaaaaaaaaaaaa",
			"a key is not printable text" },
		{ SECRET_A "\r", "a key is not printable text" },
		{ SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A
			   "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A,
			"more than 8 keys" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_ticket_keys keys;
		const char *why = NULL;
		assert_int_equal(tls_ticket_keys_parse(&keys, bytes_str(rows[i].text), &why), -1);
		assert_string_equal(why, rows[i].why);
		assert_int_equal(keys.n, 0);
	}
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file_gives_the_same_keys),
		cmocka_unit_test(the_parts_of_a_key_have_nothing_in_common),
		cmocka_unit_test(the_first_key_seals_and_the_others_open),
		cmocka_unit_test(a_random_key_is_nobody_elses),
		cmocka_unit_test(tells_what_is_wrong_with_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
