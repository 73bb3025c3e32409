// Passwords and digests: wiped after use, compared in constant time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace hato {

// Overwrites all the space the string holds (the compiler may not leave that out) and empties it.
void wipe(std::string& text);

// A string that is wiped when it goes. Moving one leaves the source wiped; it cannot be copied.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(text_); }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Takes the same time wherever the first difference is; only the lengths show.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace hato
