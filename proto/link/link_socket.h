// The socket under a stream.
#pragma once

struct nng_stream;

// The descriptor of a tcp:// stream, which stays NNG's: valid until nng_stream_free(), shut down by
// nng_stream_close(). -1 if it cannot be found, or if the NNG that runs is not one of 1.5 to 1.11,
// whose streams may be polled. Not for tls+tcp://, whose bytes are not the stream's.
int link_socket_of(struct nng_stream *stream);
