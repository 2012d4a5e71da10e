// Answers are kept packed, each behind its edge's number and its length: they are read once, by who
// asked, and a tree of them would be thousands of allocations in the routing thread.

#include "router/core/inquiry.h"

#include <string.h>

struct answer_head {
	uint32_t edge;
	uint32_t len;
};

void inquiry_close(struct inquiry *q)
{
	if (q != NULL) {
		buf_fini(&q->answers);
		*q = (struct inquiry){ 0 };
	}
}

void inquiries_fini(struct inquiries *all)
{
	for (size_t i = 0; i < INQUIRIES_MAX; i++) {
		inquiry_close(&all->open[i]);
	}
}

struct inquiry *inquiry_open(struct inquiries *all, uint64_t id, uint64_t now_ms)
{
	for (size_t i = 0; i < INQUIRIES_MAX; i++) {
		struct inquiry *q = &all->open[i];
		if (q->id != 0 && now_ms - q->began_ms >= INQUIRY_KEPT_MS) {
			inquiry_close(q);
		}
		if (q->id == 0) {
			q->id = id;
			q->began_ms = now_ms;
			return q;
		}
	}
	return NULL;
}

struct inquiry *inquiry_find(struct inquiries *all, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < INQUIRIES_MAX; i++) {
		if (all->open[i].id == id) {
			return &all->open[i];
		}
	}
	return NULL;
}

void inquiry_expect(struct inquiry *q, uint32_t edge, uint32_t n_workers)
{
	if (q->n_edges < INQUIRY_EDGES_MAX) {
		q->edges[q->n_edges++] = (struct inquiry_edge){ .number = edge, .due = n_workers };
		q->n_due += n_workers;
	}
}

static struct inquiry_edge *find_edge(const struct inquiry *q, uint32_t edge)
{
	for (size_t i = 0; i < q->n_edges; i++) {
		if (q->edges[i].number == edge) {
			return (struct inquiry_edge *)&q->edges[i];
		}
	}
	return NULL;
}

void inquiry_answer(struct inquiry *q, uint32_t edge, struct bytes packed)
{
	struct inquiry_edge *asked = find_edge(q, edge);
	if (asked == NULL || asked->due == 0) {
		return;
	}
	asked->due--;
	q->n_due--;
	const struct answer_head head = { .edge = edge, .len = (uint32_t)packed.len };
	if (q->answers.len + sizeof(head) + packed.len > INQUIRY_BYTES_MAX) {
		q->cut = true;
		return;
	}
	buf_append(&q->answers, &head, sizeof(head));
	buf_append_bytes(&q->answers, packed);
}

bool inquiry_is_over(const struct inquiry *q, uint64_t now_ms)
{
	return q->n_due == 0 || now_ms - q->began_ms >= INQUIRY_MS;
}

bool inquiry_answered(const struct inquiry *q, uint32_t edge)
{
	const struct inquiry_edge *asked = find_edge(q, edge);
	return asked != NULL && asked->due == 0;
}

bool inquiry_next(const struct inquiry *q, size_t *at, uint32_t *edge, struct bytes *packed)
{
	struct answer_head head;
	if (*at >= q->answers.len) {
		return false;
	}
	memcpy(&head, q->answers.data + *at, sizeof(head));
	*edge = head.edge;
	*packed = bytes_make(q->answers.data + *at + sizeof(head), head.len);
	*at += sizeof(head) + head.len;
	return true;
}
