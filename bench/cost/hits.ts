// Reads that are answered from the memory of the isolate.
import { issueCallerToken } from "../../gateway/cli/stack/tokens.ts";
import { type Answered, type Asked, ask } from "./load.ts";
import type { Server } from "./postern.ts";

export interface Hit {
	readonly name: string;
	readonly status: number;
	/** Of an application's route, and not PostgREST's. */
	readonly isOfRoute?: boolean;
	readonly path: string;
	headersOf(number: number): Readonly<Record<string, string>>;
	readonly aim: number;
}

const CALLERS = 200;
/** Nothing is stored for some seconds after a schema change. */
const SETTLED_WITHIN_MS = 60_000;
/** Each caller is answered from the cache, and some more requests. */
const WARMING_REQUESTS = 2 * CALLERS;

export const ONE = "/articles?id=eq.1&select=id,title,author_id,version,body";
/** 20 kB. */
export const MANY = "/articles?order=id&limit=35";
export const LIST =
	"/articles?author_id=eq.5&select=id,title,author_id,version";

export async function hitsOf(tokenSigningKey: string): Promise<Hit[]> {
	const tokens = await Promise.all(
		Array.from({ length: CALLERS }, (_, index) =>
			issueCallerToken(tokenSigningKey, {
				role: "authenticated",
				sub: `caller-${index}`,
			}),
		),
	);
	const bearer = (number: number) => ({
		authorization: `Bearer ${tokens[number % CALLERS]}`,
	});
	const hit = (
		name: string,
		path: string,
		headersOf: Hit["headersOf"] = () => ({}),
	): Hit => ({ name, status: 200, path, headersOf, aim: 1.1 });
	return [
		hit("hit, one row, anonymous", ONE),
		hit("hit, one row, one JWT", ONE, () => bearer(0)),
		hit("hit, one row, 200 callers", ONE, bearer),
		hit("hit, 20 kB", MANY),
		hit("hit, list of 20 rows", LIST),
		hit("hit, embed", "/authors?id=eq.5&select=*,articles(id,title,version)"),
		{
			...hit("hit, an application's route", "/products/1"),
			...{ isOfRoute: true, aim: 3 },
		},
		{ ...hit("hit, 304", ONE, () => ({ "if-none-match": "*" })), status: 304 },
	];
}

export function askedOf(
	hit: Hit,
	{ url }: Pick<Server, "url">,
	number: number,
): Asked {
	const root = hit.isOfRoute ? url : `${url}/rest/v1`;
	return { url: root + hit.path, headers: hit.headersOf(number) };
}

/** Asks until each caller has been answered from the cache. @returns the last answer */
export function warm(hit: Hit, server: Pick<Server, "url">): Promise<Answered> {
	const asked = (number: number) => askedOf(hit, server, number);
	return untilHit(asked, WARMING_REQUESTS, hit.status);
}

/**
 * Asks until so many answers came from the cache.
 * @returns the last answer
 * @throws {Error} where the cache does not answer within a minute
 */
export async function untilHit(
	asked: (number: number) => Asked,
	count = 1,
	expectedStatus = 200,
): Promise<Answered> {
	const giveUpAt = Date.now() + SETTLED_WITHIN_MS;
	for (let number = 0; ; ) {
		const answer = await ask(asked(number));
		const status = answer.headers["cache-status"] ?? "";
		if (status.includes("; hit") && answer.status === expectedStatus)
			number += 1;
		if (number >= count) return answer;
		if (Date.now() > giveUpAt)
			throw new Error(
				`${asked(number).url} is not answered from the cache: ${answer.status}, ${status}`,
			);
	}
}
