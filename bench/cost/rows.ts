// The rows of the report: what is asked of Postern, and what it is compared with.
import { issueCallerToken } from "../../gateway/cli/stack/tokens.ts";
import type { Asked } from "./load.ts";

export interface Row {
	readonly name: string;
	/** Answered from the memory of the isolate, and compared with an empty route; otherwise compared with a proxy. */
	readonly isHit: boolean;
	readonly status: number;
	/** An application's route, and not PostgREST's. */
	readonly isOfRoute?: boolean;
	/** The path below PostgREST's root, or the route's, of the request of this number. */
	pathOf(index: number): string;
	headersOf(index: number): Readonly<Record<string, string>>;
}

const CALLERS = 200;

const ONE = "/articles?id=eq.1&select=id,title,author_id,version,body";
const BYTES_20K = "/articles?order=id&limit=35";
const LIST = "/articles?author_id=eq.5&select=id,title,author_id,version";
const EMBED = "/authors?id=eq.5&select=*,articles(id,title,version)";

export async function rowsOf(tokenSigningKey: string): Promise<Row[]> {
	const tokens = await Promise.all(
		Array.from({ length: CALLERS }, (_, index) =>
			issueCallerToken(tokenSigningKey, {
				role: "authenticated",
				sub: `caller-${index}`,
			}),
		),
	);
	const bearer = (index: number) => ({
		authorization: `Bearer ${tokens[index % CALLERS]}`,
	});
	const none = () => ({});
	const hit = (
		name: string,
		path: string,
		headersOf: Row["headersOf"] = none,
	): Row => ({
		...{ name, isHit: true, status: 200, headersOf },
		pathOf: () => path,
	});
	let asked = 0;
	const notKept = (
		name: string,
		path: () => string,
		headers: Readonly<Record<string, string>> = {},
	): Row => ({
		...{ name, isHit: false, status: 200 },
		pathOf: path,
		headersOf: () => headers,
	});
	return [
		hit("hit, one row, anonymous", ONE),
		hit("hit, one row, one JWT", ONE, () => bearer(0)),
		hit("hit, one row, 200 callers", ONE, bearer),
		hit("hit, 20 kB", BYTES_20K),
		hit("hit, list of 20 rows", LIST),
		hit("hit, embed", EMBED),
		{ ...hit("hit, an application's route", "/products/1"), isOfRoute: true },
		{ ...hit("hit, 304", ONE, () => ({ "if-none-match": "*" })), status: 304 },
		notKept("bypass", () => ONE, { prefer: "tx=rollback" }),
		notKept("miss, not kept", () => ONE, { "cache-control": "no-store" }),
		notKept("miss, kept", () => {
			asked += 1;
			return `${ONE}&limit=${asked}`;
		}),
	];
}

/** The request of a row's number at a server that stands for PostgREST. */
export function askedOf(row: Row, root: string, index: number): Asked {
	return { url: root + row.pathOf(index), headers: row.headersOf(index) };
}
