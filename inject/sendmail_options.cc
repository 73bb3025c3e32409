#include "inject/sendmail_options.h"

#include <string_view>

#include "lib/base/error.h"
#include "lib/mail/header_addresses.h"

namespace hato {

namespace {

// How an option takes its value.
enum class Takes {
  nothing,
  value,
  attached
};  // value: attached or the next word; attached: perhaps attached

struct Known {
  char letter;
  Takes takes;
};

// Besides the ones that mean something (b f r F t): ignored, because there is only one way here.
constexpr Known known_options[] = {
    {'A', Takes::value},     // -Am, -Ac: which configuration; -A x (Postfix, Exim)
    {'B', Takes::value},     // body type
    {'C', Takes::value},     // configuration file
    {'D', Takes::value},     // debug log file
    {'E', Takes::attached},  // NEWS-OS
    {'F', Takes::value},     // full name
    {'G', Takes::nothing},   // gateway submission
    {'J', Takes::attached},  // NEWS-OS
    {'L', Takes::value},     // log label
    {'N', Takes::value},     // DSN: NOTIFY
    {'O', Takes::value},     // long option
    {'R', Takes::value},     // DSN: RET
    {'T', Takes::value},     // time-out
    {'U', Takes::nothing},   // initial user submission
    {'V', Takes::value},     // DSN: ENVID
    {'X', Takes::value},     // traffic log file
    {'b', Takes::value},     // mode
    {'c', Takes::nothing},   // do not connect to expensive mailers
    {'d', Takes::attached},  // debug level
    {'e', Takes::value},     // error mode
    {'f', Takes::value},     // sender
    {'h', Takes::value},     // hop count
    {'i', Takes::nothing},   // a lone dot ends nothing (it never does here)
    {'m', Takes::nothing},   // me too
    {'n', Takes::nothing},   // no aliasing
    {'o', Takes::value},     // old option
    {'p', Takes::value},     // protocol and host received from
    {'r', Takes::value},     // sender, old
    {'s', Takes::nothing},   // save From_ lines, very old
    {'t', Takes::nothing},   // recipients from the header
    {'v', Takes::nothing},   // verbose
    {'x', Takes::nothing},   // AIX
};

const Known* find_known(char letter) {
  for (const Known& known : known_options)
    if (known.letter == letter) return &known;
  return nullptr;
}

[[noreturn]] void refuse(const std::string& text) {
  throw PermError(text + "; see sendmail(8)");
}

void refuse_controls(const std::string& text, const char* what) {
  for (const char c : text)
    if ((c >= 0 && c < 32) || c == 127) refuse(std::string(what) + " holds a control character");
}

// "a@b", "<a@b>", "Name <a@b>", "<>": the first address; what cannot be read as a list is an address as it
// stands.
std::string sender_address(const std::string& text) {
  if (text.find('<') == std::string::npos) return text;
  const auto addresses = parse_address_list(text);
  return addresses && !addresses->empty() ? addresses->front().raw() : text;
}

class CommandLine {
 public:
  CommandLine(const std::vector<std::string>& words, SendmailCommand& command)
      : words_(words), command_(command) {}

  void read() {
    bool options = true;
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (options && word == "--")
        options = false;
      else if (options && word.size() > 1 && word.front() == '-')
        take_options(word);
      else
        take_recipients(word);
    }
  }

 private:
  void take_options(const std::string& word) {
    // Whole words first: -bi's short form, and queue runs with or without an interval.
    if (word == "-I" || word.starts_with("-q")) {
      command_.mode = SendmailMode::nothing;
      return;
    }
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Known* known = find_known(word[i]);
      if (!known) refuse(std::string("unknown option -") + word[i]);
      if (known->takes == Takes::nothing) {
        take(known->letter, "");
        continue;
      }
      std::string value = word.substr(i + 1);
      if (value.empty() && known->takes == Takes::value) {
        if (at_ == words_.size()) refuse(std::string("option -") + known->letter + " needs a value");
        value = words_[at_++];
      }
      take(known->letter, value);
      return;
    }
  }

  void take(char letter, const std::string& value) {
    switch (letter) {
      case 't':
        command_.recipients_from_header = true;
        break;
      case 'f':
      case 'r':
        refuse_controls(value, "the sender address");
        command_.sender = sender_address(value);
        break;
      case 'F':
        refuse_controls(value, "the name given with -F");
        command_.name = value;
        break;
      case 'b':
        take_mode(value);
        break;
      default:
        break;
    }
  }

  void take_mode(const std::string& value) {
    switch (value.empty() ? '?' : value.front()) {
      case 'm':
        command_.mode = SendmailMode::deliver;
        break;
      case 's':
        command_.mode = SendmailMode::smtp;
        break;
      case 'p':
        command_.mode = SendmailMode::queue;
        break;
      case 'i':
        command_.mode = SendmailMode::nothing;
        break;
      case 'd':
      case 'D':
        refuse("-b" + value + ": no daemon is started this way; qmail-start(8) and tcpserver do it");
      default:
        refuse("-b" + value + " is not available");
    }
  }

  // Addresses joined by commas, with names and comments if need be.
  void take_recipients(const std::string& word) {
    refuse_controls(word, "a recipient address");
    const auto addresses = parse_address_list(word);
    if (!addresses || addresses->empty()) {
      command_.recipients.push_back(word);
      return;
    }
    for (const HeaderAddress& address : *addresses)
      if (!address.is_null()) command_.recipients.push_back(address.raw());
  }

  const std::vector<std::string>& words_;
  SendmailCommand& command_;
  std::size_t at_ = 0;
};

}  // namespace

SendmailCommand parse_sendmail(const std::string& name, const std::vector<std::string>& arguments) {
  SendmailCommand command;
  if (name == "mailq") command.mode = SendmailMode::queue;
  if (name == "newaliases") command.mode = SendmailMode::nothing;
  CommandLine(arguments, command).read();
  return command;
}

}  // namespace hato
