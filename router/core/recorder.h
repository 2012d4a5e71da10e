// What happened of late, for `weirctl explain` and `watch`: a record for each message with the
// edges it went to, each coming and going, refusal, kick, gap and change of an edge. The newest
// that fit option recorder-bytes; nothing is allocated for a record. Never a message's body, nor a
// token. Pure; the routing thread's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/record_ring.h"

struct table_client;
struct table_edge;
struct table_room;

enum record_kind {
	RECORD_PUBLISHED, // from: the sender's; count: connections reached; n_edges places
	RECORD_JOINED, // seq: where the member stands; count: of messages recovered, from `from` on
	RECORD_REJOINED, // announced again by its edge, and has missed something
	RECORD_LEFT, // reason: enum record_cause; seq: the room's last
	RECORD_REFUSED, // reason: enum refusal; detail: what was asked for
	RECORD_KICKED, // detail: why
	RECORD_REVOKED, // user, or detail: a token's id; count: connections closed
	RECORD_GAP, // for members on `edge`: from .. seq; detail: why
	RECORD_REPLAYED, // to `edge`: up to seq
	RECORD_CONNECTED,
	RECORD_DISCONNECTED, // not with its edge: then RECORD_LEFT says so of its rooms
	RECORD_EDGE_UP,
	RECORD_EDGE_DOWN, // count: of its connections
	RECORD_DRAINING, // count: 1, or 0 if no longer
	RECORD_KIND_COUNT,
};

// Why somebody is no longer there.
enum record_cause {
	CAUSE_ASKED,
	CAUSE_FORBIDDEN, // a new token does not allow the room
	CAUSE_CLOSED, // its connection ended
	CAUSE_EDGE_LOST,
	CAUSE_COUNT,
};

enum record_recovery { // of RECORD_JOINED; as in Joined.recovery
	RECORD_NOT_ASKED,
	RECORD_RECOVERED,
	RECORD_NOT_RECOVERED,
};

// How many members an edge had when a message was routed.
struct record_place {
	uint32_t edge; // see recorder_edge_name()
	uint32_t n_members : 31;
	uint32_t is_later : 1; // it was sent with what the edge had missed before
};

struct record {
	uint8_t kind; // enum record_kind
	uint8_t reason;
	bool no_echo; // not to the connection it came from
	uint8_t n_edges;
	uint32_t edge; // 0: none
	uint32_t count;
	int64_t at_ms; // Unix time
	uint64_t epoch;
	uint64_t seq;
	uint64_t from;
	struct bytes room;
	struct bytes user;
	struct bytes client;
	struct bytes detail;
	const struct record_place *places; // n_edges; borrowed like the spans
	uint64_t number; // rises by one with each record
};

enum {
	RECORDER_EDGES_MAX = 1024, // names of edges that are remembered
	RECORD_TEXT_MAX = 255, // bytes kept of each span
	RECORD_PLACES_MAX = 255, // edges named of one message
};

struct recorder {
	struct record_ring ring;
	int64_t wall_ms; // Unix time, of the records to come; the caller's to keep up to date
	char **edge_names; // owned; by number
	uint32_t n_edges; // numbers given; 0 is none's
};

void recorder_init(struct recorder *rec, size_t bytes);
void recorder_fini(struct recorder *rec);

// The number under which records name the edge: the same for the same name.
uint32_t recorder_edge(struct recorder *rec, struct bytes name);
// "?" for one that is not remembered.
const char *recorder_edge_name(const struct recorder *rec, uint32_t number);

// Copies it, but for its number, time and places. A record of another kind than a message.
void recorder_add(struct recorder *rec, const struct record *record);
// The room's last message: whose, and to whom it went. A way of its own, since each message takes
// it.
struct record_message {
	const struct table_room *room;
	const struct table_client *from; // NULL: of no client
	struct bytes trace; // becomes `detail`
	uint32_t reached; // connections
	bool no_echo;
};
void recorder_add_message(struct recorder *rec, const struct record_message *message);
// What the record says of who it is about.
struct record record_of_client(enum record_kind kind, const struct table_client *client);
struct record record_of_room(enum record_kind kind, const struct table_client *client,
	const struct table_room *room);

// The next older record, borrowed until one is added; false behind the oldest. Begin with
// record_ring_walk() of `ring`.
MUST_CHECK bool recorder_older(const struct recorder *rec, struct record_cursor *cursor,
	struct record *record);
// When the oldest record was made, Unix time; 0: there is none.
int64_t recorder_oldest_ms(const struct recorder *rec);

// "published", "joined"...
const char *record_kind_name(enum record_kind kind);
const char *record_cause_name(enum record_cause cause);
