// What a service writes with the functions of @hey-api/openapi-ts: one for each operation, by its short name.
import { captureHold, deduct, hold } from "./hey";

export async function spend(account_id: string): Promise<number | string> {
  const { data, error } = await deduct({ path: { account_id }, body: { amount: 30, task_id: "task-1" } });
  if (data !== undefined) return data.balance.available;
  return error.code === "insufficient_credits" ? error.shortfall : error.detail;
}

export async function reserve(account_id: string): Promise<void> {
  const headers = { "Idempotency-Key": "job-1" };
  const { data } = await hold({ path: { account_id }, headers, body: { amount: 10 } });
  if (data !== undefined) {
    const path = { account_id, hold_id: data.hold_id };
    await captureHold({ path, headers: { "Idempotency-Key": "job-2" } });
  }
}
