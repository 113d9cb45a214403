/** What can go wrong. A refusal has the problem of the ledger, whose fields depend on its code. */

export interface Problem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly [fact: string]: unknown;
}

/** Something that the caller of a client has to know. */
export class LedgerError extends Error {
  /**
   * The key of the command, also one that the client has chosen: with it, the same command is carried out once. Null for a
   * question, and where a field of the body is the key.
   */
  key: string | null = null;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The ledger did not answer. Whether a command was carried out is not known: send it again with the same key. */
export class NoAnswer extends LedgerError {}

/**
 * The ledger refused. Nothing was recorded, unless the code is one after which that is not known: such as `unavailable`,
 * after all attempts. Then send the command again with the same key.
 */
export class Refused extends LedgerError {
  constructor(
    readonly problem: Problem,
    readonly requestId: string | null,
  ) {
    super(`${problem.code}: ${problem.detail}`);
  }

  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** Fewer credits are available than the command takes. */
export class InsufficientCredits extends Refused {
  get required(): number {
    return Number(this.problem["required"]);
  }

  get available(): number {
    return Number(this.problem["available"]);
  }

  get shortfall(): number {
    return Number(this.problem["shortfall"]);
  }

  /** Pages on which a person gets more. */
  get waysOut(): { way: string; url: string }[] {
    return (this.problem["ways_out"] ?? []) as { way: string; url: string }[];
  }
}

/** A limit leaves less than the command uses. `required` and `shortfall` are in the unit of the limit. */
export class LimitReached extends InsufficientCredits {
  /** The limit that leaves least. */
  get binding(): Readonly<Record<string, unknown>> {
    return this.problem["binding"] as Record<string, unknown>;
  }
}

/** There is no such thing: 404. */
export class NotFound extends Refused {}

/** The state of the account or of the thing does not allow it: 409 or 412. */
export class Conflict extends Refused {}

/** The request is not valid, or over a limit: 400, 413 or 422. */
export class Invalid extends Refused {}

/** The key is none, or may not do this: 401 or 403. */
export class NotAllowed extends Refused {}

const BY_CODE: Record<string, typeof Refused> = {
  insufficient_credits: InsufficientCredits,
  limit_reached: LimitReached,
};
const BY_STATUS: Record<number, typeof Refused> = {
  400: Invalid,
  401: NotAllowed,
  403: NotAllowed,
  404: NotFound,
  409: Conflict,
  412: Conflict,
  413: Invalid,
  422: Invalid,
};

/** The error for a problem document. */
export function refusal(problem: Problem, requestId: string | null): Refused {
  const kind = BY_CODE[problem.code] ?? BY_STATUS[problem.status] ?? Refused;
  return new kind(problem, requestId);
}
