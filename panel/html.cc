#include "panel/html.h"

#include "panel/style.h"

namespace hato::panel {

std::string html(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
          out += "\xef\xbf\xbd";
        else
          out += c;
    }
  return out;
}

std::string html_page(const Frame& frame, std::string_view body) {
  std::string page = "<!DOCTYPE html>\n<html lang=\"" + html(frame.language) +
                     "\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
                     html(frame.title) + "</title>\n<style nonce=\"" + frame.nonce + "\">\n" + style_sheet +
                     "</style>\n</head>\n<body>\n<header><span class=\"name\">" + bird + "hato</span><nav>" +
                     frame.head + "</nav></header>\n<main>\n";
  if (!frame.notice.empty()) page += "<p class=\"notice\" role=\"status\">" + html(frame.notice) + "</p>\n";
  if (!frame.problem.empty()) page += "<p class=\"problem\" role=\"alert\">" + html(frame.problem) + "</p>\n";
  page += body;
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace hato::panel
