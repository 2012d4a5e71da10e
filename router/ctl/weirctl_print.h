// Rows of an answer as text: a table that fits, name: value lines, or one JSON object a line.
#pragma once

#include <stdbool.h>

#include "admin.pb-c.h"
#include "common/buf.h"
#include "router/ctl/weirctl_table.h"

// How far a command is that moves connections: on a terminal one line that is written over.
struct print_bar {
	bool wanted; // standard output is a terminal
	bool open; // the line has not been ended
	uint64_t total; // the most that was left to do
};

struct printer {
	bool json;
	struct print_table table;
	struct print_bar bar;
};

// Appends all rows of one answer, each line ended.
void print_reply(struct printer *printer, const Weir__Admin__V1__Reply *reply, struct buf *out);
// Appends what the answer says in words behind `prefix`; nothing if it says nothing.
void print_lines_of(struct buf *out, const char *prefix, ProtobufCBinaryData message);
