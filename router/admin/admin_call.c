// Listings go through admin_page: bounded in rows and bytes whatever the tables hold. A client is
// found by its id by looking at all of them; an index for a command that a person types would cost
// memory on every connection.

#include "router/admin/admin_call.h"

#include <stdlib.h>

#include "common/conf/conf_value.h"
#include "common/mem.h"

const struct room_table *admin_table(const struct admin_call *call)
{
	return &call->ctx->route->table;
}

void admin_refuse(struct admin_call *call, const char *what)
{
	admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__REFUSED, "%s", what);
}

void admin_usage(struct admin_call *call, const char *what)
{
	const struct admin_command *c = call->command;
	admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__USAGE, "%s\nusage: weirctl %s%s%s",
		what, c->name, c->args[0] != '\0' ? " " : "", c->args);
}

void admin_text_or_null(struct admin_reply *reply, const char *name, const char *text)
{
	if (text != NULL) {
		admin_reply_text(reply, name, bytes_str(text));
	} else {
		admin_reply_null(reply, name);
	}
}

bool admin_value(const struct conf_option *type, struct bytes text, void *field)
{
	struct buf why = { 0 };
	char *copy = xstrndup(text.data, text.len);
	bool good = conf_value_set(type, field, copy, &why);
	buf_fini(&why);
	free(copy);
	return good;
}

void admin_say_page(struct admin_call *call, struct admin_page *page, admin_row_fn *row)
{
	admin_page_close(page);
	call->reply->table = true;
	size_t n = 0;
	while (n < page->n && !admin_reply_is_full(call->reply)) {
		row(call, page->entries[n++].object);
	}
	if (admin_page_has_more(page, n)) {
		// A word that says what it is: weirctl hands it back as it came.
		buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX);
		admin_page_cursor(page, n, &call->reply->cursor);
	}
}

bool admin_open_page(struct admin_call *call, struct admin_page *page, uint64_t limit)
{
	if (admin_page_init(page, limit, call->cursor)) {
		return true;
	}
	admin_usage(call, "bad cursor");
	return false;
}

struct table_edge *admin_find_edge(const struct admin_call *call, struct bytes name)
{
	struct table_edge *edge;
	LIST_FOREACH (edge, &admin_table(call)->edges, in_table) {
		if (bytes_equal_str(name, edge->name)) {
			return edge;
		}
	}
	return NULL;
}

const struct table_client *admin_find_client(const struct admin_call *call, struct bytes id)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &admin_table(call)->edges, in_table) {
		const struct table_client *client;
		LIST_FOREACH (client, &edge->list, in_edge) {
			if (bytes_equal_str(id, client->id)) {
				return client;
			}
		}
	}
	return NULL;
}
