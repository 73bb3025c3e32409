// The control files by which qmail-send(8) routes.
#pragma once

#include "lib/mail/router.h"
#include "lib/store/control.h"

namespace hato {

// locals (without it: me), virtualdomains, percenthack and envnoathost as they are now. A tool may ask where
// a running qmail-send, which reads some of them at its start only, would not know them yet. Throws
// SystemError for a file that cannot be read.
Router read_router(const Control& control);

}  // namespace hato
