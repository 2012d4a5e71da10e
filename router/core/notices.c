#include "router/core/notices.h"

static const char *const names[NOTICE_KIND_COUNT] = {
	[NOTICE_CLIENT_CONNECTED] = "client.connected",
	[NOTICE_CLIENT_DISCONNECTED] = "client.disconnected",
	[NOTICE_CLIENT_REFUSED] = "client.refused",
	[NOTICE_ROOM_OCCUPIED] = "room.occupied",
	[NOTICE_ROOM_VACATED] = "room.vacated",
	[NOTICE_MEMBER_JOINED] = "member.joined",
	[NOTICE_MEMBER_LEFT] = "member.left",
	[NOTICE_MESSAGE_PUBLISHED] = "message.published",
};

const char *notice_kind_name(enum notice_kind kind)
{
	return names[kind];
}

enum notice_kind notice_kind_find(struct bytes name)
{
	enum notice_kind kind = 0;
	while (kind < NOTICE_KIND_COUNT && !bytes_equal_str(name, names[kind])) {
		kind++;
	}
	return kind;
}
