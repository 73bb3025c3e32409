// Moved a floor down, because qmail-qread routes too.
#pragma once

#include "lib/mail/router.h"
