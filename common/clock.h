// Time. Timers, heartbeats and ages use the monotonic clock, which no operator can set back; only
// token checks and message timestamps use the wall clock. Pure modules take `now` as a parameter
// instead of calling these, so that tests bring their own.
#pragma once

#include <stdint.h>

// Milliseconds and nanoseconds of CLOCK_MONOTONIC.
uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
// Milliseconds since the Unix epoch.
int64_t clock_wall_ms(void);
