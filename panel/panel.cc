#include "panel/panel.h"

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/store/accounts.h"
#include "lib/store/control.h"
#include "panel/customer.h"
#include "panel/html.h"
#include "panel/mailbox_use.h"
#include "panel/pages.h"
#include "panel/password.h"
#include "panel/rules_tool.h"
#include "panel/texts.h"

namespace hato::panel {

namespace {

constexpr char session_cookie[] = "hato_session", login_cookie[] = "hato_login",
               language_cookie[] = "hato_language";
constexpr std::size_t extension_limit = 200;

const Texts& texts_for(const CgiRequest& request) {
  std::string wish(request.parameter("lang"));
  if (wish.empty()) wish = cookie_value(request.cookies, language_cookie).value_or("");
  if (wish == "ja") return japanese;
  if (wish == "en") return english;
  return prefers_japanese(request.accept_language) ? japanese : english;
}

// A cookie for this program only. RFC 6265; SameSite as browsers have it today.
std::string cookie(const CgiRequest& request, std::string_view name, std::string_view value,
                   bool ends = false) {
  return std::string(name) + "=" + std::string(value) + "; Path=" + request.script +
         "; HttpOnly; SameSite=Strict" + (request.https ? "; Secure" : "") + (ends ? "; Max-Age=0" : "");
}

// One request on its way to its response.
class Conversation {
 public:
  Conversation(const CgiRequest& request, Sessions& sessions)
      : request_(request), sessions_(sessions), texts_(texts_for(request)), now_(now_seconds()) {
    if (!request.parameter("lang").empty())
      response_.cookies.push_back(cookie(request, language_cookie, texts_.language));
    if (const auto token = cookie_value(request.cookies, session_cookie))
      session_ = sessions_.find(*token, now_);
  }

  Response respond() {
    if (request_.post)
      change();
    else
      show();
    return std::move(response_);
  }

 private:
  void show();
  void change();
  void log_in();
  void log_out();
  void set(bool is_new);
  void remove();
  void set_password();

  // Pages.
  void page(std::string_view body, std::string notice = {}, std::string problem = {}, int status = 200);
  void login(std::string problem = {}, const std::string& login = {}, int status = 200);
  void overview();
  // Back to the first page, which shows the notice once.
  void go_on(std::string notice);

  FormFrame form() const { return {request_.script, session_ ? session_->form_key : login_key_}; }
  Account account() const;
  Customer customer() const { return customer_of(account(), Control()); }
  std::string shown(const std::string& ext) const { return address_of(customer(), ext, texts_); }
  bool form_is_ours() const;

  const CgiRequest& request_;
  Sessions& sessions_;
  const Texts& texts_;
  const std::int64_t now_;
  std::optional<Session> session_;
  std::string login_key_;  // of the form for logging in
  Response response_;
};

// The extension as qmail-local will look for it: case does not count there. nullopt: it cannot be one.
std::optional<std::string> extension_of(std::string_view text) {
  std::string ext(text);
  while (!ext.empty() && ext.front() == ' ') ext.erase(0, 1);
  while (!ext.empty() && ext.back() == ' ') ext.pop_back();
  if (ext.size() > extension_limit || ext.find_first_of("@/\n\t") != std::string::npos) return std::nullopt;
  for (char& c : ext)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return ext;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    // People separate addresses by commas as well.
    const std::size_t end = std::min(text.find_first_of("\n,"), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    line.erase(line.find_last_not_of(" \t") + 1);
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// What the form says, over what the rule was (a vacation text that is switched off stays).
Rule rule_of(const CgiRequest& request, Rule rule) {
  const std::string_view does = request.field("does");
  rule.refusal.reset();
  rule.discard = does == "discard";
  if (does == "refuse") rule.refusal = std::string(request.field("refusal"));
  rule.keep = !request.field("keep").empty();
  rule.folder = request.field("folder");
  rule.forward = lines_of(request.field("forward"));
  Vacation vacation{!request.field("vacation").empty(), std::string(request.field("text")),
                    std::string(request.field("subject")), std::string(request.field("from")),
                    std::string(request.field("until"))};
  if (vacation.on || !vacation.text.empty())
    rule.vacation = std::move(vacation);
  else
    rule.vacation.reset();
  return rule;
}

Account Conversation::account() const {
  std::optional<Account> account = Accounts().find(session_->login);
  if (account) return *account;
  // A system user, who is in no table (control/systemusers).
  Account user;
  user.login = session_->login;
  return user;
}

bool Conversation::form_is_ours() const {
  const std::string key(request_.field("key"));
  if (!request_.from_this_site()) return false;
  if (session_) return equal_in_constant_time(key, session_->form_key);
  const std::string expected = cookie_value(request_.cookies, login_cookie).value_or("");
  return !expected.empty() && equal_in_constant_time(key, expected);
}

void Conversation::page(std::string_view body, std::string notice, std::string problem, int status) {
  std::string head;
  if (session_)
    head = "<b>" + html(session_->login) + "</b><form method=\"post\" action=\"" + html(request_.script) +
           "\"><input type=\"hidden\" name=\"do\" value=\"logout\"><input type=\"hidden\" name=\"key\" "
           "value=\"" +
           html(session_->form_key) + "\"><button class=\"link\" id=\"logout\">" + html(texts_.log_out) +
           "</button></form>";
  // To the first page in the other language: a form's page may not be left by a click beside it.
  head += "<a href=\"" + html(request_.script) + "?lang=" + texts_.other_language + "\" lang=\"" +
          texts_.other_language + "\">" + html(texts_.other_language_name) + "</a>";
  response_.status = status;
  response_.nonce = random_token();
  response_.page = html_page(
      {texts_.language, texts_.title, head, std::move(notice), std::move(problem), response_.nonce}, body);
}

void Conversation::login(std::string problem, const std::string& login, int status) {
  session_.reset();
  login_key_ = random_token();
  response_.cookies.push_back(cookie(request_, login_cookie, login_key_));
  page(login_page(texts_, form(), login), {}, std::move(problem), status);
}

void Conversation::go_on(std::string notice) {
  session_->notice = std::move(notice);
  session_->seen = now_;
  sessions_.keep(*session_);
  response_.status = 303;
  response_.location = request_.script;
}

void Conversation::overview() {
  std::string notice;
  std::swap(notice, session_->notice);
  session_->seen = now_;
  sessions_.keep(*session_);
  page(overview_page(texts_, form(), customer(), mailbox_use(session_->login), list_rules(session_->login)),
       notice);
}

void Conversation::show() {
  if (!session_)
    return login(cookie_value(request_.cookies, session_cookie).value_or("").empty() ? ""
                                                                                     : texts_.login_again);
  const std::string_view wanted = request_.parameter("page");
  if (wanted == "new") return page(rule_page(texts_, form(), customer(), Rule(), false));
  if (wanted == "password") return page(password_page(texts_, form()));
  if (wanted == "rule" || wanted == "delete") {
    const std::optional<std::string> ext = extension_of(request_.parameter("ext"));
    if (!ext) return page("", {}, texts_.bad_address, 400);
    try {
      const Rule rule = get_rule(session_->login, *ext);
      return page(wanted == "rule" ? rule_page(texts_, form(), customer(), rule, true)
                                   : delete_page(texts_, form(), customer(), *ext));
    } catch (const RuleRefused& e) {
      return page("", {}, e.what(), 400);
    }
  }
  overview();
}

void Conversation::change() {
  const std::string_view what = request_.field("do");
  if (!form_is_ours())
    return session_ ? page("", {}, texts_.form_old, 403) : login(texts_.login_again, {}, 403);
  if (what == "login") return log_in();
  if (!session_) return login(texts_.login_again, {}, 403);
  if (what == "logout") return log_out();
  if (what == "set" || what == "add") return set(what == "add");
  if (what == "delete") return remove();
  if (what == "password") return set_password();
  page("", {}, texts_.trouble, 400);
}

void Conversation::log_in() {
  const std::string login_name(request_.field("login"));
  switch (check_password(login_name, Secret(request_.field("password")), request_.client)) {
    case PasswordVerdict::right:
      break;
    case PasswordVerdict::wrong:
      return login(texts_.login_wrong, login_name, 403);
    case PasswordVerdict::later:
      return login(texts_.login_later, login_name, 503);
  }
  if (session_) sessions_.end(*session_);
  session_ = sessions_.begin(canonical_login(login_name), now_);
  response_.cookies.push_back(cookie(request_, session_cookie, session_->token));
  response_.cookies.push_back(cookie(request_, login_cookie, "", true));
  response_.status = 303;
  response_.location = request_.script;
}

void Conversation::log_out() {
  sessions_.end(*session_);
  response_.cookies.push_back(cookie(request_, session_cookie, "", true));
  response_.status = 303;
  response_.location = request_.script;
}

void Conversation::set(bool is_new) {
  const std::optional<std::string> ext = extension_of(request_.field("ext"));
  Rule entered = rule_of(request_, Rule());
  const auto again = [&](const std::string& problem) {
    entered.ext = ext ? *ext : std::string(request_.field("ext"));
    page(rule_page(texts_, form(), customer(), entered, !is_new), {}, problem, 400);
  };
  if (!ext || (is_new && ext->empty())) return again(texts_.bad_address);
  try {
    const Rule before = get_rule(session_->login, *ext);
    if (is_new && before.exists)
      return page(rule_page(texts_, form(), customer(), before, true), {}, texts_.exists_already, 409);
    entered.exists = before.exists;
    entered.other = before.other;
    set_rule(session_->login, *ext, entered);
  } catch (const RuleRefused& e) {
    return again(e.what());
  }
  go_on(filled(texts_.saved, shown(*ext)));
}

void Conversation::remove() {
  const std::optional<std::string> ext = extension_of(request_.field("ext"));
  if (!ext) return page("", {}, texts_.bad_address, 400);
  try {
    const bool was_there = delete_rule(session_->login, *ext);
    go_on(filled(was_there ? texts_.removed : texts_.was_not_there, shown(*ext)));
  } catch (const RuleRefused& e) {
    page("", {}, e.what(), 400);
  }
}

void Conversation::set_password() {
  const Secret old_password(request_.field("now")), new_password(request_.field("new"));
  const auto again = [&](const std::string& problem) {
    page(password_page(texts_, form()), {}, problem, 400);
  };
  if (request_.field("new") != request_.field("again")) return again(texts_.passwords_differ);
  if (request_.field("new") == request_.field("now")) return again(texts_.password_same);
  const PasswordChange change = change_password(session_->login, old_password, new_password, request_.client);
  switch (change.verdict) {
    case PasswordVerdict::right:
      break;
    case PasswordVerdict::wrong:
      return again(change.sentence.empty() ? texts_.password_wrong : change.sentence);
    case PasswordVerdict::later:
      return page(password_page(texts_, form()), {}, texts_.login_later, 503);
  }
  sessions_.end_others(*session_);
  go_on(texts_.password_changed);
}

}  // namespace

Response respond(const CgiRequest& request, Sessions& sessions) {
  return Conversation(request, sessions).respond();
}

Response refusal_page(int status, const std::string& text) {
  Response response;
  response.status = status;
  response.nonce = random_token();
  response.page = html_page({"en", english.title, "", "", text, response.nonce}, "");
  return response;
}

Response apology(const CgiRequest& request) {
  const Texts& texts = texts_for(request);
  Response response;
  response.status = 500;
  response.nonce = random_token();
  response.page =
      html_page({texts.language, texts.title, "", "", texts.trouble, response.nonce},
                "<p><a href=\"" + html(request.script) + "\">" + html(texts.title) + "</a></p>\n");
  return response;
}

std::string cgi_text(const Response& response, bool head_only) {
  std::string text = "Status: " + std::to_string(response.status) + "\n";
  if (!response.location.empty()) text += "Location: " + response.location + "\n";
  for (const std::string& cookie : response.cookies) text += "Set-Cookie: " + cookie + "\n";
  text +=
      "Content-Type: text/html; charset=utf-8\n"
      "Content-Security-Policy: default-src 'none'; style-src 'nonce-" +
      response.nonce +
      "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\n"
      "X-Content-Type-Options: nosniff\nX-Frame-Options: DENY\nReferrer-Policy: same-origin\n"
      "Cache-Control: no-store\n\n";
  return head_only ? text : text + response.page;
}

}  // namespace hato::panel
