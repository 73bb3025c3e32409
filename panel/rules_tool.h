// The rules of an account, by way of qmail-dot(8): run for each question, with its answer in JSON.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "panel/rule.h"

namespace hato::panel {

// The tool says no: a sentence for the customer.
class RuleRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Each throws TempError when the tool cannot be run, takes longer than 20 seconds or says "later".
std::vector<Rule> list_rules(const std::string& account);  // in the order of their extensions
Rule get_rule(const std::string& account, const std::string& ext);
// Throw RuleRefused.
Rule set_rule(const std::string& account, const std::string& ext, const Rule& rule);
bool delete_rule(const std::string& account, const std::string& ext);  // false: there was none

}  // namespace hato::panel
