// A file of options, read with the tables of both programs. What loads is printed as a file that
// loads as the same; what does not is answered by one clean line, and leaves nothing behind. A text
// after the first byte 0xff, which no file may hold, is what the file has become when it is read
// again: what is not reloadable stays.
//
// The first byte chooses the program. The command line names what hardly a file would: a key,
// without which no edge starts, and the admin socket, whose default makes a folder.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/check.h"
#include "common/conf/conf.h"
#include "common/conf/conf_value.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "edge/state/edge_conf.h"
#include "router/router_conf.h"
#include "tests/fuzz/fuzz.h"

enum {
	ARGS_MAX = 4
};

// A file that is nowhere, and the arguments that name it.
struct source {
	int fd;
	char path[32];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static void source_set(const struct source *source, struct bytes text)
{
	CHECK(ftruncate(source->fd, 0) == 0);
	CHECK(pwrite(source->fd, text.data, text.len, 0) == (ssize_t)text.len);
}

static void source_init(struct source *source, const struct conf_spec *spec, struct bytes text)
{
	static char config[] = "--config";
	static char key[] = "--jwt-key=HS256:/k";
	static char admin[] = "--admin=ipc:///router.sock";
	*source = (struct source){ .fd = memfd_create("conf", MFD_CLOEXEC), .argc = 3 };
	CHECK(source->fd >= 0);
	(void)snprintf(source->path, sizeof(source->path), "/proc/self/fd/%d", source->fd);
	source->argv[0] = (char *)spec->program;
	source->argv[1] = config;
	source->argv[2] = source->path;
	source->argv[source->argc++] = spec == &edge_conf_spec ? key : admin;
	source_set(source, text);
}

static char *print(const struct conf_spec *spec, const void *conf, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	CHECK(out != NULL);
	conf_print(spec, conf, out);
	CHECK(fclose(out) == 0);
	return text;
}

static bool is_zeroed(const struct conf_spec *spec, const void *conf)
{
	const uint8_t *at = conf;
	size_t i = 0;
	while (i < spec->size && at[i] == 0) {
		i++;
	}
	return i == spec->size;
}

static void check_error(const struct conf_spec *spec, const void *conf, struct bytes error)
{
	CHECK(is_zeroed(spec, conf));
	CHECK(bytes_has_prefix(error, "error: ") && utf8_printable(error));
}

static void check_prints_again(const struct conf_spec *spec, const void *conf)
{
	size_t len;
	size_t again_len;
	char *text = print(spec, conf, &len);
	struct source source;
	struct buf error = { 0 };
	void *again = xcalloc(1, spec->size);
	source_init(&source, spec, bytes_make(text, len));
	CHECK(conf_load(spec, again, source.argc, source.argv, &error).action == CONF_RUN);
	char *again_text = print(spec, again, &again_len);
	CHECK(bytes_equal(bytes_make(text, len), bytes_make(again_text, again_len)));
	conf_fini(spec, again);
	free(again);
	free(again_text);
	free(text);
	close(source.fd);
}

static const void *field_of(const struct conf_option *option, const void *conf)
{
	return (const char *)conf + option->offset;
}

static void check_reload(const struct conf_spec *spec, const void *conf,
	const struct source *source, struct bytes text)
{
	struct buf error = { 0 };
	struct buf ignored = { 0 };
	void *fresh = xcalloc(1, spec->size);
	source_set(source, text);
	if (conf_reload(spec, conf, fresh, source->argc, (char **)source->argv, &error, &ignored) <
		0) {
		check_error(spec, fresh, buf_bytes(&error));
	} else {
		for (size_t i = 0; i < spec->n_options; i++) {
			const struct conf_option *option = &spec->options[i];
			CHECK((option->flags & CONF_RELOADABLE) != 0 ||
				conf_value_equal(option, field_of(option, conf),
					field_of(option, fresh)));
		}
		check_prints_again(spec, fresh);
	}
	conf_fini(spec, fresh);
	free(fresh);
	buf_fini(&error);
	buf_fini(&ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	const struct conf_spec *spec =
		fuzz_take_byte(&input) % 2 == 1 ? &edge_conf_spec : &router_conf_spec;
	struct bytes text;
	struct bytes later;
	bool twice = bytes_cut(input, '\xff', &text, &later);
	struct source source;
	struct buf error = { 0 };
	void *conf = xcalloc(1, spec->size);
	source_init(&source, spec, text);
	if (conf_load(spec, conf, source.argc, source.argv, &error).action == CONF_FAIL) {
		check_error(spec, conf, buf_bytes(&error));
	} else {
		CHECK(error.len == 0);
		check_prints_again(spec, conf);
		if (twice) {
			check_reload(spec, conf, &source, later);
		}
	}
	conf_fini(spec, conf);
	free(conf);
	buf_fini(&error);
	close(source.fd);
	return 0;
}
