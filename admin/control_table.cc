#include "admin/control_table.h"

namespace hato {

const std::vector<ControlFile>& control_files() {
  using enum ControlShape;
  static const std::vector<ControlFile> files = {
      {"badmailfrom", list, "Any MAIL FROM is allowed.", "", " not accepted in MAIL FROM."},
      {"bindroutes", list, "The kernel chooses the source address of SMTP.", "Source address: ", ""},
      {"bouncefrom", line, "MAILER-DAEMON", "Bounce user name is ", "."},
      {"bouncehost", line_or_me, "bouncehost", "Bounce host name is ", "."},
      {"cgisenders", list, "No senders for scripts besides those of the user ids.",
       "Sender of a script: ", "."},
      {"concurrencylocal", number, "10", "Local concurrency is ", "."},
      {"concurrencyremote", number, "20", "Remote concurrency is ", "."},
      {"content", list, "No content services.", "Content service: ", "."},
      {"databytes", number, "0", "SMTP DATA limit is ", " bytes."},
      {"defaultdomain", line_or_me, "defaultdomain", "Default domain name is ", "."},
      {"defaulthost", line_or_me, "defaulthost", "Default host name is ", "."},
      {"doublebouncehost", line_or_me, "doublebouncehost", "2B recipient host: ", "."},
      {"doublebounceto", line, "postmaster", "2B recipient user: ", "."},
      {"envnoathost", line_or_me, "envnoathost", "Presumed domain name is ", "."},
      {"etrnhosts", list, "ETRN is not offered.", "ETRN allowed: ", "."},
      {"gateclaim", list, "Only qmaild may hand in mail of SMTP clients.", "Uid ",
       " may hand in mail of SMTP clients."},
      {"gatepools", list, "mx 200, submission 200, local 100 a uid, forward 200, bounce 50, all 2000.",
       "Messages handed in at once: ", "."},
      {"gates", list, "No other gate than gate/s.", "Gate: ", "."},
      {"helohost", line_or_me, "helohost", "SMTP client HELO host name is ", "."},
      {"helohosts", list, "No HELO host names by address.", "HELO host name: ", ""},
      {"idhost", line_or_me, "idhost", "Message-ID host name is ", "."},
      {"localiphost", line_or_me, "localiphost", "Local IP address becomes ", "."},
      {"locals", list, "Messages for me are delivered locally.", "Messages for ", " are delivered locally."},
      {"me", line, "undefined! Uh-oh", "My name is ", "."},
      {"percenthack", list, "The percent hack is not allowed.", "The percent hack is allowed for user%host@",
       "."},
      {"plusdomain", line_or_me, "plusdomain", "Plus domain name is ", "."},
      {"progmem", number, "1073741824", "A program of a dot-file may use ", " bytes of memory."},
      {"progtime", number, "900", "A program of a dot-file may run for ", " seconds."},
      {"qmqpservers", list, "No QMQP servers.", "QMQP server: ", "."},
      {"queuefree", line, "16777216 1000", "Bytes and inodes kept free in the queue's file system: ", "."},
      {"queuelifetime", number, "604800", "Message lifetime in the queue is ", " seconds."},
      {"resolver", list, "The name servers of /etc/resolv.conf.", "Name server: ", "."},
      {"showorigin", list, "Messages of programs do not show where they come from.",
       "Messages of programs show the ", "."},
      {"smtpgreeting", line_or_me, "smtpgreeting", "SMTP greeting: 220 ", "."},
      {"smtplimits", list, "recipients 1000, commandline 2000, errors 20, commands 10000, hops 100, helo 1.",
       "SMTP limit: ", "."},
      {"smtpreplies", list, "SMTP replies are the built-in ones.", "SMTP reply: ", ""},
      {"smtproutes", list, "No artificial SMTP routes.", "SMTP route: ", ""},
      {"timeoutconnect", number, "60", "SMTP client connection timeout is ", " seconds."},
      {"timeoutcontent", number, "240", "Content services have ", " seconds for one message."},
      {"timeoutdns", number, "30", "A DNS query is given up after ", " seconds."},
      {"timeoutgate", number, "60", "Local senders wait for the gate for ", " seconds."},
      {"timeoutqueue", number, "86400", "A message must be handed in within ", " seconds."},
      {"timeoutremote", number, "1200", "SMTP client data timeout is ", " seconds."},
      {"timeoutsmtpd", number, "1200", "SMTP server data timeout is ", " seconds."},
      {"virtualdomains", list, "No virtual domains.", "Virtual domain: ", ""},
  };
  return files;
}

}  // namespace hato
