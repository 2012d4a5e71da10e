// Many coarse timers: one per connection, moved or cancelled in O(1), no heap. Resolution is
// WHEEL_TICK_MS; a timer fires at the first tick at or after its deadline, never early. Deadlines
// beyond the wheel's span come round and are put back.
#pragma once

#include <stdint.h>
#include <sys/queue.h>

enum {
	WHEEL_TICK_MS = 100,
	WHEEL_SLOTS = 1024,
};

struct wheel_entry {
	LIST_ENTRY(wheel_entry) link;
	uint64_t deadline_ms; // 0: not in the wheel
};
LIST_HEAD(wheel_slot, wheel_entry);

struct wheel {
	struct wheel_slot slots[WHEEL_SLOTS];
	struct wheel_slot due; // gathered by the advance under way
	uint64_t now_tick;
};

void wheel_init(struct wheel *w, uint64_t now_ms);
// (Re)arms `entry` (zeroed memory, or one in the wheel).
void wheel_set(struct wheel *w, struct wheel_entry *entry, uint64_t deadline_ms);
void wheel_cancel(struct wheel_entry *entry);
// Fires all that are due: each is taken out, then `fn` is called; it may set it again, and set or
// cancel any other.
typedef void wheel_fn(struct wheel_entry *entry, void *arg);
void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *fn, void *arg);
