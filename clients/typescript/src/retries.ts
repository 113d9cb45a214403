/** Which answers are worth another attempt, and when. A command is repeated with its key: it is done once. */

export const ATTEMPTS = 5;
const LONGEST = 30_000;
const PASSING = new Set([
  "rate_limited",
  "overloaded",
  "unavailable",
  "storage_full",
  "internal_error",
  "provider_failed",
  "body_timeout",
  "not_yet_visible",
  "projection_unavailable",
  "query_timeout",
  "document_unavailable",
]);

/** Whether a problem may pass, so that the same request can succeed. */
export function passes(code: string): boolean {
  return PASSING.has(code);
}

/** Milliseconds until the next attempt: what the ledger asks for, and a random part of a time that doubles. */
export function pause(attempt: number, retryAfter: string | null): number {
  const asked = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : 0;
  return asked + Math.random() * Math.min(100 * 2 ** attempt, LONGEST);
}

/** Wait. An aborted signal ends it, and rejects with the reason. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
