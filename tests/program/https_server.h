// A web server for tests: HTTPS on port 443 of a loopback address of its own, which answers every request
// with the same bytes, whatever they are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/program/process.h"

namespace hato::test {

class HttpsServer {
 public:
  HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  const std::string& address() const { return address_; }
  // From the next connection on. An empty answer: says nothing, and keeps the connection.
  void identity(const std::string& chain, const std::string& key) const;
  void answer(const std::string& bytes) const;
  // The requests so far, each to its empty line.
  std::vector<std::string> requests() const;
  void stop() { process_.reset(); }

 private:
  ScratchDirectory scratch_;
  std::string address_;
  std::unique_ptr<Process> process_;
};

// "HTTP/1.1 200 OK", text/plain, and its length.
std::string http_ok(const std::string& body);

}  // namespace hato::test
