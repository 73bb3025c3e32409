#include "panel/pages.h"

#include "panel/cgi_request.h"
#include "panel/html.h"

namespace hato::panel {

namespace {

constexpr unsigned nearly_full_percent = 90;

std::string hidden(std::string_view name, std::string_view value) {
  return "<input type=\"hidden\" name=\"" + std::string(name) + "\" value=\"" + html(value) + "\">\n";
}

std::string form_start(const FormFrame& form, std::string_view action) {
  return "<form method=\"post\" action=\"" + html(form.script) + "\" accept-charset=\"utf-8\">\n" +
         hidden("do", action) + hidden("key", form.form_key);
}

// A labelled field; attributes: HTML.
std::string field(std::string_view label, std::string_view name, std::string_view type,
                  std::string_view value, std::string_view attributes = {}) {
  return "<div><label for=\"" + std::string(name) + "\">" + html(label) + "</label><input id=\"" +
         std::string(name) + "\" name=\"" + std::string(name) + "\" type=\"" + std::string(type) +
         "\" value=\"" + html(value) + "\" " + std::string(attributes) + "></div>\n";
}

std::string hint(std::string_view text) {
  return "<p class=\"hint\">" + html(text) + "</p>\n";
}

std::string check(std::string_view label, std::string_view name, bool checked) {
  return "<label class=\"check\"><input type=\"checkbox\" id=\"" + std::string(name) + "\" name=\"" +
         std::string(name) + "\" value=\"1\"" + (checked ? " checked" : "") + ">" + html(label) +
         "</label>\n";
}

std::string choice(std::string_view label, std::string_view value, bool checked) {
  return "<label class=\"check\"><input type=\"radio\" name=\"does\" id=\"does-" + std::string(value) +
         "\" value=\"" + std::string(value) + "\"" + (checked ? " checked" : "") + ">" + html(label) +
         "</label>\n";
}

std::string text_area(std::string_view label, std::string_view name, std::string_view text,
                      std::string_view attributes) {
  // A line feed right behind the tag is not part of the text (HTML Standard 13.1.2.5), so there is always
  // one.
  return "<label for=\"" + std::string(name) + "\">" + html(label) + "</label><textarea id=\"" +
         std::string(name) + "\" name=\"" + std::string(name) + "\" " + std::string(attributes) + ">\n" +
         html(text) + "</textarea>\n";
}

std::string page_link(const FormFrame& form, std::string_view page, std::string_view text,
                      std::string_view css_class = {}, std::string_view ext = {}) {
  std::string target = form.script;
  if (!page.empty()) target += "?page=" + std::string(page);
  if (page == "rule" || page == "delete") target += "&ext=" + form_encode(ext);
  return "<a href=\"" + html(target) + "\"" +
         (css_class.empty() ? "" : " class=\"" + std::string(css_class) + "\"") + ">" + html(text) + "</a>";
}

std::string joined(const std::vector<std::string>& lines, std::string_view separator) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : std::string(separator)) + line;
  return text;
}

std::string use_card(const Texts& texts, const std::optional<MailboxUse>& use) {
  std::string card = "<section class=\"card\" id=\"use\"><h2>" + html(texts.mailbox) + "</h2>\n";
  if (!use) return card + "<p class=\"hint\">" + html(texts.use_unknown) + "</p></section>\n";
  if (const std::optional<unsigned> percent = use->percent())
    card += std::string("<div class=\"bar") + (*percent >= nearly_full_percent ? " full" : "") +
            "\" role=\"img\" aria-label=\"" + std::to_string(*percent) +
            " %\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\"><rect width=\"" +
            std::to_string(*percent) + "\" height=\"10\"/></svg></div>\n";
  card +=
      "<p>" +
      html(use->quota_bytes != 0 ? filled(texts.used_of, bytes_text(use->bytes), bytes_text(use->quota_bytes))
                                 : filled(texts.used, bytes_text(use->bytes))) +
      " · " +
      html(use->quota_messages != 0
               ? filled(texts.of_messages, std::to_string(use->messages), std::to_string(use->quota_messages))
               : filled(texts.messages, std::to_string(use->messages))) +
      "</p>\n";
  if (const unsigned percent = use->percent().value_or(0); percent >= nearly_full_percent)
    card +=
        "<p class=\"problem\">" + html(percent == 100 ? texts.mailbox_full : texts.nearly_full) + "</p>\n";
  return card + "</section>\n";
}

// What a rule does, in words.
std::string summary(const Texts& texts, const Rule& rule) {
  if (rule.refusal) return std::string(texts.closed) + ": " + *rule.refusal;
  std::vector<std::string> parts;
  if (rule.keep)
    parts.push_back(rule.folder.empty() ? texts.to_mailbox : filled(texts.to_folder, rule.folder));
  if (!rule.forward.empty()) parts.push_back(filled(texts.forwards_to, joined(rule.forward, ", ")));
  if (rule.discard) parts.push_back(texts.discarded);
  return joined(parts, texts.language == std::string_view("ja") ? "、" : "; ");
}

std::string rule_item(const Texts& texts, const FormFrame& form, const Customer& customer, const Rule& rule) {
  std::string item = "<li><div><b>" + html(address_of(customer, rule.ext, texts)) + "</b>";
  item += "<p>";
  if (rule.vacation && rule.vacation->on) item += "<span class=\"tag\">" + html(texts.vacation) + "</span>";
  item += html(summary(texts, rule)) + "</p>";
  if (!rule.other.empty()) item += "<p>" + html(texts.by_hand) + "</p>";
  if (rule.problem) item += "<p class=\"problem\">" + html(texts.broken) + "</p>";
  return item + "</div>" + page_link(form, "rule", texts.change, {}, rule.ext) + "</li>\n";
}

}  // namespace

std::string address_of(const Customer& customer, const std::string& ext, const Texts& texts) {
  if (ext.empty()) return customer.mains.front();
  if (ext == "default") return texts.everything_else;
  return customer.before + ext + customer.after;
}

std::string login_page(const Texts& texts, const FormFrame& form, const std::string& login) {
  return "<div class=\"card narrow\"><h1>" + html(texts.title) + "</h1>\n" + form_start(form, "login") +
         field(texts.login, "login", "text", login,
               "required autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" "
               "maxlength=\"255\"" +
                   std::string(login.empty() ? " autofocus" : "")) +
         field(texts.password, "password", "password", "",
               "required autocomplete=\"current-password\" maxlength=\"255\"" +
                   std::string(login.empty() ? "" : " autofocus")) +
         hint(texts.login_hint) + "<button class=\"wide\">" + html(texts.log_in) +
         "</button>\n</form></div>\n";
}

std::string overview_page(const Texts& texts, const FormFrame& form, const Customer& customer,
                          const std::optional<MailboxUse>& use, const std::vector<Rule>& rules) {
  std::string body = use_card(texts, use);
  body += "<section class=\"card\" id=\"addresses\"><h2>" + html(texts.addresses) + "</h2>\n<p>";
  std::vector<std::string> addresses;
  for (const std::string& main : customer.mains) addresses.push_back(html(main));
  for (const std::string& domain : customer.any_domains)
    addresses.push_back(html(filled(texts.any_address, domain)));
  body += joined(addresses, "<br>\n") + "</p></section>\n";
  body += "<section class=\"card\" id=\"rules\"><h2>" + html(texts.rules) + "</h2>\n";
  if (rules.empty()) {
    body += "<p>" + html(texts.no_rules) + "</p>\n";
  } else {
    body += "<ul class=\"rules\">\n";
    for (const Rule& rule : rules) body += rule_item(texts, form, customer, rule);
    body += "</ul>\n";
  }
  body += "<div class=\"actions\">" + page_link(form, "new", texts.add_rule, "button");
  bool main_has_rule = false;
  for (const Rule& rule : rules) main_has_rule = main_has_rule || rule.ext.empty();
  if (!main_has_rule)
    body +=
        page_link(form, "rule", filled(texts.main_rule, address_of(customer, "", texts)), "button plain", "");
  body += "</div></section>\n";
  body += "<section class=\"card\"><h2>" + html(texts.settings) + "</h2>\n" +
          page_link(form, "password", texts.change_password) + "</section>\n";
  return body;
}

std::string rule_page(const Texts& texts, const FormFrame& form, const Customer& customer, const Rule& rule,
                      bool fixed) {
  std::string body =
      "<h1>" + html(fixed ? address_of(customer, rule.ext, texts) : std::string(texts.new_rule)) + "</h1>\n";
  if (rule.problem)
    body += "<p class=\"problem\">" + html(texts.broken) + "\n" + html(*rule.problem) + "</p>\n";
  body += form_start(form, fixed ? "set" : "add");
  if (fixed) {
    body += hidden("ext", rule.ext);
  } else {
    body += "<div class=\"card\"><label for=\"ext\">" + html(texts.address) +
            "</label><div class=\"pair\"><span>" + html(customer.before) +
            "</span><input id=\"ext\" name=\"ext\" type=\"text\" required autofocus autocapitalize=\"none\" "
            "spellcheck=\"false\" maxlength=\"200\" value=\"" +
            html(rule.ext) + "\"><span>" + html(customer.after) + "</span></div>\n" +
            hint(texts.address_hint) + "</div>\n";
  }
  const bool delivers = !rule.refusal && !rule.discard;
  body += "<fieldset class=\"card\"><legend>" + html(texts.what_happens) + "</legend>\n" +
          choice(texts.deliver, "deliver", delivers) +
          choice(texts.refuse, "refuse", rule.refusal.has_value()) +
          choice(texts.discard, "discard", rule.discard) + "</fieldset>\n";

  body += "<div class=\"card if-deliver\">\n" + check(texts.keep, "keep", rule.keep && delivers) +
          field(texts.folder, "folder", "text", rule.folder, "maxlength=\"200\"") + hint(texts.folder_hint) +
          text_area(texts.forward, "forward", joined(rule.forward, "\n"),
                    "rows=\"4\" autocapitalize=\"none\" spellcheck=\"false\"") +
          hint(texts.forward_hint) + "</div>\n";

  const Vacation vacation = rule.vacation.value_or(Vacation());
  body += "<div class=\"card if-deliver\">\n" + check(texts.vacation_on, "vacation", vacation.on) +
          "<div class=\"if-vacation\">" +
          text_area(texts.vacation_text, "text", vacation.text, "rows=\"6\" maxlength=\"8000\"") +
          hint(texts.vacation_hint) +
          field(texts.vacation_subject, "subject", "text", vacation.subject, "maxlength=\"100\"") +
          hint(texts.vacation_subject_hint) + "<div class=\"two\">" +
          field(texts.from, "from", "date", vacation.from) +
          field(texts.until, "until", "date", vacation.until) + "</div>" + hint(texts.dates_hint) +
          "</div></div>\n";

  body += "<div class=\"card if-refuse\">\n" +
          field(texts.refuse_text, "refusal", "text", rule.refusal.value_or(""), "maxlength=\"300\"") +
          hint(texts.refuse_hint) + "</div>\n<p class=\"hint if-discard\">" + html(texts.discard) + ": " +
          html(texts.discard_hint) + "</p>\n";
  if (!rule.other.empty())
    body += "<div class=\"card\"><b>" + html(texts.other_lines) + "</b><pre>" +
            html(joined(rule.other, "\n")) + "</pre></div>\n";
  body += "<div class=\"actions\"><button id=\"save\">" + html(texts.save) + "</button>" +
          page_link(form, "", texts.cancel, "button plain");
  if (fixed && rule.exists) body += page_link(form, "delete", texts.remove, "button danger", rule.ext);
  return body + "</div>\n</form>\n";
}

std::string delete_page(const Texts& texts, const FormFrame& form, const Customer& customer,
                        const std::string& ext) {
  return "<h1>" + html(filled(texts.remove_question, address_of(customer, ext, texts))) + "</h1>\n<p>" +
         html(texts.remove_hint) + "</p>\n" + form_start(form, "delete") + hidden("ext", ext) +
         "<div class=\"actions\"><button class=\"danger\" id=\"remove\">" + html(texts.remove) + "</button>" +
         page_link(form, "", texts.cancel, "button plain") + "</div>\n</form>\n";
}

std::string password_page(const Texts& texts, const FormFrame& form) {
  return "<div class=\"card narrow\"><h1>" + html(texts.change_password) + "</h1>\n" +
         form_start(form, "password") +
         field(texts.password_now, "now", "password", "",
               "required autofocus autocomplete=\"current-password\" maxlength=\"255\"") +
         field(texts.password_new, "new", "password", "",
               "required autocomplete=\"new-password\" minlength=\"8\" maxlength=\"255\"") +
         field(texts.password_again, "again", "password", "",
               "required autocomplete=\"new-password\" minlength=\"8\" maxlength=\"255\"") +
         hint(texts.password_hint) + "<div class=\"actions\"><button>" + html(texts.save) + "</button>" +
         page_link(form, "", texts.cancel, "button plain") + "</div></form></div>\n";
}

}  // namespace hato::panel
