// One client, from accept(2) to close(2): the socket, the opening handshake, the WebSocket stream,
// the queue of what it still has to be sent, its timers and its end. What its messages mean is
// conn_command's; which messages it gets is answer's.
//
// Everything here is for the thread of the connection's worker. A connection is never freed within
// a turn in which it was seen: it goes through CONN_DEAD and is freed when the turn is over.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/loop.h"
#include "common/net_ip.h"
#include "common/rate.h"
#include "common/wheel.h"
#include "edge/auth/auth.h"
#include "edge/client/turn.h"
#include "edge/codec/close_reason.h"
#include "edge/codec/codec.h"
#include "edge/http/address_limits.h"
#include "edge/send/frame.h"
#include "edge/send/stream.h"
#include "edge/uplink/fib.h"
#include "edge/ws/ws_session.h"
#include "proto/names.h"

struct api;
struct tls_stream;

enum conn_state {
	CONN_PROXY, // its PROXY header is arriving; with option proxy-protocol only
	CONN_UPGRADE, // its request head is arriving
	CONN_API, // requests of the HTTP API
	CONN_OPEN, // a client like any other
	CONN_CLOSING, // a Close frame is on its way; waits for the peer's
	CONN_LINGER, // writes what is left, ends its side, waits for the peer's end
	CONN_DEAD, // freed when the turn is over
	CONN_STATE_COUNT,
};

// What happens to a connection, for the rooms and the routers to know. All are called within a turn
// and may close the connection.
struct conn_ops {
	void (*on_proxy_readable)(struct conn *c); // CONN_PROXY: reads by itself
	// CONN_UPGRADE: uses some of the input; returns how much, 0 if more has to come first.
	size_t (*on_request)(struct conn *c, uint8_t *data, size_t len);
	void (*on_abandoned)(struct conn *c, enum close_reason reason); // both: it is to end
	void (*on_message)(struct conn *c, struct bytes message); // CONN_OPEN
	// CONN_API: uses a whole request of the input, or nothing; takes what a command came to;
	// the request did not arrive in time; the connection is to end; a request is being
	// answered.
	size_t (*on_api_input)(struct conn *c, uint8_t *data, size_t len);
	void (*on_api_event)(struct conn *c, const struct client_event *event);
	void (*on_api_timeout)(struct conn *c);
	void (*on_api_close)(struct conn *c);
	bool (*api_is_busy)(const struct conn *c);
	void (*api_free)(struct api *api); // NULL is fine
	// A reader of events: what it gets instead of a frame (takes over its reference), a ping, a
	// Close.
	struct frame *(*to_event)(struct conn *c, struct frame *f);
	void (*push_event_ping)(struct conn *c);
	void (*push_event_close)(struct conn *c, enum close_reason reason);
	void (*on_left)(struct conn *c); // it was open; at the end of the turn in which it ended
	void (*on_queue_empty)(struct conn *c, size_t reported); // open; see struct blocked
};

// What a client has under way and has used up: written by what its messages and the answers do.
struct client_account {
	struct fib_member_list rooms;
	uint32_t n_rooms;
	uint16_t n_joining; // joins not answered yet
	uint16_t n_recoveries; // requests not answered yet whose answer may be large
	struct rate message_rate;
	struct rate byte_rate;
};

// 584 bytes: idle connections are paid for by the ten thousand, so it holds no buffer that is
// not in use and one event; the second one exists only while the socket is full.
struct conn {
	struct stream stream;
	struct loop_io read_io;
	struct wheel_entry timer;
	TAILQ_ENTRY(conn) in_deferred;
	uint64_t handle;
	uint64_t number; // second half of its client id
	uint8_t state; // enum conn_state; written by conn_set_state() alone
	uint8_t reason; // enum close_reason
	uint8_t n_bad; // messages in a row that were refused as malformed; conn_command's
	uint8_t n_rate_refusals; // in a row; conn_command's
	bool counted; // against the limits of `address`
	uint8_t admission; // enum admission
	bool reading : 1; // read_io is active
	bool is_deferred : 1; // on the turn's list of those with something to do at its end
	bool was_open : 1; // its memberships and its announcement are still to be withdrawn
	bool close_seen : 1; // the peer's Close has come, or none can come any more
	bool shut : 1; // our side of the TCP connection is ended
	bool eof : 1; // the peer's side is
	bool pong_queued : 1;
	bool expiry_told : 1;
	bool leaving : 1; // a drain hears it out; nothing more is read
	bool compressed : 1; // agreed on, both ways
	bool events : 1; // a reader of server-sent events
	bool many_rooms : 1; // of more than one room, or of patterns
	bool watches : 1; // has joined patterns
	bool awaits_key : 1; // see key_wait.h; nothing is read
	bool key_waited : 1; // has waited for the key of the token at hand
	bool handed : 1; // has the message at hand by another pattern; fanout's
	uint8_t codec : 2; // enum codec_id
	struct api *api; // owned; CONN_API only
	struct ws_session ws;
	struct buf in; // input kept over: an incomplete head, or what must wait
	struct frame *pong; // owned; waits for the one before it to leave
	struct client_account account;
	struct identity identity;
	struct net_ip address; // the peer's; once a trusted proxy has named it, the client's
	struct rate ping_rate;
	// Times of the clients' clock (turn_client_ms).
	uint64_t opened_ms;
	uint64_t state_ms; // entered its state
	uint64_t rx_ms; // last input
	uint64_t ping_ms; // next ping
	uint64_t message_ms; // the message that is arriving began; 0: none
};

static inline struct turn *turn_of(const struct conn *c)
{
	return CONTAINER_OF(c->stream.group, struct turn, streams);
}

static inline const struct codec *conn_codec(const struct conn *c)
{
	return codec_of((enum codec_id)c->codec);
}

// Takes over `fd`, and the count of `peer` if it is counted.
struct conn *conn_new(struct turn *turn, int fd, struct net_ip peer, enum admission admission,
	bool counted);
// Before anything was read: the client speaks TLS. Takes over the stream.
void conn_start_tls(struct conn *c, struct tls_stream *tls);

// Ends the connection for `reason`, in whatever state it is; once it is ending, further calls
// change nothing, except that reasons without a close code cut it off at once.
void conn_close(struct conn *c, enum close_reason reason);
// Ends an open connection because its token was refused for `cause`, a word of
// auth_result_cause().
// An operator ends it, and says why (may be empty).
void conn_close_saying(struct conn *c, enum close_reason reason, struct bytes text);
void conn_close_for_token(struct conn *c, const char *cause);
static inline bool conn_is_open(const struct conn *c)
{
	return c->state == CONN_OPEN;
}

// True if answers of routers are for it.
static inline bool conn_takes_answers(const struct conn *c)
{
	return c->state == CONN_OPEN || c->state == CONN_API;
}

// Queues a frame, taking over one reference; it leaves at the end of the turn. Nothing is sent to a
// connection that is not open.
void conn_send(struct conn *c, struct frame *f);
// The same for a frame that goes to many: it may wait behind what others get, see stream.h.
void conn_send_bulk(struct conn *c, struct frame *f);
// Drops all of its queue that the policies of its rooms allow; false if that is nothing.
MUST_CHECK bool conn_give_way(struct conn *c);
// Renders and queues one event (not EVENT_MESSAGE); one of the API takes it as it is.
void conn_send_event(struct conn *c, const struct client_event *event);
// Refuses a client's message: an `error` event, and its counter.
void conn_send_error(struct conn *c, enum client_error error, enum outcome outcome, struct bytes id,
	struct bytes room);

// The same of an `error` event that says more. `refusal->kind` is set here.
void conn_send_refusal(struct conn *c, const struct client_event *refusal);

// How a connection's stream tells it what happens; for stream_group_init().
extern const struct stream_ops conn_stream_ops;

// At the end of a turn, for one that is deferred: what waited is done (input held back, or leaving
// the rooms of a connection that has ended).
void conn_run_deferred(struct conn *c);
void conn_on_timer(struct conn *c);
// (Re)sets the timer after something changed that its deadlines depend on.
void conn_rearm(struct conn *c);
// Looks anew whether input is to be read: when an answer came that it waited for, or the link went.
void conn_review_input(struct conn *c);

struct bytes conn_client_id(const struct conn *c, char out[CLIENT_ID_MAX]);
struct bytes conn_address(const struct conn *c, char out[NET_IP_TEXT_MAX]);
// When it was opened, by the clock on the wall as it is now.
int64_t conn_since_wall_ms(const struct conn *c);
struct rights_subject conn_subject(const struct conn *c);
