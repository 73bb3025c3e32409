// qmail-qread [--json | --mailq | --for UID]: lists the messages in the queue and what became of their
// recipients. man qmail-qread.
#include <charconv>
#include <optional>
#include <string>

#include "admin/message_view.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/net/queue_list.h"
#include "lib/store/routing.h"

using namespace hato;

namespace {

enum class Form { listing, json, mailq };

struct Command {
  Form form = Form::listing;
  std::optional<std::uint32_t> uid;  // only what this uid handed in, ended as lib/net/queue_list.h says
};

Command command_of(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (argc == 1) return {};
  if (argc == 2 && option == "--json") return {Form::json, {}};
  if (argc == 2 && option == "--mailq") return {Form::mailq, {}};
  if (argc == 3 && option == "--for") {
    const std::string_view text = argv[2];
    std::uint32_t uid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (error == std::errc() && end == text.data() + text.size()) return {Form::mailq, uid};
  }
  throw PermError("usage: qmail-qread [--json | --mailq | --for uid]");
}

class Listing {
 public:
  Listing(Command command, Writer& out) : command_(command), out_(out) {}

  // Messages that are damaged, or cannot be read, get a line of their own, but not in a user's list: nobody
  // knows whose they are.
  void write_all_of(const QueueListing& queue, const Router& router, Deadline deadline) {
    for (const ListedMessage& listed : queue.messages) {
      if (deadline.passed()) throw TimeoutError("the queue is too long to be listed in time");
      try {
        write_one(queue, listed, router);
      } catch (const SystemError& e) {
        if (out_.failed()) throw;
        trouble(listed.id, e.text());
      }
    }
    if (command_.form == Form::mailq) out_.put(last_line());
  }

 private:
  void write_one(const QueueListing& queue, const ListedMessage& listed, const Router& router) {
    OpenedMessage message;
    std::string why;
    const OpenResult result = open_listed(queue, listed, message, why);
    if (result == OpenResult::damaged) trouble(listed.id, why);
    if (result != OpenResult::ok) return;  // missing: delivered in the meantime
    if (command_.uid && message.header.uid != *command_.uid) return;
    const MessageView view = view_of(queue, listed, message, router);
    ++messages_;
    bytes_ += view.header.message_bytes();
    out_.put(command_.form == Form::json    ? as_json(view, false)
             : command_.form == Form::mailq ? as_mailq(view)
                                            : as_listing(view));
  }
  void trouble(QueueId id, const std::string& why) {
    if (command_.form == Form::json) return out_.put(error_as_json(id, why));
    if (command_.uid) return;
    out_.put("warning: trouble with #" + id.text() + ": " + why + "\n");
  }
  // The words that scripts know from sendmail and Postfix.
  std::string last_line() const {
    if (messages_ == 0) return "Mail queue is empty\n";
    return "-- " + std::to_string((bytes_ + 1023) / 1024) + " Kbytes in " + std::to_string(messages_) +
           (messages_ == 1 ? " Request.\n" : " Requests.\n");
  }

  const Command command_;
  Writer& out_;
  std::uint64_t messages_ = 0, bytes_ = 0;
};

void list(const Command& command, Writer& out, Deadline deadline) {
  const QueueListing queue(std::string(conf::home) + "/queue");
  const Router router = read_router(Control());
  Listing(command, out).write_all_of(queue, router, deadline);
}

// A reader who has gone, or takes no more, is nobody's concern.
void end_list(Writer& out, const std::string& why) {
  if (out.failed()) return;
  try {
    out.until(Deadline::in_seconds(list_write_seconds));
    out.put(encode_list_end(why));
    out.flush();
  } catch (const Error&) {
    // He sees that the list broke off.
  }
}

// For a user who asked qmail-send. What is wrong with the queue is for the log.
int list_for_user(const Command& command) {
  Writer out(1, "the list", list_write_seconds, 65536);
  const Deadline deadline = Deadline::in_seconds(list_seconds);
  out.until(deadline);
  try {
    list(command, out, deadline);
    end_list(out, "");
  } catch (const TimeoutError& e) {
    end_list(out, e.text());
  } catch (const Error&) {
    if (out.failed()) return 111;
    end_list(out, "qmail-send's log says why");
    throw;
  }
  return 0;
}

int body(int argc, char** argv) {
  const Command command = command_of(argc, argv);
  if (command.uid) return list_for_user(command);
  Writer out(1, "standard output", 0, 65536);
  list(command, out, Deadline::never());
  out.flush();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qread", argc, argv, body);
}
