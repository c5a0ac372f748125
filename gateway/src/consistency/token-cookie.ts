// The token cookie: consistency tokens of a browser, which carries them without a script.
import { parseConsistencyTokens } from "./consistency-token.ts";

/** Each answer sets a cookie of its own and removes those of its request, so that answers that cross do not undo each other. */
const COOKIE = /^postern_token_[\da-f]{8}$/;

/** RFC 6265, section 4.1.1 allows no comma in a cookie. */
const SEPARATOR = ":";

interface TokenCookies {
	readonly names: readonly string[];
	readonly consistencyTokens: readonly string[];
}

export function parseTokenCookies(headers: Headers): TokenCookies {
	const pairs = (headers.get("Cookie") ?? "")
		.split(";")
		.map((pair) => pair.trim().split("="))
		.filter(([name = ""]) => COOKIE.test(name));
	return {
		names: pairs.map(([name = ""]) => name),
		consistencyTokens: parseConsistencyTokens(
			pairs.flatMap(([, value = ""]) => value.split(SEPARATOR)),
		),
	};
}

/**
 * Sets a cookie that scripts and other sites cannot read, and that ends with the browser's session.
 * @param replaced names of the request's cookies. The new tokens include what those stand for.
 */
export function setTokenCookie(
	headers: Headers,
	consistencyTokens: readonly string[],
	replaced: readonly string[],
	isSecure: boolean,
): void {
	const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
	for (const name of replaced) {
		headers.append("Set-Cookie", `${name}=; Max-Age=0; ${attributes}`);
	}
	const name = `postern_token_${crypto.randomUUID().slice(0, 8)}`;
	const value = consistencyTokens.join(SEPARATOR);
	headers.append("Set-Cookie", `${name}=${value}; ${attributes}`);
}
