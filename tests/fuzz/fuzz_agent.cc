// The packets of agents, and control/reuseremote.
#include <stdlib.h>

#include "lib/base/agent.h"
#include "qmail-send/reuse.h"
#include "qmail-send/spawn_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto job = decode_job(text))
    if (encode_job(*job) != text) abort();
  if (const auto report = decode_agent_report(text))
    if (encode_agent_report(*report) != text) abort();
  if (const auto request = decode_request(text))
    if (encode_request(*request) != text) abort();
  if (const auto report = decode_report(text))
    if (report->text.find('\0') == std::string::npos && encode_report(*report) != text) abort();
  if (const auto reuse = parse_reuse(text))
    if (reuse->messages < 1 || reuse->messages > 10000 || reuse->seconds < 1 || reuse->seconds > 3600)
      abort();
  return 0;
}
