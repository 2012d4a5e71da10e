// Propose, commit, apply: with a durable store a message gets its seq as a proposal, the proposals
// of a turn are committed together, and only what is committed is delivered, acknowledged or seen.
// So nothing is ever taken back in front of a client. Without a store none of this runs: a message
// is applied where it would have been proposed.
//
// Order: proposals are applied in the order in which they were made. What a client asks while it
// has some under way waits for these (route_item()), so publish-then-leave and publish-then-history
// read as they do without a store; a key that is only proposed makes its repeat wait too.
//
// A turn that the store refuses takes with it all that was proposed behind it, for their seqs
// follow its own: all of them are refused, nothing has happened, and seqs fall back.
//
// Rejected: applying at once and holding only what leaves. It needs no queue, but a refused turn
// has then changed rooms, histories and keys, and that others have joined meanwhile.

#include <stdlib.h>

#include "router/core/route_out.h"
#include "router/core/route_parts.h"

void route_end_turn(struct route *r)
{
	if (journal_may_write(&r->journal)) {
		route_add_images(r);
		journal_write(&r->journal);
	}
}

// Who asked for the proposal, if it is still there; it has one less under way.
static bool asker_of(struct route *r, const struct journal_entry *entry, struct route_request *rq)
{
	*rq = (struct route_request){ .r = r, .edge = entry->edge, .req = entry->req };
	if (entry->edge == NULL) {
		return false;
	}
	rq->client = room_table_client_find(entry->edge, entry->client);
	if (rq->client == NULL) {
		return false;
	}
	rq->client->n_proposed--;
	return true;
}

static void apply(struct route *r, struct journal_entry *entry, uint64_t now_ms)
{
	struct route_request rq;
	struct store_record record;
	struct table_room *room = entry->room;
	journal_record(&r->journal, entry, &record);
	const struct store_message said = {
		.seq = record.seq,
		.timestamp_ms = record.timestamp_ms,
		.type = record.type,
		.from = record.from,
		.user = record.user,
		.username = record.username,
		.body = record.body,
	};
	bool asked = asker_of(r, entry, &rq);
	r->cause = entry->edge;
	room->seq = record.seq;
	route_set_keys(r, &record, false, now_ms);
	uint32_t reached =
		route_say(r, room, &said, asked && entry->no_echo ? rq.client : NULL, now_ms);
	route_record_message(r, room,
		&(struct route_message){
			.from = rq.client,
			.trace = bytes_make(entry->trace, entry->trace_len),
			.no_echo = entry->no_echo,
		},
		reached);
	const struct route_result result = {
		.epoch = record.epoch,
		.seq = record.seq,
		.timestamp_ms = record.timestamp_ms,
		.members = room->n_members,
	};
	if (asked) {
		route_send_published(&rq, &result);
	}
	if (entry->result != NULL) {
		*entry->result = result;
	}
	journal_remove(&r->journal, entry);
}

static void apply_turn(struct route *r, uint64_t turn, uint64_t now_ms)
{
	struct journal_entry *entry;
	while ((entry = TAILQ_FIRST(&r->journal.queue)) != NULL && entry->turn <= turn) {
		apply(r, entry, now_ms);
	}
}

static void refuse(struct route *r, struct journal_entry *entry)
{
	struct route_request rq;
	struct store_record record;
	journal_record(&r->journal, entry, &record);
	route_remove_keys(r, &record);
	if (asker_of(r, entry, &rq)) {
		Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
		publish.room = pb_data(record.room);
		const link_item item = LINK_ITEM(PUBLISH, publish, &publish);
		rq.item = &item;
		route_refuse(&rq, REFUSAL_UNAVAILABLE);
	}
	journal_remove(&r->journal, entry);
}

// The proposals of that turn and of those behind it, one of which is gathered.
static void refuse_from(struct route *r, uint64_t turn)
{
	struct journal_entry *entry = TAILQ_FIRST(&r->journal.queue);
	while (entry != NULL) {
		struct journal_entry *next = TAILQ_NEXT(entry, in_queue);
		if (entry->turn >= turn) {
			refuse(r, entry);
		}
		entry = next;
	}
	journal_drop_turn(&r->journal);
}

// ---- what has waited

// The client's items, up to one that has to wait on; the last of them may be its end.
static void run_waiting(struct route *r, struct table_edge *edge, uint64_t handle, uint64_t now_ms,
	int64_t wall_ms)
{
	struct table_client *client;
	struct journal_item *waits;
	r->cause = edge;
	while ((client = room_table_client_find(edge, handle)) != NULL &&
		(waits = journal_take(&r->journal, client)) != NULL) {
		struct bytes element = bytes_make(waits->element, waits->len);
		struct bytes packed;
		CHECK(link_batch_next(&element, &packed) == 1);
		const link_item *item = link_item_unpack(&r->arena, packed);
		CHECK(item != NULL);
		struct route_request rq = {
			.r = r,
			.edge = edge,
			.item = item,
			.now_ms = now_ms,
			.wall_ms = wall_ms,
		};
		if (route_run(&rq, item, true) == ROUTE_AFTER) {
			journal_put_back(&r->journal, client, waits);
			return;
		}
		free(waits);
	}
}

static void run_all_waiting(struct route *r, uint64_t now_ms, int64_t wall_ms)
{
	struct table_clients_waiting clients;
	struct table_client *client;
	TAILQ_INIT(&clients);
	TAILQ_CONCAT(&clients, &r->journal.waiting, in_waiting);
	while ((client = TAILQ_FIRST(&clients)) != NULL) {
		TAILQ_REMOVE(&clients, client, in_waiting);
		TAILQ_INSERT_TAIL(&r->journal.waiting, client, in_waiting);
		run_waiting(r, client->edge, client->handle, now_ms, wall_ms);
	}
}

void route_committed(struct route *r, enum store_result result, uint64_t now_ms, int64_t wall_ms)
{
	r->recorder.wall_ms = wall_ms;
	if (result == STORE_COMMITTED) {
		apply_turn(r, r->journal.turn - 1, now_ms);
	} else {
		refuse_from(r, 0);
	}
	journal_written(&r->journal, result);
	run_all_waiting(r, now_ms, wall_ms);
	r->cause = NULL;
}

void route_stall(struct route *r, bool stalled, uint64_t now_ms, int64_t wall_ms)
{
	r->recorder.wall_ms = wall_ms;
	r->journal.stalled = stalled;
	if (stalled) {
		refuse_from(r, r->journal.turn);
		run_all_waiting(r, now_ms, wall_ms);
		r->cause = NULL;
	}
}

// Whoever waits for `result` does so no longer.
static void forget_result(struct route *r, const struct route_result *result)
{
	struct journal_entry *entry;
	TAILQ_FOREACH (entry, &r->journal.queue, in_queue) {
		if (entry->result == result) {
			entry->result = NULL;
		}
	}
}

enum refusal route_publish(struct route *r, const struct route_message *message, uint64_t now_ms,
	int64_t wall_ms, struct route_result *result)
{
	struct journal *j = &r->journal;
	enum refusal refusal = route_take(r, message, now_ms, wall_ms, result);
	if (refusal != REFUSAL_NONE || !result->proposed) {
		return refusal;
	}
	TAILQ_LAST(&j->queue, journal_queue)->result = result;
	*result = (struct route_result){ 0 };
	while (result->seq == 0 && (j->busy || j->records.len > 0)) {
		route_end_turn(r);
		enum store_result ended = j->ops->wait(j->engine);
		if (ended == STORE_UNDECIDED) {
			forget_result(r, result);
			break;
		}
		route_committed(r, ended, now_ms, wall_ms);
	}
	return result->seq > 0 ? REFUSAL_NONE : REFUSAL_UNAVAILABLE;
}
