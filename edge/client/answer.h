// What a router answers: the request and the client it belongs to are found, and what the answer
// changes is changed here too.
#pragma once

#include "edge/codec/codec.h"
#include "edge/uplink/inbox.h"
#include "edge/uplink/pending.h"

struct clients;
struct uplink;

// An INBOX_ITEM.
void answer_item(struct clients *cl, const struct inbox_record *record);
// Tells the client that its request was not answered, and closes the entry.
void answer_unavailable(struct clients *cl, struct uplink *up, struct pending_entry *entry,
	enum outcome outcome);
// Ends the turns of connections that are gone, if others wait. In a tick: it looks at all requests.
void answer_close_gone(struct clients *cl, struct uplink *up);
// Asks the recoveries whose turn it is; those of connections that are gone are closed.
void answer_go_on(struct clients *cl, struct uplink *up);
