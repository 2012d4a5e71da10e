// `weirctl store`: what there is to say of a durable store, a check of all that it holds, and a
// copy of it. The work is done by a thread of the store's; weirctl asks again until it is over.

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
	admin_reply_flag(reply, "up", !j->down);
	admin_reply_number(reply, "fileBytes", ctx->store_ops->file_bytes(ctx->arg));
	admin_reply_number(reply, "logBytes", j->written - j->slots[j->next_image].image_at);
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
		admin_reply_number(reply, "turns", job->turns);
		admin_reply_number(reply, "records", job->records);
		admin_reply_number(reply, "damaged", job->damaged);
	}
	admin_reply_end_row(reply);
}

static void go_on(struct admin_call *call, const char *backup_to)
{
	struct admin_store_job job = { 0 };
	switch (call->ctx->store_ops->job(call->ctx->arg, backup_to, call->cursor.len > 0, &job)) {
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

void admin_cmd_store(struct admin_call *call)
{
	struct bytes what = call->words[0];
	bool stats = bytes_equal_str(what, "stats");
	bool backup = bytes_equal_str(what, "backup");
	if (!(stats || backup || bytes_equal_str(what, "check")) ||
		call->n_words != (backup ? 2 : 1)) {
		admin_usage(call, "store takes stats, check, or backup and a folder");
		return;
	}
	if (backup && (call->words[1].data[0] != '/' || bytes_has_nul(call->words[1]))) {
		admin_usage(call, "the folder of a backup is a path from / on");
		return;
	}
	if (call->ctx->store_ops == NULL) {
		admin_refuse(call, "rooms are kept in memory");
		return;
	}
	if (stats) {
		say_stats(call);
		return;
	}
	char *dir = backup ? xstrndup(call->words[1].data, call->words[1].len) : NULL;
	go_on(call, dir);
	free(dir);
}
