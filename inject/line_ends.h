// The line ends of a program's input made those of the queue: CR LF (and CR CR LF, as broken scripts write)
// becomes LF. A CR elsewhere stays, and a last line without an end stays without.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hato {

class LineEnds {
 public:
  void feed(std::string_view input, std::string& out);  // appends to out
  void finish(std::string& out);                        // the input has ended

 private:
  std::size_t held_ = 0;  // CRs that may belong to a line end
};

}  // namespace hato
