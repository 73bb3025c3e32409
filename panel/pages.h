// The pages, each as the HTML of its body. Pure: what they show is given to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "panel/customer.h"
#include "panel/mailbox_use.h"
#include "panel/rule.h"
#include "panel/texts.h"

namespace hato::panel {

// How the address of a rule is written; for "" the first main address, for a default rule in words.
std::string address_of(const Customer& customer, const std::string& ext, const Texts& texts);

// What every form needs besides its fields.
struct FormFrame {
  std::string script;    // where it is sent
  std::string form_key;  // against cross-site requests
};

std::string login_page(const Texts& texts, const FormFrame& form, const std::string& login);
std::string overview_page(const Texts& texts, const FormFrame& form, const Customer& customer,
                          const std::optional<MailboxUse>& use, const std::vector<Rule>& rules);
// fixed: the extension is known; else there is a field for it.
std::string rule_page(const Texts& texts, const FormFrame& form, const Customer& customer, const Rule& rule,
                      bool fixed);
std::string delete_page(const Texts& texts, const FormFrame& form, const Customer& customer,
                        const std::string& ext);
std::string password_page(const Texts& texts, const FormFrame& form);

}  // namespace hato::panel
