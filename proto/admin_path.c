// The socket decides who commands the router, so its folder must be one in which nobody else can
// put another socket of that name. /run/weir is made by root for the service, $XDG_RUNTIME_DIR by
// the login for one user; both are taken as they are if they pass the checks. /tmp belongs to
// everybody: there the folder is made private, and one that was there before is used only if it is
// a real folder, ours, and closed to others. A link is never followed: somebody else may have put
// it there.

#include "proto/admin_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

static bool is_system_folder(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_IWOTH) == 0 &&
		faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
}

// Makes `path` unless it is there; NULL if it then is a folder that only we can enter.
static const char *private_folder(const char *path)
{
	struct stat st;
	if (mkdir(path, S_IRWXU) < 0 && errno != EEXIST) {
		return "the folder of its default cannot be made";
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		return "the folder of its default is not a folder";
	}
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return "the folder of its default is not ours alone";
	}
	return NULL;
}

static char *socket_in(char *folder)
{
	char *url = xasprintf("ipc://%s/router.sock", folder);
	free(folder);
	return url;
}

char *router_admin_default(const char **why)
{
	if (is_system_folder("/run/weir")) {
		return xstrdup("ipc:///run/weir/router.sock");
	}
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime != NULL && runtime[0] == '/') {
		char *folder = xasprintf("%s/weir", runtime);
		if (private_folder(folder) == NULL) {
			return socket_in(folder);
		}
		free(folder);
	}
	char *folder = xasprintf("/tmp/weir-%lu", (unsigned long)geteuid());
	*why = private_folder(folder);
	if (*why != NULL) {
		free(folder);
		return NULL;
	}
	return socket_in(folder);
}
