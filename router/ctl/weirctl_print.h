// Rows of an answer as text: a table that fits, name: value lines, or one JSON object a line.
#pragma once

#include <stdbool.h>

#include "admin.pb-c.h"
#include "common/buf.h"
#include "router/ctl/weirctl_table.h"

struct printer {
	bool json;
	struct print_table table;
};

// Appends all rows of one answer, each line ended.
void print_reply(struct printer *printer, const Weir__Admin__V1__Reply *reply, struct buf *out);
// Appends what the answer says in words behind `prefix`; nothing if it says nothing.
void print_lines_of(struct buf *out, const char *prefix, ProtobufCBinaryData message);
