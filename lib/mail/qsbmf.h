// The text of a failure notice in qmail's form: the qmail-send bounce message format, QSBMF. Pure: facts in,
// text out; the copy of the message follows it and is streamed by whoever injects the notice.
//
// A QSBMF notice is paragraphs: the introduction ("Hi. This is the ..."), one a recipient that begins with
// "<", and a break that begins with "-", after which comes the copy.
#pragma once

#include <string>

#include "lib/mail/notice.h"

namespace hato {

// One recipient's paragraph: "<address>:" and the report, with no empty line inside, then an empty line.
std::string qsbmf_paragraph(const std::string& address, const std::string& report);

// Header fields, introduction, recipients, the break, and the Return-Path line of the copy. Of a failure, a
// double bounce or a refused notice. header_only: only the message's header will follow, and the text says
// so.
std::string qsbmf_text(const NoticeFacts& facts, bool header_only);

}  // namespace hato
