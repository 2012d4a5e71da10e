// --help and --print-config, made from the same table as everything else. A line an option, so that
// grep finds it whole; the README's tables are compared with these lines by a test.

#include "common/conf/conf_help.h"

#include <string.h>

#include "common/conf/conf.h"
#include "common/conf/conf_line.h"
#include "common/conf/conf_value.h"

enum {
	HELP_COLUMN = 38
};

const struct conf_builtin_option conf_builtins[CONF_N_BUILTINS] = {
	[CONF_BUILTIN_CONFIG] = { "config", "FILE",
		"read options from FILE, one `name = value` a line" },
	[CONF_BUILTIN_CHECK] = { "check-config", NULL,
		"check the options and the files they name, and exit" },
	[CONF_BUILTIN_PRINT] = { "print-config", NULL,
		"print the effective options as a file, and exit" },
	[CONF_BUILTIN_PROBE] = { "probe", "URL", "exit 0 if a GET of URL answers 200" },
	[CONF_BUILTIN_HELP] = { "help", NULL, "print this help, and exit" },
	[CONF_BUILTIN_VERSION] = { "version", NULL, "print name and version, and exit" },
};

void conf_print(const struct conf_spec *spec, const void *conf, FILE *out)
{
	struct buf text = { 0 };
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct conf_option *option = &spec->options[i];
		const void *field = (const char *)conf + option->offset;
		size_t n = conf_value_count(option, field);
		for (size_t j = 0; j < n; j++) {
			struct buf value = { 0 };
			conf_value_format(option, field, j, &value);
			conf_line_format(&text, option->name, buf_bytes(&value));
			buf_fini(&value);
		}
		if (n == 0) {
			conf_line_format(&text, option->name, bytes_make(NULL, 0));
		}
	}
	fwrite(text.data, 1, text.len, out);
	buf_fini(&text);
}

static const char *default_text(const struct conf_option *option)
{
	if (option->shown != NULL) {
		return option->shown;
	}
	if (option->def != NULL && option->def[0] != '\0') {
		return option->def;
	}
	return conf_value_empty_text(option);
}

static void print_help_line(const char *name, struct bytes placeholder, const char *help, FILE *out)
{
	int width = HELP_COLUMN - (int)strlen(name);
	fprintf(out, "  --%s%-*.*s %s", name, width > 0 ? width : 0, (int)placeholder.len,
		(const char *)placeholder.data, help);
}

void conf_help(const struct conf_spec *spec, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION]...\n%s\n\n", spec->program, spec->summary);
	for (size_t i = 0; i < CONF_N_BUILTINS; i++) {
		struct buf placeholder = { 0 };
		buf_append_byte(&placeholder, ' ');
		buf_append_bytes(&placeholder, bytes_str(conf_builtins[i].value));
		print_help_line(conf_builtins[i].name, buf_bytes(&placeholder),
			conf_builtins[i].help, out);
		fputc('\n', out);
		buf_fini(&placeholder);
	}
	if (spec->own != NULL) {
		print_help_line(spec->own, bytes_str(" "), spec->own_help, out);
		fputc('\n', out);
	}
	fprintf(out,
		"\nIn a file: name = value; in the environment: %sNAME. The command line "
		"overrides\nthe environment, which overrides the file. A list repeats its option; "
		"in the environment\nits entries are separated by commas.\n"
		"SIZE: bytes or KiB, MiB, GiB. TIME: seconds or ms, s, "
		"m, h, d. RATE: 50/s or 50/s burst 100.\n\n",
		spec->env_prefix);
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct conf_option *option = &spec->options[i];
		struct buf placeholder = { 0 };
		conf_value_placeholder(option, &placeholder);
		print_help_line(option->name, buf_bytes(&placeholder), option->help, out);
		fprintf(out, "%s (default: %s)\n",
			(option->flags & CONF_NOT_YET) != 0 ? "; not available yet" : "",
			default_text(option));
		buf_fini(&placeholder);
	}
}
