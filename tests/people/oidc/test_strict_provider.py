"""The strict judge: a certified provider in another language checks our half of the flow, in the long form alone."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from people.oidc.signing_in import ProviderSignIn
from people.oidc.words import CameIn, ClaimIs, Client, NotVouchedFor
from people.sessions import Sessions
from tests.dashboard.forms_elsewhere import sent_back
from tests.long_form import LONG
from tests.people.letters import HERE
from tests.people.oidc.forger import REDIRECT, Product
from tests.service import free_port

STRICT = Path(__file__).parent / "strict"
SECRET = "a secret: with + and %"
pytestmark = pytest.mark.skipif(not LONG or shutil.which("npm") is None, reason="the long form, with npm")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The issuer."""
    folder, port = tmp_path_factory.mktemp("strict"), free_port()
    for name in ("package.json", "provider.js"):
        shutil.copy(STRICT / name, folder)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)
    command = ["node", "provider.js", str(port), REDIRECT]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}"
        process.terminate()


async def sign_in(product: Product, strict: str, subject: str, **tampering: str) -> CameIn:
    scope, acts = "openid email profile groups", ClaimIs("groups", "admins")
    sign_ins = ProviderSignIn(product.around, Client(strict, "credits", SECRET, scope, acts=acts))
    begun = await sign_ins.begin(REDIRECT)
    with httpx.Client(trust_env=False) as browser:
        place = sent_back(browser, begun.url, REDIRECT, login=subject, password="x")
    answer = dict(parse_qsl(urlsplit(place).query)) | tampering
    came = await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, "")
    assert isinstance(came, CameIn)
    if not tampering:
        await _nothing_twice(sign_ins, answer)
    return came


async def _nothing_twice(sign_ins: ProviderSignIn, answer: dict[str, str]) -> None:
    """The code was used, and another sign-in cannot use it either."""
    other = await sign_ins.begin(REDIRECT)
    state = dict(parse_qsl(urlsplit(other.url).query))["state"]
    with pytest.raises(NotVouchedFor, match="the code was answered 400"):
        await sign_ins.finish({**answer, "state": state}, other.cookie, REDIRECT, HERE, "")


async def test_people_and_operators_come_in(product: Product, strict: str) -> None:
    sessions = Sessions(product.ledger.log, product.clock)
    for subject, is_user in (("ada", True), ("eve", False)):
        found = await sessions.find((await sign_in(product, strict, subject)).cookie)
        assert found is not None
        assert (found.account_id, found.user_id is not None) == (subject, is_user)
    operator = await sessions.find((await sign_in(product, strict, "root")).cookie)
    assert operator is not None
    assert (operator.account_id, operator.scopes) == (None, ["admin"])


async def test_another_code_and_another_issuer_are_refused(product: Product, strict: str) -> None:
    for tampering in ({"code": "another"}, {"iss": "https://evil.example"}):
        with pytest.raises(NotVouchedFor):
            await sign_in(product, strict, "ada", **tampering)
    with pytest.raises(NotVouchedFor):
        await sign_in(product, strict, "ada", state="another")
