"""sendmail and qmail-inject as programs call them: command lines found in the wild, each through the installed wrapper
as the customer whose script it is, with the envelope and the message looked up in the queue; then PHP, mutt, mailx,
s-nail and git themselves.

A row is: where it is from; the command as a shell would read it; what it is fed; the envelope that it must give; and
fields of the message. Nothing is delivered: the gate runs alone.
"""

import json
import os
import pathlib
import signal
import stat

from suite import *

MESSAGE_AREA = 256 << 20  # where a queue file has the message as it came
ROOT = ROOM / "root"      # what make install-sendmail makes, below here

# What programs feed it.
FORM = ("From: visitor@example.com\nTo: bob@b.example\nSubject: form\nContent-Type: text/plain; charset=iso-2022-jp\n\n"
        "\x1b$B$*Ld$$9g$o$;\x1b(B\n.\nlast\n")
PHP = "To: bob@b.example\r\nSubject: Hello\r\nFrom: shop@abc.example\r\nMIME-Version: 1.0\r\n\r\nfirst\r\n.\r\nlast"
BARE_PHP = "To: bob@b.example\nSubject: Hello\nX-PHP-Originating-Script: 1000:form.php\n\nfirst\nlast\n"
PLAIN = "Subject: plain\n\nbody\n.\nend\n"
TEXT = "just text\nand more\n"
CRON = ("From: root (Cron Daemon)\nTo: bob\nSubject: Cron <bob@www> run-parts\nAuto-Submitted: auto-generated\n"
        "X-Cron-Env: <SHELL=/bin/sh>\n\n/etc/cron.daily/x:\nfailed\n")
ROOT_CRON = CRON.replace("To: bob", "To: root")
LIST = ("Return-Path: <bounce@list.example>\nFrom: joe@x.example\nTo: list@list.example\nSubject: news\n"
        "Precedence: bulk\n\nnews\n")
PATCH = ("From 0123456789abcdef Mon Sep 17 00:00:00 2001\nFrom: Joe Doe <joe@x.example>\nTo: list@list.example\n"
         "Cc: bob@b.example\nSubject: [PATCH] x\nDate: Mon, 23 Nov 2026 10:00:00 +0900\n"
         "Message-Id: <20261123.1@x.example>\n\n---\n x | 2 +-\n-- \n2.39\n")
BCC = "To: bob@b.example\nCc: \"Doe, Joe\" <joe@x.example>,\n  fred\nBcc: secret@c.example\nSubject: x\n\nb\n"
RESENT = ("Resent-From: ann@mail.test\nResent-To: new@b.example\nFrom: old@x.example\nTo: ann@mail.test\n"
          "Date: Mon, 23 Nov 2026 10:00:00 +0900\nMessage-ID: <1@x>\nSubject: x\n\nb\n")
NO_TO = "Subject: x\nFrom: Joe <joe@x.example>\n\nb\n"

ANN = "ann@mail.test"
BOB = ["bob@b.example"]
SM, LIB, QI = "/usr/sbin/sendmail", "/usr/lib/sendmail", "qmail-inject"


class Row:
    def __init__(self, source, command, message, sender=ANN, to=BOB, env=None, body=None, params="", rcpt_params="",
                 **fields):
        """fields: From="…" a field as it must be, None: it must not be there; _ in names is -. body: None: as fed."""
        self.source, self.command, self.message, self.sender, self.to = source, command, message, sender, to
        self.env, self.body, self.params, self.rcpt_params = env or {}, body, params, rcpt_params
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


PHP_ROWS = [
    Row("PHP, sendmail_path's default", f"{SM} -t -i", PHP, From="shop@abc.example"),
    Row("PHP 5 and 7, LF, no From", f"{SM} -t -i", BARE_PHP, From=ANN),
    Row("PHP mail(), fifth argument -f", f"{SM} -t -i -fshop@abc.example", PHP, "shop@abc.example"),
    Row("PHP mail(), -f with a blank", f"{SM} -t -i -f shop@abc.example", PHP, "shop@abc.example"),
    Row("PHP mail(), -f quoted", f"{SM} -t -i '-fshop@abc.example'", BARE_PHP, "shop@abc.example",
        From="shop@abc.example"),
    Row("PHP mail(), -f and -F", f"{SM} -t -i -fshop@abc.example -FShop", BARE_PHP, "shop@abc.example",
        From='"Shop" <shop@abc.example>'),
    Row("PHP mail(), -r", f"{SM} -t -i -r shop@abc.example", PHP, "shop@abc.example"),
    Row("PHP mail(), -oi -f", f"{SM} -t -i -oi -f shop@abc.example", PHP, "shop@abc.example"),
    Row("php.ini of many packages", f"{SM} -t", PHP),
    Row("PHP as the web server with USER set", f"{SM} -t -i", BARE_PHP, "www-data@mail.test", env={"USER": "www-data"}),
    Row("PHP in a jail: sendmail_path with -f", f"{SM} -t -i -f webmaster@abc.example", BARE_PHP,
        "webmaster@abc.example", From="webmaster@abc.example"),
    Row("PHPMailer isSendmail, Sender set", f"{SM} -oi -f'shop@abc.example' -t", PHP, "shop@abc.example"),
    Row("PHPMailer isSendmail", f"{SM} -oi -t", PHP),
    Row("PHPMailer isQmail", f"{QI} -fshop@abc.example", PHP, "shop@abc.example"),
    Row("SwiftMailer", f"{SM} -oi -t", PHP),
    Row("SwiftMailer, reverse path", f"{SM} -t -i -f'shop@abc.example'", PHP, "shop@abc.example"),
    Row("Symfony Mailer, recipients as arguments", f"{SM} -i -f'shop@abc.example' 'bob@b.example' 'joe@x.example'",
        PHP, "shop@abc.example", ["bob@b.example", "joe@x.example"]),
    Row("PEAR Mail", f"{SM} -i -f'shop@abc.example' -- 'bob@b.example'", PHP, "shop@abc.example"),
    Row("CodeIgniter", f"{SM} -oi -f shop@abc.example -t -r shop@abc.example", PHP, "shop@abc.example"),
    Row("Zend Mail", f"{SM} -t -i '-fshop@abc.example'", PHP, "shop@abc.example"),
    Row("Drupal", f"{SM} -t -i -f'shop@abc.example'", PHP, "shop@abc.example"),
    Row("mb_send_mail", f"{SM} -t -i", "To: =?ISO-2022-JP?B?GyRCRi8bKEI=?= <bob@b.example>\nSubject: "
        "=?ISO-2022-JP?B?GyRCN28bKEI=?=\nContent-Type: text/plain; charset=ISO-2022-JP\n\n\x1b$B$3\x1b(B\n",
        To="=?ISO-2022-JP?B?GyRCRi8bKEI=?= <bob@b.example>"),
    Row("PHP with UTF-8 left as it is in Subject", f"{SM} -t -i", "To: bob@b.example\nSubject: 件名\n\n本文\n",
        Subject="件名"),
    Row("WordPress: a blog's From, a Reply-To with a name", f"{SM} -t -i",
        "To: bob@b.example\nFrom: Blog <wordpress@abc.example>\nReply-To: \"A, B\" <a@b.example>\nSubject: x\n\nb\n",
        Reply_To='"A, B" <a@b.example>'),
]

FORM_ROWS = [
    Row("FormMail.pl", f"{LIB} -t", FORM, From="visitor@example.com"),
    Row("nms FormMail", f"{LIB} -oi -t", FORM),
    Row("postmail.cgi", f"{LIB} -t -i", FORM),
    Row("postmail.cgi with -f and a blank", f"{LIB} -t -i -f ann@abc.example", FORM, "ann@abc.example"),
    Row("rental server's FAQ", f"{LIB} -t -fann@abc.example", FORM, "ann@abc.example"),
    Row("options of an old sendmail book", f"{LIB} -t -n -oi -odb", FORM),
    Row("the same in one word each", f"{LIB} -t -n -i -odb", FORM),
    Row("-odq -oi -t", f"{LIB} -odq -oi -t", FORM),
    Row("-t -oi -oem", f"{LIB} -t -oi -oem", FORM),
    Row("-toi", f"{SM} -ti -oem", FORM),
    Row("-t -oeq", f"{LIB} -t -oeq", FORM),
    Row("-oi -t -oep -U", f"{LIB} -oi -t -oep -U", FORM),
    Row("addresses joined by commas", f"{SM} -i bob@b.example,joe@x.example", PLAIN,
        to=["bob@b.example", "joe@x.example"]),
    Row("joined by commas and blanks", f"{SM} -i 'bob@b.example, joe@x.example' c@c.example", PLAIN,
        to=["bob@b.example", "joe@x.example", "c@c.example"]),
    Row("with a name", f"{SM} -i 'Bob B <bob@b.example>'", PLAIN),
    Row("an empty variable", f"{SM} -i bob@b.example ''", PLAIN),
    Row("the same twice", f"{SM} bob@b.example bob@b.example", PLAIN),
    Row("options behind the recipient", f"{SM} bob@b.example -f ann@abc.example -i", PLAIN, "ann@abc.example"),
    Row("a name and address for -f", f"{SM} -f 'Ann <ann@abc.example>' bob@b.example", PLAIN, "ann@abc.example"),
    Row("angle brackets for -f", f"{SM} -f '<ann@abc.example>' bob@b.example", PLAIN, "ann@abc.example"),
    Row("-f without a domain", f"{SM} -f webmaster bob@b.example", PLAIN, "webmaster@mail.test"),
    Row("a recipient without a domain", f"{SM} bob", PLAIN, to=["bob@mail.test"]),
    Row("body without an end", f"{SM} -t", "To: bob@b.example\nSubject: x\n\nno end"),
    Row("header without a body", f"{SM} -t", "To: bob@b.example\nSubject: x\n", body=""),
    Row("CR CR LF", f"{SM} -t", "To: bob@b.example\r\r\nSubject: x\r\r\n\r\r\nb\r\r\n", body="b\n", Subject="x"),
    Row("CR LF header, LF body", f"{SM} -t", "To: bob@b.example\r\nSubject: x\r\n\nb\n.\nc\n", body="b\n.\nc\n"),
    Row("no empty line before the body", f"{SM} bob@b.example", TEXT, body=TEXT, Subject=None),
    Row("a name in ISO-2022-JP for -F", f"{SM} -fann@abc.example -F'\x1b$BH7\x1b(B' bob@b.example", PLAIN, "ann@abc.example",
        From="=?ISO-2022-JP?B?GyRCSDcbKEI=?= <ann@abc.example>"),
    Row("a carrier's address", f"{SM} -t", "To: a..b.@docomo.ne.jp\nSubject: x\n\nb\n", to=["a..b.@docomo.ne.jp"]),
    Row("a quoted local part", f"{SM} -t", 'To: "a..b."@docomo.ne.jp\nSubject: x\n\nb\n', to=["a..b.@docomo.ne.jp"]),
    Row("a group, a comment, a route", f"{SM} -t",
        "To: friends: bob@b.example, (fred's) fred@f.example;, <@r.example:joe@x.example>\n\nb\n",
        to=["bob@b.example", "fred@f.example", "joe@x.example"]),
    Row("Bcc alone", f"{SM} -t", "Bcc: bob@b.example\nSubject: x\n\nb\n", Cc="recipient list not shown: ;"),
    Row("Shift_JIS in a name", f"{SM} -t", b"To: \x83\x5c\x83\x6a\x81\x5b <bob@b.example>\nSubject: x\n\nb\n"),
]

DAEMON_ROWS = [
    Row("Debian's cron", f"{SM} -i -FCronDaemon -B8BITMIME -oem root", ROOT_CRON, to=["root@mail.test"],
        params="BODY=8BITMIME", From="root@mail.test (Cron Daemon)"),
    Row("cronie", f"{SM} -FCronDaemon -i -odi -oem -oi -t -f root", CRON, "root@mail.test", ["bob@mail.test"]),
    Row("FreeBSD's cron", f"{SM} -FCronDaemon -odi -oem -oi -t", CRON, to=["bob@mail.test"]),
    Row("dcron", f"{SM} -t -oem -i", CRON, to=["bob@mail.test"]),
    Row("busybox crond", f"{SM} -ti", CRON, to=["bob@mail.test"]),
    Row("fcron", f"{SM} root", ROOT_CRON, to=["root@mail.test"]),
    Row("anacron", f"{SM} -FAnacron -odi root", PLAIN, to=["root@mail.test"], From='"Anacron" <ann@mail.test>'),
    Row("systemd-cron", f"{SM} -i -B8BITMIME root", ROOT_CRON, to=["root@mail.test"], params="BODY=8BITMIME"),
    Row("atd", f"{SM} -i ann", PLAIN, to=["ann@mail.test"]),
    Row("sudo", f"{SM} -t", "To: root\nFrom: ann\nAuto-Submitted: auto-generated\nSubject: *** SECURITY ***\n\nx\n",
        to=["root@mail.test"], From="ann@mail.test"),
    Row("mdadm --monitor", f"{SM} -t", "From: mdadm monitoring <root>\nTo: root\nSubject: Fail\n\nx\n",
        to=["root@mail.test"], From="mdadm monitoring <root@mail.test>"),
    Row("unattended-upgrades", f"{SM} -oi -t", "Subject: x\nFrom: root\nTo: root\nAuto-Submitted: auto-generated\n\nx\n",
        to=["root@mail.test"]),
    Row("logwatch", f"{SM} -t", "To: root\nFrom: Logwatch@mail.test\nSubject: Logwatch\n\nx\n", to=["root@mail.test"]),
    Row("fail2ban", f"{SM} -f 'fail2ban@mail.test' 'root@mail.test'", "Subject: [Fail2Ban]\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n"
        "From: Fail2Ban <fail2ban@mail.test>\nTo: root@mail.test\n\nHi,\n", "fail2ban@mail.test", ["root@mail.test"],
        Date="Mon, 23 Nov 2026 10:00:00 +0000"),
    Row("smartd's script", f"{SM} -i root", PLAIN, to=["root@mail.test"]),
    Row("INN", f"{SM} -oi -oem root", PLAIN, to=["root@mail.test"]),
    Row("procmail", f"{SM} -oi bob@b.example", LIST, "bounce@list.example"),
    Row("formail -r | sendmail", f"{SM} -oi -t", "To: bob@b.example\nSubject: Re: x\nReferences: <1@x>\n\nauto\n"),
    Row("vacation", f"{SM} -i -f '<>' -- bob@b.example", "To: bob@b.example\nSubject: away\nPrecedence: bulk\n\nx\n", ""),
    Row("vacation, -f with nothing", f"{SM} -f '' bob@b.example", PLAIN, "", From=ANN),
    Row("Dovecot's sieve", f"{SM} -i -f '<>' -- bob@b.example", PLAIN, ""),
    Row("Dovecot's sieve, redirect", f"{SM} -i -f joe@x.example -- bob@b.example", LIST, "joe@x.example"),
    Row("Postfix content filter", f"{SM} -G -i -f joe@x.example -- bob@b.example fred@f.example", LIST,
        "joe@x.example", ["bob@b.example", "fred@f.example"]),
    Row("SpamAssassin with Exim", f"{SM} -i -oMr spam-scanned -f joe@x.example bob@b.example", PLAIN, "joe@x.example"),
    Row("Exim, more of the origin", f"{SM} -oMa 192.0.2.1 -oMs h.example -oMt ident -bm -odqs bob@b.example", PLAIN),
    Row("rmail", f"{SM} -ee -i -pUUCP:host.example -f joe@x.example bob@b.example", PLAIN, "joe@x.example"),
    Row("rmail of old", f"{SM} -oee -odq -oi -oMrUUCP -oMshost.example -fjoe@x.example bob@b.example", PLAIN,
        "joe@x.example"),
    Row("Majordomo", f"{LIB} -f owner-list@list.example -t", LIST, "owner-list@list.example", ["list@list.example"]),
    Row("Majordomo's resend", f"{LIB} -oi -oee -fowner-list@list.example list-outgoing@list.example", LIST,
        "owner-list@list.example", ["list-outgoing@list.example"]),
    Row("Sympa", f"{SM} -oi -odi -oem -f list-owner@list.example bob@b.example fred@f.example", LIST,
        "list-owner@list.example", ["bob@b.example", "fred@f.example"]),
    Row("Sympa, tracking", f"{SM} -oi -odi -oem -N success,delay,failure -V 17 -R hdrs -f list-owner@list.example bob@b.example",
        LIST, "list-owner@list.example", params="RET=HDRS ENVID=17",
        rcpt_params="NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;bob@b.example"),
    Row("Nagios by sendmail", f"/usr/bin/printf '%b' 'Subject: x\\nTo: bob@b.example\\n\\nhost down\\n' | {SM} -vt", "",
        body="host down\n", Subject="x"),
    Row("a heredoc", f"{SM} -v bob@b.example", PLAIN),
    Row("sendmail 8, submission", f"{SM} -Ac -U -i -t", FORM),
    Row("sendmail 8, values of every kind",
        f"{SM} -Am -C /etc/mail/x.cf -X /tmp/log -L tag -O DeliveryMode=b -h 3 -p SMTP:h.example -oA/etc/aliases -d0.1 bob@b.example",
        PLAIN),
    Row("sendmail 8, 8BITMIME and no notices", f"{SM} -B 8BITMIME -N never bob@b.example", PLAIN, params="BODY=8BITMIME",
        rcpt_params="NOTIFY=NEVER ORCPT=rfc822;bob@b.example"),
    Row("HP-UX, AIX, NEWS-OS", f"{SM} -x -m -s -E -J bob@b.example", PLAIN),
]

MAILER_ROWS = [
    Row("mutt", f"{SM} -oem -oi -- bob@b.example", BCC, To="bob@b.example"),
    Row("mutt, use_envelope_from", f"{SM} -oem -oi -f joe@x.example -- bob@b.example fred@f.example", NO_TO,
        "joe@x.example", ["bob@b.example", "fred@f.example"]),
    Row("mutt, dsn_notify, dsn_return, use_8bitmime",
        f"{SM} -oem -oi -B8BITMIME -N failure,delay -R full -- bob@b.example", NO_TO,
        params="BODY=8BITMIME RET=FULL", rcpt_params="NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@b.example"),
    Row("bsd-mailx", f"{SM} -i bob@b.example", "To: bob@b.example\nSubject: x\n\nb\n"),
    Row("bsd-mailx -r", f"{SM} -i -f joe@x.example bob@b.example", NO_TO, "joe@x.example"),
    Row("heirloom mailx", f"{SM} -i -r joe@x.example bob@b.example", NO_TO, "joe@x.example"),
    Row("s-nail", f"{SM} -i -- bob@b.example", NO_TO),
    Row("BSD Mail with metoo and verbose", f"{SM} -i -m -v bob@b.example", PLAIN),
    Row("elm", f"{LIB} -oi -oem -odb bob@b.example", PLAIN),
    Row("alpine -t", f"{SM} -oi -oem -t", BCC, to=["bob@b.example", "joe@x.example", "fred@mail.test", "secret@c.example"],
        Bcc=None, Cc='"Doe, Joe" <joe@x.example>,  fred@mail.test'),
    Row("Emacs sendmail.el", f"{SM} -oi -f joe -oep -odb -t", BCC, "joe@mail.test",
        ["bob@b.example", "joe@x.example", "fred@mail.test", "secret@c.example"]),
    Row("Emacs message.el", f"{SM} -f joe@x.example -oi -t", BCC, "joe@x.example",
        ["bob@b.example", "joe@x.example", "fred@mail.test", "secret@c.example"]),
    Row("nmh, pipe", f"{SM} -m -t -i", NO_TO.replace("Subject", "To: bob@b.example\nSubject")),
    Row("slrn", f"{SM} -oi -t -oem -odb", FORM),
    Row("tin", f"{LIB} -oi -oem -t", FORM),
    Row("git send-email", f"{SM} -i list@list.example bob@b.example", PATCH.split("\n", 1)[1],
        to=["list@list.example", "bob@b.example"], Message_ID="<20261123.1@x.example>"),
    Row("git send-email --envelope-sender", f"{SM} -f joe@x.example -i list@list.example bob@b.example",
        PATCH.split("\n", 1)[1], "joe@x.example", ["list@list.example", "bob@b.example"]),
    Row("git format-patch | sendmail", f"{SM} -t", PATCH, to=["list@list.example", "bob@b.example"],
        MBOX_Line="From 0123456789abcdef Mon Sep 17 00:00:00 2001"),
    Row("Mercurial", f"{SM} -f joe@x.example list@list.example", NO_TO, "joe@x.example", ["list@list.example"]),
    Row("Subversion's commit-email.pl", f"{SM} -fjoe@x.example list@list.example", NO_TO, "joe@x.example",
        ["list@list.example"]),
    Row("quilt mail", f"{SM} -f joe@x.example bob@b.example fred@f.example", NO_TO, "joe@x.example",
        ["bob@b.example", "fred@f.example"]),
    Row("reportbug", f"{SM} -oi -oem -f joe@x.example submit@bugs.example", NO_TO, "joe@x.example",
        ["submit@bugs.example"]),
    Row("mutt's bounce", f"{SM} -oem -oi -- new@b.example", RESENT, to=["new@b.example"], Message_ID="<1@x>"),
    Row("resend by -t", f"{SM} -t", RESENT, to=["new@b.example"], From="old@x.example", Resent_From=ANN),
]

LANGUAGE_ROWS = [
    Row("MIME::Lite", f"{LIB} -t -oi -oem", FORM),
    Row("MIME::Lite, FromSender", f"{LIB} -t -oi -oem -fjoe@x.example", FORM, "joe@x.example"),
    Row("MIME::Lite, send('sendmail', \"... -t\")", f"{LIB} -t -oi -oem", BCC,
        to=["bob@b.example", "joe@x.example", "fred@mail.test", "secret@c.example"]),
    Row("MIME::Entity, Mail::Internet", f"{LIB} -t -oi -oem", FORM),
    Row("Mail::Mailer", f"{SM} -t -i", FORM),
    Row("Mail::Send with -f", f"{SM} -t -f joe@x.example", FORM, "joe@x.example"),
    Row("Email::Sender::Transport::Sendmail", f"{SM} -i -f joe@x.example -- bob@b.example", NO_TO, "joe@x.example"),
    Row("Email::Send::Sendmail", f"{SM} -t -oi", FORM),
    Row("Request Tracker", f"{SM} -oi -t -ODeliveryMode=b -OErrorMode=m", FORM),
    Row("Request Tracker with -f", f"{SM} -oi -t -f rt@x.example", FORM, "rt@x.example"),
    Row("Bugzilla", f"{SM} -i -f bugs@x.example bob@b.example", NO_TO, "bugs@x.example"),
    Row("Mail::Sendmail's pipe in Perl's FAQ", f"{LIB} -oi -t -odq", FORM),
    Row("Perl: '| sendmail -f $from -t -i'", f"{LIB} -f joe@x.example -t -i", FORM, "joe@x.example"),
    Row("Perl: system with a name in brackets", f"{LIB} -oi '-FJoe Doe' -fjoe@x.example bob@b.example", PLAIN,
        "joe@x.example", From='"Joe Doe" <joe@x.example>'),
    Row("Python: popen('%s -t')", f"{SM} -t", FORM),
    Row("Python: Popen([sendmail, '-t', '-oi'])", f"{SM} -t -oi", FORM),
    Row("Python: email.message as bytes", f"{SM} -t -oi -f joe@x.example", FORM.replace("\n", "\r\n"), "joe@x.example"),
    Row("Python 3, UTF-8 in the header", f"{SM} -t -i", "To: 鳩 <bob@b.example>\nSubject: 件名\n\n本文\n"),
    Row("Trac", f"{SM} -i -f trac@x.example bob@b.example fred@f.example", NO_TO, "trac@x.example",
        ["bob@b.example", "fred@f.example"]),
    Row("MoinMoin", f"{SM} -t -i", FORM),
    Row("Roundup, Plone", f"{SM} -f joe@x.example bob@b.example", NO_TO, "joe@x.example"),
    Row("Django's sendmail backend", f"{SM} -i -f joe@x.example -- bob@b.example", NO_TO, "joe@x.example"),
    Row("Ruby, ActionMailer", f"{SM} -i -t", FORM),
    Row("Ruby, mail gem", f"{SM} -i -f joe@x.example -- bob@b.example fred@f.example", NO_TO, "joe@x.example",
        ["bob@b.example", "fred@f.example"]),
    Row("nodemailer", f"{SM} -i -f joe@x.example bob@b.example", NO_TO, "joe@x.example"),
    Row("nodemailer, CR LF", f"{SM} -i -f joe@x.example bob@b.example", NO_TO.replace("\n", "\r\n"), "joe@x.example"),
    Row("Tcl's exmh", f"{SM} -n -oi -odb -t", FORM),
    Row("Go: exec.Command", f"{SM} -t -i -f joe@x.example -- bob@b.example", FORM, "joe@x.example"),
    Row("-t with an argument, as Postfix documents", f"{SM} -t fred@f.example", FORM,
        to=["fred@f.example", "bob@b.example"]),
    Row("a script under /home with its own name", f"{SM} -t", BARE_PHP, "web@abc.example",
        env={"SCRIPT_FILENAME": "/srv/abc/form.php", "AS": "web"}, From="web@abc.example"),
    Row("a script of the server's name", f"{SM} -t", BARE_PHP, "shop@abc.example",
        env={"SERVER_NAME": "shop.abc.example", "AS": "web"}),
    Row("the web server itself", f"{SM} -t", BARE_PHP, "webmaster@mail.test", env={"AS": "web"}),
    Row("EAI: -f and recipient in UTF-8", f"{SM} -f 鳩@例え.jp 受信@例え.jp", PLAIN, "鳩@例え.jp", ["受信@例え.jp"],
        params="SMTPUTF8", From="鳩@例え.jp"),
    Row("EAI: a header's", f"{SM} -t", "To: 受信@例え.jp\nSubject: x\n\nb\n", to=["受信@例え.jp"], params="SMTPUTF8"),
    Row("an impossible domain needs no SMTPUTF8", f"{SM} bob@a..example", PLAIN, to=["bob@a..example"]),
    Row("an IDN alone needs no SMTPUTF8", f"{SM} bob@例え.jp", PLAIN, to=["bob@例え.jp"]),
]

QMAIL_ROWS = [
    Row("qmail-inject's default, arguments", f"{QI} bob@b.example", FORM.replace("bob@b", "fred@f")),
    Row("qmail-inject's default, header", f"{QI}", FORM),
    Row("-a", f"{QI} -a bob@b.example", FORM.replace("bob@b", "fred@f")),
    Row("-h", f"{QI} -h fred@f.example", FORM),
    Row("-H", f"{QI} -H fred@f.example", FORM, to=["fred@f.example", "bob@b.example"]),
    Row("-A, header", f"{QI} -A", FORM),
    Row("-f attached", f"{QI} -fjoe@x.example bob@b.example", PLAIN, "joe@x.example", From=ANN),
    Row("-f apart, --", f"{QI} -f joe@x.example -- bob@b.example", PLAIN, "joe@x.example"),
    Row("-f '' for the null sender", f"{QI} -f '' bob@b.example", PLAIN, ""),
    Row("-f before Return-Path", f"{QI} -fjoe@x.example", LIST, "joe@x.example", ["list@list.example"]),
    Row("Return-Path", f"{QI}", LIST, "bounce@list.example", ["list@list.example"], Return_Path=None),
    Row("QMAILINJECT=s", f"{QI}", LIST, ANN, ["list@list.example"], env={"QMAILINJECT": "s"}, Return_Path=None),
    Row("QMAILINJECT=f", f"{QI} bob@b.example", NO_TO, From=ANN, env={"QMAILINJECT": "f"}),
    Row("QMAILINJECT=i", f"{QI} bob@b.example", PATCH, env={"QMAILINJECT": "i"}),
    Row("QMAILINJECT=c", f"{QI} bob@b.example", PLAIN, env={"QMAILINJECT": "c", "QMAILNAME": "Ann (A)"},
        From="ann@mail.test (Ann \\(A\\))"),
    Row("QMAILINJECT=r", f"{QI} bob@b.example", PLAIN, "ann-@mail.test-@[]", env={"QMAILINJECT": "r"}, From=ANN),
    Row("QMAILINJECT=r and Return-Path", f"{QI}", LIST, "bounce@list.example-@[]", ["list@list.example"],
        env={"QMAILINJECT": "r"}),
    Row("QMAILUSER, QMAILHOST, QMAILNAME", f"{QI} bob@b.example", PLAIN, "q@q.example",
        env={"QMAILUSER": "q", "QMAILHOST": "q.example", "QMAILNAME": "Queue", "USER": "u"}, From='"Queue" <q@q.example>'),
    Row("MAILUSER, MAILHOST, MAILNAME", f"{QI} bob@b.example", PLAIN, "m@m.example",
        env={"MAILUSER": "m", "MAILHOST": "m.example", "MAILNAME": "鳩", "USER": "u"}, From="=?UTF-8?B?6bOp?= <m@m.example>"),
    Row("USER before LOGNAME, NAME", f"{QI} bob@b.example", PLAIN, "u@mail.test",
        env={"USER": "u", "LOGNAME": "l", "NAME": "U"}, From='"U" <u@mail.test>'),
    Row("LOGNAME", f"{QI} bob@b.example", PLAIN, "l@mail.test", env={"LOGNAME": "l"}),
    Row("QMAILSUSER, QMAILSHOST", f"{QI} bob@b.example", PLAIN, "s@s.example",
        env={"QMAILSUSER": "s", "QMAILSHOST": "s.example", "USER": "u"}, From="u@mail.test"),
    Row("QMAILDEFAULTHOST, QMAILDEFAULTDOMAIN, QMAILPLUSDOMAIN, QMAILIDHOST", f"{QI} fred joe@cs joe@cs+", PLAIN,
        "ann@mail.test", ["fred@h.d.example", "joe@cs.d.example", "joe@cs.p.example"],
        env={"QMAILDEFAULTHOST": "h", "QMAILDEFAULTDOMAIN": "d.example", "QMAILPLUSDOMAIN": "p.example",
             "QMAILIDHOST": "i.example"}),
    Row("a missing comma, a dot behind a host", f"{QI}", "To: fred bob@b.example.\nSubject: x\n\nb\n",
        to=["fred@mail.test", "bob@b.example"], To="fred@mail.test, bob@b.example"),
    Row("Apparently-To", f"{QI}", "Apparently-To: bob@b.example\nSubject: x\n\nb\n"),
    Row("resent: new fields, none of the old", f"{QI}", "Resent-Bcc: new@b.example\nTo: bob@b.example\nSubject: x\n\nb\n",
        to=["new@b.example"], Resent_Cc="recipient list not shown: ;", Resent_Bcc=None, From=None, Resent_From=ANN),
    Row("Content-Length goes", f"{QI}", "To: bob@b.example\nContent-Length: 77\n\nb\n", Content_Length=None),
    Row("an open quote names nobody and stays", f"{QI} bob@b.example", "To: \"open <x@y.example>\n\nb\n",
        To='"open <x@y.example>'),
    Row("VERP by QMAILSUSER", f"{QI} -a bob@b.example", LIST, "list-return-@list.example-@[]",
        env={"QMAILINJECT": "rs", "QMAILSUSER": "list-return", "QMAILSHOST": "list.example"}),
    Row("mailsubj", "mailsubj 'a subject' bob@b.example", TEXT, body=TEXT, Subject="a subject", To="bob@b.example"),
    Row("datemail -t", "datemail -t", FORM),
]

REFUSED = [  # command, exit code, part of what it says
    (f"{SM}", 100, "no recipients"),
    (f"{SM} -t", 100, "no recipient"),
    (f"{SM} -bd", 100, "no daemon"),
    (f"{SM} -bd -q30m", 100, "no daemon"),
    (f"{SM} -bt", 100, "not available"),
    (f"{SM} -bS", 100, "not available"),
    (f"{SM} -be '${{x}}'", 100, "not available"),
    (f"{SM} -Mrm 1aBcDe-000000-00", 100, "operator"),
    (f"{SM} -Qjunk", 100, "operator"),
    (f"{SM} -Z bob@b.example", 100, "unknown option"),
    (f"{SM} --read-envelope-from bob@b.example", 100, "unknown option"),
    (f"{SM} bob@b.example -f", 100, "needs a value"),
    (f"{SM} -N sometimes bob@b.example", 100, "never"),
    (f"{SM} -B BINARYMIME bob@b.example", 100, "7BIT or 8BITMIME"),
    (f"{SM} -f 'a@b.example\nBcc: x@y.example' bob@b.example", 100, "control character"),
    (f"{SM} -F 'Ann\nBcc: x@y.example' bob@b.example", 100, "control character"),
    (f"{SM} 'bob@b.example\nx@y.example'", 100, "control character"),
    (f"NAME='Ann\nBcc: x@y.example' {SM} bob@b.example", 100, "line end"),
    (f"mailsubj 'x\nBcc: x@y.example' bob@b.example", 100, "control character"),
    (f"{QI} -z bob@b.example", 100, "usage"),
    (f"{QI} -a", 100, "no recipients"),
    (f"{SM} {'a' * 1100}@b.example", 100, ""),
    (f"{SM} 'a\udcff@b.example'", 100, "UTF-8"),
]


class Gate(Suite):
    """Only the gate, and a customer; what he sends stays in the queue."""

    def __init__(self):
        super().__init__(accounts=("ann", "web"), start=False, smtp=False, pop=False,
                         control={"databytes": None})
        self.ann, self.web = self.accounts
        self.control_files["cgisenders"] = (f"{self.web.uid} webmaster@mail.test\n/srv/abc web@abc.example\n"
                                            "shop.abc.example shop@abc.example\n")
        self.control_files.pop("databytes")

    def __enter__(self):
        super().__enter__()
        # ann's name in her address is ann, whatever her user is called in this room.
        assign = self.home / "users/assign"
        assign.write_text(self.ann.assign().replace(f"={self.ann.name}:", "=ann:", 1) + ".\n")
        call(self.bin / "qmail-newu")
        with open(self.log_file, "ab") as log:
            self.launch(self.bin / "qmail-queued", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: "anonymous" not in self.log() and self.answers(), "nobody listens at the gate")
        call("sh", "admin/install-sendmail.sh", self.home, env={"DESTDIR": str(ROOT)}, cwd=SOURCE)
        return self

    def answers(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.home / "gate/s"))
            return True
        return False

    def as_user(self, account=None, **more):
        account = account or self.ann
        return {"user": account.uid, "group": account.gid, "extra_groups": [], **more}

    def shell(self, command, data, env=None):
        """Runs a command line as a customer does. The programs are where install-sendmail has put them."""
        env = dict(env or {})
        account = self.web if env.pop("AS", "") == "web" else self.ann
        for path in (SM, LIB):
            command = re.sub(rf"(^|[ |]){path}\b", rf"\g<1>{ROOT}{path}", command)
        data = data if isinstance(data, bytes) else data.encode()
        return call("/bin/sh", "-c", command, data=data, env=env, check=False,
                    cwd="/", **self.as_user(account))

    def queued(self):
        """What the queue holds: (qmail-qread's object, the message as it came), and empties it."""
        listed = [json.loads(line) for line in call(self.bin / "qmail-qread", "--json").stdout.splitlines()]
        found = []
        for one in listed:
            file = self.home / "queue/new" / one["id"]
            with open(file, "rb") as f:
                f.seek(MESSAGE_AREA)
                found.append((one, f.read()))
            file.unlink()
        return found

    def one(self, outcome=None):
        if outcome is not None:
            equal(outcome.returncode, 0, f"{outcome.stderr!r}: exit code")
        found = self.queued()
        equal(len(found), 1, "messages in the queue")
        return found[0]


def fields_of(message):
    """Field bodies by lower-case name (a list each), and the body."""
    header, _, body = message.partition(b"\n\n")
    found = {}
    for line in re.sub(rb"\n(?=[ \t])", b"", header).splitlines():
        name, colon, text = line.partition(b":")
        expect(colon and not re.search(rb"[ \t]", name), f"{line!r} is no field")
        found.setdefault(name.decode("ascii").lower(), []).append(text.strip().decode("utf-8", "surrogateescape"))
    return found, body


def check_row(row, object, message):
    equal(object["sender"], row.sender, "sender")
    equal([r["address"] for r in object["recipients"]], row.to, "recipients")
    equal(object.get("parameters", ""), row.params, "parameters")
    equal(object["recipients"][0].get("parameters", ""), row.rcpt_params, "the recipient's parameters")
    fields, body = fields_of(message)
    resent = "resent-to" in fields or "resent-cc" in fields
    for name in ("date", "message-id", "from"):
        name = f"resent-{name}" if resent else name
        equal(len(fields.get(name, [])), 1, f"{name} in {message!r}: fields")
    expect(any(name in fields for name in ("to", "cc", "resent-to", "resent-cc")), "To or Cc")
    for name in ("bcc", "resent-bcc", "return-path", "content-length"):
        expect(name not in fields, f"there is a {name}")
    for name, wanted in row.fields.items():
        equal((fields.get(name.lower()) or [None])[0], wanted, name)
    fed = (row.message if isinstance(row.message, bytes) else row.message.encode()).replace(b"\r\n", b"\n")
    wanted = fed.partition(b"\n\n")[2] if row.body is None else row.body.encode()
    equal(body, wanted, "body")
    expect(b"\r\n" not in message, "CR LF in the queue")


def run_rows(rows, least):
    expect(len(rows) >= least, "rows are missing")
    problems = []
    with Gate() as gate:
        for row in rows:
            try:
                outcome = gate.shell(row.command, row.message, row.env)
                check_row(row, *gate.one(outcome))
            except Failure as failure:
                problems.append(f"{row.source}: {row.command}: {failure}")
                gate.empty_queue()
    expect(not problems, "\n    ".join([f"{len(problems)} of {len(rows)}"] + problems))


def test_php():
    run_rows(PHP_ROWS, 20)


def test_forms():
    run_rows(FORM_ROWS, 25)


def test_daemons():
    run_rows(DAEMON_ROWS, 30)


def test_mailers():
    run_rows(MAILER_ROWS, 20)


def test_languages():
    run_rows(LANGUAGE_ROWS, 30)


def test_qmail_inject():
    run_rows(QMAIL_ROWS, 25)


def test_that_is_150():
    rows = PHP_ROWS + FORM_ROWS + DAEMON_ROWS + MAILER_ROWS + LANGUAGE_ROWS + QMAIL_ROWS
    expect(len(rows) >= 150, f"only {len(rows)}")
    # the same line twice is no other line, unless it is fed something else or in another environment
    known = {(row.command, row.message if isinstance(row.message, bytes) else row.message.encode(),
              tuple(sorted(row.env.items()))) for row in rows}
    expect(len(known) >= 150, f"only {len(known)} of {len(rows)} are different in command, input or environment")


def test_refused():
    with Gate() as gate:
        problems = []
        for command, code, text in REFUSED:
            outcome = gate.shell(command, PLAIN)
            if outcome.returncode != code or text.encode() not in outcome.stderr or not outcome.stderr.strip():
                problems.append(f"{command!r:.200}: exit {outcome.returncode}, {outcome.stderr!r}")
        equal(problems, [])
        equal(gate.queued(), [])


def test_nothing_to_do():
    """newaliases, -bi, -I, -q: exit 0 in silence, and nothing is queued."""
    with Gate() as gate:
        for command in (f"{SM} -bi", f"{SM} -I", f"{SM} -q", f"{SM} -q30m", f"{SM} -qSjoe",
                        f"{ROOT}/usr/bin/newaliases", f"{ROOT}/usr/bin/newaliases -oA/etc/aliases"):
            outcome = gate.shell(command, "")
            equal((outcome.returncode, outcome.stdout, outcome.stderr), (0, b"", b""), command)
        equal(gate.queued(), [])


# --- the programs themselves, as the customer, with the links of install-sendmail as their sendmail


def private(gate, name, text):
    """A file in the customer's home."""
    file = gate.ann.home / name
    file.write_text(text)
    os.chown(file, gate.ann.uid, gate.ann.gid)
    return file


def as_ann(gate, *command, data="", env=None):
    return call(*command, data=data.encode(), env={"HOME": str(gate.ann.home), "TMPDIR": str(gate.ann.home), **(env or {})},
                cwd=gate.ann.home, check=False, **gate.as_user())


def test_php_itself():
    with Gate() as gate:
        def mail(arguments, *options):
            file = private(gate, "form.php", f"<?php exit(mail({arguments}) ? 0 : 1);")
            outcome = as_ann(gate, "php", "-d", f"sendmail_path={ROOT}{SM} -t -i", *options, file)
            equal(outcome.returncode, 0, f"{outcome.stdout!r}{outcome.stderr!r}")
            object, message = gate.one()
            return object, *fields_of(message)

        object, fields, body = mail("'bob@b.example', 'Hello', \"one\\n.\\ntwo\"")
        equal((object["sender"], object["recipients"][0]["address"], fields["from"], fields["subject"]),
              (ANN, "bob@b.example", [ANN], ["Hello"]))
        equal(body, b"one\n.\ntwo\n")
        object, fields, body = mail("'bob@b.example, joe@x.example', '=?UTF-8?B?5Lu25ZCN?=', '本文', "
                                    "\"From: Shop <shop@abc.example>\\r\\nBcc: secret@c.example\", '-fbounce@abc.example'")
        equal((object["sender"], [r["address"] for r in object["recipients"]], fields["from"], "bcc" in fields),
              ("bounce@abc.example", ["bob@b.example", "joe@x.example", "secret@c.example"],
               ["Shop <shop@abc.example>"], False))
        equal(body, "本文\n".encode())
        object, fields, body = mail("'bob@b.example', 'x', 'y', ['From' => 'a@b.example', 'X-Y' => 'z']",
                                    "-d", "mail.add_x_header=1")
        equal((object["sender"], fields["from"], fields["x-y"]), (ANN, ["a@b.example"], ["z"]))
        expect("form.php" in fields["x-php-originating-script"][0], "PHP's own field stays")
        # refused by sendmail: mail() is false
        file = private(gate, "form.php", "<?php exit(mail('', 'x', 'y') ? 0 : 1);")
        equal(as_ann(gate, "php", "-d", f"sendmail_path={ROOT}{SM} -t -i", file).returncode, 1)
        equal(gate.queued(), [])


def test_mutt_itself():
    with Gate() as gate:
        rc = private(gate, "muttrc", f'set sendmail="{ROOT}{SM} -oem -oi"\nset copy=no\nset realname="Ann 鳩"\n'
                     'set from="ann@abc.example"\nset charset=utf-8\n')
        letter = private(gate, "letter.txt", "enclosed\n")
        outcome = as_ann(gate, "mutt", "-n", "-F", rc, "-s", "件名", "-c", "joe@x.example", "-b", "secret@c.example", "-a",
                         letter, "--", "Bob <bob@b.example>", data="本文\n.\n")
        object, message = gate.one(outcome)
        fields, body = fields_of(message)
        equal((object["sender"], [r["address"] for r in object["recipients"]]),
              (ANN, ["bob@b.example", "joe@x.example", "secret@c.example"]))
        equal((fields["to"], fields["cc"], "bcc" in fields, len(fields["message-id"])),
              (["Bob <bob@b.example>"], ["joe@x.example"], False, 1))
        expect("ann@abc.example" in fields["from"][0] and b"letter.txt" in body, f"{message!r}")
        private(gate, "muttrc", rc.read_text() + "set use_envelope_from=yes\nset use_8bitmime=yes\n"
                'set dsn_notify="failure,delay"\nset dsn_return=hdrs\n')
        object, message = gate.one(as_ann(gate, "mutt", "-n", "-F", rc, "-s", "x", "--", "bob@b.example", data="鳩\n"))
        equal((object["sender"], object["parameters"], object["recipients"][0]["parameters"]),
              ("ann@abc.example", "BODY=8BITMIME RET=HDRS", "NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@b.example"))
        equal(fields_of(message)[1], "鳩\n".encode())


def test_s_nail_itself():
    with Gate() as gate:
        rc = private(gate, "mailrc", f"set v15-compat mta={ROOT}{SM} ttycharset=utf-8\nset expandaddr\n")
        object, message = gate.one(as_ann(gate, "s-nail", "-s", "hello", "-c", "joe@x.example", "-b", "secret@c.example",
                                          "bob@b.example", data="one\n.\ntwo\n", env={"MAILRC": str(rc)}))
        fields, body = fields_of(message)
        equal((object["sender"], sorted(r["address"] for r in object["recipients"])),
              (ANN, ["bob@b.example", "joe@x.example", "secret@c.example"]))
        equal((fields["subject"], fields["to"], fields["cc"], "bcc" in fields, body),
              (["hello"], ["bob@b.example"], ["joe@x.example"], False, b"one\n.\ntwo\n"))
        object, message = gate.one(as_ann(gate, "s-nail", "-r", "shop@abc.example", "-s", "hello", "bob@b.example",
                                          data="x\n", env={"MAILRC": str(rc)}))
        equal((object["sender"], fields_of(message)[0]["from"]), ("shop@abc.example", ["shop@abc.example"]))


def test_bsd_mailx_itself():
    unpacked, _ = peer_program("bsd-mailx")
    # The checkout may be where customers cannot look.
    folder = ROOM / "bsd-mailx"
    folder.mkdir(exist_ok=True)
    for file in (unpacked, *PEERS.glob("usr/lib/*/liblockfile.so.1")):
        shutil.copy(file, folder)
    mailx, libraries = folder / unpacked.name, {"LD_LIBRARY_PATH": str(folder)}
    with Gate() as gate:
        rc = private(gate, "mailrc", f"set sendmail={ROOT}{SM}\n")
        object, message = gate.one(as_ann(gate, mailx, "-s", "hello", "-c", "joe@x.example", "-b", "secret@c.example",
                                          "bob@b.example", data="one\ntwo\n", env={"MAILRC": str(rc), **libraries}))
        fields, body = fields_of(message)
        equal((object["sender"], sorted(r["address"] for r in object["recipients"])),
              (ANN, ["bob@b.example", "joe@x.example", "secret@c.example"]))
        equal((fields["subject"], fields["to"], "bcc" in fields, body),
              (["hello"], ["bob@b.example"], False, b"one\ntwo\n"))
        object, message = gate.one(as_ann(gate, mailx, "-r", "shop@abc.example", "-s", "hello", "bob@b.example",
                                          data="x\n", env={"MAILRC": str(rc), **libraries}))
        equal(object["sender"], "shop@abc.example")


def test_git_send_email_itself():
    with Gate() as gate:
        git = {"GIT_AUTHOR_NAME": "Ann 鳩", "GIT_AUTHOR_EMAIL": "ann@abc.example", "GIT_COMMITTER_NAME": "Ann",
               "GIT_COMMITTER_EMAIL": "ann@abc.example", "GIT_CONFIG_NOSYSTEM": "1"}
        for command in ("git init -q project", "git -C project commit -q --allow-empty -m first",
                        "sh -c 'echo 鳩 >project/file'", "git -C project add file", "git -C project commit -q -m second"):
            equal(as_ann(gate, "sh", "-c", command, env=git).returncode, 0, command)
        send = ["git", "-C", "project", "send-email", "-q", "--confirm=never", f"--smtp-server={ROOT}{SM}",
                "--from=Ann <ann@abc.example>", "--to=list@list.example", "--cc=Bob <bob@b.example>",
                "--suppress-cc=all", "--transfer-encoding=8bit", "-1"]
        object, message = gate.one(as_ann(gate, *send, env=git))
        fields, body = fields_of(message)
        equal((object["sender"], [r["address"] for r in object["recipients"]]),
              (ANN, ["list@list.example", "bob@b.example"]))
        equal((fields["subject"], fields["to"], len(fields["date"]), len(fields["message-id"])),
              (["[PATCH] second"], ["list@list.example"], 1, 1))
        expect("+鳩".encode() in body, f"{body!r}")
        object, message = gate.one(as_ann(gate, *send[:-1], "--envelope-sender=bounce@abc.example", "-1", env=git))
        equal(object["sender"], "bounce@abc.example")


def test_python_itself():
    with Gate() as gate:
        code = ("import subprocess, email.message\nm = email.message.EmailMessage()\n"
                "m['To'], m['From'], m['Subject'] = 'bob@b.example', '鳩 <ann@abc.example>', '件名'\nm.set_content('本文\\n')\n"
                f"subprocess.run(['{ROOT}{SM}', '-t', '-oi', '-f', 'ann@abc.example'], input=m.as_bytes(), check=True)")
        object, message = gate.one(as_ann(gate, "python3", "-c", code))
        equal((object["sender"], object["recipients"][0]["address"]), ("ann@abc.example", "bob@b.example"))


# --- -bs and -bp


def test_smtp_on_pipes():
    """sendmail -bs: two messages in one session, relayed, as SwiftMailer and alpine talk to it."""
    with Gate() as gate:
        with subprocess.Popen([f"{ROOT}{SM}", "-bs", "-odb", "-oem"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment(SCRIPT_FILENAME="/srv/abc/form.php"), **gate.as_user()) as session:
            def reply():
                while True:
                    line = session.stdout.readline()
                    if line[3:4] != b"-":
                        return line[:3]

            def say(line, wanted):
                session.stdin.write(line.encode() + b"\r\n")
                session.stdin.flush()
                equal(reply(), wanted, line)

            equal(reply(), b"220")
            say("EHLO localhost", b"250")
            for n in range(2):
                say("MAIL FROM:<joe@x.example>", b"250")
                say("RCPT TO:<bob@b.example>", b"250")
                say("DATA", b"354")
                say(f"Subject: {n}\r\n\r\nbody\r\n..\r\n.", b"250")
            say("QUIT", b"221")
            equal(session.wait(30), 0)
            equal(session.stderr.read(), b"")
        for n, (object, message) in enumerate(gate.queued()):
            equal((object["sender"], object["recipients"][0]["address"], object["uid"], object["script"]),
                  ("joe@x.example", "bob@b.example", gate.ann.uid, "/srv/abc/form.php"))
            equal(message, b"Subject: %d\n\nbody\n.\n" % n)
        equal(n, 1)
        expect("ignored" not in gate.log(), "a session that sendmail began makes no false claim")


def test_queue_listing():
    """sendmail -bp and mailq in the hands of root: all of the queue, whether mail is being delivered or not."""
    with Gate() as gate:
        equal(call(f"{ROOT}/usr/bin/mailq").stdout, b"Mail queue is empty\n")
        equal(gate.shell(f"{SM} -fjoe@x.example bob@b.example ann", PLAIN).returncode, 0)
        listing = call(f"{ROOT}/usr/bin/mailq").stdout
        expect(re.search(rb"#\d+  \d+  <joe@x.example> \n\tremote\tbob@b.example\n\tlocal\tann@mail.test\n"
                         rb"-- 1 Kbytes in 1 Request.\n$", listing), f"{listing!r}")
        for command in ([f"{ROOT}{SM}", "-bp"], [f"{ROOT}/usr/bin/mailq", "-Ac", "-v"], [f"{ROOT}{SM}", "-bpu"]):
            equal(call(*command).stdout, listing, str(command))
        expect(listing.startswith(call(gate.bin / "qmail-qread").stdout), "qmail-qread has the same lines")
        refused = gate.shell(f"{SM} -bp", "")
        equal(refused.returncode, 111)
        expect(b"qmail-send is not running" in refused.stderr, f"{refused.stderr!r}")


def test_queue_listing_of_a_user():
    """mailq of a customer: what his uid handed in, by whatever sender address, and nothing else of the queue."""
    with Suite(smtp=False, pop=False, control={"smtproutes": "b.example:127.0.0.1:1"}) as suite:
        ann, bob = suite.accounts

        def as_user(user, *command, data=b""):
            return call(*command, check=False, user=user.uid, group=user.gid, extra_groups=[], data=data)

        equal(as_user(ann, suite.bin / "mailq").stdout, b"Mail queue is empty\n")
        for user, recipient in ((ann, "one@b.example"), (bob, "two@b.example")):
            equal(as_user(user, suite.bin / "sendmail", "-fjoe@x.example", recipient, data=PLAIN.encode()).returncode, 0)
            suite.wait_log(r"delivery 1: deferral: ")  # and then the host is left alone for a while
        said = rb"\n\t\t\(.*Connection refused.*\)"
        for user, own, reason, other in ((ann, b"one@b.example", said, b"two@b.example"), (bob, b"two@b.example", b"", b"one@b.example")):
            shown = as_user(user, suite.bin / "sendmail", "-bp")
            equal((shown.returncode, shown.stderr), (0, b""))
            expect(re.search(rb"<joe@x.example> \n\tremote\t" + own + reason + rb"\n-- 1 Kbytes in 1 Request.\n$", shown.stdout),
                   f"{shown.stdout!r}")
            expect(other not in shown.stdout, f"{shown.stdout!r}")
        expect(call(suite.bin / "mailq").stdout.endswith(b"-- 1 Kbytes in 2 Requests.\n"), "root sees both")


def test_flush_of_a_host():
    """sendmail -qRHOST, Postfix's form: what waits for the host is tried at once; the customer may not."""
    with Suite(smtp=False, pop=False, control={"smtproutes": "b.example:127.0.0.1:1"}) as suite:
        ann = suite.accounts[0]
        call(suite.bin / "sendmail", "-f", f"{ann.name}@mail.test", "bob@b.example", data=PLAIN.encode())
        suite.wait_log(r"delivery 1: deferral: ")
        outcome = call(suite.bin / "sendmail", "-qR@b.example")
        suite.wait_log(r"starting delivery 2: msg \d+ to remote bob@b.example")
        expect(outcome.stdout, "qmail-flush says what it did")
        refused = call(suite.bin / "sendmail", "-qRb.example", check=False, user=ann.uid, group=ann.gid, extra_groups=[])
        expect(refused.returncode in (100, 111) and refused.stderr, f"{refused}")


def test_log_has_uid_and_script():
    """What the gate knows of a message's origin is in qmail-send's log and in no message that arrives."""
    with Suite(smtp=False, pop=False) as suite:
        ann, bob = suite.accounts
        equal(call(suite.bin / "sendmail", "-t", data=f"To: {bob.name}@mail.test\nSubject: x\n\nb\n".encode(), user=ann.uid,
                   group=ann.gid, extra_groups=[], env={"SCRIPT_FILENAME": "/home/ann/my form.cgi"}).returncode, 0)
        stored = suite.wait_messages(bob, 1)[0]
        suite.wait_log(rf"info msg \d+: bytes \d+ from <{ann.name}@mail.test> qp \d+ uid {ann.uid} script "
                       r"/home/ann/my_form.cgi [0-9a-z]+$")
        expect(str(ann.uid).encode() not in stored and b"form.cgi" not in stored, f"{stored!r}")
        expect(b" invoked locally) id " in stored, f"{stored!r}")


run(globals())
