// A folder with one file in it, for each test anew: what reads files is tested in it.
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/temp.h"
#include "tests/unit/test.h"

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)

struct folder {
	char path[TEMP_PATH_MAX];
	char file[TEMP_PATH_MAX + 8];
};

static inline int folder_enter(void **state)
{
	struct folder *f = test_calloc(1, sizeof(*f));
	temp_template(f->path, "test-folder");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof(f->file), "%s/file", f->path);
	*state = f;
	return 0;
}

static inline int folder_leave(void **state)
{
	struct folder *f = *state;
	unlink(f->file);
	rmdir(f->path);
	test_free(f);
	return 0;
}

static inline void folder_write(const struct folder *f, const void *data, size_t len)
{
	unlink(f->file);
	int fd = open(f->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void folder_write_text(const struct folder *f, const char *text)
{
	folder_write(f, text, strlen(text));
}
