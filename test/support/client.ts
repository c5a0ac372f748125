// Requests and tokens for tests of the whole stack.
import { inject } from "vitest";
import {
	issueCallerToken,
	issueToken,
} from "../../gateway/cli/stack/tokens.ts";

/** Files that run at the same time have different ones. */
export const stack = stackOfThisProcess();

function stackOfThisProcess() {
	const own = inject("stacks")[Number(process.env.VITEST_POOL_ID) - 1];
	if (own === undefined) throw new Error("This process has no stack.");
	return own;
}

/** An access token that the Worker accepts. */
export function callerToken(
	claims: Record<string, unknown> = {},
): Promise<string> {
	const { tokenSigningKey } = stack.credentials;
	return issueCallerToken(tokenSigningKey, {
		role: "authenticated",
		sub: "ada",
		...claims,
	});
}

/** An origin token, which PostgREST accepts: only the Worker makes one, and tests that compare. */
export function originToken(claims: Record<string, unknown>): Promise<string> {
	const { originSigningKey } = stack.credentials;
	return issueToken(originSigningKey, { aud: "postgrest", ...claims }, 300);
}

interface CallOptions {
	method?: string;
	token?: string;
	headers?: Record<string, string>;
	/** Sent as JSON. */
	json?: unknown;
	body?: string | Uint8Array<ArrayBuffer>;
}

/** Sends a request to the gateway. */
export function call(
	path: string,
	options: CallOptions = {},
): Promise<Response> {
	const { method, token, json, body } = options;
	const headers = new Headers(options.headers);
	if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
	if (json !== undefined) headers.set("content-type", "application/json");
	const sent = json === undefined ? body : JSON.stringify(json);
	return fetch(stack.gatewayUrl + path, {
		method: method ?? (sent === undefined ? "GET" : "POST"),
		headers,
		redirect: "manual",
		...(sent === undefined ? {} : { body: sent }),
	});
}
