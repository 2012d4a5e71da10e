#include "common/fault.h"
#include "proto/link/crypto_mem.h"
#include "router/hooks/hook_sign.h"
#include "tests/unit/folder.h"

// The specification's own example.
#define EXAMPLE_KEY  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define EXAMPLE_ID   "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define EXAMPLE_TIME 1614265330
#define EXAMPLE_BODY "{\"test\": 2432232314}"
#define EXAMPLE_SIGN "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static int load(const struct folder *f, const char *text, struct hook_keys *keys,
	struct fault *fault)
{
	char *files[] = { (char *)f->file, (char *)f->file };
	const struct conf_list list = { files, ARRAY_LEN(files) };
	*keys = (struct hook_keys){ 0 };
	*fault = (struct fault){ 0 };
	folder_write_text(f, text);
	return hook_keys_load(keys, &list, fault);
}

static void signs_with_each_key_as_the_specification_shows(void **state)
{
	struct hook_keys keys;
	struct fault fault;
	struct buf out = { 0 };
	assert_int_equal(load(*state, EXAMPLE_KEY "\n", &keys, &fault), 0);
	hook_sign(&out, &keys, EXAMPLE_ID, EXAMPLE_TIME, bytes_str(EXAMPLE_BODY));
	assert_true(bytes_equal_str(buf_bytes(&out), EXAMPLE_SIGN " " EXAMPLE_SIGN));
	buf_fini(&out);
	hook_keys_fini(&keys);
}

static void refuses(const struct folder *f, const char *text, const char *why)
{
	struct hook_keys keys;
	struct fault fault;
	assert_int_equal(load(f, text, &keys, &fault), -1);
	assert_string_equal(fault.option, "webhook-key-file");
	assert_non_null(strstr(fault.what, why));
	assert_int_equal(keys.n, 0);
	fault_fini(&fault);
}

static void refuses_what_is_no_key(void **state)
{
	refuses(*state, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_");
	refuses(*state, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "base64");
	refuses(*state, "whsec_MfKQ9r8GKYqrTwj!PD8ILPZIo2LaLaSw", "base64");
	refuses(*state, "whsec_", "24 to 64");
	refuses(*state, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", "24 to 64");
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		IN_FOLDER(signs_with_each_key_as_the_specification_shows),
		IN_FOLDER(refuses_what_is_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
