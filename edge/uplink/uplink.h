// What one worker says to one router and what it waits for: the outbox of this turn and the
// requests not answered yet. One for each (worker, router), so that rooms can be spread over
// several routers. Builds the items of the link; knows neither frames nor how an answer looks to a
// client.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "edge/codec/codec.h"
#include "edge/uplink/fib.h"
#include "edge/uplink/link_lane.h"
#include "edge/uplink/pending.h"
#include "edge/uplink/router_link.h"
#include "edge/uplink/watches.h"

struct identity;

// One request; what a kind does not use is ignored. Borrows everything.
struct request {
	enum command_kind kind; // one that the router answers
	uint64_t conn; // handle of who asks
	struct bytes id; // as the client sent it; empty: none
	struct bytes room;
	bool is_pattern; // join, leave: `room` is one
	bool automatic; // a join that the client has not asked for
	bool presence; // join
	bool has_since;
	uint64_t since_epoch;
	uint64_t since_seq;
	bool has_before; // history
	uint64_t before;
	uint32_t limit;
	struct bytes type; // publish, broadcast
	struct bytes body;
	struct bytes key;
	struct bytes trace;
	bool no_echo;
	bool ephemeral;
	bool resent; // asked in an earlier session, and not answered
};

// What an uplink needs of the link that it feeds; router_link has them all.
struct uplink_ops {
	bool (*has_room)(void *link, size_t more);
	void (*flush)(void *link, unsigned worker, struct link_outbox *outbox);
	void (*snapshot)(void *link, unsigned worker, uint64_t session, struct link_outbox *outbox);
	void (*consumed)(void *link, unsigned worker, uint64_t mark);
	bool (*was_sent)(void *link, unsigned worker, uint64_t req);
	struct router_link_status (*status)(void *link);
};

struct uplink {
	const struct uplink_ops *ops; // borrowed
	void *link; // borrowed; theirs
	unsigned worker;
	struct pending pending;
	struct link_outbox outbox;
	uint64_t
		resend_ms; // publishes may be sent again for so long: the router knows those it has
	struct buf waiting; // numbers of recoveries that wait for their turn, oldest first
	size_t waiting_at; // of the first one
	uint32_t n_asked; // recoveries that the router has not answered
	size_t answer_bytes; // what the answer to the next one is expected to have
};

void uplink_init(struct uplink *up, const struct uplink_ops *ops, void *link, unsigned worker);
void uplink_fini(struct uplink *up);

// Asks the router; the answer will find the request in `pending`. False if publish-queue is full.
// A recovery may have to wait until others are answered; see uplink_next_turn().
MUST_CHECK bool uplink_ask(struct uplink *up, const struct request *request, uint64_t deadline_ms);
// True if the answer may be as large as a history.
bool request_is_recovery(const struct request *request);
bool uplink_is_recovery(const struct pending_entry *entry); // the same
bool uplink_is_automatic(const struct pending_entry *entry); // request.automatic
bool uplink_is_pattern(const struct pending_entry *entry); // request.is_pattern

// The request is answered, by `bytes` (0: by the edge itself), or its time is over: closes it.
void uplink_close(struct uplink *up, struct pending_entry *entry, size_t bytes);
// The recovery whose turn it is, which the caller asks or closes; NULL: there is none.
struct pending_entry *uplink_next_turn(struct uplink *up);
void uplink_ask_waiting(struct uplink *up, const struct pending_entry *entry);
// Closes those that were asked for connections that are gone, if others wait: the router does not
// answer whom it does not know, so they would keep their turns until their time is over.
void uplink_close_gone(struct uplink *up, bool (*is_there)(void *arg, uint64_t conn), void *arg);
// Asks all that wait, in their order: from now on connections are read that wait for an answer.
void uplink_ask_all(struct uplink *up);

// What the router gets of a connection. All borrowed.
struct announcement {
	uint64_t handle;
	struct bytes id;
	struct bytes address;
	const struct identity *identity;
	int64_t since_ms; // Unix time of its opening
	const char *codec; // name
	bool compressed;
	bool no_sender; // its messages carry no `from`
	const struct fib_member_list *rooms;
	struct bytes patterns[WATCHES_MAX]; // only for a snapshot
	size_t n_patterns;
};

// Facts. A connection that is announced again has a new identity; of the rooms that this no longer
// allows the router takes it out by itself.
void uplink_client_up(struct uplink *up, const struct announcement *facts);
void uplink_client_down(struct uplink *up, uint64_t handle, struct bytes reason);
void uplink_client_stats(struct uplink *up, uint64_t handle, size_t queue_bytes);

// What the router shows of the edge; a session begins with false.
void uplink_edge_state(struct uplink *up, bool draining);

// Answers an Inquiry. Not said again to a next session.
void uplink_testify(struct uplink *up, const Weir__Link__V1__Testimony *testimony);

// Sends what the turn has gathered.
void uplink_flush(struct uplink *up);
// True if so many bytes more still fit publish-queue.
bool uplink_has_room(const struct uplink *up, size_t more);
// True if the request was ever written to a link: then its outcome is the router's to say.
bool uplink_was_sent(const struct uplink *up, const struct pending_entry *entry);
// All of the link's items before `mark` have been worked off.
void uplink_consumed(struct uplink *up, uint64_t mark);
bool uplink_is_up(const struct uplink *up);

// Answers a new session: `each` yields the connections to announce, one a call; false at the end.
// Requests that had been sent are asked again where that changes nothing twice, and publishes if
// the router recognises them; of each other one `lost` is called, and it must close the entry.
typedef bool uplink_each_fn(void *arg, struct announcement *facts);
typedef void uplink_lost_fn(void *arg, struct pending_entry *entry);
void uplink_snapshot(struct uplink *up, uint64_t session, uplink_each_fn *each,
	uplink_lost_fn *lost, void *arg);
