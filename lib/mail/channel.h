// The two ways out of the queue: qmail-send(8).
#pragma once

namespace hato {

enum class Channel : unsigned { local = 0, remote = 1 };
constexpr unsigned channels = 2;
constexpr Channel both_channels[] = {Channel::local, Channel::remote};
constexpr Channel other_channel(Channel channel) {
  return channel == Channel::local ? Channel::remote : Channel::local;
}
constexpr const char* channel_name(Channel channel) {
  return channel == Channel::local ? "local" : "remote";
}

}  // namespace hato
