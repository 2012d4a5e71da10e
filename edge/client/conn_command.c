// One function a command. Rights are decided here from the client's token; the router decides again
// from what this edge has announced, since an edge may be older than a change of the rules. The
// answer to a room that one may not see is the same as to one that does not exist.
//
// Whether a room has the client as a member is never decided here: a join may be under way, and
// only the router knows what came before it. What is asked in vain costs one round trip; what is
// decided too early would be wrong.

#include "edge/client/conn_command.h"

#include "common/clock.h"
#include "common/mem.h"
#include "edge/client/clients.h"
#include "edge/client/conn_parts.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/key_wait.h"
#include "edge/state/settings.h"
#include "proto/names.h"
#include "proto/reasons.h"

enum {
	BAD_MESSAGES_MAX = 20, // in a row
	RATE_REFUSALS_MAX = 100, // in a row
	ADMIN_FACTOR = 16, // as of the router's limits for a user
};

static bool may(const struct conn *c, enum right right, struct bytes room)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide(&turn_of(c)->edge->policy, &subject, right, room).allowed;
}

static struct client_event refusal_of(const struct command *command, enum client_error error)
{
	return (struct client_event){
		.error = error,
		.id = command->id,
		.room = command->room,
		.is_pattern = command->is_pattern,
	};
}

static void refuse(struct conn *c, const struct command *command, enum client_error error)
{
	const struct client_event refusal = refusal_of(command, error);
	record_refused(c, command, error);
	conn_send_refusal(c, &refusal);
}

static void refuse_right(struct conn *c, const struct command *command, enum right right)
{
	struct client_event refusal = refusal_of(command, ERROR_FORBIDDEN);
	refusal.needs_right = right;
	record_refused(c, command, ERROR_FORBIDDEN);
	conn_send_refusal(c, &refusal);
}

static void refuse_role(struct conn *c, const struct command *command)
{
	struct client_event refusal = refusal_of(command, ERROR_FORBIDDEN);
	refusal.needs_role = turn_of(c)->settings->conf.admin_role;
	record_refused(c, command, ERROR_FORBIDDEN);
	conn_send_refusal(c, &refusal);
}

void client_count_requests(struct conn *c, enum command_kind kind, bool recovery, int n)
{
	struct client_account *account = &c->account;
	if (kind == COMMAND_JOIN) {
		account->n_joining = (uint16_t)(account->n_joining + n);
	}
	if (recovery) {
		account->n_recoveries = (uint16_t)(account->n_recoveries + n);
	}
}

static bool ask(struct conn *c, const struct request *request)
{
	struct clients *cl = clients_of(c);
	uint64_t deadline_ms = cl->turn.mono_ms + cl->turn.settings->conf.publish_timeout_ms;
	if (!uplink_ask(clients_link_for(cl, request->room), request, deadline_ms)) {
		return false;
	}
	client_count_requests(c, request->kind, request_is_recovery(request), 1);
	return true;
}

// Asks the router; a client whose request cannot wait any more gets an error.
static void ask_for(struct conn *c, const struct command *command)
{
	const struct request request = {
		.kind = command->kind,
		.conn = c->handle,
		.id = command->id,
		.room = command->room,
		.is_pattern = command->is_pattern,
		.presence = command->want_presence,
		.has_since = command->has_since,
		.since_epoch = epoch_parse(command->since_epoch),
		.since_seq = command->since_seq,
		.has_before = command->has_before,
		.before = command->before,
		.limit = command->limit,
		.type = command->type,
		.body = command->body,
		.key = command->key,
		.trace = command->trace,
		.no_echo = command->no_echo,
		.ephemeral = command->ephemeral,
	};
	if (!ask(c, &request)) {
		struct client_event refusal = refusal_of(command, ERROR_UNAVAILABLE);
		refusal.outcome = OUTCOME_NONE;
		record_refused(c, command, ERROR_UNAVAILABLE);
		conn_send_refusal(c, &refusal);
	}
}

// ---- coming and going

void client_announce(struct conn *c)
{
	char id[CLIENT_ID_MAX];
	char address[NET_IP_TEXT_MAX];
	struct clients *cl = clients_of(c);
	const struct announcement facts = client_announcement(c, id, address);
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		uplink_client_up(&cl->uplinks[i], &facts);
	}
}

struct announcement client_announcement(const struct conn *c, char id[CLIENT_ID_MAX],
	char address[NET_IP_TEXT_MAX])
{
	return (struct announcement){
		.handle = c->handle,
		.id = conn_client_id(c, id),
		.address = conn_address(c, address),
		.identity = &c->identity,
		.since_ms = conn_since_wall_ms(c),
		.codec = c->events             ? "sse"
			: c->state == CONN_API ? "http"
					       : conn_codec(c)->name,
		.no_sender = c->state == CONN_API,
		.compressed = c->compressed,
		.rooms = &c->account.rooms,
	};
}

void client_on_left(struct conn *c)
{
	const struct bytes reason = bytes_str(close_reason_rule(c->reason)->name);
	struct clients *cl = clients_of(c);
	fib_leave_all(&cl->fib, &c->account.rooms);
	if (c->watches) {
		watches_drop_all(&cl->watches, c);
	}
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		uplink_client_down(&cl->uplinks[i], c->handle, reason);
	}
}

// ---- joins

static bool has_space_for(const struct conn *c, struct bytes room)
{
	uint64_t max = turn_of(c)->settings->conf.max_rooms_per_connection;
	return max == 0 || c->account.n_rooms + c->account.n_joining < max ||
		fib_member_find(&clients_of(c)->fib, &c->account.rooms, c, room) != NULL;
}

static void run_join(struct conn *c, const struct command *command)
{
	if (command->want_presence && !may(c, RIGHT_PRESENCE, command->room)) {
		refuse_right(c, command, RIGHT_PRESENCE);
	} else if (!has_space_for(c, command->room)) {
		refuse(c, command, ERROR_LIMIT);
	} else {
		ask_for(c, command);
	}
}

static bool may_watch(const struct conn *c, struct bytes pattern)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide_joined(&turn_of(c)->edge->policy, &subject, pattern).allowed;
}

static void run_watch(struct conn *c, const struct command *command)
{
	if (may_watch(c, command->room)) {
		ask_for(c, command);
	} else if (c->identity.admin) {
		refuse_right(c, command, RIGHT_JOIN);
	} else {
		refuse_role(c, command);
	}
}

static void autojoin_room(struct conn *c, struct bytes room)
{
	if (!may(c, RIGHT_JOIN, room) || !has_space_for(c, room)) {
		return;
	}
	(void)ask(c,
		&(struct request){
			.kind = COMMAND_JOIN,
			.conn = c->handle,
			.room = room,
			.automatic = true,
		});
}

void client_autojoin(struct conn *c)
{
	struct bytes lobby = turn_of(c)->edge->policy.lobby;
	char personal[ROOM_NAME_MAX + 1];
	int len = snprintf(personal, sizeof(personal), PERSONAL_PREFIX "%s", c->identity.user);
	CHECK(len > 0 && len <= ROOM_NAME_MAX);
	struct bytes own = bytes_make(personal, (size_t)len);
	if (room_name_valid(own)) { // the user has no star
		autojoin_room(c, own);
	}
	if (lobby.len > 0 && !bytes_equal(lobby, own)) {
		autojoin_room(c, lobby);
	}
}

static void run_ping(struct conn *c, const struct command *command)
{
	conn_send_event(c,
		&(struct client_event){
			.kind = EVENT_PONG,
			.id = command->id,
			.timestamp_ms = clock_wall_ms(),
		});
}

// ---- a new token

// Takes the client out of the rooms that its new token does not allow, or lets it hear no more of
// who comes and goes. The router does the same when it hears of the new rights; here it is done at
// once, and the router's word for it changes nothing.
static void leave_forbidden_rooms(struct conn *c)
{
	struct clients *cl = clients_of(c);
	struct fib_member *member = LIST_FIRST(&c->account.rooms);
	while (member != NULL) {
		struct fib_member *next = LIST_NEXT(member, in_conn);
		struct bytes room = fib_room_name(member->room);
		if (!may(c, RIGHT_JOIN, room)) {
			conn_send_event(c,
				&(struct client_event){
					.kind = EVENT_LEFT,
					.room = room,
					.reason = bytes_str(left_reason_name(LEFT_FORBIDDEN)),
				});
			c->account.n_rooms--;
			fib_leave(&cl->fib, member);
		} else if (member->presence) {
			member->presence = may(c, RIGHT_PRESENCE, room);
		}
		member = next;
	}
}

static void leave_forbidden_patterns(struct conn *c)
{
	struct watches *watches = &clients_of(c)->watches;
	struct bytes patterns[WATCHES_MAX];
	size_t n = c->watches ? watches_of(watches, c, patterns) : 0;
	for (size_t i = 0; i < n; i++) {
		if (may_watch(c, patterns[i])) {
			continue;
		}
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_LEFT,
				.room = patterns[i],
				.is_pattern = true,
				.reason = bytes_str(left_reason_name(LEFT_FORBIDDEN)),
			});
		watches_drop(watches, c, patterns[i]);
	}
}

static void take_identity(struct conn *c, const struct identity *identity)
{
	identity_fini(&c->identity);
	c->identity = *identity;
	c->expiry_told = false;
	client_announce(c);
	leave_forbidden_rooms(c);
	leave_forbidden_patterns(c);
	conn_rearm(c);
}

static void refuse_token(struct conn *c, const char *cause, const char *claim)
{
	conn_log_token_refused(c, cause, claim);
	conn_close_for_token(c, cause);
}

// True, and the caller owns `fresh`, if the token is good for the user that is connected; else the
// connection is closed, or waits for the token's key.
static bool check_renewal(struct conn *c, struct bytes token, struct bytes id,
	struct identity *fresh)
{
	const char *claim;
	enum auth_result result =
		edge_verify(turn_of(c)->edge, turn_of(c)->settings, token, fresh, &claim);
	bool waits = result == AUTH_KEY && key_wait_begin(c, token, id);
	c->key_waited = false;
	if (waits) {
		return false;
	}
	if (result != AUTH_OK) {
		refuse_token(c, auth_result_cause(result), claim);
		return false;
	}
	if (strcmp(fresh->user, c->identity.user) != 0) {
		identity_fini(fresh);
		refuse_token(c, "bad_claim", "sub");
		return false;
	}
	if (revoked_has(&turn_of(c)->edge->revoked, fresh)) {
		identity_fini(fresh);
		conn_log_token_refused(c, close_reason_rule(CLOSE_REVOKED)->name, NULL);
		conn_close(c, CLOSE_REVOKED);
		return false;
	}
	return true;
}

void client_renew(struct conn *c, struct bytes token, struct bytes id)
{
	if (turn_of(c)->settings->auth != NULL) {
		struct identity fresh;
		if (!check_renewal(c, token, id, &fresh)) {
			return;
		}
		take_identity(c, &fresh);
	}
	conn_send_event(c, &(struct client_event){ .kind = EVENT_ACK, .id = id });
}

static void run_auth(struct conn *c, const struct command *command)
{
	client_renew(c, command->token, command->id);
}

// ---- all of them

// What a command does that does not ask the router.
static void (*const runs[COMMAND_COUNT])(struct conn *c, const struct command *command) = {
	[COMMAND_JOIN] = run_join,
	[COMMAND_AUTH] = run_auth,
	[COMMAND_PING] = run_ping,
};

void conn_run_command(struct conn *c, const struct command *command)
{
	const struct command_row *need = command_row(command->kind);
	if (command->kind == COMMAND_JOIN && command->is_pattern) {
		run_watch(c, command);
	} else if (need->right != 0 && !may(c, need->right, command->room)) {
		refuse_right(c, command, need->right);
	} else if (need->admin && !c->identity.admin) {
		refuse_role(c, command);
	} else if (runs[command->kind] != NULL) {
		runs[command->kind](c, command);
	} else {
		ask_for(c, command);
	}
}

// What a message was too much for, and until when.
struct excess {
	const char *limit; // the option
	uint64_t after_ms;
};

// Takes `n` units, or says in `*excess` why not.
static bool take(const struct conn *c, struct rate *rate, const struct conf_rate *limit,
	const char *name, uint64_t n, struct excess *excess)
{
	uint64_t now = turn_client_ms(turn_of(c));
	if (rate_take(rate, limit->per_s, limit->burst, n, now)) {
		return true;
	}
	excess->limit = name;
	excess->after_ms = rate_after_ms(rate, limit->per_s, limit->burst, n, now);
	return false;
}

static bool within_rates(struct conn *c, size_t len, struct excess *excess)
{
	const struct edge_conf *conf = &turn_of(c)->settings->conf;
	bool admin = c->identity.admin;
	const struct conf_rate *messages = admin ? &conf->rate_admin : &conf->rate_messages;
	struct conf_rate bytes = conf->rate_bytes;
	if (admin) {
		bytes.per_s *= ADMIN_FACTOR;
		bytes.burst *= ADMIN_FACTOR;
	}
	return take(c, &c->account.message_rate, messages, admin ? "rate-admin" : "rate-messages",
		       1, excess) &&
		take(c, &c->account.byte_rate, &bytes, "rate-bytes", len, excess);
}

static void refuse_for_rate(struct conn *c, const struct command *command,
	const struct excess *excess)
{
	struct client_event refusal = refusal_of(command, ERROR_RATE_LIMITED);
	refusal.limit = bytes_str(excess->limit);
	refusal.after_ms = excess->after_ms;
	conn_send_refusal(c, &refusal);
	if (++c->n_rate_refusals >= RATE_REFUSALS_MAX) {
		conn_close(c, CLOSE_RATE_LIMITED);
	}
}

static void refuse_malformed(struct conn *c, const struct command *command, enum client_error error)
{
	refuse(c, command, error);
	if (++c->n_bad >= BAD_MESSAGES_MAX) {
		conn_close(c, CLOSE_POLICY);
	}
}

void conn_command(struct conn *c, struct bytes message)
{
	struct turn *t = turn_of(c);
	const struct codec_options *options = &t->edge->codec;
	struct command command = { 0 };
	enum client_error error = conn_codec(c)->decode(options, message, &t->decoded, &command);
	counter_add(&t->metrics.received[codec_type_index(options, command.type)], 1);
	struct excess excess;
	if (!within_rates(c, message.len, &excess)) {
		refuse_for_rate(c, &command, &excess);
		return;
	}
	c->n_rate_refusals = 0;
	if (error == ERROR_INVALID_MESSAGE) {
		refuse_malformed(c, &command, error);
		return;
	}
	c->n_bad = 0;
	if (error != ERROR_NONE) {
		refuse(c, &command, error);
		return;
	}
	conn_run_command(c, &command);
}
