// The list is in the order of progress because whoever makes some goes to its end. So the stream
// that has stood still for longest is found without a search, and each write costs two pointers.

#include "edge/send/queued.h"

#include "common/check.h"

void queued_init(struct queued *q)
{
	*q = (struct queued){ 0 };
	TAILQ_INIT(&q->blocked);
}

void queued_enter(struct queued *q, struct blocked *blocked, size_t bytes)
{
	q->bytes += bytes;
	if (blocked != NULL) {
		TAILQ_INSERT_TAIL(&q->blocked, blocked, in_queued);
	}
}

void queued_leave(struct queued *q, struct blocked *blocked, size_t bytes)
{
	CHECK(bytes <= q->bytes);
	q->bytes -= bytes;
	if (blocked != NULL) {
		TAILQ_REMOVE(&q->blocked, blocked, in_queued);
	}
}

void queued_touch(struct queued *q, struct blocked *blocked)
{
	TAILQ_REMOVE(&q->blocked, blocked, in_queued);
	TAILQ_INSERT_TAIL(&q->blocked, blocked, in_queued);
}
