// Questions to the edges, and what they answered: each worker of each edge says one Testimony. Open
// questions are few, their answers bounded in bytes, and the time to answer as well; who has not
// answered by then is named. Pure; time is a parameter.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	INQUIRIES_MAX = 8, // open at once
	INQUIRY_EDGES_MAX = 256,
	INQUIRY_BYTES_MAX = 1 << 20, // of all answers to one
	INQUIRY_MS = 1000, // to answer
	INQUIRY_KEPT_MS = 5000, // who asked has taken the answers by then
};

struct inquiry_edge {
	uint32_t number; // as in records
	uint32_t due; // workers that have yet to answer
};

struct inquiry {
	uint64_t id; // 0: not in use
	uint64_t began_ms;
	struct inquiry_edge edges[INQUIRY_EDGES_MAX];
	size_t n_edges;
	size_t n_due; // answers in all
	bool cut; // not all answers were kept
	struct buf answers; // see inquiry_next()
};

struct inquiries {
	struct inquiry open[INQUIRIES_MAX];
};

void inquiries_fini(struct inquiries *all);
// NULL if too many are open. To be closed; one that is left is, after INQUIRY_KEPT_MS.
struct inquiry *inquiry_open(struct inquiries *all, uint64_t id, uint64_t now_ms);
struct inquiry *inquiry_find(struct inquiries *all, uint64_t id);
void inquiry_close(struct inquiry *q); // NULL is fine

// An edge is asked; `n_workers` of it will answer.
void inquiry_expect(struct inquiry *q, uint32_t edge, uint32_t n_workers);
// A worker of it has answered: a packed Testimony, copied. What nobody expects is dropped.
void inquiry_answer(struct inquiry *q, uint32_t edge, struct bytes packed);
// True if nothing more is to be waited for.
bool inquiry_is_over(const struct inquiry *q, uint64_t now_ms);
// True if all workers of the edge, which was asked, have answered.
bool inquiry_answered(const struct inquiry *q, uint32_t edge);
// The answer at `*at`, 0 at first, which is moved on; false at the end.
MUST_CHECK bool inquiry_next(const struct inquiry *q, size_t *at, uint32_t *edge,
	struct bytes *packed);
