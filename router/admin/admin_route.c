// `route`: the decision about a message that nobody sends, and whom it would reach. It asks the
// same functions as a real publish, so it cannot say something else than what would happen.

#include <stdlib.h>
#include <string.h>

#include "common/jscan.h"
#include "proto/names.h"
#include "router/admin/admin_call.h"

enum {
	EDGES_MAX = 1000 // listed of one room
};

static struct bytes span_of(ProtobufCBinaryData data)
{
	return bytes_make(data.data, data.len);
}

// Rights are not all: the options of the room may let nobody publish, or admins only.
static struct rights_decision in_room(const struct admin_call *call, struct bytes room, bool admin,
	struct rights_decision decision)
{
	if (decision.allowed &&
		!room_options_let(room_table_options(admin_table(call), room), admin)) {
		return (struct rights_decision){ .reason = "room-options" };
	}
	return decision;
}

// By what the user's connections announced: the first that may, else the last that may not. A user
// who is not connected has the defaults of any edge, as all should have the same.
static struct rights_decision decide_as(const struct admin_call *call, struct bytes name,
	struct bytes room)
{
	struct rights_decision decision = { .reason = "no edge" };
	const struct table_user *user = room_table_user_find(admin_table(call), name);
	if (user != NULL) {
		const struct table_client *client;
		LIST_FOREACH (client, &user->clients, in_user) {
			decision = in_room(call, room, client->admin,
				route_decide(client, RIGHT_PUBLISH, room));
			if (decision.allowed) {
				break;
			}
		}
		return decision;
	}
	const struct table_edge *edge = LIST_FIRST(&admin_table(call)->edges);
	if (edge != NULL) {
		const struct rights_subject subject = { .user = name };
		decision = rights_decide(&edge->policy, &subject, RIGHT_PUBLISH, room);
	}
	return in_room(call, room, false, decision);
}

// What the token announces, as an edge with the default admin-role would read it.
static struct rights_decision decide_subject(const struct admin_call *call, struct bytes room,
	struct rights *rights)
{
	const Weir__Admin__V1__Subject *given = call->subject;
	struct rights_subject subject = { .user = span_of(given->user), .rights = rights };
	for (size_t i = 0; i < given->n_roles; i++) {
		subject.admin |= bytes_equal_str(span_of(given->roles[i]), "admin");
	}
	for (size_t i = 0; i < given->n_rights; i++) {
		const Weir__Admin__V1__Grant *grant = given->rights[i];
		if (!rights_add(rights, grant->mask, span_of(grant->pattern))) {
			return (struct rights_decision){ .reason = "bad pattern" };
		}
	}
	if (!given->has_rights) {
		subject.rights = NULL;
	}
	const struct table_edge *edge = LIST_FIRST(&admin_table(call)->edges);
	const struct rights_policy none = { 0 };
	const struct rights_policy *policy = edge != NULL ? &edge->policy : &none;
	return in_room(call, room, subject.admin,
		rights_decide(policy, &subject, RIGHT_PUBLISH, room));
}

// `rights` is an empty set for the answer to borrow from.
static struct rights_decision decide(const struct admin_call *call, struct bytes room,
	struct rights *rights)
{
	if (!room_name_valid(room)) {
		return (struct rights_decision){ .reason = "bad_room" };
	}
	if (call->options[0].data != NULL) {
		return decide_as(call, call->options[0], room);
	}
	if (call->subject != NULL) {
		return decide_subject(call, room, rights);
	}
	return (struct rights_decision){ .allowed = true, .reason = "weirctl" };
}

static void list_room_edges(const struct table_room *room, struct buf *json)
{
	buf_append_byte(json, '[');
	for (uint32_t i = 0; room != NULL && i < room->n_edges && i < EDGES_MAX; i++) {
		buf_append_str(json, i > 0 ? ",{\"edge\":" : "{\"edge\":");
		jscan_append_string(json, bytes_str(room->edges[i].edge->name));
		buf_append_str(json, ",\"connections\":");
		buf_append_uint(json, room->edges[i].n_members);
		buf_append_byte(json, '}');
	}
	buf_append_byte(json, ']');
}

void admin_cmd_route(struct admin_call *call)
{
	struct bytes name = call->words[0];
	if (call->subject != NULL && call->options[0].data != NULL) {
		admin_usage(call, "takes either --as or --token");
		return;
	}
	struct rights *rights = rights_new();
	struct rights_decision decision = decide(call, name, rights);
	const struct table_room *room = room_table_find(admin_table(call), name);
	struct buf edges = { 0 };
	list_room_edges(room, &edges);
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "room", name);
	admin_reply_flag(reply, "allowed", decision.allowed);
	admin_reply_text(reply, "reason", bytes_str(decision.reason));
	if (decision.pattern.data != NULL) {
		admin_reply_text(reply, "pattern", decision.pattern);
	} else {
		admin_reply_null(reply, "pattern");
	}
	admin_reply_json(reply, "edges", buf_bytes(&edges));
	admin_reply_number(reply, "members", room != NULL ? room->n_members : 0);
	admin_reply_end_row(reply);
	buf_fini(&edges);
	rights_unref(rights);
}
