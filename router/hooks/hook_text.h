// The texts that a receiver of webhooks gets: a notice as a JSON object, and the body of a request
// that holds several.
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "router/core/notices.h"

// Appends the members of a notice's object and its closing brace; its number, which the queue
// gives, goes before it.
void hook_text_notice(struct buf *out, const struct notice *notice, int64_t wall_ms);

struct hook_batch {
	const char *router; // its name
	int64_t wall_ms;
	uint64_t first; // number of its first notice
	uint64_t dropped; // before it
};
// The body of a request is the begin, each notice, and the end.
void hook_text_begin(struct buf *out, const struct hook_batch *batch);
void hook_text_add(struct buf *out, uint64_t number, struct bytes notice);
void hook_text_end(struct buf *out);
