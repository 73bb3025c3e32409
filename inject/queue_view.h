// mailq and sendmail -bp. man/mailq.1
#pragma once

namespace hato {

// Who can read the queue is shown all of it, by qmail-qread, which this process becomes. Anybody else gets
// from qmail-send, on descriptor 1, the messages that his uid handed in. Throws TempError when qmail-send
// does not run, or the list is not whole; what came of it was shown then.
void show_queue();

}  // namespace hato
