// Five lines of text, for people as well. Replaced by renaming: there is always a whole one.

#include "router/store/store_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

enum {
	TEXT_MAX = 512
};

static int read_text(const char *path, char text[TEXT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	ssize_t len = read(fd, text, TEXT_MAX - 1);
	int error = errno;
	close(fd);
	if (len < 0) {
		return -error;
	}
	text[len] = '\0';
	return 0;
}

static int parse(const char *text, struct store_mark *mark)
{
	int sync;
	int clean;
	*mark = (struct store_mark){ 0 };
	// Every field has a bound: nothing in the file can overrun it.
	int n = sscanf(text, // NOLINT(cert-err34-c): a number out of range is no mark of ours
		"weir-store %9u\nhash %16" SCNx64 "%16" SCNx64 "\nboot %63s\nsync %1d\nclean %1d",
		&mark->schema, &mark->hash_key[0], &mark->hash_key[1], mark->boot, &sync, &clean);
	if (n != 6) {
		return -EBADMSG;
	}
	mark->sync = sync == 1;
	mark->clean = clean == 1;
	return 0;
}

int store_mark_read(const char *dir, struct store_mark *mark)
{
	char text[TEXT_MAX];
	char *path = xasprintf("%s/weir-store", dir);
	int result = read_text(path, text);
	free(path);
	return result == 0 ? parse(text, mark) : result;
}

static int write_text(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = write(fd, text, len);
	if (n < 0) {
		return -errno;
	}
	if ((size_t)n != len) {
		return -ENOSPC;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	int result = write_text(fd, text);
	close(fd);
	return result;
}

static int sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int result = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

int store_mark_write(const char *dir, const struct store_mark *mark)
{
	char *path = xasprintf("%s/weir-store", dir);
	char *next = xasprintf("%s/weir-store.new", dir);
	char *text = xasprintf("weir-store %u\nhash %016" PRIx64 "%016" PRIx64
			       "\nboot %s\nsync %d\nclean %d\n",
		mark->schema, mark->hash_key[0], mark->hash_key[1], mark->boot, mark->sync,
		mark->clean);
	int result = write_file(next, text);
	if (result == 0 && rename(next, path) != 0) {
		result = -errno;
	}
	if (result == 0) {
		result = sync_folder(dir);
	}
	free(text);
	free(next);
	free(path);
	return result;
}

void store_mark_boot(char boot[STORE_BOOT_MAX])
{
	char text[TEXT_MAX];
	if (read_text("/proc/sys/kernel/random/boot_id", text) != 0) {
		text[0] = '\0';
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(boot, STORE_BOOT_MAX, "%.*s", STORE_BOOT_MAX - 1,
		text[0] != '\0' ? text : "unknown");
}

bool store_mark_is_trusted(const struct store_mark *mark)
{
	char boot[STORE_BOOT_MAX];
	store_mark_boot(boot);
	return mark->sync || mark->clean || strcmp(boot, mark->boot) == 0;
}
