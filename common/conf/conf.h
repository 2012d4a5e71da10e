// Options: one table gives parsing (command line, file, environment), --help, --print-config,
// --check-config and the text of every startup error. Sources, highest first: command line,
// environment, file, default; a higher source replaces a whole list. What a lower source says is
// checked all the same.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/check.h"

enum conf_type {
	CONF_STRING, // char *, never NULL
	CONF_LIST, // struct conf_list; the command line and file repeat it, environment: commas
	CONF_BOOL, // bool; alone means yes
	CONF_UINT, // uint64_t
	CONF_SIZE, // uint64_t bytes: 64KiB, 16MiB, 1GiB, plain = bytes
	CONF_DURATION, // uint64_t ms: 500ms, 30s, 5m, 2h, plain = seconds
	CONF_RATE, // struct conf_rate: "50/s burst 100", "64KiB/s", plain = per second
	CONF_ENUM, // int: index into `choices`
	CONF_BOUND, // struct conf_bound: "5 reject", a number and one of `choices`, or "0"
	CONF_TYPE_COUNT,
};

struct conf_list {
	char **items; // owned
	size_t n;
};

struct conf_rate {
	uint64_t per_s; // 0: no limit
	uint64_t burst; // = per_s if not given
};

struct conf_bound {
	uint64_t n; // 0: no bound
	uint64_t choice; // index into `choices`; 0 without a bound
};

enum {
	CONF_NOT_YET = 1 << 0, // any value but the default: "not available yet"
	CONF_RELOADABLE = 1 << 1, // SIGHUP takes a new value
};

struct conf_option {
	const char *name; // "queue-limit"
	enum conf_type type;
	unsigned flags;
	size_t offset; // of the field in the program's conf struct
	const char *def; // as in the environment; NULL: empty, no, 0
	const char *shown; // the default as --help tells it, where the program computes it
	const char *help; // one line
	uint64_t min, max; // CONF_UINT, CONF_SIZE, CONF_DURATION; max 0: no bound
	const char *const *choices; // CONF_ENUM, CONF_BOUND; ends with NULL
	// Further checks of one textual value that is not empty (of a list: of each item). Returns
	// NULL or what is wrong with it, a static text that does not quote the value.
	const char *(*check)(const char *value);
};

enum {
	CONF_OPTIONS_MAX = 96
};

struct conf_spec {
	const char *program; // "weir-edge"
	const char *env_prefix; // "WEIR_EDGE_"
	const char *summary; // one line for --help
	const char *own; // "store-check": what the program can do instead of running; NULL: nothing
	const char *own_help; // of that
	const struct conf_option *options;
	size_t n_options; // at most CONF_OPTIONS_MAX
	size_t size; // of the conf struct
	// Fills in computed defaults and checks options against each other. Returns NULL, or the
	// name of the option at fault and in `*what` a static text.
	const char *(*complete)(void *conf, const char **what);
};

enum conf_action {
	CONF_RUN,
	CONF_EXIT, // --help, --print-config, --version: printed; exit 0
	CONF_OWN, // what conf_spec.own names: the caller does that, and exits
	CONF_CHECK, // --check-config: the caller goes on to load what files name, then exits 0
	CONF_PROBE, // --probe URL: `probe_url` is set, the options are not loaded
	CONF_FAIL, // exit 1
};

enum conf_origin {
	CONF_FROM_DEFAULT,
	CONF_FROM_FILE,
	CONF_FROM_ENVIRONMENT,
	CONF_FROM_COMMAND_LINE,
};

struct conf_source {
	enum conf_origin origin;
	unsigned line; // CONF_FROM_FILE
};

struct conf_result {
	enum conf_action action;
	const char *config_file; // borrowed from argv or the environment; NULL if none
	const char *probe_url; // borrowed from argv
	struct conf_source sources[CONF_OPTIONS_MAX]; // by index in the table
};

// Fills the zeroed struct `into` from all sources; what --help, --version and --print-config ask
// for goes to standard output. On CONF_FAIL, `into` is zeroed and `error` holds the one line
// ("error: <source>: <option>: <what is wrong>") without a newline.
struct conf_result conf_load(const struct conf_spec *spec, void *into, int argc, char **argv,
	struct buf *error);
// conf_load() for a program's start: the error goes to standard error.
struct conf_result conf_start(const struct conf_spec *spec, void *into, int argc, char **argv);
// Appends the line for a fault of `option` that only showed when its value was put to use, as an
// address that cannot be bound. Where the option was left at its default, the source is the file,
// or without one the command line: there it could be set.
void conf_fault(const struct conf_spec *spec, const struct conf_result *result, const char *option,
	const char *what, struct buf *error);

// Loads anew into the zeroed struct `fresh`, with argv and environment as at the start and the file
// as it is now. Options without CONF_RELOADABLE keep their value of `current`; the names of those
// that were to change are appended to `ignored`, separated by spaces. Returns 0, or -1 with
// `error` set and `fresh` zeroed. `current` is only read.
MUST_CHECK int conf_reload(const struct conf_spec *spec, const void *current, void *fresh, int argc,
	char **argv, struct buf *error, struct buf *ignored);

void conf_fini(const struct conf_spec *spec, void *conf);
// The effective values in the syntax of the file. Nothing here is secret: secrets are in files of
// their own, of which only the names are options.
void conf_print(const struct conf_spec *spec, const void *conf, FILE *out);
void conf_help(const struct conf_spec *spec, FILE *out);

// A limit of which 0 means that there is none, as a number to compare with.
static inline uint64_t conf_limit(uint64_t value)
{
	return value > 0 ? value : UINT64_MAX;
}
