// Assertions that stay in release builds, and the attribute for results nobody may ignore.
#pragma once

// Aborts with file and line if `cond` is false. For our own mistakes only: what a peer sends is
// answered by a result, never by a CHECK.
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0)) {                                                \
			check_failed(#cond, __FILE__, __LINE__);                                   \
		}                                                                                  \
	} while (0)

#define MUST_CHECK __attribute__((warn_unused_result))

// The object of type `type` that embeds `member` at `ptr`.
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

_Noreturn void check_failed(const char *cond, const char *file, int line);
