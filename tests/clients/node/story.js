// What a service does with the client in TypeScript: run by test_typescript.py, with the address of a service.
import { strict as assert } from "node:assert";
import { Conflict, InsufficientCredits, Ledger, NoAnswer, NotFound } from "./dist/index.js";

const [url, key, name] = process.argv.slice(2);
const keys = [];
let lost = 0;
const ledger = new Ledger(url, key, {
  fetch: async (address, request) => {
    const named = new Headers(request.headers).get("idempotency-key");
    if (named !== null) keys.push(named);
    const answer = await fetch(address, request);
    if (lost > 0) {
      lost -= 1;
      throw new TypeError("the connection ended");
    }
    return answer;
  },
});
await ledger.openAccount({ account_id: name, signup_credits: 500 });
const account = ledger.account(name);
await assert.rejects(account.deduct({ amount: 501 }), (error) => error instanceof InsufficientCredits && error.shortfall === 1);
await assert.rejects(ledger.account("nobody").balance(), NotFound);

keys.length = 0;
lost = 2;
const deducted = await account.deduct({ amount: 20 });
assert.deepEqual([deducted.balance.total, keys.length, new Set(keys).size], [480, 3, 1]);

const fetching = { fetch: async (address, request) => (await fetch(address, request), Promise.reject(new TypeError("gone"))) };
const hopeless = new Ledger(url, key, { ...fetching, attempts: 1 }).account(name);
const unknown = await hopeless.deduct({ amount: 7 }).catch((error) => error);
assert.ok(unknown instanceof NoAnswer && unknown.key !== null);
await account.deduct({ amount: 7 }, unknown.key);
await account.grant({ kind: "permanent", amount: 7, transaction_id: "back" });
assert.equal((await account.balance()).total, 480);
assert.throws(() => new Ledger("127.0.0.1:8000", key), TypeError);

const hold = await account.hold({ amount: 200 });
await hold.capture({ amount: 50, final: false });
await hold[Symbol.asyncDispose]();
assert.deepEqual([(await account.balance()).held, (await account.balance()).total], [0, 430]);
await assert.rejects(hold.capture(), Conflict);

let position = 0;
for (const amount of [1, 2, 3, 4]) position = (await account.grant({ kind: "permanent", amount })).position ?? 0;
const amounts = [];
for await (const grant of account.grants({ limit: 2, min_position: position })) amounts.push(grant.amount);
assert.deepEqual(amounts, [4, 3, 2, 1, 7, 500]);

const { results } = await ledger.batch({
  commands: [
    { op: "deduct", account_id: name, amount: 1, task_id: "one" },
    { op: "deduct", account_id: name, amount: 9000, task_id: "many" },
  ],
});
assert.deepEqual(results.map((one) => ("code" in one ? one.code : one.op)), ["deduct", "insufficient_credits"]);

const whole = await account.deduction(deducted.deduction_id, ["hold", "grants"]);
assert.deepEqual([whole.hold, whole.draws[0].grant.grant_id], [null, whole.draws[0].grant_id]);
const resolved = await account.readHold(hold.placed.hold_id, ["captures"]);
assert.deepEqual(resolved.captures.map((one) => one.deducted), [50]);

for await (const event of account.events(deducted.position)) {
  assert.equal(event.type, "CreditsDeducted");
  break;
}
let connections = 0;
const stop = new AbortController();
const counting = (address, request) => (++connections === 2 && stop.abort(), fetch(address, request));
const silent = new Ledger(url, key, { idle: 50, fetch: counting }).account(name).events(undefined, stop.signal);
await assert.rejects(silent.next(), { name: "AbortError" }); // nothing came, so it has connected again
console.log("done");
