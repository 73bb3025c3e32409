// Which request gets which page. A change is a POST, which ends in a redirection to a page; so a page that is
// loaded again changes nothing.
#pragma once

#include <string>
#include <vector>

#include "panel/cgi_request.h"
#include "panel/session.h"

namespace hato::panel {

struct Response {
  int status = 200;
  std::string location;              // of a redirection (303)
  std::vector<std::string> cookies;  // values of Set-Cookie fields
  std::string page;                  // HTML
  std::string nonce;                 // of the page's style sheet
};

// Never throws what a customer could cause; TempError and SystemError for trouble of the server.
Response respond(const CgiRequest& request, Sessions& sessions);
// What a request gets that could not be answered.
Response apology(const CgiRequest& request);
Response refusal_page(int status, const std::string& text);

// As a CGI program prints it (RFC 3875 6.3), with the fields that keep a browser from framing, caching and
// running anything.
std::string cgi_text(const Response& response, bool head_only);

}  // namespace hato::panel
