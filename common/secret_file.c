// Whole files into memory. Secrets come from files only: an argument shows in the process list and
// an environment is inherited and dumped. The mode is checked on the opened file, not on its path,
// so that nobody can swap the one for the other in between. Links are followed on purpose: that is
// how Kubernetes mounts secrets.

#include "common/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_fault(int fd, bool secret)
{
	struct stat st;
	if (fstat(fd, &st) < 0) {
		return strerrordesc_np(errno);
	}
	if (S_ISDIR(st.st_mode)) {
		return "is a directory";
	}
	if (!S_ISREG(st.st_mode)) {
		return "not a regular file";
	}
	if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		return "others can touch it or the group can write it (want mode 0600, 0400, 0640 "
		       "or 0440)";
	}
	return NULL;
}

// One byte more than `max` for the newline, and one to see that there is more. Reserved at once:
// growing would leave copies behind.
static const char *read_all(int fd, size_t max, struct buf *out)
{
	buf_reserve(out, max + 2);
	while (out->len < max + 2) {
		ssize_t n = read(fd, out->data + out->len, max + 2 - out->len);
		if (n == 0) {
			break;
		}
		if (n < 0 && errno != EINTR) {
			return strerrordesc_np(errno);
		}
		out->len += n > 0 ? (size_t)n : 0;
	}
	if (out->len > 0 && out->data[out->len - 1] == '\n') {
		out->len--;
	}
	return out->len > max ? "too large" : NULL;
}

static int read_file(const char *path, size_t max, bool secret, struct buf *out, const char **why)
{
	*out = (struct buf){ 0 };
	// A FIFO without a writer must not hold the start up.
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		*why = strerrordesc_np(errno);
		return -1;
	}
	*why = kind_fault(fd, secret);
	if (*why == NULL) {
		*why = read_all(fd, max, out);
	}
	close(fd);
	if (*why != NULL) {
		secret_file_free(out);
		return -1;
	}
	return 0;
}

int secret_file_read(const char *path, size_t max, struct buf *out, const char **why)
{
	return read_file(path, max, true, out, why);
}

int public_file_read(const char *path, size_t max, struct buf *out, const char **why)
{
	return read_file(path, max, false, out, why);
}

void secret_file_free(struct buf *secret)
{
	if (secret->data != NULL) {
		explicit_bzero(secret->data, secret->cap);
	}
	buf_fini(secret);
}
