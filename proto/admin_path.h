// Where the router's admin socket is when no option says so. weirctl asks the same question.
#pragma once

#include "common/check.h"

// The URL: ipc:///run/weir/router.sock if that folder is there and can be written to, else under
// $XDG_RUNTIME_DIR, else in a folder of this user's own under /tmp. Owned, free(3). NULL if that
// folder cannot be made or is not ours alone; `*why` then gets a static text.
MUST_CHECK char *router_admin_default(const char **why);
