// What is proposed to a durable store and not committed yet, and what the router must know of the
// store's log to keep it short. Without an engine it is empty, and nothing waits for anything.
//
// Messages are gathered into a turn; one turn at a time is committed, and what is proposed
// meanwhile forms the next one, so turns grow with load and no timer is needed. The queue holds the
// proposals in their order. What a client asks while it has some under way waits in a list of its
// own, so that its answers keep the order of its questions and no other client waits.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "proto/names.h"
#include "router/core/dedup.h"
#include "router/core/room_table.h"
#include "router/core/store_engine.h"
#include "router/core/store_record.h"

struct route_result;

enum {
	JOURNAL_TURN_MAX = 1 << 20, // bytes; beyond it edges' requests wait
	JOURNAL_LOG_MIN = 64 << 20, // a log of less is not worth shortening
	ORIGIN_AGE_MS = 30000, // a request is recognised for so long when it comes again
	ORIGIN_BYTES_MAX = 256 << 20,
	RESEND_MAX_MS = ORIGIN_AGE_MS / 2, // how long edges may send it again
};

// A part of all rooms, by the hash of their name: what a record of the log belongs to.
struct journal_slot {
	struct store_logs_of_slot logs;
	struct dedup_group keys;
	struct dedup_group origins;
	uint64_t image_turn; // turns before it hold nothing of the slot that is needed
	uint64_t image_at; // bytes written when that one was
	bool broken; // while loading: skipped up to its next image
};

struct journal_entry {
	TAILQ_ENTRY(journal_entry) in_queue;
	struct table_edge *edge; // who is to be answered; NULL: nobody is, any more
	uint64_t client;
	uint64_t req;
	struct table_room *room;
	uint64_t turn;
	size_t at; // where the record lies in its turn
	bool no_echo;
	uint8_t trace_len;
	uint8_t trace[TRACE_MAX]; // what its sender calls it
	struct route_result *result; // for a caller that waits; else NULL
};
TAILQ_HEAD(journal_queue, journal_entry);

// An item that waits for what its client has under way.
struct journal_item {
	STAILQ_ENTRY(journal_item) in_client;
	size_t len;
	uint8_t element[]; // as link_item_append() wrote it
};

struct journal {
	const struct store_engine_ops *ops; // borrowed; NULL: no engine, or not yet
	void *engine; // borrowed
	uint64_t hash_key[2]; // of slots; the log's
	struct journal_slot *slots; // owned; STORE_SLOTS of them; NULL: no engine
	struct journal_queue queue;
	struct table_clients_waiting waiting; // clients with items that wait
	uint64_t waiting_bytes; // of these
	uint64_t turn; // the one being gathered; each has its own
	uint64_t number; // of the last turn in the log
	struct buf records; // of it
	struct store_slot_set touched; // by it
	struct buf head, images, writing; // the turn under way
	bool busy; // there is one
	uint64_t written; // bytes of all turns in the log
	uint32_t next_image; // the slot whose image is oldest
	uint32_t n_images; // in the turn under way
	uint32_t n_compacting; // slots whose images are to be written at once
	uint64_t image_credit; // bytes of images that may be written
	uint64_t log_min; // JOURNAL_LOG_MIN
	bool down; // the last turn was refused
	bool stalled; // the engine says that a turn would not end: none is begun
	bool probing; // an empty turn is to tell whether the next would be
};

void journal_init(struct journal *j);
// Drops what is under way: before the tables go.
void journal_clear(struct journal *j);
void journal_fini(struct journal *j);
// There will be an engine. The hash key belongs to its log.
void journal_use(struct journal *j, const uint64_t hash_key[2]);

static inline bool journal_is_on(const struct journal *j)
{
	return j->slots != NULL;
}
// So much waits that requests are to be given again later.
static inline bool journal_is_full(const struct journal *j)
{
	return j->records.len + j->waiting_bytes > JOURNAL_TURN_MAX;
}
static inline uint64_t journal_queue_bytes(const struct journal *j)
{
	return j->head.len + j->images.len + j->writing.len + j->records.len + j->waiting_bytes;
}
static inline bool journal_is_idle(const struct journal *j)
{
	return TAILQ_EMPTY(&j->queue) && TAILQ_EMPTY(&j->waiting) && j->records.len == 0 &&
		!j->busy;
}

uint32_t journal_slot_of(const struct journal *j, struct bytes room);
// The slot of a room that is, from now on, in its slot's list.
struct journal_slot *journal_slot_open(struct journal *j, struct table_room *room);
// The room's record ends: so does its epoch, in the log too.
void journal_forget_room(struct journal *j, struct table_room *room);

// What the log holds of a slot, which was found damaged, is void.
void journal_void(struct journal *j, uint32_t slot);

// A message with its seq, at the end of the queue.
struct journal_entry *journal_propose(struct journal *j, struct table_room *room,
	const struct store_record *record);
// An item of the client's for later, behind those that wait already; copied.
void journal_defer(struct journal *j, struct table_client *client, struct bytes element);
// Takes the client's first one, the caller's to free(3) or to put back; NULL if none waits.
struct journal_item *journal_take(struct journal *j, struct table_client *client);
void journal_put_back(struct journal *j, struct table_client *client, struct journal_item *item);
// Drops what waits of the client's.
void journal_forget_client(struct journal *j, struct table_client *client);
// The record of a proposal whose turn is under way or gathered; borrowed until the turn ends.
void journal_record(const struct journal *j, const struct journal_entry *entry,
	struct store_record *record);
// Out of the queue and free; its room has one message less under way.
void journal_remove(struct journal *j, struct journal_entry *entry);

// The bytes that a start would read.
uint64_t journal_log_bytes(const struct journal *j);
// True if a turn is to be written, and none is under way.
bool journal_may_write(const struct journal *j);
// Hands the turn gathered to the engine, after the images that are in `images`.
void journal_write(struct journal *j);
// The turn under way is in the log, or is not.
void journal_written(struct journal *j, enum store_result result);
static inline bool journal_is_up(const struct journal *j)
{
	return !j->down && !j->stalled;
}
// Drops what is gathered.
void journal_drop_turn(struct journal *j);
