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
	LOG_KIND_NONE, // no field
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

// No field at all if the text is empty.
static inline struct log_field log_unless_empty(const char *key, struct bytes text)
{
	return (struct log_field){
		.key = key,
		.kind = text.len > 0 ? LOG_KIND_BYTES : LOG_KIND_NONE,
		.text = text,
	};
}

// The same for a count that is 0.
static inline struct log_field log_unless_zero(const char *key, uint64_t number)
{
	return (struct log_field){
		.key = key,
		.kind = number > 0 ? LOG_KIND_UINT : LOG_KIND_NONE,
		.number = number,
	};
}

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

// For what an unauthenticated peer can trigger: lets through `per_s` lines a second per call site,
// and gives the number of those left out with the next one. Embed one, zeroed but for `per_s`, in
// the object that logs; threads may share it.
struct log_limit {
	uint32_t per_s; // 0: LOG_LIMIT_PER_S
	_Atomic uint64_t window_ms;
	_Atomic uint32_t used;
	_Atomic uint32_t suppressed;
};
enum {
	LOG_LIMIT_PER_S = 5
};
// True if a line may be written now; `*suppressed` gets the number swallowed since the last.
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint32_t *suppressed);
