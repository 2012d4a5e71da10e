// The file that says what a folder of a file store is: its schema, the hash key of its slots, and
// whether all that was written is on the disk. Beside the database, because the database itself
// cannot be trusted behind a power cut if it was written without sync.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"

enum {
	STORE_BOOT_MAX = 64
};

struct store_mark {
	unsigned schema;
	uint64_t hash_key[2];
	char boot[STORE_BOOT_MAX]; // of the machine, when it was opened
	bool sync; // each turn was
	bool clean; // closed in order
};

// 0, -ENOENT if there is none, -EBADMSG if it is not one, or another negative errno.
MUST_CHECK int store_mark_read(const char *dir, struct store_mark *mark);
// Replaces it, on the disk when this returns. 0 or a negative errno.
MUST_CHECK int store_mark_write(const char *dir, const struct store_mark *mark);
// What the kernel calls this boot.
void store_mark_boot(char boot[STORE_BOOT_MAX]);
// True if what the database holds is what was committed.
bool store_mark_is_trusted(const struct store_mark *mark);
