// qmail-qstat [--json]: how many messages are in the queue. man qmail-qstat.
#include <string>

#include "admin/queue_listing.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"

using namespace hato;

namespace {

int body(int argc, char** argv) {
  const bool json = argc == 2 && std::string_view(argv[1]) == "--json";
  if (argc > 1 && !json) throw PermError("usage: qmail-qstat [--json]");
  const QueueListing queue(std::string(conf::home) + "/queue");
  const auto number = [](std::size_t n) { return std::to_string(n); };
  // Scripts know qmail's two lines: a third comes only when there is something to say.
  const std::string held =
      queue.held_count() == 0 ? "" : "messages on hold: " + number(queue.held_count()) + "\n";
  if (json)
    write_all(1,
              "{\"messages\":" + number(queue.messages.size()) + ",\"new\":" + number(queue.fresh_count()) +
                  ",\"deferred\":" + number(queue.messages.size() - queue.fresh_count()) +
                  ",\"held\":" + number(queue.held_count()) + ",\"bad\":" + number(queue.bad.size()) + "}\n",
              "standard output");
  else
    write_all(1,
              "messages in queue: " + number(queue.messages.size()) +
                  "\nmessages in queue but not yet preprocessed: " + number(queue.fresh_count()) + "\n" +
                  held,
              "standard output");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qstat", argc, argv, body);
}
