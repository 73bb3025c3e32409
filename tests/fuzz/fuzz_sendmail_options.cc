// sendmail's command line: any words are a command or refused with a sentence; no address has a line end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "inject/sendmail_options.h"
#include "lib/base/error.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == 0)
      words.emplace_back();
    else
      words.back() += static_cast<char>(data[i]);
  }
  try {
    const SendmailCommand command = parse_sendmail("sendmail", words);
    for (const std::string& recipient : command.recipients)
      if (recipient.find_first_of("\r\n") != std::string::npos) std::abort();
    if (command.sender && command.sender->find_first_of("\r\n") != std::string::npos) std::abort();
  } catch (const PermError&) {
  }
  return 0;
}
