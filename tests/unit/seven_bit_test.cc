#include "lib/mail/seven_bit.h"

#include <algorithm>

#include "lib/mail/mime_type.h"
#include "lib/mail/seven_bit_header.h"
#include "lib/mail/utf8.h"
#include "tests/catch.h"

using namespace hato;

namespace {

// In pieces of this size; "!" and the obstacle when there is one.
std::string converted(std::string_view message, std::size_t piece = 100000) {
  SevenBit seven_bit;
  for (std::size_t at = 0; at < message.size(); at += piece) seven_bit.look(message.substr(at, piece));
  seven_bit.finish_look();
  if (!seven_bit.obstacle().empty()) return "!" + seven_bit.obstacle();
  std::string out;
  for (int round = 0; round < 2; ++round) {  // it can be done again
    out.clear();
    seven_bit.begin();
    for (std::size_t at = 0; at < message.size(); at += piece)
      seven_bit.convert(message.substr(at, piece), out);
    seven_bit.finish(out);
  }
  return out;
}

std::string field(const std::string& text) {
  const std::optional<HeaderField> parsed = first_field(text);
  REQUIRE(parsed);
  return seven_bit_field(*parsed).value_or("(none)");
}

const std::string version = "MIME-Version: 1.0\n";
const std::string qp = "Content-Transfer-Encoding: quoted-printable\n";
const std::string plain_utf8 = "Content-Type: text/plain; charset=utf-8\n";

}  // namespace

TEST_CASE("seven bit: messages", "[seven_bit]") {
  struct Row {
    const char* what;
    std::string message, result;
  };
  const Row rows[] = {
      {"nothing", "", ""},
      {"ASCII stays as it is", "Subject: x\n\nbody \n--\n=3D\n", "Subject: x\n\nbody \n--\n=3D\n"},
      {"8bit", version + "Content-Transfer-Encoding: 8bit\n" + plain_utf8 + "\na鳩 = \n \nb\tc\t\n",
       version + qp + plain_utf8 + "\na=E9=B3=A9 =3D=20\n=20\nb\tc=09\n"},
      {"no MIME at all, UTF-8", "Subject: x\n\n鳩\n",
       "Subject: x\n" + version + plain_utf8 + qp + "\n=E9=B3=A9\n"},
      {"no MIME at all, something else", "Subject: x\n\n\x82\xcd\xc6\n",
       "Subject: x\n" + version + "Content-Type: text/plain; charset=unknown-8bit\n" + qp + "\n=82=CD=C6\n"},
      {"no header at all", "鳩\n\nx\n", version + plain_utf8 + qp + "\n=E9=B3=A9\n\nx\n"},
      {"no empty line", "Subject: x\n鳩\n\ny\n",
       "Subject: x\n" + version + plain_utf8 + qp + "\n=E9=B3=A9\n\ny\n"},
      {"no empty line, and nothing to do", "Subject: x\nwhat\n\ny\n", "Subject: x\nwhat\n\ny\n"},
      {"no final line end", "\n鳩", version + plain_utf8 + qp + "\n=E9=B3=A9"},
      {"a blank at the very end", "\n鳩 ", version + plain_utf8 + qp + "\n=E9=B3=A9=20"},
      {"CR LF, bare CR, NUL", std::string("\n\xe9\xb3\xa9\r\na\rb\0\n", 11),
       version + plain_utf8 + qp + "\n=E9=B3=A9\na=0Db=00\n"},
      {"the label of a part without such bytes is put right",
       version + "Content-Transfer-Encoding: 8BIT\nX: 鳩\n\nbody\n",
       version + "Content-Transfer-Encoding: 7bit\nX: =?UTF-8?B?6bOp?=\n\nbody\n"},
      {"quoted-printable with such bytes", version + qp + "\n=E9=B3\xa9=\n", version + qp + "\n=E9=B3=A9=\n"},
      {"base64 with such bytes", version + "Content-Transfer-Encoding: base64\n\nAA\xff==\n",
       version + "Content-Transfer-Encoding: base64\n\nAA==\n"},
      {"an encoding nobody knows", "Content-Transfer-Encoding: x-uuencode\n\n鳩\n",
       "!a part of it has bytes that are not ASCII, and an encoding that I do not know"},
      {"multipart: only the parts that need it",
       "Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 8bit\n\n前\n--b "
       "b\n\none\n"
       "--b b  \n" +
           plain_utf8 + "\n二\n--b bx\n--b b--\n後\n",
       "Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 7bit\n\n???\n--b "
       "b\n\none\n"
       "--b b  \n" +
           plain_utf8 + qp + "\n=E4=BA=8C\n--b bx\n--b b--\n???\n"},
      {"multipart in multipart, the inner one not closed",
       "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; "
       "boundary=in\n\n--in\n\n一\n--out\n\n二\n--out--\n",
       "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; "
       "boundary=in\n\n--in\n" +
           plain_utf8 + qp + "\n=E4=B8=80\n--out\n" + plain_utf8 + qp + "\n=E4=BA=8C\n--out--\n"},
      {"a message in a message",
       "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: 鳩\n" + plain_utf8 +
           "\n鳩\n",
       "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: =?UTF-8?B?6bOp?=\n" +
           plain_utf8 + version + qp + "\n=E9=B3=A9\n"},
      {"a digest: parts are messages unless they say otherwise",
       "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\n鳩\n--b\nContent-Type: "
       "text/plain\n\n鳩\n",
       "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n" + plain_utf8 + qp +
           "\n=E9=B3=A9\n--b\nContent-Type: text/plain\n" + qp + "\n=E9=B3=A9\n"},
      {"signed: not touched", "X: 鳩\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nbody \n--b--\n",
       "X: =?UTF-8?B?6bOp?=\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nbody \n--b--\n"},
      {"signed: cannot be", "Content-Type: multipart/signed; boundary=b\n\n--b\n\n鳩\n--b--\n",
       "!a signed part of it has bytes that are not ASCII"},
      {"a header in what is signed", "Content-Type: multipart/signed; boundary=b\n\n--b\nX: 鳩\n\nx\n--b--\n",
       "!a signed part of it has bytes that are not ASCII"},
      {"signed inside of mixed, and 8-bit beside it",
       "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/signed; boundary=b\n\n--b\n"
       "Content-Transfer-Encoding: 8bit\n\nx\n--b--\n--o\n\n鳩\n--o--\n",
       "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/signed; boundary=b\n\n--b\n"
       "Content-Transfer-Encoding: 8bit\n\nx\n--b--\n--o\n" +
           plain_utf8 + qp + "\n=E9=B3=A9\n--o--\n"},
      {"message/partial must not be encoded", "Content-Type: message/partial; id=x\n\n鳩\n",
       "!a part of it that must not be encoded has bytes that are not ASCII"},
      {"a multipart without a boundary is text", "Content-Type: multipart/mixed\n\n鳩\n",
       "Content-Type: multipart/mixed\n" + version + qp + "\n=E9=B3=A9\n"},
      {"an address without a form in ASCII", "From: 鳩@a.test\n\nx\n",
       "!an address in its header has characters that are not ASCII"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(converted(row.message) == row.result);
    CHECK(converted(row.message, 1) == row.result);
    CHECK(converted(row.message, 7) == row.result);
  }
}

TEST_CASE("seven bit: lines of quoted-printable", "[seven_bit]") {
  std::string message = "\n";
  for (int i = 0; i < 5000; ++i) message += "鳩 ";
  message += "\n";
  const std::string out = converted(message);
  CHECK(out == converted(message, 11));
  std::string decoded;
  std::size_t longest = 0, begin = out.find("\n\n") + 2;
  for (std::size_t at = begin; at < out.size();) {
    const std::size_t lf = out.find('\n', at);
    longest = std::max(longest, lf - at);
    std::string line = out.substr(at, lf - at);
    const bool soft = line.ends_with('=');
    if (soft) line.pop_back();
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '=') {
        decoded += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        decoded += line[i];
      }
    }
    if (!soft) decoded += '\n';
    at = lf + 1;
  }
  CHECK(longest <= 76);
  CHECK(decoded == message.substr(1));
}

TEST_CASE("seven bit: limits", "[seven_bit]") {
  std::string deep;
  for (std::size_t i = 0; i <= max_mime_depth; ++i)
    deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\n\n--b" + std::to_string(i) +
            "\n";
  CHECK(converted(deep + "\n鳩\n") == "!its parts are nested too deeply");
  CHECK(converted("X: " + std::string(max_mime_header, 'x') + "鳩\n\n") ==
        "!it has a header of more than 1 MiB");
  std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (std::size_t i = 0; i < max_mime_parts; ++i) many += "--b\n";
  CHECK(converted(many + "\n鳩\n") == "!it has too many parts");
  // Messages one behind the other are not nested.
  std::string digest = "Content-Type: multipart/digest; boundary=b\n\n";
  for (int i = 0; i < 200; ++i) digest += "--b\n\nSubject: x\n\nx\n";
  CHECK(converted(digest + "--b\n\nSubject: x\n\n鳩\n")[0] == 'C');
}

TEST_CASE("seven bit: fields", "[seven_bit]") {
  struct Row {
    std::string before, after;
  };
  const Row rows[] = {
      {"Subject: ascii\n\tfolded\n", "Subject: ascii\n\tfolded\n"},
      {"Subject: 鳩\n", "Subject: =?UTF-8?B?6bOp?=\n"},
      {"subject: re: 鳩 鳩 and more\n", "subject: re: =?UTF-8?B?6bOpIOmzqQ==?= and more\n"},
      {"X-Note: a\n 鳩\n", "X-Note: a =?UTF-8?B?6bOp?=\n"},
      {"Subject: \x82\xcd\n", "Subject: =?unknown-8bit?B?gs0=?=\n"},
      {"From: 鳩 <a@b.test>\n", "From: =?UTF-8?B?6bOp?= <a@b.test>\n"},
      {"To: \"鳩, x\" <a@b.test>, c@d.test (鳩)\n",
       "To: =?UTF-8?B?6bOpLCB4?= <a@b.test>, c@d.test (=?UTF-8?B?6bOp?=)\n"},
      {"Cc: \"plain\" <a@日本.test>\n", "Cc: \"plain\" <a@xn--wgv71a.test>\n"},
      {"To: 鳩の会: a@b.test, c@d.test;\n", "To: =?UTF-8?B?6bOp44Gu5Lya?=: a@b.test, c@d.test;\n"},
      {"From: 鳩@b.test\n", "(none)"},
      {"From: \"鳩 <a@b.test>\n", "(none)"},
      {"Received: from 鳩\n", "Received: from ???\n"},
      {"Content-Type: text/plain; name=\"鳩 1.txt\"; charset=utf-8\n",
       "Content-Type: text/plain; name*=utf-8''%E9%B3%A9%201.txt; charset=utf-8\n"},
      {"Content-Disposition: attachment; filename=\x82\xcd.txt\n",
       "Content-Disposition: attachment; filename*=unknown-8bit''%82%CD.txt\n"},
      {"Content-Type: text/鳩\n", "Content-Type: text/???\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.before);
    CHECK(field(row.before) == row.after);
  }
  // Long text is folded, and never inside a character.
  std::string subject = "Subject: ";
  for (int i = 0; i < 100; ++i) subject += "鳩";
  const std::string folded = field(subject + "\n");
  CHECK(is_ascii(folded));
  for (std::size_t at = 0; at < folded.size();) {
    const std::size_t lf = folded.find('\n', at);
    CHECK(lf - at <= 90);
    at = lf + 1;
  }
}

TEST_CASE("mime type: values with parameters", "[mime_type]") {
  const MimeType type = parse_mime_type(
      " Multipart/Mixed (a comment; x=y); Boundary=\"a\\\"b;c\" ;\n charset = us-ascii;;=x; name=a=b");
  CHECK(type.value == "multipart/mixed");
  REQUIRE(type.parameters.size() == 3);
  CHECK(type.find("boundary")->value == "a\"b;c");
  CHECK(type.find("charset")->value == "us-ascii");
  CHECK(type.find("name")->value == "a=b");
  CHECK(type.find("none") == nullptr);
  CHECK(parse_mime_type("").value.empty());
  CHECK(parse_mime_type(";;;").parameters.empty());
  CHECK(parse_mime_type("a/b; c=\"open").find("c")->value == "open");
  CHECK(parse_mime_type("a/b; (c").parameters.empty());
  std::string many = "a/b";
  for (int i = 0; i < 1000; ++i) many += ";a=b";
  CHECK(parse_mime_type(many).parameters.size() == max_mime_parameters);
}
