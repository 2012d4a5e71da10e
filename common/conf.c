// Where options come from, and what is said about them.
//
// The sources are applied from the lowest to the highest, each overwriting what it names; each value
// is checked as it is set, so a fault in the file shows even where the command line hides it, and
// not on the day when it no longer does. Only then follow the checks across options (`complete`) and
// those for what is not built yet, both on the values that count.
//
// The environment is asked for the options, never searched: Kubernetes puts WEIR_EDGE_PORT and its
// like into every container beside a service called weir-edge, so an unknown variable is no typo.
//
// Names in errors are those of the table. An unknown one is repeated only if it looks like the name
// of an option and is shorter than any key may be: the line may be a secret in the wrong file.
//
// Rejected: getopt_long. It knows neither lists nor files nor where a value came from, and a second
// table of the same names would have to be kept equal to the first.

#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_value.h"
#include "common/mem.h"
#include "common/utf8.h"

enum {
	FILE_MAX = 1024 * 1024,
	NAME_MAX_SHOWN = 31, // the shortest key has 32 bytes
	HELP_COLUMN = 38,
};

// Options of the command line alone, in the order of their place in a load.
enum builtin {
	BUILTIN_CONFIG,
	BUILTIN_CHECK,
	BUILTIN_PRINT,
	BUILTIN_PROBE,
	BUILTIN_HELP,
	BUILTIN_VERSION,
};

static const struct {
	const char *name;
	const char *value; // NULL: takes none
	const char *help;
} builtins[] = {
	[BUILTIN_CONFIG] = { "config", "FILE",
		"read options from FILE, one `name = value` a line" },
	[BUILTIN_CHECK] = { "check-config", NULL,
		"check the options and the files they name, and exit" },
	[BUILTIN_PRINT] = { "print-config", NULL,
		"print the effective options as a file, and exit" },
	[BUILTIN_PROBE] = { "probe", "URL", "exit 0 if a GET of URL answers 200" },
	[BUILTIN_HELP] = { "help", NULL, "print this help, and exit" },
	[BUILTIN_VERSION] = { "version", NULL, "print name and version, and exit" },
};

struct assignment {
	size_t option;
	const char *value; // borrowed from argv; NULL: the option stood alone
};

struct loader {
	const struct conf_spec *spec;
	void *into;
	struct buf *error;
	struct conf_result *result;
	struct assignment *assignments; // owned; what the command line sets, in its order
	size_t n_assignments;
	bool check;
	bool print;
	bool config_from_environment;
};

static void *field_of(const struct conf_option *option, void *conf)
{
	return (char *)conf + option->offset;
}

static const void *field_of_const(const struct conf_option *option, const void *conf)
{
	return (const char *)conf + option->offset;
}

static size_t option_find(const struct conf_spec *spec, struct bytes name)
{
	size_t i = 0;
	while (i < spec->n_options && !bytes_equal_str(name, spec->options[i].name)) {
		i++;
	}
	return i;
}

// Errors

static void append_source(const struct conf_result *result, struct conf_source source,
	struct buf *out)
{
	switch (source.origin) {
	case CONF_FROM_ENVIRONMENT:
		buf_append_str(out, "environment");
		return;
	case CONF_FROM_FILE:
		buf_printf(out, "%s:%u", result->config_file, source.line);
		return;
	case CONF_FROM_COMMAND_LINE:
		buf_append_str(out, "command line");
		return;
	case CONF_FROM_DEFAULT:
		buf_append_str(out,
			result->config_file != NULL ? result->config_file : "command line");
		return;
	}
}

static void begin_error(const struct conf_result *result, struct conf_source source,
	const char *name, struct buf *error)
{
	buf_append_str(error, "error: ");
	append_source(result, source, error);
	buf_printf(error, ": %s: ", name);
}

void conf_fault(const struct conf_spec *spec, const struct conf_result *result, const char *option,
	const char *what, struct buf *error)
{
	size_t i = option_find(spec, bytes_str(option));
	CHECK(i < spec->n_options);
	begin_error(result, result->sources[i], option, error);
	buf_append_str(error, what);
}

static bool fail(struct loader *l, struct conf_source source, const char *name, const char *what)
{
	begin_error(l->result, source, name, l->error);
	buf_append_str(l->error, what);
	return false;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Levenshtein, by rows; `name` is at most NAME_MAX_SHOWN long.
static size_t edit_distance(struct bytes name, const char *candidate)
{
	size_t row[NAME_MAX_SHOWN + 1];
	for (size_t i = 0; i <= name.len; i++) {
		row[i] = i;
	}
	for (size_t j = 0; candidate[j] != '\0'; j++) {
		size_t diagonal = row[0];
		row[0] = j + 1;
		for (size_t i = 1; i <= name.len; i++) {
			size_t replaced = diagonal + (name.data[i - 1] != (uint8_t)candidate[j]);
			diagonal = row[i];
			row[i] = least(replaced, least(row[i - 1], row[i]) + 1);
		}
	}
	return row[name.len];
}

static const char *nearest_name(const struct conf_spec *spec, struct bytes name, bool with_builtins)
{
	const char *best = NULL;
	size_t best_distance = 1 + least(3, name.len / 2);
	size_t n_builtins = with_builtins ? ARRAY_LEN(builtins) : 0;
	for (size_t i = 0; i < spec->n_options + n_builtins; i++) {
		const char *candidate = i < spec->n_options ? spec->options[i].name
							    : builtins[i - spec->n_options].name;
		size_t distance = edit_distance(name, candidate);
		if (distance < best_distance) {
			best_distance = distance;
			best = candidate;
		}
	}
	return best;
}

static bool looks_like_a_name(struct bytes name)
{
	bool ok = name.len > 0 && name.len <= NAME_MAX_SHOWN;
	for (size_t i = 0; ok && i < name.len; i++) {
		ok = islower(name.data[i]) || isdigit(name.data[i]) || name.data[i] == '-' ||
			name.data[i] == '_';
	}
	return ok;
}

static bool fail_unknown(struct loader *l, struct conf_source source, struct bytes name)
{
	if (!looks_like_a_name(name)) {
		bool in_file = source.origin == CONF_FROM_FILE;
		return fail(l, source, in_file ? "line" : "argument",
			in_file ? "not `name = value`" : "not an option");
	}
	char shown[NAME_MAX_SHOWN + 1] = { 0 };
	memcpy(shown, name.data, name.len);
	fail(l, source, shown, "unknown option");
	const char *near = nearest_name(l->spec, name, source.origin == CONF_FROM_COMMAND_LINE);
	if (near != NULL) {
		buf_printf(l->error, ", did you mean %s?", near);
	}
	return false;
}

// Setting

// The first value from a source takes the place of what lower ones said; more can only be more items
// of a list. `value` NULL: the option stood alone.
static bool set(struct loader *l, size_t i, struct conf_source source, const char *value)
{
	const struct conf_option *option = &l->spec->options[i];
	void *field = field_of(option, l->into);
	if (l->result->sources[i].origin != source.origin && option->type == CONF_LIST) {
		conf_value_clear(option, field);
	}
	if (value == NULL && option->type != CONF_BOOL) {
		return fail(l, source, option->name, "value missing");
	}
	l->result->sources[i] = source;
	struct buf why = { 0 };
	const char *text = value != NULL ? value : "yes";
	bool ok = source.origin == CONF_FROM_ENVIRONMENT || source.origin == CONF_FROM_DEFAULT
		? conf_value_set_split(option, field, text, &why)
		: conf_value_set(option, field, text, &why);
	if (!ok) {
		buf_append_byte(&why, '\0');
		fail(l, source, option->name, (const char *)why.data);
	}
	buf_fini(&why);
	return ok;
}

static void set_defaults(struct loader *l)
{
	for (size_t i = 0; i < l->spec->n_options; i++) {
		const struct conf_option *option = &l->spec->options[i];
		struct conf_source source = { .origin = CONF_FROM_DEFAULT };
		if (option->def != NULL || option->type == CONF_STRING) {
			CHECK(set(l, i, source, option->def != NULL ? option->def : ""));
		}
	}
}

// Command line

static bool is_bool_word(const char *text)
{
	static const struct conf_option any = { .type = CONF_BOOL };
	bool value;
	struct buf why = { 0 };
	bool ok = conf_value_set(&any, &value, text, &why);
	buf_fini(&why);
	return ok;
}

static bool set_builtin(struct loader *l, enum builtin builtin, const char *value)
{
	static const struct conf_source source = { .origin = CONF_FROM_COMMAND_LINE };
	bool takes_value = builtins[builtin].value != NULL;
	if (takes_value && (value == NULL || value[0] == '\0')) {
		return fail(l, source, builtins[builtin].name, "value missing");
	}
	if (!takes_value && value != NULL) {
		return fail(l, source, builtins[builtin].name, "takes no value");
	}
	switch (builtin) {
	case BUILTIN_CONFIG:
		l->result->config_file = value;
		break;
	case BUILTIN_CHECK:
		l->check = true;
		break;
	case BUILTIN_PRINT:
		l->print = true;
		break;
	case BUILTIN_PROBE:
		l->result->probe_url = value;
		l->result->action = CONF_PROBE;
		break;
	case BUILTIN_HELP:
		conf_help(l->spec, stdout);
		l->result->action = CONF_EXIT;
		break;
	case BUILTIN_VERSION:
		printf("%s %s\n", l->spec->program, WEIR_VERSION);
		l->result->action = CONF_EXIT;
		break;
	}
	return true;
}

struct argument {
	struct bytes name;
	const char *value; // after '=', or NULL
};

static bool split_argument(const char *arg, struct argument *out)
{
	if (strncmp(arg, "--", 2) != 0) {
		return false;
	}
	size_t len = strcspn(arg + 2, "=");
	out->name = bytes_make(arg + 2, len);
	out->value = arg[2 + len] == '=' ? arg + 2 + len + 1 : NULL;
	return true;
}

static size_t builtin_find(struct bytes name)
{
	size_t i = 0;
	while (i < ARRAY_LEN(builtins) && !bytes_equal_str(name, builtins[i].name)) {
		i++;
	}
	return i;
}

// Whether argv[i + 1], if there is one, is the value of the option before it. An option where a value
// is due is a forgotten value; one that begins like that can be given as --name=--value.
static bool takes_next(bool is_bool, const char *next)
{
	return next != NULL && (is_bool ? is_bool_word(next) : strncmp(next, "--", 2) != 0);
}

// Carries out what is for the command line alone and notes the rest. Stops early when that settles
// what is to be done.
static bool scan_arguments(struct loader *l, int argc, char **argv)
{
	static const struct conf_source source = { .origin = CONF_FROM_COMMAND_LINE };
	l->assignments = xcalloc((size_t)argc + 1, sizeof(l->assignments[0]));
	for (int i = 1; i < argc && l->result->action == CONF_RUN; i++) {
		struct argument arg;
		if (!split_argument(argv[i], &arg)) {
			return fail(l, source, "argument", "not an option");
		}
		size_t builtin = builtin_find(arg.name);
		size_t option = option_find(l->spec, arg.name);
		bool is_builtin = builtin < ARRAY_LEN(builtins);
		if (!is_builtin && option == l->spec->n_options) {
			return fail_unknown(l, source, arg.name);
		}
		bool wants_value = !is_builtin || builtins[builtin].value != NULL;
		bool is_bool = !is_builtin && l->spec->options[option].type == CONF_BOOL;
		if (arg.value == NULL && wants_value && takes_next(is_bool, argv[i + 1])) {
			arg.value = argv[++i];
		}
		if (!is_builtin) {
			l->assignments[l->n_assignments++] =
				(struct assignment){ .option = option, .value = arg.value };
		} else if (!set_builtin(l, (enum builtin)builtin, arg.value)) {
			return false;
		}
	}
	return true;
}

static bool apply_arguments(struct loader *l)
{
	static const struct conf_source source = { .origin = CONF_FROM_COMMAND_LINE };
	bool ok = true;
	for (size_t i = 0; ok && i < l->n_assignments; i++) {
		ok = set(l, l->assignments[i].option, source, l->assignments[i].value);
	}
	return ok;
}

// Environment

static const char *from_environment(const struct conf_spec *spec, const char *name)
{
	char *variable = xasprintf("%s%s", spec->env_prefix, name);
	for (char *c = variable; *c != '\0'; c++) {
		*c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
	}
	const char *value = getenv(variable);
	free(variable);
	return value;
}

static bool apply_environment(struct loader *l)
{
	static const struct conf_source source = { .origin = CONF_FROM_ENVIRONMENT };
	bool ok = true;
	for (size_t i = 0; ok && i < l->spec->n_options; i++) {
		const char *value = from_environment(l->spec, l->spec->options[i].name);
		if (value != NULL) {
			ok = set(l, i, source, value);
		}
	}
	return ok;
}

// File

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

// Cuts off a comment: '#' at the start or after a blank.
static void cut_comment(char *text)
{
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '#' && (c == text || is_blank(c[-1]))) {
			*c = '\0';
			return;
		}
	}
}

// Takes the quotes off a value "..." in place, with \" and \\ as the only escapes; behind it only a
// comment may follow.
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

static bool apply_value(struct loader *l, size_t i, struct conf_source source, char *value)
{
	const struct conf_option *option = &l->spec->options[i];
	struct conf_source before = l->result->sources[i];
	if (before.origin == CONF_FROM_FILE && option->type != CONF_LIST) {
		fail(l, source, option->name, "given twice, first on line ");
		buf_append_uint(l->error, before.line);
		return false;
	}
	if (value != NULL && value[0] == '"') {
		value = unquote(value);
		if (value == NULL) {
			return fail(l, source, option->name, "quotes do not match");
		}
	} else if (value != NULL) {
		cut_comment(value);
		trim_end(value);
	}
	return set(l, i, source, value);
}

static bool apply_line(struct loader *l, char *line, unsigned number)
{
	struct conf_source source = { .origin = CONF_FROM_FILE, .line = number };
	trim_end(line);
	char *name = skip_blanks(line);
	if (name[0] == '\0' || name[0] == '#') {
		return true;
	}
	size_t len = strcspn(name, " \t=#");
	char *rest = skip_blanks(name + len);
	size_t i = option_find(l->spec, bytes_make(name, len));
	if (i == l->spec->n_options) {
		return fail_unknown(l, source, bytes_make(name, len));
	}
	if (rest[0] == '\0' || rest[0] == '#') {
		return apply_value(l, i, source, NULL);
	}
	if (rest[0] != '=') {
		return fail(l, source, l->spec->options[i].name, "not `name = value`");
	}
	return apply_value(l, i, source, skip_blanks(rest + 1));
}

// `text` ends with a NUL that is not counted in its length.
static bool apply_text(struct loader *l, struct buf *text)
{
	static const char bom[] = "\xef\xbb\xbf";
	char *at = (char *)text->data;
	char *end = at + text->len;
	if (bytes_has_prefix(buf_bytes(text), bom)) {
		at += strlen(bom);
	}
	for (unsigned number = 1; at < end; number++) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *next = newline != NULL ? newline + 1 : end;
		char *line_end = newline != NULL ? newline : end;
		if (line_end > at && line_end[-1] == '\r') {
			line_end--;
		}
		*line_end = '\0';
		struct conf_source source = { .origin = CONF_FROM_FILE, .line = number };
		struct bytes line = bytes_make(at, (size_t)(line_end - at));
		if (!utf8_valid(line)) {
			return fail(l, source, "line", "not UTF-8");
		}
		if (memchr(at, '\0', line.len) != NULL) {
			return fail(l, source, "line", "contains a NUL byte");
		}
		if (!apply_line(l, at, number)) {
			return false;
		}
		at = next;
	}
	return true;
}

// Returns NULL or what is wrong with the file.
static const char *read_text(int fd, struct buf *text)
{
	struct stat st;
	if (fstat(fd, &st) < 0) {
		return strerrordesc_np(errno);
	}
	if (S_ISDIR(st.st_mode)) {
		return "is a directory";
	}
	if (!S_ISREG(st.st_mode)) {
		return "not a regular file";
	}
	buf_reserve(text, FILE_MAX + 1);
	while (text->len <= FILE_MAX) {
		ssize_t n = read(fd, text->data + text->len, FILE_MAX + 1 - text->len);
		if (n == 0) {
			text->data[text->len] = '\0';
			return NULL;
		}
		if (n < 0 && errno != EINTR) {
			return strerrordesc_np(errno);
		}
		text->len += n > 0 ? (size_t)n : 0;
	}
	return "larger than 1 MiB";
}

static const char *load_text(const char *path, struct buf *text)
{
	// A FIFO without a writer must not hold the start up.
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		return strerrordesc_np(errno);
	}
	const char *fault = read_text(fd, text);
	close(fd);
	return fault;
}

static bool apply_file(struct loader *l)
{
	const char *path = l->result->config_file;
	if (path == NULL) {
		return true;
	}
	struct conf_source source = { .origin = l->config_from_environment
			? CONF_FROM_ENVIRONMENT
			: CONF_FROM_COMMAND_LINE };
	struct buf text = { 0 };
	const char *fault = load_text(path, &text);
	bool ok = fault == NULL;
	if (ok) {
		ok = apply_text(l, &text);
	} else {
		fail(l, source, "config", path);
		buf_printf(l->error, ": %s", fault);
	}
	buf_fini(&text);
	return ok;
}

// What is left when all sources have spoken

static bool is_default(const struct conf_option *option, const void *field)
{
	union conf_value def = { 0 };
	struct buf why = { 0 };
	if (option->def != NULL) {
		CHECK(conf_value_set_split(option, &def, option->def, &why));
	}
	bool equal = conf_value_equal(option, field, &def);
	conf_value_clear(option, &def);
	return equal;
}

static bool check_availability(struct loader *l)
{
	for (size_t i = 0; i < l->spec->n_options; i++) {
		const struct conf_option *option = &l->spec->options[i];
		if ((option->flags & CONF_NOT_YET) != 0 &&
			l->result->sources[i].origin != CONF_FROM_DEFAULT &&
			!is_default(option, field_of_const(option, l->into))) {
			return fail(l, l->result->sources[i], option->name, "not available yet");
		}
	}
	return true;
}

static bool complete(struct loader *l)
{
	if (l->spec->complete == NULL) {
		return true;
	}
	const char *what = NULL;
	const char *option = l->spec->complete(l->into, &what);
	if (option != NULL) {
		conf_fault(l->spec, l->result, option, what, l->error);
	}
	return option == NULL;
}

static bool load(struct loader *l, int argc, char **argv)
{
	if (!scan_arguments(l, argc, argv)) {
		return false;
	}
	if (l->result->action != CONF_RUN) {
		return true;
	}
	if (l->result->config_file == NULL) {
		l->result->config_file = from_environment(l->spec, builtins[BUILTIN_CONFIG].name);
		l->config_from_environment = true;
	}
	set_defaults(l);
	if (!apply_file(l) || !apply_environment(l) || !apply_arguments(l) ||
		!check_availability(l) || !complete(l)) {
		return false;
	}
	if (l->print) {
		conf_print(l->spec, l->into, stdout);
		l->result->action = CONF_EXIT;
	}
	if (l->check) {
		l->result->action = CONF_CHECK;
	}
	return true;
}

struct conf_result conf_load(const struct conf_spec *spec, void *into, int argc, char **argv,
	struct buf *error)
{
	CHECK(spec->n_options <= CONF_OPTIONS_MAX);
	struct conf_result result = { .action = CONF_RUN };
	struct loader l = { .spec = spec, .into = into, .error = error, .result = &result };
	if (!load(&l, argc, argv)) {
		conf_fini(spec, into);
		result.action = CONF_FAIL;
	}
	free(l.assignments);
	return result;
}

struct conf_result conf_start(const struct conf_spec *spec, void *into, int argc, char **argv)
{
	struct buf error = { 0 };
	struct conf_result result = conf_load(spec, into, argc, argv, &error);
	if (result.action == CONF_FAIL) {
		fprintf(stderr, "%.*s\n", (int)error.len, (const char *)error.data);
	}
	buf_fini(&error);
	return result;
}

static void keep_fixed(const struct conf_spec *spec, const void *current, void *fresh,
	struct buf *ignored)
{
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct conf_option *option = &spec->options[i];
		const void *old = field_of_const(option, current);
		void *new = field_of(option, fresh);
		if ((option->flags & CONF_RELOADABLE) != 0 || conf_value_equal(option, old, new)) {
			continue;
		}
		buf_append_str(ignored, ignored->len > 0 ? " " : "");
		buf_append_str(ignored, option->name);
		conf_value_copy(option, new, old);
	}
}

int conf_reload(const struct conf_spec *spec, const void *current, void *fresh, int argc,
	char **argv, struct buf *error, struct buf *ignored)
{
	struct conf_result result = conf_load(spec, fresh, argc, argv, error);
	if (result.action == CONF_FAIL) {
		return -1;
	}
	keep_fixed(spec, current, fresh, ignored);
	// The old values may not go together with the new ones.
	struct loader l = { .spec = spec, .into = fresh, .error = error, .result = &result };
	if (!complete(&l)) {
		conf_fini(spec, fresh);
		return -1;
	}
	return 0;
}

void conf_fini(const struct conf_spec *spec, void *conf)
{
	for (size_t i = 0; i < spec->n_options; i++) {
		conf_value_clear(&spec->options[i], field_of(&spec->options[i], conf));
	}
}

// Printing

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

static void print_line(const char *name, struct bytes value, FILE *out)
{
	struct buf line = { 0 };
	buf_append_str(&line, name);
	buf_append_str(&line, value.len > 0 ? " = " : " =");
	if (needs_quotes(value)) {
		append_quoted(&line, value);
	} else {
		buf_append_bytes(&line, value);
	}
	buf_append_byte(&line, '\n');
	fwrite(line.data, 1, line.len, out);
	buf_fini(&line);
}

void conf_print(const struct conf_spec *spec, const void *conf, FILE *out)
{
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct conf_option *option = &spec->options[i];
		const void *field = field_of_const(option, conf);
		size_t n = conf_value_count(option, field);
		for (size_t j = 0; j < n; j++) {
			struct buf value = { 0 };
			conf_value_format(option, field, j, &value);
			print_line(option->name, buf_bytes(&value), out);
			buf_fini(&value);
		}
		if (n == 0) {
			print_line(option->name, bytes_make(NULL, 0), out);
		}
	}
}

static void append_placeholder(const struct conf_option *option, struct buf *out)
{
	static const char *const words[] = {
		[CONF_STRING] = " TEXT",
		[CONF_LIST] = " TEXT (list)",
		[CONF_BOOL] = "",
		[CONF_UINT] = " N",
		[CONF_SIZE] = " SIZE",
		[CONF_DURATION] = " TIME",
		[CONF_RATE] = " RATE",
	};
	if (option->type != CONF_ENUM) {
		buf_append_str(out, words[option->type]);
		return;
	}
	for (size_t i = 0; option->choices[i] != NULL; i++) {
		buf_append_byte(out, i > 0 ? '|' : ' ');
		buf_append_str(out, option->choices[i]);
	}
}

static const char *default_text(const struct conf_option *option)
{
	if (option->shown != NULL) {
		return option->shown;
	}
	if (option->def != NULL && option->def[0] != '\0') {
		return option->def;
	}
	switch (option->type) {
	case CONF_STRING:
	case CONF_LIST:
		return "empty";
	case CONF_BOOL:
		return "no";
	case CONF_ENUM:
		return option->choices[0];
	default:
		return "0";
	}
}

static void print_help_line(const char *name, struct bytes placeholder, const char *help, FILE *out)
{
	int width = HELP_COLUMN - (int)strlen(name);
	fprintf(out, "  --%s%-*.*s %s", name, width > 0 ? width : 0, (int)placeholder.len,
		(const char *)placeholder.data, help);
}

void conf_help(const struct conf_spec *spec, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION]...\n%s\n\n", spec->program, spec->summary);
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
		struct buf placeholder = { 0 };
		buf_append_byte(&placeholder, ' ');
		buf_append_bytes(&placeholder, bytes_str(builtins[i].value));
		print_help_line(builtins[i].name, buf_bytes(&placeholder), builtins[i].help, out);
		fputc('\n', out);
		buf_fini(&placeholder);
	}
	fprintf(out,
		"\nIn a file: name = value; in the environment: %sNAME. The command line counts "
		"most, then\nthe environment, then the file. A list repeats its option, in the "
		"environment it has commas.\nSIZE: bytes or KiB, MiB, GiB. TIME: seconds or ms, s, "
		"m, h. RATE: 50/s or 50/s burst 100.\n\n",
		spec->env_prefix);
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct conf_option *option = &spec->options[i];
		struct buf placeholder = { 0 };
		append_placeholder(option, &placeholder);
		print_help_line(option->name, buf_bytes(&placeholder), option->help, out);
		fprintf(out, "%s (default: %s)\n",
			(option->flags & CONF_NOT_YET) != 0 ? "; not available yet" : "",
			default_text(option));
		buf_fini(&placeholder);
	}
}
