#include "checkpassword/auth_door.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/store/accounts.h"

namespace hato {

namespace {

using Result = AuthAnswer::Result;

// Bytes that are there; nullopt: nothing yet; "": the end, or trouble, which is the same here.
std::optional<std::string> read_some(int fd) {
  char space[4096];
  const ssize_t n = read(fd, space, sizeof space);
  if (n >= 0) {
    std::string data(space, static_cast<std::size_t>(n));
    explicit_bzero(space, sizeof space);
    return data;
  }
  if (errno == EAGAIN || errno == EINTR) return std::nullopt;
  return "";
}

AuthAnswer later(std::string reason) {
  return {Result::later, std::move(reason)};
}

}  // namespace

void AuthDoor::accept_clients() {
  while (clients_.size() < clients_limit) {
    Fd fd(accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    Client& client = clients_[next_++];
    client.fd = std::move(fd);
    client.until = Deadline::in_seconds(idle_seconds);
  }
}

void AuthDoor::read_from(Client& client) {
  std::optional<std::string> data = read_some(client.fd.get());
  if (!data) return;
  if (data->empty() || client.in.size() + data->size() > 2 * auth_question_limit) {
    client.fd.reset();
    return;
  }
  client.in += *data;
  wipe(*data);
  take_question(client);
}

void AuthDoor::take_question(Client& client) {
  if (client.question || client.held || !client.out.empty()) return;  // one after the other
  const std::optional<AuthMessage> message = auth_message(client.in);
  if (!message) {
    if (client.in.size() > auth_question_limit) client.fd.reset();
    return;
  }
  client.question = parse_auth_question(message->text);
  std::string rest = client.in.substr(message->taken);
  wipe(client.in);
  client.in = std::move(rest);
  if (!client.question) return tell(client, later("malformed question"));
  client.question->login = canonical_login(client.question->login);
  client.until = Deadline::in_seconds(answer_seconds);
  const std::int64_t wait = guesses_.wait(client.question->login, client.question->client, now_seconds());
  if (wait > 0)
    return tell(client, later("too many wrong passwords; again in " + std::to_string(wait) + " s"));
}

// Begins the check of a question that waits for it, when there is a place.
void AuthDoor::begin_check(Client& client) {
  if (!client.question || client.answer || client.held || checks_ >= checks_limit) return;
  FdPair pipe = make_pipe();
  set_nonblocking(pipe.first.get(), true);
  std::string text = encode_auth_question(*client.question);
  text.pop_back();  // the empty line: a packet ends by itself
  const int out = pipe.second.get();
  const bool sent = send_message(checker_, text, &out, 1);
  wipe(text);
  if (!sent) throw TempError("the half that checks passwords is gone");
  client.answer = std::move(pipe.first);
  ++checks_;
}

void AuthDoor::read_answer(Client& client) {
  const std::optional<std::string> data = read_some(client.answer.get());
  if (!data) return;
  client.answer_text += *data;
  if (!data->empty() && client.answer_text.size() <= auth_answer_limit) return;
  client.answer.reset();
  --checks_;
  std::optional<AuthAnswer> answer;
  if (const std::optional<AuthMessage> message = auth_message(client.answer_text))
    answer = parse_auth_answer(message->text);
  client.answer_text.clear();
  tell(client, answer ? *answer : later("trouble checking the password"));
}

void AuthDoor::tell(Client& client, const AuthAnswer& answer) {
  const std::string text = encode_auth_answer(answer);
  if (client.question) {
    const AuthQuestion& question = *client.question;
    const std::int64_t now = now_seconds();
    if (answer.result == Result::yes) guesses_.right(question.login, question.client, now);
    if (answer.result == Result::no) guesses_.wrong(question.login, question.client, now);
    const char* result = answer.result == Result::yes ? "yes" : answer.result == Result::no ? "no" : "later";
    log_line(2, "qmail-authd: " + std::string(result) + " login " + log_safe(question.login) + " service " +
                    (question.service.empty() ? "-" : question.service) + " client " +
                    (question.client.empty() ? "-" : question.client) +
                    (answer.result == Result::later ? ": " + answer.text : ""));
  }
  client.question.reset();
  if (answer.result == Result::no) {
    client.held = text;
    client.until = Deadline::in_seconds(wrong_seconds);
    return;
  }
  client.out += text;
  client.until = Deadline::in_seconds(idle_seconds);
}

void AuthDoor::time_over(Client& client) {
  if (client.held) {
    client.out += *client.held;
    client.held.reset();
    client.until = Deadline::in_seconds(idle_seconds);
  } else if (client.question) {
    if (client.answer) --checks_;
    client.answer.reset();
    client.answer_text.clear();
    tell(client, later("no answer in time"));
  } else {
    client.fd.reset();
  }
}

void AuthDoor::write_to(Client& client) {
  const ssize_t n = send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    client.fd.reset();
    return;
  }
  client.out.erase(0, static_cast<std::size_t>(n));
  if (client.out.empty()) take_question(client);  // which may have come already
}

void AuthDoor::run(ServiceLife& life) {
  for (;;) {
    std::vector<pollfd> polls{{checker_, POLLIN, 0},
                              {clients_.size() < clients_limit ? listening_ : -1, POLLIN, 0}};
    std::vector<std::uint64_t> whose;
    int time = -1;
    for (auto& [number, client] : clients_) {
      begin_check(client);
      if (client.answer)
        polls.push_back({client.answer.get(), POLLIN, 0});
      else
        // A client that is being answered is not read: what it sends stays with the kernel.
        polls.push_back({client.fd.get(),
                         static_cast<short>(!client.out.empty()              ? POLLOUT
                                            : client.question || client.held ? 0
                                                                             : POLLIN),
                         0});
      whose.push_back(number);
      const int left = client.until.poll_ms();
      if (left >= 0 && (time < 0 || left < time)) time = left;
    }
    if (!life.wait(polls, time)) return;
    if (polls[0].revents != 0) throw TempError("the half that checks passwords has ended");
    for (std::size_t i = 0; i < whose.size(); ++i) {
      Client& client = clients_[whose[i]];
      const short events = polls[i + 2].revents;
      if (events != 0) {
        if (client.answer)
          read_answer(client);
        else if ((events & POLLOUT) != 0)
          write_to(client);
        else if ((events & POLLIN) != 0)
          read_from(client);
        else if (client.held || client.question)
          client.fd.reset();  // gone while it was being answered
        else
          read_from(client);
      }
      if (client.fd && client.until.passed()) time_over(client);
      if (!client.fd) {
        if (client.answer) --checks_;
        clients_.erase(whose[i]);
      }
    }
    if (polls[1].revents != 0) accept_clients();
  }
}

}  // namespace hato
