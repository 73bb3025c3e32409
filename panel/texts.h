// Every word that a customer sees, in each language. A language that lacks one does not compile (-Wextra).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hato::panel {

struct Texts {
  const char *language, *other_language, *other_language_name;
  // login
  const char *title, *log_in, *login, *password, *login_hint, *log_out;
  const char *login_wrong, *login_later, *login_again;
  // the first page
  const char *mailbox, *used_of, *used, *messages, *of_messages, *use_unknown, *mailbox_full, *nearly_full;
  const char *addresses, *any_address, *rules, *no_rules, *add_rule, *main_rule, *change, *settings,
      *change_password;
  const char* everything_else;
  const char *to_mailbox, *to_folder, *forwards_to, *closed, *discarded, *vacation, *by_hand, *broken;
  // a rule
  const char *new_rule, *address, *address_hint, *what_happens, *deliver, *keep, *folder, *folder_hint,
      *forward, *forward_hint, *refuse, *refuse_text, *refuse_hint, *discard, *discard_hint;
  const char *vacation_on, *vacation_subject, *vacation_subject_hint, *vacation_text, *vacation_hint, *from,
      *until, *dates_hint;
  const char *other_lines, *save, *cancel, *remove, *remove_question, *remove_hint;
  const char *saved, *removed, *was_not_there, *exists_already;
  // password
  const char *password_now, *password_new, *password_again, *password_hint, *password_changed,
      *passwords_differ, *password_same, *password_wrong;
  // trouble
  const char *trouble, *form_old, *bad_address;
};

extern const Texts english, japanese;

// "12.3 MB"; 1 MB is 1 000 000 bytes, as in the operator's settings.
std::string bytes_text(std::uint64_t bytes);
// The text with %1 and %2 replaced.
std::string filled(std::string_view text, std::string_view first, std::string_view second = {});

}  // namespace hato::panel
