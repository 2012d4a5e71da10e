// Edges and their clients: who is announced, renewed, replaced or gone. An edge that went down is
// taken out of the tables step by step, so that a large one does not hold up what is to be routed.
//
// What an edge announces is checked for sense here, before the tables keep it: they hold C strings.

#include <errno.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "proto/names.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

enum {
	USERNAME_MAX = 8192, // a token is not longer
	ADDRESS_MAX = 128,
	CODEC_MAX = 64,
	REASON_MAX = 32,
};

// ---- edges

struct table_edge *route_edge_up(struct route *r, void *link, struct bytes name,
	const struct rights_policy *policy, uint32_t n_workers)
{
	struct table_edge *edge = room_table_edge_add(&r->table, name, policy, link);
	edge->rule = edge_rules_find(&r->edge_rules, name);
	edge->snapshots_due = n_workers;
	edge->n_workers = n_workers;
	edge->number = recorder_edge(&r->recorder, name);
	recorder_add(&r->recorder,
		&(struct record){ .kind = RECORD_EDGE_UP, .edge = edge->number });
	return edge;
}

static void record_client(struct route *r, enum record_kind kind, const struct table_client *client)
{
	const struct record record = record_of_client(kind, client);
	if (!client->no_sender) {
		recorder_add(&r->recorder, &record);
	}
}

static void client_gone(struct route *r, struct table_client *client, struct bytes reason,
	uint64_t now_ms)
{
	struct membership *m;
	while ((m = LIST_FIRST(&client->rooms)) != NULL) {
		route_leave(r, m, CAUSE_CLOSED, now_ms);
	}
	record_client(r, RECORD_DISCONNECTED, client);
	route_tell_client(r, NOTICE_CLIENT_DISCONNECTED, client, reason);
	room_table_client_remove(&r->table, client, now_ms);
}

void route_edge_down(struct route *r, struct table_edge *edge)
{
	route_forget_edge(r, edge);
	room_table_edge_retire(&r->table, edge);
	edge->link = NULL;
	recorder_add(&r->recorder,
		&(struct record){
			.kind = RECORD_EDGE_DOWN,
			.edge = edge->number,
			.count = edge->n_clients,
		});
}

static void purge_step(struct route *r, struct table_edge *edge, uint64_t now_ms)
{
	struct table_client *client = LIST_FIRST(&edge->list);
	struct membership *m = client != NULL ? LIST_FIRST(&client->rooms) : NULL;
	if (m != NULL) {
		route_leave(r, m, CAUSE_EDGE_LOST, now_ms);
	} else if (client != NULL) {
		route_tell_client(r, NOTICE_CLIENT_DISCONNECTED, client,
			bytes_str(record_cause_name(CAUSE_EDGE_LOST)));
		room_table_client_remove(&r->table, client, now_ms);
	} else {
		room_table_edge_remove(&r->table, edge, now_ms);
	}
}

bool route_purge(struct route *r, size_t max, uint64_t now_ms)
{
	struct table_edge *edge = LIST_FIRST(&r->table.retired);
	for (size_t n = 0; n < max && edge != NULL; n++) {
		purge_step(r, edge, now_ms);
		edge = LIST_FIRST(&r->table.retired);
	}
	return edge != NULL;
}

bool route_is_purging(const struct route *r, struct bytes name)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.retired, in_table) {
		if (bytes_equal_str(name, edge->name)) {
			return true;
		}
	}
	return false;
}

// Of at most `max` bytes, none of them NUL: the tables keep C strings.
static bool text_ok(ProtobufCBinaryData text, size_t max)
{
	return text.len <= max && (text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
}

static bool client_up_ok(const Weir__Link__V1__ClientUp *up)
{
	for (size_t i = 0; i < up->n_roles; i++) {
		if (!text_ok(up->roles[i], USERNAME_MAX)) {
			return false;
		}
	}
	return up->client != 0 && up->id.len > 0 && text_ok(up->id, CLIENT_ID_MAX) &&
		user_name_valid(pb_bytes(up->user)) && text_ok(up->username, USERNAME_MAX) &&
		text_ok(up->address, ADDRESS_MAX) && text_ok(up->codec, CODEC_MAX) &&
		text_ok(up->jti, REVOCATION_JTI_MAX);
}

static bool text_may_pass(ProtobufCBinaryData text)
{
	return text.len == 0 || display_name_valid(pb_bytes(text), USERNAME_MAX);
}

// Whether the id can be that of a client of this edge. One of an earlier version has ids of its
// own making; they may be any that no other edge has.
static bool is_own_id(const struct route_request *rq, struct bytes id)
{
	if (rq->edge->prefix[0] != '\0' && bytes_has_prefix(id, rq->edge->prefix)) {
		return true;
	}
	const struct table_edge *edge;
	bool own = !rq->edge->keeps_prefix;
	LIST_FOREACH (edge, &rq->r->table.edges, in_table) {
		own = own && (edge->prefix[0] == '\0' || !bytes_has_prefix(id, edge->prefix));
	}
	return own;
}

// A name that cannot be shown is left out, since a user of an earlier edge may have one; all else
// is not announced at all.
static enum distrust vet_client(const struct route_request *rq, const Weir__Link__V1__ClientUp *up)
{
	if (!trace_valid(pb_bytes(up->id)) || !is_own_id(rq, pb_bytes(up->id))) {
		return DISTRUST_CLIENT_ID;
	}
	if (!edge_rule_lets_user(rq->edge->rule, pb_bytes(up->user))) {
		return DISTRUST_USER;
	}
	bool fine = text_may_pass(up->address) && text_may_pass(up->codec);
	for (size_t i = 0; i < up->n_roles; i++) {
		fine = fine && text_may_pass(up->roles[i]);
	}
	return fine ? DISTRUST_NONE : DISTRUST_NAME;
}

// The announced rights as a set of their own; `*rights` NULL if the client has the edge's defaults.
static bool client_up_rights(const Weir__Link__V1__ClientUp *up, struct rights **rights)
{
	*rights = up->has_rights ? rights_new() : NULL;
	for (size_t i = 0; up->has_rights && i < up->n_rights; i++) {
		const Weir__Link__V1__Right *right = up->rights[i];
		if (!rights_add(*rights, right->mask, pb_bytes(right->pattern))) {
			rights_unref(*rights);
			return false;
		}
	}
	return true;
}

// After its rights have changed.
static void leave_forbidden_rooms(const struct route_request *rq)
{
	struct membership *m = LIST_FIRST(&rq->client->rooms);
	while (m != NULL) {
		struct membership *next = LIST_NEXT(m, in_client);
		if (!route_may(rq->client, RIGHT_JOIN, room_name(m->room))) {
			route_send_left(rq, room_name(m->room), LEFT_FORBIDDEN);
			route_leave(rq->r, m, CAUSE_FORBIDDEN, rq->now_ms);
		} else if (m->presence &&
			!route_may(rq->client, RIGHT_PRESENCE, room_name(m->room))) {
			membership_set_presence(m, false);
		}
		m = next;
	}
	route_leave_forbidden_patterns(rq);
}

// Of those that are not going already: how many, and which has been here longest.
static uint64_t count_connections(const struct table_user *user, struct table_client **oldest)
{
	uint64_t n = 0;
	struct table_client *client;
	*oldest = NULL;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (client->replaced || client->no_sender || client->edge->going) {
			continue;
		}
		n++;
		if (*oldest == NULL || client->since_ms < (*oldest)->since_ms) {
			*oldest = client;
		}
	}
	return n;
}

static void note_overload(const struct route_request *rq, struct bytes user)
{
	notices_tell(&rq->r->notices,
		&(struct notice){
			.kind = NOTICE_CLIENT_REFUSED,
			.client = pb_bytes(rq->item->client_up->id),
			.user = user,
			.edge = bytes_str(rq->edge->name),
			.reason = bytes_str("overloaded"),
		});
	recorder_add(&rq->r->recorder,
		&(struct record){
			.kind = RECORD_KICKED,
			.edge = rq->edge->number,
			.user = user,
			.client = pb_bytes(rq->item->client_up->id),
			.detail = bytes_str("overloaded"),
		});
}

// One more connection of that user comes. False if it has been closed; it is not known then,
// and what it still says is ignored.
static bool make_room(struct route_request *rq, uint64_t handle, struct bytes name)
{
	const struct route_options *options = &rq->r->options;
	const struct table_user *user = room_table_user_find(&rq->r->table, name);
	struct table_client *oldest;
	if (options->max_connections_per_user == 0 || user == NULL ||
		count_connections(user, &oldest) < options->max_connections_per_user) {
		return true;
	}
	if (!options->newest_wins) {
		counter_add(&rq->r->counters.rejected[REFUSAL_LIMIT], 1);
		note_overload(rq, name);
		route_kick_handle(rq->r, rq->edge, handle, bytes_str("overloaded"));
		return false;
	}
	oldest->replaced = true;
	route_kick(rq->r, oldest, bytes_str("replaced"));
	return true;
}

// A client announced again has renewed its token, or is part of a snapshot: what is known of it is
// replaced.
int route_on_client_up(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__ClientUp *up = item->client_up;
	if (!client_up_ok(up)) {
		return -EPROTO;
	}
	struct table_client *known = room_table_client_find(rq->edge, up->client);
	if (known != NULL && !bytes_equal(user_name(known->user), pb_bytes(up->user))) {
		return -EPROTO;
	}
	if (!route_trusts(rq, vet_client(rq, up))) {
		route_kick_handle(rq->r, rq->edge, up->client, bytes_str("overloaded"));
		return 0;
	}
	bool is_shown =
		route_trusts(rq, text_may_pass(up->username) ? DISTRUST_NONE : DISTRUST_NAME);
	bool is_admin = up->admin &&
		route_trusts(rq,
			edge_rule_lets_admins(rq->edge->rule) ? DISTRUST_NONE : DISTRUST_ADMIN);
	struct client_facts facts = {
		.handle = up->client,
		.id = pb_bytes(up->id),
		.user = pb_bytes(up->user),
		.username = is_shown ? pb_bytes(up->username) : bytes_make(NULL, 0),
		.address = pb_bytes(up->address),
		.codec = pb_bytes(up->codec),
		.n_roles = up->n_roles,
		.admin = is_admin,
		.compressed = up->compressed,
		.no_sender = up->no_sender,
		.since_ms = up->since_ms,
		.jti = pb_bytes(up->jti),
		.issued_s = up->issued_s,
	};
	if (known == NULL && !up->no_sender && !make_room(rq, up->client, facts.user)) {
		return 0;
	}
	if (!client_up_rights(up, &facts.rights)) {
		return -EPROTO;
	}
	struct bytes *roles = xcalloc(up->n_roles, sizeof(*roles));
	for (size_t i = 0; i < up->n_roles; i++) {
		roles[i] = pb_bytes(up->roles[i]);
	}
	facts.roles = roles;
	if (known == NULL) {
		known = room_table_client_add(&rq->r->table, rq->edge, &facts);
		record_client(rq->r, RECORD_CONNECTED, known);
		route_tell_connected(rq->r, known);
	} else {
		room_table_client_update(known, &facts);
		rq->client = known;
		leave_forbidden_rooms(rq);
	}
	free(roles);
	route_check_revoked(rq->r, known);
	return 0;
}

// The words of the client protocol's close reasons; what else an edge says is left out.
static struct bytes down_reason(ProtobufCBinaryData reason)
{
	bool is_word = reason.len <= REASON_MAX;
	for (size_t i = 0; is_word && i < reason.len; i++) {
		is_word = ascii_is_alnum(reason.data[i]) || reason.data[i] == '_';
	}
	return is_word ? pb_bytes(reason) : bytes_str(NULL);
}

int route_on_client_down(struct route_request *rq, const link_item *item)
{
	client_gone(rq->r, rq->client, down_reason(item->client_down->reason), rq->now_ms);
	return 0;
}

int route_on_client_stats(struct route_request *rq, const link_item *item)
{
	rq->client->queue_bytes = item->client_stats->queue_bytes;
	return 0;
}

int route_on_edge_state(struct route_request *rq, const link_item *item)
{
	if (rq->edge->draining != (item->edge_state->draining != 0)) {
		recorder_add(&rq->r->recorder,
			&(struct record){
				.kind = RECORD_DRAINING,
				.edge = rq->edge->number,
				.count = item->edge_state->draining != 0,
			});
	}
	rq->edge->draining = item->edge_state->draining;
	return 0;
}

int route_on_disconnect(struct route_request *rq, const link_item *item)
{
	const struct table_user *user =
		room_table_user_find(&rq->r->table, pb_bytes(item->disconnect->user));
	Weir__Link__V1__Disconnected done = WEIR__LINK__V1__DISCONNECTED__INIT;
	if (!rq->client->admin) {
		route_refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	const struct table_client *client;
	if (user != NULL) {
		LIST_FOREACH (client, &user->clients, in_user) {
			if (!client->no_sender && !client->edge->going) {
				route_kick(rq->r, client, bytes_str("revoked"));
				done.closed++;
			}
		}
	}
	done.client = rq->client->handle;
	done.req = rq->req;
	route_send(rq->r, rq->edge, &LINK_ITEM(DISCONNECTED, disconnected, &done));
	return 0;
}
