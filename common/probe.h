// The HTTP client behind the option --probe.
#pragma once

// GET `url` (http://HOST:PORT/PATH) within two seconds: 0 if it answers 200, else 1 with a line on
// stderr. For health checks: `--probe URL`.
int probe_run(const char *url);
