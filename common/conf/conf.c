// Where options come from, and what is said about them.
//
// The sources are applied from the lowest to the highest, each overwriting what it names; each
// value is checked as it is set, so a fault in the file shows even where the command line hides it,
// and not on the day when it no longer does. Only then follow the checks across options
// (`complete`) and those for what is not built yet, both on the values that count.
//
// The environment is asked for the options, never searched: Kubernetes puts WEIR_EDGE_PORT and its
// like into every container beside a service called weir-edge, so an unknown variable is no typo.
//
// Names in errors are those of the table. An unknown one is repeated only if it looks like the name
// of an option and is shorter than any key may be: the line may be a secret in the wrong file.
//
// Rejected: getopt_long. It knows neither lists nor files nor where a value came from, and a second
// table of the same names would have to be kept equal to the first.

#include "common/conf/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf_help.h"
#include "common/conf/conf_line.h"
#include "common/conf/conf_value.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/secret_file.h"

enum {
	FILE_MAX = 1024 * 1024,
	NAME_MAX_SHOWN = 31, // the shortest key has 32 bytes
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
	bool own;
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

static const char *nearest_name(const struct conf_spec *spec, struct bytes name, bool with_builtins)
{
	struct nearest nearest = { .word = name };
	for (size_t i = 0; i < spec->n_options; i++) {
		nearest_offer(&nearest, spec->options[i].name);
	}
	for (size_t i = 0; with_builtins && i < CONF_N_BUILTINS; i++) {
		nearest_offer(&nearest, conf_builtins[i].name);
	}
	return nearest.best;
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

// The first value from a source takes the place of what lower ones said; more can only be more
// items of a list. `value` NULL: the option stood alone.
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

static bool set_builtin(struct loader *l, enum conf_builtin builtin, const char *value)
{
	static const struct conf_source source = { .origin = CONF_FROM_COMMAND_LINE };
	bool takes_value = conf_builtins[builtin].value != NULL;
	if (takes_value && (value == NULL || value[0] == '\0')) {
		return fail(l, source, conf_builtins[builtin].name, "value missing");
	}
	if (!takes_value && value != NULL) {
		return fail(l, source, conf_builtins[builtin].name, "takes no value");
	}
	switch (builtin) {
	case CONF_BUILTIN_CONFIG:
		l->result->config_file = value;
		break;
	case CONF_BUILTIN_CHECK:
		l->check = true;
		break;
	case CONF_BUILTIN_PRINT:
		l->print = true;
		break;
	case CONF_BUILTIN_PROBE:
		l->result->probe_url = value;
		l->result->action = CONF_PROBE;
		break;
	case CONF_BUILTIN_HELP:
		conf_help(l->spec, stdout);
		l->result->action = CONF_EXIT;
		break;
	case CONF_BUILTIN_VERSION:
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
	while (i < CONF_N_BUILTINS && !bytes_equal_str(name, conf_builtins[i].name)) {
		i++;
	}
	return i;
}

// Whether `next`, if there is one, is the value of the option before it. Options have no other
// place for words, so every word is one, also after an option that may stand alone. An option where
// a value is due is a forgotten value; one that begins like that can be given as --name=--value.
static bool takes_next(const char *next)
{
	return next != NULL && strncmp(next, "--", 2) != 0;
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
		if (l->spec->own != NULL && bytes_equal_str(arg.name, l->spec->own) &&
			arg.value == NULL) {
			l->own = true;
			continue;
		}
		size_t builtin = builtin_find(arg.name);
		size_t option = option_find(l->spec, arg.name);
		bool is_builtin = builtin < CONF_N_BUILTINS;
		if (!is_builtin && option == l->spec->n_options) {
			return fail_unknown(l, source, arg.name);
		}
		bool wants_value = !is_builtin || conf_builtins[builtin].value != NULL;
		if (arg.value == NULL && wants_value && takes_next(argv[i + 1])) {
			arg.value = argv[++i];
		}
		if (!is_builtin) {
			l->assignments[l->n_assignments++] =
				(struct assignment){ .option = option, .value = arg.value };
		} else if (!set_builtin(l, (enum conf_builtin)builtin, arg.value)) {
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

static bool apply_line(struct loader *l, char *text, unsigned number)
{
	struct conf_source source = { .origin = CONF_FROM_FILE, .line = number };
	struct conf_line line;
	const char *fault = conf_line_parse(text, &line);
	if (line.name.len == 0) {
		return fault == NULL || fail(l, source, "line", fault);
	}
	size_t i = option_find(l->spec, line.name);
	if (i == l->spec->n_options) {
		return fail_unknown(l, source, line.name);
	}
	const struct conf_option *option = &l->spec->options[i];
	if (fault != NULL) {
		return fail(l, source, option->name, fault);
	}
	struct conf_source before = l->result->sources[i];
	if (before.origin == CONF_FROM_FILE && option->type != CONF_LIST) {
		fail(l, source, option->name, "given twice, first on line ");
		buf_append_uint(l->error, before.line);
		return false;
	}
	return set(l, i, source, line.value);
}

static bool apply_text(struct loader *l, struct buf *text)
{
	struct conf_lines lines;
	char *line;
	bool ok = true;
	conf_lines_init(&lines, text);
	while (ok && (line = conf_lines_next(&lines)) != NULL) {
		ok = apply_line(l, line, lines.number);
	}
	return ok;
}

static bool apply_file(struct loader *l)
{
	const char *path = l->result->config_file;
	if (path == NULL) {
		return true;
	}
	struct conf_source source = {
		.origin =
			l->config_from_environment ? CONF_FROM_ENVIRONMENT : CONF_FROM_COMMAND_LINE,
	};
	struct buf text = { 0 };
	const char *fault = NULL;
	if (public_file_read(path, FILE_MAX, &text, &fault) < 0) {
		fail(l, source, "config", path);
		buf_printf(l->error, ": %s", fault);
		return false;
	}
	bool ok = apply_text(l, &text);
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
		l->result->config_file =
			from_environment(l->spec, conf_builtins[CONF_BUILTIN_CONFIG].name);
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
	if (l->own) {
		l->result->action = CONF_OWN;
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
