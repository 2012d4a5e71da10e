// Feeds the files named on the command line, and all files below the folders named, to a fuzz
// program's entry point, so that what a fuzzer once found is tried again by every build: under gcc,
// the sanitizers and valgrind, none of which libFuzzer links with. Each input lies in memory of
// exactly its size. Finding no file is a failure, or a wrong path would pass for ever.

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		return -errno;
	}
	uint8_t *data = xmalloc(size);
	size_t got = fread(data, 1, size, file);
	int result = got == size ? 0 : -EIO;
	if (result == 0) {
		(void)LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	(void)fclose(file);
	return result;
}

int main(int argc, char **argv)
{
	size_t n = 0;
	int result = 0;
	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
		return 2;
	}
	FTS *walk = fts_open(argv + 1, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	if (walk == NULL) {
		perror("fts_open");
		return 1;
	}
	for (FTSENT *entry = fts_read(walk); entry != NULL && result == 0; entry = fts_read(walk)) {
		switch (entry->fts_info) {
		case FTS_F:
			result = replay_file(entry->fts_path, (size_t)entry->fts_statp->st_size);
			n++;
			break;
		case FTS_D:
		case FTS_DP:
			break;
		default:
			result = entry->fts_errno != 0 ? -entry->fts_errno : -EINVAL;
			break;
		}
		if (result != 0) {
			(void)fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(-result));
		}
	}
	(void)fts_close(walk);
	printf("%zu inputs\n", n);
	return result == 0 && n > 0 ? 0 : 1;
}
