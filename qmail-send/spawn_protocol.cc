#include "qmail-send/spawn_protocol.h"

#include <initializer_list>

#include "lib/base/error.h"

namespace hato {

namespace {

constexpr std::size_t number_size = 4;

void append_number(std::string& packet, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) packet += static_cast<char>((number >> shift) & 0xff);
}

// Cuts a NUL-terminated field off the front; false when there is no NUL.
bool take_field(std::string_view& rest, std::string& field) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

bool is_status(char c) {
  return c == 'K' || c == 'Z' || c == 'D';
}

}  // namespace

std::optional<std::uint32_t> delivery_number(std::string_view packet) {
  if (packet.size() < number_size) return std::nullopt;
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < number_size; ++i)
    number = number << 8 | static_cast<std::uint32_t>(static_cast<unsigned char>(packet[i]));
  return number;
}

std::string encode_request(const DeliveryRequest& request) {
  std::string packet;
  append_number(packet, request.delivery);
  for (const std::string* field : {&request.sender, &request.recipient, &request.trace,
                                   &request.message_params, &request.recipient_params}) {
    if (field->find('\0') != std::string::npos) throw TempError("delivery request: a field holds a NUL");
    packet += *field;
    packet += '\0';
  }
  for (const bool sign : {request.more, request.try_dead}) packet += sign ? '+' : '-';
  if (packet.size() > delivery_request_limit)
    throw TempError("delivery request: larger than " + std::to_string(delivery_request_limit) + " bytes");
  return packet;
}

std::optional<DeliveryRequest> decode_request(std::string_view packet) {
  const std::optional<std::uint32_t> number = delivery_number(packet);
  if (!number || packet.size() > delivery_request_limit) return std::nullopt;
  DeliveryRequest request;
  request.delivery = *number;
  std::string_view rest = packet.substr(number_size);
  if (!take_field(rest, request.sender) || !take_field(rest, request.recipient) ||
      !take_field(rest, request.trace) || !take_field(rest, request.message_params) ||
      !take_field(rest, request.recipient_params) || rest.size() != 2 ||
      rest.find_first_not_of("+-") != rest.npos)
    return std::nullopt;
  request.more = rest[0] == '+';
  request.try_dead = rest[1] == '+';
  return request;
}

std::string encode_report(const DeliveryReport& report) {
  std::string packet;
  append_number(packet, report.delivery);
  packet += is_status(report.status) ? report.status : 'Z';
  packet += static_cast<char>(report.host);
  std::string_view text = report.text;
  text = text.substr(0, text.find('\0'));
  packet += text.substr(0, delivery_text_limit);
  return packet;
}

std::optional<DeliveryReport> decode_report(std::string_view packet) {
  const std::optional<std::uint32_t> number = delivery_number(packet);
  if (!number || packet.size() < number_size + 2 || packet.size() > delivery_report_limit)
    return std::nullopt;
  const char status = packet[number_size];
  const std::optional<HostSays> host = host_says(packet[number_size + 1]);
  if (!is_status(status) || !host) return std::nullopt;
  return DeliveryReport{*number, status, std::string(packet.substr(number_size + 2)), *host};
}

}  // namespace hato
