// Options: one table gives parsing (command line, file, environment), --help, --print-config,
// --check-config and the text of every startup error. Sources, highest first: command line,
// environment, file, default; a higher source replaces a whole list.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/check.h"

enum conf_type {
	CONF_STRING,   // char *
	CONF_LIST,     // struct conf_list; the command line and file repeat it, environment: commas
	CONF_BOOL,     // bool; alone means yes
	CONF_UINT,     // uint64_t
	CONF_SIZE,     // uint64_t bytes: 64KiB, 16MiB, 1GiB, plain = bytes
	CONF_DURATION, // uint64_t ms: 500ms, 30s, 5m, 2h, plain = seconds
	CONF_RATE,     // struct conf_rate: "50/s burst 100"
	CONF_ENUM,     // int: index into `choices`
};

struct conf_list {
	char **items; // owned
	size_t n;
};

struct conf_rate {
	uint64_t per_s; // 0: no limit
	uint64_t burst; // = per_s if not given
};

enum {
	CONF_SECRET = 1 << 0,      // --print-config masks it
	CONF_NOT_YET = 1 << 1,     // any value but the default: "not available yet"
	CONF_RELOADABLE = 1 << 2,  // SIGHUP takes a new value
};

struct conf_option {
	const char *name; // "queue-limit"
	enum conf_type type;
	size_t offset; // of the field in the program's conf struct
	const char *def; // as one would write it; NULL: empty, off, 0
	const char *help; // one line
	uint64_t min, max; // CONF_UINT, CONF_SIZE, CONF_DURATION; max 0: no bound
	const char *const *choices; // CONF_ENUM; ends with NULL
	unsigned flags;
	// Further checks of one textual value; returns NULL or what is wrong with it.
	const char *(*check)(const char *value);
};

struct conf_spec {
	const char *program;    // "weir-edge"
	const char *env_prefix; // "WEIR_EDGE_"
	const char *summary;    // one line for --help
	const struct conf_option *options;
	size_t n_options;
	size_t size; // of the conf struct
};

enum conf_action {
	CONF_RUN,
	CONF_EXIT,  // --help, --print-config, --version: printed; exit 0
	CONF_CHECK, // --check-config: the caller goes on to load what files name, then exits 0
	CONF_PROBE, // --probe URL: `probe_url` is set
	CONF_FAIL,  // one line is on stderr; exit 1
};

struct conf_result {
	enum conf_action action;
	const char *config_file; // borrowed from argv or the environment; NULL if none
	const char *probe_url;
	bool print_config; // --print-config: the caller prints with conf_print() after its own checks
};

// Fills the zeroed struct `into` from all sources. On CONF_FAIL, `error` holds the one line
// ("error: <source>: <option>: <what is wrong>") without a newline.
struct conf_result conf_load(const struct conf_spec *spec, void *into, int argc, char **argv,
	struct buf *error);
// The same for a reload: argv and environment as at the start, the file read anew.
void conf_fini(const struct conf_spec *spec, void *conf);
void conf_print(const struct conf_spec *spec, const void *conf, FILE *out);
void conf_help(const struct conf_spec *spec, FILE *out);

// Reads a secret file: refuses what others can touch or the group can write (0600, 0400, 0640 and
// 0440 pass), symbolic links' targets included, anything but a regular file, and more than `max`
// bytes; takes off one trailing newline. 0 and `*out` (owned, wiped by conf_secret_free), or -1 and
// a static or errno text in `*why`.
MUST_CHECK int conf_secret_read(const char *path, size_t max, struct buf *out, const char **why);
void conf_secret_free(struct buf *secret);
