// The control panel's pure parts: requests (RFC 3875, URL Standard 5.1, RFC 6265), HTML, rules as JSON.

#include "lib/base/error.h"
#include "panel/cgi_request.h"
#include "panel/html.h"
#include "panel/mailbox_use.h"
#include "panel/pages.h"
#include "panel/rule.h"
#include "panel/texts.h"
#include "tests/catch.h"

using namespace hato;
using namespace hato::panel;

TEST_CASE("forms", "[panel]") {
  CHECK(*parse_form("a=1&b=x+y%21&a=2&&c&=d") == Form{{"a", "1"}, {"b", "x y!"}, {"c", ""}, {"", "d"}});
  CHECK(*parse_form("t=%E9%B3%A9%0D%0Atwo%0Dthree%0A") == Form{{"t", "鳩\ntwo\nthree\n"}});
  CHECK(parse_form("")->empty());
  for (const char* bad : {"a=%", "a=%4", "a=%4g", "a=%00", "a=%ff", "%zz=1", "a=\xe9"}) {
    INFO(bad);
    CHECK_FALSE(parse_form(bad));
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += "f" + std::to_string(i) + "=1&";
  CHECK(parse_form(many)->size() == 100);
  CHECK_FALSE(parse_form(many + "one=more"));
  CHECK(parse_form("a=" + std::string(form_limit - 2, 'x')));
  CHECK_FALSE(parse_form("a=" + std::string(form_limit - 1, 'x')));
  for (const char* text : {"", "a b&c=d%+/鳩\n", "../x"})
    CHECK(parse_form("v=" + form_encode(text))->at("v") == text);
}

TEST_CASE("cookies and languages", "[panel]") {
  CHECK(*cookie_value("a=1; hato=xyz; hato=other", "hato") == "xyz");
  CHECK(*cookie_value("hato=", "hato").value_or("none").c_str() == '\0');
  CHECK_FALSE(cookie_value("xhato=1; hato", "hato"));
  CHECK_FALSE(cookie_value("", "hato"));
  struct Row {
    const char* field;
    bool japanese;
  };
  for (const Row& row : {Row{"ja,en-US;q=0.7,en;q=0.3", true}, Row{"en-US,en;q=0.9,ja;q=0.8", false},
                         Row{"de", false}, Row{"", false}, Row{"JA-jp", true}, Row{"jam", false},
                         Row{"en;q=0.2, ja;q=0.4", true}, Row{"ja;q=0", false}, Row{"ja;q=x", false}}) {
    INFO(row.field);
    CHECK(prefers_japanese(row.field) == row.japanese);
  }
}

TEST_CASE("a form on another site's page is not ours", "[panel]") {
  CgiRequest request;
  request.host = "panel.example";
  CHECK(request.from_this_site());  // old browsers send no Origin; the form's key still counts
  request.origin = "http://panel.example";
  CHECK(request.from_this_site());
  request.https = true;
  CHECK_FALSE(request.from_this_site());
  for (const char* other :
       {"https://evil.example", "null", "https://panel.example.evil", "https://panel.example:8443"}) {
    request.origin = other;
    CHECK_FALSE(request.from_this_site());
  }
}

TEST_CASE("text in HTML", "[panel]") {
  CHECK(html("<b a=\"x\" c='y'>&amp;\x01\n鳩") ==
        "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;\xef\xbf\xbd\n鳩");
  const std::string page = html_page({"ja", "<t>", "<i></i>", "<n>", "<p>", "abc"}, "<h1>x</h1>");
  CHECK(page.find("<title>&lt;t&gt;</title>") != page.npos);
  CHECK(page.find("&lt;n&gt;") != page.npos);
  CHECK(page.find("&lt;p&gt;") != page.npos);
  CHECK(page.find("<html lang=\"ja\">") != page.npos);
}

TEST_CASE("nothing that a customer entered gets into a page as HTML", "[panel]") {
  const std::string evil = "\"><script>x</script>'";
  Rule rule;
  rule.ext = evil;
  rule.forward = {evil};
  rule.folder = evil;
  rule.vacation = Vacation{true, "</textarea>" + evil, evil, evil, evil};
  rule.other = {evil};
  rule.problem = evil;
  Customer customer;
  customer.login = customer.before = customer.after = evil;
  customer.mains = customer.any_domains = {evil};
  const FormFrame form{evil, evil};
  Rule closed = rule;
  closed.refusal = evil;
  for (const Texts* texts : {&english, &japanese})
    for (const std::string& page :
         {login_page(*texts, form, evil), overview_page(*texts, form, customer, std::nullopt, {rule, closed}),
          rule_page(*texts, form, customer, rule, true), rule_page(*texts, form, customer, closed, false),
          delete_page(*texts, form, customer, evil), password_page(*texts, form)}) {
      CHECK(page.find("<script") == page.npos);
      CHECK(page.find("</textarea>\"") == page.npos);
    }
}

TEST_CASE("rules as qmail-dot tells and takes them", "[panel]") {
  const char* text =
      R"({"account":"abc","ext":"shop","file":".qmail-shop","exists":true,"forward":["a@b.example"],"keep":true,)"
      R"("folder":"Shop","vacation":{"on":true,"text":"away\n","subject":null,"from":"2026-12-28","until":null,)"
      R"("days":7},"refusal":null,"discard":false,"other":["# x"],"problem":null})";
  const Rule rule = parse_rule(JsonValue::parse(text));
  CHECK(rule.ext == "shop");
  CHECK(rule.forward == std::vector<std::string>{"a@b.example"});
  CHECK(rule.folder == "Shop");
  CHECK(rule.vacation->from == "2026-12-28");
  CHECK(rule.other == std::vector<std::string>{"# x"});
  CHECK(rule_json(rule) ==
        R"({"refusal":null,"discard":false,"forward":["a@b.example"],"keep":true,"folder":"Shop",)"
        R"("vacation":{"on":true,"text":"away\u000a","subject":null,"from":"2026-12-28","until":null}})");
  Rule closed = rule;
  closed.refusal = "No \"more\"";
  CHECK(rule_json(closed) == R"({"refusal":"No \"more\""})");
  Rule discarded;
  discarded.discard = true;
  CHECK(*JsonValue::parse(rule_json(discarded)).member("discard")->boolean());
  for (const char* bad : {"{}", "[]", R"({"ext":1})", R"({"ext":"","exists":true,"forward":[1]})"})
    CHECK_THROWS_AS(parse_rule(JsonValue::parse(bad)), TempError);
}

TEST_CASE("how full a mailbox is", "[panel]") {
  const auto use = parse_mailbox_use("bytes=900\nmessages=3\nquota_bytes=1000\nquota_messages=10\n\n");
  REQUIRE(use);
  CHECK(use->percent() == 90U);
  CHECK_FALSE(parse_mailbox_use("bytes=1\nmessages=2\n\n")->percent());
  CHECK(parse_mailbox_use("bytes=5\nmessages=9\nquota_messages=9\n\n")->percent() == 100U);
  for (const char* bad :
       {"", "\n", "bytes=1\n\n", "bytes=1\nmessages=x\n\n", "bytes=1\nmessages=2\n", "action=x\n\n"})
    CHECK_FALSE(parse_mailbox_use(bad));
}

TEST_CASE("sizes for people", "[panel]") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1000) == "1.0 kB");
  CHECK(bytes_text(20971520) == "21.0 MB");
  CHECK(bytes_text(999960) == "1.0 MB");
  CHECK(bytes_text(123456789012) == "123 GB");
}
