// A fetch that sees its own writes and never goes back in time: for supabase-js, postgrest-js, or by itself, in browsers,
// Node and Workers. One file without dependencies; copy it.
//
//   createClient(url, key, { global: { fetch: causal(fetch) } })
//   new PostgrestClient(url, { fetch: causal(fetch) })

const TOKEN = "Postern-Token";

/** No answer stands for it: what is asked next is checked anew. */
const UNKNOWN = "0";

/** Of more tokens than these the gateway makes one UNKNOWN. */
const MAX_TOKENS = 32;

/** Tokens that others stand for by now: as many are remembered. */
const MAX_REPLACED = 100;

const READS = ["GET", "HEAD", "OPTIONS"];

/**
 * Carries the token of each answer to the requests that begin after it. One such fetch is one reader: whatever it was shown,
 * by any answer, it is shown again or something newer.
 * @param {typeof globalThis.fetch} fetch
 * @returns {typeof globalThis.fetch}
 */
export function causal(fetch) {
	/**
	 * What was seen, as objects: two answers may bring the same text, and a third stand for one of them only.
	 * @type {readonly { readonly token: string }[]}
	 */
	let seen = [];
	/** @type {Set<string>} */
	const replaced = new Set();

	return async (input, init) => {
		const request = new Request(input, init);
		const sent = seen;
		if (sent.length > 0) request.headers.set(TOKEN, inWords(sent));
		// A write that fails like that may have been done.
		const mayBeDone = !READS.includes(request.method);
		try {
			const response = await fetch(request);
			const news = tokensOf(response);
			// The answer's tokens stand for those of its request, not for those that other answers brought meanwhile. But an old
			// answer, out of a browser's or a service worker's cache, stands for nothing.
			if (!news.every((token) => replaced.has(token))) replace(sent, news);
			// Of a redirect that was followed, or is not to be looked at, the token is not to be had.
			const isUntold =
				response.redirected ||
				response.status === 0 ||
				(news.length === 0 && response.status >= 500);
			if (mayBeDone && isUntold) replace([], [UNKNOWN]);
			return response;
		} catch (error) {
			if (mayBeDone) replace([], [UNKNOWN]);
			throw error;
		}
	};

	/**
	 * @param {typeof seen} old
	 * @param {readonly string[]} news
	 */
	function replace(old, news) {
		const others = seen.filter((it) => !old.includes(it));
		seen = [...others, ...news.map((token) => ({ token }))];
		for (const { token } of old) {
			if (token !== UNKNOWN && !news.includes(token)) replaced.add(token);
		}
		for (const oldest of replaced) {
			if (replaced.size <= MAX_REPLACED) break;
			replaced.delete(oldest);
		}
	}
}

/** @param {Response} response */
function tokensOf(response) {
	const tokens = response.headers.get(TOKEN)?.split(",") ?? [];
	return tokens.map((token) => token.trim());
}

/** @param {readonly { readonly token: string }[]} seen */
function inWords(seen) {
	const tokens = new Set(seen.map(({ token }) => token));
	return tokens.size > MAX_TOKENS ? UNKNOWN : [...tokens].join(", ");
}
