// The options that only the command line has; conf.c carries them out, --help names them.
#pragma once

enum conf_builtin {
	CONF_BUILTIN_CONFIG,
	CONF_BUILTIN_CHECK,
	CONF_BUILTIN_PRINT,
	CONF_BUILTIN_PROBE,
	CONF_BUILTIN_HELP,
	CONF_BUILTIN_VERSION,
};
enum {
	CONF_N_BUILTINS = CONF_BUILTIN_VERSION + 1
};

struct conf_builtin_option {
	const char *name;
	const char *value; // what --help calls it; NULL: takes none
	const char *help;
};

extern const struct conf_builtin_option conf_builtins[CONF_N_BUILTINS];
