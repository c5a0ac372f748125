// What a client has seen, as it carries it from one request to the next: the tokens of its answers, in a header or in cookies.
// Opaque to the client; no secret: whatever is sent only makes an answer newer.

import { FORCING_TOKEN } from "../feed/consistency-token.ts";

export const TOKEN_HEADER = "Postern-Token";

/** Each answer sets a cookie of its own, and takes back those of its request: answers that cross do not undo each other. */
const COOKIE = /^postern_token_[\da-f]{8}$/;

/** Commas are not for cookies (RFC 6265, section 4.1.1). */
const COOKIE_SEPARATOR = ":";

const TOKEN = /^[\w.-]{1,200}$/;

/** More than a client collects by asking many things at once; of a longer list each token would mean the same: ask anew. */
const MAX_TOKENS = 32;

/** The tokens of a request or an answer. Too many are one that nothing covers. */
export function parseConsistencyTokens(headers: Headers): readonly string[] {
	return listed((headers.get(TOKEN_HEADER) ?? "").split(","));
}

/** The cookies that a browser brings, and the tokens in them. */
export function parseTokenCookies(headers: Headers): {
	readonly names: readonly string[];
	readonly tokens: readonly string[];
} {
	const pairs = (headers.get("Cookie") ?? "")
		.split(";")
		.map((pair) => pair.trim().split("="))
		.filter(([name = ""]) => COOKIE.test(name));
	return {
		names: pairs.map(([name = ""]) => name),
		tokens: listed(
			pairs.flatMap(([, value = ""]) => value.split(COOKIE_SEPARATOR)),
		),
	};
}

export function setConsistencyTokens(
	headers: Headers,
	tokens: readonly string[],
): void {
	headers.set(TOKEN_HEADER, tokens.join(", "));
}

/**
 * Not for scripts, not for other sites, and gone with the browser's session.
 * @param replaced names of the cookies that the tokens stand for as well
 */
export function setTokenCookie(
	headers: Headers,
	tokens: readonly string[],
	replaced: readonly string[],
	isSecure: boolean,
): void {
	const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
	for (const name of replaced) {
		headers.append("Set-Cookie", `${name}=; Max-Age=0; ${attributes}`);
	}
	const name = `postern_token_${crypto.randomUUID().slice(0, 8)}`;
	const value = tokens.join(COOKIE_SEPARATOR);
	headers.append("Set-Cookie", `${name}=${value}; ${attributes}`);
}

function listed(texts: readonly string[]): readonly string[] {
	const tokens = texts
		.map((text) => text.trim())
		.filter((text) => text !== "")
		.map((text) => (TOKEN.test(text) ? text : FORCING_TOKEN));
	const different = [...new Set(tokens)];
	return different.length > MAX_TOKENS ? [FORCING_TOKEN] : different;
}
