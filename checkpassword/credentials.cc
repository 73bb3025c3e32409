#include "checkpassword/credentials.h"

namespace hato {

namespace {

std::optional<std::string_view> take_string(std::string_view& data) {
  const std::size_t nul = data.find('\0');
  if (nul == std::string_view::npos) return std::nullopt;
  const std::string_view text = data.substr(0, nul);
  data.remove_prefix(nul + 1);
  return text;
}

}  // namespace

std::optional<Credentials> parse_credentials(std::string_view data) {
  const std::optional<std::string_view> login = take_string(data);
  if (!login) return std::nullopt;
  const std::optional<std::string_view> password = take_string(data);
  if (!password) return std::nullopt;
  const std::optional<std::string_view> timestamp = take_string(data);
  if (!timestamp) return std::nullopt;
  return Credentials{Secret(*login), Secret(*password), std::string(*timestamp)};
}

}  // namespace hato
