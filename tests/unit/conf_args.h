// Loading options from a list of arguments, for the tests of every option table.
#pragma once

#include <stdio.h>
#include <string.h>

#include "common/conf/conf.h"
#include "tests/unit/test.h"

enum {
	CONF_ARGS_MAX = 12
};

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ARGS   ((const char *const[]){ NULL })

static inline struct conf_result args_load(const struct conf_spec *spec, void *conf,
	const char *const *args, struct buf *error)
{
	char *argv[CONF_ARGS_MAX + 2] = { (char *)spec->program };
	int argc = 1;
	for (; args[argc - 1] != NULL; argc++) {
		assert_true(argc <= CONF_ARGS_MAX);
		argv[argc] = (char *)args[argc - 1];
	}
	memset(conf, 0, spec->size);
	return conf_load(spec, conf, argc, argv, error);
}

static inline void assert_loads(const struct conf_spec *spec, void *conf, const char *const *args)
{
	struct buf error = { 0 };
	enum conf_action action = args_load(spec, conf, args, &error).action;
	if (error.len > 0) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	assert_int_equal(action, CONF_RUN);
	buf_fini(&error);
}

// `expected` is the error without "error: ".
static inline void assert_fails(const struct conf_spec *spec, const char *const *args,
	const char *expected)
{
	static const char prefix[] = "error: ";
	void *conf = test_malloc(spec->size);
	void *zero = test_calloc(1, spec->size);
	struct buf error = { 0 };
	assert_int_equal(args_load(spec, conf, args, &error).action, CONF_FAIL);
	assert_memory_equal(conf, zero, spec->size);
	buf_append_byte(&error, '\0');
	assert_true(bytes_has_prefix(buf_bytes(&error), prefix));
	assert_string_equal((const char *)error.data + strlen(prefix), expected);
	buf_fini(&error);
	test_free(zero);
	test_free(conf);
}
