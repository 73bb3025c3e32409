#include "lib/mail/rule.h"

#include <algorithm>
#include <utility>

#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/dotfile.h"
#include "lib/mail/mailbox_name.h"
#include "lib/mail/suite_command.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

using Kind = DotfileInstruction::Kind;

constexpr std::string_view switched_off = "#|qmail-vacation ";
// An empty file would be the default delivery.
constexpr std::string_view nothing_line = "# qmail-dot: mail for this address is thrown away";

// A line of the file and what it says of the rule.
struct Line {
  enum class Is { forward, copy, vacation, refusal, nothing, other };
  Is is = Is::other;
  std::string text;   // as it stands
  std::string value;  // address, folder, words of refusal
  std::optional<Vacation> vacation{};
  bool vacation_on = true;
  Kind kind = Kind::comment;
  bool again = false;  // there can be one of its kind, and this is not the first
};

bool is_instruction(Kind kind) {
  return kind == Kind::forward || kind == Kind::mbox || kind == Kind::maildir || kind == Kind::program ||
         kind == Kind::suite_program;
}

bool is_target(std::string_view raw) {
  const std::string_view domain = domain_part(raw);
  // qmail-send would take blanks in front of it for a part of it.
  return !local_part(raw).empty() && raw.front() != ' ' && raw.size() <= max_smtp_address &&
         is_clean_address(raw) && (address_literal(domain) || to_ascii_domain(domain));
}

// The directory below the mailbox, "Maildir/.Shop/" for "./Maildir/", is a folder of it; nullopt: none.
std::optional<std::string> folder_of(std::string_view name, std::string_view mailbox) {
  if (!mailbox.ends_with('/') || !name.starts_with(mailbox) || !name.ends_with('/')) return std::nullopt;
  const std::string_view directory = name.substr(mailbox.size());
  if (directory.size() < 2) return std::nullopt;
  return folder_name(directory.substr(0, directory.size() - 1));
}

std::optional<Vacation> vacation_of(std::string_view command) {
  const std::optional<std::vector<std::string>> words = parse_suite_command(command);
  if (!words || words->front() != "qmail-vacation") return std::nullopt;
  try {
    return parse_vacation_words({words->begin() + 1, words->end()});
  } catch (const PermError&) {
    return std::nullopt;  // somebody's own, or damaged by hand
  }
}

Line understood(std::string_view text, std::string_view mailbox) {
  Line line;
  line.text = text;
  if (text == nothing_line) {
    line.is = Line::Is::nothing;
    return line;
  }
  if (text.starts_with(switched_off)) {
    line.vacation = vacation_of(text.substr(2));
    line.vacation_on = false;
    if (line.vacation) line.is = Line::Is::vacation;
    return line;
  }
  const Dotfile parsed = parse_dotfile(text, false);
  if (parsed.problem || parsed.instructions.size() != 1) return line;
  const DotfileInstruction& instruction = parsed.instructions.front();
  line.kind = instruction.kind;
  switch (instruction.kind) {
    case Kind::forward:
      line.value = instruction.text;
      if (is_target(instruction.text)) line.is = Line::Is::forward;
      break;
    case Kind::mbox:
    case Kind::maildir:
      if (instruction.text == mailbox) {
        line.is = Line::Is::copy;
      } else if (const auto folder = folder_of(instruction.text, mailbox)) {
        line.is = Line::Is::copy;
        line.value = *folder;
      }
      break;
    case Kind::suite_program:
      if ((line.vacation = vacation_of(instruction.text))) {
        line.is = Line::Is::vacation;
      } else if (const auto refusal = bounce_words(instruction.text)) {
        line.is = Line::Is::refusal;
        line.value = *refusal;
      }
      break;
    case Kind::program:
    case Kind::comment:
    case Kind::list:
    case Kind::reserved:
      break;
  }
  return line;
}

std::vector<Line> lines_of(std::string_view dotfile, std::string_view mailbox) {
  std::vector<Line> lines;
  bool seen[6] = {};
  while (!dotfile.empty()) {
    const std::size_t end = dotfile.find('\n');
    Line line = understood(dotfile.substr(0, end), mailbox);
    dotfile.remove_prefix(end == std::string_view::npos ? dotfile.size() : end + 1);
    const bool many = line.is == Line::Is::forward || line.is == Line::Is::other;
    line.again = !many && std::exchange(seen[static_cast<int>(line.is)], true);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string copy_line(const Rule& rule, std::string_view mailbox) {
  if (rule.folder.empty()) return std::string(mailbox);
  return std::string(mailbox) + *folder_directory(rule.folder) + "/";
}

std::string vacation_line(const Rule& rule) {
  const std::string line(rule.vacation_on ? "|qmail-vacation " : switched_off);
  return line + suite_command(vacation_words(*rule.vacation));
}

std::string refusal_line(const Rule& rule) {
  return "|" + suite_command({"bouncesaying", *rule.refusal});
}

void check(const Rule& rule, std::string_view mailbox) {
  for (auto at = rule.forward.begin(); at != rule.forward.end(); ++at) {
    if (!is_target(*at)) throw RuleError("forward", "\"" + *at + "\" is not a complete address");
    if (std::find(rule.forward.begin(), at, *at) != at) throw RuleError("forward", *at + " is there twice");
  }
  if (!rule.folder.empty()) {
    if (!rule.keep) throw RuleError("folder", "a folder is for the copy that is kept, and none is");
    if (!mailbox.ends_with('/'))
      throw RuleError("folder", "this account's mailbox is one file and has no folders");
    if (!folder_directory(rule.folder))
      throw RuleError("folder",
                      "a folder's name has no dots, control characters or blanks at its ends, \"/\" between "
                      "levels only, and is not INBOX or very long");
  }
  if (rule.vacation) {
    try {
      check_vacation(*rule.vacation);
    } catch (const PermError& e) {
      throw RuleError("vacation", e.text());
    }
  }
  if (!rule.refusal) return;
  if (rule.keep || !rule.forward.empty() || rule.vacation)
    throw RuleError("refusal", "an address that refuses its mail can do nothing else with it");
  if (rule.refusal->empty() || rule.refusal->size() > max_refusal)
    throw RuleError("refusal", "the words of a refusal have 1 to " + std::to_string(max_refusal) + " bytes");
  if (!is_utf8(*rule.refusal)) throw RuleError("refusal", "the words of a refusal must be UTF-8");
  for (const char c : *rule.refusal)
    if ((c >= 0 && c < 32) || c == 127)
      throw RuleError("refusal", "the words of a refusal are one line without control characters");
}

// What stays of the old lines; what of the rule is in them already is noted.
class Edit {
 public:
  Edit(const Rule& rule, std::string_view mailbox) : rule_(rule), mailbox_(mailbox) {}

  void take(const Line& line) {
    switch (line.is) {
      case Line::Is::forward:
        if (std::find(rule_.forward.begin(), rule_.forward.end(), line.value) == rule_.forward.end()) return;
        present_.push_back(line.value);
        break;
      case Line::Is::copy:
        if (!rule_.keep) return;
        if (line.again) break;
        copied_ = true;
        if (line.value != rule_.folder) return put(copy_line(rule_, mailbox_), Kind::maildir);
        break;
      case Line::Is::vacation:
        if (!rule_.vacation) return;
        if (line.again) break;
        replies_ = true;
        if (line.vacation != rule_.vacation || line.vacation_on != rule_.vacation_on)
          return put(vacation_line(rule_), reply_kind());
        break;
      case Line::Is::refusal:
        if (!rule_.refusal) return;
        if (line.again) break;
        refuses_ = true;
        if (line.value != *rule_.refusal) return put(refusal_line(rule_), Kind::suite_program);
        break;
      case Line::Is::nothing:
        return;
      case Line::Is::other:
        break;
    }
    put(line.text, line.kind);
  }

  std::string finish() {
    // A refusal or reply comes before all else that the file does, and behind the comments at its top.
    if (rule_.refusal && !refuses_) insert(behind_comments(), refusal_line(rule_), Kind::suite_program);
    if (rule_.vacation && !replies_) insert(behind_comments(), vacation_line(rule_), reply_kind());
    // The copy comes before what only forwards, new forwards behind old ones.
    if (rule_.keep && !copied_) insert(first_forward(), copy_line(rule_, mailbox_), Kind::maildir);
    for (const std::string& address : rule_.forward)
      if (std::find(present_.begin(), present_.end(), address) == present_.end())
        insert(behind_forwards(), "&" + address, Kind::forward);
    if (rule_.discards() && !delivers()) insert(0, std::string(nothing_line), Kind::comment);
    std::string text;
    for (const Out& line : out_) text += line.text + "\n";
    return text;
  }

 private:
  struct Out {
    std::string text;
    Kind kind;
  };
  void put(std::string text, Kind kind) { out_.push_back({std::move(text), kind}); }
  void insert(std::size_t at, std::string text, Kind kind) {
    out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(at), {std::move(text), kind});
  }
  Kind reply_kind() const { return rule_.vacation_on ? Kind::suite_program : Kind::comment; }
  bool delivers() const {
    return std::any_of(out_.begin(), out_.end(), [](const Out& line) { return is_instruction(line.kind); });
  }
  std::size_t behind_comments() const {
    std::size_t at = 0;
    while (at < out_.size() && out_[at].text.starts_with('#')) ++at;
    return at;
  }
  std::size_t first_forward() const {
    std::size_t at = 0;
    while (at < out_.size() && out_[at].kind != Kind::forward && out_[at].kind != Kind::list) ++at;
    return at;
  }
  std::size_t behind_forwards() const {
    std::size_t behind = out_.size();
    for (std::size_t at = 0; at < out_.size(); ++at)
      if (out_[at].kind == Kind::forward) behind = at + 1;
    return behind;
  }

  const Rule& rule_;
  const std::string_view mailbox_;
  std::vector<Out> out_;
  std::vector<std::string> present_;
  bool copied_ = false, replies_ = false, refuses_ = false;
};

}  // namespace

RuleText read_rule(std::string_view dotfile, std::string_view mailbox, bool forward_only,
                   const Confinement* confinement) {
  RuleText text;
  if (dotfile.empty()) return text;
  text.rule.keep = false;
  text.problem = parse_dotfile(dotfile, forward_only, confinement).problem;
  for (Line& line : lines_of(dotfile, mailbox)) {
    switch (line.again && line.is != Line::Is::nothing ? Line::Is::other : line.is) {
      case Line::Is::forward:
        if (std::find(text.rule.forward.begin(), text.rule.forward.end(), line.value) ==
            text.rule.forward.end())
          text.rule.forward.push_back(std::move(line.value));
        break;
      case Line::Is::copy:
        text.rule.keep = true;
        text.rule.folder = std::move(line.value);
        break;
      case Line::Is::vacation:
        text.rule.vacation = std::move(line.vacation);
        text.rule.vacation_on = line.vacation_on;
        break;
      case Line::Is::refusal:
        text.rule.refusal = std::move(line.value);
        break;
      case Line::Is::nothing:
        break;
      case Line::Is::other:
        text.others_deliver = text.others_deliver || is_instruction(line.kind);
        text.others.push_back(std::move(line.text));
        break;
    }
  }
  return text;
}

std::string edit_rule(std::string_view dotfile, const Rule& rule, std::string_view mailbox, bool forward_only,
                      const Confinement* confinement) {
  check(rule, mailbox);
  Edit edit(rule, mailbox);
  for (const Line& line : lines_of(dotfile, mailbox)) edit.take(line);
  const std::string text = edit.finish();
  if (const auto problem = parse_dotfile(text, forward_only, confinement).problem)
    throw RuleError("", "the dot-file with this rule would not be taken: " + *problem);
  return text;
}

std::optional<std::string> forward_address(std::string_view text) {
  const std::optional<std::string> raw = parse_mailbox(text, Strictness::strict);
  if (!raw || !is_target(*raw)) return std::nullopt;
  return raw;
}

}  // namespace hato
