// The connections of a router's link, from accept to close: each is a peer. It is sent a CHALLENGE
// and is unauthenticated until its owner has it carry an edge. Frames come to the owner on the
// routing thread, those of one peer in their order, whichever thread has read them. Knows no items
// and no rooms, and does not judge what a peer sends.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/loop.h"
#include "common/map.h"
#include "proto/link_frame.h"
#include "proto/link_hello.h"
#include "proto/reasons.h"

struct edge_link;
struct link_conn;
struct link_keys;
struct nng_tls_config;
struct peers;

enum {
	// Unauthenticated ones from one address, a quarter of all: who opens more only takes
	// its own places.
	PEERS_OF_ADDRESS = 256,
};

struct peer {
	struct map_node node;
	LIST_ENTRY(peer) in_list;
	struct peers *peers;
	uint64_t id;
	struct link_conn *conn;
	pthread_mutex_t lock; // of `conn`
	uint8_t nonce[LINK_NONCE_LEN]; // of its CHALLENGE
	struct edge_link *edge; // that it carries; NULL: unauthenticated, or closed
	bool closed;
	uint64_t address; // it comes from, IPv6 by /64; 0: of none
	_Atomic(struct edge_link *) draining; // what its write callback pumps
	_Atomic size_t ingress_bytes;
	// The owner's:
	uint64_t opened_ms; // monotonic; accepted, or since when a HELLO is owed again
	struct buf hello; // a HELLO that waits; mostly empty
};

// Called on the routing thread; may close any peer.
struct peer_ops {
	// A frame of a peer that is not closed. Its body is borrowed until the return.
	void (*on_frame)(void *arg, struct peer *peer, const struct link_frame *frame);
	// The other end has closed the connection; the peer is closed when this has returned.
	void (*on_hung_up)(void *arg, struct peer *peer);
};

struct peers_options {
	const char *url; // tcp://, tls+tcp:// or ipc://
	struct nng_tls_config *tls; // for tls+tcp; NULL else
	const char *name; // of this router
	const struct link_keys *keys; // a CHALLENGE says whether there are any
};

// Listens and accepts, in `loop`, the routing thread's. What the options point to is borrowed. NULL
// and `*why` (a static text) if the address cannot be bound.
struct peers *peers_new(struct loop *loop, const struct peers_options *options,
	const struct peer_ops *ops, void *arg, const char **why);
// Accepts no more. Once, before peers_free().
void peers_stop(struct peers *peers);
// Closes and frees all.
void peers_free(struct peers *peers);

// The URL that is bound, port 0 replaced. Borrowed.
const char *peers_url(const struct peers *peers);
// Walks those that are not closed: NULL starts; NULL ends.
struct peer *peers_next(const struct peers *peers, struct peer *peer);
// Hands out what NNG's threads have brought; the loop does it too.
void peers_receive(struct peers *peers);
// Frees those that were closed: at the end of a turn.
void peers_reap(struct peers *peers);

// Queues a frame that is no BATCH.
void peer_send(struct peer *peer, enum link_frame_type type, struct bytes body);
// Queues a GOAWAY; the caller closes the peer.
void peer_send_goaway(struct peer *peer, enum goaway_reason reason);
// The peer has proved itself: sends `hello_ack` (signed), then what waits for `edge`, which it
// carries from now on.
void peer_admit(struct peer *peer, struct edge_link *edge, struct bytes hello_ack);
// Closes the connection; its edge is detached. It is freed by peers_reap(). Idempotent.
void peer_close(struct peer *peer);
