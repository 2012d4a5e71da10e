// A short table searched from the front: there are a handful of causes in any run, and each costs a
// connection or a refusal. A server that gives every close a text of its own fills the table, no
// more.

#include "tests/bench/endings.h"

#include <stdio.h>
#include <string.h>

static void render(char out[ENDING_TEXT_MAX + 1], const char *how, unsigned code,
	struct bytes reason)
{
	char number[16] = "";
	if (code != 0) {
		snprintf(number, sizeof(number), " %u", code);
	}
	snprintf(out, ENDING_TEXT_MAX + 1, "%s%s%s%.*s", how, number, reason.len > 0 ? " " : "",
		(int)(reason.len < ENDING_TEXT_MAX ? reason.len : ENDING_TEXT_MAX),
		reason.len > 0 ? (const char *)reason.data : "");
	for (char *c = out; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\') {
			*c = '?';
		}
	}
}

static struct ending *row_of(struct endings *e, const char *text)
{
	for (size_t i = 0; i < e->n_rows; i++) {
		if (strcmp(e->rows[i].text, text) == 0) {
			return &e->rows[i];
		}
	}
	if (e->n_rows == ENDINGS_MAX) {
		return NULL;
	}
	struct ending *row = &e->rows[e->n_rows++];
	snprintf(row->text, sizeof(row->text), "%s", e->n_rows < ENDINGS_MAX ? text : "other");
	return row;
}

void endings_count(struct endings *e, const char *how, unsigned code, struct bytes reason)
{
	char text[ENDING_TEXT_MAX + 1];
	render(text, how, code, reason);
	struct ending *row = row_of(e, text);
	if (row == NULL) {
		row = &e->rows[ENDINGS_MAX - 1];
	}
	row->n++;
}
