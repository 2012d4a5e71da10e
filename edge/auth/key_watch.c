// Looks at the file twice a second. A notification by inotify would be sooner and much more to get
// right: a file is replaced by a rename over it, by a link to a link that is swapped two folders up
// (Kubernetes), or written in place, and each wants other watches that end with what they watched.
// A look follows whatever leads to the file today.
//
// A file written in place is seen half written. So a change counts when the file has been the same
// for two looks; a set that was torn all the same does not parse, and the old one stays.

#include "edge/auth/key_watch.h"

enum {
	LOOK_EVERY_MS = 500
};

static struct stat look(const char *path)
{
	struct stat now;
	return stat(path, &now) == 0 ? now : (struct stat){ 0 };
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// The mode decides whether a file may be used, so it is part of what a file is.
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mode == b->st_mode && same_time(a->st_mtim, b->st_mtim) &&
		same_time(a->st_ctim, b->st_ctim);
}

void key_watch_look(struct key_watch *watch)
{
	struct stat now = look(watch->path);
	bool settled = is_same(&now, &watch->seen);
	watch->seen = now;
	if (settled && !is_same(&now, &watch->known)) {
		watch->known = now;
		watch->on_change(watch->arg);
	}
}

static void on_timer(void *arg)
{
	struct key_watch *watch = arg;
	loop_timer_start(&watch->timer, LOOK_EVERY_MS);
	key_watch_look(watch);
}

void key_watch_start(struct key_watch *watch, struct loop *loop, const char *path,
	loop_fn *on_change, void *arg)
{
	*watch = (struct key_watch){ .path = path, .on_change = on_change, .arg = arg };
	loop_timer_init(loop, &watch->timer, on_timer, watch);
	if (path[0] != '\0') {
		watch->known = look(path);
		watch->seen = watch->known;
		loop_timer_start(&watch->timer, LOOK_EVERY_MS);
	}
}

void key_watch_stop(struct key_watch *watch)
{
	loop_timer_stop(&watch->timer);
}
