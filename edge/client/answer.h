// What comes from a router, done by the worker: answers find the request and the client they belong
// to, messages find the members of their room.
#pragma once

#include "edge/uplink/inbox.h"
#include "edge/uplink/pending.h"

struct uplink;
struct worker;
enum outcome;

// One record of the worker's inbox other than INBOX_MARK and INBOX_SESSION. Takes over its frame.
void answer_record(struct worker *w, const struct inbox_record *record);
// Tells the client that its request was not answered, and closes the entry.
void answer_unavailable(struct worker *w, struct uplink *up, struct pending_entry *entry,
	enum outcome outcome);
