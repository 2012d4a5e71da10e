// One of the edge's threads: a loop with its listeners, connections, room index, timers and
// counters. Workers share nothing but what edge.h lists and the links; what a link brings comes by
// the inbox.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"

struct clients;
struct edge;
struct edge_metrics;
struct inbox;
struct loop;
struct net_addr;
struct settings;
struct uplink_ops;
struct watchdog_pulse;
struct worker;

struct worker *worker_new(struct edge *edge, unsigned index);
// See accept_listen() and accept_listen_tls().
MUST_CHECK int worker_listen(struct worker *w, struct net_addr *addr, bool exclusive);
MUST_CHECK int worker_listen_tls(struct worker *w, struct net_addr *addr, bool exclusive);
// Its `i`th router; both are borrowed.
void worker_attach(struct worker *w, unsigned i, const struct uplink_ops *ops, void *link);
void worker_start(struct worker *w);
// From the main thread: it uses these settings from its next callback on. Takes a reference.
void worker_offer(struct worker *w, struct settings *settings);
// From the main thread: wakes it to see that the edge is stopping; it stops accepting, answers what
// is under way, closes its clients, and calls edge_worker_done().
void worker_post(struct worker *w);
// Ends the thread, waits for it, and cuts off who is left. The links hear of it and may then go.
void worker_stop(struct worker *w);
// After worker_stop(), and when nothing puts into its inbox any more. NULL is fine.
void worker_free(struct worker *w);

// Ten times a second: timers, requests past their deadline, the drain. Public for tests, which
// bring their own clock.
void worker_on_tick(struct worker *w);

// Its loop; where the link puts what it brings; what it counts; the watchdog's view of it.
// Borrowed.
struct loop *worker_loop(struct worker *w);
struct inbox *worker_inbox(struct worker *w);
struct watchdog_pulse *worker_pulse(struct worker *w);
const struct edge_metrics *worker_metrics(const struct worker *w);
// For tests, which look at its clients.
struct clients *worker_clients(struct worker *w);
