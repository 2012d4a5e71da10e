// What is reported outside of clients and rooms. A client that an edge announces in its snapshot
// was there before this session began: that it came is reported all the same, marked as
// `announced`, since nobody but the receiver knows what the last router has reported.

#include "router/core/route_parts.h"

static struct bytes announced(const struct table_client *client)
{
	return bytes_str(client->edge->snapshots_due > 0 ? "announced" : NULL);
}

void route_tell_client(const struct route *r, enum notice_kind kind,
	const struct table_client *client, struct bytes reason)
{
	if (!notices_want(&r->notices, kind) || client->no_sender) {
		return;
	}
	notices_tell(&r->notices,
		&(struct notice){
			.kind = kind,
			.client = bytes_str(client->id),
			.user = user_name(client->user),
			.edge = bytes_str(client->edge->name),
			.reason = reason,
		});
}

void route_tell_connected(const struct route *r, const struct table_client *client)
{
	route_tell_client(r, NOTICE_CLIENT_CONNECTED, client, announced(client));
}

static void tell_room(const struct route *r, enum notice_kind kind, const struct table_room *room,
	const struct table_client *client, struct bytes reason)
{
	if (!notices_want(&r->notices, kind)) {
		return;
	}
	bool of_member = kind == NOTICE_MEMBER_JOINED || kind == NOTICE_MEMBER_LEFT;
	notices_tell(&r->notices,
		&(struct notice){
			.kind = kind,
			.room = room_name(room),
			.client = bytes_str(of_member ? client->id : NULL),
			.user = of_member ? user_name(client->user) : bytes_str(NULL),
			.edge = bytes_str(of_member ? client->edge->name : NULL),
			.reason = reason,
			.epoch = room->epoch,
			.seq = room->seq,
		});
}

void route_tell_came(const struct route *r, const struct table_room *room,
	const struct table_client *client)
{
	if (r->notices.wanted == 0) {
		return;
	}
	if (room->n_members == 1) {
		tell_room(r, NOTICE_ROOM_OCCUPIED, room, client, announced(client));
	}
	tell_room(r, NOTICE_MEMBER_JOINED, room, client, announced(client));
}

void route_tell_went(const struct route *r, const struct table_room *room,
	const struct table_client *client, struct bytes reason)
{
	tell_room(r, NOTICE_MEMBER_LEFT, room, client, reason);
	if (room->n_members == 0) {
		tell_room(r, NOTICE_ROOM_VACATED, room, client, reason);
	}
}

void route_tell_refused(const struct route *r, const struct table_client *client, struct bytes room,
	struct bytes reason)
{
	if (!notices_want(&r->notices, NOTICE_CLIENT_REFUSED)) {
		return;
	}
	notices_tell(&r->notices,
		&(struct notice){
			.kind = NOTICE_CLIENT_REFUSED,
			.room = room,
			.client = bytes_str(client->no_sender ? NULL : client->id),
			.user = user_name(client->user),
			.edge = bytes_str(client->edge->name),
			.reason = reason,
		});
}

void route_tell_published(const struct route *r, const struct table_room *room,
	const struct store_message *message)
{
	if (!notices_want(&r->notices, NOTICE_MESSAGE_PUBLISHED)) {
		return;
	}
	notices_tell(&r->notices,
		&(struct notice){
			.kind = NOTICE_MESSAGE_PUBLISHED,
			.room = room_name(room),
			.client = message->from,
			.user = message->user,
			.epoch = room->epoch,
			.seq = message->seq,
			.message = message,
		});
}
