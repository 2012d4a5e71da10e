// The syntax of the file of options: text to lines, lines to names and values, and back. Knows no
// option.
#pragma once

#include "common/buf.h"
#include "common/bytes.h"

// A walk over the lines of `text`, which it takes apart: ends of line become NULs.
struct conf_lines {
	char *at;
	char *end;
	unsigned number; // of the line just returned, from 1
};
void conf_lines_init(struct conf_lines *lines, struct buf *text);
// The next line without its end, LF or CRLF, or NULL. A NUL within the line has become the byte
// 0x01, so that it is refused as any control character is.
char *conf_lines_next(struct conf_lines *lines);

struct conf_line {
	struct bytes name; // empty: nothing on the line, or nothing that could be read
	char *value; // NULL: the name stands alone
};
// Parses `text` in place; `line` borrows from it. Returns NULL or what is wrong.
const char *conf_line_parse(char *text, struct conf_line *line);
// Appends the line that reads as `name` and `value`, with its end.
void conf_line_format(struct buf *out, const char *name, struct bytes value);
