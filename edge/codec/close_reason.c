// The one table of endings. It knows no connection: who closes, and when, is conn's; what it is
// called towards the client, in the log and in the metrics is decided here, so that the three can
// never disagree. Rows without a code end in a bare TCP close, which a browser reports as 1006.
//
// The delays spread reconnecting clients: a restart brings all of an edge's clients to its
// neighbours, so its range is short but not zero; whoever was too slow or too eager waits longer.

#include "edge/codec/close_reason.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/jscan.h"
#include "common/utf8.h"

static const struct close_rule rules[CLOSE_REASON_COUNT] = {
	[CLOSE_NONE] = { "none", 0, false, 0, 0 },
	[CLOSE_NORMAL] = { "normal", 1000, false, 0, 0 },
	[CLOSE_GOING_AWAY] = { "going_away", 1001, true, 100, 5000 },
	[CLOSE_PROTOCOL_ERROR] = { "protocol_error", 1002, false, 0, 0 },
	[CLOSE_UNSUPPORTED_DATA] = { "unsupported_data", 1003, false, 0, 0 },
	[CLOSE_BAD_UTF8] = { "bad_utf8", 1007, false, 0, 0 },
	[CLOSE_POLICY] = { "policy", 1008, false, 0, 0 },
	[CLOSE_TOO_BIG] = { "too_big", 1009, false, 0, 0 },
	[CLOSE_INTERNAL] = { "internal", 1011, true, 1000, 20000 },
	[CLOSE_RESTART] = { "restart", 1012, true, 100, 5000 },
	[CLOSE_OVERLOADED] = { "overloaded", 1013, true, 2000, 30000 },
	[CLOSE_MISSING_TOKEN] = { "missing_token", 4001, false, 0, 0 },
	[CLOSE_INVALID_TOKEN] = { "invalid_token", 4002, false, 0, 0 },
	[CLOSE_TOKEN_EXPIRED] = { "token_expired", 4003, true, 0, 2000 },
	[CLOSE_REVOKED] = { "revoked", 4004, false, 0, 0 },
	[CLOSE_REPLACED] = { "replaced", 4005, false, 0, 0 },
	[CLOSE_SLOW_CONSUMER] = { "slow_consumer", 4008, true, 500, 20000 },
	[CLOSE_RATE_LIMITED] = { "rate_limited", 4009, true, 5000, 30000 },
	[CLOSE_HEARTBEAT] = { "heartbeat", 0, true, 0, 0 },
	[CLOSE_PEER_GONE] = { "peer_gone", 0, true, 0, 0 },
	[CLOSE_HANDSHAKE_TIMEOUT] = { "handshake_timeout", 0, true, 0, 0 },
};

const struct close_rule *close_reason_rule(enum close_reason reason)
{
	CHECK(reason < CLOSE_REASON_COUNT);
	return &rules[reason];
}

enum close_reason close_reason_parse(struct bytes text, enum close_reason fallback)
{
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASON_COUNT; i++) {
		if (bytes_equal_str(text, rules[i].name)) {
			return (enum close_reason)i;
		}
	}
	return fallback;
}

enum close_reason close_reason_of_failure(unsigned code)
{
	for (unsigned i = CLOSE_PROTOCOL_ERROR; i <= CLOSE_TOO_BIG; i++) {
		if (rules[i].code == code) {
			return (enum close_reason)i;
		}
	}
	return CLOSE_PROTOCOL_ERROR;
}

size_t close_reason_payload(enum close_reason reason, const char *cause,
	uint8_t out[CLOSE_PAYLOAD_MAX])
{
	const struct close_rule *rule = close_reason_rule(reason);
	char after[40] = "";
	if (rule->reconnect) {
		snprintf(after, sizeof(after), ",\"after\":[%u,%u]", rule->after_min_ms,
			rule->after_max_ms);
	}
	char more[40] = "";
	if (cause != NULL) {
		snprintf(more, sizeof(more), ",\"cause\":\"%s\"", cause);
	}
	out[0] = (uint8_t)(rule->code >> 8);
	out[1] = (uint8_t)(rule->code & 0xff);
	size_t room = CLOSE_PAYLOAD_MAX - 2;
	char text[CLOSE_PAYLOAD_MAX];
	int len = snprintf(text, sizeof(text), "{\"reason\":\"%s\",\"reconnect\":%s%s%s}",
		rule->name, rule->reconnect ? "true" : "false", after, more);
	CHECK(len > 0 && (size_t)len <= room);
	memcpy(out + 2, text, (size_t)len);
	return 2 + (size_t)len;
}

// How much of the text fits `max` bytes as a JSON string, in whole characters.
static struct bytes fitting(struct bytes text, size_t max)
{
	struct buf json = { 0 };
	size_t len = 0;
	while (len < text.len) {
		size_t next = utf8_first(bytes_from(text, len));
		if (next == 0) {
			break; // not text from here on
		}
		buf_reset(&json, max);
		jscan_append_string(&json, bytes_make(text.data, len + next));
		if (json.len > max) {
			break;
		}
		len += next;
	}
	buf_fini(&json);
	return bytes_make(text.data, len);
}

size_t close_reason_payload_saying(enum close_reason reason, struct bytes text,
	uint8_t out[CLOSE_PAYLOAD_MAX])
{
	static const char name[] = ",\"message\":";
	size_t len = close_reason_payload(reason, NULL, out);
	size_t used = len + sizeof(name) - 1;
	struct buf json = { 0 };
	struct bytes said = used + 2 < CLOSE_PAYLOAD_MAX ? fitting(text, CLOSE_PAYLOAD_MAX - used)
							 : bytes_make(NULL, 0);
	if (said.len > 0) {
		len--; // the brace
		jscan_append_string(&json, said);
		memcpy(out + len, name, sizeof(name) - 1);
		len += sizeof(name) - 1;
		memcpy(out + len, json.data, json.len);
		len += json.len;
		out[len++] = '}';
	}
	buf_fini(&json);
	return len;
}
