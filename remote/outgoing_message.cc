#include "remote/outgoing_message.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {

bool has_high_bit(std::string_view text) {
  std::uint64_t all = 0;
  while (text.size() >= sizeof all) {
    std::uint64_t eight;
    memcpy(&eight, text.data(), sizeof eight);
    all |= eight;
    text.remove_prefix(sizeof eight);
  }
  unsigned char rest = 0;
  for (const char c : text) rest |= static_cast<unsigned char>(c);
  return (all & 0x8080808080808080U) != 0 || (rest & 0x80U) != 0;
}

}  // namespace

// part holds no LF.
void WireEncoder::put_line_part(std::string_view part, std::string& out) {
  if (part.empty()) return;
  if (pending_cr_) {
    out.push_back(' ');
    pending_cr_ = false;
    at_line_start_ = false;
  }
  if (stuff_dots_ && at_line_start_ && part[0] == '.') out.push_back('.');
  for (;;) {
    const std::size_t cr = part.find('\r');
    out.append(part.substr(0, cr));
    if (cr != 0) at_line_start_ = false;
    if (cr == part.npos) return;
    part.remove_prefix(cr + 1);
    if (part.empty()) {
      pending_cr_ = true;  // an LF may follow
      return;
    }
    out.push_back(' ');
    at_line_start_ = false;
  }
}

void WireEncoder::encode(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    const std::size_t lf = piece.find('\n');
    put_line_part(piece.substr(0, lf), out);
    if (lf == piece.npos) return;
    out.append("\r\n");
    at_line_start_ = true;
    pending_cr_ = false;
    piece.remove_prefix(lf + 1);
  }
}

void WireEncoder::finish(std::string& out) {
  if (!at_line_start_ || pending_cr_) out.append("\r\n");
  at_line_start_ = true;
  pending_cr_ = false;
}

OutgoingMessage::OutgoingMessage(int fd) : fd_(fd), start_(lseek(fd, 0, SEEK_CUR)) {
  at_ = start_;
  struct stat status {};
  const bool size_known = start_ >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const std::uint64_t size =
      size_known && status.st_size > start_ ? static_cast<std::uint64_t>(status.st_size - start_) : 0;
  if (!size_known || size <= message_kept) read_whole(size_known ? size : message_kept + 1, size_known);
  if (!whole_ && !size_known) {
    eight_bit_ = eight_bit_header_ = true;
    return;
  }
  each_piece([&](std::string_view piece) { look_through(piece); });
  if (last_ != '\n') wire_size_ += 2;
}

// All of a message that is kept or in a file.
template <typename Take>
void OutgoingMessage::each_piece(Take take) {
  if (whole_) return take(kept_);
  if (!space_) space_.reset(new char[message_piece]);
  while (const std::size_t n = read_piece(space_.get(), message_piece))
    take(std::string_view(space_.get(), n));
  at_ = start_;
}

std::string OutgoingMessage::make_seven_bit() {
  if (!eight_bit_ || seven_bit_ || (!whole_ && start_ < 0)) return {};
  auto converter = std::make_unique<SevenBit>();
  each_piece([&](std::string_view piece) { converter->look(piece); });
  converter->finish_look();
  if (!converter->obstacle().empty()) return converter->obstacle();
  wire_size_ = 0;
  converter->begin();
  std::string converted;
  const auto count = [&] {
    wire_size_ +=
        converted.size() + static_cast<std::uint64_t>(std::count(converted.begin(), converted.end(), '\n'));
    if (!converted.empty()) last_ = converted.back();
    converted.clear();
  };
  each_piece([&](std::string_view piece) {
    converter->convert(piece, converted);
    count();
  });
  converter->finish(converted);
  count();
  if (last_ != '\n') wire_size_ += 2;
  eight_bit_ = eight_bit_header_ = false;
  seven_bit_ = std::move(converter);
  seven_bit_->begin();
  return {};
}

// Reads up to `size` bytes into kept_; whole_ when that is all there is.
void OutgoingMessage::read_whole(std::size_t size, bool size_known) {
  kept_.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const std::size_t n = read_piece(kept_.data() + have, size - have);
    if (n == 0) break;
    have += n;
  }
  whole_ = size_known || have < size;
  kept_.resize(have);
}

std::size_t OutgoingMessage::read_piece(char* space, std::size_t size) {
  for (;;) {
    const ssize_t n = start_ >= 0 ? pread(fd_, space, size, at_) : read(fd_, space, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read message");
    if (start_ >= 0) at_ += n;
    return static_cast<std::size_t>(n);
  }
}

void OutgoingMessage::look_through(std::string_view piece) {
  if (piece.empty()) return;
  wire_size_ += piece.size() + static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
  const bool high = has_high_bit(piece);
  eight_bit_ = eight_bit_ || high;
  if (in_header_) {
    // Pieces are large, and so only the first few are looked at twice.
    const bool ends = (last_ == '\n' && piece[0] == '\n');
    const std::size_t end = ends ? 0 : std::min(piece.find("\n\n"), piece.find("\n\r\n"));
    eight_bit_header_ = eight_bit_header_ || (high && has_high_bit(piece.substr(0, end)));
    in_header_ = end == piece.npos;
  }
  last_ = piece.back();
}

bool OutgoingMessage::rewind() {
  if (begun_ && !whole_ && start_ < 0) return false;
  encoder_ = WireEncoder();
  encoder_.dots(stuff_dots_);
  if (seven_bit_) seven_bit_->begin();
  kept_sent_ = finished_ = begun_ = false;
  at_ = start_;
  return true;
}

void OutgoingMessage::encode(std::string_view piece, std::string& out) {
  if (!seven_bit_) return encoder_.encode(piece, out);
  std::string converted;
  seven_bit_->convert(piece, converted);
  encoder_.encode(converted, out);
}

bool OutgoingMessage::next(std::string& out) {
  if (finished_) return false;
  begun_ = true;
  if (!kept_.empty() && !kept_sent_) {
    encode(kept_, out);
    kept_sent_ = true;
    if (!whole_) return true;  // what was read from a pipe ahead; the rest is still in it
  } else if (!whole_) {
    if (!space_) space_.reset(new char[message_piece]);
    if (const std::size_t n = read_piece(space_.get(), message_piece); n > 0) {
      encode({space_.get(), n}, out);
      return true;
    }
  }
  if (seven_bit_) {
    std::string converted;
    seven_bit_->finish(converted);
    encoder_.encode(converted, out);
  }
  encoder_.finish(out);
  finished_ = true;
  return true;
}

}  // namespace hato
