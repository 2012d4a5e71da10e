// Who publishes when: as the window allows (closed loop), or at times fixed beforehand (open loop).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/fleet.h"

struct load {
	struct fleet *fleet; // borrowed
	// The publishers in the order of their turns; a ring of n_publishers places.
	uint32_t *turns; // owned
	uint32_t n_publishers;
	uint32_t head;
	uint32_t n_waiting; // for their turn
	bool awaits_echo; // the turn comes again only when the last message is complete
	uint64_t start_ns; // open loop: when the first message is due
	uint64_t n_due; // open loop: messages that were due so far
	uint64_t late_max_ns; // open loop: longest time from due to written
};

void load_init(struct load *load, struct fleet *fleet, uint64_t start_ns);
void load_fini(struct load *load);
// Publishes what fits the window, or is due, but not what is due after `until_ns`. Returns when to
// be called again at the latest, 0 if only an event can change anything.
uint64_t load_pump(struct load *load, uint64_t until_ns);
