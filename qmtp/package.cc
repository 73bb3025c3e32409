#include "qmtp/package.h"

#include <algorithm>

namespace hato::qmtp {

PackageParser::PackageParser(Protocol protocol, PackageSink& sink)
    : protocol_(protocol),
      sink_(sink),
      part_(protocol == Protocol::qmqp ? Part::whole_length : Part::message_length) {}

PackageParser::State PackageParser::state() const {
  if (part_ == Part::complete) return State::complete;
  return part_ == Part::broken ? State::broken : State::more;
}

void PackageParser::broken(PackageFault fault) {
  part_ = Part::broken;
  fault_ = fault;
}

std::size_t PackageParser::feed(std::string_view octets) {
  std::size_t taken = 0;
  while (state() == State::more && taken < octets.size()) {
    untouched_ = false;
    std::string_view rest = octets.substr(taken);
    if (enclosed_)
      rest = rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), around_)));
    if (rest.empty()) {
      broken(PackageFault::overrun);
      break;
    }
    taken += step(rest);
  }
  return state() == State::broken ? octets.size() : taken;
}

// Takes at least one octet of a text that is not empty.
std::size_t PackageParser::step(std::string_view octets) {
  switch (part_) {
    case Part::whole_length:
    case Part::message_length:
    case Part::sender_length:
    case Part::list_length:
    case Part::recipient_length:
      return take_length(octets);
    case Part::encoding:
    case Part::message:
      return take_message(octets);
    case Part::sender:
    case Part::recipient:
      return take_address(octets);
    case Part::message_comma:
    case Part::sender_comma:
    case Part::recipient_comma:
    case Part::last_comma:
      return take_comma(octets);
    case Part::complete:
    case Part::broken:
      break;
  }
  return octets.size();
}

void PackageParser::use(std::size_t octets) {
  if (enclosed_) around_ -= octets;
}

std::size_t PackageParser::take_length(std::string_view octets) {
  const std::size_t taken = length_.feed(octets);
  use(taken);
  if (part_ != Part::whole_length && part_ != Part::message_length) envelope_octets_ += taken;
  if (length_.state() == NetstringLength::State::malformed) {
    broken(PackageFault::length);
  } else if (length_.state() == NetstringLength::State::done) {
    left_ = length_.value();
    length_ = NetstringLength();
    length_known();
  }
  return taken;
}

void PackageParser::length_known() {
  if (enclosed_ && left_ >= around_) return broken(PackageFault::overrun);  // its comma must be inside, too
  switch (part_) {
    case Part::whole_length:
      enclosed_ = true;
      around_ = left_;
      part_ = Part::message_length;
      return;
    case Part::message_length:
      return message_known();
    case Part::list_length:
      if (envelope_octets_ + left_ > max_envelope_octets) return broken(PackageFault::envelope);
      enclosed_ = true;
      around_ = left_;
      return next_recipient();
    default:
      return address_known();
  }
}

void PackageParser::message_known() {
  if (protocol_ == Protocol::qmtp && left_ > 0) {
    part_ = Part::encoding;
    return;
  }
  encoding_ = protocol_ == Protocol::qmtp ? Encoding::unknown : Encoding::lf;
  sink_.message_begins(encoding_, left_);
  if (left_ > 0)
    part_ = Part::message;
  else
    end_message();
}

void PackageParser::address_known() {
  const bool recipient = part_ == Part::recipient_length;
  if (envelope_octets_ + left_ > max_envelope_octets) return broken(PackageFault::envelope);
  if (recipient && ++recipients_ > max_recipients) return broken(PackageFault::recipients);
  address_.clear();
  address_too_long_ = left_ >= max_envelope_address;
  if (left_ > 0)
    part_ = recipient ? Part::recipient : Part::sender;
  else
    part_ = recipient ? Part::recipient_comma : Part::sender_comma;
}

std::size_t PackageParser::take_message(std::string_view octets) {
  if (part_ == Part::encoding) {
    encoding_ = octets[0] == '\n' ? Encoding::lf : octets[0] == '\r' ? Encoding::crlf : Encoding::unknown;
    use(1);
    --left_;
    sink_.message_begins(encoding_, left_);
    part_ = Part::message;
    if (left_ == 0) end_message();
    return 1;
  }
  octets = octets.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(octets.size(), left_)));
  use(octets.size());
  left_ -= octets.size();
  put_text(octets);
  if (left_ == 0) end_message();
  return octets.size();
}

void PackageParser::put_text(std::string_view octets) {
  if (encoding_ == Encoding::unknown) return;
  if (encoding_ == Encoding::lf) return sink_.text(octets);
  while (!octets.empty()) {
    if (pending_cr_) {
      pending_cr_ = false;
      if (octets[0] != '\n') sink_.text("\r");
    }
    const std::size_t cr = octets.find('\r');
    if (cr != 0) sink_.text(octets.substr(0, cr));
    if (cr == octets.npos) return;
    pending_cr_ = true;
    octets.remove_prefix(cr + 1);
  }
}

void PackageParser::end_message() {
  if (pending_cr_) sink_.text("\r");
  pending_cr_ = false;
  sink_.message_ends();
  part_ = Part::message_comma;
}

std::size_t PackageParser::take_address(std::string_view octets) {
  octets = octets.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(octets.size(), left_)));
  use(octets.size());
  left_ -= octets.size();
  envelope_octets_ += octets.size();
  if (!address_too_long_) address_.append(octets);
  if (left_ == 0) part_ = part_ == Part::recipient ? Part::recipient_comma : Part::sender_comma;
  return octets.size();
}

std::size_t PackageParser::take_comma(std::string_view octets) {
  use(1);
  if (octets[0] != ',') {
    broken(PackageFault::comma);
    return 1;
  }
  std::optional<std::string> address;
  if (!address_too_long_) address = address_;
  switch (part_) {
    case Part::message_comma:
      part_ = Part::sender_length;
      break;
    case Part::sender_comma:
      sink_.sender(std::move(address));
      if (protocol_ == Protocol::qmtp)
        part_ = Part::list_length;
      else
        next_recipient();
      break;
    case Part::recipient_comma:
      sink_.recipient(std::move(address));
      next_recipient();
      break;
    default:
      part_ = Part::complete;
  }
  return 1;
}

// Behind a recipient, or before the first one.
void PackageParser::next_recipient() {
  part_ = around_ > 0 ? Part::recipient_length : Part::last_comma;
  if (around_ == 0) enclosed_ = false;
}

}  // namespace hato::qmtp
