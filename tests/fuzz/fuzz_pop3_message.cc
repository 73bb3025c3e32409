// A message file as a multi-line response, cut into pieces as the first bytes say: no line is a dot alone
// before the end, every line ends in CRLF, and undoing it gives the file's lines back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pop3d/multiline.h"

namespace {

// What RFC 1939 has a client do. Also makes LF of CRLF and ends the last line.
std::string decode(std::string_view response) {
  std::string file;
  for (;;) {
    const std::size_t end = response.find("\r\n");
    if (end == std::string_view::npos) std::abort();
    std::string_view line = response.substr(0, end);
    response.remove_prefix(end + 2);
    if (line == ".") break;
    if (line.substr(0, 1) == ".") line.remove_prefix(1);
    file.append(line).push_back('\n');
  }
  if (!response.empty()) std::abort();
  return file;
}

std::string expected(std::string_view file) {
  std::string lines;
  for (std::size_t i = 0; i < file.size(); ++i)
    if (file[i] != '\r' || i + 1 == file.size() || file[i + 1] != '\n') lines.push_back(file[i]);
  if (!lines.empty() && (lines.back() != '\n')) lines.push_back('\n');
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = std::size_t{data[0]} + 1;
  const std::uint64_t lines = data[1] == 255 ? hato::MultilineEncoder::whole_message : data[1];
  const std::string_view file(reinterpret_cast<const char*>(data) + 2, size - 2);
  hato::MultilineEncoder encoder(lines);
  std::string response;
  for (std::size_t at = 0; at < file.size(); at += piece)
    if (!encoder.feed(file.substr(at, piece), response)) break;
  encoder.finish(response);
  const std::string back = decode(response), whole = expected(file);
  if (lines == hato::MultilineEncoder::whole_message) {
    if (back != whole) std::abort();
  } else if (whole.compare(0, back.size(), back) != 0) {
    std::abort();
  }
  return 0;
}
