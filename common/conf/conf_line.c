// A line is `name = value`, or a name alone. '#' at the start or after a blank begins a comment. A
// value in double quotes may hold such a '#' and blanks at its ends; \" and \\ are its only
// escapes.
//
// Rejected: taking '#' for a comment at the start of a line only. `lobby = main # for all` would
// then quietly name a room nobody meant, while a value that needs its '#' is rare and can be
// quoted.

#include "common/conf/conf_line.h"

#include <stdbool.h>
#include <string.h>

#include "common/utf8.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at)
{
	return at + strspn(at, " \t");
}

static void trim_end(char *text)
{
	size_t len = strlen(text);
	while (len > 0 && is_blank(text[len - 1])) {
		len--;
	}
	text[len] = '\0';
}

void conf_lines_init(struct conf_lines *lines, struct buf *text)
{
	static const char bom[] = "\xef\xbb\xbf";
	// Room for the NUL of a last line without an end.
	*buf_reserve(text, 1) = '\0';
	*lines = (struct conf_lines){
		.at = (char *)text->data,
		.end = (char *)text->data + text->len,
	};
	if (bytes_has_prefix(buf_bytes(text), bom)) {
		lines->at += strlen(bom);
	}
}

char *conf_lines_next(struct conf_lines *lines)
{
	if (lines->at == lines->end) {
		return NULL;
	}
	char *line = lines->at;
	char *newline = memchr(line, '\n', (size_t)(lines->end - line));
	char *end = newline != NULL ? newline : lines->end;
	lines->at = newline != NULL ? newline + 1 : lines->end;
	lines->number++;
	if (end > line && end[-1] == '\r') {
		end--;
	}
	for (char *c = line; c < end; c++) {
		*c = (char)(*c == '\0' ? 1 : *c);
	}
	*end = '\0';
	return line;
}

static void cut_comment(char *text)
{
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '#' && (c == text || is_blank(c[-1]))) {
			*c = '\0';
			return;
		}
	}
}

// In place; NULL if the quotes do not end or something but a comment follows them.
static char *unquote(char *text)
{
	char *to = text;
	char *from = text + 1;
	for (; *from != '"'; from++) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\')) {
			from++;
		}
		if (*from == '\0') {
			return NULL;
		}
		*to++ = *from;
	}
	char *rest = from + 1;
	cut_comment(rest);
	*to = '\0';
	return *skip_blanks(rest) == '\0' ? text : NULL;
}

static const char *parse_value(char *text, struct conf_line *line)
{
	if (text[0] == '"') {
		line->value = unquote(text);
		return line->value != NULL ? NULL : "quotes do not match";
	}
	cut_comment(text);
	trim_end(text);
	line->value = text;
	return NULL;
}

const char *conf_line_parse(char *text, struct conf_line *line)
{
	static const char no_line[] = "not `name = value`";
	*line = (struct conf_line){ 0 };
	if (!utf8_valid(bytes_str(text))) {
		return "not UTF-8";
	}
	trim_end(text);
	char *name = skip_blanks(text);
	if (name[0] == '\0' || name[0] == '#') {
		return NULL;
	}
	size_t len = strcspn(name, " \t=#");
	char *rest = skip_blanks(name + len);
	line->name = bytes_make(name, len);
	if (rest[0] == '=') {
		return len > 0 ? parse_value(skip_blanks(rest + 1), line) : no_line;
	}
	return rest[0] == '\0' || rest[0] == '#' ? NULL : no_line;
}

static bool needs_quotes(struct bytes value)
{
	return value.len > 0 &&
		(value.data[0] == '"' || is_blank((char)value.data[0]) ||
			is_blank((char)value.data[value.len - 1]) ||
			memchr(value.data, '#', value.len) != NULL);
}

static void append_quoted(struct buf *out, struct bytes value)
{
	buf_append_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '"' || value.data[i] == '\\') {
			buf_append_byte(out, '\\');
		}
		buf_append_byte(out, value.data[i]);
	}
	buf_append_byte(out, '"');
}

void conf_line_format(struct buf *out, const char *name, struct bytes value)
{
	buf_append_str(out, name);
	buf_append_str(out, value.len > 0 ? " = " : " =");
	if (needs_quotes(value)) {
		append_quoted(out, value);
	} else {
		buf_append_bytes(out, value);
	}
	buf_append_byte(out, '\n');
}
