// Static files that are compiled into the program (edge/web/embed.py makes the table): nothing else
// of the disk can be read through the port.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

struct web_file {
	const char *path; // "/weir.js"
	const char *type; // Content-Type
	const char *etag; // with its quotes
	const uint8_t *data;
	size_t len;
	const uint8_t *gzip; // the same, packed; NULL if that is no smaller
	size_t gzip_len;
};

extern const struct web_file web_files[]; // ends with a row without a path

// NULL if there is none of that path.
static inline const struct web_file *web_file_find(struct bytes path)
{
	const struct web_file *file = web_files;
	while (file->path != NULL && !bytes_equal_str(path, file->path)) {
		file++;
	}
	return file->path != NULL ? file : NULL;
}
