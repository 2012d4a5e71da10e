// Entries lie one after another in a byte buffer: a header, the BATCH element, padding to the next
// multiple of eight. So a turn's outbox becomes the lane's queue by swapping two buffers, or by one
// copy when something waits already, and nothing is allocated per item.
//
// A request leaves the lane in one of three ways, and its client gets which one it was:
// moved into the window (from then on its outcome is the router's to say, or unknown), dropped here
// past its deadline (it was never sent: outcome none), or still waiting. The deadline is judged at
// the move, under the link's lock, so that a worker that saw "past its deadline and not sent" can
// rely on it.

#include "edge/uplink/link_lane.h"

enum {
	ENTRY_ALIGN = 8,
	KEEP_CAP = 64 << 10, // capacity an empty queue keeps
};

struct entry {
	uint64_t req; // 0: a fact
	uint64_t deadline_ms;
	uint32_t element_len;
	uint32_t entry_len; // header, element and padding
};

static void add_entry(struct link_outbox *outbox, const link_item *item, struct entry entry)
{
	struct buf *out = &outbox->entries;
	size_t start = out->len;
	buf_reserve(out, sizeof(entry));
	out->len += sizeof(entry);
	link_item_append(out, item);
	entry.element_len = (uint32_t)(out->len - start - sizeof(entry));
	size_t padded = (out->len + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
	buf_reserve(out, padded - out->len);
	memset(out->data + out->len, 0, padded - out->len);
	out->len = padded;
	entry.entry_len = (uint32_t)(out->len - start);
	memcpy(out->data + start, &entry, sizeof(entry));
}

void link_outbox_fini(struct link_outbox *outbox)
{
	buf_fini(&outbox->entries);
}

void link_outbox_add_fact(struct link_outbox *outbox, const link_item *item)
{
	add_entry(outbox, item, (struct entry){ .req = 0 });
}

void link_outbox_add_request(struct link_outbox *outbox, const link_item *item, uint64_t req,
	uint64_t deadline_ms)
{
	CHECK(req > 0);
	add_entry(outbox, item, (struct entry){ .req = req, .deadline_ms = deadline_ms });
}

static bool queue_next(const struct link_queue *queue, size_t at, struct entry *entry,
	struct bytes *element)
{
	if (at == queue->entries.len) {
		return false;
	}
	memcpy(entry, queue->entries.data + at, sizeof(*entry));
	*element = bytes_make(queue->entries.data + at + sizeof(*entry), entry->element_len);
	return true;
}

bool link_outbox_next(const struct link_outbox *outbox, size_t *at, struct link_entry *found)
{
	const struct link_queue all = { .entries = outbox->entries };
	struct entry entry;
	if (!queue_next(&all, *at, &entry, &found->element)) {
		return false;
	}
	found->req = entry.req;
	found->deadline_ms = entry.deadline_ms;
	*at += entry.entry_len;
	return true;
}

static void queue_clear(struct link_queue *queue)
{
	queue->at = 0;
	buf_reset(&queue->entries, KEEP_CAP);
}

void link_lane_fini(struct link_lane *lane)
{
	buf_fini(&lane->snapshot.entries);
	buf_fini(&lane->queue.entries);
}

// Appends the entries of `from` from `at` on to `to`, without the facts.
static void append_requests(struct buf *to, const struct link_queue *from)
{
	struct entry entry;
	struct bytes element;
	for (size_t at = from->at; queue_next(from, at, &entry, &element); at += entry.entry_len) {
		if (entry.req != 0) {
			buf_append(to, from->entries.data + at, entry.entry_len);
		}
	}
}

static void swap_bufs(struct buf *a, struct buf *b)
{
	struct buf swap = *a;
	*a = *b;
	*b = swap;
}

void link_lane_take(struct link_lane *lane, struct link_outbox *outbox, bool facts)
{
	struct buf *queue = &lane->queue.entries;
	if (!facts) {
		const struct link_queue all = { .entries = outbox->entries };
		append_requests(queue, &all);
	} else if (queue->len == 0) {
		swap_bufs(queue, &outbox->entries);
	} else {
		buf_append_bytes(queue, buf_bytes(&outbox->entries));
	}
	buf_reset(&outbox->entries, KEEP_CAP);
}

void link_lane_hold(struct link_lane *lane)
{
	struct buf requests = { 0 };
	append_requests(&requests, &lane->queue);
	queue_clear(&lane->queue);
	swap_bufs(&lane->queue.entries, &requests);
	buf_fini(&requests);
	queue_clear(&lane->snapshot);
	lane->held = true;
}

void link_lane_release(struct link_lane *lane, struct link_outbox *snapshot)
{
	queue_clear(&lane->snapshot);
	swap_bufs(&lane->snapshot.entries, &snapshot->entries);
	buf_reset(&snapshot->entries, 0);
	lane->held = false;
}

static bool pump_queue(struct link_lane *lane, struct link_queue *queue, struct link_window *window,
	uint64_t now_ms)
{
	struct entry entry;
	struct bytes element;
	while (queue_next(queue, queue->at, &entry, &element)) {
		bool expired = entry.req != 0 && entry.deadline_ms <= now_ms;
		if (!expired) {
			if (!link_window_add(window, element)) {
				return false;
			}
			if (entry.req > lane->sent_req) {
				lane->sent_req = entry.req;
			}
		}
		queue->at += entry.entry_len;
	}
	queue_clear(queue);
	return true;
}

// Frees what has been moved on once it is the larger part, so that a queue that never runs empty
// does not grow for ever.
static void compact(struct link_queue *queue)
{
	if (queue->at > KEEP_CAP && queue->at > queue->entries.len / 2) {
		buf_consume(&queue->entries, queue->at);
		queue->at = 0;
	}
}

bool link_lane_tell(struct link_lane *lane, struct link_window *window)
{
	struct link_queue *queue = &lane->snapshot;
	struct entry entry;
	struct bytes element;
	if (lane->held) {
		return false;
	}
	while (queue_next(queue, queue->at, &entry, &element) && entry.req == 0) {
		if (!link_window_add(window, element)) {
			compact(queue);
			return false;
		}
		queue->at += entry.entry_len;
	}
	return true;
}

bool link_lane_pump(struct link_lane *lane, struct link_window *window, uint64_t now_ms)
{
	bool done = pump_queue(lane, &lane->snapshot, window, now_ms) &&
		pump_queue(lane, &lane->queue, window, now_ms);
	compact(&lane->snapshot);
	compact(&lane->queue);
	return done;
}

size_t link_lane_bytes(const struct link_lane *lane)
{
	return lane->snapshot.entries.len - lane->snapshot.at + lane->queue.entries.len -
		lane->queue.at;
}
