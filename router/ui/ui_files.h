// Files of the operators' page, in the program (the table is made by embed.py).
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ui_file {
	const char *path; // as asked for
	const char *type; // Content-Type
	const uint8_t *data;
	size_t len;
};

extern const struct ui_file ui_files[]; // ends with a row without a path
