#include "lib/net/auth_client.h"

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"

namespace hato {

AuthAnswer ask_auth(const AuthQuestion& question) {
  std::string text;
  try {
    text = encode_auth_question(question);
  } catch (const PermError&) {
    return {AuthAnswer::Result::no, ""};
  }
  try {
    const Deadline deadline = Deadline::in_seconds(auth_answer_seconds);
    const Fd fd = connect_local(std::string(conf::home) + auth_socket, SOCK_STREAM);
    Writer writer(fd.get(), "qmail-authd");
    writer.until(deadline);
    writer.put(text);
    writer.flush();
    wipe(text);
    Reader reader(fd.get(), "qmail-authd");
    reader.until(deadline);
    std::string answer;
    for (;;) {
      const std::string_view piece = reader.peek();
      if (piece.empty()) throw TempError("qmail-authd closed the connection");
      answer += piece;
      reader.consume(piece.size());
      if (const std::optional<AuthMessage> message = auth_message(answer)) {
        const std::optional<AuthAnswer> parsed = parse_auth_answer(message->text);
        if (!parsed) throw TempError("qmail-authd's answer is unintelligible");
        return *parsed;
      }
      if (answer.size() > auth_answer_limit) throw TempError("qmail-authd's answer is unintelligible");
    }
  } catch (const Error& e) {
    wipe(text);
    return {AuthAnswer::Result::later, e.text()};
  }
}

}  // namespace hato
