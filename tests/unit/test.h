// What every unit test includes: cmocka with the headers it needs before it.
#pragma once

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "common/bytes.h"

// Compares a span with a C string.
#define assert_bytes_equal(span, text)                                                             \
	do {                                                                                       \
		struct bytes span_ = (span);                                                       \
		assert_int_equal(span_.len, strlen(text));                                         \
		assert_memory_equal(span_.data, text, span_.len);                                  \
	} while (0)
