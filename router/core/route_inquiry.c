// Asks the edges what became of a message or of a user, for weirctl. An edge that goes while it is
// asked has not answered; an older one that knows no such question is not asked.

#include <stdlib.h>

#include "common/random.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

uint64_t route_inquire(struct route *r, const struct route_question *question, uint64_t now_ms)
{
	struct inquiry *q = inquiry_open(&r->inquiries, random_u64() | 1, now_ms);
	if (q == NULL) {
		return 0;
	}
	Weir__Link__V1__Inquiry inquiry = WEIR__LINK__V1__INQUIRY__INIT;
	inquiry.id = q->id;
	inquiry.room = pb_data(question->room);
	inquiry.epoch = question->epoch;
	inquiry.seq = question->seq;
	inquiry.user = pb_data(question->user);
	inquiry.client_id = pb_data(question->client);
	inquiry.memory = question->memory;
	route_encode(r, &LINK_ITEM(INQUIRY, inquiry, &inquiry));
	struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		if (edge->testifies) {
			inquiry_expect(q, edge->number, edge->n_workers);
			route_append_encoded(r, edge);
		}
	}
	return q->id;
}

int route_on_testimony(struct route_request *rq, const link_item *item)
{
	Weir__Link__V1__Testimony *testimony = item->testimony;
	struct inquiry *q = inquiry_find(&rq->r->inquiries, testimony->inquiry);
	size_t len = weir__link__v1__testimony__get_packed_size(testimony);
	if (q != NULL && len <= INQUIRY_BYTES_MAX) {
		struct buf packed = { 0 };
		weir__link__v1__testimony__pack(testimony, buf_reserve(&packed, len));
		inquiry_answer(q, rq->edge->number, bytes_make(packed.data, len));
		buf_fini(&packed);
	}
	return 0;
}
