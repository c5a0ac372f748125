// A fetch that sees its own writes and never goes back in time: for supabase-js, postgrest-js, or by itself, in browsers,
// Node and Workers. One file without dependencies.
//
//   createClient(url, key, { global: { fetch: causal(fetch) } })
//   new PostgrestClient(url, { fetch: causal(fetch) })

const TOKEN = "Postern-Token";

/** No answer has this token: the next request is checked with the database. */
const UNKNOWN = "0";

/** The gateway replaces more tokens than this by UNKNOWN. */
const MAX_TOKENS = 32;

/** How many tokens that newer ones cover are remembered. */
const MAX_COVERED = 100;

const READS = ["GET", "HEAD", "OPTIONS"];

/** What an answer brought. An object, because two answers may bring the same text. */
interface Seen {
	readonly token: string;
}

/**
 * Sends the token of each answer with the requests that begin after it. One such fetch is one reader: what an answer
 * showed it, the next answers show again, or something newer.
 * @param fetch called as the result is called, with the token among the headers
 */
export function causal(
	fetch: typeof globalThis.fetch,
): typeof globalThis.fetch {
	let seen: readonly Seen[] = [];
	const covered = new Set<string>();

	return async (input, init) => {
		// As fetch does: headers and method of `init` replace those of a Request.
		const request = isRequest(input) ? input : undefined;
		const method = init?.method ?? request?.method ?? "GET";
		const headers = new Headers(init?.headers ?? request?.headers);
		const sent = seen;
		if (sent.length > 0) headers.set(TOKEN, toHeader(sent));
		// A write whose answer is lost may have been done.
		const isWrite = !READS.includes(method.toUpperCase());
		try {
			const response = await fetch(input, { ...init, headers });
			const tokens = tokensOf(response);
			// The answer's tokens cover those of its request, not those that other answers brought meanwhile. An old answer, from a
			// browser's or a service worker's cache, covers nothing.
			if (!tokens.every((token) => covered.has(token))) replace(sent, tokens);
			// The token of a redirect that was followed, or that may not be looked at, is not known.
			const isUntold =
				response.redirected ||
				response.status === 0 ||
				(tokens.length === 0 && response.status >= 500);
			if (isWrite && isUntold) replace([], [UNKNOWN]);
			return response;
		} catch (error) {
			if (isWrite) replace([], [UNKNOWN]);
			throw error;
		}
	};

	function replace(old: readonly Seen[], tokens: readonly string[]) {
		const others = seen.filter((it) => !old.includes(it));
		seen = [...others, ...tokens.map((token) => ({ token }))];
		for (const { token } of old) {
			if (token !== UNKNOWN && !tokens.includes(token)) covered.add(token);
		}
		for (const oldest of covered) {
			if (covered.size <= MAX_COVERED) break;
			covered.delete(oldest);
		}
	}
}

/** By its shape: a polyfill's Request is no instance of the runtime's. */
function isRequest(input: string | object): input is Request {
	return typeof input === "object" && "headers" in input;
}

function tokensOf(response: Response): string[] {
	const tokens = response.headers.get(TOKEN)?.split(",") ?? [];
	return tokens.map((token) => token.trim());
}

function toHeader(seen: readonly Seen[]): string {
	const tokens = new Set(seen.map(({ token }) => token));
	return tokens.size > MAX_TOKENS ? UNKNOWN : [...tokens].join(", ");
}
