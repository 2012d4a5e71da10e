// Where a test puts files: under $TMPDIR, which tests/run makes for a run and judges at its end. A
// test removes its own; those of one that dies half way (tests/oom) go with the folder of that run.
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
