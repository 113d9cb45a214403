/** Server-sent events, as they become notices. */

/** Milliseconds without a word after which a connection is taken for broken: the ledger says something more often. */
export const IDLE = 60_000;

/**
 * Each event of a connection: the position after which the stream resumes, and the notice; null for the start.
 * Rejects when nothing comes for `idle` milliseconds.
 */
export async function* notices(body: ReadableStream<Uint8Array>, idle: number): AsyncGenerator<[number | null, unknown]> {
  let event = "";
  let id = "";
  let data: string[] = [];
  for await (const line of lines(body, idle)) {
    if (line === "") {
      if (data.length) {
        const position = /^\d+$/.test(id) ? Number(id) : null;
        yield [position, event === "start" ? null : (JSON.parse(data.join("\n")) as unknown)];
      }
      event = "";
      data = [];
      continue;
    }
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "id") id = value;
    else if (name === "data") data.push(value);
  }
}

async function* lines(body: ReadableStream<Uint8Array>, idle: number): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await soon(reader.read(), idle);
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A promise that rejects when it takes too long. */
async function soon<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
