// The operators' page (option ui-listen): routes for a listener of ops_http. It shows what weirctl
// shows, by the same commands, and changes nothing.
#pragma once

#include "common/ops_http.h"

// Ends with a row without a path. The listener's `arg` is the struct admin_context of the commands.
extern const struct ops_route ui_routes[];
