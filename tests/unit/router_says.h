// What a router says to the worker of the fixture, one function an item; and a client that asks and
// joins.
#pragma once

#include "tests/unit/edge_fixture.h"

static inline void say_joined(struct fixture *b, const struct client *c, uint64_t req,
	const char *room, uint64_t epoch, uint64_t seq, uint32_t recovery)
{
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = c->conn->handle;
	joined.req = req;
	joined.room = pb_data(bytes_str(room));
	joined.epoch = epoch;
	joined.seq = seq;
	joined.members = 1;
	joined.recovery = recovery;
	fixture_say(b, &LINK_ITEM(JOINED, joined, &joined));
}

static inline void say_delivery_of(struct fixture *b, const char *room, uint64_t epoch,
	uint64_t seq, const char *type, uint64_t except, struct bytes body)
{
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(bytes_str(room));
	delivery.epoch = epoch;
	delivery.seq = seq;
	delivery.timestamp_ms = 1;
	delivery.type = pb_data(bytes_str(type));
	delivery.body = pb_data(body);
	delivery.except = except;
	fixture_say(b, &LINK_ITEM(DELIVERY, delivery, &delivery));
}

static inline void say_delivery(struct fixture *b, const char *room, uint64_t epoch, uint64_t seq,
	const char *type, uint64_t except)
{
	say_delivery_of(b, room, epoch, seq, type, except, bytes_str("{}"));
}

static inline void say_left(struct fixture *b, const struct client *c, uint64_t req,
	const char *room, const char *reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = c->conn->handle;
	left.req = req;
	left.room = pb_data(bytes_str(room));
	left.reason = pb_data(bytes_str(reason));
	fixture_say(b, &LINK_ITEM(LEFT, left, &left));
}

static inline void say_published(struct fixture *b, const struct client *c, uint64_t req,
	uint64_t seq)
{
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	published.client = c->conn->handle;
	published.req = req;
	published.epoch = 1;
	published.seq = seq;
	published.timestamp_ms = 1;
	published.members = 2;
	fixture_say(b, &LINK_ITEM(PUBLISHED, published, &published));
}

static inline void say_refused(struct fixture *b, const struct client *c, uint64_t req,
	enum refusal code)
{
	Weir__Link__V1__Refused refused = WEIR__LINK__V1__REFUSED__INIT;
	refused.client = c->conn->handle;
	refused.req = req;
	refused.code = code;
	fixture_say(b, &LINK_ITEM(REFUSED, refused, &refused));
}

static inline void say_gap(struct fixture *b, const char *room, uint64_t epoch, uint64_t from,
	uint64_t to)
{
	Weir__Link__V1__Gap gap = WEIR__LINK__V1__GAP__INIT;
	gap.room = pb_data(bytes_str(room));
	gap.epoch = epoch;
	gap.from = from;
	gap.to = to;
	gap.reason = pb_data(bytes_str("link"));
	fixture_say(b, &LINK_ITEM(GAP, gap, &gap));
}

static inline void say_kick(struct fixture *b, const struct client *c, const char *reason)
{
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = c->conn->handle;
	kick.reason = pb_data(bytes_str(reason));
	fixture_say(b, &LINK_ITEM(KICK, kick, &kick));
}

// The client asks; returns the number of its request.
static inline uint64_t ask(struct fixture *b, struct client *c, const char *json)
{
	router_forget();
	client_say(b, c, json);
	assert_int_equal(router.n_said, 1);
	assert_true(router.said[0].req > 0);
	return router.said[0].req;
}

// The client joins the room, which is at (epoch, seq).
static inline void join(struct fixture *b, struct client *c, const char *room, uint64_t epoch,
	uint64_t seq)
{
	struct buf json = { 0 };
	buf_printf(&json, "{\"type\":\"join\",\"room\":\"%s\",\"presence\":false}", room);
	*buf_reserve(&json, 1) = '\0';
	uint64_t req = ask(b, c, (const char *)json.data);
	say_joined(b, c, req, room, epoch, seq, 0);
	fixture_deliver(b);
	client_expect(c, "\"type\":\"joined\"");
	buf_fini(&json);
}
