#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/secret_file.h"
#include "tests/unit/folder.h"

static void reads_secrets_that_are_kept_as_such(void **state)
{
	struct folder *f = *state;
	static const struct {
		const char *content;
		mode_t mode;
		const char *secret; // NULL: refused
	} rows[] = {
		{ "abc", 0600, "abc" },
		{ "abc\n", 0400, "abc" },
		{ "abc\n\n", 0640, "abc\n" },
		{ "abc\r\n", 0440, "abc\r" },
		{ "", 0600, "" },
		{ "\n", 0600, "" },
		{ "0123456789abcdef\n", 0600, "0123456789abcdef" },
		{ "0123456789abcdefg", 0600, NULL },
		{ "0123456789abcdef\n\n", 0600, NULL },
		{ "0123456789abcdefghijklmnop", 0600, NULL },
		{ "abc", 0644, NULL },
		{ "abc", 0604, NULL },
		{ "abc", 0602, NULL },
		{ "abc", 0601, NULL },
		{ "abc", 0660, NULL },
		{ "abc", 0620, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf secret;
		const char *why = NULL;
		folder_write_text(f, rows[i].content);
		assert_int_equal(chmod(f->file, rows[i].mode), 0);
		int r = secret_file_read(f->file, 16, &secret, &why);
		assert_int_equal(r, rows[i].secret != NULL ? 0 : -1);
		if (r == 0) {
			assert_bytes_equal(buf_bytes(&secret), rows[i].secret);
			secret_file_free(&secret);
		} else {
			assert_non_null(why);
		}
		assert_null(secret.data);
	}
}

static void looks_at_the_file_behind_a_link(void **state)
{
	struct folder *f = *state;
	char link[128];
	struct buf secret;
	const char *why = NULL;
	folder_write_text(f, "abc");
	snprintf(link, sizeof(link), "%s/link", f->path);
	assert_int_equal(symlink(f->file, link), 0);
	assert_int_equal(secret_file_read(link, 16, &secret, &why), 0);
	secret_file_free(&secret);
	assert_int_equal(chmod(f->file, 0644), 0);
	assert_int_equal(secret_file_read(link, 16, &secret, &why), -1);
	unlink(link);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_int_equal(secret_file_read(link, 16, &secret, &why), -1);
	assert_string_equal(why, "not a regular file");
	unlink(link);
	assert_int_equal(secret_file_read(link, 16, &secret, &why), -1);
	assert_string_equal(why, "No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(reads_secrets_that_are_kept_as_such),
		IN_FOLDER(looks_at_the_file_behind_a_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
