// What a client may do, by the rights that its edge announced. The edge has decided the same from
// the token; it is decided again here because the router answers for its rooms.

#include "router/core/route_parts.h"

struct rights_decision route_decide(const struct table_client *client, enum right right,
	struct bytes room)
{
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
