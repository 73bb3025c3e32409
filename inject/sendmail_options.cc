#include "inject/sendmail_options.h"

#include <string_view>

#include "lib/base/error.h"
#include "lib/mail/dsn.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header_addresses.h"

namespace hato {

namespace {

// How an option takes its value.
enum class Takes {
  nothing,
  value,     // attached, or the next word
  attached,  // perhaps attached
  refused,   // it is there for others than senders of mail
};

struct Known {
  char letter;
  Takes takes;
};

// Besides the ones that mean something (B F I N R V b f q r t): ignored, because there is only one way here.
constexpr Known known_options[] = {
    {'A', Takes::value},     // -Am, -Ac: which configuration
    {'B', Takes::value},     // body type
    {'C', Takes::value},     // configuration file
    {'D', Takes::value},     // sendmail: debug log file; Exim: -DMACRO=value
    {'E', Takes::attached},  // NEWS-OS; Exim: a bounce of its own
    {'F', Takes::value},     // full name
    {'G', Takes::nothing},   // gateway submission
    {'I', Takes::nothing},   // -bi
    {'J', Takes::attached},  // NEWS-OS
    {'L', Takes::value},     // log label
    {'M', Takes::refused},   // Exim: queue control by message; sendmail: a macro
    {'N', Takes::value},     // DSN: NOTIFY
    {'O', Takes::value},     // long option
    {'Q', Takes::refused},   // sendmail: quarantine
    {'R', Takes::value},     // DSN: RET
    {'S', Takes::refused},   // Exim: a queue run by sender
    {'T', Takes::value},     // time-out
    {'U', Takes::nothing},   // initial user submission
    {'V', Takes::value},     // DSN: ENVID
    {'X', Takes::value},     // traffic log file
    {'b', Takes::value},     // mode
    {'c', Takes::nothing},   // do not connect to expensive mailers
    {'d', Takes::attached},  // debug level; Exim: -dropcr
    {'e', Takes::value},     // error mode
    {'f', Takes::value},     // sender
    {'h', Takes::value},     // hop count
    {'i', Takes::nothing},   // a lone dot ends nothing (it never does here)
    {'m', Takes::nothing},   // me too
    {'n', Takes::nothing},   // no aliasing
    {'o', Takes::value},     // old option
    {'p', Takes::value},     // protocol and host received from
    {'q', Takes::attached},  // a queue run
    {'r', Takes::value},     // sender, old
    {'s', Takes::nothing},   // save From_ lines, very old
    {'t', Takes::nothing},   // recipients from the header
    {'v', Takes::nothing},   // verbose
    {'x', Takes::nothing},   // AIX
};

// Exim's -oX that have a word of their own behind them, where sendmail 8 has the value attached.
constexpr std::string_view old_options_with_word[] = {"A",  "Ma", "Maa", "Mai", "Mas", "Mi",
                                                      "Mm", "Mr", "Ms",  "Mt",  "P",   "X"};

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

// "a@b", "<a@b>", "Name <a@b>", "a@b (Name)", "<>": the first address; what cannot be read as a list is an
// address as it stands.
std::string sender_address(const std::string& text) {
  if (text.find_first_of("<(\"") == std::string::npos) return text;
  const auto addresses = parse_address_list(text);
  return addresses && !addresses->empty() ? addresses->front().raw() : text;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
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
    if (word == "-tls-on-connect" || word == "-dropcr") return;  // Exim's two long ones
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Known* known = find_known(word[i]);
      if (!known) refuse(std::string("unknown option -") + word[i]);
      if (known->takes == Takes::refused)
        refuse(word + ": the queue is the operator's; qmail-qread(8) shows it");
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
        if (!is_iso2022_jp(value)) refuse_controls(value, "the name given with -F");
        if (!value.empty()) command_.name = value;
        break;
      case 'b':
        take_mode(value);
        break;
      case 'I':
        command_.mode = SendmailMode::nothing;
        break;
      case 'q':
        take_queue_run(value);
        break;
      case 'o':
        for (const std::string_view with_word : old_options_with_word)
          if (value == with_word && at_ < words_.size()) ++at_;
        break;
      case 'B':
        command_.body = upper(value);
        if (command_.body != "7BIT" && command_.body != "8BITMIME")
          refuse("-B " + value + ": the body is 7BIT or 8BITMIME");
        break;
      case 'N':
        take_notify(value);
        break;
      case 'R':
        if (const auto ret = parse_ret(value))
          command_.dsn.ret = *ret;
        else
          refuse("-R " + value + ": a bounce returns full or hdrs");
        break;
      case 'V':
        take_envid(value);
        break;
      default:
        break;
    }
  }

  // Only Postfix's form names something that can be done: -qRHOST, also written with an @ before the host.
  void take_queue_run(const std::string& value) {
    command_.mode = SendmailMode::nothing;
    if (!value.starts_with('R') || value.size() == 1) return;
    refuse_controls(value, "the host of -qR");
    command_.flush_host = value.substr(value[1] == '@' ? 2 : 1);
    command_.mode = SendmailMode::flush;
  }

  void take_notify(const std::string& value) {
    const auto notify = parse_notify(value);
    if (!notify) refuse("-N " + value + ": it is never, or some of success, failure and delay with commas");
    command_.notify = *notify;
  }

  void take_envid(const std::string& value) {
    for (const char c : value)
      if (c < 32 || c == 127) refuse("the envelope id given with -V must be printable ASCII");
    if (encode_xtext(value).size() > max_envid)
      refuse("the envelope id given with -V is too long: 100 characters at most");
    command_.dsn.envid = value;
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
      case 'v':
        command_.mode = SendmailMode::verify;
        break;
      case 'i':
        command_.mode = SendmailMode::nothing;
        break;
      case 'd':
      case 'D':
      case 'l':
      case 'w':
        refuse("-b" + value + ": no daemon is started this way; qmail-start(8) and tcpserver do it");
      default:
        refuse("-b" + value + " is not available");
    }
  }

  // Addresses joined by commas, with names and comments if need be.
  void take_recipients(const std::string& word) {
    if (word.find_first_not_of(' ') == std::string::npos) return;  // a script's empty variable
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
  CommandLine(arguments, command).read();
  if (name == "mailq") command.mode = SendmailMode::queue;
  if (name == "newaliases") command.mode = SendmailMode::nothing;
  return command;
}

}  // namespace hato
