// Reads lines from a descriptor that another program will read on from: no byte beyond the line's LF is
// taken.
#pragma once

#include <cstddef>
#include <string>

#include "lib/base/clock.h"

namespace hato {

// From a socket it looks ahead with MSG_PEEK and takes what belongs to the line; from anything else (a pipe,
// a terminal) it reads byte by byte.
class ExactLineReader {
 public:
  explicit ExactLineReader(int fd) : fd_(fd) {}

  enum class Result {
    complete,  // ended by LF, which was read and is not part of the line (a CR before it is)
    eof,       // the input ended, perhaps within a line
    too_long,  // more than `limit` bytes without LF; how much of it was taken is not said
  };
  // Throws TimeoutError when the line is not complete at the deadline, SystemError otherwise.
  Result read_line(std::string& line, std::size_t limit, Deadline deadline);

 private:
  std::size_t read_piece(char* data, std::size_t size, Deadline deadline);

  int fd_;
  bool socket_ = true;  // until it turns out not to be one
};

}  // namespace hato
