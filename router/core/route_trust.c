// What becomes of what an edge should not have sent: it is refused alone, and counted and reported
// with the edge's name. The edge's link goes on, and so does all else that the edge sends.

#include "router/core/route_parts.h"

bool route_trusts(const struct route_request *rq, enum distrust distrust)
{
	if (distrust != DISTRUST_NONE) {
		counter_add(&rq->r->counters.distrusted[distrust], 1);
		if (rq->r->on_distrust != NULL) {
			rq->r->on_distrust(rq->r->distrust_arg, rq->edge, distrust);
		}
	}
	return distrust == DISTRUST_NONE;
}
