# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterHub as the login of the lab's web door. JupyterLabs are systemd's: their sockets wake them, and nothing is started here.

Read by jupyterhub.service, without any rights. nginx asks here before each request (auth_request) whether a visitor's browser may
use a person's JupyterLab. With a yes it gets a word to hand on, by which that JupyterLab knows that it comes from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import tornado.netutil
from jupyterhub import orm
from jupyterhub.auth import Authenticator
from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.login import LoginHandler, LogoutHandler
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthLogoutHandler
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

SETTINGS = json.loads(Path(os.environ["RESEARCH_SERVER_HUB"]).read_text(encoding="utf-8"))
SECRETS = Path(os.environ["CREDENTIALS_DIRECTORY"])
STATE = Path(os.environ["STATE_DIRECTORY"])
KEY = (SECRETS / "key").read_bytes()
# A browser's right to one JupyterLab. It is sent below that person's path only.
COOKIE = "research-server-lab"
# JupyterHub's: of which session of a browser it is.
SESSION_COOKIE = "jupyterhub-session-id"
SESSION_DAYS = 7
# How many rights to enter a person can have at once, and how many of these one browser besides its newest, which may not have
# reached it: without an end they could fill the database.
ENTRIES, BEFORE = 32, 2
# Who says yes or no to a password (jupyterhub_login.py), and within how many seconds. It takes a few more at once than it is
# asked here: of each, systemd has the end a moment after its answer.
PASSWORDS, PATIENCE, AT_ONCE = "/run/jupyterhub-login.sock", 40, 12
# A provider to which a whole class comes takes its time. tornado's own limit is 20 s, the wait for a free connection included.
PROVIDER_PATIENCE = 60
# In seconds: how often systemd is told that this goes on (WatchdogSec), and how much it has to compute meanwhile where it did not
# get through with all that its visitors ask.
BEAT, BUSY = 5, 0.01
# sd_listen_fds(3): the one socket that systemd hands over.
FIRST = 3


class Record(logging.LogRecord):
    """A line for the log, with nothing that stands behind the '?' of an address, be it of a request, a redirect or a header.

    JupyterHub takes out what has the name of a secret, but a token may stand in an address within one:
    '/hub/lab?next=/user/ada/lab?token=...'.
    """

    def getMessage(self) -> str:  # noqa: N802 - its name is logging's
        return re.sub(r"\?\S+", "?", super().getMessage())


def scope(name: str) -> str:
    return f"access:servers!user={name}"


class Enter(BaseHandler):
    """Let somebody who has logged in into their own JupyterLab, from here on until they log out."""

    @web.authenticated
    def get(self) -> None:
        user = self.current_user
        home = f"/user/{user.name}/"
        # As nginx has put it there: the whole of the address, unquoted.
        place = self.request.query.partition("next=")[2] or f"{home}lab"
        if not place.startswith(home):
            raise web.HTTPError(403, "This is somebody else's JupyterLab.")
        # Logging out ends all tokens of the session; who is deleted has none.
        session = self.get_session_cookie() or self.set_session_cookie()
        self.end_oldest(user.orm_user.id, session)
        token = user.orm_user.new_api_token(
            scopes=[scope(user.name)], session_id=session, expires_in=SESSION_DAYS * 86400, note="JupyterLab in a browser"
        )
        kept = {"secure": True, "httponly": True, "samesite": "Lax", "expires_days": SESSION_DAYS}
        self.set_cookie(COOKIE, token, path=home, **kept)
        # JupyterHub's own ends with the browser: whoever opens it again and logs out then would leave the JupyterLab open.
        self.set_cookie(SESSION_COOKIE, session, path="/", **kept)
        self.redirect(place)

    def end_oldest(self, person: int, session: str) -> None:
        """Make room for one more. Whose browser had one that ends enters again, without a login."""
        theirs = self.db.query(orm.APIToken.id).filter_by(user_id=person).order_by(orm.APIToken.id.desc())
        here = theirs.filter_by(session_id=session).limit(BEFORE).all()
        elsewhere = theirs.filter(orm.APIToken.session_id != session).limit(ENTRIES - 1 - len(here)).all()
        kept = [token for (token,) in here + elsewhere]
        rest = self.db.query(orm.APIToken).filter_by(user_id=person).filter(orm.APIToken.id.notin_(kept))
        rest.delete(synchronize_session="fetch")


class Leave(LogoutHandler):
    """Log out of the JupyterLab, too, also where the login itself has ended before: JupyterHub does nothing then."""

    async def handle_logout(self) -> None:
        await super().handle_logout()
        if session := self.get_session_cookie():
            for token in self.db.query(orm.APIToken).filter_by(session_id=session):
                self.db.delete(token)
            self.db.commit()


class LeaveProvider(Leave, OAuthLogoutHandler):
    """Forget what was said to the provider, too."""


class May(web.RequestHandler):
    """Whether a browser may use somebody's JupyterLab. nginx alone is answered: it has the name out of all other requests."""

    def get(self) -> None:
        name = self.request.headers.get("X-Research-Server-Person", "")
        try:
            token = self.find()
        except SQLAlchemyError:
            # The database has been started again since it was asked last.
            self.settings["db"].rollback()
            token = self.find()
        theirs = token and token.user.name == name and token.session_id and token.scopes == [scope(name)]
        if not theirs or name not in SETTINGS["people"]:
            raise web.HTTPError(401)
        self.set_header("X-Research-Server-Door", hmac.new(KEY, name.encode(), hashlib.sha256).hexdigest())
        self.set_status(204)

    def find(self) -> Any:
        return orm.APIToken.find(self.settings["db"], self.get_cookie(COOKIE, ""), kind="user")


class Person(Authenticator):
    """What both logins have in common."""

    logout_handler: type[LogoutHandler] = Leave

    def normalize_username(self, username: str) -> str:
        """To the letter: 'Ada' may be somebody else at the provider. JupyterHub would take both for ada."""
        return username

    def get_handlers(self, app: Any) -> list[Any]:
        # Pages from which servers would be started and stopped lead to the one that everybody has.
        to_lab = {"url": "/hub/lab", "permanent": False}
        pages = [(page, web.RedirectHandler, to_lab) for page in (r"/home", r"/spawn.*", r"/user/.*", r"/token")]
        own = [(r"/lab", Enter), (r"/lab/may", May), (r"/logout", self.logout_handler)]
        # Nobody has a use for it here, and it takes passwords, too, where nobody counts who fails (users/NAME/tokens).
        interface = (r"/api(?:/.*)?", web.ErrorHandler, {"status_code": 404})
        return [*own, *pages, interface, *super().get_handlers(app)]


class Provider(Person, GenericOAuthenticator):
    """Whoever a provider of OpenID Connect says it is."""

    logout_handler = LeaveProvider


class Form(LoginHandler):
    """The page that asks for a password."""

    async def _render(self, login_error: str | None = None, username: str | None = None) -> str:
        """With the name as it was typed: what is left of it for the log says whether it is somebody's."""
        return await super()._render(login_error, self.get_argument("username", ""))


class Host(Person):
    """Who knows the password of an account on this host. JupyterHub can read none of them: it asks for a yes."""

    # Whoever comes with many others waits: the door would send them away.
    turns = asyncio.Semaphore(AT_ONCE)

    def get_handlers(self, app: Any) -> list[Any]:
        return [(r"/login", Form), *super().get_handlers(app)]

    async def authenticate(self, _handler: Any, data: dict[str, str]) -> str | None:
        name, password = data.get("username", ""), data.pop("password", "")
        # JupyterHub logs who has failed. What is nobody's name may be a password, in the wrong place.
        data["username"] = name if name in SETTINGS["people"] else ""
        try:
            answer = await asyncio.wait_for(self.ask(name, password), PATIENCE)
        except (OSError, asyncio.TimeoutError) as error:
            self.log.error("No answer at %s: %r", PASSWORDS, error)
            answer = b""
        if answer not in (b"yes", b"no"):
            raise web.HTTPError(503, "Passwords cannot be checked now. Try again in a minute.")
        return name if answer == b"yes" else None

    async def ask(self, *told: str) -> bytes:
        async with self.turns:
            reader, writer = await asyncio.open_unix_connection(PASSWORDS)
            try:
                writer.write(json.dumps(told).encode())
                writer.write_eof()
                return await reader.read()
            finally:
                writer.close()


class Nothing(Spawner):
    """Nobody has a server of JupyterHub's."""

    async def start(self) -> None:
        raise web.HTTPError(403, "JupyterLabs are started by their own sockets.")

    async def stop(self, now: bool = False) -> None:
        pass

    async def poll(self) -> int:
        return 0


class Nginx(Proxy):
    """The way to each JupyterLab stands in nginx's configuration."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.should_start = False
        self.routes: dict[str, Any] = {}

    async def add_route(self, routespec: str, target: str, data: Any) -> None:
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, Any]:
        return self.routes


def held_by_systemd(_path: str, **_named: Any) -> socket.socket:
    """In place of a socket of JupyterHub's own: while it is away, nobody else can have the place, and visitors wait."""
    held = socket.socket(fileno=FIRST)
    held.setblocking(False)
    held.set_inheritable(False)
    # What is put into the loop now has its turn when JupyterHub answers.
    loop = asyncio.get_running_loop()
    loop.call_soon(tell_systemd, "READY=1")
    threading.Thread(target=beat, args=[loop], daemon=True).start()
    return held


def beat(loop: asyncio.AbstractEventLoop) -> None:
    """Whoever hangs says nothing: systemd ends it then, and starts it again. One that computes does not hang: a class on a busy
    server keeps it for minutes, and would wait for the next one, too.
    """
    turned, used = threading.Event(), 0.0
    with contextlib.suppress(RuntimeError):  # the loop has ended
        while True:
            turned.clear()
            loop.call_soon_threadsafe(turned.set)
            time.sleep(BEAT)
            before, used = used, time.process_time()
            if turned.is_set() or used - before > BUSY:
                tell_systemd("WATCHDOG=1")


def tell_systemd(state: str) -> None:
    """As sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


logging.setLogRecordFactory(Record)
tornado.netutil.bind_unix_socket = held_by_systemd
# JupyterHub gives it to the files that it reads.
c = globals()["get_config"]()

c.JupyterHub.hub_bind_url = "http+unix://%2Frun%2Fjupyterhub.sock"
c.JupyterHub.proxy_class = Nginx
c.JupyterHub.spawner_class = Nothing
c.JupyterHub.cleanup_servers = False
c.JupyterHub.default_url = "/hub/lab"
c.JupyterHub.db_url = SETTINGS["database_url"] or f"sqlite:///{STATE}/jupyterhub.sqlite"
# Not in the address, which JupyterHub logs when nobody answers there (libpq, "Environment Variables").
if (SECRETS / "database_password").exists():
    os.environ["PGPASSWORD"] = (SECRETS / "database_password").read_text(encoding="utf-8").removesuffix("\n")
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret_file = f"{STATE}/cookie_secret"
c.JupyterHub.cookie_max_age_days = SESSION_DAYS
# To enter one's own JupyterLab is all that anybody can do here: no tokens of one's own, no servers, no administrators.
c.JupyterHub.load_roles = [{"name": "user", "scopes": ["access:servers!user", "read:users:name!user"]}]

c.Authenticator.allowed_users = set(SETTINGS["people"])
c.Authenticator.allow_existing_users = False
c.Authenticator.admin_users = set()
# Who is no longer among them is deleted at the start, with sessions and tokens.
c.Authenticator.username_pattern = f"^(?:{'|'.join(map(re.escape, SETTINGS['people']))})$"
c.Authenticator.delete_invalid_users = True
if SETTINGS["login"] == "pam":
    c.JupyterHub.authenticator_class = Host
else:
    c.JupyterHub.authenticator_class = Provider
    c.Provider.login_service = SETTINGS["login_service"]
    c.Provider.client_id = SETTINGS["client_id"]
    c.Provider.client_secret = (SECRETS / "client_secret").read_text(encoding="utf-8").strip()
    c.Provider.authorize_url = SETTINGS["authorize_url"]
    c.Provider.token_url = SETTINGS["token_url"]
    c.Provider.userdata_url = SETTINGS["userdata_url"]
    c.Provider.username_claim = SETTINGS["username_claim"]
    c.Provider.scope = SETTINGS["scope"]
    c.Provider.http_request_kwargs = {"connect_timeout": PROVIDER_PATIENCE, "request_timeout": PROVIDER_PATIENCE}
