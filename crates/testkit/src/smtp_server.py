"""An SMTP server that keeps what it takes, for tests. Started by testkit's `smtp.rs`, which says how it is set up.

It refuses by the address that is written to: `busy-2@…` the first two times with 451, `nobody@…` always with 550,
`slow@…` by taking longer than anybody waits.
"""

import asyncio
import collections
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.tries = collections.Counter()
        self.kept = len([name for name in os.listdir(folder) if name.endswith(".json")])

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries[address] += 1
        with open(os.path.join(self.folder, "tries.txt"), "a") as file:
            file.write(address + "\n")
        name = address.partition("@")[0]
        if name == "nobody":
            return "550 No such user here"
        if name == "slow":
            await asyncio.sleep(3600)
        if name.startswith("busy-") and self.tries[address] <= int(name.removeprefix("busy-")):
            return "451 Busy, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        kept = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": bool(session.ssl or server.transport.get_extra_info("ssl_object")),
            "user": session.auth_data,
            "headers": {name: str(value) for name, value in message.items()},
            "text": message.get_body(("plain",)).get_content(),
            "html": message.get_body(("html",)).get_content(),
        }
        self.kept += 1
        path = os.path.join(self.folder, f"{self.kept:05}")
        with open(path, "w") as file:
            json.dump(kept, file)
        os.rename(path, path + ".json")
        return "250 Kept"


def main():
    setup = json.loads(sys.argv[1])
    keeper = Keeper(setup["folder"])
    context = None
    if setup["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(setup["certificate"], setup["key"])

    def authenticate(server, session, envelope, mechanism, data):
        given = [data.login.decode(), data.password.decode()]
        # Not handled: the server itself answers that it was wrong.
        return AuthResult(success=given == setup["user"], handled=False, auth_data=given[0])

    options = {"hostname": "localhost", "enable_SMTPUTF8": True}
    if setup["user"]:
        must_encrypt = context is not None and setup["starttls"]
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": must_encrypt}
    if context and setup["starttls"]:
        options |= {"tls_context": context, "require_starttls": True}
        context = None

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(keeper, loop=loop, **options), "127.0.0.1", setup["port"], ssl=context)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


main()
