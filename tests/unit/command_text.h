// A command as one line of text, for tables of what decoding should come to.
#pragma once

#include "edge/codec/codec.h"

static inline void describe_span(struct buf *out, const char *name, struct bytes span)
{
	if (span.data != NULL) {
		buf_printf(out, " %s=%.*s", name, (int)span.len, (const char *)span.data);
	}
}

// A command in one line: kind, then what is set.
static inline void command_describe(struct buf *out, const struct command *c)
{
	buf_append_str(out, c->kind == COMMAND_DIRECT ? "direct" : command_row(c->kind)->name);
	describe_span(out, "id", c->id);
	describe_span(out, c->is_pattern ? "pattern" : "room", c->room);
	describe_span(out, "type", c->type);
	describe_span(out, "body", c->body);
	describe_span(out, "key", c->key);
	buf_append_str(out, c->no_echo ? " no_echo" : "");
	buf_append_str(out, c->ephemeral ? " ephemeral" : "");
	buf_append_str(out, c->want_presence ? " presence" : "");
	if (c->has_since) {
		describe_span(out, "epoch", c->since_epoch);
		buf_append_str(out, " seq=");
		buf_append_uint(out, c->since_seq);
	}
	if (c->has_before) {
		buf_append_str(out, " before=");
		buf_append_uint(out, c->before);
	}
	if (c->limit != 0) {
		buf_append_str(out, " limit=");
		buf_append_uint(out, c->limit);
	}
	describe_span(out, "token", c->token);
}
