// Files that hold a key or a token, read whole, and the wiping of what was read.
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/check.h"

// Reads a secret file: refuses what others can touch or the group can write (0600, 0400, 0640 and
// 0440 pass), symbolic links' targets included, anything but a regular file, and more than `max`
// bytes; takes off one trailing newline. 0 and `*out` (owned, wiped by secret_file_free), or -1 and
// a static or errno text in `*why`.
MUST_CHECK int secret_file_read(const char *path, size_t max, struct buf *out, const char **why);
// The same for a file that is no secret: whoever may read it.
MUST_CHECK int public_file_read(const char *path, size_t max, struct buf *out, const char **why);
void secret_file_free(struct buf *secret);
