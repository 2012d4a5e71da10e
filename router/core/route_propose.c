// How a message becomes a proposal: written into the turn that is gathered, with a key and an
// origin that make its repeat wait. What becomes of it is in route_commit.c.

#include "common/siphash.h"
#include "router/core/route_parts.h"

void route_use_store(struct route *r, const uint64_t hash_key[2])
{
	journal_use(&r->journal, hash_key);
}

void route_origin(const struct route_request *rq, uint8_t origin[STORE_ORIGIN_LEN])
{
	uint64_t sender = siphash24(rq->edge->boot, &rq->client->handle, sizeof(uint64_t));
	memcpy(origin, &sender, sizeof(sender));
	memcpy(origin + sizeof(sender), &rq->req, sizeof(rq->req));
}

static struct dedup_key key_of(const struct store_record *record)
{
	return (struct dedup_key){ record->user, record->room, record->key };
}

static struct dedup_key origin_of(const struct store_record *record)
{
	return (struct dedup_key){ .room = record->room, .key = record->origin };
}

void route_set_keys(struct route *r, const struct store_record *record, bool proposed,
	uint64_t now_ms)
{
	struct journal_slot *slot = &r->journal.slots[journal_slot_of(&r->journal, record->room)];
	const struct dedup_result first = {
		.epoch = record->epoch,
		.seq = record->seq,
		.timestamp_ms = record->timestamp_ms,
		.proposed = proposed,
	};
	const struct dedup_key key = key_of(record);
	const struct dedup_key origin = origin_of(record);
	if (record->key.len > 0) {
		dedup_set(&r->dedup, &key, &first, now_ms, &slot->keys);
	}
	if (record->origin.len > 0) {
		dedup_set(&r->origins, &origin, &first, now_ms, &slot->origins);
	}
}

void route_remove_keys(struct route *r, const struct store_record *record)
{
	const struct dedup_key key = key_of(record);
	const struct dedup_key origin = origin_of(record);
	if (record->key.len > 0) {
		dedup_remove(&r->dedup, &key);
	}
	if (record->origin.len > 0) {
		dedup_remove(&r->origins, &origin);
	}
}

void route_propose(struct route *r, struct table_room *room, const struct route_message *message,
	const struct store_message *said, uint64_t now_ms)
{
	const struct store_record record = {
		.kind = STORE_RECORD_MESSAGE,
		.epoch = room->epoch,
		.seq = said->seq,
		.timestamp_ms = said->timestamp_ms,
		.room = room_name(room),
		.type = said->type,
		.from = said->from,
		.user = said->user,
		.username = said->username,
		.body = said->body,
		.key = message->key,
		.origin = message->origin,
	};
	(void)journal_propose(&r->journal, room, &record);
	route_set_keys(r, &record, true, now_ms);
}

void route_await(const struct route_request *rq, const struct route_message *message)
{
	struct journal_entry *entry = TAILQ_LAST(&rq->r->journal.queue, journal_queue);
	entry->edge = rq->edge;
	entry->client = rq->client->handle;
	entry->req = rq->req;
	entry->no_echo = message->no_echo;
	entry->trace_len = (uint8_t)message->trace.len;
	if (message->trace.len > 0) {
		memcpy(entry->trace, message->trace.data, message->trace.len);
	}
	rq->client->n_proposed++;
}

void route_forget_edge(struct route *r, const struct table_edge *edge)
{
	struct journal_entry *entry;
	struct table_client *client = TAILQ_FIRST(&r->journal.waiting);
	TAILQ_FOREACH (entry, &r->journal.queue, in_queue) {
		if (entry->edge == edge) {
			entry->edge = NULL;
		}
	}
	while (client != NULL) {
		struct table_client *next = TAILQ_NEXT(client, in_waiting);
		if (client->edge == edge) {
			journal_forget_client(&r->journal, client);
		}
		client = next;
	}
}
