// Chance, time, and the way of bytes. Events of one time happen in the order in which they were
// posted; one that is put off, because its process is stopped, keeps its place in that order.

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/link_frame.h"
#include "tests/sim/sim.h"

enum {
	LONG_PERCENT = 4,
	LONG_MS = 400,
	SHORT_MS = 6,
};

// splitmix64
uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned sim_below(struct sim *sim, unsigned n)
{
	return (unsigned)(sim_random(sim) % n);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
	return sim_below(sim, 100) < percent;
}

uint64_t sim_delay_ms(struct sim *sim)
{
	return sim_below(sim, sim_chance(sim, LONG_PERCENT) && !sim->calm ? LONG_MS : SHORT_MS);
}

// ---- events

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->serial < b->serial);
}

static void swap(struct sim_event **a, struct sim_event **b)
{
	struct sim_event *c = *a;
	*a = *b;
	*b = c;
}

struct sim_event *sim_event_new(struct sim *sim, enum sim_event_kind kind, unsigned edge,
	uint64_t number)
{
	struct sim_event *event = xcalloc(1, sizeof(*event));
	event->kind = kind;
	event->edge = edge;
	event->number = number;
	event->serial = ++sim->n_serials;
	return event;
}

void sim_event_free(struct sim_event *event)
{
	buf_fini(&event->bytes);
	free(event);
}

void sim_repost(struct sim *sim, struct sim_event *event, uint64_t at_ms)
{
	if (sim->n_events == sim->heap_cap) {
		sim->heap_cap = sim->heap_cap == 0 ? 64 : 2 * sim->heap_cap;
		sim->heap = xrealloc(sim->heap, sim->heap_cap * sizeof(sim->heap[0]));
	}
	event->at_ms = at_ms;
	size_t at = sim->n_events++;
	sim->heap[at] = event;
	while (at > 0 && is_before(sim->heap[at], sim->heap[(at - 1) / 2])) {
		swap(&sim->heap[at], &sim->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

void sim_post(struct sim *sim, struct sim_event *event, uint64_t at_ms)
{
	sim_repost(sim, event, at_ms);
}

struct sim_event *sim_next(struct sim *sim)
{
	if (sim->n_events == 0) {
		return NULL;
	}
	struct sim_event *first = sim->heap[0];
	size_t n = --sim->n_events;
	sim->heap[0] = sim->heap[n];
	for (size_t at = 0;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++) {
			least = is_before(sim->heap[child], sim->heap[least]) ? child : least;
		}
		if (least == at) {
			return first;
		}
		swap(&sim->heap[at], &sim->heap[least]);
		at = least;
	}
}

// ---- words

void sim_say(struct sim *sim, const char *format, ...)
{
	va_list args;
	if (!sim->trace) {
		return;
	}
	printf("%8" PRIu64 " ", sim->now_ms - SIM_START_MS);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;
	printf("seed %" PRIu64 ", after %" PRIu64 " ms: ", sim->seed, sim->now_ms - SIM_START_MS);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

// ---- links

void sim_post_in_order(struct sim *sim, struct sim_event *event, bool up)
{
	uint64_t *last_ms = up ? &sim->up_last_ms[event->edge] : &sim->down_last_ms[event->edge];
	uint64_t at_ms = sim->now_ms + sim_delay_ms(sim);
	*last_ms = at_ms > *last_ms ? at_ms : *last_ms;
	sim_post(sim, event, *last_ms);
}

void sim_send(struct sim *sim, enum sim_event_kind kind, unsigned edge, uint64_t conn,
	struct link_window *window)
{
	struct sim_event *event = sim_event_new(sim, kind, edge, conn);
	struct iovec iov[2];
	int n;
	while ((n = link_window_unsent(window, iov)) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			buf_append(&event->bytes, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		link_window_wrote(window, len);
	}
	bool urgent;
	if (link_window_owes_ack(window, &urgent) && (urgent || sim_chance(sim, 20))) {
		uint8_t *head = buf_reserve(&event->bytes, LINK_HEAD_LEN);
		link_frame_head(head, LINK_ACK, 0, link_window_ack(window), bytes_make(NULL, 0),
			bytes_make(NULL, 0));
		event->bytes.len += LINK_HEAD_LEN;
	}
	if (event->bytes.len > 0) {
		sim_post_in_order(sim, event, kind == SIM_UP);
	} else {
		sim_event_free(event);
	}
}

void sim_cut(struct sim *sim, unsigned edge)
{
	uint64_t conn = sim->alive[edge];
	if (conn == 0) {
		return;
	}
	sim->alive[edge] = 0;
	sim_post(sim, sim_event_new(sim, SIM_EDGE_CUT, edge, conn),
		sim->now_ms + sim_delay_ms(sim));
	sim_post(sim, sim_event_new(sim, SIM_ROUTER_CUT, edge, conn),
		sim->now_ms + sim_delay_ms(sim));
}
