// A queue is thinned in one walk over all of it, which costs as much as the queue is long, so it is
// done seldom: when the queue is full, and then an eighth of the limit goes at once (the caller
// asks for that much); or when twice as many messages have gathered as the last walk left. A
// message costs a few steps on average, however long the queue. The alternative, an index of keys
// for each client, would have to be kept for every client of such a room, slow or not.
//
// The walk that builds the new queue goes from the newest to the oldest. A run of missing messages
// of one room is opened by its newest, whose place in the queue its gap takes, and grows until the
// room's next older message that stays. Gaps of earlier walks that touch a run become part of it.
//
// Replacing a message in place would bring the newest value sooner, and was rejected: the room's
// messages would no longer come in the order of their seq.

#include "edge/send/thin.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/siphash.h"

enum {
	GATHER_MIN = 32, // messages behind the kept part before the first walk over them
};

// Missing messages of one room, without one between them that stays.
struct run {
	const struct origin *like; // the newest of it
	uint64_t from;
	uint64_t to;
	size_t at; // its place in the new queue
	struct frame *gap; // an old one that says just that; NULL: to be made
	bool ended;
};

struct slot {
	const struct origin *origin; // NULL: free
	struct run *run; // of a room, its last
};

struct thinning {
	struct frame **frames; // owned; oldest first
	bool *drop; // owned
	size_t n;
	size_t start; // what is before stays
	struct slot *keys; // owned; messages with a key, the oldest of each so far
	struct slot *rooms; // owned
	size_t mask; // slots of each table, less one
	uint64_t seed[2];
	struct run *runs; // owned
	size_t n_runs;
	struct frame **out; // owned; the new queue, in its last places
	size_t at; // of its oldest so far
};

static void thinning_init(struct thinning *t, const struct out_queue *q, size_t start)
{
	size_t n_slots = 4;
	while (n_slots < 2 * (size_t)q->n) {
		n_slots *= 2;
	}
	*t = (struct thinning){
		.n = q->n,
		.start = start,
		.frames = xcalloc(q->n, sizeof(struct frame *)),
		.drop = xcalloc(q->n, sizeof(bool)),
		.keys = xcalloc(n_slots, sizeof(struct slot)),
		.rooms = xcalloc(n_slots, sizeof(struct slot)),
		.mask = n_slots - 1,
		.runs = xcalloc(q->n, sizeof(struct run)),
		.out = xcalloc(q->n, sizeof(struct frame *)),
		.at = q->n,
		.seed = { random_u64(), random_u64() },
	};
	out_queue_list(q, t->frames);
}

static void thinning_fini(struct thinning *t)
{
	free(t->frames);
	free(t->drop);
	free(t->keys);
	free(t->rooms);
	free(t->runs);
	free(t->out);
}

// ---- tables of rooms and keys

static bool is_same(const struct origin *a, const struct origin *b, bool with_key)
{
	return bytes_equal(origin_room(a), origin_room(b)) &&
		(!with_key || bytes_equal(origin_key(a), origin_key(b)));
}

// The slot of the room or key, which may be free.
static struct slot *find(const struct thinning *t, struct slot *table, const struct origin *o,
	bool with_key)
{
	size_t len = with_key ? (size_t)o->room_len + o->key_len : o->room_len;
	size_t i = siphash24(t->seed, o->text, len) & t->mask;
	while (table[i].origin != NULL && !is_same(table[i].origin, o, with_key)) {
		i = (i + 1) & t->mask;
	}
	return &table[i];
}

// ---- what goes

// Returns how many bytes.
static size_t mark_replaced(struct thinning *t)
{
	size_t bytes = 0;
	for (size_t i = t->n; i > t->start; i--) {
		const struct frame *f = t->frames[i - 1];
		if (f->origin == NULL || f->origin->key_len == 0) {
			continue;
		}
		struct slot *slot = find(t, t->keys, f->origin, true);
		t->drop[i - 1] = slot->origin != NULL;
		bytes += t->drop[i - 1] ? f->len : 0;
		slot->origin = f->origin;
	}
	return bytes;
}

static size_t mark_oldest(struct thinning *t, size_t want)
{
	size_t bytes = 0;
	for (size_t i = t->start; i < t->n && bytes < want; i++) {
		const struct frame *f = t->frames[i];
		if (f->origin != NULL && f->origin->may_drop) {
			t->drop[i] = true;
			bytes += f->len;
		}
	}
	return bytes;
}

// ---- what stays

static void stay(struct thinning *t, struct frame *f)
{
	t->out[--t->at] = f;
}

// The run that the message would be part of if it went; NULL if none is open.
static struct run *open_run(const struct thinning *t, const struct origin *o)
{
	struct run *run = find(t, t->rooms, o, false)->run;
	return run != NULL && !run->ended && run->like->epoch == o->epoch ? run : NULL;
}

static struct run *begin_run(struct thinning *t, const struct origin *o)
{
	struct run *run = &t->runs[t->n_runs++];
	*find(t, t->rooms, o, false) = (struct slot){ .origin = o, .run = run };
	stay(t, NULL);
	*run = (struct run){ .like = o, .to = o->to, .at = t->at };
	return run;
}

// The frame is missing, or says what is. A gap that was to stay for the run is not enough any more.
static void add_to_run(struct thinning *t, struct frame *f)
{
	struct run *run = open_run(t, f->origin);
	if (run == NULL) {
		run = begin_run(t, f->origin);
		run->gap = f->origin->is_gap ? f : NULL;
	} else {
		run->gap = NULL;
	}
	run->from = f->origin->from;
}

static void end_run(struct thinning *t, const struct origin *o)
{
	struct run *run = open_run(t, o);
	if (run != NULL) {
		run->ended = true;
	}
}

static void place(struct thinning *t, size_t i)
{
	struct frame *f = t->frames[i];
	const struct origin *o = f->origin;
	bool is_told = o != NULL && o->from > 0 && i >= t->start;
	if (is_told && (t->drop[i] || o->is_gap)) {
		add_to_run(t, f);
	} else if (!t->drop[i]) {
		if (is_told) {
			end_run(t, o);
		}
		stay(t, f);
	}
}

static void place_gaps(struct thinning *t, const struct thin_ops *ops, void *arg)
{
	for (size_t i = 0; i < t->n_runs; i++) {
		const struct run *run = &t->runs[i];
		t->out[run->at] = run->gap != NULL
			? frame_ref(run->gap, 1)
			: ops->make_gap(arg, run->like, run->from, run->to);
	}
}

// What is not in the new queue as it was goes; a gap that stays got another reference.
static void let_go(struct thinning *t, const struct thin_ops *ops, void *arg)
{
	for (size_t i = t->start; i < t->n; i++) {
		struct frame *f = t->frames[i];
		bool is_gap = f->origin != NULL && f->origin->is_gap;
		if (t->drop[i] && !is_gap) {
			ops->on_dropped(arg, f);
		}
		if (t->drop[i] || is_gap) {
			frame_unref(f);
		}
	}
}

static void rebuild(struct thinning *t, struct out_queue *q, const struct thin_ops *ops, void *arg)
{
	for (size_t i = t->n; i > 0; i--) {
		place(t, i - 1);
	}
	place_gaps(t, ops, arg);
	out_queue_replace(q, t->out + t->at, (uint32_t)(t->n - t->at));
	let_go(t, ops, arg);
}

// What is before the frame `start` stays, and what is out in part.
static void thin(struct out_queue *q, size_t start, size_t want, const struct thin_ops *ops,
	void *arg)
{
	struct thinning t;
	thinning_init(&t, q, start > 0 || q->offset == 0 ? start : 1);
	size_t gone = mark_replaced(&t);
	if (gone < want) {
		gone += mark_oldest(&t, want - gone);
	}
	if (gone > 0) {
		rebuild(&t, q, ops, arg);
	}
	thinning_fini(&t);
}

void thin_queue(struct out_queue *q, size_t want, const struct thin_ops *ops, void *arg)
{
	thin(q, 0, want, ops, arg);
	struct out_queue_notes *notes = out_queue_notes(q);
	if (notes != NULL) {
		notes->kept = 0;
	}
}

void thin_replaced(struct out_queue *q, const struct thin_ops *ops, void *arg)
{
	struct out_queue_notes *notes = out_queue_notes(q);
	if (notes == NULL || (notes->kept > 0 && q->n - notes->kept < notes->gather_max)) {
		return;
	}
	uint32_t kept = notes->kept;
	thin(q, kept, 0, ops, arg);
	notes = out_queue_notes(q); // of the new queue
	if (notes != NULL) {
		notes->kept = kept > 0 ? kept : q->n;
		notes->gather_max = (kept > 0 ? 2 * (q->n - kept) : q->n) + GATHER_MIN;
	}
}
