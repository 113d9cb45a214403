// What a service writes with openapi-fetch: bodies without ceremony, and problems that are told apart by their code.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

export async function spend(account_id: string): Promise<number | string> {
  await client.POST("/v1/accounts", { body: { account_id, signup_credits: 500 } });
  const { data, error } = await client.POST("/v1/accounts/{account_id}/deductions", {
    params: { path: { account_id } },
    body: { amount: 30, task_id: "task-1" },
  });
  if (error === undefined) return data.balance.available;
  switch (error.code) {
    case "insufficient_credits":
      return error.shortfall;
    case "limit_reached":
      return error.binding.limit_id;
    case "validation_failed":
      return error.errors.map((one) => one.field).join();
    default:
      return error.detail;
  }
}

export async function hold(account_id: string): Promise<void> {
  const params = { path: { account_id }, header: { "Idempotency-Key": "job-1" } };
  const { data } = await client.POST("/v1/accounts/{account_id}/holds", { params, body: { amount: 10 } });
  // @ts-expect-error the key is required: without it the answer is 400
  await client.POST("/v1/accounts/{account_id}/holds", { params: { path: { account_id } }, body: { amount: 10 } });
  // @ts-expect-error an amount, or usage that is priced
  await client.POST("/v1/accounts/{account_id}/holds", { params, body: { task_id: "job-1" } });
  if (data !== undefined) {
    const { hold_id } = data;
    await client.POST("/v1/accounts/{account_id}/holds/{hold_id}/captures", {
      params: { path: { account_id, hold_id }, header: { "Idempotency-Key": "job-2" } },
    });
  }
}

export function told(results: components["schemas"]["BatchAnswer"]["results"]): string[] {
  return results.map((one) => {
    if ("code" in one) return one.detail;
    return one.op === "deduct" ? one.deduction_id : one.op === "hold" ? one.hold_id : one.op;
  });
}
