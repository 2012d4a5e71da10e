#include "edge/client/conn_deadline.h"

#include "common/clock.h"
#include "edge/client/turn.h"
#include "edge/state/settings.h"

enum {
	CLOSE_TIMEOUT_MS = 5000,
	LINGER_TIMEOUT_MS = 2000,
	EXPIRY_NOTICE_MS = 30000,
};

uint64_t conn_request_deadline(const struct conn *c)
{
	return c->state_ms + turn_of(c)->settings->conf.handshake_timeout_ms;
}

uint64_t conn_closing_deadline(const struct conn *c)
{
	return c->state_ms + CLOSE_TIMEOUT_MS;
}

uint64_t conn_linger_deadline(const struct conn *c)
{
	return c->state_ms + LINGER_TIMEOUT_MS;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// When a wall-clock time comes, in the worker's.
static uint64_t at_wall_time(const struct conn *c, int64_t wall_ms)
{
	int64_t left = wall_ms - clock_wall_ms();
	return turn_client_ms(turn_of(c)) + (left > 0 ? (uint64_t)left : 0);
}

uint64_t conn_expiry_deadline(const struct conn *c)
{
	int64_t expires_ms = c->identity.expires_s * 1000;
	return at_wall_time(c,
		c->expiry_told ? expires_ms + (int64_t)turn_of(c)->settings->conf.jwt_leeway_ms
			       : expires_ms - EXPIRY_NOTICE_MS);
}

uint64_t conn_open_deadline(const struct conn *c)
{
	const struct edge_conf *conf = &turn_of(c)->settings->conf;
	uint64_t at = c->ping_ms;
	if (c->reading && !c->events) {
		at = earlier(at, c->rx_ms + conf->heartbeat_timeout_ms);
	}
	if (c->message_ms != 0) {
		at = earlier(at, c->message_ms + MESSAGE_TIMEOUT_MS);
	}
	if (c->stream.blocked != NULL) {
		at = earlier(at, c->stream.progress_ms + conf->slow_timeout_ms);
	}
	if (c->identity.expires_s != 0) {
		at = earlier(at, conn_expiry_deadline(c));
	}
	return at;
}
