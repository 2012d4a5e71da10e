// Images: what is alive of a slot, written anew so that the log before it can go. An image must
// hold whatever makes later answers equal: epochs and seqs of rooms without messages, keys, and
// requests that edges may still send again. When it is built, the last turn has been applied and
// what is gathered follows it in the log, so the tables are what the log says.

#include "router/core/route_parts.h"

enum {
	IMAGES_MAX = STORE_SLOTS / 2, // a turn
	IMAGES_BYTES = 1 << 20, // a turn, and at most one image more
};

static void add_room(struct buf *out, const struct table_room *room)
{
	struct store_message m;
	struct store_record record = {
		.kind = STORE_RECORD_ROOM,
		.epoch = room->epoch,
		.seq = room->seq,
		.timestamp_ms = room->last_ms,
		.room = room_name(room),
	};
	store_record_append(out, &record);
	uint64_t first = store_first(&room->log);
	for (uint64_t seq = first; first > 0 && store_read(&room->log, seq, &m); seq++) {
		record.kind = STORE_RECORD_KEPT;
		record.seq = seq;
		record.timestamp_ms = m.timestamp_ms;
		record.type = m.type;
		record.from = m.from;
		record.user = m.user;
		record.username = m.username;
		record.body = m.body;
		store_record_append(out, &record);
	}
}

static void add_group(struct buf *out, const struct dedup_group *group, enum store_record_kind kind)
{
	const struct dedup_entry *entry = NULL;
	struct dedup_key key;
	struct dedup_result first;
	while ((entry = dedup_next(group, entry, &key, &first)) != NULL) {
		const struct store_record record = {
			.kind = kind,
			.epoch = first.epoch,
			.seq = first.seq,
			.timestamp_ms = first.timestamp_ms,
			.room = key.room,
			.user = key.user,
			.key = kind == STORE_RECORD_KEY ? key.key : bytes_make(NULL, 0),
			.origin = kind == STORE_RECORD_ORIGIN ? key.key : bytes_make(NULL, 0),
		};
		if (!first.proposed) { // else it follows in the turn
			store_record_append(out, &record);
		}
	}
}

static void add_image(const struct journal *j, uint32_t slot, struct buf *out)
{
	const struct journal_slot *s = &j->slots[slot];
	const struct store_record record = { .kind = STORE_RECORD_IMAGE, .seq = slot };
	const struct store_log *log;
	store_record_append(out, &record);
	LIST_FOREACH (log, &s->logs, in_slot) {
		add_room(out, CONTAINER_OF(log, const struct table_room, log));
	}
	add_group(out, &s->keys, STORE_RECORD_KEY);
	add_group(out, &s->origins, STORE_RECORD_ORIGIN);
}

void route_add_images(struct route *r)
{
	struct journal *j = &r->journal;
	uint64_t alive = r->store.bytes + r->dedup.bytes + r->origins.bytes;
	uint64_t limit = 2 * alive > j->log_min ? 2 * alive : j->log_min;
	if (j->n_compacting > 0) {
		j->image_credit = IMAGES_BYTES;
	} else if (journal_log_bytes(j) > limit) {
		j->image_credit += j->records.len;
	} else {
		j->image_credit = 0;
	}
	while (j->n_images < IMAGES_MAX && j->images.len < IMAGES_BYTES &&
		j->images.len < j->image_credit) {
		uint32_t slot = (j->next_image + j->n_images) % STORE_SLOTS;
		store_slot_add(&j->touched, slot);
		add_image(j, slot, &j->images);
		j->n_images++;
	}
	j->image_credit -= j->images.len < j->image_credit ? j->images.len : j->image_credit;
}

void route_image_slots(const struct route *r, struct store_slot_set *slots, struct buf *out,
	size_t max_bytes)
{
	for (uint32_t slot = 0; slot < STORE_SLOTS && out->len < max_bytes; slot++) {
		if (store_slot_in(slots, slot)) {
			store_slot_remove(slots, slot);
			add_image(&r->journal, slot, out);
		}
	}
}

void route_compact(struct route *r)
{
	r->journal.n_compacting = STORE_SLOTS;
}
