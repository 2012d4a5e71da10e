// Requests are numbered without holes, and answered nearly in the order in which they were asked.
// So the table is a ring: entry `req` lies at `req` modulo its size, an answer finds it at once,
// and the oldest leave at the front. An entry that is answered before an older one stays as a
// closed placeholder until that one goes.
//
// Invariants: the entries are those numbered first .. next - 1; the one at `first` is open unless
// the ring is empty; an entry that is closed holds no memory.
//
// The ring is as long as the oldest unanswered request is old, whatever became of the later ones;
// the caller's deadline bounds that. A hash table would not have this weakness, but costs an
// allocation a request and gives no order for the deadlines.
#include "edge/uplink/pending.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

enum {
	RING_MIN = 16,
	RING_KEPT = 1024, // entries that an empty ring may keep
};

static struct pending_entry *slot(const struct pending *p, uint64_t req)
{
	return &p->ring[req & (p->cap - 1)];
}

void pending_init(struct pending *p, uint64_t first_req)
{
	*p = (struct pending){ .first = first_req, .next = first_req };
}

// The id and the room lie in one block, which begins with the first of them that is there.
static void entry_free_text(struct pending_entry *entry)
{
	free(entry->id != NULL ? entry->id : entry->room);
	free(entry->kept);
	entry->kept = NULL;
	entry->id = NULL;
	entry->room = NULL;
	entry->id_len = 0;
	entry->room_len = 0;
}

static void entry_set_text(struct pending_entry *entry, struct bytes id, struct bytes room)
{
	CHECK(id.len <= UINT32_MAX && room.len <= UINT32_MAX);
	if (id.len + room.len == 0) {
		return;
	}
	char *text = xmalloc(id.len + room.len);
	if (id.len > 0) {
		memcpy(text, id.data, id.len);
		entry->id = text;
		entry->id_len = (uint32_t)id.len;
	}
	if (room.len > 0) {
		memcpy(text + id.len, room.data, room.len);
		entry->room = text + id.len;
		entry->room_len = (uint32_t)room.len;
	}
}

void pending_fini(struct pending *p)
{
	for (uint64_t req = p->first; req < p->next; req++) {
		entry_free_text(slot(p, req));
	}
	free(p->ring);
	*p = (struct pending){ 0 };
}

static void ring_grow(struct pending *p)
{
	size_t cap = p->cap > 0 ? p->cap * 2 : RING_MIN;
	struct pending_entry *ring = xcalloc(cap, sizeof(*ring));
	for (uint64_t req = p->first; req < p->next; req++) {
		ring[req & (cap - 1)] = *slot(p, req);
	}
	free(p->ring);
	p->ring = ring;
	p->cap = cap;
}

uint64_t pending_add(struct pending *p, uint64_t conn, uint8_t kind, struct bytes id,
	struct bytes room, uint64_t deadline_ms)
{
	if (p->next - p->first == p->cap) {
		ring_grow(p);
	}
	uint64_t req = p->next++;
	struct pending_entry *entry = slot(p, req);
	*entry = (struct pending_entry){
		.req = req,
		.conn = conn,
		.deadline_ms = deadline_ms,
		.kind = kind,
		.open = true,
	};
	entry_set_text(entry, id, room);
	return req;
}

struct pending_entry *pending_find(struct pending *p, uint64_t req)
{
	if (req < p->first || req >= p->next || !slot(p, req)->open) {
		return NULL;
	}
	return slot(p, req);
}

void pending_close(struct pending *p, struct pending_entry *entry)
{
	CHECK(entry->open);
	entry_free_text(entry);
	entry->open = false;
	while (p->first < p->next && !slot(p, p->first)->open) {
		p->first++;
	}
	if (p->first == p->next && p->cap > RING_KEPT) {
		free(p->ring);
		p->ring = NULL;
		p->cap = 0;
	}
}

struct pending_entry *pending_oldest(struct pending *p)
{
	// Those before it that are closed are gone, see pending_close().
	return p->first < p->next ? slot(p, p->first) : NULL;
}
