// A consistency scope is one client request with the pipeline requests that its route makes. Each of them sees what those
// before it saw, and the client receives the tokens of all of them.
import { type Moment, momentIn } from "../cache/etag.ts";
import { setDownstream } from "../cache/respond.ts";
import type { FindRouteHit } from "../fast-path/route-hits.ts";
import type { Recall } from "../http/database.ts";
import { Refusal } from "../http/refusals.ts";
import {
	KEY_HEADER,
	REPLAYED,
	WRITE_NUMBER,
} from "../idempotency/idempotency-key.ts";
import { GATEWAY, type Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";
import {
	consistencyTokensIn,
	FORCING_TOKEN,
	setConsistencyTokens,
	TOKEN_HEADER,
} from "./consistency-token.ts";
import { parseTokenCookies, setTokenCookie } from "./token-cookie.ts";

/** The condition of the route's first write of a row. */
const MATCH_HEADER = "If-Match";

/** The client's headers that the route's requests carry as well. */
const CARRIED = ["cache-control", "pragma"];

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

interface ConsistencyScope {
	/** The pipeline on behalf of this client. */
	readonly pipeline: Pipeline;
	/** The entry that answers a read, where the isolate's memory has it. */
	readonly recall: Recall;
	/** What all reads of the route are right as of, or later; undefined where that is not known of one, and without any. */
	readonly moment: Moment | undefined;
	/** Writes the tokens of everything that the client has seen into its answer. */
	close(headers: Headers): void;
}

/**
 * @param hasCookies whether browsers carry tokens as cookies
 * @param findRouteHit finds answers in the isolate's memory
 */
export function openConsistencyScope(
	client: Request,
	pipeline: Pipeline,
	hasCookies: boolean,
	findRouteHit?: FindRouteHit,
): ConsistencyScope {
	const cookies = hasCookies
		? parseTokenCookies(client.headers)
		: { names: [], consistencyTokens: [] };
	let tokens = [
		...new Set([
			...consistencyTokensIn(client.headers),
			...cookies.consistencyTokens,
		]),
	];
	const statuses: string[] = [];
	const ages: number[] = [];
	let hasSeen = false;
	let isReplayed = false;
	let writes = 0;
	const moments: (Moment | undefined)[] = [];
	let isMatchDue = isWrite(client) && client.headers.has(MATCH_HEADER);

	return {
		get moment() {
			return earliestOf(moments);
		},
		recall(read, identity) {
			if (CARRIED.some((name) => client.headers.has(name))) return undefined;
			const hit = findRouteHit?.(read, identity, tokens);
			if (hit === undefined) return undefined;
			moments.push(hit.entry);
			statuses.push(hit.cacheStatus);
			ages.push(hit.age);
			tokens = [...hit.consistencyTokens];
			hasSeen = true;
			return hit.entry;
		},
		async pipeline(request, identity: Identity) {
			const known = tokens;
			if (known.length > 0) setConsistencyTokens(request.headers, known);
			for (const name of CARRIED) {
				const value = client.headers.get(name);
				if (value !== null) request.headers.set(name, value);
			}
			// The gateway's own writes have no caller that a key would be for.
			const key =
				isWrite(request) && identity !== GATEWAY
					? client.headers.get(KEY_HEADER)
					: null;
			if (key !== null) {
				request.headers.set(KEY_HEADER, key);
				request.headers.set(WRITE_NUMBER, String(writes));
				writes += 1;
			}
			// A POST may be a call that only reads, before the write. One that writes is refused.
			if (isMatchDue && isWrite(request) && identity !== GATEWAY) {
				request.headers.set(
					MATCH_HEADER,
					client.headers.get(MATCH_HEADER) ?? "",
				);
				isMatchDue = request.method === "POST";
			}
			const answer = await pipeline(request, identity).catch((error) => {
				// A write that failed here may still have been committed: the next read has to be newer.
				if (isWrite(request)) {
					const told = error instanceof Refusal && error.headers[TOKEN_HEADER];
					tokens = [...new Set([...tokens, told || FORCING_TOKEN])];
					hasSeen = true;
				}
				throw error;
			});
			if (identity !== GATEWAY)
				moments.push(momentIn(answer.headers.get("ETag")));
			if (answer.headers.has(REPLAYED)) isReplayed = true;
			const status = answer.headers.get("Cache-Status");
			if (status !== null) statuses.push(status);
			if (answer.headers.has("Age"))
				ages.push(Number(answer.headers.get("Age")));
			if (answer.headers.has(TOKEN_HEADER)) {
				// An answer's tokens include what its request sent, but not tokens that arrived meanwhile.
				const others = tokens.filter((token) => !known.includes(token));
				tokens = [
					...new Set([...others, ...consistencyTokensIn(answer.headers)]),
				];
				hasSeen = true;
			}
			return answer;
		},
		close(headers) {
			if (statuses.length > 0) {
				if (!headers.has("Cache-Status"))
					headers.set("Cache-Status", statuses.join(", "));
				// A route's answer is as old as the oldest that it is made of.
				if (ages.length > 0) headers.set("Age", String(Math.max(...ages)));
				if (["GET", "HEAD"].includes(client.method)) setDownstream(headers);
			}
			if (isReplayed) headers.set(REPLAYED, "true");
			if (!hasSeen) return;
			setConsistencyTokens(headers, tokens);
			if (hasCookies) {
				const isSecure = new URL(client.url).protocol === "https:";
				setTokenCookie(headers, tokens, cookies.names, isSecure);
			}
		},
	};
}

function earliestOf(
	moments: readonly (Moment | undefined)[],
): Moment | undefined {
	if (moments.length === 0) return undefined;
	return moments.reduce((one, other) =>
		one?.feedEpoch !== other?.feedEpoch
			? undefined
			: one && other && (one.seq <= other.seq ? one : other),
	);
}

function isWrite({ method }: Pick<Request, "method">): boolean {
	return !SAFE_METHODS.includes(method);
}
