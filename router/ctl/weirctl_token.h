// A token file, read for what it claims: user, roles and rights, unverified. The token itself stays
// here.
#pragma once

#include "admin.pb-c.h"
#include "common/check.h"

// The claims of the token in file `path` ("-": standard input), free with weirctl_subject_free().
// NULL and `*why` (static) if there is none to be read.
MUST_CHECK Weir__Admin__V1__Subject *weirctl_subject_read(const char *path, const char **why);
void weirctl_subject_free(Weir__Admin__V1__Subject *subject); // NULL is fine
