// A router that starts from a log which may hold anything. Whatever it makes of it, no room has a
// hole, what is kept of one ends with its last message, and the router can publish, commit and
// start again from what it has written.
//
// The first byte chooses. Even: the rest is one turn, as it is; a fuzzer gets hardly past the
// checksums, so this is for what stands before them. Odd: each three bytes are a record with a
// right checksum (its kind, and small numbers: room, epoch, seq, and which texts it has), or the
// end of a turn, whose number may skip some.

#include <stdlib.h>

#include "common/check.h"
#include "router/core/route.h"
#include "tests/fuzz/fuzz.h"

enum {
	NOW_MS = 1000000,
	WALL_MS = 1700000000,
	SMALL = 8, // room, epoch and seq are below
};

static const uint64_t hash_key[2] = { 3, 4 };

struct rig {
	struct route route;
	struct route_load load;
	struct buf log; // of what it writes itself: one turn
	bool busy;
};

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	(void)arg;
	(void)edge;
	(void)element;
}

static void write_turn(void *engine, const struct store_turn *turn)
{
	struct rig *rig = engine;
	CHECK(!rig->busy);
	rig->busy = true;
	rig->log.len = 0;
	buf_append_bytes(&rig->log, turn->head);
	buf_append_bytes(&rig->log, turn->images);
	buf_append_bytes(&rig->log, turn->records);
}

static enum store_result wait_for_turn(void *engine)
{
	struct rig *rig = engine;
	CHECK(rig->busy);
	rig->busy = false;
	return STORE_COMMITTED;
}

static const struct store_engine_ops ops = { .write = write_turn, .wait = wait_for_turn };

static void start(struct rig *rig)
{
	const struct route_options options = {
		.history_age_ms = 300000,
		.history_messages = 3,
		.history_bytes = 4096,
	};
	route_init(&rig->route, &options, append, rig);
	route_use_store(&rig->route, hash_key);
	rig->load = (struct route_load){ .now_ms = NOW_MS, .wall_ms = WALL_MS };
}

static void load_turn(struct rig *rig, uint64_t number, const struct store_slot_set *slots,
	const struct buf *records)
{
	struct buf turn = { 0 };
	store_turn_begin(&turn, slots, records->len);
	buf_append_bytes(&turn, buf_bytes(records));
	route_load(&rig->route, &rig->load, number, buf_bytes(&turn));
	buf_fini(&turn);
}

static void add_record(struct rig *rig, const uint8_t bytes[3], struct store_slot_set *slots,
	struct buf *records)
{
	static const char names[SMALL][2] = { "a", "b", "c", "d", "e", "f", "g", "" };
	static const char origin[] = "0123456789abcdef";
	const char *room = names[bytes[1] % SMALL];
	struct store_record record = {
		.kind = (enum store_record_kind)(bytes[0] % STORE_RECORD_FORGET + 1),
		.room = bytes_str(room),
		.epoch = bytes[1] / SMALL % SMALL,
		.seq = bytes[2] % SMALL,
		.timestamp_ms = WALL_MS - bytes[2] * 10000,
		.type = bytes_str("chat"),
		.user = bytes_str(bytes[0] >= 64 ? "ann" : ""),
		.body = bytes_str("{}"),
		.key = bytes_str(bytes[0] >= 128 ? "k" : ""),
		.origin = bytes_make(origin, bytes[0] >= 192 ? STORE_ORIGIN_LEN : 0),
	};
	uint32_t slot = journal_slot_of(&rig->route.journal, record.room);
	if (record.kind == STORE_RECORD_IMAGE) {
		record.seq = bytes[2] % 2 == 0 ? slot : bytes[2] * 16;
	}
	store_slot_add(slots, slot);
	store_record_append(records, &record);
}

static void load_records(struct rig *rig, struct bytes input)
{
	struct store_slot_set slots = { 0 };
	struct buf records = { 0 };
	uint64_t number = 1;
	for (; input.len >= 3; input = bytes_from(input, 3)) {
		if (input.data[0] % 8 != 7) {
			add_record(rig, input.data, &slots, &records);
			continue;
		}
		load_turn(rig, number, &slots, &records);
		number += input.data[1] == 255 ? 2 : 1;
		slots = (struct store_slot_set){ 0 };
		records.len = 0;
	}
	load_turn(rig, number, &slots, &records);
	buf_fini(&records);
}

static void check_room(const struct table_room *room)
{
	struct store_message m;
	uint64_t first = store_first(&room->log);
	for (uint64_t seq = first; first > 0 && seq <= room->seq; seq++) {
		CHECK(store_read(&room->log, seq, &m) && m.seq == seq);
	}
	CHECK(first == 0 || !store_read(&room->log, room->seq + 1, &m));
}

static void check_rooms(const struct rig *rig)
{
	struct map_cursor cursor;
	struct map_node *node;
	map_walk(&rig->route.table.rooms, &cursor);
	while ((node = map_walk_next(&rig->route.table.rooms, &cursor)) != NULL) {
		check_room(table_room_of(node));
	}
}

// Says something in a room, which may be one of the log's.
static void publish(struct rig *rig)
{
	const struct route_message message = {
		.room = bytes_str("a"),
		.type = bytes_str("chat"),
		.body = bytes_str("{}"),
	};
	const struct table_room *room = room_table_find(&rig->route.table, message.room);
	uint64_t seq = room != NULL ? room->seq + 1 : 1;
	struct route_result result;
	CHECK(route_publish(&rig->route, &message, NOW_MS, WALL_MS, &result) == REFUSAL_NONE);
	CHECK(result.seq == seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct rig rig = { 0 };
	bool raw = fuzz_take_byte(&input) % 2 == 0;
	start(&rig);
	if (raw) {
		route_load(&rig.route, &rig.load, 1, input);
	} else {
		load_records(&rig, input);
	}
	route_loaded(&rig.route, &rig.load, &ops, &rig);
	check_rooms(&rig);
	publish(&rig);
	check_rooms(&rig);
	route_fini(&rig.route);
	start(&rig);
	route_load(&rig.route, &rig.load, 1, buf_bytes(&rig.log));
	route_loaded(&rig.route, &rig.load, &ops, &rig);
	check_rooms(&rig);
	route_fini(&rig.route);
	buf_fini(&rig.log);
	return 0;
}
