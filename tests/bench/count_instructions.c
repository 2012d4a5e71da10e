// Does a fixed number of the same operation, for a program that counts instructions:
//
//     count-instructions OPERATION N
//
// Two runs, one with twice the N of the other, differ by what N operations cost; starting and
// ending are in both (instructions.py does that, under valgrind). Nothing here depends on time or
// chance: the clock stands still, clients are socket pairs, and getrandom() below gives every run
// the same hash keys. What the kernel does is not counted, nor is it of ours.
//
// The edge's operations run a real worker on the bench of the unit tests, so they contain the
// client's few instructions as well; the router's feed the routing core with decoded items. Tokens
// are left out: their cost is OpenSSL's (auth-bench has it).

#include <stdio.h>
#include <sys/random.h>

#include "router/core/route.h"
#include "tests/unit/edge_fixture.h"

enum {
	CLIENTS = 10, // in the room, on the edge; or on each of two edges of the router
	BATCH = 8, // deliveries that come in one piece
	BODY_LEN = 100,
};

ssize_t getrandom(void *out, size_t len, unsigned flags)
{
	(void)flags;
	memset(out, 0x5a, len);
	return (ssize_t)len;
}

// ---- the edge

static struct fixture fixture;
static struct client clients[CLIENTS];

// Takes what the worker has sent and looks at none of it.
static void client_drain(struct client *c)
{
	static char rest[65536];
	while (recv(c->fd, rest, sizeof(rest), 0) > 0) {
	}
}

static void say_joined(uint64_t client, uint64_t req)
{
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = client;
	joined.req = req;
	joined.room = pb_data(bytes_str("room"));
	joined.epoch = 7;
	joined.members = 1;
	fixture_say(&fixture, &LINK_ITEM(JOINED, joined, &joined));
	fixture_deliver(&fixture);
}

static void say_delivery(uint64_t seq)
{
	static char body[BODY_LEN + 1];
	snprintf(body, sizeof(body), "{\"text\":\"%.*s\"}", BODY_LEN - 11,
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789");
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(bytes_str("room"));
	delivery.epoch = 7;
	delivery.seq = seq;
	delivery.timestamp_ms = 1700000000000;
	delivery.type = pb_data(bytes_str("chat"));
	delivery.from = pb_data(bytes_str("client-1"));
	delivery.user = pb_data(bytes_str("ann"));
	delivery.body = pb_data(bytes_str(body));
	fixture_say(&fixture, &LINK_ITEM(DELIVERY, delivery, &delivery));
}

static void open_client(struct client *c, const char *request)
{
	client_connect(&fixture, c);
	client_write_str(&fixture, c, request);
	client_drain(c);
	CHECK(conn_is_open(c->conn));
	router_forget();
}

static void open_clients(unsigned n)
{
	fixture_init(&fixture);
	for (unsigned i = 0; i < n; i++) {
		struct said *said;
		open_client(&clients[i], fixture_request);
		client_say(&fixture, &clients[i], "{\"type\":\"join\",\"room\":\"room\"}");
		CHECK(router_next(&said) != NULL);
		say_joined(clients[i].conn->handle, said->req);
		client_drain(&clients[i]);
		router_forget();
	}
}

// The same, speaking the binary codec.
static void open_binary_clients(unsigned n)
{
	static const char request[] = "GET /ws?autojoin=0 HTTP/1.1\r\n"
				      "Host: example.org\r\n"
				      "Upgrade: websocket\r\n"
				      "Connection: Upgrade\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
				      "Sec-WebSocket-Protocol: weir.v1.proto\r\n"
				      "Sec-WebSocket-Version: 13\r\n\r\n";
	static const char join[] = "\x12\x06\x0a\x04room"; // ClientMessage.join.room
	fixture_init(&fixture);
	for (unsigned i = 0; i < n; i++) {
		struct said *said;
		open_client(&clients[i], request);
		client_send(&fixture, &clients[i], FIN | WS_BINARY, bytes_str(join));
		CHECK(router_next(&said) != NULL);
		say_joined(clients[i].conn->handle, said->req);
		client_drain(&clients[i]);
		router_forget();
	}
}

static void close_clients(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&fixture);
}

static void deliver(unsigned n)
{
	for (unsigned seq = 1; seq <= n / CLIENTS; seq++) {
		say_delivery(seq);
		if (seq % BATCH == 0) {
			fixture_deliver(&fixture);
			for (unsigned i = 0; i < CLIENTS; i++) {
				client_drain(&clients[i]);
			}
		}
	}
}

static void edge_deliveries(unsigned n)
{
	open_clients(CLIENTS);
	deliver(n);
	close_clients(CLIENTS);
}

static void edge_binary_deliveries(unsigned n)
{
	open_binary_clients(CLIENTS);
	deliver(n);
	close_clients(CLIENTS);
}

static void edge_binary_publishes(unsigned n)
{
	// The publish of edge_publishes(), with its id.
	static const char publish[] = "\x0a\x02"
				      "17\x22\x63\x0a\x04room\x12\x04"
				      "chat\x1a\x55{\"text\":\"how is the weather "
				      "over there, and is it going to stay like that for "
				      "long?\"}";
	struct said *said;
	open_binary_clients(1);
	for (unsigned i = 0; i < n; i++) {
		client_send(&fixture, &clients[0], FIN | WS_BINARY, bytes_str(publish));
		CHECK(i > 0 || router_next(&said) != NULL);
		router_forget();
	}
	close_clients(1);
}

static void edge_publishes(unsigned n)
{
	open_clients(1);
	for (unsigned i = 0; i < n; i++) {
		client_say(&fixture, &clients[0],
			"{\"type\":\"chat\",\"room\":\"room\",\"id\":17,\"text\":\"how is the "
			"weather "
			"over there, and is it going to stay like that for long?\"}");
		router_forget();
	}
	close_clients(1);
}

static void edge_handshakes(unsigned n)
{
	open_clients(1);
	for (unsigned i = 0; i < n; i++) {
		struct client c;
		client_connect(&fixture, &c);
		client_write_str(&fixture, &c, fixture_request);
		client_drain(&c);
		client_close(&c);
		fixture_turn(&fixture);
		router_forget();
	}
	close_clients(1);
}

// ---- the router

static struct route route;
static struct table_edge *edges[2];

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	(void)edge;
	buf_reset(arg, 0);
	buf_append_bytes(arg, element);
}

static void say(unsigned edge, const link_item *item)
{
	CHECK(route_item(&route, edges[edge], item, 1000, 1700000000000) == 0);
}

static void client_up(uint64_t handle)
{
	char user[16];
	snprintf(user, sizeof(user), "user-%u", (unsigned)handle);
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = handle;
	up.id = pb_data(bytes_str(user));
	up.user = up.id;
	say(handle % 2, &LINK_ITEM(CLIENT_UP, client_up, &up));
}

static void join(uint64_t handle, unsigned room)
{
	char name[16];
	snprintf(name, sizeof(name), "room-%u", room);
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.req = 1;
	join.room = pb_data(bytes_str(name));
	say(handle % 2, &LINK_ITEM(JOIN, join, &join));
}

static void publish(uint64_t handle)
{
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = handle;
	publish.req = 1;
	publish.room = pb_data(bytes_str("room-0"));
	publish.type = pb_data(bytes_str("chat"));
	publish.body = pb_data(bytes_str("{\"text\":\"how is the weather over there, and is it "
					 "going to stay like that for long?\"}"));
	say(handle % 2, &LINK_ITEM(PUBLISH, publish, &publish));
}

static void with_router(void (*operate)(unsigned n), unsigned n)
{
	static struct buf sink;
	const struct route_options options = {
		.history_messages = 100,
		.history_bytes = 262144,
		.history_age_ms = 300000,
		.recorder_bytes = 1 << 20,
	};
	struct rights_policy policy = { .defaults = rights_new(), .lobby = bytes_str("lobby") };
	CHECK(rights_add(policy.defaults, RIGHT_ALL, bytes_str("*")));
	route_init(&route, &options, append, &sink);
	edges[0] = route_edge_up(&route, NULL, bytes_str("a"), &policy, 0);
	edges[1] = route_edge_up(&route, NULL, bytes_str("b"), &policy, 0);
	for (unsigned handle = 1; handle <= 2 * CLIENTS; handle++) {
		client_up(handle);
		join(handle, 0);
	}
	operate(n);
	route_fini(&route);
	rights_unref(policy.defaults);
	buf_fini(&sink);
}

static void router_publishes(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		publish(1 + i % (2 * CLIENTS));
	}
}

// To rooms that are new to the router, ten of them a client.
static void router_joins(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t handle = 1000 + i / 10;
		if (i % 10 == 0) {
			client_up(handle);
		}
		join(handle, 1 + i);
	}
}

// ----

static void publishes_on_the_router(unsigned n)
{
	with_router(router_publishes, n);
}

static void joins_on_the_router(unsigned n)
{
	with_router(router_joins, n);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned n);
	} operations[] = {
		{ "edge-delivery", edge_deliveries },
		{ "edge-publish", edge_publishes },
		{ "edge-binary-delivery", edge_binary_deliveries },
		{ "edge-binary-publish", edge_binary_publishes },
		{ "edge-handshake", edge_handshakes },
		{ "router-publish", publishes_on_the_router },
		{ "router-join", joins_on_the_router },
	};
	unsigned n = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(operations); i++) {
		if (strcmp(argv[1], operations[i].name) == 0) {
			operations[i].run(n);
			return EXIT_SUCCESS;
		}
	}
	fprintf(stderr, "usage: count-instructions OPERATION N\n");
	return 2;
}
