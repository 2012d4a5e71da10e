// Pure bookkeeping; what a proposal means when it is committed is route's to say (route_commit.c).
//
// The log is kept short by images: once it is longer than twice what is alive, each turn may carry
// as many bytes of images as it has of records, slot after slot. Turns before the oldest image go
// with the same commit. So a byte is written twice at most, a turn is never much longer than what
// caused it, and there is no pause in which everything is written.
//
// Rejected: an image of everything at once (a pause by its size, and twice the disk), and images
// of single rooms (the log would have to be searched for the oldest room; a slot is what is moved
// between routers later as well).

#include "router/core/journal.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/siphash.h"

enum {
	BUFFER_KEEP = 256 << 10
};

void journal_init(struct journal *j)
{
	*j = (struct journal){ .turn = 1, .log_min = JOURNAL_LOG_MIN };
	TAILQ_INIT(&j->queue);
	TAILQ_INIT(&j->waiting);
}

void journal_clear(struct journal *j)
{
	struct journal_entry *entry = TAILQ_FIRST(&j->queue);
	struct table_client *client;
	TAILQ_INIT(&j->queue);
	while (entry != NULL) {
		struct journal_entry *next = TAILQ_NEXT(entry, in_queue);
		entry->room->n_proposed--;
		free(entry);
		entry = next;
	}
	while ((client = TAILQ_FIRST(&j->waiting)) != NULL) {
		journal_forget_client(j, client);
	}
	j->ops = NULL; // the end of a process is not the end of its rooms
}

void journal_fini(struct journal *j)
{
	buf_fini(&j->records);
	buf_fini(&j->head);
	buf_fini(&j->images);
	buf_fini(&j->writing);
	free(j->slots);
	j->slots = NULL;
}

void journal_use(struct journal *j, const uint64_t hash_key[2])
{
	j->hash_key[0] = hash_key[0];
	j->hash_key[1] = hash_key[1];
	j->slots = xcalloc(STORE_SLOTS, sizeof(j->slots[0]));
}

uint32_t journal_slot_of(const struct journal *j, struct bytes room)
{
	return (uint32_t)(siphash24(j->hash_key, room.data, room.len) % STORE_SLOTS);
}

struct journal_slot *journal_slot_open(struct journal *j, struct table_room *room)
{
	struct store_log *log = &room->log;
	if (!log->in_store_slot) {
		log->slot = (uint16_t)journal_slot_of(j, room_name(room));
		log->in_store_slot = true;
		LIST_INSERT_HEAD(&j->slots[log->slot].logs, log, in_slot);
	}
	return &j->slots[log->slot];
}

static size_t add_record(struct journal *j, uint32_t slot, const struct store_record *record)
{
	size_t at = j->records.len;
	store_slot_add(&j->touched, slot);
	store_record_append(&j->records, record);
	return at;
}

void journal_void(struct journal *j, uint32_t slot)
{
	const struct store_record record = { .kind = STORE_RECORD_IMAGE, .seq = slot };
	add_record(j, slot, &record);
	j->slots[slot].broken = false;
}

void journal_forget_room(struct journal *j, struct table_room *room)
{
	if (!room->log.in_store_slot) {
		return;
	}
	const struct store_record record = {
		.kind = STORE_RECORD_FORGET,
		.room = room_name(room),
		.epoch = room->epoch,
	};
	LIST_REMOVE(&room->log, in_slot);
	room->log.in_store_slot = false;
	if (j->ops != NULL) {
		add_record(j, room->log.slot, &record);
	}
}

// ---- the queue

struct journal_entry *journal_propose(struct journal *j, struct table_room *room,
	const struct store_record *record)
{
	struct journal_entry *entry = xcalloc(1, sizeof(*entry));
	(void)journal_slot_open(j, room);
	entry->room = room;
	entry->turn = j->turn;
	entry->at = add_record(j, room->log.slot, record);
	TAILQ_INSERT_TAIL(&j->queue, entry, in_queue);
	room->n_proposed++;
	return entry;
}

void journal_record(const struct journal *j, const struct journal_entry *entry,
	struct store_record *record)
{
	const struct buf *turn = entry->turn == j->turn ? &j->records : &j->writing;
	struct bytes rest = bytes_from(buf_bytes(turn), entry->at);
	CHECK(store_record_next(&rest, record) == 1);
}

void journal_remove(struct journal *j, struct journal_entry *entry)
{
	TAILQ_REMOVE(&j->queue, entry, in_queue);
	entry->room->n_proposed--;
	free(entry);
}

// ---- what waits

static void add_waiting(struct journal *j, struct table_client *client, size_t len)
{
	if (STAILQ_EMPTY(&client->waiting)) {
		TAILQ_INSERT_TAIL(&j->waiting, client, in_waiting);
	}
	j->waiting_bytes += len;
}

void journal_defer(struct journal *j, struct table_client *client, struct bytes element)
{
	struct journal_item *item = xmalloc(sizeof(*item) + element.len);
	item->len = element.len;
	memcpy(item->element, element.data, element.len);
	add_waiting(j, client, item->len);
	STAILQ_INSERT_TAIL(&client->waiting, item, in_client);
}

struct journal_item *journal_take(struct journal *j, struct table_client *client)
{
	struct journal_item *item = STAILQ_FIRST(&client->waiting);
	if (item == NULL) {
		return NULL;
	}
	STAILQ_REMOVE_HEAD(&client->waiting, in_client);
	j->waiting_bytes -= item->len;
	if (STAILQ_EMPTY(&client->waiting)) {
		TAILQ_REMOVE(&j->waiting, client, in_waiting);
	}
	return item;
}

void journal_put_back(struct journal *j, struct table_client *client, struct journal_item *item)
{
	add_waiting(j, client, item->len);
	STAILQ_INSERT_HEAD(&client->waiting, item, in_client);
}

void journal_forget_client(struct journal *j, struct table_client *client)
{
	struct journal_item *item;
	while ((item = journal_take(j, client)) != NULL) {
		free(item);
	}
}

// ---- turns

uint64_t journal_log_bytes(const struct journal *j)
{
	return j->written - j->slots[j->next_image].image_at;
}

bool journal_may_write(const struct journal *j)
{
	return j->ops != NULL && !j->busy &&
		(j->records.len > 0 || j->probing || j->n_compacting > 0);
}

// The first turn that is needed when the one to be written is in the log.
static uint64_t keep_from(const struct journal *j)
{
	uint64_t from = j->number + 1;
	for (uint32_t i = j->n_images; i < STORE_SLOTS; i++) {
		uint64_t turn = j->slots[(j->next_image + i) % STORE_SLOTS].image_turn;
		from = turn < from ? turn : from;
	}
	return from;
}

void journal_write(struct journal *j)
{
	struct buf empty = j->writing;
	CHECK(journal_may_write(j));
	store_turn_begin(&j->head, &j->touched, j->images.len + j->records.len);
	j->writing = j->records;
	j->records = empty;
	j->touched = (struct store_slot_set){ 0 };
	j->busy = true;
	j->probing = false;
	const struct store_turn turn = {
		.number = j->number + 1,
		.head = buf_bytes(&j->head),
		.images = buf_bytes(&j->images),
		.records = buf_bytes(&j->writing),
		.keep_from = keep_from(j),
	};
	j->turn++;
	j->ops->write(j->engine, &turn);
}

void journal_written(struct journal *j, enum store_result result)
{
	CHECK(j->busy);
	j->busy = false;
	j->down = result != STORE_COMMITTED;
	if (!j->down) {
		j->number++;
		j->written += j->head.len + j->images.len + j->writing.len;
		for (uint32_t i = 0; i < j->n_images; i++) {
			j->slots[j->next_image].image_turn = j->number;
			j->slots[j->next_image].image_at = j->written;
			j->next_image = (j->next_image + 1) % STORE_SLOTS;
		}
		j->n_compacting -= j->n_images < j->n_compacting ? j->n_images : j->n_compacting;
	}
	j->n_images = 0;
	buf_reset(&j->head, BUFFER_KEEP);
	buf_reset(&j->images, BUFFER_KEEP);
	buf_reset(&j->writing, BUFFER_KEEP);
}

void journal_drop_turn(struct journal *j)
{
	buf_reset(&j->records, BUFFER_KEEP);
	j->touched = (struct store_slot_set){ 0 };
}
