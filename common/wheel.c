// A hashed timing wheel: an entry hangs in the slot of its deadline's tick, modulo the number of
// slots. Advancing looks at the slots passed over and takes out what is due; an entry whose
// deadline lies a turn or more ahead is met early and simply stays where it is.
//
// All that is due is gathered before the first callback runs. The callbacks may then set and cancel
// whatever they like, the gathered entries included, and an entry that sets itself again into the
// past fires once per advance and not once per tick passed.
//
// Rejected: a heap, or libevent's timers. Each connection has a deadline all its life, and an entry
// here is 24 bytes, where an event of libevent is 128 and its heap has a pointer more. What it
// costs, a resolution of a tick, does not matter to any timeout here.

#include "common/wheel.h"

#include <stddef.h>

#include "common/check.h"

// The first tick at or after `ms`.
static uint64_t tick_at_or_after(uint64_t ms)
{
	return ms / WHEEL_TICK_MS + (ms % WHEEL_TICK_MS != 0);
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		LIST_INIT(&w->slots[i]);
	}
	LIST_INIT(&w->due);
	w->now_tick = now_ms / WHEEL_TICK_MS;
}

void wheel_set(struct wheel *w, struct wheel_entry *entry, uint64_t deadline_ms)
{
	wheel_cancel(entry);
	uint64_t tick = tick_at_or_after(deadline_ms);
	if (tick <= w->now_tick) {
		tick = w->now_tick + 1;
	}
	entry->deadline_ms = deadline_ms > 0 ? deadline_ms : 1;
	LIST_INSERT_HEAD(&w->slots[tick % WHEEL_SLOTS], entry, link);
}

void wheel_cancel(struct wheel_entry *entry)
{
	if (entry->deadline_ms != 0) {
		LIST_REMOVE(entry, link);
		entry->deadline_ms = 0;
	}
}

// Appends the due entries of one slot to `w->due`, whose last entry is `last` (NULL if empty);
// returns the new last.
static struct wheel_entry *gather(struct wheel *w, uint64_t tick, struct wheel_entry *last)
{
	struct wheel_entry *next;
	for (struct wheel_entry *e = LIST_FIRST(&w->slots[tick % WHEEL_SLOTS]); e != NULL;
		e = next) {
		next = LIST_NEXT(e, link);
		if (tick_at_or_after(e->deadline_ms) > tick) {
			continue;
		}
		LIST_REMOVE(e, link);
		if (last == NULL) {
			LIST_INSERT_HEAD(&w->due, e, link);
		} else {
			LIST_INSERT_AFTER(last, e, link);
		}
		last = e;
	}
	return last;
}

void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *fn, void *arg)
{
	uint64_t target = now_ms / WHEEL_TICK_MS;
	if (target <= w->now_tick) {
		return;
	}
	// After more than a turn's absence, one turn meets every slot.
	if (target - w->now_tick > WHEEL_SLOTS) {
		w->now_tick = target - WHEEL_SLOTS;
	}
	struct wheel_entry *last = NULL;
	while (w->now_tick < target) {
		last = gather(w, ++w->now_tick, last);
	}
	struct wheel_entry *entry;
	while ((entry = LIST_FIRST(&w->due)) != NULL) {
		wheel_cancel(entry);
		fn(entry, arg);
	}
}
