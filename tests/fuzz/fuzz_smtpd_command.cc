// Command lines, parameters, and the operator's own lines of control/smtpreplies and control/smtplimits.
#include <stdlib.h>

#include "smtpd/command.h"
#include "smtpd/ident.h"
#include "smtpd/settings.h"

using namespace hato;
using namespace hato::smtpd;

namespace {
void demand(bool fact) {
  if (!fact) abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const Command command = parse_command(line);
  demand(command.argument.empty() || (command.argument.front() != ' ' && command.argument.back() != ' '));
  has_control_byte(line);
  for (const char* keyword : {"FROM", "TO"}) {
    const Path path = parse_path(command.argument, keyword);
    if (!path.ok()) continue;
    demand(is_clean_address(path.address) && path.address.size() <= max_smtp_address);
    const MailParameters mail = parse_mail_parameters(path.parameters);
    if (mail.error == ParameterError::none) demand(message_dsn(mail.words()) == mail.dsn);
    const RcptParameters rcpt = parse_rcpt_parameters(path.parameters, true);
    if (rcpt.error == ParameterError::none) {
      const RecipientDsn again = recipient_dsn(dsn_words(rcpt.dsn));
      demand(again.notify == rcpt.dsn.notify && (!again.original || again == rcpt.dsn));
    }
  }
  if (const auto chunk = parse_chunk(command.argument)) demand(chunk->size <= INT64_MAX);
  Replies replies;
  replies.enhanced(size % 2 == 1);
  if (replies.override_with(line))
    for (int i = 0; i < static_cast<int>(Reply::count); ++i) {
      const std::string reply = replies.line(static_cast<Reply>(i));
      demand(reply.size() <= 512 && reply.find('\n') == reply.size() - 1);
    }
  const std::string said = replies.line_of_queue(82, std::string(line));
  demand((said[0] == '4' || said[0] == '5') && said.size() <= 512 && said.find('\n') == said.size() - 1);
  Limits().set(line);
  parse_ident_reply(line, 6193, 23);
  return 0;
}
