// How a static file of web_files.h is answered: as a pure function of one request head. What the
// client library and the demo page are made of is public, so a page of any origin may load it.
#pragma once

#include "common/buf.h"
#include "common/http_head.h"
#include "edge/http/web_files.h"

// Appends the whole answer, after which the connection closes; returns its status: 200, 304 (RFC
// 9110 section 13.1.2) or 405.
int web_page_answer(struct buf *out, const struct http_head *head, const struct web_file *file);
