// The clients: connects them, keeps each in its room, and judges all that they hear. What is
// published when is the load's affair.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/net.h"
#include "common/wheel.h"
#include "tests/bench/bench_conf.h"
#include "tests/bench/conn.h"
#include "tests/bench/endings.h"
#include "tests/bench/hist.h"
#include "tests/bench/identity.h"
#include "tests/bench/judge.h"
#include "tests/bench/ledger.h"
#include "tests/bench/protocol.h"
#include "tests/bench/rng.h"
#include "tests/bench/tally.h"

enum {
	EPOCH_MAX = 32,
	NO_ROOM = UINT32_MAX,
};

struct room {
	char *name; // owned
	uint64_t epoch; // fingerprint of the present one, 0: not known
	uint64_t last_epoch; // the one before
	uint64_t last; // highest seq seen
	uint32_t members; // clients joined, or away and coming back
	uint32_t away; // of these
};

enum client_state {
	CLIENT_QUEUED, // waits for its turn to connect
	CLIENT_AWAY, // waits for the time to come back
	CLIENT_JOINING, // up to `joined`
	CLIENT_JOINED,
	CLIENT_LEAVING, // we closed
	CLIENT_GONE, // for good
};

struct client {
	struct conn conn;
	enum client_state state;
	uint32_t index;
	uint32_t room; // NO_ROOM: none
	uint32_t session; // connections that ended without our doing
	uint32_t failures; // in a row
	bool member; // counted in its room, as are those who are
	bool absent; // at the moment
	uint8_t epoch_len;
	uint8_t epoch[EPOCH_MAX]; // as sent
	struct judge judge;
	// Of the publish of ours that was placed last.
	uint64_t placed_number, placed_epoch, placed_seq;
	uint64_t started_ns;
	struct wheel_entry timer;
	STAILQ_ENTRY(client) queue_link;
};

struct edge_address {
	const char *host; // borrowed from the options
	struct net_addr addr;
};

struct fleet {
	const struct bench_conf *conf; // borrowed
	const struct bench_protocol *protocol;
	struct rng rng;
	struct wire wire;
	struct wheel wheel;
	struct edge_address *edges; // owned; n_edges
	size_t n_edges;
	struct client *clients; // owned; conf->clients
	struct room *rooms; // owned; conf->rooms
	struct identity identity;
	STAILQ_HEAD(, client) queue; // CLIENT_QUEUED
	struct buf scratch;

	uint64_t now_ns; // of this turn
	uint64_t connect_from_ns; // when pacing began
	uint64_t n_started; // since then
	uint32_t n_joining;
	uint32_t n_joined;
	uint32_t n_gone;
	bool closing; // nobody connects any more

	struct tally tally;
	struct ledger ledger;
	struct endings endings; // of connections and publishes, by cause
	// Figures are only taken of what began in [measure_from_ns, measure_to_ns).
	uint64_t measure_from_ns, measure_to_ns;
	uint64_t measured_deliveries; // that came within
	uint64_t measured_cycles;
	struct hist latency; // intended to delivered
	struct hist joining; // connecting to joined
};

// Fills the zeroed fleet. Returns 0, or -1 with a line on standard error. `conf` must stay.
MUST_CHECK int fleet_init(struct fleet *f, const struct bench_conf *conf);
void fleet_fini(struct fleet *f);

// One turn of the loop: connects who is due, waits until `wake_ns` (0: at most 100 ms) for the
// network, handles what came.
void fleet_turn(struct fleet *f, uint64_t wake_ns);
// True when each client has joined or is gone.
bool fleet_is_settled(const struct fleet *f);
// True if the client can publish now.
bool fleet_can_publish(const struct fleet *f, uint32_t client);
// Members of the client's room.
uint32_t fleet_audience(const struct fleet *f, uint32_t client);
// Publishes one message from a client that can.
void fleet_publish(struct fleet *f, uint32_t client, uint64_t intended_ns);

// Closes all connections, waiting a little for the servers to answer, and settles the tally.
void fleet_close(struct fleet *f);
