// Where the messages of rooms are kept. A room embeds its log; the store owns what is in it and the
// budget of all logs together. route asks only what is declared here, so that a store which
// survives the process can take this one's place. Time is a parameter.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/check.h"

struct store_entry;
struct store_limits;

// One room's kept messages: the last ones, without a hole. Embedded, zeroed.
struct store_log {
	TAILQ_ENTRY(store_log) in_store; // by their last message, oldest first; only if n > 0
	struct store_entry **ring; // owned by the store; cap is a power of two
	uint32_t cap;
	uint32_t head; // of the oldest
	uint32_t n;
	uint64_t bytes;
	const struct store_limits *limits; // borrowed; NULL: the store's
	LIST_ENTRY(store_log) in_slot; // the journal's, as the next two
	bool in_store_slot;
	uint16_t slot;
};
TAILQ_HEAD(store_logs, store_log);
LIST_HEAD(store_logs_of_slot, store_log);

struct store_limits {
	uint64_t messages; // per log; 0: none are kept
	uint64_t bytes; // per log
	uint64_t age_ms; // 0: any
	uint64_t total_bytes; // of all logs; 0: any
};

struct store {
	struct store_limits limits;
	struct store_logs logs;
	struct store_log *sweep_at; // where store_sweep() goes on; NULL: at the front
	uint64_t min_age_ms; // the shortest age of any log; 0: nothing gets too old
	uint64_t bytes;
};

struct store_message {
	uint64_t seq;
	int64_t timestamp_ms;
	struct bytes type, from, user, username, body;
};

void store_init(struct store *s, const struct store_limits *limits);
// The logs must have been forgotten.
void store_fini(struct store *s);

// Keeps a copy of the message, which follows the log's last one, and drops what is then too much
// here or, of the rooms without a message for longest, in all. One larger than a log may be is not
// kept, nor is anything before it: a log has no hole.
void store_append(struct store *s, struct store_log *log, const struct store_message *message,
	uint64_t now_ms);
// Drops all that is in the log; the room goes, or its epoch ends.
void store_forget(struct store *s, struct store_log *log);
// Drops what is too old. store_first() and store_read() answer by what is kept, so call this
// before.
void store_trim(struct store *s, struct store_log *log, uint64_t now_ms);
// The same for all logs that had no message for their age, some thousand of them: call it each
// second or so.
void store_sweep(struct store *s, uint64_t now_ms);

// The seq of the oldest message kept; 0 if none is.
uint64_t store_first(const struct store_log *log);
// The message with that seq, borrowed until the log changes; false if it is not kept.
bool store_read(const struct store_log *log, uint64_t seq, struct store_message *message);
