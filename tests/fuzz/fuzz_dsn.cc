// DSN parameters as they come from a session, a local sender's record or the queue: what is let through is
// one line of words, and reads the same when it was written.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/dsn.h"
#include "lib/mail/utf8.h"

using namespace hato;

namespace {

void require(bool fact) {
  if (!fact) std::abort();
}

// Fit for a command line and for a line of a report.
void require_one_line(std::string_view text) {
  for (const char c : text) require(c >= 32 && c < 127);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  require(decode_xtext(encode_xtext(input)) == std::string(input));
  if (const auto plain = decode_xtext(input)) require(decode_xtext(encode_xtext(*plain)) == plain);
  parse_ret(input);
  parse_notify(input);

  const MessageDsn message = message_dsn(input);
  require_one_line(dsn_words(message));
  require(message_dsn(dsn_words(message)) == message);

  const RecipientDsn recipient = recipient_dsn(input);
  require_one_line(dsn_words(recipient));
  const RecipientDsn again = recipient_dsn(dsn_words(recipient));
  require(again.notify == recipient.notify);
  if (again.original) require(again.original == recipient.original);
  if (recipient.original) {
    require_one_line(report_address(*recipient.original, false));
    require(is_utf8(report_address(*recipient.original, true)));
  }
  require_one_line(report_address(input, false));
  return 0;
}
