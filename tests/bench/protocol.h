// What a server's clients say to it and hear from it, as a small table, so that the same fleet and
// the same judges can be let loose on another server.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum incoming_kind {
	INCOMING_OTHER, // of no interest
	INCOMING_JOINED,
	INCOMING_DELIVERY,
	INCOMING_ACK,
	INCOMING_ERROR,
	INCOMING_GAP,
	INCOMING_BROKEN, // unreadable
};

// One message from the server. Spans borrow from it; what a message does not say is 0, false,
// empty.
struct incoming {
	enum incoming_kind kind;
	struct bytes room; // as sent, without quotes
	struct bytes epoch;
	uint64_t seq;
	uint64_t number; // delivery: of the publish; ack and error: as given in publish() or join()
	bool has_id; // it answers something
	bool recovered; // joined: `messages` are what was missed
	struct bytes messages; // joined: for next_missed(), or empty
	uint64_t from, to; // gap
	struct bytes code; // error
	bool outcome_unknown; // error
};

struct position {
	struct bytes epoch; // empty: none
	uint64_t seq;
};

// What a server advises with its close.
struct advice {
	bool reconnect;
	bool has_delay;
	uint32_t delay_min_ms, delay_max_ms;
	struct bytes reason; // borrowed from the close frame
};

struct bench_protocol {
	const char *name;
	const char *subprotocol; // asked for in the upgrade request; NULL: none
	bool binary; // its messages go in binary frames
	// Messages have a place in their room's order, told with each delivery and in the
	// publisher's ack. Without that, what is judged is only whether each came to each member.
	bool sequenced;
	// The target of the upgrade request, the token (empty: none) included.
	void (*target)(struct buf *out, struct bytes token);
	// Joins `room` (a plain ASCII name), from `since` on if it is given; answered with number
	// 0.
	void (*join)(struct buf *out, const char *room, struct position since);
	// Publishes message `number` to `room`, `size` bytes in all unless it needs more.
	void (*publish)(struct buf *out, const char *room, uint64_t number, size_t size);
	// Takes the next message off the front of what one WebSocket message carried; false at its
	// end. NULL: it is one.
	bool (*take)(struct bytes *frame, struct bytes *message);
	// Reads one message.
	void (*read)(struct bytes message, struct incoming *in);
	// Takes the next delivery off the front of `messages`; false at its end.
	bool (*next_missed)(struct bytes *messages, struct incoming *in);
	// `reason` is the text of the close frame.
	void (*read_close)(unsigned code, struct bytes reason, struct advice *advice);
};

extern const struct bench_protocol protocol_weir;
extern const struct bench_protocol protocol_nats;
extern const struct bench_protocol protocol_weir_proto;

enum {
	BENCH_PROTOCOL_WEIR,
	BENCH_PROTOCOL_NATS,
	BENCH_PROTOCOL_WEIR_PROTO, // what option `codec` makes of the first
};
// What option `protocol` chooses from: the names, ending with NULL, and the tables, by the numbers
// above.
extern const char *const bench_protocol_names[];
extern const struct bench_protocol *const bench_protocols[];
