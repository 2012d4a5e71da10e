// Where a test puts files: under $TMPDIR, which tests/run makes and removes as a whole, so that a
// program that a test lets die leaves nothing behind.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

enum {
	TEMP_PATH_MAX = 96 // and a name below it still fits a socket address
};

// A template for mkdtemp(3) or mkstemp(3).
static inline void temp_template(char out[TEMP_PATH_MAX], const char *name)
{
	const char *folder = getenv("TMPDIR");
	int len = snprintf(out, TEMP_PATH_MAX, "%s/%s-XXXXXX", folder != NULL ? folder : "/tmp",
		name);
	CHECK(len > 0 && len < TEMP_PATH_MAX);
}
