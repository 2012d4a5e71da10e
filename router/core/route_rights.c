// What a client may do, by the rights that its edge announced. The edge has decided the same from
// the token; it is decided again here because the router answers for its rooms.

#include "proto/names.h"
#include "router/core/route_parts.h"

// The room of one's own comes with the user.
static bool edge_lets(const struct table_client *client, struct bytes room)
{
	return client->edge->rule == NULL || edge_rule_lets_room(client->edge->rule, room) ||
		room_is_personal(room, user_name(client->user));
}

struct rights_decision route_decide(const struct table_client *client, enum right right,
	struct bytes room)
{
	if (!edge_lets(client, room)) {
		return (struct rights_decision){ .reason = "edge-options" };
	}
	const struct rights_subject subject = {
		.user = user_name(client->user),
		.admin = client->admin,
		.rights = client->rights,
	};
	return rights_decide(&client->edge->policy, &subject, right, room);
}

bool route_may(const struct table_client *client, enum right right, struct bytes room)
{
	return route_decide(client, right, room).allowed;
}
