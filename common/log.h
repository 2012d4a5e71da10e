// Logging: one event a line, a constant lower-case event word and keys. A line is handed to a
// thread of its own over a bounded ring, so a full disk or an unread pipe never stops service;
// lines that find the ring full are counted (log_dropped()). Values are escaped (control characters
// and what is not UTF-8, as \xNN) and cut at 256 bytes. Callers never pass tokens or payloads.
//
//     log_info("closed", LOG_STR("conn", id), LOG_UINT("queued", n));
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

enum log_level {
	LOG_ERROR, // someone must act
	LOG_WARN, // degraded
	LOG_INFO, // lifecycle
	LOG_DEBUG, // per message
};

enum log_format {
	LOG_TEXT,
	LOG_JSON,
};

enum log_kind {
	LOG_KIND_END,
	LOG_KIND_BYTES,
	LOG_KIND_UINT,
	LOG_KIND_INT,
};

struct log_field {
	const char *key;
	enum log_kind kind;
	struct bytes text;
	uint64_t number;
};

// A row each; the tool would break them into four.
// clang-format off
#define LOG_STR(k, v)   { .key = (k), .kind = LOG_KIND_BYTES, .text = bytes_str(v) }
#define LOG_BYTES(k, v) { .key = (k), .kind = LOG_KIND_BYTES, .text = (v) }
#define LOG_UINT(k, v)  { .key = (k), .kind = LOG_KIND_UINT, .number = (uint64_t)(v) }
#define LOG_INT(k, v)   { .key = (k), .kind = LOG_KIND_INT, .number = (uint64_t)(int64_t)(v) }
// clang-format on

// Starts the writer thread; lines go to `fd`. Call before other threads start. Lines logged before
// are written directly, as are those after log_stop().
void log_start(int fd, enum log_format format, enum log_level level);
// Writes what is queued, waiting about a second at most, and ends the thread. Call after the other
// threads have ended.
void log_stop(void);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
// Lines lost because the ring was full or could not be written.
uint64_t log_dropped(void);

// `fields` ends with a LOG_KIND_END row. Event and keys are words of ours and written as they are.
// A line has 4096 bytes at most; fields that do not fit are left out.
void log_write(enum log_level level, const char *event, const struct log_field *fields);
// A line as it stands, in either format, at any level ("ready listen=...").
void log_raw(const char *line);

#define LOG_AT(level, event, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(level)) {                                                          \
			log_write(level, event,                                                    \
				(const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } });    \
		}                                                                                  \
	} while (0)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

// For what a stranger can trigger: lets through `LOG_LIMIT_PER_S` lines a second per call site and
// says how many it swallowed when it speaks again. Embed one, zeroed, static at the call site's
// owner or in the object; threads may share it.
struct log_limit {
	_Atomic uint64_t window_ms;
	_Atomic uint32_t used;
	_Atomic uint32_t suppressed;
};
enum {
	LOG_LIMIT_PER_S = 5
};
// True if a line may be written now; `*suppressed` gets the number swallowed since the last.
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint32_t *suppressed);
