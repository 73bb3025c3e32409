#include "lib/mail/mailbox_name.h"

#include <algorithm>

#include "lib/mail/base64.h"
#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

void append_utf16(std::string& bytes, char32_t c) {
  const auto unit = [&](char32_t u) {
    bytes += static_cast<char>(static_cast<unsigned char>(u >> 8));
    bytes += static_cast<char>(static_cast<unsigned char>(u));
  };
  if (c < 0x10000) return unit(c);
  unit(0xd800 + ((c - 0x10000) >> 10));
  unit(0xdc00 + ((c - 0x10000) & 0x3ff));
}

// "&...-": base64 with a comma for the slash, and without padding.
std::string shifted(std::string_view utf16) {
  std::string coded = to_base64(utf16);
  while (coded.ends_with('=')) coded.pop_back();
  std::replace(coded.begin(), coded.end(), '/', ',');
  return "&" + coded + "-";
}

// What a shift holds, appended as UTF-8; false: damaged.
bool unshift(std::string_view coded, std::string& out) {
  std::string text(coded);
  if (text.find('/') != std::string::npos) return false;
  std::replace(text.begin(), text.end(), ',', '/');
  while (text.size() % 4 != 0) text += '=';
  const std::optional<std::string> bytes = from_base64(text);
  if (!bytes || bytes->empty() || bytes->size() % 2 != 0) return false;
  const auto unit = [&](std::size_t at) {
    return static_cast<char32_t>(static_cast<unsigned char>((*bytes)[at]) << 8 |
                                 static_cast<unsigned char>((*bytes)[at + 1]));
  };
  for (std::size_t at = 0; at < bytes->size(); at += 2) {
    char32_t c = unit(at);
    if (c >= 0xdc00 && c < 0xe000) return false;
    if (c >= 0xd800 && c < 0xdc00) {
      at += 2;
      if (at >= bytes->size() || unit(at) < 0xdc00 || unit(at) > 0xdfff) return false;
      c = 0x10000 + ((c - 0xd800) << 10) + (unit(at) - 0xdc00);
    }
    append_utf8(out, c);
  }
  return true;
}

// A level of the hierarchy that a folder may have: see folder_directory.
bool fits(std::string_view level) {
  if (level.empty() || level.front() == ' ' || level.back() == ' ' || !is_utf8(level)) return false;
  for (std::size_t at = 0; at < level.size();) {
    const char32_t c = next_utf8(level, at);
    if (c < 32 || (c >= 127 && c < 160) || c == '.' || c == '/') return false;
  }
  return true;
}

std::string encoded(std::string_view level) {
  std::string out, wide;
  for (std::size_t at = 0; at < level.size();) {
    const char32_t c = next_utf8(level, at);
    if (c > 126) {
      append_utf16(wide, c);
      continue;
    }
    if (!wide.empty()) out += shifted(wide);
    wide.clear();
    out += static_cast<char>(c);
    if (c == '&') out += '-';
  }
  return wide.empty() ? out : out + shifted(wide);
}

std::optional<std::string> decoded(std::string_view level) {
  std::string out;
  for (std::size_t at = 0; at < level.size(); ++at) {
    if (level[at] != '&') {
      out += level[at];
      continue;
    }
    const std::size_t end = level.find('-', at);
    if (end == std::string_view::npos) return std::nullopt;
    if (end == at + 1)
      out += '&';
    else if (!unshift(level.substr(at + 1, end - at - 1), out))
      return std::nullopt;
    at = end;
  }
  return out;
}

}  // namespace

std::optional<std::string> folder_directory(std::string_view folder) {
  if (equal_ignoring_case(folder.substr(0, folder.find('/')), "INBOX")) return std::nullopt;
  std::string directory;
  for (std::size_t at = 0; at <= folder.size();) {
    const std::size_t end = std::min(folder.find('/', at), folder.size());
    const std::string_view level = folder.substr(at, end - at);
    if (!fits(level)) return std::nullopt;
    directory += "." + encoded(level);
    at = end + 1;
  }
  if (directory.size() > max_folder_directory) return std::nullopt;
  return directory;
}

std::optional<std::string> folder_name(std::string_view directory) {
  if (!directory.starts_with('.')) return std::nullopt;
  std::string name;
  for (std::size_t at = 1; at <= directory.size();) {
    const std::size_t end = std::min(directory.find('.', at), directory.size());
    const std::optional<std::string> level = decoded(directory.substr(at, end - at));
    if (!level) return std::nullopt;
    name += (name.empty() ? "" : "/") + *level;
    at = end + 1;
  }
  // One name, one directory: an overlong spelling is not ours.
  if (folder_directory(name) != directory) return std::nullopt;
  return name;
}

}  // namespace hato
