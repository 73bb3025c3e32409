// qmail-q's command line (qmail-q(8)). Pure, but for the look-up of a user's name that it is given.
#pragma once

#include <string>
#include <vector>

#include "admin/queue_filter.h"

namespace hato {

enum class QueueVerb { list, show, remove, hold, release, retry, status };

struct QueueCommand {
  QueueVerb verb = QueueVerb::list;
  QueueFilter filter;
  bool selected = false;        // some selection was given, or --all
  bool ids_from_input = false;  // an operand "-": filter.add_id() for each, then filter.finish()
  bool json = false;
  bool dry_run = false;                          // -n
  bool ids_only = false;                         // list --ids
  bool with_recipients = false;                  // list --long
  bool with_reasons = false;                     // list --why
  std::string count_by;                          // list --by KEY; "" is none
  std::size_t limit = 0;                         // 0: none
  bool headers = false, message = false;         // show
  bool recipients_only = false, bounce = false;  // remove
  std::string reason;                            // of the bounce

  bool changes() const {
    return verb == QueueVerb::remove || verb == QueueVerb::hold || verb == QueueVerb::release ||
           verb == QueueVerb::retry;
  }
};

const char* verb_name(QueueVerb verb);
// The keys of list --by, with blanks between.
extern const char count_keys[];

// words: without the program's name. Throws PermError with a sentence for what cannot be meant.
QueueCommand parse_queue_command(const std::vector<std::string>& words, std::int64_t now,
                                 std::int64_t (*uid_of)(const std::string& user));

}  // namespace hato
