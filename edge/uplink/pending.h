// The requests a worker has sent to the router and not seen answered, oldest first. A request's
// number is its place, so an answer finds its entry without a search. Deadlines rise with numbers,
// but for those of requests that have waited: these end by what they have, or later. Pure: time is
// a parameter.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

// What an entry points to is the table's. Entries move when one is added, and when one is closed.
struct pending_entry {
	uint64_t req;
	uint64_t conn; // handle of the connection that asked
	uint64_t deadline_ms;
	uint8_t kind; // the caller's
	bool open; // false: answered, waits for older ones
	char *id; // the client's id as sent (id_len bytes); NULL: none
	uint32_t id_len;
	uint32_t room_len;
	char *room; // kept for the answer; NULL: none
	uint64_t epoch; // this and the next three: the caller's, what it needs to ask again
	uint64_t seq;
	uint32_t limit;
	uint8_t flags;
	void *kept; // the caller's too; owned, free(3); NULL: nothing
};

struct pending {
	struct pending_entry *ring; // owned; cap is a power of two
	size_t cap;
	uint64_t first; // number of the oldest entry
	uint64_t next; // number the next entry will get
};

void pending_init(struct pending *p, uint64_t first_req);
void pending_fini(struct pending *p);
// Adds a request; returns its number.
uint64_t pending_add(struct pending *p, uint64_t conn, uint8_t kind, struct bytes id,
	struct bytes room, uint64_t deadline_ms);
// The open entry with that number, or NULL (never asked, or answered already).
struct pending_entry *pending_find(struct pending *p, uint64_t req);
// Closes it and frees what it holds.
void pending_close(struct pending *p, struct pending_entry *entry);
// The oldest open entry, or NULL.
struct pending_entry *pending_oldest(struct pending *p);
