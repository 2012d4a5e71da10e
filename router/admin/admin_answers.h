// The answers to commands that change something, for a minute, under the ids of their requests:
// weirctl repeats a request when its connection breaks, which must not publish or kick twice. Pure;
// time is a parameter and does not run backwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aged_map.h"
#include "common/bytes.h"

enum {
	ADMIN_ANSWERS_MAX = 128, // beyond it the oldest leaves
	ADMIN_ANSWERS_AGE_MS = 60000,
};

struct admin_answers {
	struct aged_map by_id;
};

void admin_answers_init(struct admin_answers *answers);
void admin_answers_fini(struct admin_answers *answers);
// True and the answer (borrowed until the next call) if there is one.
bool admin_answers_find(struct admin_answers *answers, uint64_t id, uint64_t now_ms,
	struct bytes *answer);
// Copies `answer`. The id must not be known.
void admin_answers_add(struct admin_answers *answers, uint64_t id, struct bytes answer,
	uint64_t now_ms);
