// `weirctl store`: what there is to say of a durable store, a check of all that it holds, a copy of
// it, and images of all that is alive. The work is done by a thread of the store's, or in turns as
// any other; weirctl asks again until it is over.

#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"
#include "router/admin/admin_call.h"

static void say_stats(struct admin_call *call)
{
	const struct admin_context *ctx = call->ctx;
	const struct journal *j = &ctx->route->journal;
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "store", bytes_str(ctx->store));
	admin_reply_flag(reply, "up", journal_is_up(j));
	admin_reply_number(reply, ctx->store_ops->by_slot ? "redisBytes" : "fileBytes",
		ctx->store_ops->file_bytes(ctx->store_arg));
	admin_reply_number(reply, "logBytes", journal_log_bytes(j));
	admin_reply_number(reply, "turns", j->number);
	admin_reply_end_row(reply);
}

static void say_done(struct admin_call *call, const char *backup_to,
	const struct admin_store_job *job)
{
	struct admin_reply *reply = call->reply;
	if (backup_to != NULL) {
		admin_reply_text(reply, "folder", bytes_str(backup_to));
	} else {
		admin_reply_number(reply, call->ctx->store_ops->by_slot ? "logs" : "turns",
			job->turns);
		admin_reply_number(reply, "records", job->records);
		admin_reply_number(reply, "damaged", job->damaged);
	}
	admin_reply_end_row(reply);
}

static void compact(struct admin_call *call)
{
	struct journal *j = &call->ctx->route->journal;
	if (call->ctx->store_ops->compact_refusal != NULL) {
		admin_refuse(call, call->ctx->store_ops->compact_refusal);
		return;
	}
	if (!journal_is_up(j)) {
		j->n_compacting = 0;
		admin_refuse(call, "the store refuses, or does not answer");
		return;
	}
	if (call->cursor.len == 0) {
		route_compact(call->ctx->route);
	}
	if (j->n_compacting > 0) {
		buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX "again");
		return;
	}
	say_stats(call);
}

static void go_on(struct admin_call *call, const char *backup_to)
{
	struct admin_store_job job = { 0 };
	switch (call->ctx->store_ops->job(call->ctx->store_arg, backup_to, call->cursor.len > 0,
		&job)) {
	case ADMIN_JOB_NOT_YET:
		buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX "again");
		break;
	case ADMIN_JOB_DONE:
		say_done(call, backup_to, &job);
		break;
	case ADMIN_JOB_FAILED:
		admin_refuse(call, job.why);
		break;
	}
}

// The words after `store`: what to do, and for a backup where to.
static bool words_ok(struct admin_call *call)
{
	static const char *const known[] = { "stats", "check", "compact" };
	struct bytes what = call->words[0];
	if (bytes_equal_str(what, "backup") && call->n_words == 2) {
		struct bytes to = call->words[1];
		if (to.len == 0 || to.data[0] != '/' || bytes_has_nul(to)) {
			admin_usage(call, "the folder of a backup is a path from / on");
			return false;
		}
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(known) && call->n_words == 1; i++) {
		if (bytes_equal_str(what, known[i])) {
			return true;
		}
	}
	admin_usage(call, "store takes stats, check, compact, or backup and a folder");
	return false;
}

void admin_cmd_store(struct admin_call *call)
{
	struct bytes what = call->words[0];
	if (!words_ok(call)) {
		return;
	}
	if (call->ctx->store_ops == NULL) {
		admin_refuse(call, "rooms are kept in memory");
	} else if (bytes_equal_str(what, "stats")) {
		say_stats(call);
	} else if (bytes_equal_str(what, "compact")) {
		compact(call);
	} else if (bytes_equal_str(what, "check")) {
		go_on(call, NULL);
	} else {
		char *dir = xstrndup(call->words[1].data, call->words[1].len);
		go_on(call, dir);
		free(dir);
	}
}
