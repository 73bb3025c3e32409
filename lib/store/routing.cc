#include "lib/store/routing.h"

#include <optional>
#include <string>
#include <vector>

namespace hato {

Router read_router(const Control& control) {
  std::optional<std::vector<std::string>> locals = control.lines("locals");
  if (!locals) locals = {control.line_or("me", "")};
  const std::vector<std::string> none;
  return Router(*locals, control.lines("virtualdomains").value_or(none),
                control.lines("percenthack").value_or(none),
                control.line_or_me("envnoathost", "envnoathost"));
}

}  // namespace hato
