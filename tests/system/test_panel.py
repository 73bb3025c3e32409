"""The control panel in a browser: Debian's lighttpd runs it as qmailc, headless Chromium clicks, and mail goes where
the customer said. Screenshots of each page, for a phone and for a desk, are written to $SCREENSHOTS or the room."""

import http.client
import json
import pwd
import urllib.parse

from suite import *

SCREENSHOTS = pathlib.Path(os.environ.get("SCREENSHOTS", ROOM / "screenshots"))
PASSWORD = "correct horse 鳩"


def qmailc():
    return pwd.getpwnam("qmailc")


class WebServer:
    """lighttpd with nothing but the panel, as qmailc."""

    def __init__(self):
        self.folder = ROOM / f"lighttpd-{time.monotonic_ns()}"
        self.port = free_port()

    def __enter__(self):
        user = qmailc()
        self.folder.mkdir(mode=0o755)
        program = shutil.which("lighttpd", path="/usr/sbin")
        modules = pathlib.Path("/usr/lib/lighttpd")
        if not program:
            program, modules = PEERS / "usr/sbin/lighttpd", PEERS / "usr/lib/lighttpd"
        # The checkout may lie in a directory that only root can enter.
        shutil.copy(program, self.folder / "lighttpd")
        shutil.copytree(modules, self.folder / "modules")
        (self.folder / "empty").mkdir()
        (self.folder / "conf").write_text(f"""
server.modules = ( "mod_alias", "mod_cgi" )
server.bind = "127.0.0.1"
server.port = {self.port}
server.document-root = "{self.folder}/empty"
alias.url = ( "/mail" => "{BIN}/qmail-panel" )
$HTTP["url"] == "/mail" {{ cgi.assign = ( "" => "" ) }}
""")
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
             self.folder / "lighttpd", "-D", "-m", self.folder / "modules", "-f", self.folder / "conf"],
            env=environment(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: listening(self.port), "lighttpd listens")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        sys.stderr.write((self.folder / "log").read_text(errors="replace")[-3000:])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/mail"


class Browser:
    """Headless Chromium, as a user of its own who owns nothing."""

    def __init__(self, width, height, language="en"):
        self.size, self.language = (width, height), language

    def __enter__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service
        self.folder = ROOM / f"chromium-{time.monotonic_ns()}"
        self.folder.mkdir()
        user = pwd.getpwnam("nobody")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        starter = self.folder / "chromedriver"
        starter.write_text(f"#!/bin/sh\nexport HOME={self.folder} TMPDIR={self.folder} XDG_CONFIG_HOME={self.folder} XDG_CACHE_HOME={self.folder}\ncd {self.folder}\n"
                           f"exec setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups chromedriver \"$@\"\n")
        starter.chmod(0o755)
        options = Options()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                         "--no-first-run", "--disable-background-networking", "--disable-component-update",
                         f"--user-data-dir={self.folder}/profile", f"--lang={self.language}",
                         f"--accept-lang={self.language}", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                         f"--window-size={self.size[0]},{self.size[1]}"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"intl.accept_languages": self.language})
        self.driver = webdriver.Chrome(service=Service(str(starter)), options=options)
        self.driver.set_page_load_timeout(60)
        # A phone's width, which a window does not get that small.
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": self.size[0], "height": self.size[1], "deviceScaleFactor": 2, "mobile": self.size[0] < 600})
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def one(self, css):
        from selenium.webdriver.common.by import By
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        from selenium.webdriver.common.by import By
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self):
        return self.one("body").text

    def type(self, name, text):
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def click(self, css):
        """Clicks, and waits until another page has come where one comes."""
        self.one(css).click()

    def leave_by(self, css):
        old = self.one("html")
        self.one(css).click()

        def gone():
            from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
            try:
                old.is_enabled()
                return False
            except StaleElementReferenceException:
                return True
            except WebDriverException:
                return False
        wait_until(gone, f"another page after {css}")

    def shoot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
        # Nothing sticks out at the side.
        wide, seen = self.driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        expect(wide <= seen, f"{name}: {wide} pixels wide in a window of {seen}")

    def log_in(self, url, login, password=PASSWORD):
        self.driver.get(url)
        self.type("login", login)
        self.type("password", password)
        self.leave_by("main form button")


DOTDIR = ROOM / "rules"


class Hosting(Suite):
    """The suite with an account abc, whose subdomain is abc.pobox.test, a panel, and bob to forward to."""

    def __init__(self):
        super().__init__(accounts=("ann", "bob"), control={
            "locals": "mail.test\npobox.test", "rcpthosts": "mail.test\npobox.test\n.pobox.test",
            "subdomains": "pobox.test", "dotdir": str(DOTDIR), "systemusers": "0", "homes": str(ROOM / "homes"),
            "services": "qmail-authd\nqmail-rcptd"})
        self.ann, self.bob = self.accounts

    def configure(self):
        super().configure()
        for table in ("accounts.cdb", "secrets.cdb"):
            (self.home / "users" / table).unlink(missing_ok=True)
        shutil.rmtree(DOTDIR, ignore_errors=True)
        self.folder = self.open_account("abc", self.ann, "--quota", "1000000", "--password", data=PASSWORD.encode() + b"\n")
        for session in (HOME / "panel/sessions").iterdir():
            session.unlink()

    def inbox(self):
        return [file.read_bytes() for file in sorted((self.folder / "Maildir/new").iterdir())]

    def deliver(self, recipient, text):
        code = self.smtp_session(recipient, data=f"Subject: {text}\r\n\r\n{text}\r\n".encode())
        return code

    def rules(self):
        return json.loads(call(BIN / "qmail-dot", "list", "--json", "--", "abc").stdout)["rules"]


def has(messages, text):
    return any(text.encode() in message for message in messages)


def test_a_rule_made_in_the_browser_forwards_mail():
    with Hosting() as suite, WebServer() as web, Browser(1200, 900) as browser:
        browser.driver.get(web.url)
        browser.shoot("en-desk-1-login")
        browser.log_in(web.url, "abc", "wrong")
        expect("do not belong together" in browser.text(), browser.text())
        browser.log_in(web.url, "ABC")
        expect("anything@abc.pobox.test" in browser.text(), browser.text())
        expect("of 1.0 MB used" in browser.text(), browser.text())
        equal(browser.one("a.button.plain[href*='page=rule']").text, "Make a rule for abc@pobox.test")
        browser.shoot("en-desk-2-overview-empty")
        browser.leave_by("a.button[href*='page=new']")
        browser.type("ext", "Shop")
        browser.type("forward", f"{suite.bob.name}@mail.test\n")
        browser.shoot("en-desk-3-new")
        browser.leave_by("#save")
        expect("Saved: shop@abc.pobox.test" in browser.text(), browser.text())
        browser.shoot("en-desk-4-overview")
        # A page that is loaded again says it once.
        browser.driver.get(web.url)
        expect("Saved" not in browser.text(), browser.text())
        suite.deliver("shop@abc.pobox.test", "by-the-browser")
        wait_until(lambda: has(suite.bob.messages(), "by-the-browser"), "the forward arrives")
        wait_until(lambda: has(suite.inbox(), "by-the-browser"), "the copy arrives")
        suite.deliver("anything@abc.pobox.test", "without-a-rule")
        wait_until(lambda: has(suite.inbox(), "without-a-rule"), "mail without a rule arrives")

        # What is entered wrongly comes back with a sentence, and nothing is saved.
        before = suite.rules()
        browser.leave_by("ul.rules a")
        browser.type("forward", "not an address")
        browser.leave_by("#save")
        expect(browser.one("[role=alert]").text, "a sentence")
        equal(browser.one("[name=forward]").get_attribute("value").strip(), "not an address")
        browser.shoot("en-desk-5-refused")
        equal(suite.rules(), before)


def test_japanese_on_a_phone():
    with Hosting() as suite, WebServer() as web, Browser(390, 844, "ja") as browser:
        browser.driver.get(web.url)
        expect("ログイン" in browser.text(), browser.text())
        browser.shoot("ja-phone-1-login")
        browser.log_in(web.url, "abc")
        equal(browser.one("a.button.plain[href*='page=rule']").text, "abc@pobox.test の設定を追加")
        browser.shoot("ja-phone-1-overview-empty")
        # A vacation reply for the main address.
        browser.leave_by("a.button.plain[href*='page=rule']")
        browser.click("#vacation")
        browser.type("text", "休暇中です。12 月 1 日に戻ります。")
        browser.shoot("ja-phone-2-vacation")
        browser.leave_by("#save")
        expect("保存しました" in browser.text(), browser.text())
        # A closed address.
        browser.leave_by("a.button[href*='page=new']")
        browser.type("ext", "old")
        browser.click("#does-refuse")
        browser.type("refusal", "このアドレスは使用されていません。")
        browser.shoot("ja-phone-3-closed")
        browser.leave_by("#save")
        browser.shoot("ja-phone-4-overview")
        rules = {rule["ext"]: rule for rule in suite.rules()}
        equal(rules["old"]["refusal"], "このアドレスは使用されていません。")
        expect(rules[""]["vacation"]["on"], rules)
        # The reply goes out once, to somebody here.
        call(BIN / "qmail-inject", "-f", f"{suite.bob.name}@mail.test", "abc@pobox.test",
             data=f"From: {suite.bob.name}@mail.test\nTo: abc@pobox.test\nSubject: hello\n\nhello\n".encode())
        wait_until(lambda: has(suite.bob.messages(), "Auto-Submitted: auto-replied"), "the vacation reply arrives")
        # Deleted again.
        browser.leave_by("a[href*='page=rule'][href$='ext=old']")
        browser.leave_by("a.danger")
        browser.shoot("ja-phone-5-delete")
        browser.leave_by("#remove")
        equal([rule["ext"] for rule in suite.rules()], [""])
        # In English, and out.
        browser.leave_by("header a")
        expect("Vacation" in browser.text() or "vacation" in browser.text(), browser.text())
        browser.leave_by("header a")
        browser.leave_by("a[href*='page=password']")
        browser.shoot("ja-phone-6-password")
        browser.leave_by("#logout")
        expect("ログイン" in browser.text(), browser.text())


def test_a_new_password():
    """By sudo, as the manual page of qmail-panel says: in a room that has an /etc of its own."""
    if not os.environ.get("ROOM_NAMESPACE"):
        return
    rule = pathlib.Path("/etc/sudoers.d/hato-panel-test")
    rule.parent.mkdir(exist_ok=True)
    rule.write_text(f"qmailc ALL=(root) NOPASSWD: {BIN}/qmail-account passwd --old -- *\n")
    rule.chmod(0o440)
    try:
        with Hosting() as suite, WebServer() as web, Browser(1200, 900) as browser:
            browser.log_in(web.url, "abc")
            browser.leave_by("a[href*='page=password']")
            for name, text in (("now", "wrong"), ("new", "staple battery"), ("again", "staple battery")):
                browser.type(name, text)
            browser.leave_by("main form button")
            expect("not right" in browser.text(), browser.text())
            for name, text in (("now", PASSWORD), ("new", "staple battery"), ("again", "staple battery")):
                browser.type(name, text)
            browser.leave_by("main form button")
            expect("The password is changed" in browser.text(), browser.text())
            browser.leave_by("#logout")
            browser.log_in(web.url, "abc", "staple battery")
            expect("anything@abc.pobox.test" in browser.text(), browser.text())
    finally:
        rule.unlink()


class Client:
    """HTTP without a browser: what a browser would not send."""

    def __init__(self, port):
        self.port, self.cookies = port, {}

    def ask(self, method, target, fields=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = urllib.parse.urlencode(fields) if fields is not None else None
        if fields is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
            expect("HttpOnly" in line and "SameSite=Strict" in line and "Path=/mail" in line, line)
        return answer, text

    def key(self, text):
        return re.search(r'name="key" value="([0-9a-f]{64})"', text).group(1)

    def log_in(self):
        _, page = self.ask("GET", "/mail")
        answer, _ = self.ask("POST", "/mail", {"do": "login", "key": self.key(page), "login": "abc", "password": PASSWORD})
        equal(answer.status, 303)
        return self.ask("GET", "/mail")[1]


def test_requests_that_no_browser_of_the_customer_sent():
    with Hosting() as suite, WebServer() as web:
        client = Client(web.port)
        page = client.log_in()
        key = client.key(page)
        rule = {"do": "add", "key": key, "ext": "shop", "does": "deliver", "keep": "1", "forward": "bob@mail.test"}
        for change, status in (({"key": "0" * 64}, 403), ({"key": ""}, 403), ({"ext": "../bob/.qmail"}, 400),
                               ({"ext": ""}, 400), ({"forward": "|touch /tmp/x"}, 400), ({"do": "nonsense"}, 400),
                               ({"ext": "a\nb"}, 400), ({"forward": "\n".join(f"u{i}@mail.test" for i in range(11))}, 400)):
            answer, text = client.ask("POST", "/mail", {**rule, **change})
            equal(answer.status, status, f"{change}: {text[-600:]}")
        answer, _ = client.ask("POST", "/mail", rule, Origin="http://evil.test")
        equal(answer.status, 403)
        equal(suite.rules(), [])
        answer, _ = client.ask("POST", "/mail", rule, Origin=f"http://127.0.0.1:{web.port}")
        equal(answer.status, 303)
        equal(len(suite.rules()), 1)
        # Somebody else's rule: whatever the form says, it is the session's account.
        answer, _ = client.ask("POST", "/mail", {**rule, "account": suite.bob.name, "ext": "x"})
        equal(answer.status, 303)
        expect(not (DOTDIR / suite.bob.name).exists())

        for headers, fields, status in (({"Content-Type": "text/plain"}, rule, 415),
                                        ({}, {"do": "x" * 70000}, 413)):
            answer, _ = client.ask("POST", "/mail", fields, **headers)
            equal(answer.status, status)
        equal(client.ask("GET", "/mail?page=%ff")[0].status, 400)
        equal(client.ask("DELETE", "/mail")[0].status in (405, 501), True)
        answer, text = client.ask("GET", "/mail?page=rule&ext=%3Cscript%3E")
        expect("<script" not in text, text)
        policy = answer.headers["Content-Security-Policy"]
        expect("default-src 'none'" in policy and "frame-ancestors 'none'" in policy, policy)
        equal(answer.headers["Cache-Control"], "no-store")

        # A session that was ended is ended, also with its cookie kept.
        kept = dict(client.cookies)
        equal(client.ask("POST", "/mail", {"do": "logout", "key": key})[0].status, 303)
        client.cookies = kept
        expect('name="password"' in client.ask("GET", "/mail")[1])
        for mode in [f.stat().st_mode & 0o777 for f in (HOME / "panel/sessions").iterdir()]:
            equal(mode, 0o600)


def test_guessing_is_slowed_down():
    with Hosting(), WebServer() as web:
        client = Client(web.port)
        statuses = []
        for _ in range(6):
            _, page = client.ask("GET", "/mail")
            answer, _ = client.ask("POST", "/mail", {"do": "login", "key": client.key(page), "login": "abc", "password": "guess"})
            statuses.append(answer.status)
        expect(503 in statuses, statuses)


run(globals())
