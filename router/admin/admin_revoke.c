// Revoking tokens, and closing clients with or without it. A kick alone closes a connection and
// forgets it: the client may come again with the same token. A revocation stays, at every edge, for
// as long as any token it can mean may be good.
//
// Without a time a user's revocation means what was issued up to now. `iat` counts whole seconds,
// so the second under way is included: a new token made within it is refused too, which is better
// than letting the old one live.

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "common/conf/conf.h"
#include "common/mem.h"
#include "proto/names.h"
#include "router/admin/admin_call.h"

#define SECONDS_END INT64_C(253402300800) // the year 10000

// Unix seconds, or 2026-01-31T12:00:00Z.
static bool time_of(struct bytes text, int64_t *seconds)
{
	static const struct conf_option unix_s = {
		.name = "issued-before",
		.type = CONF_UINT,
		.min = 1,
		.max = SECONDS_END - 1,
	};
	uint64_t number;
	if (admin_value(&unix_s, text, &number)) {
		*seconds = (int64_t)number;
		return true;
	}
	struct tm tm = { 0 };
	char *copy = xstrndup(text.data, text.len);
	const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &tm);
	bool whole = rest != NULL && *rest == '\0';
	free(copy);
	*seconds = whole ? (int64_t)timegm(&tm) : 0;
	return *seconds > 0 && *seconds < SECONDS_END;
}

static int64_t now_inclusive_s(const struct admin_call *call)
{
	return call->wall_ms / 1000 + 1;
}

static bool revoke(struct admin_call *call, const struct revocation *rev, uint64_t *closed)
{
	if (!revocation_valid(rev)) {
		admin_refuse(call, "not a valid user or token id");
		return false;
	}
	if (!route_revoke(call->ctx->route, rev, closed)) {
		admin_refuse(call, "limit: too many revocations");
		return false;
	}
	return true;
}

static void say_name(struct admin_reply *reply, const char *name, struct bytes text)
{
	if (text.len > 0) {
		admin_reply_text(reply, name, text);
	} else {
		admin_reply_null(reply, name);
	}
}

static void say_time(struct admin_reply *reply, const char *name, int64_t ms)
{
	if (ms > 0) {
		admin_reply_time(reply, name, ms);
	} else {
		admin_reply_null(reply, name);
	}
}

static void say_revocation(struct admin_call *call, const struct revocation *rev)
{
	struct admin_reply *reply = call->reply;
	uint64_t life_ms = route_token_life_ms(call->ctx->route);
	bool any = rev->before_s == REVOCATION_ANY_TIME;
	say_name(reply, "user", rev->user);
	say_name(reply, "jti", rev->jti);
	say_time(reply, "issuedBefore", any ? 0 : rev->before_s * 1000);
	say_time(reply, "since", rev->since_ms);
	say_time(reply, "expires", revocation_expires_ms(rev, life_ms));
}

void admin_cmd_revoke(struct admin_call *call)
{
	struct bytes user = call->options[0];
	struct bytes jti = call->options[1];
	struct bytes before = call->options[2];
	struct revocation rev = {
		.user = user,
		.jti = jti,
		.before_s = user.data != NULL ? now_inclusive_s(call) : REVOCATION_ANY_TIME,
		.since_ms = call->wall_ms,
	};
	if ((user.data == NULL) == (jti.data == NULL)) {
		admin_usage(call, "takes either --user or --jti");
		return;
	}
	if (before.data != NULL && !time_of(before, &rev.before_s)) {
		admin_usage(call,
			"--issued-before takes Unix seconds or a time as 2026-01-31T12:00:00Z");
		return;
	}
	uint64_t closed;
	if (!revoke(call, &rev, &closed)) {
		return;
	}
	say_revocation(call, &rev);
	admin_reply_number(call->reply, "closed", closed);
	admin_reply_end_row(call->reply);
	struct bytes who = user.data != NULL ? user : jti;
	buf_printf(&call->reply->audit, "%s=%.*s closed=%" PRIu64,
		user.data != NULL ? "user" : "jti", (int)who.len, (const char *)who.data, closed);
}

static bool is_revoked(const struct revocations *set, struct bytes user, struct bytes jti)
{
	struct map_cursor cursor;
	struct revocation rev;
	map_walk(&set->entries, &cursor);
	while (revocations_next(set, &cursor, &rev)) {
		struct bytes sought = user.data != NULL ? user : jti;
		struct bytes name = user.data != NULL ? rev.user : rev.jti;
		if (!revocation_is_lift(&rev) && name.data != NULL && sought.data != NULL &&
			bytes_equal(name, sought)) {
			return true;
		}
	}
	return false;
}

void admin_cmd_unrevoke(struct admin_call *call)
{
	struct bytes user = call->options[0];
	struct bytes jti = call->options[1];
	const struct revocation rev = { .user = user, .jti = jti, .since_ms = call->wall_ms };
	uint64_t closed;
	if ((user.data == NULL) == (jti.data == NULL)) {
		admin_usage(call, "takes either --user or --jti");
		return;
	}
	if (!is_revoked(&call->ctx->route->revocations, user, jti)) {
		admin_refuse(call, "no revocation of that user or token");
		return;
	}
	if (!revoke(call, &rev, &closed)) {
		return;
	}
	say_name(call->reply, "user", user);
	say_name(call->reply, "jti", jti);
	admin_reply_end_row(call->reply);
	struct bytes who = user.data != NULL ? user : jti;
	buf_printf(&call->reply->audit, "%s=%.*s", user.data != NULL ? "user" : "jti", (int)who.len,
		(const char *)who.data);
}

// ---- the list

static void revocation_row(struct admin_call *call, const void *object)
{
	say_revocation(call, object);
	admin_reply_end_row(call->reply);
}

void admin_cmd_revocations(struct admin_call *call)
{
	const struct revocations *set = &call->ctx->route->revocations;
	struct admin_page page;
	if (!admin_open_page(call, &page, UINT64_MAX)) {
		return;
	}
	struct revocation *all = xcalloc(set->entries.n_entries + 1, sizeof(*all));
	struct map_cursor cursor;
	size_t n = 0;
	map_walk(&set->entries, &cursor);
	while (revocations_next(set, &cursor, &all[n])) {
		// Users first; a user and a jti of one name are two rows.
		bool by_user = all[n].user.len > 0;
		if (revocation_is_lift(&all[n])) {
			continue;
		}
		admin_page_offer(&page, by_user ? 1 : 0, by_user ? all[n].user : all[n].jti,
			&all[n]);
		n++;
	}
	admin_say_page(call, &page, revocation_row);
	admin_page_fini(&page);
	free(all);
}

// ---- kick

static uint64_t kick_user(struct admin_call *call, struct bytes name)
{
	const struct table_user *user = room_table_user_find(admin_table(call), name);
	uint64_t closed = 0;
	if (user != NULL) {
		const struct table_client *client;
		LIST_FOREACH (client, &user->clients, in_user) {
			if (!client->edge->going) {
				route_kick_saying(call->ctx->route, client, bytes_str("revoked"),
					call->options[2]);
				closed++;
			}
		}
	}
	return closed;
}

// What the client's token is known by: its id, or else its user and when it was issued.
static struct revocation revocation_of(const struct admin_call *call,
	const struct table_client *client)
{
	struct revocation rev = { .before_s = REVOCATION_ANY_TIME, .since_ms = call->wall_ms };
	if (client->jti != NULL) {
		rev.jti = bytes_str(client->jti);
	} else {
		rev.user = user_name(client->user);
		rev.before_s = client->issued_s > 0 ? client->issued_s + 1 : now_inclusive_s(call);
	}
	return rev;
}

static bool kick(struct admin_call *call, const struct table_client *client, uint64_t *closed)
{
	struct bytes user = call->options[0];
	bool fine = true;
	if (call->flags[0]) {
		struct revocation rev = { .user = user,
			.since_ms = call->wall_ms,
			.before_s = now_inclusive_s(call) };
		if (client != NULL) {
			rev = revocation_of(call, client);
		}
		// Whom it means is closed by that. Who came with a token of a later time is not,
		// but a user who is kicked goes with all connections.
		fine = revoke(call, &rev, closed);
	}
	if (fine && client == NULL) {
		*closed = kick_user(call, user);
	} else if (fine && !call->flags[0]) {
		route_kick_saying(call->ctx->route, client, bytes_str("revoked"), call->options[2]);
		*closed = 1;
	}
	return fine;
}

// The client reads the reason beside "revoked", unless its token is revoked as well: then it is
// closed by that, without a word of ours. The log has it in any case.
void admin_cmd_kick(struct admin_call *call)
{
	struct bytes user = call->options[0];
	struct bytes id = call->options[1];
	const struct table_client *client = NULL;
	if ((user.data == NULL) == (id.data == NULL)) {
		admin_usage(call, "takes either --user or --client");
		return;
	}
	if (id.data != NULL) {
		client = admin_find_client(call, id);
		if (client == NULL) {
			admin_refuse(call, "no such client");
			return;
		}
	}
	uint64_t closed;
	if (!kick(call, client, &closed)) {
		return;
	}
	admin_reply_number(call->reply, "closed", closed);
	admin_reply_end_row(call->reply);
	struct bytes who = user.data != NULL ? user : id;
	struct bytes reason = call->options[2];
	buf_printf(&call->reply->audit, "%s=%.*s closed=%" PRIu64 " revoke=%s reason=%.*s",
		user.data != NULL ? "user" : "client", (int)who.len, (const char *)who.data, closed,
		call->flags[0] ? "yes" : "no", (int)reason.len, (const char *)reason.data);
}
