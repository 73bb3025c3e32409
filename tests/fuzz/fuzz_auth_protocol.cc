// What a client can send to qmail-authd, and what a broken qmail-authd could answer.
#include <cstdint>
#include <cstdlib>

#include "lib/net/auth_protocol.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::optional<AuthMessage> message = auth_message(input);
  if (message && (message->taken > size || message->text.size() > message->taken)) std::abort();
  const std::string_view text = message ? message->text : input;
  if (const std::optional<AuthQuestion> question = parse_auth_question(text)) {
    const std::string again = encode_auth_question(*question);
    const auto its_message = auth_message(again);
    if (!its_message || its_message->taken != again.size()) std::abort();
    const auto same = parse_auth_question(its_message->text);
    if (!same || same->login != question->login || same->password.text() != question->password.text())
      std::abort();
  }
  if (const std::optional<AuthAnswer> answer = parse_auth_answer(text)) {
    if (answer->result == AuthAnswer::Result::no && !answer->text.empty()) std::abort();
    const std::string again = encode_auth_answer(*answer);
    if (answer->text.find("\n\n") == answer->text.npos && !auth_message(again)) std::abort();
  }
  return 0;
}
