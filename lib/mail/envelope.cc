#include "lib/mail/envelope.h"

#include <utility>

namespace hato {

namespace {
constexpr std::string_view verp_end = "-@[]";
}

std::string encode_envelope(const Envelope& envelope) {
  std::string out = "F" + envelope.sender;
  out += '\0';
  for (const Recipient& recipient : envelope.recipients) {
    out += 'T';
    out += recipient.address;
    out += '\0';
  }
  out += '\0';
  return out;
}

EnvelopeParser::Status EnvelopeParser::feed(std::string_view bytes) {
  std::size_t at = 0;
  while (status_ == Status::more && at < bytes.size()) {
    switch (expect_) {
      case Expect::sender_letter:
        if (bytes[at] != 'F') {
          status_ = Status::format;
          break;
        }
        ++at;
        expect_ = Expect::sender;
        break;
      case Expect::recipient_letter:
        if (bytes[at] == '\0') {
          ++at;
          status_ = Status::complete;
        } else if (bytes[at] == 'T') {
          ++at;
          expect_ = Expect::recipient;
        } else {
          status_ = Status::format;
        }
        break;
      case Expect::sender:
      case Expect::recipient: {
        const std::size_t nul = bytes.find('\0', at);
        const std::size_t end = nul == std::string_view::npos ? bytes.size() : nul;
        if (address_.size() + (end - at) >= max_envelope_address) {
          status_ = Status::too_long;
          break;
        }
        address_.append(bytes.substr(at, end - at));
        at = end;
        if (nul == std::string_view::npos) break;
        ++at;
        if (expect_ == Expect::sender)
          envelope_.sender = std::exchange(address_, {});
        else
          envelope_.recipients.push_back({std::exchange(address_, {}), {}});
        expect_ = Expect::recipient_letter;
        break;
      }
    }
  }
  consumed_ += at;
  return status_;
}

EnvelopeParser::Status EnvelopeParser::finish() {
  if (status_ == Status::more) status_ = Status::cut_off;
  return status_;
}

bool is_verp(std::string_view sender) {
  return sender.ends_with(verp_end) &&
         sender.substr(0, sender.size() - verp_end.size()).find('@') != std::string_view::npos;
}

std::string verp_sender(std::string_view sender, std::string_view recipient) {
  const std::size_t recipient_at = recipient.rfind('@');
  if (!is_verp(sender) || recipient_at == std::string_view::npos) return std::string(sender);
  const std::string_view plain = sender.substr(0, sender.size() - verp_end.size());
  const std::size_t at = plain.rfind('@');
  std::string out(plain.substr(0, at));
  out.append(recipient.substr(0, recipient_at)).append("=").append(recipient.substr(recipient_at + 1));
  return out.append(plain.substr(at));
}

std::string without_verp(std::string_view sender) {
  if (sender.ends_with(verp_end)) sender.remove_suffix(verp_end.size());
  return std::string(sender);
}

}  // namespace hato
