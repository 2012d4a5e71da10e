// Checks for option values that both programs have, as conf_option.check wants them: NULL, or what
// is wrong.
#pragma once

#include <stdbool.h>

// "HOST:PORT", as net_addr_parse() takes it.
const char *conf_check_address(const char *value);
// A user of this machine. From one thread only (getpwnam).
const char *conf_check_user(const char *value);
// "tcp://HOST:PORT", HOST also a name, or "ipc://PATH". To dial, the port may not be 0.
const char *conf_check_dial_url(const char *value);
const char *conf_check_listen_url(const char *value);
const char *conf_check_ipc_url(const char *value);

// Of a valid "HOST:PORT" or URL: true if nobody outside this machine can reach it. A name may stand
// for anything and counts as outside.
bool conf_address_is_local(const char *value);
bool conf_url_is_local(const char *value);
