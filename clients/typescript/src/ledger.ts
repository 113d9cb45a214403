/** The ledger, an account, and a hold, as a service uses them. */

import { LedgerError, NoAnswer, type Problem, Refused, refusal } from "./errors.js";
import { IDLE, notices } from "./events.js";
import { ATTEMPTS, passes, pause, sleep } from "./retries.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];
type Asked = Record<string, string | number | boolean | undefined>;
type OfPayment = "grants" | "subscription";

/** The codes with which a release is refused because nothing is held any more. */
const OVER = new Set(["hold_already_captured", "hold_already_released", "hold_expired"]);
/** The field of a body that is the key when there is no other, by the end of the address. */
const KEYS_IN_BODIES: Record<string, string> = {
  accounts: "account_id",
  grants: "transaction_id",
  deductions: "task_id",
  usage: "task_id",
  payments: "payment_id",
  refunds: "refund_id",
  disputes: "dispute_id",
};

export interface LedgerOptions {
  /** How often a request is sent at most. */
  readonly attempts?: number;
  /** Milliseconds that one attempt may take. */
  readonly timeout?: number;
  /** Another `fetch`, with its proxies and certificates. */
  readonly fetch?: typeof fetch;
  /** Milliseconds without a word after which a stream is taken for broken. The ledger says something every 15 seconds. */
  readonly idle?: number;
}

/** A credit ledger at a URL, for the holder of an API key. */
export class Ledger {
  readonly #url: string;
  readonly #key: string;
  readonly #attempts: number;
  readonly #timeout: number;
  readonly #fetch: typeof fetch;
  readonly #idle: number;

  constructor(url: string, key: string, options: LedgerOptions = {}) {
    this.#url = new URL(url).href.replace(/\/$/, "");
    this.#key = key.trim();
    this.#attempts = options.attempts ?? ATTEMPTS;
    this.#timeout = options.timeout ?? 30_000;
    this.#fetch = options.fetch ?? fetch;
    this.#idle = options.idle ?? IDLE;
  }

  /** An account, whether or not it is open. Nothing is sent. */
  account(accountId: string): Account {
    return new Account(this, accountId);
  }

  /** Open an account. To open it again with the same body is no error. */
  openAccount(body: Schemas["OpenBody"]): Promise<Schemas["Opened"]> {
    return this.command("/v1/accounts", body);
  }

  /** Move credits from one account to another. */
  transfer(body: Schemas["TransferBody"], key?: string): Promise<Schemas["Transferred"]> {
    return this.command("/v1/transfers", body, key);
  }

  /** Many commands in one request. Each needs its own key, so that the batch can be repeated. */
  batch(body: Schemas["Batch"]): Promise<Schemas["BatchAnswer"]> {
    return this.answer("POST", "/v1/batch", body);
  }

  /** What usage would cost by the price book, and whether an account could pay it. */
  estimate(body: Schemas["EstimateBody"]): Promise<Schemas["EstimateAnswer"]> {
    return this.answer("POST", "/v1/estimates", body);
  }

  /** All accounts. */
  accounts(asked: Asked = {}): AsyncGenerator<Schemas["ListedAccount"]> {
    return this.pages("/v1/accounts", "accounts", asked);
  }

  /** What happens to all accounts, for ever: from now on, or after a position of the log. */
  events(after?: number, signal?: AbortSignal): AsyncGenerator<Schemas["EventNotice"]> {
    return this.stream("/v1/events/stream", after, signal);
  }

  /** Send a command. Without a key of yours, and without one in the body, it gets one that its repetitions have too. */
  command<T>(path: string, body: object, key?: string): Promise<T> {
    const named = key ?? ownKey(path, body);
    return this.answer("POST", path, body, named === undefined ? {} : { "idempotency-key": named });
  }

  /** Ask a question. */
  get<T>(path: string, asked: Asked = {}): Promise<T> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
    return this.answer("GET", query.size ? `${path}?${query}` : path);
  }

  /** Each thing of a list, page by page. */
  async *pages<T>(path: string, name: string, asked: Asked): AsyncGenerator<T> {
    let cursor: string | undefined;
    do {
      const page = await this.get<Record<string, unknown>>(path, { ...asked, cursor });
      yield* page[name] as T[];
      cursor = (page["next_cursor"] as string | null) ?? undefined;
    } while (cursor !== undefined);
  }

  /** The events of a stream. It connects again when the connection ends, and misses none. */
  async *stream(path: string, after?: number, signal?: AbortSignal): AsyncGenerator<Schemas["EventNotice"]> {
    let failures = 0;
    while (!signal?.aborted) {
      try {
        const headers: Record<string, string> = after === undefined ? {} : { "last-event-id": String(after) };
        const answer = await this.#send("GET", path, undefined, headers, signal);
        if (answer.ok && answer.body !== null) {
          for await (const [position, notice] of notices(answer.body, this.#idle)) {
            after = position ?? after;
            failures = 0;
            if (notice !== null) yield notice as Schemas["EventNotice"];
          }
        } else {
          const problem = problemOf(answer.status, await answer.text());
          const often = failures + 1 >= this.#attempts;
          if (often || !passes(problem.code)) throw refusal(problem, answer.headers.get("x-request-id"));
        }
      } catch (error) {
        if (error instanceof LedgerError || signal?.aborted) throw error;
      }
      failures += 1;
      await sleep(pause(Math.min(failures, 8), null), signal);
    }
  }

  /** Send a request until it is answered. Rejects with Refused, and with NoAnswer after the last attempt. */
  async answer<T>(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<T> {
    const said = body === undefined ? undefined : JSON.stringify(body);
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once<T>(method, path, said, headers);
      if ("found" in answer) return answer.found;
      if (attempt >= this.#attempts || !answer.passes) {
        answer.failure.key = headers["idempotency-key"] ?? null;
        throw answer.failure;
      }
      await sleep(pause(attempt, answer.retryAfter));
    }
  }

  /** Send a request once. */
  async #once<T>(method: string, path: string, said: string | undefined, headers: Record<string, string>): Promise<Outcome<T>> {
    try {
      const answer = await this.#send(method, path, said, headers, AbortSignal.timeout(this.#timeout));
      const text = await answer.text();
      const found = jsonOf(text);
      if (answer.ok && found !== undefined) return { found: found as T };
      const problem = problemOf(answer.status, text);
      const failure = refusal(problem, answer.headers.get("x-request-id"));
      return { failure, passes: passes(problem.code), retryAfter: answer.headers.get("retry-after") };
    } catch (cause) {
      return { failure: new NoAnswer(`${method} ${path}: ${told(cause)}`, { cause }), passes: true, retryAfter: null };
    }
  }

  #send(
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const typed = body === undefined ? {} : { "content-type": "application/json" };
    return this.#fetch(this.#url + path, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, ...typed, ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/** One account of a ledger. */
export class Account {
  readonly #path: string;

  constructor(
    private readonly ledger: Ledger,
    readonly accountId: string,
  ) {
    this.#path = `/v1/accounts/${encodeURIComponent(accountId)}`;
  }

  /** The account now. */
  read(): Promise<Schemas["AccountAnswer"]> {
    return this.ledger.get(this.#path);
  }

  /** The balance now, never stale. */
  balance(): Promise<Schemas["BalanceAnswer"]> {
    return this.ledger.get(`${this.#path}/balance`);
  }

  /** Grants, newest first. */
  grants(asked: Asked = {}): AsyncGenerator<Schemas["Grant"]> {
    return this.ledger.pages(`${this.#path}/grants`, "grants", asked);
  }

  /** Holds, newest first. */
  holds(asked: Asked = {}): AsyncGenerator<Schemas["Hold"]> {
    return this.ledger.pages(`${this.#path}/holds`, "holds", asked);
  }

  /** Payments, newest first. */
  payments(asked: Asked = {}, expand: readonly OfPayment[] = []): AsyncGenerator<Schemas["Payment"]> {
    return this.ledger.pages(`${this.#path}/payments`, "payments", { ...asked, ...names(expand) });
  }

  /** One payment, with `expand` of its grants and its subscription. `asked` has the provider when several have used the id. */
  payment(paymentId: string, expand: readonly OfPayment[] = [], asked: Asked = {}): Promise<Schemas["PaymentAnswer"]> {
    return this.#one("payments", paymentId, { ...asked, ...names(expand) });
  }

  /** One hold, open or resolved. */
  readHold(holdId: string, expand: readonly "captures"[] = []): Promise<Schemas["HoldAnswer"]> {
    return this.#one("holds", holdId, names(expand));
  }

  /** One deduction, and what of it was reversed. */
  deduction(deductionId: string, expand: readonly ("grants" | "hold")[] = []): Promise<Schemas["DeductionAnswer"]> {
    return this.#one("deductions", deductionId, names(expand));
  }

  #one<T>(kind: string, id: string, asked: Asked): Promise<T> {
    return this.ledger.get(`${this.#path}/${kind}/${encodeURIComponent(id)}`, asked);
  }

  /** What happens to the account, for ever: from now on, or after a position of the log. */
  events(after?: number, signal?: AbortSignal): AsyncGenerator<Schemas["EventNotice"]> {
    return this.ledger.stream(`${this.#path}/events/stream`, after, signal);
  }

  /** Give credits. */
  grant(body: Schemas["GrantBody"], key?: string): Promise<Schemas["Granted"]> {
    return this.command("grants", body, key);
  }

  /** Take credits: all of the amount or nothing. Rejects with InsufficientCredits and LimitReached. */
  deduct(body: Schemas["DeductBody"], key?: string): Promise<Schemas["Deducted"]> {
    return this.command("deductions", body, key);
  }

  /** Undo a deduction, or a part of it. */
  reverse(deductionId: string, body: Schemas["ReverseBody"] = {}, key?: string): Promise<Schemas["Reversed"]> {
    return this.command(`deductions/${encodeURIComponent(deductionId)}/reversals`, body, key);
  }

  /** Reserve credits. `await using hold = await account.hold({ amount: 200 })` releases what was not captured. */
  async hold(body: Schemas["HoldBody"], key?: string): Promise<Hold> {
    return new Hold(this, await this.command<Schemas["Held"]>("holds", body, key));
  }

  /** Count usage that costs no credits. Rejects with LimitReached. */
  meter(body: Schemas["MeterBody"], key?: string): Promise<Schemas["Metered"]> {
    return this.command("usage", body, key);
  }

  /** Send a command about the account, such as `freeze`, to its address below that of the account. */
  command<T>(path: string, body: object, key?: string): Promise<T> {
    return this.ledger.command(`${this.#path}/${path}`, body, key);
  }
}

/** A hold of credits. */
export class Hold implements AsyncDisposable {
  #open = true;

  constructor(
    private readonly account: Account,
    readonly placed: Schemas["Held"],
  ) {}

  /** Turn the hold, or a part of it, into a deduction. With `final: false` the rest stays on hold. */
  async capture(body: Schemas["CaptureBody"] = {}, key?: string): Promise<Schemas["Captured"]> {
    const captured = await this.#act<Schemas["Captured"]>("captures", body, key);
    this.#open = !captured.final;
    return captured;
  }

  /** Let it last longer, counted from now. */
  extend(seconds: number): Promise<Schemas["Extended"]> {
    return this.#act("extensions", { expires_in_seconds: seconds });
  }

  /** Give the rest back. */
  release(): Promise<Schemas["Released"]> {
    this.#open = false;
    return this.#act("release", {});
  }

  /** Release what was not captured. That nothing is held any more is no error. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    await this.release().catch((error: unknown) => {
      if (!(error instanceof Refused && OVER.has(error.code))) throw error;
    });
  }

  #act<T>(what: string, body: object, key?: string): Promise<T> {
    return this.account.command(`holds/${encodeURIComponent(this.placed.hold_id)}/${what}`, body, key);
  }
}

/** The parameter `expand`, in the order of its names; nothing when nothing is expanded. */
function names(expand: readonly string[]): Asked {
  return expand.length === 0 ? {} : { expand: [...expand].sort().join(",") };
}

/** A new key for a command whose body has none. */
function ownKey(path: string, body: object): string | undefined {
  const field = KEYS_IN_BODIES[path.slice(path.lastIndexOf("/") + 1)];
  const named = field !== undefined && Boolean((body as Record<string, unknown>)[field]);
  return named ? undefined : crypto.randomUUID();
}

/** What an attempt came to: an answer, or a failure that another one may mend. */
type Outcome<T> = { found: T } | { failure: LedgerError; passes: boolean; retryAfter: string | null };

/** What a text says; undefined if it is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The problem of an answer; one of our own for what something between us and the ledger has answered. */
function problemOf(status: number, text: string): Problem {
  const found = jsonOf(text) as Problem | null | undefined;
  if (found !== null && typeof found === "object" && "code" in found) return found;
  const code = status >= 500 ? "unavailable" : "not_the_ledger";
  return { code, status, detail: `Not an answer of the ledger: ${text.slice(0, 200)}` };
}

/** What is known of a failure: fetch has the reason in its cause. */
function told(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${String(error)} (${cause.message})` : String(error);
}
