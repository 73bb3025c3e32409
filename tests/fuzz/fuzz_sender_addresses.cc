// control/cgisenders and records of users/cdb: any lines are a table or refused with a sentence; what a table
// answers is an address with a domain, and nothing that a script's path says leads out of its own folder.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "qmail-send/sender_addresses.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Lines, then, behind a NUL, the script, the server, a key and a record.
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == 0 && parts.size() < 5)
      parts.emplace_back();
    else
      parts.back() += static_cast<char>(data[i]);
  }
  parts.resize(5);
  parts[3] += '\0';
  if (const auto name = assigned_name(parts[3], parts[4])) {
    if (name->local.empty() || name->rank > 2) std::abort();
    UidNames names;
    names.add(name->uid, name->local, name->rank);
    names.add(name->uid, "later", 0);
    names.sort();
    if (names.name(name->uid) != name->local) std::abort();
  }
  std::vector<std::string> lines;
  for (std::string_view rest = parts[0]; !rest.empty();) {
    const std::size_t lf = rest.find('\n');
    lines.emplace_back(rest.substr(0, lf));
    rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
  }
  SenderAddresses all;
  all.host = "host.example";
  try {
    all.cgi = CgiSenders(lines, "control/cgisenders");
  } catch (const TempError&) {
    return 0;
  }
  for (const uid_t uid : {uid_t{0}, uid_t{33}, uid_t{1000}}) {
    const std::string address = all.address(uid, parts[1], parts[2]);
    if (!address.empty() && (domain_part(address).empty() || !is_clean_address(address))) std::abort();
  }
  if (parts[1].find("/../") != std::string::npos && all.cgi.for_script(parts[1], "") != nullptr) std::abort();
  return 0;
}
