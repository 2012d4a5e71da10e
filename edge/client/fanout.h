// A rendered frame for a room or for everybody: each connection that is owed it gets a reference.
#pragma once

#include "edge/uplink/inbox.h"

struct clients;

// An INBOX_DELIVERY or INBOX_MEMBER. Takes over its frames.
void fanout_room(struct clients *cl, const struct inbox_record *record);
// An INBOX_BROADCAST. Takes over its frames.
void fanout_broadcast(struct clients *cl, const struct inbox_record *record);
