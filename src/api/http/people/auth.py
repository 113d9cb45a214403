"""Routes of signing in: register, verify, sign in and out, and the mailed links."""

from fastapi import APIRouter, Request

from api.contract.people.answers import (
    FREE,
    MessageAnswer,
    RegisteredAnswer,
    SignedInAnswer,
    user_answer,
)
from api.contract.people.bodies import (
    EmailBody,
    LoginBody,
    RegisterBody,
    ResetBody,
    TokenBody,
    VerificationBody,
)
from api.http.json_answer import JsonAnswer
from api.http.people.origins import origin_of
from api.http.people.person_route import PROBLEMS, PersonRoute, body_of, body_schema, people_of, person_of
from api.http.people.tiers import tier_of
from api.http.queries.query import problems
from people.sign_in.words import SignedIn, canonical

router = APIRouter(route_class=PersonRoute, tags=["people"])
_NO_STORE = {"cache-control": "no-store"}
_MAILED: MessageAnswer = {"message": "If the address is known here, a mail is on its way."}


@router.post(
    "/api/auth/register",
    status_code=201,
    responses=PROBLEMS | problems(403),
    summary="Register an address",
    openapi_extra=body_schema(RegisterBody),
)
async def register(request: Request) -> JsonAnswer[RegisteredAnswer]:
    """The answer does not tell whether the address is known. A link is mailed to it; opened with the password, it makes
    the person and their account."""
    body = await body_of(request, RegisterBody)
    made = await people_of(request).registrations.register(
        canonical(body.email), body.password, body.name, origin_of(request), body.invitation or ""
    )
    user: RegisteredAnswer = {
        "user": {"id": made.user_id, "email": made.email, "name": made.name, "tier": FREE},
        "token": made.token,
    }
    return JsonAnswer(user, 201, _NO_STORE)


@router.post(
    "/api/auth/verification",
    responses=PROBLEMS | problems(401, 403, 410),
    summary="Open the mailed link of a registration",
    openapi_extra=body_schema(VerificationBody),
)
async def verify(request: Request) -> JsonAnswer[SignedInAnswer]:
    """The person exists from now on, with an account that has the credits of a new one. Where only who is invited
    registers, the invitation must still stand."""
    body = await body_of(request, VerificationBody)
    made = await people_of(request).registrations.verify(body.token, body.password, origin_of(request), "token")
    return await _signed_in(request, made)


@router.post(
    "/api/auth/verification/resend",
    status_code=202,
    responses=PROBLEMS,
    summary="Mail the link of a registration again",
    openapi_extra=body_schema(EmailBody),
)
async def resend(request: Request) -> JsonAnswer[MessageAnswer]:
    """The earlier link of the newest registration ends."""
    body = await body_of(request, EmailBody)
    await people_of(request).registrations.mail_again(canonical(body.email), origin_of(request))
    return JsonAnswer(_MAILED, 202)


@router.post(
    "/api/auth/login",
    responses=PROBLEMS | problems(401, 403),
    summary="Sign in with a password",
    openapi_extra=body_schema(LoginBody),
)
async def login(request: Request) -> JsonAnswer[SignedInAnswer]:
    """After too many wrong passwords it is 429 for a while; a mailed link still signs in."""
    body = await body_of(request, LoginBody)
    made = await people_of(request).sign_ins.with_password(
        canonical(body.email), body.password, origin_of(request), "token"
    )
    return await _signed_in(request, made)


@router.post("/api/auth/logout", responses=problems(401, 403, 404, 422, 500, 503), summary="End this session")
async def logout(request: Request) -> JsonAnswer[MessageAnswer]:
    """Its token opens nothing any more."""
    person = person_of(request)
    await people_of(request).sign_ins.end(person, person.session_id)
    return JsonAnswer({"message": "Logged out successfully"})


@router.post(
    "/api/auth/link",
    status_code=202,
    responses=PROBLEMS,
    summary="Mail a link that signs in without a password",
    openapi_extra=body_schema(EmailBody),
)
async def ask_link(request: Request) -> JsonAnswer[MessageAnswer]:
    """The link opens once, within 15 minutes."""
    body = await body_of(request, EmailBody)
    await people_of(request).recovery.ask_link(canonical(body.email), origin_of(request))
    return JsonAnswer(_MAILED, 202)


@router.post(
    "/api/auth/link/confirm",
    responses=PROBLEMS | problems(403, 410),
    summary="Sign in with a mailed link",
    openapi_extra=body_schema(TokenBody),
)
async def open_link(request: Request) -> JsonAnswer[SignedInAnswer]:
    """A change of the address or of the password ends the link."""
    body = await body_of(request, TokenBody)
    made = await people_of(request).sign_ins.with_link(body.token, origin_of(request), "token")
    return await _signed_in(request, made)


@router.post(
    "/api/auth/reset",
    status_code=202,
    responses=PROBLEMS,
    summary="Mail a link for a new password",
    openapi_extra=body_schema(EmailBody),
)
async def ask_reset(request: Request) -> JsonAnswer[MessageAnswer]:
    """The link opens once, within 30 minutes."""
    body = await body_of(request, EmailBody)
    await people_of(request).recovery.ask_reset(canonical(body.email), origin_of(request))
    return JsonAnswer(_MAILED, 202)


@router.post(
    "/api/auth/reset/confirm",
    responses=PROBLEMS | problems(410),
    summary="Choose a new password with a mailed link",
    openapi_extra=body_schema(ResetBody),
)
async def reset(request: Request) -> JsonAnswer[MessageAnswer]:
    """All sessions of the person end, and nobody is signed in. Their API keys go on, unless the body says otherwise."""
    body = await body_of(request, ResetBody)
    await people_of(request).recovery.reset(body.token, body.password, revoke_keys=body.revoke_keys)
    return JsonAnswer({"message": "The password is changed. Sign in with it."})


@router.post(
    "/api/auth/email/confirm",
    responses=PROBLEMS | problems(410),
    summary="Confirm a new address with a mailed link",
    openapi_extra=body_schema(TokenBody),
)
async def confirm_email(request: Request) -> JsonAnswer[MessageAnswer]:
    """Mailed links of before end."""
    body = await body_of(request, TokenBody)
    await people_of(request).recovery.change_address(body.token)
    return JsonAnswer({"message": "The address is changed."})


@router.post(
    "/api/auth/email/undo",
    responses=PROBLEMS | problems(410),
    summary="Keep the address from before a change",
    openapi_extra=body_schema(TokenBody),
)
async def keep_email(request: Request) -> JsonAnswer[MessageAnswer]:
    """For seven days after a change was asked for. All sessions end, and what was added since: keys, sign-ins at the
    provider, links to later addresses, and the wish to be erased."""
    body = await body_of(request, TokenBody)
    await people_of(request).recovery.keep_address(body.token)
    return JsonAnswer({"message": "The address is as it was. Choose a new password."})


async def _signed_in(request: Request, made: SignedIn) -> JsonAnswer[SignedInAnswer]:
    user = user_answer(made.user, await tier_of(request, made.user.user_id))
    return JsonAnswer({"user": user, "token": made.token, "expires_at": made.expires_at}, headers=_NO_STORE)
