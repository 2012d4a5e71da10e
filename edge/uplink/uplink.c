// Requests become items here and nowhere else, so that asking a second time, after a session was
// lost, takes the same path as asking first: a pending entry holds all that is needed to build a
// join, leave, presence or history request anew. A publish is kept with its body if the router's
// store will recognise it by its client and number. A broadcast, or a publish to a router that
// keeps rooms in memory, is not sent again: it would be routed twice if it had been before; who
// sent it gets an error with outcome unknown.
//
// A question of a few bytes may be answered by half a megabyte. So only so many recoveries are
// asked at a time as their answers come to ANSWERS_BYTES, and the others wait here. A connection
// that waits for one is not read, so each has at most one here and first come, first served is a
// round of all connections: what others send waits behind ANSWERS_BYTES, not behind all that was
// asked. How large an answer will be is not known before; the largest of late decides. While the
// link is down connections are read, so nothing may wait and be overtaken.
//
// Order in a snapshot: each connection followed by its rooms, then SnapshotEnd, then what is asked
// again, because a request names a connection the router must know by then.

#include "edge/uplink/uplink.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "edge/auth/auth.h"

enum { // pending_entry.flags
	ASK_PRESENCE = 1 << 0,
	ASK_SINCE = 1 << 1,
	ASK_BEFORE = 1 << 2,
	ASK_AUTOMATIC = 1 << 3,
	ASK_PATTERN = 1 << 4,
	ASK_WAITING = 1 << 5, // for its turn
};

enum {
	ANSWERS_BYTES = 512 << 10, // of a worker's recoveries under way
	ANSWERS_MAX = 16, // and their number, however small they are
	ANSWER_GUESS = 32 << 10, // before the first one came
	WAITING_KEEP = 4096, // capacity of the empty list
	ANSWER_DECAY = 16, // the largest so far counts so much less with each that is smaller
};

// What a request costs on the link beyond its texts; an estimate for router_link_has_room().
enum {
	REQUEST_OVERHEAD = 64
};

// Rooms in one Rejoin: of the longest names, still well below what a BATCH is closed at.
enum {
	REJOIN_PLACES_MAX = 256
};

void uplink_init(struct uplink *up, const struct uplink_ops *ops, void *link, unsigned worker)
{
	*up = (struct uplink){ .ops = ops, .link = link, .worker = worker };
	up->answer_bytes = ANSWER_GUESS;
	pending_init(&up->pending, 1);
}

void uplink_fini(struct uplink *up)
{
	pending_fini(&up->pending);
	link_outbox_fini(&up->outbox);
	buf_fini(&up->waiting);
}

// What becomes of a request that was sent, in a new session.
#define AGAIN   .once = false
#define LARGE   .recovery = true
#define ONCE    .once = true
#define IF_KEPT .once = true, .keep = true
#define BY_ITEM(KIND, name, ...)                                                                   \
	{                                                                                          \
		WEIR__LINK__V1__ITEM__KIND_##KIND, &weir__link__v1__##name##__descriptor,          \
			__VA_ARGS__                                                                \
	}
#define BY_EDGE                                                                                    \
	{                                                                                          \
		0                                                                                  \
	}
#define X(NAME, TYPE, text, number, need, item, ...) [COMMAND_##NAME] = item,

// By kind of command; those without an item are not for the router.
static const struct request_row {
	Weir__Link__V1__Item__KindCase item;
	const ProtobufCMessageDescriptor *descriptor; // of its message
	bool once; // asked twice, it would change something twice
	bool keep; // but not by a router whose store knows what it has published
	bool recovery; // its answer may be large, so a client waits for it
} rows[COMMAND_COUNT] = { CLIENT_COMMANDS(X) };
#undef X

static void add_publish(struct link_outbox *outbox, const struct request *r, uint64_t req,
	uint64_t by)
{
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = r->conn;
	publish.req = req;
	publish.room = pb_data(r->room);
	publish.type = pb_data(r->type);
	publish.body = pb_data(r->body);
	publish.key = pb_data(r->key);
	publish.trace = pb_data(r->trace);
	publish.no_echo = r->no_echo;
	publish.ephemeral = r->ephemeral;
	publish.resent = r->resent;
	link_outbox_add_request(outbox, &LINK_ITEM(PUBLISH, publish, &publish), req, by);
}

// Where in a request the fields of the link's messages come from, by the name in link.proto.
static const struct {
	const char *name;
	size_t at; // offset in struct request; in its type there
} sources[] = {
	{ "client", offsetof(struct request, conn) },
	{ "room", offsetof(struct request, room) },
	{ "pattern", offsetof(struct request, room) },
	{ "user", offsetof(struct request, room) },
	{ "presence", offsetof(struct request, presence) },
	{ "has_since", offsetof(struct request, has_since) },
	{ "since_epoch", offsetof(struct request, since_epoch) },
	{ "since_seq", offsetof(struct request, since_seq) },
	{ "automatic", offsetof(struct request, automatic) },
	{ "has_before", offsetof(struct request, has_before) },
	{ "before", offsetof(struct request, before) },
	{ "limit", offsetof(struct request, limit) },
	{ "type", offsetof(struct request, type) },
	{ "body", offsetof(struct request, body) },
};

// NULL: no request says that, or this one says another thing in its place.
static const void *source_of(const struct request *r, const char *name)
{
	bool is_other = strcmp(name, r->is_pattern ? "room" : "pattern") == 0;
	for (size_t i = 0; i < ARRAY_LEN(sources) && !is_other; i++) {
		if (sources[i].name[0] == name[0] && strcmp(sources[i].name, name) == 0) {
			return (const char *)r + sources[i].at;
		}
	}
	return NULL;
}

static void copy_field(void *to, ProtobufCType type, const void *from)
{
	switch (type) {
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)to = pb_data(*(const struct bytes *)from);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)to = *(const bool *)from;
		break;
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)to = *(const uint32_t *)from;
		break;
	default:
		CHECK(type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64);
		*(uint64_t *)to = *(const uint64_t *)from;
	}
}

enum {
	MESSAGE_WORDS_MAX = 32 // of eight bytes; a CHECK holds it
};

// Any request by the names of its message's fields. A publish, of which there are the most, has a
// function of its own.
static void add_by_name(struct link_outbox *outbox, const struct request *r, uint64_t req,
	uint64_t by)
{
	const ProtobufCMessageDescriptor *descriptor = rows[r->kind].descriptor;
	uint64_t message[MESSAGE_WORDS_MAX];
	CHECK(descriptor->sizeof_message <= sizeof(message));
	protobuf_c_message_init(descriptor, message);
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		void *to = (char *)message + field->offset;
		const void *from =
			strcmp(field->name, "req") == 0 ? &req : source_of(r, field->name);
		if (from != NULL) {
			copy_field(to, field->type, from);
		}
	}
	link_item item = LINK_ITEM(JOIN, join, (void *)message); // all kinds are pointers
	item.kind_case = rows[r->kind].item;
	link_outbox_add_request(outbox, &item, req, by);
}

static void add_request(struct link_outbox *outbox, const struct request *r, uint64_t req,
	uint64_t by)
{
	bool is_publish = rows[r->kind].item == WEIR__LINK__V1__ITEM__KIND_PUBLISH;
	(is_publish ? add_publish : add_by_name)(outbox, r, req, by);
}

// What a publish needs to be sent again, as long as it is not answered.
struct kept {
	uint64_t asked_ms; // monotonic
	uint32_t body_len;
	uint16_t type_len;
	uint16_t key_len;
	uint16_t trace_len;
	bool no_echo;
	uint8_t text[]; // type, key, trace, body
};

static uint8_t *put(uint8_t *at, struct bytes text)
{
	if (text.len > 0) {
		memcpy(at, text.data, text.len);
	}
	return at + text.len;
}

static void *keep(const struct request *r)
{
	CHECK(r->type.len <= UINT16_MAX && r->key.len <= UINT16_MAX && r->trace.len <= UINT16_MAX &&
		r->body.len <= UINT32_MAX);
	struct kept *kept =
		xmalloc(sizeof(*kept) + r->type.len + r->key.len + r->trace.len + r->body.len);
	*kept = (struct kept){
		.asked_ms = clock_mono_ms(),
		.body_len = (uint32_t)r->body.len,
		.type_len = (uint16_t)r->type.len,
		.key_len = (uint16_t)r->key.len,
		.trace_len = (uint16_t)r->trace.len,
		.no_echo = r->no_echo,
	};
	uint8_t *at = put(kept->text, r->type);
	at = put(at, r->key);
	at = put(at, r->trace);
	(void)put(at, r->body);
	return kept;
}

static void add_kept(struct request *request, const struct kept *kept)
{
	const uint8_t *at = kept->text;
	request->type = bytes_make(at, kept->type_len);
	at += kept->type_len;
	request->key = bytes_make(at, kept->key_len);
	at += kept->key_len;
	request->trace = bytes_make(at, kept->trace_len);
	at += kept->trace_len;
	request->body = bytes_make(at, kept->body_len);
	request->no_echo = kept->no_echo;
	request->resent = true;
}

// True if the router will know whether it has published it already.
static bool may_resend(const struct uplink *up, const struct pending_entry *entry)
{
	const struct kept *kept = entry->kept;
	return kept != NULL && clock_mono_ms() - kept->asked_ms < up->resend_ms;
}

// Keeps in the entry what request_of() needs.
static void entry_remember(struct pending_entry *entry, const struct request *r)
{
	entry->flags = (uint8_t)((r->presence ? ASK_PRESENCE : 0) | (r->has_since ? ASK_SINCE : 0) |
		(r->has_before ? ASK_BEFORE : 0) | (r->automatic ? ASK_AUTOMATIC : 0) |
		(r->is_pattern ? ASK_PATTERN : 0));
	entry->epoch = r->since_epoch;
	entry->seq = r->has_since ? r->since_seq : r->before;
	entry->limit = r->limit;
}

static struct request request_of(const struct pending_entry *entry)
{
	return (struct request){
		.kind = (enum command_kind)entry->kind,
		.conn = entry->conn,
		.room = bytes_make(entry->room, entry->room_len),
		.is_pattern = (entry->flags & ASK_PATTERN) != 0,
		.automatic = (entry->flags & ASK_AUTOMATIC) != 0,
		.presence = (entry->flags & ASK_PRESENCE) != 0,
		.has_since = (entry->flags & ASK_SINCE) != 0,
		.since_epoch = entry->epoch,
		.since_seq = entry->seq,
		.has_before = (entry->flags & ASK_BEFORE) != 0,
		.before = entry->seq,
		.limit = entry->limit,
	};
}

// ---- recoveries

bool request_is_recovery(const struct request *request)
{
	return rows[request->kind].recovery || request->has_since;
}

bool uplink_is_recovery(const struct pending_entry *entry)
{
	return rows[entry->kind].recovery || (entry->flags & ASK_SINCE) != 0;
}

static bool has_turn(const struct uplink *up)
{
	return up->n_asked == 0 ||
		(up->n_asked < ANSWERS_MAX && up->n_asked * up->answer_bytes < ANSWERS_BYTES);
}

static void wait_for_turn(struct uplink *up, struct pending_entry *entry)
{
	entry->flags |= ASK_WAITING;
	buf_append(&up->waiting, &entry->req, sizeof(entry->req));
}

// The first one that waits and is not over yet, which stays; NULL: none does.
static struct pending_entry *first_waiting(struct uplink *up)
{
	struct pending_entry *entry = NULL;
	uint64_t req;
	while (entry == NULL && up->waiting_at < up->waiting.len) {
		memcpy(&req, up->waiting.data + up->waiting_at, sizeof(req));
		entry = pending_find(&up->pending, req);
		if (entry == NULL) {
			up->waiting_at += sizeof(req);
		}
	}
	if (up->waiting_at == up->waiting.len) {
		buf_reset(&up->waiting, WAITING_KEEP);
		up->waiting_at = 0;
	} else if (up->waiting_at > up->waiting.len / 2) {
		buf_consume(&up->waiting, up->waiting_at);
		up->waiting_at = 0;
	}
	return entry;
}

struct pending_entry *uplink_next_turn(struct uplink *up)
{
	return has_turn(up) ? first_waiting(up) : NULL;
}

// Adds the request to those that are not answered; returns its number.
static uint64_t remember(struct uplink *up, const struct request *request, uint64_t deadline_ms)
{
	uint64_t req = pending_add(&up->pending, request->conn, (uint8_t)request->kind, request->id,
		request->room, deadline_ms);
	entry_remember(pending_find(&up->pending, req), request);
	return req;
}

// It gets a number of its own now: the link judges by numbers what was sent.
void uplink_ask_waiting(struct uplink *up, const struct pending_entry *entry)
{
	CHECK((entry->flags & ASK_WAITING) != 0);
	uint64_t waited = entry->req;
	uint64_t deadline_ms = entry->deadline_ms;
	struct request request = request_of(entry);
	request.id = bytes_make(entry->id, entry->id_len);
	uint64_t req = remember(up, &request, deadline_ms);
	add_request(&up->outbox, &request, req, deadline_ms);
	pending_close(&up->pending, pending_find(&up->pending, waited));
	up->waiting_at += sizeof(waited);
	up->n_asked++;
}

void uplink_ask_all(struct uplink *up)
{
	struct pending_entry *entry;
	while ((entry = first_waiting(up)) != NULL) {
		uplink_ask_waiting(up, entry);
	}
}

static void expect_answers_like(struct uplink *up, size_t bytes)
{
	size_t less = up->answer_bytes - up->answer_bytes / ANSWER_DECAY;
	up->answer_bytes = bytes > less ? bytes : less;
}

void uplink_close(struct uplink *up, struct pending_entry *entry, size_t bytes)
{
	if (uplink_is_recovery(entry) && (entry->flags & ASK_WAITING) == 0) {
		CHECK(up->n_asked > 0);
		up->n_asked--;
		if (bytes > 0) {
			expect_answers_like(up, bytes);
		}
	}
	pending_close(&up->pending, entry);
}

void uplink_close_gone(struct uplink *up, bool (*is_there)(void *arg, uint64_t conn), void *arg)
{
	struct pending *pending = &up->pending;
	if (has_turn(up) || first_waiting(up) == NULL) {
		return;
	}
	for (uint64_t req = pending->first; req < pending->next; req++) {
		struct pending_entry *entry = pending_find(pending, req);
		if (entry != NULL && uplink_is_recovery(entry) &&
			(entry->flags & ASK_WAITING) == 0 && !is_there(arg, entry->conn)) {
			uplink_close(up, entry, 0);
		}
	}
}

bool uplink_ask(struct uplink *up, const struct request *request, uint64_t deadline_ms)
{
	CHECK(rows[request->kind].descriptor != NULL);
	size_t size = REQUEST_OVERHEAD + request->room.len + request->type.len + request->body.len +
		request->key.len;
	if (!uplink_has_room(up, size)) {
		return false;
	}
	uint64_t req = remember(up, request, deadline_ms);
	struct pending_entry *entry = pending_find(&up->pending, req);
	if (up->resend_ms > 0 && rows[request->kind].keep && !request->ephemeral) {
		entry->kept = keep(request);
	}
	bool recovery = request_is_recovery(request);
	if (recovery && uplink_is_up(up) && (first_waiting(up) != NULL || !has_turn(up))) {
		wait_for_turn(up, entry);
		return true;
	}
	up->n_asked += recovery ? 1 : 0;
	add_request(&up->outbox, request, req, deadline_ms);
	return true;
}

bool uplink_is_automatic(const struct pending_entry *entry)
{
	return (entry->flags & ASK_AUTOMATIC) != 0;
}

bool uplink_is_pattern(const struct pending_entry *entry)
{
	return (entry->flags & ASK_PATTERN) != 0;
}

// The rights of a ClientUp: `*list` (one block, free(3)) and their number.
static size_t rights_list(const struct rights *rights, Weir__Link__V1__Right ***list)
{
	size_t n = rights_count(rights);
	*list = NULL;
	if (n == 0) {
		return 0;
	}
	*list = xmalloc(n * (sizeof(**list) + sizeof(***list)));
	Weir__Link__V1__Right *values = (Weir__Link__V1__Right *)(void *)(*list + n);
	for (size_t i = 0; i < n; i++) {
		unsigned mask;
		struct bytes pattern = rights_at(rights, i, &mask);
		values[i] = (Weir__Link__V1__Right)WEIR__LINK__V1__RIGHT__INIT;
		values[i].mask = mask;
		values[i].pattern = pb_data(pattern);
		(*list)[i] = &values[i];
	}
	return n;
}

static void add_client_up(struct link_outbox *outbox, const struct announcement *facts)
{
	const struct identity *identity = facts->identity;
	ProtobufCBinaryData *roles = NULL;
	if (identity->n_roles > 0) {
		roles = xmalloc(identity->n_roles * sizeof(roles[0]));
	}
	for (size_t i = 0; i < identity->n_roles; i++) {
		roles[i] = pb_data(bytes_str(identity->roles[i]));
	}
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = facts->handle;
	up.id = pb_data(facts->id);
	up.user = pb_data(bytes_str(identity->user));
	up.username = pb_data(bytes_str(identity->username));
	up.n_roles = identity->n_roles;
	up.roles = roles;
	up.admin = identity->admin;
	up.has_rights = identity->rights != NULL;
	up.n_rights = up.has_rights ? rights_list(identity->rights, &up.rights) : 0;
	up.address = pb_data(facts->address);
	up.since_ms = facts->since_ms;
	up.codec = pb_data(bytes_str(facts->codec));
	up.compressed = facts->compressed;
	up.no_sender = facts->no_sender;
	up.jti = pb_data(bytes_str(identity->jti));
	up.issued_s = identity->issued_s;
	link_outbox_add_fact(outbox, &LINK_ITEM(CLIENT_UP, client_up, &up));
	free(roles);
	free(up.rights);
}

void uplink_client_up(struct uplink *up, const struct announcement *facts)
{
	add_client_up(&up->outbox, facts);
}

void uplink_client_down(struct uplink *up, uint64_t handle, struct bytes reason)
{
	Weir__Link__V1__ClientDown down = WEIR__LINK__V1__CLIENT_DOWN__INIT;
	down.client = handle;
	down.reason = pb_data(reason);
	link_outbox_add_fact(&up->outbox, &LINK_ITEM(CLIENT_DOWN, client_down, &down));
}

void uplink_client_stats(struct uplink *up, uint64_t handle, size_t queue_bytes)
{
	Weir__Link__V1__ClientStats stats = WEIR__LINK__V1__CLIENT_STATS__INIT;
	stats.client = handle;
	stats.queue_bytes = queue_bytes;
	link_outbox_add_fact(&up->outbox, &LINK_ITEM(CLIENT_STATS, client_stats, &stats));
}

void uplink_edge_state(struct uplink *up, bool draining)
{
	Weir__Link__V1__EdgeState state = WEIR__LINK__V1__EDGE_STATE__INIT;
	state.draining = draining;
	link_outbox_add_fact(&up->outbox, &LINK_ITEM(EDGE_STATE, edge_state, &state));
}

void uplink_testify(struct uplink *up, const Weir__Link__V1__Testimony *testimony)
{
	link_outbox_add_fact(&up->outbox,
		&LINK_ITEM(TESTIMONY, testimony, (Weir__Link__V1__Testimony *)testimony));
}

bool uplink_has_room(const struct uplink *up, size_t more)
{
	return up->ops->has_room(up->link, more);
}

bool uplink_was_sent(const struct uplink *up, const struct pending_entry *entry)
{
	return (entry->flags & ASK_WAITING) == 0 &&
		up->ops->was_sent(up->link, up->worker, entry->req);
}

void uplink_consumed(struct uplink *up, uint64_t mark)
{
	up->ops->consumed(up->link, up->worker, mark);
}

bool uplink_is_up(const struct uplink *up)
{
	return up->ops->status(up->link).up;
}

void uplink_flush(struct uplink *up)
{
	if (up->outbox.entries.len > 0) {
		up->ops->flush(up->link, up->worker, &up->outbox);
	}
}

static Weir__Link__V1__Place place_of(const struct fib_member *member)
{
	const struct fib_room *room = member->room;
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	place.room = pb_data(fib_room_name(room));
	place.epoch = room->epoch;
	place.seq = room->last_seq;
	place.join_seq = member->join_seq;
	place.presence = member->presence;
	return place;
}

// Takes up to REJOIN_PLACES_MAX members from `*next` on.
static void add_some_places(struct link_outbox *outbox, const struct announcement *facts,
	const struct fib_member **next)
{
	Weir__Link__V1__Place places[REJOIN_PLACES_MAX];
	Weir__Link__V1__Place *list[REJOIN_PLACES_MAX];
	Weir__Link__V1__Rejoin rejoin = WEIR__LINK__V1__REJOIN__INIT;
	rejoin.client = facts->handle;
	rejoin.places = list;
	while (*next != NULL && rejoin.n_places < REJOIN_PLACES_MAX) {
		places[rejoin.n_places] = place_of(*next);
		list[rejoin.n_places] = &places[rejoin.n_places];
		rejoin.n_places++;
		*next = LIST_NEXT(*next, in_conn);
	}
	link_outbox_add_fact(outbox, &LINK_ITEM(REJOIN, rejoin, &rejoin));
}

static void add_rejoin(struct link_outbox *outbox, const struct announcement *facts)
{
	const struct fib_member *next = LIST_FIRST(facts->rooms);
	while (next != NULL) {
		add_some_places(outbox, facts, &next);
	}
}

static void add_patterns(struct link_outbox *outbox, const struct announcement *facts)
{
	ProtobufCBinaryData patterns[WATCHES_MAX];
	Weir__Link__V1__Rejoin rejoin = WEIR__LINK__V1__REJOIN__INIT;
	if (facts->n_patterns == 0) {
		return;
	}
	for (size_t i = 0; i < facts->n_patterns; i++) {
		patterns[i] = pb_data(facts->patterns[i]);
	}
	rejoin.client = facts->handle;
	rejoin.patterns = patterns;
	rejoin.n_patterns = facts->n_patterns;
	link_outbox_add_fact(outbox, &LINK_ITEM(REJOIN, rejoin, &rejoin));
}

static void add_snapshot_end(struct link_outbox *outbox, unsigned worker)
{
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	end.worker = worker;
	link_outbox_add_fact(outbox, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
}

// By number, because an entry that is closed may move the others.
static void ask_again(struct uplink *up, struct link_outbox *outbox, uplink_lost_fn *lost,
	void *arg)
{
	struct pending *pending = &up->pending;
	for (uint64_t req = pending->first; req < pending->next; req++) {
		struct pending_entry *entry = pending_find(pending, req);
		if (entry == NULL || !uplink_was_sent(up, entry)) {
			continue;
		}
		const struct request_row *row = &rows[entry->kind];
		if (row->once && !may_resend(up, entry)) {
			lost(arg, entry);
		} else {
			struct request request = request_of(entry);
			if (entry->kept != NULL) {
				add_kept(&request, entry->kept);
			}
			add_request(outbox, &request, req, entry->deadline_ms);
		}
	}
}

void uplink_snapshot(struct uplink *up, uint64_t session, uplink_each_fn *each,
	uplink_lost_fn *lost, void *arg)
{
	// Facts gathered in this turn are in the snapshot as well; the link must have them to drop
	// them.
	uplink_flush(up);
	up->resend_ms = up->ops->status(up->link).resend_ms;
	struct link_outbox outbox = { 0 };
	struct announcement facts;
	while (each(arg, &facts)) {
		add_client_up(&outbox, &facts);
		add_rejoin(&outbox, &facts);
		add_patterns(&outbox, &facts);
	}
	add_snapshot_end(&outbox, up->worker);
	ask_again(up, &outbox, lost, arg);
	up->ops->snapshot(up->link, up->worker, session, &outbox);
	link_outbox_fini(&outbox);
}
