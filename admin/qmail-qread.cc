// qmail-qread [--json]: lists the messages in the queue and what became of their recipients. man qmail-qread.
#include <string>

#include "admin/message_view.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/store/routing.h"

using namespace hato;

namespace {

std::string trouble(QueueId id, const std::string& why, bool json) {
  if (json) return error_as_json(id, why);
  return "warning: trouble with #" + id.text() + ": " + why + "\n";
}

int body(int argc, char** argv) {
  const bool json = argc == 2 && std::string_view(argv[1]) == "--json";
  if (argc > 1 && !json) throw PermError("usage: qmail-qread [--json]");
  const QueueListing queue(std::string(conf::home) + "/queue");
  const Router router = read_router(Control());

  Writer out(1, "standard output", 0, 65536);
  for (const ListedMessage& listed : queue.messages) try {
      OpenedMessage message;
      std::string why;
      const OpenResult result = open_listed(queue, listed, message, why);
      if (result == OpenResult::damaged) out.put(trouble(listed.id, why, json));
      if (result != OpenResult::ok) continue;  // missing: delivered in the meantime
      const MessageView view = view_of(queue, listed, message, router);
      out.put(json ? as_json(view, false) : as_listing(view));
    } catch (const SystemError& e) {
      if (out.failed()) throw;
      out.put(trouble(listed.id, e.text(), json));
    }
  out.flush();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qread", argc, argv, body);
}
