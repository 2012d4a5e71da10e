// What the log says about a connection: who came and went, and who was refused why.
//
// Each of these lines can be caused by anybody who reaches the port, so each kind has a limit, and
// the next line of that kind says how many were left out. A token is never part of one: what
// refused it is a word of a closed set and the name of a claim.

#include "common/log.h"
#include "edge/client/conn_parts.h"
#include "edge/client/turn.h"
#include "edge/state/settings.h"

static bool logs_connections(const struct conn *c)
{
	return turn_of(c)->settings->conf.log_connections;
}

void conn_log_opened(const struct conn *c)
{
	struct turn *t = turn_of(c);
	char id[CLIENT_ID_MAX];
	char address[NET_IP_TEXT_MAX];
	uint32_t suppressed;
	if (logs_connections(c) && log_enabled(LOG_INFO) &&
		log_limit_pass(&t->connection_log, t->mono_ms, &suppressed)) {
		log_info("opened", LOG_BYTES("conn", conn_client_id(c, id)),
			LOG_BYTES("address", conn_address(c, address)),
			LOG_STR("user", c->identity.user),
			log_unless_zero("suppressed", suppressed));
	}
}

// Ends that the edge decided because of what the client did are worth a line in any case.
static bool is_verdict(enum close_reason reason)
{
	return reason == CLOSE_SLOW_CONSUMER || reason == CLOSE_INTERNAL ||
		reason == CLOSE_RATE_LIMITED || reason == CLOSE_POLICY ||
		reason == CLOSE_INVALID_TOKEN;
}

void conn_log_closed(const struct conn *c)
{
	struct turn *t = turn_of(c);
	enum close_reason reason = (enum close_reason)c->reason;
	char id[CLIENT_ID_MAX];
	char address[NET_IP_TEXT_MAX];
	uint32_t suppressed;
	if ((logs_connections(c) || is_verdict(reason)) && log_enabled(LOG_INFO) &&
		log_limit_pass(&t->connection_log, t->mono_ms, &suppressed)) {
		log_info("closed", LOG_BYTES("conn", conn_client_id(c, id)),
			LOG_BYTES("address", conn_address(c, address)),
			LOG_STR("user", c->identity.user),
			LOG_STR("reason", close_reason_rule(reason)->name),
			LOG_UINT("duration_ms", turn_client_ms(t) - c->opened_ms),
			LOG_UINT("queued", c->stream.out.bytes),
			log_unless_zero("suppressed", suppressed));
	}
}

void conn_log_refused(const struct conn *c, int status, const char *why, struct bytes origin)
{
	struct turn *t = turn_of(c);
	char address[NET_IP_TEXT_MAX];
	uint32_t suppressed;
	if (log_enabled(LOG_INFO) && log_limit_pass(&t->refusal_log, t->mono_ms, &suppressed)) {
		log_info("handshake_refused", LOG_BYTES("address", conn_address(c, address)),
			LOG_UINT("status", status), LOG_STR("reason", why),
			log_unless_empty("origin", origin),
			log_unless_zero("suppressed", suppressed));
	}
}

void conn_log_token_refused(const struct conn *c, const char *cause, const char *claim)
{
	struct turn *t = turn_of(c);
	char address[NET_IP_TEXT_MAX];
	uint32_t suppressed;
	if (log_enabled(LOG_INFO) && log_limit_pass(&t->token_log, t->mono_ms, &suppressed)) {
		log_info("token_refused", LOG_BYTES("address", conn_address(c, address)),
			log_unless_empty("user", bytes_str(c->identity.user)),
			LOG_STR("reason", cause), log_unless_empty("claim", bytes_str(claim)),
			log_unless_zero("suppressed", suppressed));
	}
}
