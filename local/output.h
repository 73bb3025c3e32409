// Where the words of a delivery go, its own and those of its programs: to descriptors 1 and 2, or, for a
// delivery of an agent (lib/base/agent.h), into its report.
#pragma once

#include <string>
#include <string_view>

namespace hato {

class Output {
 public:
  enum class To { out, error };

  // Descriptors 1 and 2.
  Output() = default;
  // `text`, which outlives this: everything in the order in which it was said.
  explicit Output(std::string& text) : text_(&text) {}

  // True when what is said to both comes to one place.
  bool one_place() const;
  // False: it could not be written; the delivery goes on all the same.
  bool say(To to, std::string_view words);

 private:
  std::string* text_ = nullptr;
};

}  // namespace hato
