// What conf-home, conf-users, conf-groups, conf-split and conf-break said when the program was linked. One
// object (made by admin/conf-object.sh) defines these, so another home is a relink; no environment variable
// overrides them.
#pragma once

namespace hato::conf {

extern const char home[];  // absolute, no trailing slash; bin, control, users, queue, gate, alias lie in it
extern const unsigned split;      // subdirectories of queue/mess and queue/state in a new queue
extern const char break_chars[];  // separators between a user's name and an extension ("-", perhaps "-+")

extern const char user_alias[], user_qmaild[], user_qmaill[], user_root[], user_qmailp[], user_qmailq[],
    user_qmailr[], user_qmails[], user_qmailt[], user_qmailk[], user_qmaila[], user_qmailg[], user_qmailv[],
    user_qmailc[];
extern const char group_qmail[], group_nofiles[];

}  // namespace hato::conf
