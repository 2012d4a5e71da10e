// Runs on whatever thread the link reads with, one call at a time, and touches nothing that a
// worker owns but the inboxes. An item that is for one client goes to that client's worker as it
// came, to be unpacked again there: rendering it needs the client's own `id`, which only the worker
// has. A gap goes to all workers in the same way, because each must cut off what its members have
// had. All else for members of a room is rendered here and sent to every worker, because the room
// tables are the workers' and asking them would take a lock a message.
//
// For clients a batch is all or nothing: records are gathered aside and put into the inboxes only
// when its last item was understood, so the link may be cut and resumed after a malformed one.
// Revocations and the list of edges go into no inbox: they are in force when their item is read,
// whatever follows, and taking them twice changes nothing. An unknown item is counted each time.

#include "edge/uplink/dispatch.h"

#include "common/clock.h"
#include "common/jscan.h"
#include "edge/uplink/handle.h"
#include "edge/uplink/revoked.h"
#include "edge/uplink/siblings.h"
#include "proto/names.h"

enum {
	SCRATCH_KEEP = 64 * 1024
};

void dispatch_init(struct dispatch *d, const struct codec_options *codec, uint8_t link,
	struct counter *unknown)
{
	*d = (struct dispatch){ .codec = codec, .link = link, .unknown = unknown };
}

static void drop_records(struct dispatch *d)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		inbox_records_drop(buf_bytes(&d->records[i]));
		buf_reset(&d->records[i], SCRATCH_KEEP);
	}
}

void dispatch_fini(struct dispatch *d)
{
	drop_records(d);
	for (unsigned i = 0; i < d->n_workers; i++) {
		buf_fini(&d->records[i]);
	}
	buf_fini(&d->scratch);
	link_arena_fini(&d->arena);
}

void dispatch_add_worker(struct dispatch *d, struct inbox *inbox)
{
	CHECK(d->n_workers < ROUTER_LINK_WORKERS_MAX);
	d->inboxes[d->n_workers++] = inbox;
}

static bool is_spoken(const struct dispatch *d, enum codec_id codec)
{
	return d->use != NULL ? atomic_load(&d->use->n[codec]) > 0 : codec == CODEC_JSON;
}

// What a frame has beside the rendered event.
struct event_extra {
	size_t type; // index, for the counters
	struct origin *origin; // borrowed; NULL for all that is dropped in no queue
};

// A frame with a reference for each worker.
static struct frame *render(struct dispatch *d, enum codec_id id, const struct client_event *event,
	const struct event_extra *extra)
{
	const struct codec *codec = codec_of(id);
	buf_reset(&d->scratch, SCRATCH_KEEP);
	codec->encode(&d->scratch, event);
	struct frame *f = frame_new(codec->binary ? WS_BINARY : WS_TEXT, buf_bytes(&d->scratch));
	f->type = (uint32_t)extra->type;
	f->epoch = event->epoch;
	f->seq = event->seq;
	frame_set_origin(f, origin_ref(extra->origin));
	if (d->n_workers > 1) {
		frame_ref(f, d->n_workers - 1);
	}
	return f;
}

// Renders the event for the record, and hands it to every worker. A codec that nobody speaks is
// left out: who comes to speak it becomes a member of a room by a later item.
static void to_all(struct dispatch *d, struct inbox_record *record,
	const struct client_event *event, const struct event_extra *extra)
{
	record->link = d->link;
	for (unsigned i = 0; i < CODEC_COUNT && d->n_workers > 0; i++) {
		bool spoken = is_spoken(d, (enum codec_id)i);
		record->frames[i] = spoken ? render(d, (enum codec_id)i, event, extra) : NULL;
	}
	for (unsigned i = 0; i < d->n_workers; i++) {
		inbox_record_append(&d->records[i], record);
	}
}

// The value of the member "conflateKey" of a message's body, in `out`, so that a text and a number
// differ; empty if there is none that may be a key.
static struct bytes conflate_key(struct bytes body, struct buf *out)
{
	struct jscan scan;
	struct jscan_member member;
	jscan_init(&scan, body);
	while (jscan_next(&scan, &member) > 0) {
		if (!bytes_equal_str(member.raw_name, "\"conflateKey\"")) {
			continue;
		}
		buf_reset(out, SCRATCH_KEEP);
		buf_append_byte(out, member.kind == JSCAN_STRING ? '"' : '#');
		if (member.kind == JSCAN_STRING) {
			buf_reserve(out, member.raw_value.len);
			struct bytes text = jscan_string_decode(member.raw_value, out);
			if (text.data != out->data + 1) {
				buf_append_bytes(out, text);
			}
		} else if (member.kind == JSCAN_NUMBER) {
			buf_append_bytes(out, member.raw_value);
		}
		bool good = out->len > 1 && out->len <= 1 + KEY_MAX;
		return good ? buf_bytes(out) : bytes_make(NULL, 0);
	}
	return bytes_make(NULL, 0);
}

// Only a room with a slow policy costs this.
static struct origin *make_origin(struct dispatch *d, const Weir__Link__V1__Delivery *m,
	enum slow_policy slow)
{
	struct origin_facts facts = {
		.may_drop = slow == SLOW_DROP_OLDEST,
		.epoch = m->epoch,
		.from = m->seq,
		.to = m->seq,
		.room = pb_bytes(m->room),
	};
	if (slow == SLOW_CONFLATE) {
		facts.key = conflate_key(pb_bytes(m->body), &d->scratch);
	}
	return origin_new(&facts);
}

static void on_delivery(struct dispatch *d, const Weir__Link__V1__Delivery *m)
{
	struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = pb_bytes(m->room),
		.type = pb_bytes(m->type),
		.from = pb_bytes(m->from),
		.user = pb_bytes(m->user),
		.username = pb_bytes(m->username),
		.epoch = m->seq != 0 ? m->epoch : 0, // an ephemeral message has no place
		.seq = m->seq,
		.timestamp_ms = m->timestamp_ms,
		.body = pb_bytes(m->body),
	};
	const enum slow_policy slow = delivery_slow(m->manner);
	const struct event_extra extra = {
		.type = codec_type_index(d->codec, event.type),
		.origin = slow != SLOW_DISCONNECT ? make_origin(d, m, slow) : NULL,
	};
	to_all(d,
		&(struct inbox_record){
			.kind = INBOX_DELIVERY,
			.audience = (uint8_t)delivery_audience(m->manner),
			.epoch = m->epoch,
			.seq = m->seq,
			.except = m->except,
			.stamp_ms = m->timestamp_ms,
			.text = event.room,
		},
		&event, &extra);
	origin_unref(extra.origin);
}

static void on_broadcast(struct dispatch *d, const Weir__Link__V1__BroadcastDelivery *m)
{
	struct client_event event = {
		.kind = EVENT_MESSAGE,
		.type = pb_bytes(m->type),
		.from = pb_bytes(m->from),
		.user = pb_bytes(m->user),
		.username = pb_bytes(m->username),
		.timestamp_ms = m->timestamp_ms,
		.body = pb_bytes(m->body),
	};
	to_all(d,
		&(struct inbox_record){
			.kind = INBOX_BROADCAST,
			.stamp_ms = m->timestamp_ms,
		},
		&event, &(struct event_extra){ .type = codec_type_index(d->codec, event.type) });
}

static void on_member_event(struct dispatch *d, const Weir__Link__V1__MemberEvent *m)
{
	struct client_event event = {
		.kind = m->joined ? EVENT_MEMBER_JOIN : EVENT_MEMBER_LEAVE,
		.room = pb_bytes(m->room),
		.user = pb_bytes(m->user),
		.username = pb_bytes(m->username),
	};
	enum known_type type = m->joined ? TYPE_MEMBER_JOIN : TYPE_MEMBER_LEAVE;
	to_all(d,
		&(struct inbox_record){
			.kind = INBOX_MEMBER,
			.text = event.room,
			.user = event.user,
		},
		&event, &(struct event_extra){ .type = type });
}

// Each worker makes of it what it means there.
static void to_all_packed(struct dispatch *d, struct bytes packed)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		inbox_record_append(&d->records[i],
			&(struct inbox_record){ .kind = INBOX_ITEM,
				.link = d->link,
				.text = packed });
	}
}

static void on_drain(struct dispatch *d, const Weir__Link__V1__Drain *m)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		inbox_record_append(&d->records[i],
			&(struct inbox_record){ .kind = INBOX_DRAIN,
				.link = d->link,
				.epoch = m->active ? 1 : 0,
				.seq = m->rate });
	}
}

// Names that a worker puts into its tables, which rely on them. All others are only looked up or
// copied.
static bool names_valid(const link_item *item)
{
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_JOINED:
		return item->joined->pattern.len > 0
			? room_pattern_valid(pb_bytes(item->joined->pattern))
			: room_name_valid(pb_bytes(item->joined->room));
	case WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT:
		return user_name_valid(pb_bytes(item->member_event->user));
	default:
		return true;
	}
}

static void on_item(struct dispatch *d, const link_item *item, struct bytes packed)
{
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_DELIVERY:
		on_delivery(d, item->delivery);
		return;
	case WEIR__LINK__V1__ITEM__KIND_BROADCAST_DELIVERY:
		on_broadcast(d, item->broadcast_delivery);
		return;
	case WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT:
		on_member_event(d, item->member_event);
		return;
	case WEIR__LINK__V1__ITEM__KIND_GAP:
	case WEIR__LINK__V1__ITEM__KIND_INQUIRY:
		to_all_packed(d, packed);
		return;
	case WEIR__LINK__V1__ITEM__KIND_DRAIN:
		on_drain(d, item->drain);
		return;
	case WEIR__LINK__V1__ITEM__KIND__NOT_SET:
		counter_add(d->unknown, 1);
		return;
	default:
		break;
	}
	// What is left is for one client.
	uint64_t client = link_item_client(item);
	unsigned worker = handle_worker(client);
	if (client != 0 && worker < d->n_workers) {
		inbox_record_append(&d->records[worker],
			&(struct inbox_record){ .kind = INBOX_ITEM,
				.link = d->link,
				.text = packed });
	}
}

// Revocations are for no worker: they are in force when this returns. False if they make no sense.
static bool take_revocations(struct dispatch *d, const link_item *item)
{
	return item->kind_case != WEIR__LINK__V1__ITEM__KIND_REVOCATION_SNAPSHOT ||
		d->revoked == NULL ||
		revoked_take(d->revoked, item->revocation_snapshot, clock_wall_ms());
}

static bool take_siblings(struct dispatch *d, const link_item *item)
{
	return item->kind_case != WEIR__LINK__V1__ITEM__KIND_EDGE_LIST || d->siblings == NULL ||
		siblings_take(d->siblings, item->edge_list);
}

bool dispatch_batch(struct dispatch *d, uint64_t mark, struct bytes batch, uint64_t *workers)
{
	struct bytes packed;
	int more;
	while ((more = link_batch_next(&batch, &packed)) > 0) {
		const link_item *item = link_item_unpack(&d->arena, packed);
		if (item == NULL || !names_valid(item) || !take_revocations(d, item) ||
			!take_siblings(d, item)) {
			more = -1;
			break;
		}
		on_item(d, item, packed);
	}
	*workers = 0;
	if (more < 0) {
		drop_records(d);
		return false;
	}
	for (unsigned i = 0; i < d->n_workers; i++) {
		if (d->records[i].len > 0) {
			inbox_record_append(&d->records[i],
				&(struct inbox_record){ .kind = INBOX_MARK,
					.link = d->link,
					.seq = mark });
			inbox_put(d->inboxes[i], &d->records[i]);
			*workers |= (uint64_t)1 << i;
		}
	}
	return true;
}

void dispatch_session(struct dispatch *d, uint64_t session)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		inbox_record_append(&d->records[i],
			&(struct inbox_record){ .kind = INBOX_SESSION,
				.link = d->link,
				.seq = session });
		inbox_put(d->inboxes[i], &d->records[i]);
	}
}
