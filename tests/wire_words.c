// Prints every word that the product sends to say what happened, one a line behind the name of its
// set: it asks the tables that the product itself asks. integration/test_protocol_pages.py compares
// the pages of proto/ with them. Events are printed as the codec renders them, with every member
// they may have.

#include <stdio.h>

#include "common/http_head.h"
#include "common/mem.h"
#include "edge/auth/auth.h"
#include "edge/client/api_refusals.h"
#include "edge/codec/close_reason.h"
#include "edge/codec/codec.h"
#include "edge/state/edge_metrics.h"
#include "proto/admin_command.h"
#include "proto/reasons.h"
#include "router/admin/admin_verdict.h"
#include "router/core/notices.h"
#include "router/core/recorder.h"

static void print_closes(void)
{
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASON_COUNT; i++) {
		uint8_t payload[CLOSE_PAYLOAD_MAX];
		size_t len = close_reason_payload((enum close_reason)i, NULL, payload);
		printf("close %u %.*s\n", close_reason_rule((enum close_reason)i)->code,
			(int)len - 2, (const char *)payload + 2);
	}
}

static void print_causes(void)
{
	for (int i = AUTH_OK + 1; i <= AUTH_LIFETIME; i++) {
		printf("cause %s\n", auth_result_cause((enum auth_result)i));
	}
}

static void print_statuses(void)
{
	for (const struct http_status *row = http_statuses; row->code != 0; row++) {
		printf("status %d\n", row->code);
	}
}

static void print_errors(void)
{
	for (unsigned i = ERROR_NONE + 1; i < ERROR_COUNT; i++) {
		printf("error %s %s\n", client_error_code((enum client_error)i),
			client_error_message((enum client_error)i));
	}
}

static void print_refusals(void)
{
	for (size_t i = 0; i + 1 < API_STATUSES; i++) {
		printf("counted %d\n", edge_metrics_api_status(i));
	}
	for (unsigned i = 0; i < API_REFUSAL_COUNT; i++) {
		const struct api_refusal_row *row = api_refusal_row((enum api_refusal)i);
		printf("refusal %d %s\n", row->status, row->code);
	}
	for (unsigned i = ERROR_NONE + 1; i < ERROR_COUNT; i++) {
		printf("refusal %d %s\n", api_status_of((enum client_error)i),
			client_error_code((enum client_error)i));
	}
}

static void print_reasons(void)
{
	for (unsigned i = 0; i < GOAWAY_REASON_COUNT; i++) {
		printf("goaway %s\n", goaway_reason_name((enum goaway_reason)i));
	}
	for (unsigned i = 0; i < GAP_REASON_COUNT; i++) {
		printf("gap %s\n", gap_reason_name((enum gap_reason)i));
	}
	for (unsigned i = LEFT_UNSAID + 1; i < LEFT_REASON_COUNT; i++) {
		printf("left %s\n", left_reason_name((enum left_reason)i));
	}
}

static void print_admin(void)
{
	for (unsigned i = 0; i < ADMIN_COMMAND_COUNT; i++) {
		printf("weirctl %s %s\n", admin_commands[i].name, admin_commands[i].args);
	}
	for (unsigned i = 0; i < VERDICT_COUNT; i++) {
		printf("verdict %s\n", verdict_name((enum verdict)i));
	}
	for (unsigned i = 0; i < RECORD_KIND_COUNT; i++) {
		printf("record %s\n", record_kind_name((enum record_kind)i));
	}
	for (unsigned i = 0; i < CAUSE_COUNT; i++) {
		printf("leave %s\n", record_cause_name((enum record_cause)i));
	}
}

static void print_commands(void)
{
	const struct codec_options options = { 0 };
	for (unsigned i = 0; i < TYPE_COUNT; i++) {
		const char *name = type_name((enum known_type)i);
		enum command_kind kind;
		enum client_error error = codec_type_check(&options, bytes_str(name), &kind);
		if (error == ERROR_NONE && kind != COMMAND_PUBLISH) {
			printf("command %s\n", name);
		} else if (error != ERROR_NONE) {
			printf("event %s\n", name);
		}
	}
}

static void print_event(enum event_kind kind, enum outcome outcome)
{
	static const char *const roles[] = { "r" };
	const struct bytes word = bytes_str("w");
	const struct event_message message = { .type = word, .body = bytes_str("{}"), .seq = 1 };
	const struct event_user user = { word, word, 1 };
	const struct client_event event = {
		.kind = kind,
		.id = bytes_str("1"),
		.room = word,
		.type = word,
		.from = word,
		.user = word,
		.username = word,
		.epoch = 1,
		.seq = 1,
		.timestamp_ms = 1,
		.body = bytes_str("{}"),
		.members = 1,
		.has_members = true,
		.duplicate = true,
		.has_recovered = true,
		.reason = word,
		.error = ERROR_UNAVAILABLE,
		.needs_role = "r",
		.outcome = outcome,
		.roles = roles,
		.n_roles = 1,
		.expires_s = 1,
		.messages = &message,
		.n_messages = 1,
		.has_messages = true,
		.present = &user,
		.n_present = 1,
	};
	struct buf out = { 0 };
	codec_json.encode(&out, &event);
	printf("message %.*s\n", (int)out.len, (const char *)out.data);
	buf_fini(&out);
}

static void print_notices(void)
{
	for (unsigned i = 0; i < NOTICE_KIND_COUNT; i++) {
		printf("notice %s\n", notice_kind_name((enum notice_kind)i));
	}
}

int main(void)
{
	print_closes();
	print_causes();
	print_statuses();
	print_errors();
	print_refusals();
	print_reasons();
	print_admin();
	print_commands();
	print_notices();
	for (unsigned i = 0; i < EVENT_COUNT; i++) {
		print_event((enum event_kind)i, OUTCOME_NOT_SAID);
	}
	for (unsigned i = OUTCOME_NOT_SAID + 1; i < OUTCOME_COUNT; i++) {
		print_event(EVENT_ERROR, (enum outcome)i);
	}
	return 0;
}
