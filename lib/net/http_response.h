// One response of an HTTP/1.1 server (RFC 9112) to a GET, fed as it arrives. Pure.
//
// Only what a careful client of small files needs: the body has a Content-Length or is chunked. One that just
// ends with the connection is refused, because nobody could tell whether it was cut off; so is one that is
// compressed, which we never ask for. Interim (1xx) responses are passed over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hato {

constexpr std::size_t max_http_head = 16U << 10;  // octets that are not body: status, fields, trailers,
                                                  // interim responses and the lines of chunks, all together
constexpr std::size_t max_http_line = 4096;  // octets of one of its lines

class HttpResponse {
 public:
  // body_limit: octets; a larger body fails.
  explicit HttpResponse(std::size_t body_limit) : body_limit_(body_limit) {}

  enum class State { more, done, failed };
  // Takes what came. After done and failed nothing is looked at any more.
  State feed(std::string_view bytes);
  State state() const { return state_; }

  // When done:
  int status() const { return status_; }                             // 200 to 999
  const std::string& content_type() const { return content_type_; }  // the field's value; "" without one
  const std::string& body() const { return body_; }
  // When failed: why, as a clause: "its body is larger than 65536 octets".
  const std::string& problem() const { return problem_; }

 private:
  enum class Part { status, fields, body, chunk_size, chunk, chunk_end, trailers };
  bool take_line(std::string_view& bytes);
  void end_of_line();
  void status_line();
  void field_line();
  void end_of_fields();
  void chunk_size_line();
  void take_body(std::string_view& bytes);
  void fail(const std::string& why);

  const std::size_t body_limit_;
  State state_ = State::more;
  Part part_ = Part::status;
  std::string line_;
  std::size_t head_ = 0;      // octets so far
  std::uint64_t wanted_ = 0;  // octets of the body or chunk still to come
  bool has_length_ = false;
  bool chunked_ = false;
  int status_ = 0;
  std::string content_type_;
  std::string body_;
  std::string problem_;
};

}  // namespace hato
