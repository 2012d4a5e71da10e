// What an edge remembers, by kind (Finding.kind). Numbers are never changed or reused; a kind that
// one does not know is passed over.
#pragma once

enum finding_kind {
	FINDING_NONE,
	FINDING_MEMBER, // is in the room; everything up to `seq` was written to its socket
	FINDING_STOOD, // the same, when its connection ended
	FINDING_CLOSED, // a connection ended: reason, code, what was queued for it
	FINDING_REFUSED, // a request: the error's code; `detail`: what was asked, and why not
	FINDING_NOT_RECOVERED, // what it had missed, up to `seq`, was more than its queue may hold
	FINDING_DROPPED, // `from` to `seq` of the room, from its queue; the client was notified
};

enum {
	FINDINGS_MAX = 64, // in one Testimony
};
