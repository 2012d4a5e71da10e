// A fixed number of REP contexts, each a slot with one aio: receive, run, send, receive again. NNG
// completes a receive on one of its threads; the slot then waits in a queue for the routing thread,
// which runs the command between two turns of routing and lets the answer go without waiting for
// it. So a slow or silent weirctl holds a slot of its own and nothing else, and what is held is
// bounded: requests by their number and RECVMAXSZ, answers by ADMIN_REPLY_MAX.
//
// weirctl repeats a request when its connection breaks: answers of commands that change something
// are kept under the request's id and given again (admin_answers.h).
//
// A command that has nothing to say yet (a watch, or a question to the edges) keeps its slot and is
// run again each few milliseconds. It is notified if too many do so already, and then answers at
// once.
//
// NNG before 1.6 takes a peer that leaves during the handshake for the end of its own listening,
// and accepts nobody ever after: a second router that finds the socket in use is such a peer. The
// only trace is a counter of the listener. So it is read each second, and when it has moved the
// listener is replaced; weirctl connects anew by itself.
//
// NNG 1.5 can also lose the end of a receive when a connection and the listener end together.
// Closing the socket then waits for it without end, in nng_close() as at exit(), so there has to be
// a time limit on the way out (process_end_within).
//
// The socket is 0600. Where that was loosened by hand, the peer's uid still has to be ours, or
// root's. A thread of its own for commands was rejected: it would need a lock on the tables.

#include "router/admin/admin_server.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "router/admin/admin_answers.h"

enum {
	SLOTS = 32,
	HELD_MAX = 24, // the others are for those who need not wait
	REQUEST_MAX = 64 << 10,
	WORDS_MAX = 64,
	SOCKET_MODE = 0600,
	CHECK_MS = 1000,
	LISTENER_MAY_DIE = NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6,
};

struct slot {
	STAILQ_ENTRY(slot) waiting;
	struct admin_server *server;
	nng_ctx ctx;
	nng_aio *aio;
	bool sending; // the aio's last operation
	nng_msg *request; // owned; while waiting
	STAILQ_ENTRY(slot) held; // its command has nothing to say yet
	uint64_t state; // of its command
};

struct admin_server {
	const struct admin_context *ctx;
	const char *url;
	nng_socket socket;
	nng_listener listener;
	struct loop_timer check; // the listener, where it may die
	struct loop_wake *wake;
	pthread_mutex_t lock; // for the two below
	STAILQ_HEAD(slot_queue, slot) waiting;
	bool closing;
	struct slot slots[SLOTS];
	STAILQ_HEAD(held_slots, slot) held;
	size_t n_held;
	struct loop_timer look; // at those
	struct admin_answers answers; // to requests that must not run again
};

// ---- NNG's threads

static void receive(struct slot *slot)
{
	slot->sending = false;
	nng_ctx_recv(slot->ctx, slot->aio);
}

// Puts the request into the queue; false if the server is closing.
static bool enqueue(struct slot *slot, nng_msg *request)
{
	struct admin_server *server = slot->server;
	pthread_mutex_lock(&server->lock);
	bool open = !server->closing;
	if (open) {
		slot->request = request;
		STAILQ_INSERT_TAIL(&server->waiting, slot, waiting);
	}
	pthread_mutex_unlock(&server->lock);
	return open;
}

static bool is_closing(struct admin_server *server)
{
	pthread_mutex_lock(&server->lock);
	bool closing = server->closing;
	pthread_mutex_unlock(&server->lock);
	return closing;
}

static void on_received(struct slot *slot)
{
	nng_msg *request = nng_aio_get_msg(slot->aio);
	if (enqueue(slot, request)) {
		loop_wake_post(slot->server->wake);
	} else {
		nng_msg_free(request);
	}
}

static void on_aio(void *arg)
{
	struct slot *slot = arg;
	int result = nng_aio_result(slot->aio);
	if (slot->sending && result != 0) {
		nng_msg_free(nng_aio_get_msg(slot->aio));
	}
	if (!slot->sending && result == 0) {
		on_received(slot);
	} else if (result != NNG_ECLOSED && !is_closing(slot->server)) {
		receive(slot);
	}
}

// ---- the routing thread

static bool peer_allowed(nng_msg *request)
{
	uint64_t uid = 0;
	int result = nng_pipe_get_uint64(nng_msg_get_pipe(request), NNG_OPT_IPC_PEER_UID, &uid);
	// Where the platform cannot tell, the mode of the socket has to do.
	return result != 0 || uid == geteuid() || uid == 0;
}

// True if there is nothing to say yet.
static bool run(struct admin_server *server, const Weir__Admin__V1__Request *request,
	uint64_t *state, struct buf *out)
{
	struct bytes argv[WORDS_MAX];
	for (size_t i = 0; i < request->n_argv; i++) {
		argv[i] = bytes_make(request->argv[i].data, request->argv[i].len);
	}
	bool changes = request->n_argv > 0 && admin_changes(argv[0]);
	const struct admin_request to_run = {
		.argv = argv,
		.argc = request->n_argv,
		.subject = request->subject,
		.state = state,
		.now_ms = clock_mono_ms(),
		.wall_ms = clock_wall_ms(),
	};
	struct bytes known;
	if (changes && admin_answers_find(&server->answers, request->id, to_run.now_ms, &known)) {
		buf_append_bytes(out, known);
		return false;
	}
	struct admin_reply reply = { 0 };
	admin_run(server->ctx, &to_run, &reply);
	bool hold = reply.hold;
	admin_reply_pack(&reply, out);
	if (changes && !hold) {
		log_info("admin", LOG_BYTES("command", argv[0]), LOG_UINT("status", reply.status),
			LOG_UINT("request", request->id),
			LOG_BYTES("did", buf_bytes(&reply.audit)));
		admin_answers_add(&server->answers, request->id, buf_bytes(out), to_run.now_ms);
	}
	admin_reply_fini(&reply);
	return hold;
}

static void fail(Weir__Admin__V1__Status status, const char *why, struct buf *out)
{
	struct admin_reply reply = { 0 };
	admin_reply_fail(&reply, status, "%s", why);
	admin_reply_pack(&reply, out);
	admin_reply_fini(&reply);
}

// True if there is nothing to say yet. `state` is NULL if that cannot be waited for.
static bool answer(struct admin_server *server, nng_msg *message, uint64_t *state, struct buf *out)
{
	bool hold = false;
	if (!peer_allowed(message)) {
		log_warn("admin_refused", LOG_STR("reason", "peer_uid"));
		fail(WEIR__ADMIN__V1__STATUS__REFUSED, "not permitted", out);
		return false;
	}
	Weir__Admin__V1__Request *request =
		weir__admin__v1__request__unpack(NULL, nng_msg_len(message), nng_msg_body(message));
	if (request == NULL || request->n_argv > WORDS_MAX) {
		fail(WEIR__ADMIN__V1__STATUS__USAGE, "not a request", out);
	} else {
		hold = run(server, request, state, out);
	}
	weir__admin__v1__request__free_unpacked(request, NULL);
	return hold;
}

static void hold(struct slot *slot)
{
	struct admin_server *server = slot->server;
	STAILQ_INSERT_TAIL(&server->held, slot, held);
	if (server->n_held++ == 0) {
		loop_timer_start(&server->look, ADMIN_HOLD_LOOK_MS);
	}
}

static void serve(struct slot *slot)
{
	struct buf out = { 0 };
	struct admin_server *server = slot->server;
	bool may_hold = server->n_held < HELD_MAX;
	if (answer(server, slot->request, may_hold ? &slot->state : NULL, &out)) {
		buf_fini(&out);
		hold(slot);
		return;
	}
	slot->state = 0;
	// The request's message becomes the answer's.
	nng_msg *message = slot->request;
	slot->request = NULL;
	nng_msg_clear(message);
	if (nng_msg_append(message, out.data, out.len) != 0) {
		nng_msg_clear(message); // weirctl finds an empty answer
	}
	buf_fini(&out);
	slot->sending = true;
	nng_aio_set_msg(slot->aio, message);
	nng_ctx_send(slot->ctx, slot->aio);
}

// Runs once more what had nothing to say.
static void on_look(void *arg)
{
	struct admin_server *server = arg;
	struct held_slots due = STAILQ_HEAD_INITIALIZER(due);
	STAILQ_CONCAT(&due, &server->held);
	server->n_held = 0;
	struct slot *slot;
	while ((slot = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, held);
		serve(slot);
	}
}

static struct slot *dequeue(struct admin_server *server)
{
	pthread_mutex_lock(&server->lock);
	struct slot *slot = STAILQ_FIRST(&server->waiting);
	if (slot != NULL) {
		STAILQ_REMOVE_HEAD(&server->waiting, waiting);
	}
	pthread_mutex_unlock(&server->lock);
	return slot;
}

// One command a turn, so that routing goes on between them.
static void on_wake(void *arg)
{
	struct admin_server *server = arg;
	struct slot *slot = dequeue(server);
	if (slot != NULL) {
		serve(slot);
		loop_wake_post(server->wake);
	}
}

// ---- life

static int start_listening(struct admin_server *server)
{
	int result = nng_listener_create(&server->listener, server->socket, server->url);
	if (result == 0) {
		result = nng_listener_set_int(server->listener, NNG_OPT_IPC_PERMISSIONS,
			SOCKET_MODE);
	}
	return result == 0 ? nng_listener_start(server->listener, 0) : result;
}

// True if an accept ended with an error that NNG has no name for; one of them is the end of all.
static bool accept_failed(const struct admin_server *server)
{
	nng_stat *all;
	if (nng_stats_get(&all) != 0) {
		return false;
	}
	nng_stat *stat = nng_stat_find_listener(all, server->listener);
	stat = stat != NULL ? nng_stat_child(stat) : NULL;
	while (stat != NULL && strcmp(nng_stat_name(stat), "other") != 0) {
		stat = nng_stat_next(stat);
	}
	bool failed = stat != NULL && nng_stat_value(stat) > 0;
	nng_stats_free(all);
	return failed;
}

static void on_check(void *arg)
{
	struct admin_server *server = arg;
	if (accept_failed(server)) {
		nng_listener_close(server->listener);
		int result = start_listening(server);
		log_info("admin_listens_anew",
			LOG_STR("result", result == 0 ? "ok" : nng_strerror(result)));
	}
	loop_timer_start(&server->check, CHECK_MS);
}

static int open_slots(struct admin_server *server)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &server->slots[i];
		slot->server = server;
		int result = nng_ctx_open(&slot->ctx, server->socket);
		if (result == 0) {
			result = nng_aio_alloc(&slot->aio, on_aio, slot);
		}
		if (result != 0) {
			return result;
		}
	}
	return 0;
}

static const char *reason_of(int result)
{
	return result == NNG_EADDRINUSE ? "a running process holds this socket"
					: nng_strerror(result);
}

struct admin_server *admin_server_new(struct loop *loop, const char *url,
	const struct admin_context *ctx, const char **why)
{
	struct admin_server *server = xcalloc(1, sizeof(*server));
	server->ctx = ctx;
	server->url = url;
	pthread_mutex_init(&server->lock, NULL);
	STAILQ_INIT(&server->waiting);
	STAILQ_INIT(&server->held);
	loop_timer_init(loop, &server->look, on_look, server);
	admin_answers_init(&server->answers);
	server->wake = loop_wake_new(loop, on_wake, server);
	loop_timer_init(loop, &server->check, on_check, server);
	int result = nng_rep0_open(&server->socket);
	if (result == 0) {
		result = open_slots(server);
	}
	if (result == 0) {
		result = nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, REQUEST_MAX);
	}
	if (result == 0) {
		result = start_listening(server);
	}
	if (result != 0) {
		*why = reason_of(result);
		admin_server_free(server);
		return NULL;
	}
	for (size_t i = 0; i < SLOTS; i++) {
		receive(&server->slots[i]);
	}
	if (LISTENER_MAY_DIE) {
		loop_timer_start(&server->check, CHECK_MS);
	}
	return server;
}

static void close_slot(struct slot *slot)
{
	if (slot->aio != NULL) {
		nng_aio_stop(slot->aio);
		nng_aio_free(slot->aio);
	}
	if (slot->request != NULL) {
		nng_msg_free(slot->request);
	}
}

void admin_server_free(struct admin_server *server)
{
	if (server == NULL) {
		return;
	}
	pthread_mutex_lock(&server->lock);
	server->closing = true;
	pthread_mutex_unlock(&server->lock);
	for (size_t i = 0; i < SLOTS; i++) {
		close_slot(&server->slots[i]);
	}
	nng_close(server->socket);
	loop_timer_stop(&server->check);
	loop_timer_stop(&server->look);
	loop_wake_free(server->wake);
	pthread_mutex_destroy(&server->lock);
	admin_answers_fini(&server->answers);
	free(server);
}
