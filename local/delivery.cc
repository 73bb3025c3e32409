#include "local/delivery.h"

#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/mail/address.h"
#include "lib/mail/mbox.h"
#include "lib/store/accounts.h"

namespace hato {

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', '_');
  return text;
}

}  // namespace

std::string Delivery::delivered_to() const {
  return one_line("Delivered-To: " + recipient()) + "\n";
}

std::string Delivery::return_path() const {
  return one_line("Return-Path: <" + (sender.empty() ? "" : quote_address(sender))) + ">\n";
}

std::string Delivery::from_line() const {
  return hato::from_line(sender, started);
}

std::string Delivery::new_sender(ListOwner owner) const {
  if (keeps_sender() || owner == ListOwner::none) return sender;
  return local + (owner == ListOwner::verp ? "-owner-@" + host + "-@[]" : "-owner@" + host);
}

std::optional<Delivery> parse_delivery(int argc, char** argv) {
  Delivery delivery;
  opterr = 0;
  optind = 0;  // from the beginning, even if other arguments were parsed before
  for (int option; (option = getopt(argc, argv, "+nN")) != -1;) {
    if (option == '?') return std::nullopt;
    delivery.describe_only = option == 'n';
  }
  std::string* const words[] = {&delivery.user, &delivery.home, &delivery.local,  &delivery.dash,
                                &delivery.ext,  &delivery.host, &delivery.sender, &delivery.default_delivery};
  if (argc - optind != static_cast<int>(std::size(words))) return std::nullopt;
  for (std::string* word : words) *word = argv[optind++];
  if (!delivery.home.starts_with('/')) return std::nullopt;
  delivery.started = now_seconds();
  if (std::optional<AccountInEnvironment> account = parse_account_variable(env_or(account_variable, ""))) {
    delivery.any = account->any;
    delivery.programs = account->account.programs;
    delivery.account = std::move(account->account);
  }
  unset_env(account_variable);  // not for programs, nor for an agent's next delivery
  return delivery;
}

std::string_view after_break(std::string_view text, int n, std::string_view breaks) {
  for (; n > 0; --n) {
    const std::size_t at = text.find_first_of(breaks);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + 1);
  }
  return text;
}

std::string_view before_dot(std::string_view host, int n) {
  for (; n > 0; --n) host = host.substr(0, host.rfind('.'));  // no dot: all of it
  return host;
}

void set_delivery_environment(const Delivery& delivery, const std::string& new_sender,
                              const std::optional<std::string>& default_part) {
  set_env("USER", delivery.user);
  set_env("HOME", delivery.home);
  set_env("SENDER", delivery.sender);
  set_env("NEWSENDER", new_sender);
  set_env("RECIPIENT", delivery.recipient());
  set_env("LOCAL", delivery.local);
  set_env("HOST", delivery.host);
  set_env("HOST2", before_dot(delivery.host, 1));
  set_env("HOST3", before_dot(delivery.host, 2));
  set_env("HOST4", before_dot(delivery.host, 3));
  set_env("EXT", delivery.ext);
  set_env("EXT2", after_break(delivery.ext, 1, conf::break_chars));
  set_env("EXT3", after_break(delivery.ext, 2, conf::break_chars));
  set_env("EXT4", after_break(delivery.ext, 3, conf::break_chars));
  if (default_part)
    set_env("DEFAULT", *default_part);
  else
    unset_env("DEFAULT");
  set_env("DTLINE", delivery.delivered_to());
  set_env("RPLINE", delivery.return_path());
  set_env("UFLINE", delivery.from_line());
}

}  // namespace hato
