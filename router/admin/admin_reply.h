// What an admin command answers: rows of named values, packed as they are said, so that an answer
// of any number of rows is two buffers and no tree.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "common/buf.h"
#include "common/bytes.h"

enum {
	ADMIN_ROW_FIELDS_MAX = 20,
	ADMIN_REPLY_MAX = 1 << 20, // bytes, packed
};

struct admin_reply {
	Weir__Admin__V1__Status status;
	bool table; // rows are alike
	bool sentences; // people read `at` and `text` of each row
	bool live; // it goes on for as long as it is asked for
	bool hold; // nothing to say yet: run the request again soon
	struct buf message;
	struct buf cursor; // not empty: there is more
	struct buf audit; // what a command has changed, for the log
	struct buf rows; // packed
	size_t n_rows;
	size_t n_fields; // of the row being said
	Weir__Admin__V1__Field fields[ADMIN_ROW_FIELDS_MAX];
};

// Zeroed memory is an empty answer.
void admin_reply_fini(struct admin_reply *reply);

// Adds a value to the row. Names are static; text is borrowed until the row ends.
void admin_reply_text(struct admin_reply *reply, const char *name, struct bytes value);
void admin_reply_number(struct admin_reply *reply, const char *name, uint64_t value);
void admin_reply_flag(struct admin_reply *reply, const char *name, bool value);
void admin_reply_time(struct admin_reply *reply, const char *name, int64_t unix_ms);
// `json` is a whole JSON text.
void admin_reply_json(struct admin_reply *reply, const char *name, struct bytes json);
void admin_reply_null(struct admin_reply *reply, const char *name);
void admin_reply_end_row(struct admin_reply *reply);
// True once another page has to take the rest.
bool admin_reply_is_full(const struct admin_reply *reply);

// The command is not carried out; rows said so far are dropped.
void admin_reply_fail(struct admin_reply *reply, Weir__Admin__V1__Status status, const char *format,
	...) __attribute__((format(printf, 3, 4)));

void admin_reply_pack(const struct admin_reply *reply, struct buf *out);
