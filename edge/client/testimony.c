// An answer is bounded: the newest findings up to FINDINGS_MAX, so that whoever asks about a busy
// room does not fill the link. Looking through what is remembered costs a worker a few milliseconds
// at most, since that is bounded too (recorder-bytes).

#include "edge/client/testimony.h"

#include "edge/client/conn.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/memory_report.h"

struct answer {
	const Weir__Link__V1__Inquiry *inquiry;
	struct bytes room;
	struct bytes user;
	struct bytes client;
	Weir__Link__V1__Testimony message;
	Weir__Link__V1__Finding findings[FINDINGS_MAX];
	Weir__Link__V1__Finding *refs[FINDINGS_MAX];
	char ids[FINDINGS_MAX][CLIENT_ID_MAX];
};

static bool is_asked_for(const struct answer *a, struct bytes user, struct bytes client)
{
	return (a->user.len == 0 || bytes_equal(a->user, user)) &&
		(a->client.len == 0 || bytes_equal(a->client, client));
}

static Weir__Link__V1__Finding *add(struct answer *a, enum finding_kind kind)
{
	size_t n = a->message.n_findings++;
	Weir__Link__V1__Finding *finding = &a->findings[n];
	weir__link__v1__finding__init(finding);
	finding->kind = kind;
	a->refs[n] = finding;
	return finding;
}

static bool is_full(const struct answer *a)
{
	return a->message.n_findings == FINDINGS_MAX;
}

// ---- who is there

static void add_member(struct answer *a, const struct conn *c, const struct fib_member *member)
{
	struct bytes user = bytes_str(c->identity.user);
	struct bytes id = conn_client_id(c, a->ids[a->message.n_findings]);
	if (is_asked_for(a, user, id)) {
		Weir__Link__V1__Finding *finding = add(a, FINDING_MEMBER);
		finding->user = pb_data(user);
		finding->client = pb_data(id);
		finding->room = pb_data(a->room);
		finding->epoch = member->room->epoch;
		finding->seq = written_seq(c, member);
		finding->queue_bytes = c->stream.out.bytes;
	}
}

static void look_at_members(struct clients *cl, struct answer *a)
{
	const struct fib_room *room = fib_find(&cl->fib, a->room);
	if (room == NULL) {
		return;
	}
	bool somebody = a->user.len > 0 || a->client.len > 0;
	const struct fib_member *member;
	LIST_FOREACH (member, &room->members, in_room) {
		const struct conn *c = member->conn;
		uint64_t seq = a->inquiry->seq;
		if (seq > 0 && member->join_seq < seq && room->epoch == a->inquiry->epoch) {
			a->message.members++;
			a->message.written += written_seq(c, member) >= seq;
		}
		if (somebody && !is_full(a)) {
			add_member(a, c, member);
		}
	}
	a->message.position = room->last_seq;
}

// ---- what was

// Who asks about a message wants to know where members stood, not how often others were refused.
static bool is_wanted(const struct answer *a, const struct edge_record *record)
{
	bool of_room =
		a->room.len == 0 || record->room.len == 0 || bytes_equal(a->room, record->room);
	bool somebody = a->user.len > 0 || a->client.len > 0;
	uint64_t seq = a->inquiry->seq;
	bool of_message = seq == 0 || somebody ||
		(record->kind == FINDING_STOOD && record->epoch == a->inquiry->epoch);
	if (seq > 0 && record->kind == FINDING_DROPPED) { // there may be many of a slow client
		of_message = record->epoch == a->inquiry->epoch && record->from <= seq &&
			seq <= record->seq;
	}
	if (seq > 0 && record->kind == FINDING_REFUSED) { // nor how often the user was
		of_message = somebody && bytes_has_prefix(record->detail, "join");
	}
	return of_room && of_message && (somebody || record->room.len > 0) &&
		is_asked_for(a, record->user, record->client);
}

static void add_record(struct answer *a, const struct edge_record *record)
{
	Weir__Link__V1__Finding *finding = add(a, record->kind);
	finding->at_ms = record->at_ms;
	finding->user = pb_data(record->user);
	finding->client = pb_data(record->client);
	finding->room = pb_data(record->room);
	finding->epoch = record->epoch;
	finding->from = record->from;
	finding->seq = record->seq;
	finding->queue_bytes = record->queue_bytes;
	finding->code = record->code;
	finding->reason = pb_data(bytes_str(record->reason));
	finding->detail = pb_data(record->detail);
}

static void look_back(const struct edge_recorder *rec, struct answer *a)
{
	struct record_cursor cursor;
	struct edge_record record;
	record_ring_walk(&rec->ring, &cursor);
	while (edge_recorder_older(rec, &cursor, &record)) {
		if (!is_full(a) && is_wanted(a, &record)) {
			add_record(a, &record);
		}
		a->message.oldest_ms = record.at_ms;
	}
}

void testify(struct clients *cl, struct uplink *up, const Weir__Link__V1__Inquiry *inquiry)
{
	struct answer a = {
		.inquiry = inquiry,
		.room = pb_bytes(inquiry->room),
		.user = pb_bytes(inquiry->user),
		.client = pb_bytes(inquiry->client_id),
	};
	weir__link__v1__testimony__init(&a.message);
	a.message.inquiry = inquiry->id;
	a.message.worker = cl->turn.index;
	a.message.findings = a.refs;
	struct memory_report report = { 0 };
	if (inquiry->memory) {
		memory_report_fill(&report, cl, up);
		a.message.n_pools = report.n;
		a.message.pools = report.refs;
	} else {
		if (a.room.len > 0) {
			look_at_members(cl, &a);
		}
		look_back(&cl->turn.recorder, &a);
	}
	uplink_testify(up, &a.message);
}
