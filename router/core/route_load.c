// What the log holds becomes rooms again, before the first item of an edge. Every record is judged
// by what came before it: a message must be the next one of its room. What is damaged or missing
// makes its slots doubtful, and a doubtful slot is empty up to its next image: its rooms get new
// epochs, and members are notified. A history with a hole, or a seq given twice, cannot come of it.

#include <errno.h>

#include "proto/names.h"
#include "router/core/route_parts.h"

static void empty_slot(struct route *r, struct journal_slot *slot)
{
	struct store_log *log = LIST_FIRST(&slot->logs);
	while (log != NULL) {
		struct store_log *next = LIST_NEXT(log, in_slot);
		room_table_forget(&r->table, CONTAINER_OF(log, struct table_room, log));
		log = next;
	}
	dedup_remove_group(&r->dedup, &slot->keys);
	dedup_remove_group(&r->origins, &slot->origins);
}

static void break_slots(struct route *r, const struct store_slot_set *slots)
{
	for (uint32_t i = 0; i < STORE_SLOTS; i++) {
		if (slots == NULL || store_slot_in(slots, i)) {
			empty_slot(r, &r->journal.slots[i]);
			r->journal.slots[i].broken = true;
		}
	}
}

// How long ago that was; 0 if the clock says that it is yet to come.
static uint64_t age_of(const struct route_load *load, int64_t timestamp_ms)
{
	return timestamp_ms < load->wall_ms ? (uint64_t)(load->wall_ms - timestamp_ms) : 0;
}

static void keep_message(struct route *r, const struct route_load *load, struct table_room *room,
	const struct store_record *record)
{
	const struct store_message message = {
		.seq = record->seq,
		.timestamp_ms = record->timestamp_ms,
		.type = record->type,
		.from = record->from,
		.user = record->user,
		.username = record->username,
		.body = record->body,
	};
	uint64_t age_ms = age_of(load, record->timestamp_ms);
	store_append(&r->store, &room->log, &message, load->now_ms - age_ms);
}

static void load_keys(struct route *r, const struct route_load *load,
	const struct store_record *record)
{
	struct store_record young = *record;
	uint64_t age_ms = age_of(load, record->timestamp_ms);
	if (age_ms >= DEDUP_AGE_MS) {
		young.key.len = 0;
	}
	if (age_ms >= ORIGIN_AGE_MS) {
		young.origin.len = 0;
	}
	route_set_keys(r, &young, false, load->now_ms - age_ms);
}

// The room's record, with that epoch. How many rooms there may be is for those to come.
static struct table_room *load_room(struct route *r, const struct route_load *load,
	const struct store_record *record)
{
	uint64_t max_rooms = r->table.max_rooms;
	r->table.max_rooms = 0;
	struct table_room *room = room_table_open(&r->table, record->room, load->now_ms);
	r->table.max_rooms = max_rooms;
	CHECK(room != NULL);
	(void)journal_slot_open(&r->journal, room);
	room->epoch = record->epoch;
	room->seq = record->seq;
	if (room->last_ms < record->timestamp_ms) {
		room->last_ms = record->timestamp_ms;
	}
	return room;
}

// False if it does not follow what came before.
static bool load_message(struct route *r, struct route_load *load,
	const struct store_record *record)
{
	struct table_room *room = room_table_find(&r->table, record->room);
	bool next = room != NULL && room->epoch == record->epoch && room->seq + 1 == record->seq;
	if (!next && record->seq != 1) {
		return false;
	}
	if (!next && room != NULL) {
		store_forget(&r->store, &room->log);
	}
	keep_message(r, load, load_room(r, load, record), record);
	load_keys(r, load, record);
	load->n_messages++;
	return true;
}

static bool load_kept(struct route *r, struct route_load *load, const struct store_record *record)
{
	struct table_room *room = room_table_find(&r->table, record->room);
	if (room != NULL && room->epoch == record->epoch && record->seq <= room->seq) {
		keep_message(r, load, room, record);
		load->n_messages++;
	}
	return true;
}

static void load_forget(struct route *r, const struct store_record *record)
{
	struct table_room *room = room_table_find(&r->table, record->room);
	if (room != NULL && room->epoch == record->epoch) {
		room_table_forget(&r->table, room);
	}
}

static bool load_in_slot(struct route *r, struct route_load *load,
	const struct store_record *record)
{
	switch (record->kind) {
	case STORE_RECORD_ROOM:
		(void)load_room(r, load, record);
		return true;
	case STORE_RECORD_MESSAGE:
		return load_message(r, load, record);
	case STORE_RECORD_KEPT:
		return load_kept(r, load, record);
	case STORE_RECORD_KEY:
	case STORE_RECORD_ORIGIN:
		load_keys(r, load, record);
		return true;
	case STORE_RECORD_FORGET:
		load_forget(r, record);
		return true;
	case STORE_RECORD_IMAGE:
		break;
	}
	return true;
}

static void begin_image(struct route *r, const struct route_load *load, struct journal_slot *slot)
{
	empty_slot(r, slot);
	slot->broken = false;
	slot->image_turn = load->number;
	slot->image_at = r->journal.written;
}

// False if the record cannot be.
static bool load_record(struct route *r, struct route_load *load, const struct store_record *record)
{
	struct journal *j = &r->journal;
	if (record->kind == STORE_RECORD_IMAGE) {
		if (record->seq >= STORE_SLOTS) {
			return false;
		}
		begin_image(r, load, &j->slots[record->seq]);
		return true;
	}
	if (record->room.len == 0 || record->room.len > ROOM_NAME_MAX) {
		return false;
	}
	struct journal_slot *slot = &j->slots[journal_slot_of(j, record->room)];
	if (!slot->broken && !load_in_slot(r, load, record)) {
		empty_slot(r, slot);
		slot->broken = true;
		load->n_damaged++;
	}
	return true;
}

// Takes the records behind a turn's head; false at damage.
static bool load_records(struct route *r, struct route_load *load, struct bytes rest)
{
	struct store_record record;
	int result;
	while ((result = store_record_next(&rest, &record)) > 0) {
		if (!load_record(r, load, &record)) {
			return false;
		}
	}
	return result == 0;
}

// Of a log that has been shortened, each slot begins with its image.
static void begin_log(struct journal *j, uint64_t number)
{
	for (uint32_t i = 0; i < STORE_SLOTS; i++) {
		j->slots[i].image_turn = number;
		j->slots[i].broken = number > 1;
	}
}

void route_load(struct route *r, struct route_load *load, uint64_t number, struct bytes turn)
{
	struct store_slot_set slots;
	struct bytes records = turn;
	if (load->number == 0) {
		begin_log(&r->journal, number);
	} else if (number != load->number + 1) {
		break_slots(r, NULL);
		load->n_damaged++;
	}
	load->number = number;
	if (!store_turn_open(&records, &slots)) {
		break_slots(r, NULL);
		load->n_damaged++;
	} else if (!load_records(r, load, records)) {
		break_slots(r, &slots);
		load->n_damaged++;
	}
	r->journal.written += turn.len;
}

// The slot that a record belongs to; STORE_SLOTS if it cannot be.
static uint64_t slot_of(const struct journal *j, const struct store_record *record)
{
	if (record->kind == STORE_RECORD_IMAGE) {
		return record->seq;
	}
	return record->room.len > 0 ? journal_slot_of(j, record->room) : STORE_SLOTS;
}

void route_load_slot(struct route *r, struct route_load *load, uint32_t slot, struct bytes log)
{
	struct bytes rest = log;
	struct store_record record;
	int result;
	while ((result = store_record_next(&rest, &record)) > 0) {
		if (slot_of(&r->journal, &record) != slot || !load_record(r, load, &record)) {
			result = -EBADMSG;
			break;
		}
	}
	if (result < 0) {
		struct store_slot_set damaged = { 0 };
		store_slot_add(&damaged, slot);
		break_slots(r, &damaged);
		load->n_damaged++;
	}
	r->journal.written += log.len;
}

static uint32_t oldest_image(const struct journal *j)
{
	uint32_t oldest = 0;
	for (uint32_t i = 1; i < STORE_SLOTS; i++) {
		if (j->slots[i].image_turn < j->slots[oldest].image_turn) {
			oldest = i;
		}
	}
	return oldest;
}

// What is kept of a room ends with its last message, or it is nothing.
static void check_ends(struct route *r, const struct journal_slot *slot)
{
	struct store_log *log;
	LIST_FOREACH (log, &slot->logs, in_slot) {
		const struct table_room *room = CONTAINER_OF(log, const struct table_room, log);
		if (log->n > 0 && store_first(log) + log->n - 1 != room->seq) {
			store_forget(&r->store, log);
		}
	}
}

void route_loaded(struct route *r, const struct route_load *load,
	const struct store_engine_ops *ops, void *engine)
{
	struct journal *j = &r->journal;
	j->ops = ops;
	j->engine = engine;
	j->number = load->number;
	j->next_image = oldest_image(j);
	for (uint32_t i = 0; i < STORE_SLOTS; i++) {
		check_ends(r, &j->slots[i]);
		if (j->slots[i].broken) {
			journal_void(j, i);
		}
	}
}
