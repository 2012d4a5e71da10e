// What became of one message for one connection: found from what the router recorded, who is a
// member now, and what the edges answered. Computes; asks nobody.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "proto/finding.h"
#include "proto/link_items.h"
#include "proto/names.h"
#include "router/core/route.h"

enum {
	STAYS_MAX = 64, // of one user in a room, the newest
};

// The closed set of the client protocol, section 8.
enum verdict {
	VERDICT_DELIVERED,
	VERDICT_RECOVERED,
	VERDICT_DROPPED,
	VERDICT_NOT_MEMBER,
	VERDICT_REFUSED,
	VERDICT_GONE,
	VERDICT_UNKNOWN,
	VERDICT_COUNT,
};
const char *verdict_name(enum verdict verdict);

// What is asked. `message` is its record, if that is still there.
struct question {
	struct route *route;
	const struct inquiry *inquiry;
	struct bytes room;
	struct bytes user; // empty: any
	struct bytes client; // empty: any
	uint64_t epoch;
	uint64_t seq; // 0: of no message
	const struct record *message;
};

// From when to when a client was a member.
struct stay {
	struct bytes client;
	struct bytes user;
	uint32_t edge;
	bool is_member; // still
	bool is_known; // when it joined is
	bool recovered; // a join of it brought the message
	bool not_recovered; // a join of it asked for the message in vain
	uint32_t n_recovered;
	uint8_t cause; // of its leaving, enum record_cause
	uint64_t joined_seq; // what came after it was owed to the client
	int64_t joined_ms; // Unix time; 0: not known
	uint64_t left_seq;
	int64_t left_ms;
};

// The answers to the inquiry, unpacked.
struct evidence {
	struct {
		uint32_t edge;
		Weir__Link__V1__Testimony *testimony; // owned
	} * answers; // owned
	size_t n;
};
void evidence_gather(struct evidence *e, const struct inquiry *inquiry);
void evidence_fini(struct evidence *e);

// The stays of the client, or of all clients of the user, the newest first; how many.
size_t stays_find(const struct question *q, struct stay stays[STAYS_MAX]);

struct judgement {
	enum verdict verdict;
	const char *reason; // static
	int64_t at_ms; // Unix time; 0: not known
	uint64_t queue_bytes;
	struct buf text; // owned
};
// What became of the message for stays[i]. The text is to be freed.
void judge(const struct question *q, const struct evidence *e, const struct stay *stays, size_t n,
	size_t i, struct judgement *j);
