// Peers that accept on the loopback, and clients that are plain sockets: what a peer is to its
// owner, whatever is said on it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "proto/link_frame.h"
#include "proto/link_items.h"
#include "router/link/edge_link.h"
#include "router/link/link_keys.h"
#include "router/link/peer.h"
#include "tests/unit/loop_until.h"
#include "tests/unit/test.h"

struct rig {
	struct loop *loop;
	struct peers *peers;
	struct link_keys keys;
	unsigned n_frames;
	unsigned n_hung_up;
	enum link_frame_type last;
	bool closes; // the owner closes who says something
};

enum {
	CROWD = PEERS_OF_ADDRESS + 50,
};

struct client {
	struct rig *rig;
	int fd;
	struct buf in;
	bool ended;
};

static void on_frame(void *arg, struct peer *peer, const struct link_frame *frame)
{
	struct rig *rig = arg;
	rig->n_frames++;
	rig->last = frame->type;
	if (rig->closes) {
		peer_send_goaway(peer, GOAWAY_PROTOCOL);
		peer_close(peer);
	}
}

static void on_hung_up(void *arg, struct peer *peer)
{
	struct rig *rig = arg;
	(void)peer;
	rig->n_hung_up++;
}

static const struct peer_ops ops = { on_frame, on_hung_up };

static void reap(void *arg)
{
	struct rig *rig = arg;
	peers_reap(rig->peers);
}

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct peers_options options = {
		.url = "tcp://127.0.0.1:0",
		.name = "router-1",
		.keys = &rig->keys,
	};
	const char *why = NULL;
	rig->loop = loop_new();
	rig->peers = peers_new(rig->loop, &options, &ops, rig, &why);
	assert_non_null(rig->peers);
	loop_at_turn_end(rig->loop, reap, rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	peers_stop(rig->peers);
	peers_free(rig->peers);
	loop_free(rig->loop);
	free(rig);
	return 0;
}

static struct client connect_from(struct rig *rig, in_addr_t source)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	const char *url = peers_url(rig->peers);
	addr.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct client c = { .rig = rig, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	const struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(source) };
	assert_int_equal(bind(c.fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(c.fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	return c;
}

static struct client connect_to(struct rig *rig)
{
	return connect_from(rig, INADDR_LOOPBACK);
}

static void client_close(struct client *c)
{
	close(c->fd);
	buf_fini(&c->in);
}

static void client_read(struct client *c)
{
	ssize_t got = recv(c->fd, buf_reserve(&c->in, 4096), 4096, 0);
	c->in.len += got > 0 ? (size_t)got : 0;
	c->ended = c->ended || got == 0;
}

static bool has_frame(void *arg)
{
	struct client *c = arg;
	struct link_frame frame;
	size_t used;
	client_read(c);
	return link_frame_parse(buf_bytes(&c->in), &frame, &used) == 0;
}

static bool has_ended(void *arg)
{
	struct client *c = arg;
	client_read(c);
	return c->ended;
}

// The next frame; its body is good until the next read.
static struct link_frame next_frame(struct client *c, struct buf *kept)
{
	struct link_frame frame;
	size_t used;
	assert_true(loop_until(c->rig->loop, has_frame, c));
	buf_reset(kept, 0);
	buf_append_bytes(kept, buf_bytes(&c->in));
	assert_int_equal(link_frame_parse(buf_bytes(kept), &frame, &used), 0);
	buf_consume(&c->in, used);
	return frame;
}

static void send_frame(struct client *c, enum link_frame_type type, struct bytes body)
{
	uint8_t head[LINK_HEAD_LEN];
	link_frame_head(head, type, 0, 0, body, bytes_make(NULL, 0));
	assert_int_equal(send(c->fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(c->fd, body.data, body.len, MSG_NOSIGNAL), (ssize_t)body.len);
}

static bool has_heard(void *arg)
{
	return ((struct rig *)arg)->n_frames > 0;
}

static bool has_hung_up(void *arg)
{
	return ((struct rig *)arg)->n_hung_up > 0;
}

static void is_sent_a_challenge_of_its_own(void **state)
{
	struct rig *rig = *state;
	uint8_t nonces[2][LINK_NONCE_LEN];
	struct buf kept = { 0 };
	for (int i = 0; i < 2; i++) {
		struct client c = connect_to(rig);
		struct link_frame frame = next_frame(&c, &kept);
		assert_int_equal(frame.type, LINK_CHALLENGE);
		Weir__Link__V1__Challenge *challenge =
			weir__link__v1__challenge__unpack(NULL, frame.body.len, frame.body.data);
		assert_non_null(challenge);
		assert_bytes_equal(pb_bytes(challenge->router_name), "router-1");
		assert_int_equal(challenge->major, LINK_MAJOR);
		assert_false(challenge->key_required);
		assert_int_equal(challenge->nonce.len, LINK_NONCE_LEN);
		memcpy(nonces[i], challenge->nonce.data, LINK_NONCE_LEN);
		assert_memory_equal(peers_next(rig->peers, NULL)->nonce, nonces[i], LINK_NONCE_LEN);
		weir__link__v1__challenge__free_unpacked(challenge, NULL);
		client_close(&c);
	}
	assert_memory_not_equal(nonces[0], nonces[1], LINK_NONCE_LEN);
	buf_fini(&kept);
}

static void hands_its_frames_to_the_owner_and_is_closed_by_it(void **state)
{
	struct rig *rig = *state;
	struct client c = connect_to(rig);
	struct buf kept = { 0 };
	next_frame(&c, &kept);
	rig->closes = true;
	send_frame(&c, LINK_HELLO, bytes_str("hello"));
	send_frame(&c, LINK_PING, bytes_str("too late"));
	assert_true(loop_until(rig->loop, has_heard, rig));
	assert_int_equal(rig->last, LINK_HELLO);
	assert_int_equal(next_frame(&c, &kept).type, LINK_GOAWAY);
	assert_true(loop_until(rig->loop, has_ended, &c));
	assert_int_equal(rig->n_frames, 1);
	assert_int_equal(rig->n_hung_up, 0); // it was the owner who closed
	assert_null(peers_next(rig->peers, NULL));
	client_close(&c);
	buf_fini(&kept);
}

static void tells_the_owner_when_the_other_end_closes(void **state)
{
	struct rig *rig = *state;
	struct client c = connect_to(rig);
	struct buf kept = { 0 };
	next_frame(&c, &kept);
	client_close(&c);
	assert_true(loop_until(rig->loop, has_hung_up, rig));
	assert_null(peers_next(rig->peers, NULL));
	buf_fini(&kept);
}

static void takes_no_large_frame_before_it_is_admitted(void **state)
{
	struct rig *rig = *state;
	static const uint8_t large[(64 << 10) + 1];
	struct client c = connect_to(rig);
	struct buf kept = { 0 };
	next_frame(&c, &kept);
	send_frame(&c, LINK_HELLO, bytes_make(large, sizeof(large)));
	assert_true(loop_until(rig->loop, has_hung_up, rig));
	assert_int_equal(rig->n_frames, 0);
	client_close(&c);
	buf_fini(&kept);
}

static void carries_an_edge_once_it_is_admitted(void **state)
{
	struct rig *rig = *state;
	static const uint8_t boot[LINK_BOOT_LEN] = { 1 };
	static const uint8_t large[(64 << 10) + 1];
	struct edge_link *edge = edge_link_new(bytes_str("edge"), boot);
	struct client c = connect_to(rig);
	struct buf kept = { 0 };
	next_frame(&c, &kept);
	struct peer *peer = peers_next(rig->peers, NULL);
	peer_admit(peer, edge, bytes_str("welcome"));
	assert_ptr_equal(peer->edge, edge);
	assert_non_null(edge->conn);
	struct link_frame frame = next_frame(&c, &kept);
	assert_int_equal(frame.type, LINK_HELLO_ACK);
	assert_bytes_equal(frame.body, "welcome");
	send_frame(&c, LINK_BATCH, bytes_make(large, sizeof(large)));
	assert_true(loop_until(rig->loop, has_heard, rig));
	assert_int_equal(rig->last, LINK_BATCH);
	peer_close(peer);
	peer_close(peer);
	assert_null(edge->conn);
	edge_link_free(edge);
	client_close(&c);
	buf_fini(&kept);
}

struct crowd {
	struct client all[CROWD];
	size_t n_over; // to be closed, at least
};

static bool has_lost_some(void *arg)
{
	struct crowd *crowd = arg;
	size_t n_ended = 0;
	for (size_t i = 0; i < CROWD; i++) {
		client_read(&crowd->all[i]);
		n_ended += crowd->all[i].ended;
	}
	return n_ended >= crowd->n_over;
}

static void one_address_has_its_share_of_places(void **state)
{
	struct rig *rig = *state;
	struct crowd *crowd = xcalloc(1, sizeof(*crowd));
	struct buf kept = { 0 };
	crowd->n_over = CROWD - PEERS_OF_ADDRESS;
	for (size_t i = 0; i < CROWD; i++) {
		crowd->all[i] = connect_from(rig, INADDR_LOOPBACK + 1);
		if (i % 50 == 0 && i < PEERS_OF_ADDRESS) { // the kernel's queue is short
			assert_true(loop_until(rig->loop, has_frame, &crowd->all[i]));
		}
	}
	assert_true(loop_until(rig->loop, has_lost_some, crowd));
	struct client other = connect_to(rig);
	assert_int_equal(next_frame(&other, &kept).type, LINK_CHALLENGE);
	client_close(&other);
	for (size_t i = 0; i < CROWD; i++) {
		client_close(&crowd->all[i]);
	}
	buf_fini(&kept);
	free(crowd);
}

static void says_why_it_cannot_listen(void **state)
{
	struct rig *rig = *state;
	const struct peers_options options = {
		.url = peers_url(rig->peers), // taken
		.name = "router-2",
		.keys = &rig->keys,
	};
	const char *why = NULL;
	assert_null(peers_new(rig->loop, &options, &ops, rig, &why));
	assert_non_null(why);
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(is_sent_a_challenge_of_its_own),
		PEER_TEST(hands_its_frames_to_the_owner_and_is_closed_by_it),
		PEER_TEST(tells_the_owner_when_the_other_end_closes),
		PEER_TEST(takes_no_large_frame_before_it_is_admitted),
		PEER_TEST(carries_an_edge_once_it_is_admitted),
		PEER_TEST(one_address_has_its_share_of_places),
		PEER_TEST(says_why_it_cannot_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
