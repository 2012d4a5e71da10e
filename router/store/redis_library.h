// The functions that Redis runs for us: everything that is written to a store is written by them,
// because they check who writes first.
#pragma once

#define REDIS_LIBRARY "weir_1" // the version is in the name: two may be loaded side by side

// For FUNCTION LOAD.
extern const char redis_library[];
