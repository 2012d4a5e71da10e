// NNG's asynchronous operations, for every part of the link that uses them.
#pragma once

struct nng_aio;

// A new aio. `fn` is called on one of NNG's threads at the end of each operation; NULL: nothing is
// called. The caller's (nng_aio_free). Ends the program if there is no memory.
struct nng_aio *link_aio_new(void (*fn)(void *arg), void *arg);
