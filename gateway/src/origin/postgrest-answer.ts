// Tells PostgREST's answers from those of what stands before it: cloudflared, Cloudflare Access, Cloudflare itself, a login page.
// Those say nothing about the client's request, so none of them reaches a client: each is `origin_unreachable`.
//
// `Server: postgrest/…` proves an answer, but Cloudflare replaces it. By the sources of PostgREST (`Response.hs`, `Error.hs`) this is left:
// - An answer from a table or a function has Content-Range, with any status, media type and body. PUT has
//   Preference-Applied instead, and where it returns no rows (204) it has nothing. Functions add headers, but cannot remove any.
// - The OpenAPI document and execution plans have media types of their own. OPTIONS has Allow.
// - An error is a JSON object with `code` and `message`. From PostgREST 13 on, Proxy-Status names PostgREST. 12 has one error that is `{}`.
// - What PostgREST's HTTP server cannot parse, it refuses in plain text.
import { Refusal } from "../http/refusals.ts";
import { wholeBodyOf } from "./whole-body.ts";

/** One of these is on every answer of PostgREST but those that `isBare` and `isError` know. */
const MARKS: readonly [header: string, value: RegExp][] = [
	["server", /^postgrest\b/i],
	["content-range", /./],
	["content-profile", /./],
	["preference-applied", /./],
	["proxy-status", /^PostgREST\b/],
	["content-type", /^application\/openapi\+json|application\/vnd\.pgrst\./],
];

/** Bodies of the HTTP server that PostgREST is built on, by status. */
const SERVER_REFUSALS: Readonly<Record<number, string>> = {
	400: "Bad Request",
	413: "Payload too large",
	431: "Request header fields too large",
	500: "Something went wrong",
};

/** Who answers with this status in PostgREST's place: cloudflared, or Cloudflare. */
const MEANINGS: Readonly<Record<number, string>> = {
	401: "Cloudflare Access refuses the gateway",
	403: "Cloudflare Access, or a security rule, refuses the gateway",
	404: "no ingress rule of the tunnel leads to PostgREST",
	502: "cloudflared is connected, and does not reach PostgREST",
	530: "no cloudflared is connected to the tunnel",
};

/** Kong, which Supabase has before PostgREST, and hosted Supabase: without a key, and with a wrong one. */
const NO_API_KEY = /\bAPI key\b|\bauthentication credentials\b/i;

const ACCESS_LOGIN = /\.cloudflareaccess\.com\/|\/cdn-cgi\/access\//;

/** How much of a page is read to find Cloudflare's error code, in bytes. */
const PAGE_START = 8_192;

/** @throws {Refusal} origin_unreachable where the answer is not PostgREST's; its cause says whose it is */
export async function requirePostgrest(
	response: Response,
	method: string,
): Promise<Response> {
	const { status, headers } = response;
	if (isMarked(headers) || isBare(response, method)) return response;
	const type = headers.get("content-type") ?? "";
	if (status >= 300 && /[/+]json\b/.test(type)) {
		const body = await wholeBodyOf(response);
		const text = new TextDecoder().decode(body);
		if (isError(status, text)) return new Response(body, response);
		throw unreachable(response, text);
	}
	const page = await startOf(response.body);
	if (type.startsWith("text/plain") && page === SERVER_REFUSALS[status])
		return new Response(page, response);
	throw unreachable(response, page);
}

function isMarked(headers: Headers): boolean {
	return MARKS.some(([name, value]) => value.test(headers.get(name) ?? ""));
}

/** Answers that PostgREST gives without a mark and without a body. */
function isBare({ status, headers }: Response, method: string): boolean {
	switch (method) {
		case "PUT":
			return status === 204;
		case "OPTIONS":
			return status === 200 && /^OPTIONS,/.test(headers.get("allow") ?? "");
		case "HEAD":
			return (
				status >= 300 &&
				headers.get("content-type") === "application/json; charset=utf-8"
			);
		default:
			return false;
	}
}

function isError(status: number, text: string): boolean {
	if (status === 404 && text === "{}") return true;
	try {
		const { code, message } = JSON.parse(text) ?? {};
		return typeof code === "string" && typeof message === "string";
	} catch {
		return false;
	}
}

function unreachable(response: Response, page: string): Refusal {
	const { status, headers } = response;
	const type = headers.get("content-type") ?? "no media type";
	const meaning = meaningOf(status, headers, page);
	// Not the page itself: it may name the team, the hostname and the address of the Worker.
	const code = /\berror(?:[ _]code)?"?:? ?(1\d{3})\b/i.exec(page)?.[1];
	const details = code === undefined ? type : `${type}, error code ${code}`;
	return new Refusal("origin_unreachable", {
		cause: new Error(`The origin answers ${status} (${details}): ${meaning}`),
	});
}

function meaningOf(status: number, headers: Headers, page: string): string {
	if (ACCESS_LOGIN.test(headers.get("location") ?? ""))
		return "Cloudflare Access asks the gateway to sign in";
	if (status === 401 && NO_API_KEY.test(page))
		return "an API gateway before PostgREST does not take ORIGIN_API_KEY, or there is none";
	return MEANINGS[status] ?? "this is not PostgREST";
}

/** Reads the first bytes of a body and cancels the rest. */
async function startOf(body: ReadableStream<Uint8Array> | null) {
	if (body === null) return "";
	const reader = body.getReader();
	const decoder = new TextDecoder();
	let text = "";
	try {
		while (text.length < PAGE_START) {
			const { value, done } = await reader.read();
			if (done) return text;
			text += decoder.decode(value, { stream: true });
		}
		await reader.cancel();
	} catch {
		// A page that was cut off is no more PostgREST's than a whole one.
	}
	return text;
}
