// The one place that includes libowfat. `pure` is emptied because fmt.h and scan.h put it on functions that
// write through pointers, and g++ then drops the writes. rangecheck.h and errmsg.h must not be included
// (macros, names).
#pragma once

#pragma push_macro("pure")
#undef pure
#define pure
extern "C" {
#include <stddef.h>
#if __has_include(<libowfat/cdb.h>)
#include <libowfat/buffer.h>
#include <libowfat/cdb.h>
#include <libowfat/cdb_make.h>
#include <libowfat/fmt.h>
#include <libowfat/scan.h>
#include <libowfat/socket.h>
#include <libowfat/taia.h>
#include <libowfat/textcode.h>
#else
#include <buffer.h>
#include <cdb.h>
#include <cdb_make.h>
#include <fmt.h>
#include <scan.h>
#include <socket.h>
#include <taia.h>
#include <textcode.h>
#endif
}
#pragma pop_macro("pure")
