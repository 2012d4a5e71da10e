// Users who have gone from a room and of whom the others are not notified yet, because they may be
// back in a moment: option presence-linger. Pure; time is a parameter and does not run backwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aged_map.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	ABSENCES_MAX = 65536 // beyond it nobody lingers
};

struct absences {
	struct aged_map entries; // in the order of their going
};

// One who has gone. Borrowed, until the next call that changes the table.
struct absent {
	struct bytes room, user, username;
};

void absences_init(struct absences *l);
void absences_fini(struct absences *l);
// False if there is no place: then the others are to be notified now.
MUST_CHECK bool absences_add(struct absences *l, const struct absent *who, uint64_t until_ms);
// The user came back: true if no member was notified of the going, nor needs to be of the coming.
bool absences_take(struct absences *l, struct bytes room, struct bytes user);
// The next whose time is over, to be announced and then dropped by absences_drop(); false if there
// is none.
bool absences_due(const struct absences *l, uint64_t now_ms, struct absent *who);
void absences_drop(struct absences *l);
