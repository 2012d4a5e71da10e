// Time. Timers, heartbeats and ages use the monotonic clock, which no operator can set back; only
// token checks and message timestamps use the wall clock. Pure modules take `now` as a parameter
// instead of calling these.
#pragma once

#include <stdint.h>

// Milliseconds and nanoseconds of CLOCK_MONOTONIC.
uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
// Milliseconds since the Unix epoch.
int64_t clock_wall_ms(void);

// Where time comes from. A test of a module that calls the above brings a clock of its own.
struct clock_source {
	uint64_t (*mono_ns)(void);
	int64_t (*wall_ms)(void);
};
// Before any thread runs that reads the time. Borrowed for good; NULL: the system's.
void clock_use(const struct clock_source *source);
