// One client's request and the several that a route makes of it: each sees what those before it saw, and the client is told
// of all of them.

import { setDownstream } from "../cache/respond.ts";
import { FORCING_TOKEN } from "../feed/consistency-token.ts";
import type { Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";
import {
	parseConsistencyTokens,
	parseTokenCookies,
	setConsistencyTokens,
	setTokenCookie,
	TOKEN_HEADER,
} from "./client-tokens.ts";

/** The client's fields that a route's own requests carry as well. */
const CARRIED = ["cache-control", "pragma"];

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

export interface ConsistencyScope {
	/** The pipeline on behalf of this client. */
	readonly pipeline: Pipeline;
	/** Tells the client what it has seen. */
	close(headers: Headers): void;
}

/** @param hasCookies whether browsers carry tokens as cookies */
export function openConsistencyScope(
	client: Request,
	pipeline: Pipeline,
	hasCookies: boolean,
): ConsistencyScope {
	const cookies = hasCookies
		? parseTokenCookies(client.headers)
		: { names: [], tokens: [] };
	let tokens = [
		...new Set([...parseConsistencyTokens(client.headers), ...cookies.tokens]),
	];
	const statuses: string[] = [];
	let hasSeen = false;

	return {
		async pipeline(request: Request, identity: Identity) {
			const known = tokens;
			if (known.length > 0) setConsistencyTokens(request.headers, known);
			for (const name of CARRIED) {
				const value = client.headers.get(name);
				if (value !== null) request.headers.set(name, value);
			}
			const answer = await pipeline(request, identity).catch((error) => {
				// It may have been done all the same: whatever is read next has to be newer.
				if (!SAFE_METHODS.includes(request.method)) {
					tokens = [...new Set([...tokens, FORCING_TOKEN])];
					hasSeen = true;
				}
				throw error;
			});
			const status = answer.headers.get("Cache-Status");
			if (status !== null) statuses.push(status);
			if (answer.headers.has(TOKEN_HEADER)) {
				// An answer's tokens stand for those of its request as well, but not for those that came meanwhile.
				const others = tokens.filter((token) => !known.includes(token));
				tokens = [
					...new Set([...others, ...parseConsistencyTokens(answer.headers)]),
				];
				hasSeen = true;
			}
			return answer;
		},
		close(headers) {
			if (statuses.length > 0) {
				if (!headers.has("Cache-Status"))
					headers.set("Cache-Status", statuses.join(", "));
				if (["GET", "HEAD"].includes(client.method)) setDownstream(headers);
			}
			if (!hasSeen) return;
			setConsistencyTokens(headers, tokens);
			if (hasCookies) {
				const isSecure = new URL(client.url).protocol === "https:";
				setTokenCookie(headers, tokens, cookies.names, isSecure);
			}
		},
	};
}
