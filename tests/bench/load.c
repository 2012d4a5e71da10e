// Closed loop: as many deliveries are kept in flight as the window says, so the server is asked for
// all it can give, and its latency is that of a full pipe. Open loop: message k is due at start +
// k/rate, whatever has become of those before it, and its latency counts from there. If the server,
// or this program, stalls, every message due meanwhile has waited for its share of the stall; a
// generator that only times what it managed to send would hide it (coordinated omission).
//
// Publishers take turns in one shuffled order, so that consecutive messages fall on different rooms
// and edges. Whoever cannot publish just now is passed over and comes again. If nobody can, a
// closed loop waits, and in an open loop the message stays due.
//
// In mode echo a client is to wait for its own message; it gets its next turn when the ledger says
// that the last one left the window.

#include "tests/bench/load.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
	BURST_MAX = 1024, // publishes before the network is looked at again
	NS_PER_S = 1000000000,
};

static void push_turn(struct load *load, uint32_t client)
{
	uint32_t at = (load->head + load->n_waiting) % load->n_publishers;
	load->turns[at] = client;
	load->n_waiting++;
}

static uint32_t pop_turn(struct load *load)
{
	uint32_t client = load->turns[load->head];
	load->head = (load->head + 1) % load->n_publishers;
	load->n_waiting--;
	return client;
}

static void on_done(void *arg, const struct publish *p)
{
	push_turn(arg, p->origin.publisher);
}

static void shuffle(uint32_t *values, uint32_t n, struct rng *rng)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)rng_between(rng, 0, i - 1);
		uint32_t swap = values[i - 1];
		values[i - 1] = values[j];
		values[j] = swap;
	}
}

void load_init(struct load *load, struct fleet *fleet, uint64_t start_ns)
{
	*load = (struct load){
		.fleet = fleet,
		.n_publishers = (uint32_t)fleet->conf->publishers,
		.start_ns = start_ns,
	};
	load->turns = xcalloc(load->n_publishers + 1U, sizeof(load->turns[0]));
	for (uint32_t i = 0; i < load->n_publishers; i++) {
		push_turn(load, i);
	}
	shuffle(load->turns, load->n_publishers, &fleet->rng);
	load->awaits_echo = fleet->conf->mode == MODE_ECHO && fleet->conf->rate == 0;
	if (load->awaits_echo) {
		fleet->ledger.done = on_done;
		fleet->ledger.done_arg = load;
	}
}

void load_fini(struct load *load)
{
	load->fleet->ledger.done = NULL;
	free(load->turns);
}

// The next client whose turn it is and who can; false if there is none. The turn is taken.
static bool next_publisher(struct load *load, uint32_t *client)
{
	for (uint32_t tries = load->n_waiting; tries > 0; tries--) {
		*client = pop_turn(load);
		if (fleet_can_publish(load->fleet, *client)) {
			return true;
		}
		push_turn(load, *client);
	}
	return false;
}

static bool publish_next(struct load *load, uint64_t intended_ns)
{
	uint32_t client;
	if (!next_publisher(load, &client)) {
		return false;
	}
	fleet_publish(load->fleet, client, intended_ns);
	if (!load->awaits_echo) {
		push_turn(load, client);
	}
	return true;
}

// The window counts deliveries, but a message is published whole: the next goes when all of its
// members fit, or when nothing is in flight.
static bool fits_window(const struct load *load)
{
	uint64_t in_flight = load->fleet->ledger.in_flight;
	return in_flight == 0 ||
		in_flight + load->fleet->conf->members <= load->fleet->conf->window;
}

static uint64_t pump_closed(struct load *load)
{
	uint64_t now_ns = clock_mono_ns();
	for (unsigned n = 0; n < BURST_MAX && fits_window(load); n++) {
		if (!publish_next(load, now_ns)) {
			break;
		}
	}
	return 0;
}

static uint64_t due_ns(const struct load *load)
{
	return load->start_ns + load->n_due * NS_PER_S / load->fleet->conf->rate;
}

static uint64_t pump_open(struct load *load, uint64_t until_ns)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t last_ns = now_ns < until_ns ? now_ns : until_ns;
	for (unsigned n = 0; n < BURST_MAX && due_ns(load) <= last_ns; n++) {
		uint64_t due = due_ns(load);
		if (!publish_next(load, due)) {
			return 0;
		}
		load->late_max_ns =
			now_ns - due > load->late_max_ns ? now_ns - due : load->late_max_ns;
		load->n_due++;
	}
	return due_ns(load);
}

uint64_t load_pump(struct load *load, uint64_t until_ns)
{
	if (load->n_publishers == 0) {
		return 0;
	}
	return load->fleet->conf->rate > 0 ? pump_open(load, until_ns) : pump_closed(load);
}
