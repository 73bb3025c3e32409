#include "tests/program/https_server.h"

#include <random>

#include "tests/catch.h"
#include "tests/certificates.h"

namespace hato::test {

namespace {

// One connection after the other; those that get no answer are kept.
const char* const script = R"(
import socket, ssl, sys
directory, address = sys.argv[1:]
listening = socket.create_server((address, 443))
print("ready", flush=True)
kept = []
while True:
    plain, _ = listening.accept()
    try:
        plain.settimeout(10)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory + "/chain.pem", directory + "/key.pem")
        peer = context.wrap_socket(plain, server_side=True)
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            piece = peer.recv(4096)
            if not piece:
                break
            request += piece
        with open(directory + "/requests", "ab") as requests:
            requests.write(request)
        with open(directory + "/answer", "rb") as answer:
            answer = answer.read()
        if answer:
            peer.sendall(answer)
            peer.close()
        else:
            kept.append(peer)
    except OSError:
        pass
)";

std::string random_loopback() {
  std::random_device source;
  std::uniform_int_distribution<int> part(1, 254);
  return "127." + std::to_string(part(source)) + "." + std::to_string(part(source)) + "." +
         std::to_string(part(source));
}

}  // namespace

HttpsServer::HttpsServer() {
  identity(std::string(certificates::good) + certificates::middle, certificates::good_key);
  answer("");
  constexpr int tries = 5;  // somebody else's test may have the address
  for (int i = 0; i < tries; ++i) {
    address_ = random_loopback();
    FdPair said = make_pipe();
    process_ = std::make_unique<Process>(
        Start{{"/usr/bin/python3", "-c", script, scratch_.path(), address_}, {}, {{1, said.second.get()}}});
    said.second.reset();
    if (read_until(said.first.get(), "ready").find("ready") != std::string::npos) return;
  }
  FAIL("no web server");
}

void HttpsServer::identity(const std::string& chain, const std::string& key) const {
  scratch_.write("chain.pem", chain);
  scratch_.write("key.pem", key);
}

void HttpsServer::answer(const std::string& bytes) const {
  scratch_.write("answer", bytes);
}

std::vector<std::string> HttpsServer::requests() const {
  std::vector<std::string> list;
  std::string text = slurp(scratch_.file("requests"));
  for (std::size_t end; (end = text.find("\r\n\r\n")) != std::string::npos; text.erase(0, end + 4))
    list.push_back(text.substr(0, end + 4));
  return list;
}

std::string http_ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace hato::test
